"""What figures show of single takes, as arrays: a stretch of sound before and after cleaning, windows by expression."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.errors import StudyError
from mien.recording import Recording
from mien.sensing.echoes import find_echoes, gated_waveforms
from mien.sensing.features import Features
from mien.sensing.range_gate import RangeGate, compress


@dataclass(frozen=True, slots=True, eq=False)
class Cleaning:
    """A take before and after cleaning.

    Args:
        raw, cleaned: (time) the same stretch of sound: as recorded; after band-pass, removal of the direct path and
            the range gate.
        rate_hz, band_hz: of the samples; of the probe.
        range_m: (range) distances.
        before, after: (range) level over distance with the direct path and without, mean over the take's periods.
        cancellation_db: by how much the direct path was reduced.
        n_periods: of the whole take.
    """

    raw: np.ndarray
    cleaned: np.ndarray
    rate_hz: float
    band_hz: tuple[float, float]
    range_m: np.ndarray
    before: np.ndarray
    after: np.ndarray
    cancellation_db: float
    n_periods: int


def cleaning_of(
    recording: Recording, gate: RangeGate | None = None, n_periods: int = 2, longest_m: float = 0.9
) -> Cleaning:
    """Return the first whole periods of a recording before and after cleaning, and its echo over distance.

    Args:
        gate: distances that are kept; None takes FacER's.

    Raises:
        ProbeNotFound: no probe in it.
    """
    gate = gate or RangeGate()
    echoes = find_echoes(recording, gate)
    chirp, channel = echoes.grid.chirp, echoes.sync.channel
    first = next(number for number, start_s in enumerate(echoes.period_start_s) if start_s >= 0)
    start = round(echoes.period_start_s[first] * recording.rate_hz)
    raw = recording.samples[channel, start : start + round(n_periods * chirp.samples_per_period)].astype(np.float64)
    cleaned = np.concatenate(gated_waveforms(echoes, gate)[channel, first : first + n_periods])[: len(raw)]
    range_m = np.linspace(gate.direct_path_m / 2, longest_m, 300)
    delay_s = np.asarray(gate.delay_s(range_m))
    before, after = (
        np.abs(compress(spectra[channel], echoes.grid, delay_s)).mean(axis=0)
        for spectra in (echoes.raw, echoes.cleaned)
    )
    return Cleaning(
        raw[: len(cleaned)],
        cleaned,
        recording.rate_hz,
        chirp.band_hz,
        range_m,
        before,
        after,
        echoes.cancellation_db,
        echoes.sync.n_periods,
    )


def expression_images(
    features: Features, rows: Sequence[Mapping[str, int]], duration_s: float | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (person class height time) magnitudes of the middle window of a take each, heights, and times.

    Args:
        features: any whose last two axes are an image, time last, of the first microphone.
        rows: for each person class -> take, the same classes for all.
        duration_s: from the window's beginning; None takes all of it. FacER Fig. 3 shows 0.05 s.

    Raises:
        StudyError: a take that has no window among the features.
    """
    heights, times = features.axes[-2].values, features.axes[-1].values
    kept = np.ones(len(times), dtype=bool) if duration_s is None else times < duration_s
    images = []
    for person in rows:
        for name, row in person.items():
            windows = np.flatnonzero(features.row == row)
            if not len(windows):
                raise StudyError(f"take {row}, {name}, has no window among these features; choose another take")
            images.append(np.abs(features.values[windows[len(windows) // 2], 0][:, kept]))
    stacked = np.stack(images).reshape(len(rows), -1, len(heights), int(kept.sum()))
    return stacked, heights, times[kept]

"""Windows of a stream, period by period: what the front ends for recordings make of a whole take, made as it comes.

All that is remembered lies in rings of fixed size: 10 s, as long as a running baseline looks back.
"""

from dataclasses import replace

import numpy as np

from mien.errors import ModelError, RecordingError
from mien.recording import Recording
from mien.sensing.echoes import late_delays_s, snr_db
from mien.sensing.features import FrontEnd
from mien.sensing.front_ends import RangeProfile, Spectrogram
from mien.sensing.neutral import NEUTRAL_UNTIL_S, RUNNING_S, NeutralProfile, against, running_references
from mien.sensing.period_grid import PeriodGrid
from mien.sensing.quality import LEAST_SNR_DB, MOST_DRIFT_PPM
from mien.sensing.range_gate import RangeGate, compress, gate_echoes
from mien.sensing.stream import Period
from mien.sensing.windows import level_of

StreamedFrontEnd = RangeProfile | Spectrogram

RECENT_S = 0.25
"""Of a window, the latest part: how far the face is from rest now, not how far it was a second ago."""


class Ring:
    """The latest rows of a stream of arrays, in one piece of memory.

    Args:
        n_rows: remembered at least. shape: of a row.
    """

    def __init__(self, n_rows: int, shape: tuple[int, ...], kind: type = complex) -> None:
        self._rows: np.ndarray = np.zeros((2 * n_rows, *shape), dtype=kind)
        self._n_rows, self._end = n_rows, 0

    def __len__(self) -> int:
        return min(self._end, self._n_rows)

    def push(self, row: np.ndarray) -> None:
        if self._end == len(self._rows):
            self._rows[: self._n_rows] = self._rows[-self._n_rows :]
            self._end = self._n_rows
        self._rows[self._end] = row
        self._end += 1

    def last(self, n_rows: int | None = None) -> np.ndarray:
        """Return the latest rows, oldest first, all that are remembered if no number is given; a view."""
        n_kept = len(self) if n_rows is None else n_rows
        return self._rows[self._end - n_kept : self._end]


def streamed(front_end: FrontEnd) -> StreamedFrontEnd:
    """Return a front end that can follow a stream.

    Raises:
        ModelError: it is none of those, which are named.
    """
    if not isinstance(front_end, RangeProfile | Spectrogram):
        raise ModelError(
            f"a model with the front end {front_end.kind} cannot listen live; range-profile and spectrogram can: "
            "recognise recordings with it, or train one with another --front-end"
        )
    return front_end


def neutral_clip(
    front_end: StreamedFrontEnd, neutral: Recording | None, kept: NeutralProfile | None, n_channels: int
) -> NeutralProfile | None:
    """Return the fixed neutral face of a stream; None where a running baseline stands in for one.

    Args:
        neutral: a clip, which goes before all else. kept: what a calibrated model knows of its person.

    Raises:
        ModelError: the front end asks for a clip, and there is none.
        ProbeNotFound, ProbeMismatch, RecordingError: a clip that cannot be used.
    """
    needs_clip = isinstance(front_end, RangeProfile) and front_end.neutral == "clip"
    if neutral is not None:
        clip_end = front_end if isinstance(front_end, RangeProfile) else profile_of(front_end)
        if neutral.n_channels != n_channels:
            raise RecordingError(
                f"the neutral clip has {neutral.n_channels} channels, the stream {n_channels}; record both alike"
            )
        return clip_end.neutral_profile([neutral])
    if needs_clip and kept is None:
        raise ModelError(
            "this model hears a face against a clip of it at rest, and there is none: give one (--neutral FILE), or "
            "calibrate the model with a neutral take"
        )
    return kept if needs_clip else None


def profile_of(front_end: StreamedFrontEnd) -> RangeProfile:
    """Return the complex range profile that goes with a front end: its own distances, phase and all."""
    if isinstance(front_end, RangeProfile):
        return replace(front_end, values="complex")
    return RangeProfile(
        window_s=front_end.window_s, near_m=front_end.near_m, far_m=front_end.far_m,
        direct_path_m=front_end.direct_path_m, temperature_c=front_end.temperature_c,
    )  # fmt: skip


class LiveWindows:
    """The latest window of a stream, as a front end hears it.

    Args:
        front_end: whose windows. grid: of the probe. n_channels: microphones.
        neutral: a fixed neutral face, or None for a running baseline.
    """

    def __init__(
        self, front_end: StreamedFrontEnd, grid: PeriodGrid, n_channels: int, neutral: NeutralProfile | None
    ) -> None:
        self.front_end, self._grid = front_end, grid
        self._as_profile = profile_of(front_end)
        self.gate = RangeGate(front_end.near_m, front_end.far_m, front_end.direct_path_m, front_end.temperature_c)
        self.distance_m = self.gate.cells_m(grid, self._as_profile.cells_per_range_cell)
        self._delay_s = self.gate.delay_s(self.distance_m)
        shape = (n_channels, len(self.distance_m))
        self._neutral = None if neutral is None else _fitting(neutral, shape)
        period_s = grid.chirp.period_s
        self.n_periods = max(1, round(front_end.window_s / period_s))
        self._n_past, self._n_first = round(RUNNING_S / period_s), max(1, round(NEUTRAL_UNTIL_S / period_s))
        self._n_recent = min(self.n_periods, max(1, round(RECENT_S / period_s)))
        n_kept = self._n_past + self.n_periods + 1
        self._profiles = Ring(n_kept, shape)
        self._rest: np.ndarray | None = None
        if isinstance(front_end, Spectrogram):
            self._gated = Ring(self.n_periods + 1, (n_channels, grid.n_cells))
            self._power = Ring(n_kept, (n_channels,), float)

    def push(self, period: Period) -> None:
        """Hear one more period."""
        spectra = period.cleaned if self.front_end.direct_path == "removed" else period.raw
        self._profiles.push(compress(spectra, self._grid, self._delay_s, self._as_profile.taper))
        self._rest = None
        if isinstance(self.front_end, Spectrogram):
            gated = gate_echoes(spectra, self._grid, self.gate) if self.front_end.gate else spectra
            self._gated.push(gated)
            columns = self.front_end.columns(gated[:, None], self._grid)[1]
            self._power.push(np.mean(np.abs(columns) ** 2, axis=(1, 2)))

    def window(self) -> np.ndarray:
        """Return (microphone height time) values of the window that ends with the latest period."""
        if isinstance(self.front_end, Spectrogram):
            return self._spectrogram(self.front_end)
        profile = self._profile()
        magnitude = self.front_end.values == "magnitude"
        profile = np.abs(profile) if magnitude else profile
        latest = profile[:, -self.n_periods :]
        if self.front_end.neutral == "none":
            values = latest / level_of(profile)
        elif magnitude:
            rest = self._running(profile) if self._neutral is None else np.abs(self._neutral.values)[:, None]
            values = against(latest[:, None], rest)[:, 0]
        else:
            values = against(latest[:, None], self._at_rest(profile))[:, 0]
        return np.moveaxis(values, 1, 2).astype(np.float32 if magnitude else np.complex64)

    def away(self) -> tuple[float, float]:
        """Return how far the face is from rest as the window begins and ends: its profile's change from the neutral.

        ``sqrt(mean |p - n|^2 / mean |n|^2)`` over the window's first 0.15 s and last 0.25 s.
        """
        profile = self._profile()
        values = against(profile[:, None, -self.n_periods :], self._at_rest(profile))
        power = np.mean(np.abs(values) ** 2, axis=(0, 1, 3))
        return float(np.sqrt(power[: self._n_first].mean())), float(np.sqrt(power[-self._n_recent :].mean()))

    def drawing(self) -> tuple[float, ...]:
        """Return the latest profile's magnitude at the first microphone, 1 where it was largest in the last 10 s."""
        sizes = np.abs(self._profiles.last()[:, 0])
        return tuple((sizes[-1] / max(float(sizes.max()), np.finfo(float).tiny)).tolist())

    def _profile(self) -> np.ndarray:
        """Return (channel period range) all profiles remembered."""
        return np.moveaxis(self._profiles.last(), 0, 1)

    def _at_rest(self, profile: np.ndarray) -> np.ndarray:
        """Return (channel 1 range) the complex profile of the face at rest, for the latest window."""
        if self._neutral is not None and np.iscomplexobj(self._neutral.values):
            return self._neutral.values[:, None]
        if self._rest is None:
            self._rest = self._running(profile)
        return self._rest

    def _running(self, profile: np.ndarray) -> np.ndarray:
        first = profile.shape[1] - self.n_periods
        return running_references(profile, np.array([first]), self._n_first, self._n_past)

    def _spectrogram(self, front_end: Spectrogram) -> np.ndarray:
        per_period = self._grid.samples_per_period / front_end.stft_hop_samples
        n_columns = max(1, round(self.n_periods * per_period))
        # What a column at the window's start reaches back to, where a period was heard before.
        gated = np.moveaxis(self._gated.last(), 0, 1)
        columns = front_end.columns(gated, self._grid)[1]
        first = round((gated.shape[1] - self.n_periods) * per_period)
        index = np.minimum(first + np.arange(n_columns), columns.shape[-1] - 1)
        columns = np.abs(columns) if front_end.values == "magnitude" else columns
        level = np.sqrt(np.maximum(self._power.last().mean(axis=0), np.finfo(float).tiny))
        kind = np.float32 if front_end.values == "magnitude" else np.complex64
        return (columns[..., index] / level[:, None, None]).astype(kind)


class LiveQuality:
    """How good the latest periods were: clipping, echo to noise, drift."""

    def __init__(self, grid: PeriodGrid, gate: RangeGate, n_periods: int) -> None:
        self._grid, self._late_s = grid, late_delays_s(grid, gate)
        self._inside_s = gate.delay_s(gate.cells_m(grid, 1))
        self._before: np.ndarray | None = None
        self._powers, self._clipped = Ring(n_periods, (2,), float), Ring(n_periods, (), bool)

    def push(self, period: Period) -> None:
        """Hear one more period."""
        late = compress(period.cleaned, self._grid, self._late_s)
        change = late if self._before is None else (late - self._before) / np.sqrt(2)
        self._before = late
        noise = float(np.median(np.abs(change) ** 2) / np.log(2))
        signal = float(np.mean(np.abs(compress(period.cleaned, self._grid, self._inside_s)) ** 2))
        self._powers.push(np.array([signal, noise]))
        self._clipped.push(np.array(period.clipped))

    def words(self, drift_ppm: float) -> tuple[str, ...]:
        """Return what is wrong with them, in the words of a study's quality."""
        signal = float(self._powers.last()[:, 0].mean())
        # The first period after a gap counts the gap's change as noise; a median does not see it.
        noise = float(np.median(self._powers.last()[:, 1]))
        found = {
            "clipped": bool(self._clipped.last().any()),
            "low-snr": snr_db(signal, noise) < LEAST_SNR_DB,
            "drift": abs(drift_ppm) > MOST_DRIFT_PPM,
        }
        return tuple(word for word, true in found.items() if true)


def _fitting(neutral: NeutralProfile, shape: tuple[int, int]) -> NeutralProfile:
    if neutral.values.shape != shape:
        raise RecordingError(
            f"the neutral clip has {len(neutral.values)} channels of {neutral.values.shape[1]} cells, the stream "
            f"{shape[0]} of {shape[1]}; record both alike"
        )
    return neutral

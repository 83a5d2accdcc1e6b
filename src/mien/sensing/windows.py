"""Windows of whole periods within a take, and what front ends for chirps share."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from mien.errors import RecordingError
from mien.labels import UNKNOWN
from mien.recording import Recording
from mien.sensing.echoes import Echoes, quality_of_echoes
from mien.sensing.features import Axis, Features
from mien.sensing.quality import words_of
from mien.sensing.range_gate import RangeGate

LARGEST_OPTION = 1e6
MOST_PERIODS = 1_000_000
"""Periods in all windows of one recording: windows overlap, and each of them is kept whole, some 2 kB a period."""


@dataclass(frozen=True, slots=True)
class Windows:
    """First periods of windows of `n_periods` each, every `hop_periods`."""

    n_periods: int
    hop_periods: int
    first: np.ndarray


def windows_of(
    n_periods: int, period_s: float, window_s: float, hop_s: float, from_s: float = 0.0, first_heard: int = 0
) -> Windows:
    """Return the windows that fit into a take, in whole periods (lengths are rounded to them, at least one).

    Args:
        from_s: where the first window starts, rounded up to whole periods.
        first_heard: the first period in which the probe is heard: windows begin there, or as much after it, where one
            then fits.

    Raises:
        RecordingError: the take is shorter than one window after `from_s`.

    Example:
        >>> windows_of(20, 0.05, 0.25, 0.1).first.tolist()
        [0, 2, 4, 6, 8, 10, 12, 14]
        >>> windows_of(20, 0.05, 0.25, 0.25, from_s=0.2).first.tolist()
        [4, 9, 14]
    """
    n_window = max(1, round(window_s / period_s))
    hop = max(1, round(hop_s / period_s))
    begin = int(np.ceil(from_s / period_s - 1e-9))
    if n_periods < begin + n_window:
        left_out = f" from {from_s:g} s on" if begin else ""
        shorter = f" or choose window_s={(n_periods - begin) * period_s:g}" if n_periods > begin else ""
        raise RecordingError(
            f"the recording holds {max(n_periods - begin, 0)} periods of {period_s:g} s{left_out}, a window of "
            f"{window_s:g} s needs {n_window}; record at least {begin * period_s + window_s:g} s{shorter}"
        )
    if n_periods >= begin + first_heard + n_window:
        begin += first_heard
    n_windows = len(range(begin, n_periods - n_window + 1, hop))
    if n_windows * n_window > MOST_PERIODS:
        raise RecordingError(
            f"windows of {window_s:g} s every {hop_s:g} s of this recording hold {n_windows * n_window} periods in "
            f"all; at most {MOST_PERIODS} are kept in memory: choose a larger hop_s, or cut the recording into takes"
        )
    return Windows(n_window, hop, np.arange(begin, n_periods - n_window + 1, hop))


def filled(recording: Recording, window_s: float) -> Recording:
    """Return a recording that lacks up to half a period of one window with silence in its place; any other as it is.

    Recorders drop their last buffer, and less than half of a period of the paper's chirp is pause.
    """
    period_s = recording.probe.period_s if recording.probe is not None else 0.0
    n_missing = round(window_s * recording.rate_hz) - recording.n_samples
    if not 0 < n_missing <= period_s / 2 * recording.rate_hz:
        return recording
    note = f"it lacks {1000 * n_missing / recording.rate_hz:.3g} ms of a window, which silence stands for"
    samples = np.pad(recording.samples, ((0, 0), (0, n_missing)))
    return replace(recording, samples=samples, notes=(*recording.notes, note))


def check_positive(**lengths: float) -> None:
    """Refuse an option that is not a positive number, by name.

    Raises:
        ValueError: naming it.
    """
    for name, value in lengths.items():
        if not 0 < value <= LARGEST_OPTION:
            raise ValueError(f"{name} is {value!r}; a positive number up to {LARGEST_OPTION:g} is needed")


def check_word(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse an option that is none of a few words, by name.

    Raises:
        ValueError: naming it and what is allowed.
    """
    if value not in allowed:
        *others, last = (repr(word) for word in allowed)
        raise ValueError(f"{name} is {value!r}; it must be {', '.join(others)} or {last}")


def window_features(
    values: np.ndarray, axes: tuple[Axis, ...], front_end: Any, echoes: Echoes, windows: Windows, gate: RangeGate
) -> Features:
    """Return windows as Features: `row` all zero, each starting with its first period (never before the take).

    Args:
        gate: of the front end, within which the echoes' quality is judged.
    """
    start_s = np.maximum(echoes.period_start_s[windows.first], 0.0)
    broken = echoes.sync.holds_seam(windows.first, windows.n_periods)
    found = quality_of_echoes(echoes, gate)
    weakest_db = np.full(len(values), found.weakest_db)
    row = np.zeros(len(values), dtype=np.int64)
    return Features(values, axes, front_end, row, start_s, broken, weakest_db, words_of(found))


def level_of(values: np.ndarray) -> np.ndarray:
    """Return the root mean square of each microphone, shaped to divide by: (microphone 1 1), never zero.

    Each microphone has its own, because how loud one is beside another is the device's doing.
    """
    power = np.mean(np.abs(values) ** 2, axis=(1, 2), keepdims=True)
    return np.maximum(np.sqrt(power), np.finfo(float).tiny)


class GateOptions(Protocol):
    """The options of a front end that say which distances it keeps."""

    @property
    def near_m(self) -> float: ...

    @property
    def far_m(self) -> float: ...

    @property
    def direct_path_m(self) -> float: ...

    @property
    def temperature_c(self) -> float: ...


def known_fact(recording: Recording, name: str, otherwise: float) -> float:
    """Return a fact as a number, or `otherwise` where it is missing or unknown (None, NaN, "n/a").

    Raises:
        RecordingError: it is something else.
    """
    value = recording.facts.get(name)
    try:
        return otherwise if value is None or value == UNKNOWN or not np.isfinite(float(value)) else float(value)
    except (TypeError, ValueError, OverflowError):
        raise RecordingError(f"the recording's {name} is {value!r}; a number, or {UNKNOWN}, is needed") from None


def gate_of(options: GateOptions, recording: Recording) -> RangeGate:
    """Return the range gate that a front end asks for, at the recording's temperature if that is known."""
    temperature_c = known_fact(recording, "temperature_c", options.temperature_c)
    return RangeGate(options.near_m, options.far_m, options.direct_path_m, temperature_c)


def microphones(recording: Recording) -> Axis:
    """Return the axis that numbers a recording's microphones."""
    return Axis("microphone", "", np.arange(recording.n_channels))

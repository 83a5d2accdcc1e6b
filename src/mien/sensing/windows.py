"""Windows of whole periods within a take."""

from dataclasses import dataclass

import numpy as np

from mien.errors import RecordingError


@dataclass(frozen=True, slots=True)
class Windows:
    """First periods of windows of `n_periods` each, every `hop_periods`."""

    n_periods: int
    hop_periods: int
    first: np.ndarray


def windows_of(n_periods: int, period_s: float, window_s: float, hop_s: float) -> Windows:
    """Return the windows that fit into a take, in whole periods (lengths are rounded to them, at least one).

    Raises:
        RecordingError: the take is shorter than one window.

    Example:
        >>> windows_of(20, 0.05, 0.25, 0.125).first.tolist()
        [0, 2, 4, 6, 8, 10, 12, 14]
    """
    n_window = max(1, round(window_s / period_s))
    hop = max(1, round(hop_s / period_s))
    if n_periods < n_window:
        raise RecordingError(
            f"the recording holds {n_periods} periods of {period_s:g} s, a window of {window_s:g} s needs {n_window}; "
            f"record at least {window_s:g} s or choose window_s={n_periods * period_s:g}"
        )
    return Windows(n_window, hop, np.arange(0, n_periods - n_window + 1, hop))

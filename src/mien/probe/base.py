"""What every probe answers, and what every probe checks."""

import math
from fractions import Fraction
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from mien.errors import ProbeError, shortened

SPEED_OF_SOUND_M_S = 340.0
"""The papers' speed of sound (FacER section III-A); `dsp.speed_of_sound` gives it at a temperature."""

LARGEST = 1e6
"""Of any number in a probe: frequencies in hertz, times in seconds."""

LONGEST_PERIOD_S = 10.0
LONGEST_TOGETHER_S = 3_600.0
"""One probe's period, and the time after which several repeat together."""

MOST_TONES, MOST_PARTS = 64, 8


@runtime_checkable
class Probe(Protocol):
    """What every probe answers."""

    kind: ClassVar[str]

    @property
    def rate_hz(self) -> int: ...

    @property
    def band_hz(self) -> tuple[float, float]:
        """Lowest and highest frequency emitted."""
        ...

    @property
    def period_s(self) -> float:
        """After this time the waveform repeats."""
        ...

    def at(self, time_s: np.ndarray) -> np.ndarray:
        """Return the emitted amplitude, -1 to 1, at any times. Shape in, shape out."""
        ...

    def emit(self, n_samples: int) -> np.ndarray:
        """Return the first `n_samples` of the emission, shape (time), exact at every sample."""
        ...


def refuse_above_half_rate(high_hz: float, rate_hz: int, remedy: str) -> None:
    if high_hz > rate_hz / 2:
        needed = int(2 * high_hz)
        raise ProbeError(
            f"a probe up to {high_hz:g} Hz was asked for at {rate_hz} Hz, which carries only up to {rate_hz / 2:g} Hz; "
            f"use a rate of at least {needed} Hz{remedy}"
        )


def check_rate(rate_hz: int) -> None:
    if not isinstance(rate_hz, int) or isinstance(rate_hz, bool) or not 8_000 <= rate_hz <= 768_000:
        raise ProbeError(f"rate_hz is {rate_hz!r}; a whole number of samples per second from 8000 to 768000 is needed")


def check_positive(**quantities: float) -> None:
    for name, value in quantities.items():
        # A whole number of a thousand digits is compared, and not made a float of.
        if not (isinstance(value, (int, float)) and 0 < value < math.inf and value <= LARGEST):
            raise ProbeError(
                f"{name} is {shortened(repr(value), 40)}; a positive number is needed, at most {LARGEST:g}"
            )


def check_period(period_s: float, longest_s: float = LONGEST_PERIOD_S) -> None:
    if period_s > longest_s:
        raise ProbeError(
            f"period_s is {period_s:g}; at most {longest_s:g} s are allowed: what is emitted is looked for period by "
            "period"
        )


def time_in_period(n_samples: int, rate_hz: int, period_s: float) -> np.ndarray:
    """Return (n / rate) modulo the period for n = 0 .. n_samples - 1, without accumulating rounding.

    The period is taken as the nearest fraction of at most microseconds' denominator, so that sample numbers wrap in
    whole numbers: n * den mod (period * rate * den).
    """
    period = Fraction(period_s).limit_denominator(10_000_000)
    samples_per_period = period * rate_hz
    wrapped = (np.arange(n_samples, dtype=np.int64) * samples_per_period.denominator) % samples_per_period.numerator
    return wrapped / (samples_per_period.denominator * rate_hz)

"""The linear sweep of FacER (section IV-A, Eq. 1, 4, 5)."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from mien.errors import ProbeError
from mien.probe.base import (
    SPEED_OF_SOUND_M_S,
    check_period,
    check_positive,
    check_rate,
    refuse_above_half_rate,
    time_in_period,
)


@dataclass(frozen=True, slots=True)
class Chirp:
    """A linear sweep with faded ends, once per period, then silence (FacER section IV-A-1).

    ``s(t) = w(t) sin(2 pi (low t + B t^2 / (2 T)))`` for 0 <= t < T, with raised-cosine fades `w`.

    Args:
        low_hz, high_hz: the band; the paper's 19 to 23 kHz.
        sweep_s: length T of the sweep; the paper's 25 ms.
        period_s: time from one onset to the next; the paper's 50 ms.
        fade_s: length of each raised-cosine fade. The paper says "fading" and no length; a tenth of the sweep.
        rate_hz: samples per second at which it is emitted and recorded.

    Raises:
        ProbeError: a band above half the rate, a sweep longer than the period, or fades longer than the sweep.

    Example:
        >>> round(Chirp().range_cell_m(), 4)
        0.0425
        >>> Chirp().samples_per_period
        2400.0
    """

    kind: ClassVar[str] = "chirp"

    low_hz: float = 19_000.0
    high_hz: float = 23_000.0
    sweep_s: float = 0.025
    period_s: float = 0.05
    fade_s: float = 0.0025
    rate_hz: int = 48_000

    def __post_init__(self) -> None:
        check_rate(self.rate_hz)
        check_positive(low_hz=self.low_hz, high_hz=self.high_hz, sweep_s=self.sweep_s, period_s=self.period_s)
        check_period(self.period_s)
        if self.high_hz <= self.low_hz:
            raise ProbeError(f"a chirp from {self.low_hz:g} to {self.high_hz:g} Hz has no band; high_hz must be larger")
        if self.sweep_s > self.period_s:
            raise ProbeError(f"a sweep of {self.sweep_s:g} s does not fit into a period of {self.period_s:g} s")
        if not 0 <= 2 * self.fade_s <= self.sweep_s:
            raise ProbeError(f"two fades of {self.fade_s:g} s do not fit into a sweep of {self.sweep_s:g} s")
        if self.bandwidth_hz * self.sweep_s < 2:
            raise ProbeError(
                f"{self.bandwidth_hz:g} Hz in {self.sweep_s:g} s is no chirp: band x sweep must be at least 2"
            )
        refuse_above_half_rate(
            self.high_hz, self.rate_hz, f" or choose Chirp(high_hz={max(self.rate_hz / 2 - 1000, 1000):g})"
        )

    @property
    def band_hz(self) -> tuple[float, float]:
        return self.low_hz, self.high_hz

    @property
    def bandwidth_hz(self) -> float:
        return self.high_hz - self.low_hz

    @property
    def center_hz(self) -> float:
        return (self.low_hz + self.high_hz) / 2

    @property
    def slope_hz_per_s(self) -> float:
        """Return B / T, the beat frequency per second of delay."""
        return self.bandwidth_hz / self.sweep_s

    @property
    def samples_per_period(self) -> float:
        """Return the period in samples; a whole number only where rate and period allow it."""
        return float(Fraction(self.period_s).limit_denominator(10_000_000) * self.rate_hz)

    @property
    def samples_per_sweep(self) -> int:
        """Return how many samples the sweep spans (rounded up)."""
        return math.ceil(round(self.sweep_s * self.rate_hz, 6))

    def range_cell_m(self, speed_m_s: float = SPEED_OF_SOUND_M_S) -> float:
        """Return c / (2 B), the distance at which two echoes separate (FacER Eq. 5)."""
        return speed_m_s / (2 * self.bandwidth_hz)

    def sample_range_m(self, speed_m_s: float = SPEED_OF_SOUND_M_S) -> float:
        """Return c / (2 rate), the distance of one sample of delay (FacER section IV-A-2: 3.54 mm)."""
        return speed_m_s / (2 * self.rate_hz)

    def beat_hz(self, distance_m: float, speed_m_s: float = SPEED_OF_SOUND_M_S) -> float:
        """Return 2 R B / (T c), the beat frequency of an echo (FacER Eq. 4).

        Example:
            >>> round(Chirp().beat_hz(0.25)), round(Chirp().beat_hz(0.50))
            (235, 471)
        """
        return 2 * distance_m * self.slope_hz_per_s / speed_m_s

    def distance_m(self, beat_hz: float, speed_m_s: float = SPEED_OF_SOUND_M_S) -> float:
        """Return the distance of an echo from its beat frequency, the inverse of `beat_hz` (FacER Eq. 1)."""
        return speed_m_s * beat_hz / (2 * self.slope_hz_per_s)

    @property
    def longest_range_m(self) -> float:
        """Return the distance beyond which an echo's end falls into the next period."""
        return SPEED_OF_SOUND_M_S * (self.period_s - self.sweep_s) / 2

    def at(self, time_s: np.ndarray) -> np.ndarray:
        time_s = np.mod(np.asarray(time_s, dtype=np.float64), self.period_s)
        return self._sweep(time_s)

    def emit(self, n_samples: int) -> np.ndarray:
        return self._sweep(time_in_period(n_samples, self.rate_hz, self.period_s))

    def sweep(self) -> np.ndarray:
        """Return one sweep alone, shape (time) of `samples_per_sweep`."""
        return self._sweep(np.arange(self.samples_per_sweep) / self.rate_hz)

    def _sweep(self, time_s: np.ndarray) -> np.ndarray:
        phase = 2 * np.pi * (self.low_hz * time_s + self.slope_hz_per_s * time_s**2 / 2)
        inside = (time_s >= 0) & (time_s < self.sweep_s)
        return np.where(inside, np.sin(phase) * self._fade(time_s), 0.0)

    def _fade(self, time_s: np.ndarray) -> np.ndarray:
        if self.fade_s == 0:
            return np.ones_like(time_s)
        edge = np.clip(np.minimum(time_s, self.sweep_s - time_s) / self.fade_s, 0.0, 1.0)
        return 0.5 - 0.5 * np.cos(np.pi * edge)

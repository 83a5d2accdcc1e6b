"""Continuous tones."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mien.errors import ProbeError
from mien.probe.base import (
    MOST_TONES,
    SPEED_OF_SOUND_M_S,
    check_positive,
    check_rate,
    refuse_above_half_rate,
    time_in_period,
)


@dataclass(frozen=True, slots=True)
class PureTones:
    """One or several continuous tones of equal level.

    Args:
        tones_hz: frequencies; their sum is scaled so that it never passes 1.
        rate_hz: samples per second.

    Raises:
        ProbeError: no tone, a tone twice, or a tone above half the rate.

    Example:
        >>> PureTones((19_000.0,), rate_hz=44_100).band_hz
        (19000.0, 19000.0)
    """

    kind: ClassVar[str] = "pure-tones"

    tones_hz: tuple[float, ...] = (19_000.0,)
    rate_hz: int = 48_000

    def __post_init__(self) -> None:
        check_rate(self.rate_hz)
        if not self.tones_hz:
            raise ProbeError("pure tones need at least one frequency in tones_hz")
        if len(self.tones_hz) > MOST_TONES:
            raise ProbeError(f"tones_hz has {len(self.tones_hz)} frequencies; at most {MOST_TONES} can be told apart")
        for tone_hz in self.tones_hz:
            check_positive(tones_hz=tone_hz)
            if tone_hz < 1:
                raise ProbeError(f"a tone of {tone_hz:g} Hz is no sound; tones_hz of at least 1 Hz are needed")
        if list(self.tones_hz) != sorted(set(self.tones_hz)):
            raise ProbeError(f"tones_hz {self.tones_hz} must rise, each frequency once")
        refuse_above_half_rate(self.tones_hz[-1], self.rate_hz, " or lower tones")

    @property
    def band_hz(self) -> tuple[float, float]:
        return self.tones_hz[0], self.tones_hz[-1]

    @property
    def period_s(self) -> float:
        """Return the time after which all tones stand as at the start: one over their greatest common divisor."""
        millihertz = [round(tone_hz * 1000) for tone_hz in self.tones_hz]
        return 1000.0 / math.gcd(*millihertz)

    def wavelength_m(self, speed_m_s: float = SPEED_OF_SOUND_M_S) -> tuple[float, ...]:
        """Return the wavelength of each tone."""
        return tuple(speed_m_s / tone_hz for tone_hz in self.tones_hz)

    def doppler_hz(self, speed_m_s: float, sound_m_s: float = SPEED_OF_SOUND_M_S) -> tuple[float, ...]:
        """Return each tone's shift 2 v f / c for a reflector that approaches at `speed_m_s`."""
        return tuple(2 * speed_m_s * tone_hz / sound_m_s for tone_hz in self.tones_hz)

    def at(self, time_s: np.ndarray) -> np.ndarray:
        time_s = np.asarray(time_s, dtype=np.float64)
        waves = np.stack([np.sin(2 * np.pi * tone_hz * time_s) for tone_hz in self.tones_hz])
        return waves.mean(axis=0)

    def emit(self, n_samples: int) -> np.ndarray:
        total = np.zeros(n_samples)
        for tone_hz in self.tones_hz:
            # Wrapping each tone by its own period keeps the phase exact after hours of emission.
            total += np.sin(2 * np.pi * tone_hz * time_in_period(n_samples, self.rate_hz, 1 / tone_hz))
        return total / len(self.tones_hz)

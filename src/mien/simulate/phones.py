"""What phones do to a sound between 0 and 24 kHz, from loudspeaker through air to microphone.

The measured phones are those of a 0-24 kHz sweep that each played to itself, in decibels relative to its own 1-4 kHz at
18-19, 20-21 and 22-23 kHz. Between these the response is drawn straight in decibels, below 4 kHz it is 0 dB, above
22.5 kHz the last slope goes on, never below -70 dB. Its phase is the minimum phase that belongs to the magnitude.

Reference: the recordings published with LibAcousticSensing (Tung, Bui, Shin, MobiSys 2018).
"""

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mien.errors import StudyError

REFERENCE = "reference"
"""The flat device of the easier levels."""

FLOOR_DB = -70.0
_N_TAPS = 4097
_DESIGN_RATE_HZ = 96_000


@dataclass(frozen=True, slots=True)
class Phone:
    """A device by name and response.

    Args:
        name: as it stands in a study's column `device`.
        knots_hz, knots_db: the response's magnitude, straight lines in decibels between; empty for a flat device.
    """

    name: str
    knots_hz: tuple[float, ...] = ()
    knots_db: tuple[float, ...] = ()

    def magnitude_db(self, frequencies_hz: np.ndarray) -> np.ndarray:
        """Return the response's magnitude in decibels, shape (freq).

        Example:
            >>> PHONES["iphone-5c"].magnitude_db(np.array([2000.0, 18_500.0, 19_500.0])).tolist()
            [0.0, -6.0, -8.5]
        """
        frequencies_hz = np.asarray(frequencies_hz, dtype=np.float64)
        if not self.knots_hz:
            return np.zeros_like(frequencies_hz)
        inside_db = np.interp(frequencies_hz, self.knots_hz, self.knots_db)
        slope_db_per_hz = (self.knots_db[-1] - self.knots_db[-2]) / (self.knots_hz[-1] - self.knots_hz[-2])
        beyond_hz = np.maximum(frequencies_hz - self.knots_hz[-1], 0.0)
        return np.maximum(inside_db + slope_db_per_hz * beyond_hz, FLOOR_DB)

    def response(self, frequencies_hz: np.ndarray) -> np.ndarray:
        """Return the complex response, minimum phase, shape (freq); 1 at every frequency for a flat device."""
        frequencies_hz = np.asarray(frequencies_hz, dtype=np.float64)
        if not self.knots_hz:
            return np.ones(frequencies_hz.shape, dtype=np.complex128)
        grid_hz, phase_rad = _minimum_phase(self)
        return 10 ** (self.magnitude_db(frequencies_hz) / 20) * np.exp(
            1j * np.interp(frequencies_hz, grid_hz, phase_rad)
        )

    def direct_taps(self) -> tuple[np.ndarray, np.ndarray]:
        """Return delays in seconds and amplitudes of the short paths over the device that follow its direct path.

        They are the device's own: drawn once from its name, within 0.3 ms, falling from -14 dB. An assumption.
        """
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        delays_s = np.sort(rng.uniform(0.03e-3, 0.3e-3, 3))
        amplitudes = 0.2 * np.exp(-delays_s / 0.15e-3) * rng.choice([-1.0, 1.0], 3)
        return delays_s, amplitudes


@lru_cache(maxsize=16)
def _minimum_phase(phone: Phone) -> tuple[np.ndarray, np.ndarray]:
    """Return a grid in hertz and the unwrapped minimum phase on it (Oppenheim and Schafer: from the cepstrum)."""
    grid_hz = np.linspace(0, _DESIGN_RATE_HZ / 2, _N_TAPS)
    log_magnitude = phone.magnitude_db(grid_hz) * np.log(10) / 20
    cepstrum = np.fft.irfft(log_magnitude)
    cepstrum[1 : _N_TAPS - 1] *= 2
    cepstrum[_N_TAPS:] = 0
    return grid_hz, np.fft.rfft(cepstrum).imag


_BANDS_HZ = (4000.0, 18_500.0, 20_500.0, 22_500.0)


def _measured(name: str, *levels_db: float) -> Phone:
    return Phone(name, _BANDS_HZ, (0.0, *levels_db))


PHONES = {
    phone.name: phone
    for phone in (
        Phone(REFERENCE),
        _measured("iphone-5c", -6, -11, -37),
        _measured("iphone-6s", -15, -23, -48),
        _measured("nexus-6p", 0.7, 0.2, -2.8),
        _measured("galaxy-s4", -11, -11, -26),
        _measured("galaxy-s5", -24, -24, -36),
    )
}
"""The flat reference and the measured phones."""

MEASURED = tuple(name for name in PHONES if name != REFERENCE)
"""The phones that people of the harder levels hold."""


def phone_named(name: str) -> Phone:
    """Return a phone.

    Raises:
        StudyError: no phone of that name.
    """
    if name not in PHONES:
        raise StudyError(f"device {name!r} is unknown; known are {', '.join(PHONES)}")
    return PHONES[name]

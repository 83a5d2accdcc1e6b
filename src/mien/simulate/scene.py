"""Everything between loudspeaker and microphone that is not the face: direct path, body, clutter and noise.

All levels are stated against one echo: that of the face model's mean identity at rest, without a mask, at the level's
nominal position, heard by the first microphone of a flat device (`FaceEcho`).

- Clutter within the face's range: body (highlights of chest and shoulders, breathing) and what lies near the phone at
  that place, half of the energy each. Its mean square over the band at the start of a take is exactly `clutter_db`
  relative to the face's. Placed anew, by a few centimetres, in each take.
- Clutter farther away, 0.6 to 3 m: the place's own reflectors, `Place.far_db` above the near clutter.
- Direct path: `DIRECT_OVER_FACE_DB` above the face, followed by the device's own short paths. With a residual, its
  amplitude and phase waver from period to period, independently at the loudspeaker and 2 cm along the housing, so that
  the wavering part has `direct_residual_db` relative to the face.
- Noise: Gaussian, with the place's slope over the band, as strong as the level states it after compression. A phone's
  response shapes echoes and direct path but not the noise. The stated ratio holds behind the response for a receiver
  matched to probe and phone; a filter matched to the probe alone, as the front ends have, gets less: by 2.2 dB with the
  iPhone 5c, 2.4 with the 6s, 1.1 with the Galaxy S4, 0.8 with the S5, 0.1 with the Nexus 6P.

Left out: absorption by the air (about 0.5 dB/m at 20 kHz, 0.3 dB to a face and back), the directivity of loudspeaker
and microphones, Doppler within a sweep.
"""

from dataclasses import dataclass

import numpy as np

from mien.errors import StudyError
from mien.simulate.performance import smooth_noise
from mien.simulate.phones import Phone

SPEED_OF_SOUND_M_S = 343.0
"""At 20 degrees Celsius."""

MICROPHONES_M = np.array([[0.0, -0.01, 0.0], [0.0, -0.14, 0.0]])
"""Microphones below the loudspeaker, which is the origin: the first 1 cm away, the second at a phone's lower edge."""

DIRECT_OVER_FACE_DB = 30.0
"""Direct path over face echo. In free air 1 cm and 30 cm would give near 48 dB; housing and directivity take the rest,
an assumption."""

RESIDUAL_DELAY_S = 0.02 / SPEED_OF_SOUND_M_S
RESIDUAL_CORRELATION_S = 0.1
BREATH_M = 0.003
NOISE_MARGIN_HZ = 4000.0
"""Noise is made from this far below the band, or from 15 kHz where that is lower, up to half the rate."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place by what reflects there and how its noise falls.

    Args:
        name: as in a study's column `place`.
        near: (x, y, z, decibels) of what lies within the face's range; metres from the loudspeaker, y up, z away from
            the face; decibels among themselves.
        far: (x, y, z, decibels) of what stands farther away.
        far_db: energy of all that is far over all that is near.
        noise_slope_db_per_khz: of the noise over the band.
    """

    name: str
    near: tuple[tuple[float, float, float, float], ...]
    far: tuple[tuple[float, float, float, float], ...]
    far_db: float
    noise_slope_db_per_khz: float


PLACES = {
    place.name: place
    for place in (
        Place(
            "office",
            ((0.05, -0.33, 0.08, 0.0), (-0.12, -0.40, -0.05, -3.0), (0.30, -0.30, 0.05, -6.0)),
            ((0.2, 0.1, 0.6, 0.0), (-0.5, -0.2, 0.4, -4.0), (1.1, 0.3, 0.8, -3.0), (0.0, 1.6, 0.3, -2.0),
             (-1.4, 0.2, 1.6, -5.0), (0.4, 0.1, 2.9, -3.0)),
            12.0,
            -0.5,
        ),
        Place(
            "dining-hall",
            ((0.0, -0.29, 0.05, 0.0), (0.15, -0.30, 0.22, -2.0), (-0.22, -0.31, 0.20, -2.0)),
            ((0.0, -0.3, 0.7, 0.0), (0.8, 0.1, 0.3, -3.0), (-0.8, 0.1, 0.4, -3.0), (0.3, 0.2, 1.5, -2.0),
             (-1.5, 0.3, 1.8, -6.0), (1.8, 0.5, 2.2, -8.0)),
            9.0,
            0.0,
        ),
        Place(
            "garden",
            ((0.04, -0.30, -0.12, 0.0), (-0.20, -0.42, -0.05, -4.0)),
            ((0.2, -1.2, 0.2, 0.0), (-0.9, -0.6, 0.9, -4.0), (1.4, -0.2, 1.6, -6.0)),
            3.0,
            -1.5,
        ),
    )
}  # fmt: skip
"""The paper's three places. Their reflectors are drawn up by hand: an assumption, fixed by the levels' version."""


def place_named(name: str) -> Place:
    """Return a place.

    Raises:
        StudyError: no place of that name.
    """
    if name not in PLACES:
        raise StudyError(f"place {name!r} is unknown; known are {', '.join(PLACES)}")
    return PLACES[name]


@dataclass(frozen=True, slots=True)
class FaceEcho:
    """The echo that levels are stated against.

    Args:
        rms: root mean square over the band of the channel.
        peak: largest modulus over delay of ``sum_f |c_f|^2 H(f) exp(j 2 pi f tau)``, the compressed echo of one period.
        probe_power: ``sum_f |c_f|^2``.
    """

    rms: float
    peak: float
    probe_power: float


@dataclass(frozen=True, slots=True, eq=False)
class Reflectors:
    """Points that echo: their channel is known at every frequency.

    Args:
        positions_m: (echo xyz) from the loudspeaker.
        amplitudes: (echo) pressure each returns, whatever its distance.
    """

    positions_m: np.ndarray
    amplitudes: np.ndarray

    def delays_s(self, microphones_m: np.ndarray, motion_m: np.ndarray | None = None) -> np.ndarray:
        """Return (... channel echo) delays, with (time xyz) or (time echo xyz) motion of the points."""
        positions = self.positions_m
        if motion_m is not None:
            positions = positions + (motion_m[:, None, :] if motion_m.ndim == 2 else motion_m)
        to_point = np.linalg.norm(positions, axis=-1)
        back = np.linalg.norm(positions[..., None, :, :] - microphones_m[:, None, :], axis=-1)
        return (to_point[..., None, :] + back) / SPEED_OF_SOUND_M_S

    def channel(
        self, frequencies_hz: np.ndarray, microphones_m: np.ndarray, motion_m: np.ndarray | None = None
    ) -> np.ndarray:
        """Return (time channel freq), one frame without motion.

        Motion is a few millimetres, so a frame is the still channel with each echo's phase turned at the middle of the
        band: its delay moves, its envelope does not (an error 22 to 24 dB below the change, at 4 kHz of band).
        """
        still_s = self.delays_s(microphones_m)
        turns = self.amplitudes * np.exp(-2j * np.pi * frequencies_hz[:, None] * still_s[:, None, :])
        if motion_m is None:
            return turns.sum(axis=-1)[None]
        moved_s = self.delays_s(microphones_m, motion_m) - still_s
        phases = np.exp(-2j * np.pi * frequencies_hz.mean() * moved_s)
        return np.einsum("tce,cfe->tcf", phases, turns, optimize=True)

    def joined(self, other: "Reflectors") -> "Reflectors":
        """Return these points and others."""
        return Reflectors(
            np.concatenate([self.positions_m, other.positions_m]), np.concatenate([self.amplitudes, other.amplitudes])
        )

    def scaled(self, rms: float, frequencies_hz: np.ndarray) -> "Reflectors":
        """Return the same points with the first microphone's root mean square over the frequencies at `rms`."""
        found = np.sqrt(np.mean(np.abs(self.channel(frequencies_hz, MICROPHONES_M[:1])) ** 2))
        return Reflectors(self.positions_m, self.amplitudes * (rms / found))


def near_clutter(place: Place, rng: np.random.Generator) -> Reflectors:
    """Return what lies within the face's range at a place, put there anew to 2 cm; to be `scaled`."""
    return _scatter_anew(place.near, 0.02, rng)


def far_clutter(place: Place, rng: np.random.Generator) -> Reflectors:
    """Return what stands farther away, each found anew to 5 cm; to be `scaled`."""
    return _scatter_anew(place.far, 0.05, rng)


def _scatter_anew(
    rows: tuple[tuple[float, float, float, float], ...], spread_m: float, rng: np.random.Generator
) -> Reflectors:
    table = np.array(rows)
    return Reflectors(table[:, :3] + spread_m * rng.standard_normal((len(table), 3)), 10 ** (table[:, 3] / 20))


def body_highlights(chin_m: np.ndarray) -> Reflectors:
    """Return the points at which chest and shoulders face the phone, seen from the loudspeaker; to be `scaled`.

    A smooth clothed body echoes from where it stands square to the ray. The offsets from the chin are an adult's.

    Args:
        chin_m: (xyz) of the chin, from the loudspeaker.
    """
    offsets_m = np.array([[0.0, -0.15, -0.04], [0.16, -0.16, -0.12], [-0.16, -0.16, -0.12]])
    return Reflectors(chin_m + offsets_m, np.array([1.0, 0.7, 0.7]))


def breathing_motion(time_s: np.ndarray, breath_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Return (time xyz) how the chest heaves: 3 mm forward and back."""
    motion = np.zeros((len(time_s), 3))
    motion[:, 2] = BREATH_M / 2 * np.sin(2 * np.pi * (breath_hz * time_s + rng.uniform()))
    return motion


def direct_path(phone: Phone, frequencies_hz: np.ndarray, microphones_m: np.ndarray) -> np.ndarray:
    """Return (channel freq) the direct path with the device's short paths behind it, before scaling.

    1 at the first microphone's distance, less in proportion at farther ones.
    """
    distances_m = np.linalg.norm(microphones_m, axis=1)
    extra_s, extra = phone.direct_taps()
    delays_s = distances_m[:, None] / SPEED_OF_SOUND_M_S + np.concatenate([[0.0], extra_s])
    amplitudes = np.concatenate([[1.0], extra]) * (distances_m[0] / distances_m)[:, None]
    return np.einsum("ce,cfe->cf", amplitudes, np.exp(-2j * np.pi * frequencies_hz[:, None] * delays_s[:, None, :]))


def direct_wavering(time_s: np.ndarray, rms: float, rng: np.random.Generator) -> np.ndarray:
    """Return (time 2) complex gains of the direct path's wavering part and of its copy `RESIDUAL_DELAY_S` later.

    Together their expected mean square is rms^2.
    """
    parts = np.stack([smooth_noise(time_s, RESIDUAL_CORRELATION_S, rng) for _ in range(4)], axis=1)
    return rms / 2 * (parts[:, :2] + 1j * parts[:, 2:])


def noise_deviation(echo: FaceEcho, phone_gain: float, echo_to_noise_db: float, n_period: float) -> float:
    """Return the standard deviation per sample of white noise that gives a ratio after compression.

    One period, of `n_period` samples, is correlated with the probe. The echo's envelope peaks at
    ``2 n peak``, and noise of deviation sigma leaves an envelope of mean square ``4 n sigma^2 probe_power``, so that

    ``10^(dB / 10) = n peak^2 / (sigma^2 probe_power)``

    Args:
        phone_gain: amplitude gain of the device over the band, weighted by the probe.
    """
    return float(echo.peak * phone_gain * np.sqrt(n_period / echo.probe_power) * 10 ** (-echo_to_noise_db / 20))


def ambient_noise(
    place: Place,
    band_hz: tuple[float, float],
    deviation: float,
    shape: tuple[int, int],
    rate_hz: int,
    rng: np.random.Generator,
    *,
    lowest_hz: float | None = None,
) -> np.ndarray:
    """Return (channel time) noise with the place's slope, whose density averaged over the band is that of white noise.

    Args:
        deviation: of the white noise it equals within the band.
        lowest_hz: lowest frequency that is listened to, if it lies below the band.
    """
    frequencies_hz = np.fft.rfftfreq(shape[1], 1 / rate_hz)
    low_hz, high_hz = band_hz[0] - 250.0, band_hz[1] + 250.0
    power = 10 ** (place.noise_slope_db_per_khz * (frequencies_hz - (low_hz + high_hz) / 2) / 10_000)
    inside = (frequencies_hz >= low_hz) & (frequencies_hz <= high_hz)
    power = power / power[inside].mean() if inside.any() else power
    made = frequencies_hz >= min(15_000.0, (lowest_hz or band_hz[0]) - NOISE_MARGIN_HZ)
    n_made = np.count_nonzero(made)
    spectrum = np.zeros((shape[0], len(frequencies_hz)), dtype=np.complex128)
    normal = rng.standard_normal((2, shape[0], n_made))
    spectrum[:, made] = (normal[0] + 1j * normal[1]) * np.sqrt(power[made] * shape[1] / 2) * deviation
    return np.fft.irfft(spectrum, n=shape[1])

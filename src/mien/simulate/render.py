"""From channels to sound: what a recorder hears of a periodic probe through a slowly changing channel.

The channel of a face is known at some 19 frequencies 250 Hz apart. Freed of its bulk delay it is a smooth function of
frequency, because all of the face lies within a few decimetres: it is interpolated to the harmonics of the probe's
period by the kernel of a uniform spread of delays (the best linear estimate for such channels, a Wiener filter).
Reflectors whose delays are known are evaluated at the harmonics exactly.

A chirp's period is the sum of its harmonics times the channel at its onset. Echoes wrap around within their own period,
which is right for a periodic probe, and since the sweep is followed by silence, what changes between periods changes
while nothing sounds (echoes up to 4 m with the paper's probe). Within a period the channel stands still. Continuous
tones have no silence: their complex amplitude is drawn smoothly through the instants at which the channel is known.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline

from mien.errors import ProbeError
from mien.probe import Chirp, Composite, Probe, PureTones

FULL_SCALE_BITS = 24
SKIRT_HZ = 1000.0
"""How far beyond its band a faded chirp is followed: less than -60 dB of its energy lies outside."""

TONE_FRAME_S = 0.01
"""How often the channel is computed for probes without periods of their own: fast enough for 0.4 m/s at 20 kHz."""

_SPREAD_SAMPLES = 16


@dataclass(frozen=True, slots=True)
class Clock:
    """When samples are taken, on the clock of the emission.

    Args:
        rate_hz: nominal samples per second.
        n_samples: of the recording.
        start_s: time of the first sample after the onset of the first rendered period.
        drift_ppm: how much faster than the emission's clock the recorder's runs: a period then has more samples.
    """

    rate_hz: int
    n_samples: int
    start_s: float = 0.0
    drift_ppm: float = 0.0

    def times_s(self) -> np.ndarray:
        """Return (time) the instants of all samples."""
        return self.start_s + np.arange(self.n_samples) / (self.rate_hz * (1 + 1e-6 * self.drift_ppm))

    @property
    def end_s(self) -> float:
        return self.start_s + self.n_samples / (self.rate_hz * (1 + 1e-6 * self.drift_ppm))


@dataclass(frozen=True, slots=True, eq=False)
class Harmonics:
    """One probe without parts as a sum of harmonics: ``s(t) = Re sum_m 2 c_m exp(j 2 pi f_m t)``.

    Args:
        frequencies_hz: (freq) of the harmonics in its band.
        coefficients: (freq) complex.
        period_s: after which it repeats.
        steps: (freq) the harmonics' numbers, multiples of 1 / period.
    """

    frequencies_hz: np.ndarray
    coefficients: np.ndarray
    period_s: float
    steps: np.ndarray


def parts_of(probe: Probe) -> tuple[Probe, ...]:
    """Return the probes that sound together, each at 1 / number of the full amplitude."""
    return probe.parts if isinstance(probe, Composite) else (probe,)


def has_only_chirps(probe: Probe) -> bool:
    """Return whether all of a probe has periods between which its channel may change unheard."""
    return all(isinstance(part, Chirp) for part in parts_of(probe))


def frame_period_s(probe: Probe) -> float:
    """Return the time between two instants at which the channel is computed: the shortest chirp's period.

    Example:
        >>> frame_period_s(Chirp()), frame_period_s(PureTones())
        (0.05, 0.01)
    """
    periods = [part.period_s for part in parts_of(probe) if isinstance(part, Chirp)]
    return min(periods, default=TONE_FRAME_S)


def harmonics(probe: Probe) -> Harmonics:
    """Return the Fourier series of a chirp's closed form, or the tones.

    Raises:
        ProbeError: a probe that is neither a chirp nor tones.
    """
    if isinstance(probe, PureTones):
        tones_hz = np.array(probe.tones_hz)
        # A sine is Re(-j exp(jwt)); the factor 2 of the sum is in the series' convention.
        return Harmonics(tones_hz, np.full(len(tones_hz), -0.5j / len(tones_hz)), probe.period_s, np.zeros(0, int))
    if isinstance(probe, Chirp):
        return _series(probe)
    raise ProbeError(f"the simulator renders chirps and pure tones, alone or together; {probe.kind} was asked for")


@lru_cache(maxsize=8)
def _series(chirp: Chirp) -> Harmonics:
    n_dense = 2 ** int(np.ceil(np.log2(16 * chirp.high_hz * chirp.period_s)))
    series = np.fft.rfft(chirp.at(np.arange(n_dense) * chirp.period_s / n_dense)) / n_dense
    first = max(1, int(np.floor((chirp.low_hz - SKIRT_HZ) * chirp.period_s)))
    highest_hz = min(chirp.high_hz + SKIRT_HZ, chirp.rate_hz / 2)
    steps = np.arange(first, int(np.ceil(highest_hz * chirp.period_s)))
    return Harmonics(steps / chirp.period_s, series[steps], chirp.period_s, steps)


def interpolation_matrix(grid_hz: np.ndarray, wanted_hz: np.ndarray, shortest_s: float, longest_s: float) -> np.ndarray:
    """Return (wanted freq) weights that carry a channel from a coarse grid to other frequencies.

    Args:
        grid_hz: (freq) where the channel is known, evenly spaced.
        wanted_hz: (wanted) where it is needed.
        shortest_s, longest_s: all of the channel's echoes lie between these delays. Their distance must be well below
            one over the grid's step.

    Returns:
        (wanted freq) complex. Within the grid the error is below -50 dB for any echo between the two delays as long as
        they are at most half of 1 / step apart; beyond its ends the channel is continued for about one step.
    """
    middle_s, half_s = (shortest_s + longest_s) / 2, (longest_s - shortest_s) / 2

    def covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sinc(2 * half_s * (a[:, None] - b[None, :]))

    known = covariance(grid_hz, grid_hz) + 1e-9 * np.eye(len(grid_hz))
    weights = np.linalg.solve(known, covariance(grid_hz, wanted_hz)).T
    turn = np.exp(-2j * np.pi * middle_s * (wanted_hz[:, None] - grid_hz[None, :]))
    return weights * turn


def render_part(responses: np.ndarray, part: Probe, onsets_s: np.ndarray, clock: Clock) -> np.ndarray:
    """Return (channel time) the sound of one probe through a channel.

    Args:
        responses: (time channel freq) the channel at each of `onsets_s`, at the frequencies of `harmonics(part)`.
        part: a chirp or tones.
        onsets_s: (time) evenly spaced instants of the channel, the first at 0; they must reach the recording's end.
        clock: when it is sampled.

    Returns:
        float64 samples; 1 is the probe's own amplitude.
    """
    lines = harmonics(part)
    amplitudes = 2 * responses * lines.coefficients
    if isinstance(part, PureTones):
        return _render_tones(amplitudes, lines, onsets_s, clock)
    n_periods = int(np.ceil(clock.end_s / part.period_s - 1e-9))
    frame = np.searchsorted(onsets_s, np.arange(n_periods) * part.period_s + 1e-9, side="right") - 1
    per_period = clock.rate_hz * part.period_s
    if clock.drift_ppm == 0 and abs(per_period - round(per_period)) < 1e-9:
        return _render_whole_periods(amplitudes[frame], lines, clock, round(per_period))
    return _render_anywhere(amplitudes[frame], lines, clock)


def _render_whole_periods(amplitudes: np.ndarray, lines: Harmonics, clock: Clock, n_period: int) -> np.ndarray:
    """Sample periods of a whole number of samples: one inverse transform each."""
    first, fraction = divmod(clock.start_s * clock.rate_hz, 1.0)
    shifted = amplitudes * np.exp(2j * np.pi * lines.frequencies_hz * fraction / clock.rate_hz)
    spectrum = np.zeros((*shifted.shape[:2], n_period // 2 + 1), dtype=np.complex128)
    inside = lines.steps < n_period / 2
    spectrum[..., lines.steps[inside]] = shifted[..., inside] * n_period / 2
    periods = np.fft.irfft(spectrum, n=n_period)
    sound = periods.transpose(1, 0, 2).reshape(periods.shape[1], -1)
    return sound[:, int(first) : int(first) + clock.n_samples]


def _render_anywhere(amplitudes: np.ndarray, lines: Harmonics, clock: Clock) -> np.ndarray:
    """Sample at any instants: envelopes on a fine grid, cubic interpolation between, carrier at the exact time.

    The grid has at least `_SPREAD_SAMPLES` points per cycle of the envelope's highest frequency, where four-point
    Lagrange interpolation errs by less than -80 dB.
    """
    middle = int(lines.steps[len(lines.steps) // 2])
    n_fine = 2 ** int(np.ceil(np.log2(_SPREAD_SAMPLES * (np.ptp(lines.steps) / 2 + 1))))
    spectrum = np.zeros((*amplitudes.shape[:2], n_fine), dtype=np.complex128)
    spectrum[..., (lines.steps - middle) % n_fine] = amplitudes
    envelopes = np.fft.ifft(spectrum) * n_fine
    times_s = clock.times_s()
    period = np.floor(times_s / lines.period_s + 1e-12).astype(int)
    position = (times_s / lines.period_s - period) * n_fine
    cell = np.floor(position).astype(int)
    weights = _lagrange_weights(position - cell)
    envelope = sum(
        weight[:, None] * envelopes[period, :, (cell + step - 1) % n_fine] for step, weight in enumerate(weights)
    )
    carrier = np.exp(2j * np.pi * middle * np.mod(times_s / lines.period_s, 1.0))
    return (envelope * carrier[:, None]).real.T


def _lagrange_weights(fraction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the weights of the points -1, 0, 1, 2 for a place between 0 and 1."""
    x = fraction
    return (
        -x * (x - 1) * (x - 2) / 6,
        (x + 1) * (x - 1) * (x - 2) / 2,
        -(x + 1) * x * (x - 2) / 2,
        (x + 1) * x * (x - 1) / 6,
    )


def _render_tones(amplitudes: np.ndarray, lines: Harmonics, onsets_s: np.ndarray, clock: Clock) -> np.ndarray:
    times_s = clock.times_s()
    sound = np.zeros((amplitudes.shape[1], clock.n_samples))
    for tone_hz, course in zip(lines.frequencies_hz, amplitudes.transpose(2, 0, 1), strict=True):
        envelope = CubicSpline(onsets_s, course)(times_s) if len(onsets_s) > 1 else course
        sound += (envelope * np.exp(2j * np.pi * np.mod(tone_hz * times_s, 1.0))[:, None]).real.T
    return sound


def record(sound: np.ndarray) -> np.ndarray:
    """Return what a 24-bit converter makes of a sound, float32 (channel time): rounded, clipped at full scale."""
    steps = 2.0 ** (FULL_SCALE_BITS - 1)
    return (np.clip(np.round(sound * steps), -steps, steps - 1) / steps).astype(np.float32)

"""The air between a loudspeaker and a microphone: the simulator's person before the phone, noise, and what phones do.

`Air` is a machine without a clock: blocks of what is played in, blocks of what is heard out. `AirBetween` runs one in
real time between the two halves of the virtual card.
"""

import subprocess
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from mien.dsp import band_gain, resample
from mien.simulate.options import SimulationOptions, plan_takes
from mien.simulate.render import harmonics, interpolation_matrix
from mien.simulate.stage import stage_for
from mien.simulate.take import full_scale_gain, noise_of, play, responses_at
from virtual_card import RATE_HZ, VirtualCard, stop

BLOCK = 480
N_TAPS = 2_400
AHEAD = 96
"""What is heard comes so many samples late, so that filters of limited band may ring before it."""

FRAME_S = 0.05


class Processing(Protocol):
    """What a device does to sound after the microphone."""

    def __call__(self, heard: np.ndarray, played: np.ndarray) -> np.ndarray: ...


class GainControl:
    """Bring the peaks to a target: down fast, up slowly, as voice processing does."""

    def __init__(self, target: float = 0.5, most_db: float = 24.0, rise_db_per_s: float = 8.0) -> None:
        self.target, self.most = target, 10 ** (most_db / 20)
        self.rise = 10 ** (rise_db_per_s * BLOCK / RATE_HZ / 20)
        self.gain, self.peak = 1.0, 1e-3

    def __call__(self, heard: np.ndarray, played: np.ndarray) -> np.ndarray:
        self.peak = max(float(np.abs(heard).max()), 0.995 * self.peak)
        wanted = min(self.target / max(self.peak, 1e-9), self.most)
        before, self.gain = self.gain, max(min(wanted, self.gain * self.rise), 0.5 * self.gain)
        return heard * np.linspace(before, self.gain, len(heard))


class EchoCanceller:
    """Take out what is played, by an adaptive filter in the frequency domain (partitioned block NLMS)."""

    def __init__(self, n_partitions: int = 4, step: float = 0.15) -> None:
        self.weights = np.zeros((n_partitions, BLOCK * 2 // 2 + 1), complex)
        self.inputs = np.zeros_like(self.weights)
        self.power = np.full(self.weights.shape[1], 1e-6)
        self.before = np.zeros(BLOCK)
        self.step = step

    def __call__(self, heard: np.ndarray, played: np.ndarray) -> np.ndarray:
        self.inputs = np.roll(self.inputs, 1, axis=0)
        self.inputs[0] = np.fft.rfft(np.concatenate([self.before, played]))
        self.before = played.copy()
        echo = np.fft.irfft((self.weights * self.inputs).sum(axis=0))[BLOCK:]
        error = heard - echo
        self.power = np.maximum(0.98 * self.power, np.sum(np.abs(self.inputs) ** 2, axis=0))
        spectrum = np.fft.rfft(np.concatenate([np.zeros(BLOCK), error]))
        gradient = np.fft.irfft(self.inputs.conj() * (spectrum / (self.power + 1e-1)), axis=1)
        gradient[:, BLOCK:] = 0
        self.weights += self.step * np.fft.rfft(gradient, axis=1)
        return error


class NoiseSuppressor:
    """Take out what is steady: a quantile of each band's level is its noise (spectral subtraction, sine windows)."""

    def __init__(self, floor_db: float = -18.0, rate_db_per_s: float = 12.0) -> None:
        self.floor, self.rate = 10 ** (floor_db / 20), rate_db_per_s * BLOCK / RATE_HZ
        self.window = np.sin(np.pi * (np.arange(2 * BLOCK) + 0.5) / (2 * BLOCK))
        self.noise_db = np.full(BLOCK + 1, -120.0)
        self.before, self.tail = np.zeros(BLOCK), np.zeros(BLOCK)

    def __call__(self, heard: np.ndarray, played: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft(self.window * np.concatenate([self.before, heard]))
        self.before = heard.copy()
        level_db = 20 * np.log10(np.abs(spectrum) + 1e-12)
        self.noise_db += np.where(level_db > self.noise_db, self.rate, -2 * self.rate) * (1 + 9 * (self.noise_db < -90))
        gain = np.clip(1 - 10 ** ((self.noise_db + 6 - level_db) / 20), self.floor, 1)
        out = self.window * np.fft.irfft(gain * spectrum)
        done, self.tail = out[:BLOCK] + self.tail, out[BLOCK:]
        return done


class Air:
    """From what is played to what is heard.

    Args:
        taps: (frame time) the way from loudspeaker to microphone at rest in frame 0; later frames are a performance.
        noise: root mean square of the noise below 24 kHz, full scale 1.
        processing: what the device does after the microphone, in order.
        peak: the converter clips beyond.
    """

    def __init__(
        self, taps: np.ndarray, *, noise: float = 3e-4, processing: Sequence[Processing] = (), peak: float = 1.0,
        seed: int = 0,
    ) -> None:  # fmt: skip
        self.n_fft = 4_096
        self.spectra = np.fft.rfft(taps, self.n_fft, axis=1)
        self.noise, self.processing, self.peak = noise, processing, peak
        self.rng = np.random.default_rng(seed)
        self.tail = np.zeros(self.n_fft - BLOCK)
        self.performed_s: float | None = None

    def perform(self) -> None:
        """Let the person perform, from now on; they then stay at rest again."""
        self.performed_s = 0.0

    def hear(self, played: np.ndarray) -> np.ndarray:
        """Return (time) what is heard meanwhile; whole blocks of `BLOCK`."""
        return np.concatenate([self._block(part) for part in played.reshape(-1, BLOCK)])

    def _block(self, played: np.ndarray) -> np.ndarray:
        out = np.fft.irfft(np.fft.rfft(played, self.n_fft) * self._now())
        out[: len(self.tail)] += self.tail
        self.tail = out[BLOCK:].copy()
        heard = out[:BLOCK] + self.noise * self.rng.standard_normal(BLOCK)
        for process in self.processing:
            heard = process(heard, played)
        return np.clip(heard, -self.peak, self.peak)

    def _now(self) -> np.ndarray:
        if self.performed_s is None:
            return self.spectra[0]
        position = self.performed_s / FRAME_S
        self.performed_s += BLOCK / RATE_HZ
        frame = int(position)
        if frame + 1 >= len(self.spectra):
            self.performed_s = None
            return self.spectra[0]
        share = position - frame
        return (1 - share) * self.spectra[frame] + share * self.spectra[frame + 1]


def plain_taps(gain: float = 0.5, top_hz: float = 24_000.0) -> np.ndarray:
    """Return (1 time): a direct path and three echoes, in a device that carries sound up to a frequency."""
    frequency_hz = np.fft.rfftfreq(N_TAPS, 1 / RATE_HZ)
    delays, amplitudes = np.array([0, 31, 88, 240]), np.array([1.0, 0.2, 0.1, 0.05])
    turns = np.exp(-2j * np.pi * np.outer(frequency_hz, delays + AHEAD) / RATE_HZ)
    return gain * np.fft.irfft((turns @ amplitudes) * band_gain(frequency_hz, 20.0, top_hz, 800.0))[None]


@lru_cache(maxsize=8)
def person_taps(
    expression: str, *, seed: int = 0, duration_s: float = 5.0, level: str = "medium", played: float = 0.3
) -> tuple[np.ndarray, float]:
    """Return (frame time) the way past a simulated person who makes an expression, and the noise.

    Within the chirps' band it is that of `simulate`, heard as loud as there when the chirps are played at `played`;
    below, the direct path alone.
    """
    # Version 1 of the levels moves the head by centimetres: a change that no way to the answer may lose.
    options = SimulationOptions(
        n_subjects=1,
        n_takes=1,
        level=level,
        levels_version=1,
        duration_s=duration_s,
        expressions=(expression,),
        n_facets=6000,
        seed=seed,
    )
    stage = stage_for(options)
    take = play(stage, plan_takes(options, 0)[0])
    lines = harmonics(options.probe)
    face = take.face_channel @ interpolation_matrix(stage.frequencies_hz, lines.frequencies_hz, *take.delays_s).T
    gain = full_scale_gain(stage, take) / played
    known = gain * responses_at(stage, take, lines.frequencies_hz, face=face)[:, 0]
    frequency_hz = np.fft.rfftfreq(N_TAPS, 1 / RATE_HZ)
    direct = 0.3 / played * np.exp(-2j * np.pi * frequency_hz * 3e-5)
    within = band_gain(frequency_hz, *options.probe.band_hz, 900.0)
    whole = np.tile(direct * (1 - within), (len(known), 1))
    steps = np.round(lines.frequencies_hz * N_TAPS / RATE_HZ).astype(int)
    whole[:, steps] += known * within[steps]
    late = np.exp(-2j * np.pi * frequency_hz * AHEAD / RATE_HZ)
    return np.fft.irfft(whole * late, axis=1), float(noise_of(stage, take) * full_scale_gain(stage, take))


def drifting(samples: np.ndarray, ppm: float) -> np.ndarray:
    """Return (time) the same sound by a recorder whose clock runs faster."""
    return resample(samples, 1 + 1e-6 * ppm)[: len(samples)]


def whole_blocks(samples: np.ndarray) -> np.ndarray:
    """Return (time) with silence appended up to whole blocks."""
    return np.pad(samples.astype(np.float64), (0, -len(samples) % BLOCK))


class AirBetween:
    """An `Air` in real time between the virtual card's loudspeaker and its microphone; a context manager."""

    def __init__(self, card: VirtualCard, air: Air) -> None:
        self.card, self.air = card, air
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._pipes: list[subprocess.Popen] = []

    def __enter__(self) -> Air:
        raw = ["--raw", f"--rate={RATE_HZ}", "--format=float32le", "--channels=1", "--latency-msec=20"]
        for words in (["parec", "-d", "speaker.monitor"], ["pacat", "-d", "air"]):
            pipe = subprocess.Popen(
                [*words, *raw], env=self.card.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self._pipes.append(pipe)
        self._thread.start()
        return self.air

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for pipe in self._pipes:
            stop(pipe)
        self._thread.join(10)

    def _carry(self) -> None:
        source, sink = self._pipes
        assert source.stdout is not None and sink.stdin is not None
        try:
            while not self._stopping.is_set():
                raw = source.stdout.read(4 * BLOCK)
                if len(raw) < 4 * BLOCK:
                    return
                heard = self.air.hear(np.frombuffer(raw, "<f4").astype(np.float64))
                sink.stdin.write(heard.astype("<f4").tobytes())
                sink.stdin.flush()
        except (OSError, ValueError):
            return  # the pipes were closed

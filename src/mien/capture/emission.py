"""What is played: a probe that repeats without a seam, and the sweeps and chirps by which a device is checked."""

import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from mien.dsp import raised_cosine_step
from mien.errors import ProbeError
from mien.probe import Chirp, Probe, at_rate, probe_to_json

MODEST_LEVEL = 0.3
"""Of full scale. Loud enough for a face at 30 cm on the phones we know of, 10 dB below what they could play."""

STEP_DB = -12.0
"""From the loud to the soft chirps of the device check."""

FADE_S = 0.5
LONGEST_LOOP_S = 60.0


def looped(probe: Probe, duration_s: float, *, level: float = MODEST_LEVEL, fade_s: float = 0.0) -> np.ndarray:
    """Return a probe over whole periods of whole samples, so that it can be repeated without a seam.

    Args:
        probe: what is emitted, at its own rate.
        duration_s: about how long; what is returned is the nearest number of whole repetitions, one at least.
        level: peak amplitude, full scale 1.
        fade_s: raised-cosine rise at the start, for what is played once. Leave it at 0 for what is repeated, where it
            would come back at every repetition; `SoundCard` fades in and out by itself.

    Returns:
        (time) float32.

    Raises:
        ProbeError: a level out of range, or a probe that does not repeat in whole samples within a minute.

    Example:
        >>> sound = looped(Chirp(), 1.0)
        >>> sound.shape, float(abs(sound).max()).__round__(2)
        ((48000,), 0.3)
    """
    _check_level(level)
    unit = samples_until_repeated(probe)
    n_samples = unit * max(1, round(duration_s * probe.rate_hz / unit))
    sound = level * probe.emit(n_samples)
    return (sound * _rise(n_samples, probe.rate_hz, fade_s)).astype(np.float32)


def samples_until_repeated(probe: Probe) -> int:
    """Return after how many samples a probe stands as at its start, sample for sample.

    Example:
        >>> samples_until_repeated(Chirp()), samples_until_repeated(Chirp(period_s=0.05001))
        (2400, 60012)

    Raises:
        ProbeError: not within a minute.
    """
    samples = (Fraction(probe.period_s).limit_denominator(10_000_000) * probe.rate_hz).numerator
    if samples > LONGEST_LOOP_S * probe.rate_hz:
        raise ProbeError(
            f"a period of {probe.period_s:g} s at {probe.rate_hz} Hz comes back to a whole sample only after "
            f"{samples / probe.rate_hz:.0f} s; choose a period of whole samples, e.g. "
            f"{round(probe.period_s * probe.rate_hz) / probe.rate_hz:.9g} s"
        )
    return samples


def _check_level(level: float) -> None:
    if not 0 < level <= 1:
        raise ProbeError(f"a level of {level!r} was asked for; above 0 and at most 1 (full scale) is allowed")


def _rise(n_samples: int, rate_hz: int, fade_s: float) -> np.ndarray:
    return raised_cosine_step(np.arange(n_samples) / rate_hz, 0.0, fade_s) if fade_s > 0 else np.ones(n_samples)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the device check.

    Args:
        kind: `silence`, `sweep` or `chirps`.
        start_s, end_s: of the emission.
        level: peak amplitude, full scale 1.
    """

    kind: str
    start_s: float
    end_s: float
    level: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckEmission:
    """What a device check plays: silence, three sweeps, and between them chirps whose level steps up and down.

    Sweeps tell response, noise and resampling, and being far apart whether the level held. Chirps tell the direct path
    20 times a second: what gain control, noise suppression and echo cancellation make of it, clock drift, lost samples.
    Steps of their level are passed on as they are by a device without such processing, and by no other. Silence at both
    ends shows what happens to the noise.

    Args:
        probe: the chirp, with the emission's rate.
        level: peak of the chirps; the sweeps, which are heard, have two thirds of it.
        sweep_s: length of a sweep from 100 Hz to 24 kHz, or to half the rate.
        chirps_s: length of each of the two runs of chirps.
        silence_s, gap_s: at both ends, and between the parts.

    Raises:
        ProbeError: a level out of range, or less than 15 s in all, within which adaptive processing does not show.

    Example:
        >>> CheckEmission().duration_s, len(CheckEmission().chirps()[0])
        (21.0, 240)
    """

    probe: Chirp = field(default_factory=Chirp)
    level: float = MODEST_LEVEL
    sweep_s: float = 2.0
    chirps_s: float = 6.0
    silence_s: float = 1.0
    gap_s: float = 0.25

    def __post_init__(self) -> None:
        _check_level(self.level)
        if self.duration_s < 15:
            raise ProbeError(f"a device check of {self.duration_s:g} s was asked for; 15 s at least are needed")

    @property
    def rate_hz(self) -> int:
        return self.probe.rate_hz

    @property
    def sweep(self) -> Chirp:
        """Return the sweep, faded over 20 ms at both ends."""
        high_hz = min(24_000.0, self.rate_hz / 2)
        return Chirp(100.0, high_hz, self.sweep_s, self.sweep_s, 0.02, self.rate_hz)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return what is played, in order; between the parts is silence."""
        low = self.level * 10 ** (STEP_DB / 20)
        steps = (self.level, low, self.level, low)
        block_s = self.chirps_s / len(steps)
        kinds = ["sweep", *["chirps"] * len(steps), "sweep", *["chirps"] * len(steps), "sweep"]
        found, at_s = [Part("silence", 0.0, self.silence_s)], self.silence_s
        for number, kind in enumerate(kinds):
            length_s = self.sweep_s if kind == "sweep" else block_s
            level = 2 / 3 * self.level if kind == "sweep" else steps[(number - 1) % (len(steps) + 1)]
            found.append(Part(kind, at_s, at_s + length_s, level))
            at_s += length_s
            if number + 1 < len(kinds) and kinds[number + 1] != kind:
                at_s += self.gap_s
        return (*found, Part("silence", at_s, at_s + self.silence_s))

    @property
    def duration_s(self) -> float:
        return self.parts[-1].end_s

    @property
    def sweep_starts_s(self) -> tuple[float, ...]:
        return tuple(part.start_s for part in self.parts if part.kind == "sweep")

    def chirps(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (chirp) onsets in seconds and (chirp) amplitudes; the first half second rises to its level."""
        onsets, levels = [], []
        for part in self.parts:
            if part.kind == "chirps":
                number = round((part.end_s - part.start_s) / self.probe.period_s)
                onsets.append(part.start_s + self.probe.period_s * np.arange(number))
                levels.append(np.full(number, part.level))
        onsets_s, amplitudes = np.concatenate(onsets), np.concatenate(levels)
        return onsets_s, amplitudes * raised_cosine_step(onsets_s - onsets_s[0], -FADE_S / 5, FADE_S)

    def samples(self) -> np.ndarray:
        """Return what is played, shape (time) float32."""
        time_s = np.arange(math.ceil(self.duration_s * self.rate_hz)) / self.rate_hz
        sound = np.zeros(len(time_s))
        for part in self.parts:
            if part.kind == "sweep":
                _add(sound, part.level, self.sweep, part.start_s, time_s)
        for onset_s, amplitude in zip(*self.chirps(), strict=True):
            _add(sound, float(amplitude), self.probe, float(onset_s), time_s)
        return sound.astype(np.float32)

    def pcm(self) -> bytes:
        """Return what is played as mono float32 PCM, little-endian, as a browser's `Float32Array` reads it."""
        return self.samples().astype("<f4").tobytes()

    def to_json(self) -> dict[str, object]:
        """Return what another program needs to play it and to show where it is."""
        return {
            "rate_hz": self.rate_hz,
            "duration_s": self.duration_s,
            "n_samples": math.ceil(self.duration_s * self.rate_hz),
            "probe": probe_to_json(self.probe),
            "parts": [
                {"kind": part.kind, "start_s": part.start_s, "end_s": part.end_s, "level": round(part.level, 4)}
                for part in self.parts
            ],
        }


def check_emission(rate_hz: int = 48_000, level: float = MODEST_LEVEL) -> CheckEmission:
    """Return the device check for a rate: with the paper's chirp, or below 46 kHz one of 4 kHz under half the rate.

    Example:
        >>> check_emission(44_100).probe.band_hz
        (17000.0, 21000.0)

    Raises:
        ProbeError: a rate that carries no such chirp.
    """
    paper = Chirp()
    if rate_hz >= 2 * paper.high_hz:
        return CheckEmission(at_rate(paper, rate_hz), level)  # type: ignore[arg-type]
    high_hz = 1_000.0 * math.floor(rate_hz / 2_000 - 1)
    if high_hz < 16_000:
        raise ProbeError(f"a device check at {rate_hz} Hz was asked for; 34000 Hz at least are needed, 48000 best")
    return CheckEmission(Chirp(high_hz - 4_000, high_hz, rate_hz=rate_hz), level)


def _add(sound: np.ndarray, level: float, chirp: Chirp, start_s: float, time_s: np.ndarray) -> None:
    """Add one sweep of a chirp that begins at any instant."""
    begin, end = np.searchsorted(time_s, [start_s - 1e-9, start_s + chirp.sweep_s])
    inside = np.clip(time_s[begin:end] - start_s, 0.0, None)
    # `at` wraps at the period, which for the long sweep is its own length.
    sound[begin:end] += level * np.where(inside < chirp.sweep_s, chirp.at(inside), 0.0)

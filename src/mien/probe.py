"""What is emitted: the one home of band, period, code and every quantity that follows from them.

A probe is a frozen value. It knows its waveform in closed form, so that it can be sampled at any time and any rate
without rounding a period to whole samples, and it answers every question about itself: nobody else computes a range
cell or a number of samples per period.

References: FacER (Wang et al.), section IV-A and Eq. 1, 4, 5; FaceListener (Song et al.), section 3.
"""

import math
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from mien.errors import ProbeError

SPEED_OF_SOUND_M_S = 340.0
"""The papers' speed of sound (FacER section III-A); `dsp.speed_of_sound` gives it at a temperature."""


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


def _refuse_above_half_rate(high_hz: float, rate_hz: int, remedy: str) -> None:
    if high_hz > rate_hz / 2:
        needed = int(2 * high_hz)
        raise ProbeError(
            f"a probe up to {high_hz:g} Hz was asked for at {rate_hz} Hz, which carries only up to {rate_hz / 2:g} Hz; "
            f"use a rate of at least {needed} Hz{remedy}"
        )


def _check_rate(rate_hz: int) -> None:
    if not isinstance(rate_hz, int) or isinstance(rate_hz, bool) or not 8_000 <= rate_hz <= 768_000:
        raise ProbeError(f"rate_hz is {rate_hz!r}; a whole number of samples per second from 8000 to 768000 is needed")


def _check_positive(**quantities: float) -> None:
    for name, value in quantities.items():
        if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
            raise ProbeError(f"{name} is {value!r}; a positive number is needed")


def _time_in_period(n_samples: int, rate_hz: int, period_s: float) -> np.ndarray:
    """Return (n / rate) modulo the period for n = 0 .. n_samples - 1, without accumulating rounding.

    The period is taken as the nearest fraction of at most microseconds' denominator, so that sample numbers wrap in
    whole numbers: n * den mod (period * rate * den).
    """
    period = Fraction(period_s).limit_denominator(10_000_000)
    samples_per_period = period * rate_hz
    wrapped = (np.arange(n_samples, dtype=np.int64) * samples_per_period.denominator) % samples_per_period.numerator
    return wrapped / (samples_per_period.denominator * rate_hz)


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
        _check_rate(self.rate_hz)
        _check_positive(low_hz=self.low_hz, high_hz=self.high_hz, sweep_s=self.sweep_s, period_s=self.period_s)
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
        _refuse_above_half_rate(
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
        return self._sweep(_time_in_period(n_samples, self.rate_hz, self.period_s))

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
        _check_rate(self.rate_hz)
        if not self.tones_hz:
            raise ProbeError("pure tones need at least one frequency in tones_hz")
        for tone_hz in self.tones_hz:
            _check_positive(tones_hz=tone_hz)
            if tone_hz < 1:
                raise ProbeError(f"a tone of {tone_hz:g} Hz is no sound; tones_hz of at least 1 Hz are needed")
        if list(self.tones_hz) != sorted(set(self.tones_hz)):
            raise ProbeError(f"tones_hz {self.tones_hz} must rise, each frequency once")
        _refuse_above_half_rate(self.tones_hz[-1], self.rate_hz, " or lower tones")

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
        return sum(np.sin(2 * np.pi * tone_hz * time_s) for tone_hz in self.tones_hz) / len(self.tones_hz)

    def emit(self, n_samples: int) -> np.ndarray:
        total = np.zeros(n_samples)
        for tone_hz in self.tones_hz:
            # Wrapping each tone by its own period keeps the phase exact after hours of emission.
            total += np.sin(2 * np.pi * tone_hz * _time_in_period(n_samples, self.rate_hz, 1 / tone_hz))
        return total / len(self.tones_hz)


@dataclass(frozen=True, slots=True)
class Composite:
    """Several probes emitted at once, each in a band of its own so that each is heard apart.

    Args:
        parts: the probes, of one rate, whose bands do not touch: at least `guard_hz` lies between any two.

    Raises:
        ProbeError: fewer than two parts, different rates, nested composites or bands too close.
    """

    kind: ClassVar[str] = "composite"
    guard_hz: ClassVar[float] = 200.0

    parts: tuple[Any, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ProbeError(f"a composite needs at least two parts; {len(self.parts)} given")
        if any(isinstance(part, Composite) for part in self.parts):
            raise ProbeError("a composite cannot hold another composite; list its parts instead")
        rates = sorted({part.rate_hz for part in self.parts})
        if len(rates) > 1:
            raise ProbeError(f"the parts of a composite have rates {rates} Hz; one rate is needed")
        bands = sorted(part.band_hz for part in self.parts)
        for (_, below_hz), (above_hz, _) in zip(bands, bands[1:], strict=False):
            if above_hz - below_hz < self.guard_hz:
                raise ProbeError(
                    f"two parts meet between {below_hz:g} and {above_hz:g} Hz and could not be heard apart; "
                    f"leave at least {self.guard_hz:g} Hz between their bands"
                )

    @property
    def rate_hz(self) -> int:
        return self.parts[0].rate_hz

    @property
    def band_hz(self) -> tuple[float, float]:
        return min(part.band_hz[0] for part in self.parts), max(part.band_hz[1] for part in self.parts)

    @property
    def period_s(self) -> float:
        microseconds = [max(1, round(part.period_s * 1e6)) for part in self.parts]
        return math.lcm(*microseconds) / 1e6

    def at(self, time_s: np.ndarray) -> np.ndarray:
        return sum(part.at(time_s) for part in self.parts) / len(self.parts)

    def emit(self, n_samples: int) -> np.ndarray:
        return sum(part.emit(n_samples) for part in self.parts) / len(self.parts)

    def part(self, kind: str) -> Probe:
        """Return the part of a kind.

        Raises:
            ProbeError: no part, or several, of that kind.
        """
        found = [part for part in self.parts if part.kind == kind]
        if len(found) != 1:
            kinds = ", ".join(part.kind for part in self.parts)
            raise ProbeError(f"one part of kind {kind!r} was asked for; this composite has {kinds}")
        return found[0]


_KINDS: dict[str, type] = {"chirp": Chirp, "pure-tones": PureTones}


def probe_to_json(probe: Probe) -> dict[str, Any]:
    """Return a probe as plain JSON values, as in `study.json` and sidecars."""
    if isinstance(probe, Composite):
        return {"kind": "composite", "parts": [probe_to_json(part) for part in probe.parts]}
    values = asdict(probe)  # type: ignore[call-overload]
    return {"kind": probe.kind} | {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def probe_from_json(values: dict[str, Any]) -> Probe:
    """Return the probe that `probe_to_json` wrote.

    Raises:
        ProbeError: an unknown kind, an unknown or missing field, a value of another type.

    Example:
        >>> probe_from_json(probe_to_json(Chirp(low_hz=17000, high_hz=20000))).band_hz
        (17000, 20000)
    """
    if not isinstance(values, dict) or "kind" not in values:
        raise ProbeError(f"a probe is an object with a 'kind'; found {str(values)[:80]}")
    kind, fields = values["kind"], {name: value for name, value in values.items() if name != "kind"}
    if kind == "composite":
        parts = fields.get("parts")
        if set(fields) != {"parts"} or not isinstance(parts, list):
            raise ProbeError("a composite probe has one field, 'parts': a list of probes")
        return Composite(tuple(probe_from_json(part) for part in parts))
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ProbeError(f"probe kind {kind!r} is unknown; known are {', '.join([*_KINDS, 'composite'])}")
    cls = _KINDS[kind]
    unknown = sorted(set(fields) - set(cls.__dataclass_fields__))
    if unknown:
        raise ProbeError(
            f"a {kind} probe has no field {', '.join(unknown)}; it has {', '.join(cls.__dataclass_fields__)}"
        )
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    try:
        return cls(**fields)
    except (TypeError, ValueError, OverflowError) as error:
        raise ProbeError(f"a {kind} probe cannot be made of {fields}: {error}") from None


def describe(probe: Probe) -> str:
    """Return a probe in a few words, for messages and reports.

    Example:
        >>> describe(Chirp())
        'chirp 19000-23000 Hz, 25 ms every 50 ms, 48000 Hz'
    """
    if isinstance(probe, Chirp):
        return (
            f"chirp {probe.low_hz:g}-{probe.high_hz:g} Hz, {probe.sweep_s * 1000:g} ms every "
            f"{probe.period_s * 1000:g} ms, {probe.rate_hz} Hz"
        )
    if isinstance(probe, PureTones):
        return f"tones {', '.join(f'{tone_hz:g}' for tone_hz in probe.tones_hz)} Hz, {probe.rate_hz} Hz"
    if isinstance(probe, Composite):
        return " + ".join(describe(part) for part in probe.parts)
    return probe.kind


def at_rate(probe: Probe, rate_hz: int) -> Probe:
    """Return the same probe emitted at another rate, refused where its band does not fit.

    Raises:
        ProbeError: the band passes half the new rate.
    """
    if isinstance(probe, Composite):
        return Composite(tuple(at_rate(part, rate_hz) for part in probe.parts))
    return replace(probe, rate_hz=rate_hz)  # type: ignore[type-var]

"""What a live device check found, in words, as JSON, and what to do about it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mien.capture import CheckEmission
from mien.device.report import DeviceReport, Interval
from mien.probe import Chirp, describe, probe_to_json

NAMES = {
    "low-snr": "signal-to-noise",
    "no-probe": "the probe's chirps",
    "gain-control": "gain control",
    "echo-cancellation": "echo cancellation",
    "noise-suppression": "noise suppression",
    "resampled": "resampling",
    "clipped": "clipping",
    "dropout": "lost samples",
    "drift": "clock drift",
    "bluetooth": "Bluetooth",
}
"""What is checked, in the order in which it is said; the keys are words of `adaptive.LIVE_PROBLEMS`."""

REMEDIES = {
    "low-snr": "turn the volume up, uncover loudspeaker and microphone, go where it is quieter",
    "no-sweep": "turn the volume up and the microphone on; allow the microphone; take headphones out; turn echo "
    "cancellation off",
    "no-probe": "use the recommended band, or turn the volume up; where levels move, turn off everything that improves "
    "sound, and keep still",
    "gain-control": "turn automatic gain control off: in a browser autoGainControl: false, on a computer the "
    "microphone's enhancements (Windows), or a raw device instead of a voice one",
    "echo-cancellation": "turn echo cancellation off: in a browser echoCancellation: false, on a computer the "
    "microphone's enhancements or the echo-cancelling device (choose the plain one with --device)",
    "noise-suppression": "turn noise suppression off: in a browser noiseSuppression: false, on a computer the "
    "microphone's enhancements; on a Mac or iPhone the microphone mode Standard or Wide Spectrum, not Voice Isolation",
    "resampled": "set microphone and loudspeaker to 48000 Hz in the system's sound settings, and choose the device "
    "itself rather than a mixer",
    "clipped": "turn the volume, or the microphone's level, down by 6 dB",
    "dropout": "close other programs, plug in the charger, use a cable rather than a hub, and check again",
    "drift": "use a microphone and a loudspeaker of the same device; up to 300 ppm are corrected",
    "bluetooth": "use the device's own loudspeaker and microphone: Bluetooth cuts the band off and delays it",
}

SPOILING = ("no-sweep", "low-snr", "no-probe", "echo-cancellation", "noise-suppression", "bluetooth")
"""With these recognition cannot be trusted; the others are worth mending."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Args:
        word: a key of `NAMES`.
        found: whether the fault is there; None where the recording cannot say.
        said: what was measured, in words.
    """

    word: str
    found: bool | None
    said: str

    @property
    def remedy(self) -> str | None:
        return REMEDIES[self.word] if self.found else None


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """How levels went during the check, for drawing.

    Args:
        time_s, gain_db: (chirp) direct path heard over what was played.
        noise_time_s, noise_db: (step) noise in dB of full scale.
    """

    time_s: np.ndarray = field(default_factory=lambda: np.zeros(0))
    gain_db: np.ndarray = field(default_factory=lambda: np.zeros(0))
    noise_time_s: np.ndarray = field(default_factory=lambda: np.zeros(0))
    noise_db: np.ndarray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True, eq=False)
class LiveReport:
    """What a device can carry and what it does to sound, from a live check.

    Args:
        response: per microphone: response and signal-to-noise per kilohertz, from the sweeps.
        channel: the microphone that the rest is about, the one recommended.
        checks: each thing that was checked.
        emission: what was played.
        direct_path_db: peak of the loud chirps' direct path, dB of full scale; None where it was not heard.
        direct_gain_db: the same over what was played.
        direct_to_noise_db: the same over the noise, after compression of one chirp.
        drift_ppm, latency_s: None where they could not be measured.
        course: levels over time.
        facts: what else is known of the device (`settings` a browser reports, ...), plain JSON values.
    """

    response: DeviceReport
    channel: int
    checks: tuple[Check, ...]
    emission: CheckEmission
    direct_path_db: float | None = None
    direct_gain_db: float | None = None
    direct_to_noise_db: float | None = None
    drift_ppm: float | None = None
    latency_s: float | None = None
    course: Course = field(default_factory=Course)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.response.name

    @property
    def problems(self) -> tuple[str, ...]:
        """Return the words of what was found, `no-sweep` first."""
        silent = () if self.is_heard else ("no-sweep",)
        return (*silent, *(check.word for check in self.checks if check.found))

    @property
    def is_heard(self) -> bool:
        return self.response.channels[self.channel].n_sweeps > 0

    @property
    def probe(self) -> Chirp | None:
        """Return the probe to use: the paper's, or moved to the band that is carried."""
        best = self.response.recommended
        return best.probe if best is not None else None

    @property
    def state(self) -> str:
        """Return `ready`, `mend` (usable, with something to put right) or `unusable`."""
        # Another band than the one that was played may be carried although its chirps were not heard.
        moved = self.probe is not None and self.probe.band_hz != self.emission.probe.band_hz
        spoilt = [word for word in self.problems if word in SPOILING and not (moved and word == "no-probe")]
        if self.probe is None or spoilt:
            return "unusable"
        return "mend" if self.problems else "ready"

    @property
    def advice(self) -> tuple[str, ...]:
        """Return what to do, the most important first."""
        ordered = sorted(self.problems, key=lambda word: word not in SPOILING)
        return tuple(dict.fromkeys(REMEDIES[word] for word in ordered if word in REMEDIES))

    @property
    def verdict(self) -> str:
        """Return the answer in one sentence."""
        if self.probe is None:
            return f"this device cannot be used as it is: {self.response.reason}"
        words = ", ".join(NAMES.get(word, word) for word in self.problems)
        if self.state == "unusable":
            return f"this device cannot be used as it is: {words}"
        where = f" on microphone {self.channel}" if len(self.response.channels) > 1 else ""
        ready = f"this device can be used with a {describe(self.probe)}{where}"
        return f"{ready}, but see to: {words}" if self.problems else ready

    def lines(self) -> list[str]:
        """Return the answer in plain words, a line each."""
        usable = self.response.channels[self.channel].usable
        said = [f"usable band: {usable or 'none'}"]
        if self.direct_path_db is not None:
            said.append(
                f"direct path: {self.direct_path_db:.0f} dB of full scale, {self.direct_gain_db:+.0f} dB over what was "
                f"played, {self.direct_to_noise_db:.0f} dB over the noise"
            )
        said += [f"{NAMES[check.word]}: {check.said}" for check in self.checks]
        said.append(f"latency: {'not known' if self.latency_s is None else f'{1000 * self.latency_s:.0f} ms'}")
        if self.probe is not None:
            said.append(f"recommended: {self.response.reason}")
        said += [f"do: {line}" for line in self.advice]
        return [*said, f"{self.name}: {self.verdict}" if self.name else self.verdict]

    def table(self) -> list[tuple[str, ...]]:
        """Return rows of text, the header first: response and signal-to-noise per kilohertz of every microphone."""
        return self.response.table()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: those of a recorded sweep, and beside them what only a live check can say."""
        best = self.probe
        channel = self.response.channels[self.channel]
        finite = np.isfinite(self.course.noise_db)
        return self.response.to_json() | {
            "verdict": self.verdict,
            "state": self.state,
            "channel": self.channel,
            "usable": _interval_json(channel.usable),
            "problems": list(self.problems),
            "checks": [
                {"word": c.word, "name": NAMES[c.word], "found": c.found, "said": c.said, "remedy": c.remedy}
                for c in self.checks
            ],
            "advice": list(self.advice),
            "probe": probe_to_json(best) if best is not None else None,
            "level": self.emission.level,
            "direct_path_db": _rounded(self.direct_path_db),
            "direct_gain_db": _rounded(self.direct_gain_db),
            "direct_to_noise_db": _rounded(self.direct_to_noise_db),
            "drift_ppm": _rounded(self.drift_ppm),
            "latency_s": _rounded(self.latency_s, 4),
            "response": {
                "frequency_hz": _rounded_list(channel.curve_hz[::4], 0),
                "response_db": _rounded_list(channel.curve_db[::4]),
            },
            "course": {
                "time_s": _rounded_list(self.course.time_s),
                "gain_db": _rounded_list(self.course.gain_db),
                "noise_time_s": _rounded_list(self.course.noise_time_s[finite]),
                "noise_db": _rounded_list(self.course.noise_db[finite]),
            },
            "emission": self.emission.to_json(),
            "facts": self.facts,
        }


def _interval_json(interval: Interval | None) -> dict[str, int] | None:
    return None if interval is None else {"low_hz": interval.low_hz, "high_hz": interval.high_hz}


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(float(value), digits)


def _rounded_list(values: np.ndarray, digits: int = 2) -> list[float]:
    return [round(float(value), digits) for value in values]

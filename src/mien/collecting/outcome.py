"""What becomes of a take: how good it is, and what a person is told."""

from dataclasses import dataclass, replace

import numpy as np

from mien.errors import ProbeMismatch, RecordingError
from mien.probe import Probe, describe
from mien.recording import Recording, quality_of
from mien.sensing.quality import judged_quality
from mien.sound_files import QUALITY_WORDS

REMEDIES = {
    "clipped": "the microphone was overdriven: lower the volume or the microphone's gain",
    "dropout": "sound was lost: close other programs",
    "low-snr": "the echo is weak: hold the device 25 to 50 cm from the face, raise the volume, or find a quieter place",
    "no-probe": (
        "the probe was not heard whole: check the volume, that nothing covers loudspeaker or microphone, and that no "
        "other program keeps the machine busy"
    ),
}
"""What is asked for again, and what to do about it. A clock that drifts will drift again, and is followed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a take that was offered.

    Args:
        stored: whether it is in the study; if not, it is asked for again.
        quality: what is wrong with it; empty is ok.
        message: what to do about it, for a person, on one line; empty where all is well.
    """

    stored: bool
    quality: tuple[str, ...]
    message: str


def judged(recording: Recording, probe: Probe) -> Recording:
    """Return a recording with every word of quality that it deserves.

    Args:
        probe: what was emitted, where the recording does not say.

    Raises:
        RecordingError: samples that are no numbers, or too few of them.
        ProbeMismatch: a recording that states another probe or rate.
    """
    n_bad = int(recording.samples.size - np.isfinite(recording.samples).sum())
    if n_bad:
        raise RecordingError(f"the take holds {n_bad} samples that are no numbers; record it again")
    known = replace(recording, probe=recording.probe or probe)
    if known.probe != probe or known.rate_hz != probe.rate_hz:
        raise ProbeMismatch(
            f"the take is of {describe(known.probe or probe)} at {known.rate_hz} Hz; {describe(probe)} was asked for"
        )
    words = {*known.quality, *quality_of(known.samples, known.rate_hz, known.probe)}
    try:
        words |= set(judged_quality(known))
    except ProbeMismatch:
        # Ours was played: sound torn to pieces by a busy machine looks like another chirp.
        words.add("no-probe")
    return replace(known, quality=tuple(word for word in QUALITY_WORDS if word in words))


def remedy(quality: tuple[str, ...]) -> str:
    """Return what to do about a take's quality; empty where nothing has to be done."""
    return "; ".join(REMEDIES[word] for word in quality if word in REMEDIES)

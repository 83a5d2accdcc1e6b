"""What listening adds to a recording's quality: dropout, low-snr, drift, resampled, no-probe."""

from dataclasses import replace

from mien.errors import ProbeNotFound
from mien.probe import Chirp, Composite
from mien.recording import Recording
from mien.sensing.echoes import EchoQuality, echo_quality

LEAST_SNR_DB = 10.0
"""Echoes less above the noise than this, after compression, are called low-snr. Eight simulated takes each (seed 77)
have 33 to 39 dB at level `medium`, 20 to 34 at `hard` and 11 to 24 at `wild`: what is called so lies below them all."""

MOST_DRIFT_PPM = 270.0
"""Two clocks were measured 3 to 270 ppm apart; more is called drift."""


def words_of(found: EchoQuality) -> tuple[str, ...]:
    """Return what is wrong with echoes, in words of `QUALITY_WORDS`."""
    shown = {
        "dropout": found.n_jumps > 0 or found.n_spoilt > 0,
        "low-snr": found.snr_db < LEAST_SNR_DB,
        "drift": abs(found.drift_ppm) > MOST_DRIFT_PPM,
        "resampled": found.resampled_hz > 0,
    }
    return tuple(word for word, true in shown.items() if true)


def joined_words(*parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return words of several origins, each once, in the order in which they come.

    Example:
        >>> joined_words(("clipped", "dropout"), ("dropout", "drift"))
        ('clipped', 'dropout', 'drift')
    """
    return tuple(dict.fromkeys(word for part in parts for word in part))


def heard_quality(recording: Recording) -> tuple[str, ...]:
    """Return what a recording says of its quality, and what listening adds: dropout, low-snr, drift, resampled.

    Only a chirp's echoes are judged; of other probes, what the recording says stands.

    Raises:
        ProbeNotFound, ProbeMismatch, RecordingError: as `echo_quality`.
    """
    probe = recording.probe
    parts = probe.parts if isinstance(probe, Composite) else (probe,)
    chirp = next((part for part in parts if isinstance(part, Chirp)), None)
    if chirp is None:
        return recording.quality
    return joined_words(recording.quality, words_of(echo_quality(replace(recording, probe=chirp))))


def judged_quality(recording: Recording) -> tuple[str, ...]:
    """Return the same of a recording in which the probe need not be: no-probe is then among the words."""
    try:
        return heard_quality(recording)
    except ProbeNotFound:
        return joined_words(recording.quality, ("no-probe",))

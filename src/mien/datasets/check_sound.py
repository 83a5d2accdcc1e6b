"""Every fault of one recording. A reader stops at the first; this goes on as far as the file allows."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import MienError, ProbeMismatch, ProbeNotFound
from mien.probe import Chirp, Probe
from mien.recording import Recording, at_rate_of_probe, probe_of, quality_of, refuse_other_than_stated
from mien.sensing.synchronise import Synchronisation, synchronise
from mien.sound_files import (
    QUALITY_WORDS,
    Header,
    Sidecar,
    read_header,
    read_samples,
    read_sidecar,
    refuse_altered,
    refuse_unusable,
    sidecar_path,
)

AUDIBLE_DB = -50.0
"""Sound below the stated high-pass edge, relative to all sound: a filtered file lies below -80 dB."""


@dataclass(frozen=True, slots=True)
class SoundCheck:
    """What was found: (severity, message) each, what the header says, and the samples' SHA-256; None where unread."""

    faults: tuple[tuple[str, str], ...]
    header: Header | None
    samples_sha256: str | None = None


def check_sound(
    path: Path, probe: Probe | None = None, digest: str | None = None, stated: tuple[str, ...] = ()
) -> SoundCheck:
    """Return every fault of a sound file and its sidecar.

    Args:
        probe: what must have been emitted; None takes the sidecar's word.
        digest: SHA-256 that a table states.
        stated: quality words that a table states: what is admitted there is a warning, what is not an error.
    """
    faults: list[tuple[str, str]] = []

    def attempt(step: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return step(*arguments)
        except (MienError, OSError) as error:
            faults.append(("error", _without_path(str(error), path)))
            return None

    header = attempt(read_header, path)
    if header is None:
        return SoundCheck(tuple(faults), None)
    sidecar = attempt(read_sidecar, path)
    if sidecar is None and not sidecar_path(path).exists():
        faults.append(("warning", f"has no sidecar {sidecar_path(path).name}: its probe and quality are not stated"))
    sidecar = sidecar or Sidecar()
    faults += [("warning", note) for note in header.notes]
    attempt(refuse_other_than_stated, path, header, sidecar, None)
    found = attempt(probe_of, path, header, sidecar, probe)
    attempt(refuse_altered, path, digest, sidecar.sha256)
    samples = attempt(read_samples, path, header)
    if samples is not None:
        n_before = len(faults)
        attempt(refuse_unusable, path, samples, header.rate_hz)
        if len(faults) == n_before:
            recording = at_rate_of_probe(Recording(samples, header.rate_hz, found))
            faults += [("warning", note) for note in recording.notes]
            faults += _faults_of_samples(recording, sidecar, (*stated, *sidecar.quality))
    digest = None if samples is None else hashlib.sha256(samples.tobytes()).hexdigest()
    return SoundCheck(tuple(faults), header, digest)


def _faults_of_samples(recording: Recording, sidecar: Sidecar, stated: tuple[str, ...]) -> list[tuple[str, str]]:
    faults = []
    dead = [str(number) for number, channel in enumerate(recording.samples) if not np.ptp(channel)]
    if dead:
        faults.append(("error", f"channel {', '.join(dead)} of {recording.n_channels} is silent"))
    found = set(quality_of(_as_heard(recording, sidecar), recording.rate_hz, recording.probe))
    messages = {
        "clipped": "clipping: samples stand at full scale; record with less gain",
        "dropout": "dropout: a stretch of exact zeros where the probe was due",
    }
    if isinstance(recording.probe, Chirp) and not dead:
        try:
            sync = synchronise(recording)
            if "dropout" not in found and (sync.jumps or sync.spoilt):
                found.add("dropout")
                messages["dropout"] = _seams(sync, recording.rate_hz)
        except ProbeNotFound as error:
            found.add("no-probe")
            messages["no-probe"] = str(error)
        except ProbeMismatch as error:
            faults.append(("error", str(error)))
    for word in QUALITY_WORDS:
        if word in stated:
            faults.append(("warning", f"is stated to be {word}"))
        elif word in found:
            faults.append(("error", f"{messages[word]} (its quality does not say {word})"))
    level_db = _audible_db(recording, sidecar)
    if level_db is not None and level_db > AUDIBLE_DB:
        faults.append(
            (
                "error",
                f"holds sound below {sidecar.high_pass_hz:g} Hz ({level_db:.0f} dB of the whole), which is stated "
                "to be removed; it may be speech",
            )
        )
    return faults


def _seams(sync: Synchronisation, rate_hz: int) -> str:
    """Return where samples were lost or doubled and where the probe is silent, in words."""
    starts_s = np.maximum(sync.starts_sample, 0) / rate_hz
    found = [
        f"{abs(jump.n_samples):.0f} samples {'lost' if jump.n_samples < 0 else 'doubled'} near {starts_s[column]:.2f} s"
        for jump, column in zip(sync.jumps[:3], sync.behind_jumps[:3], strict=False)
    ]
    if sync.spoilt:
        seconds = len(sync.spoilt) * sync.samples_per_period / rate_hz
        found.append(f"no whole probe for {seconds:.2f} s, first at {starts_s[sync.spoilt[0]]:.2f} s")
    return f"dropout: {', '.join(found)}; windows that hold that are unsure"


def _as_heard(recording: Recording, sidecar: Sidecar) -> np.ndarray:
    """Return the samples (channel time) without a period at either end where a filter has been over them.

    It rings before and after each sweep, where digital silence was, and not at the ends: a pause there is longer.
    """
    if sidecar.high_pass_hz is None or recording.probe is None:
        return recording.samples
    n_edge = round(recording.probe.period_s * recording.rate_hz)
    return recording.samples[:, n_edge:-n_edge] if recording.n_samples > 3 * n_edge else recording.samples


def _audible_db(recording: Recording, sidecar: Sidecar) -> float | None:
    """Return the level below the stated high-pass edge relative to the whole, or None where none is stated."""
    if sidecar.high_pass_hz is None:
        return None
    # A window keeps the probe, cut off at both ends, from leaking downwards.
    window = np.hanning(recording.n_samples)
    power = (np.abs(np.fft.rfft(recording.samples * window)) ** 2).sum(axis=0)
    freq_hz = np.fft.rfftfreq(recording.n_samples, 1 / recording.rate_hz)
    below = power[freq_hz < sidecar.high_pass_hz - 1_000].sum()
    return float(10 * np.log10(max(below, 1e-30) / max(power.sum(), 1e-30)))


def _without_path(message: str, path: Path) -> str:
    beside = sidecar_path(path)
    message = message.removeprefix(f"{path} ").removeprefix(f"{path}: ")
    return message.replace(f"{beside}", beside.name)

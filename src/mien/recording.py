"""A recording, and its file: samples, the rate they were taken at, the probe emitted meanwhile, facts and quality.

A file is FLAC (24 bit) or WAV with a JSON sidecar of the same name beside it. What is stored is by default high-passed
below the probe's band, so that no speech is ever kept.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from mien.dsp import SURVIVES, high_pass, resample_rate
from mien.errors import ProbeError, ProbeMismatch, RecordingError
from mien.files import write_atomically
from mien.probe import Probe, describe, probe_from_json, probe_to_json
from mien.sound_files import (
    QUALITY_WORDS,
    Header,
    Sidecar,
    check_quality,
    read_header,
    read_samples,
    read_sidecar,
    refuse_altered,
    refuse_unusable,
    sidecar_path,
    subtype_of,
)

_FULL_SCALE = 1 - 2.0**-14
_SPEECH_UP_TO_HZ = 8_000.0


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Sound as it was recorded.

    Args:
        samples: (channel time) float32, full scale 1.
        rate_hz: samples per second.
        probe: what was emitted meanwhile, or None where it is not known.
        facts: what else is known (subject, place, device, neutral_until_s, ...), plain JSON values.
        quality: words from `QUALITY_WORDS`; empty means ok.
        notes: what a person should know of how it was read, a sentence each.

    Raises:
        RecordingError: samples of another type or shape, or an unknown word.
    """

    samples: np.ndarray
    rate_hz: int
    probe: Probe | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    quality: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.dtype != np.float32:
            raise RecordingError(
                f"samples are {self.samples.dtype} of shape {self.samples.shape}; float32 (channel time) is needed"
            )
        check_quality(self.quality)

    @property
    def n_channels(self) -> int:
        return self.samples.shape[0]

    @property
    def n_samples(self) -> int:
        return self.samples.shape[1]

    @property
    def duration_s(self) -> float:
        return self.n_samples / self.rate_hz


def high_pass_hz(probe: Probe) -> float:
    """Return the frequency below which nothing of a recording is stored: 15 kHz, or 2 kHz below the probe's band.

    Raises:
        ProbeError: the probe begins so low that speech could not be removed without removing the probe.

    Example:
        >>> from mien.probe import Chirp
        >>> high_pass_hz(Chirp()), high_pass_hz(Chirp(low_hz=16_000, high_hz=20_000))
        (15000.0, 14000.0)
    """
    edge_hz = min(15_000.0, probe.band_hz[0] - 2_000.0)
    if edge_hz < _SPEECH_UP_TO_HZ:
        raise ProbeError(
            f"{describe(probe)} begins at {probe.band_hz[0]:g} Hz, where speech cannot be filtered out: use a probe "
            f"from {_SPEECH_UP_TO_HZ + 2_000:g} Hz upwards, or ask for --keep-audible (keep_audible=True)"
        )
    return edge_hz


def quality_of(samples: np.ndarray, rate_hz: int, probe: Probe | None = None) -> tuple[str, ...]:
    """Return what the samples alone show: `clipped` and `dropout`. The other words need a synchronised probe.

    Clipped: 3 samples in a row, or one in a thousand, at full scale. Dropout: every channel exactly zero for over 2 ms
    where the probe, one period earlier or later, was heard; without a probe, for over 50 ms.

    Args:
        samples: (channel time), as they came from the device: a filter hides what is looked for.

    Example:
        >>> quality_of(np.full((1, 9600), 1.0, np.float32), 48_000)
        ('clipped',)
    """
    words = []
    full = np.abs(samples) >= _FULL_SCALE
    in_a_row = full[:, 2:] & full[:, 1:-1] & full[:, :-2]
    if in_a_row.any() or full.mean() > 1e-3:
        words.append("clipped")
    if _has_dropout((samples == 0).all(axis=0), rate_hz, probe):
        words.append("dropout")
    return tuple(words)


def _has_dropout(zero: np.ndarray, rate_hz: int, probe: Probe | None) -> bool:
    shortest = round((0.002 if probe else 0.05) * rate_hz)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], zero, [False]]).astype(np.int8)))
    runs = edges.reshape(-1, 2)
    runs = runs[runs[:, 1] - runs[:, 0] >= shortest]
    if probe is None or not len(runs):
        return len(runs) > 0
    # A chirp pauses: silence there is no dropout, so a run is judged against the same place one period away.
    period = max(1, round(probe.period_s * rate_hz))
    for start, stop in runs:
        for shift in (-period, period):
            beside = zero[max(start + shift, 0) : max(stop + shift, 0)]
            if len(beside) >= shortest and not beside.all() and (~beside).sum() >= shortest:
                return True
    return False


def read_recording(
    path: Path, probe: Probe | None = None, *, n_channels: int | None = None, digest: str | None = None
) -> Recording:
    """Read a sound file and its sidecar.

    A file at another rate than its probe's is resampled where the probe's band survives that; its quality and its notes
    say so.

    Args:
        path: FLAC, WAV, RF64, W64, AIFF or CAF of 16, 24 or 32 bit or floating point.
        probe: what must have been emitted; None takes the sidecar's word.
        n_channels: how many channels there must be; None takes any number.
        digest: SHA-256 that the file must have; the sidecar's is checked in any case.

    Raises:
        RecordingError: a file that cannot be used: unreadable, altered, of another rate or number of channels than
            stated, shorter than 0.2 s, silent, or with samples that are no numbers.
        ProbeMismatch: the sidecar names another probe than `probe`.
    """
    path = Path(path)
    header = read_header(path)
    sidecar = read_sidecar(path)
    refuse_other_than_stated(path, header, sidecar or Sidecar(), n_channels)
    found = probe_of(path, header, sidecar, probe)
    refuse_altered(path, digest, sidecar.sha256 if sidecar else None)
    samples = read_samples(path, header)
    if sidecar and sidecar.scale != 1:
        samples *= np.float32(sidecar.scale)
    refuse_unusable(path, samples, header.rate_hz)
    stated = tuple(sidecar.quality) if sidecar else ()
    measured = quality_of(samples, header.rate_hz, found)
    facts = sidecar.all_facts if sidecar else {}
    quality = tuple(word for word in QUALITY_WORDS if word in stated + measured)
    return at_rate_of_probe(Recording(samples, header.rate_hz, found, facts, quality, header.notes))


def at_rate_of_probe(recording: Recording) -> Recording:
    """Return a recording at its probe's rate: itself, or resampled, which its quality and notes then say."""
    probe = recording.probe
    if probe is None or recording.rate_hz == probe.rate_hz:
        return recording
    samples = resample_rate(recording.samples, recording.rate_hz, probe.rate_hz).astype(np.float32)
    quality = tuple(word for word in QUALITY_WORDS if word in (*recording.quality, "resampled"))
    note = f"it was resampled from {recording.rate_hz} to {probe.rate_hz} Hz"
    return replace(recording, samples=samples, rate_hz=probe.rate_hz, quality=quality, notes=(*recording.notes, note))


def survives_resampling(probe: Probe, rate_hz: int) -> bool:
    """Return whether a probe's band is still whole in a recording at another rate than its own.

    Example:
        >>> from mien.probe import Chirp
        >>> [survives_resampling(Chirp(), rate_hz) for rate_hz in (44_100, 47_999, 96_000)]
        [False, True, True]
    """
    return probe.band_hz[1] <= SURVIVES * min(rate_hz, probe.rate_hz)


def refuse_other_than_stated(path: Path, header: Header, sidecar: Sidecar, n_channels: int | None) -> None:
    """Refuse a file that is not as its sidecar, or the caller, says.

    Raises:
        RecordingError: another rate, length or number of channels.
    """
    for name in ("rate_hz", "n_channels", "n_samples"):
        stated, found = getattr(sidecar, name), getattr(header, name)
        if stated not in (None, found):
            raise RecordingError(f"{path} has {name} {found}, but its sidecar states {stated}; one of them was changed")
    if n_channels not in (None, header.n_channels):
        raise RecordingError(
            f"{path} has {header.n_channels} channels; {n_channels} needed: choose or mix its channels"
        )


def probe_of(path: Path, header: Header, sidecar: Sidecar | None, expected: Probe | None) -> Probe | None:
    """Return the probe of a file: the one expected, else the sidecar's; both must agree, and the file's rate hold it.

    Raises:
        RecordingError: the file has a rate from which the probe cannot be had, or the sidecar's probe cannot be.
        ProbeMismatch: the sidecar names another probe than `expected`.
    """
    try:
        stated = probe_from_json(sidecar.probe) if sidecar and sidecar.probe else None
    except ProbeError as error:
        raise RecordingError(f"{sidecar_path(path)}: {error}") from None
    probe = expected or stated
    if stated is not None and probe is not None and stated != probe:
        raise ProbeMismatch(f"{path} was recorded with {describe(stated)}; {describe(probe)} is expected")
    if probe is not None and header.rate_hz != probe.rate_hz and not survives_resampling(probe, header.rate_hz):
        cut = f", so all above {header.rate_hz / 2:g} Hz is lost" if header.rate_hz < 2 * probe.band_hz[1] else ""
        raise RecordingError(
            f"{path} is a recording at {header.rate_hz} Hz{cut}; {describe(probe)} is expected: record at "
            f"{probe.rate_hz} Hz, or emit a probe made for {header.rate_hz} Hz"
        )
    return probe


def write_recording(
    recording: Recording, path: Path, *, subtype: str | None = None, keep_audible: bool = False
) -> Sidecar:
    """Write a sound file and its sidecar, each whole or not at all.

    What lies below `high_pass_hz(probe)` is removed first, unless `keep_audible`. Where removing it makes a clipped
    recording overshoot full scale, the samples are stored smaller and the sidecar's `scale` undoes it at reading.

    Args:
        path: ends in .flac or .wav.
        subtype: one of `SUBTYPES` for that ending; None is 24 bit.

    Returns:
        The sidecar as it was written.

    Raises:
        RecordingError: samples that are no numbers, or beyond full scale where the subtype would clip them.
        ProbeError: the probe begins too low for speech to be removed.
        StorageError: the disk cannot take it; no half of a file is left behind.
    """
    path = Path(path)
    subtype = subtype_of(path, subtype)
    samples, scale, edge_hz = _to_store(recording, path, subtype, keep_audible)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, recording.rate_hz, subtype=subtype, format=path.suffix[1:].upper())
    content = buffer.getvalue()
    measured = quality_of(recording.samples, recording.rate_hz, recording.probe)
    sidecar = Sidecar(
        rate_hz=recording.rate_hz,
        n_channels=recording.n_channels,
        n_samples=recording.n_samples,
        sha256=hashlib.sha256(content).hexdigest(),
        probe=probe_to_json(recording.probe) if recording.probe else None,
        quality=[word for word in QUALITY_WORDS if word in recording.quality + measured],
        high_pass_hz=edge_hz,
        scale=scale,
        facts=dict(recording.facts),
    )

    def write_both(temporary_sidecar: Path) -> None:
        text = json.dumps(sidecar.model_dump(exclude_none=True), indent=1, allow_nan=False)
        temporary_sidecar.write_text(text + "\n", encoding="utf-8")
        # An older sidecar must never stand beside the new sound.
        sidecar_path(path).unlink(missing_ok=True)
        write_atomically(path, lambda temporary: temporary.write_bytes(content))

    write_atomically(sidecar_path(path), write_both)
    return sidecar


def _to_store(
    recording: Recording, path: Path, subtype: str, keep_audible: bool
) -> tuple[np.ndarray, float, float | None]:
    """Return the samples (channel time) as stored, the scale that undoes their storing, and the high-pass edge."""
    samples, limited = recording.samples, subtype.startswith("PCM")
    n_bad = int(samples.size - np.isfinite(samples).sum())
    if n_bad or not samples.size:
        raise RecordingError(
            f"{path} was to hold {samples.size} samples, {n_bad} of them no numbers; nothing is written"
        )
    peak = float(np.abs(samples).max())
    if limited and peak > 1:
        raise RecordingError(
            f"{path} was to hold samples up to {peak:.4g}, and {subtype} would clip them at 1: scale them down, "
            "or write WAV with subtype FLOAT"
        )
    if keep_audible:
        return samples, 1.0, None
    if recording.probe is None:
        raise RecordingError(f"{path}: without a probe it is not known what to keep; give one, or keep_audible=True")
    edge_hz = high_pass_hz(recording.probe)
    filtered = high_pass(samples, recording.rate_hz, edge_hz)
    overshoot = float(np.abs(filtered).max())
    scale = overshoot * (1 + 1e-6) if limited and overshoot > 1 else 1.0
    return filtered / scale, scale, edge_hz

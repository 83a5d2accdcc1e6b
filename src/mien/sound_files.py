"""Sound files and the sidecars beside them: what they claim, whether it is so, and their samples.

Every claim of a header is checked before memory is taken, and whatever bytes a file holds, only a `RecordingError` of
one line comes of it.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mien.errors import RecordingError
from mien.files import open_regular, read_json, sha256
from mien.sound_layout import LAYOUT_MAGIC, Layout, decoder, read_layout

QUALITY_WORDS = ("clipped", "dropout", "low-snr", "drift", "no-probe", "resampled", "other-band")
"""What can be wrong with a recording that is still one. None of them: `ok`."""

SUBTYPES = {".flac": ("PCM_24", "PCM_16"), ".wav": ("PCM_24", "PCM_16", "PCM_32", "FLOAT", "DOUBLE")}
"""How samples may be stored, by the file's ending; the first is the default."""

SOUND_ENDINGS = (*SUBTYPES, ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".caf")
"""Names of files that are read as sound. What they hold is told from their first bytes."""

SHORTEST_S = 0.2
"""Four periods of the paper's chirp: less holds no expression."""

LONGEST_S = 3600.0
MOST_CHANNELS = 8
HIGHEST_RATE_HZ = 768_000
MOST_SAMPLES = 60_000_000
"""Limits that are checked against a file's header before memory is taken: a recording is whole in memory, some 50 bytes
a sample while it is looked at. Compressed sound unfolds to ten thousand times its size."""

MOST_BESIDE_BYTES = 16 << 20
"""What a file may have beside its sound: pictures, notes, padding."""

MOST_SIDECAR_BYTES = 1 << 20
BYTES_PER_SAMPLE = {"PCM_16": 2, "PCM_24": 4, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
"""At most, by subtype: 24 bits may be stored in 4 bytes."""

_FLAC_MAGIC = (b"fLaC", b"ID3\x02", b"ID3\x03", b"ID3\x04")
_UNKNOWN_LENGTH = 1 << 40
_BLOCK = 1 << 16


class _Forwards(soundfile.SoundFile):
    """A file that is read forwards only: after each block soundfile seeks, which FLAC of unknown length cannot."""

    def seekable(self) -> bool:
        return False


class Sidecar(BaseModel):
    """What stands beside a sound file. Every field may be missing; fields unknown here become facts."""

    model_config = ConfigDict(extra="allow", strict=True)

    mien_recording: Literal[1] = 1
    rate_hz: int | None = None
    n_channels: int | None = None
    n_samples: int | None = None
    sha256: str | None = None
    probe: dict[str, Any] | None = None
    quality: list[str] = Field(default_factory=list)
    high_pass_hz: float | None = None
    scale: float = Field(default=1.0, gt=0, le=1e6, allow_inf_nan=False)
    facts: dict[str, Any] = Field(default_factory=dict)

    @property
    def all_facts(self) -> dict[str, Any]:
        return self.facts | (self.model_extra or {})


@dataclass(frozen=True, slots=True)
class Header:
    """What a sound file says of itself before its samples are read.

    Args:
        layout: where the samples lie, or None where libsndfile reads them (FLAC).
        notes: what a person should know of how it was read, a sentence each.
    """

    rate_hz: int
    n_channels: int
    n_samples: int
    container: str
    subtype: str
    layout: Layout | None = None
    notes: tuple[str, ...] = ()


def check_quality(words: tuple[str, ...] | list[str]) -> None:
    """Refuse words that are not in `QUALITY_WORDS`.

    Raises:
        RecordingError: an unknown word, named.
    """
    unknown = [word for word in words if word not in QUALITY_WORDS]
    if unknown:
        raise RecordingError(f"quality {unknown[0]!r} is unknown; known are {', '.join(QUALITY_WORDS)}")


def sidecar_path(path: Path) -> Path:
    """Return where the sidecar of a sound file stands."""
    return Path(path).with_suffix(".json")


def subtype_of(path: Path, subtype: str | None) -> str:
    """Return how samples are stored under a name: `subtype`, or 24 bit.

    Raises:
        RecordingError: another ending than .flac or .wav, or a subtype it cannot hold.
    """
    allowed = SUBTYPES.get(path.suffix)
    if allowed is None:
        raise RecordingError(f"a recording cannot be written to {path}: its name must end in {' or '.join(SUBTYPES)}")
    if subtype not in (None, *allowed):
        raise RecordingError(f"{path} was to hold {subtype} samples; a {path.suffix} file holds {', '.join(allowed)}")
    return subtype or allowed[0]


def read_header(path: Path) -> Header:
    """Return what a sound file says of itself, after checking that it can be one.

    Where it leaves its length open (a pipe, a recorder that was killed), that is what lies there, and a note says so.

    Raises:
        RecordingError: missing, empty, none of FLAC, WAV, RF64, W64, AIFF and CAF, truncated, lossy, or larger than the
            limits above.
    """
    path = Path(path)
    if not os.path.lexists(path):
        raise RecordingError(f"{path} does not exist")
    try:
        with open_regular(path, RecordingError) as stream:
            n_bytes = os.fstat(stream.fileno()).st_size
            start = stream.read(4) or b""
            stream.seek(0)
            if n_bytes == 0:
                raise RecordingError(f"{path} is empty (0 bytes); record it again")
            if path.suffix.lower() not in SOUND_ENDINGS or start not in (*LAYOUT_MAGIC, *_FLAC_MAGIC):
                raise RecordingError(
                    f"{path} is not a FLAC or WAV file, nor RF64, W64, AIFF or CAF (it begins with {start!r}); record "
                    "or convert to one"
                )
            header = None if start in _FLAC_MAGIC else _laid_out(path, read_layout(stream, str(path)), n_bytes)
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    header = header or _decoded(path)
    _refuse_header(path, header)
    _refuse_trailing(path, header, n_bytes)
    return header


def _laid_out(path: Path, layout: Layout, n_bytes: int) -> Header:
    """Return the header of a file of `n_bytes` whose samples lie as `layout` says."""
    n_there, n_frame = max(0, n_bytes - layout.offset), max(layout.n_frame, 1)  # compressed sound has none
    n_data = layout.n_data
    notes: tuple[str, ...] = ()
    if n_data is None and 0 < layout.n_stated <= n_there:
        n_data = layout.n_stated
    if n_data is None:
        n_data = n_there
        notes = (_to_the_end(n_there / n_frame / max(layout.rate_hz, 1)),)
    if n_data > n_there:
        raise RecordingError(
            f"{path} is truncated: it has {n_bytes} of {layout.offset + n_data} bytes; copy or record it again"
        )
    n_samples, subtype = n_data // n_frame, layout.subtype
    if layout.kind in ("i", "f") and not layout.is_read:
        subtype = f"{layout.n_bits}-bit (in {layout.n_bytes} bytes)"
    return Header(layout.rate_hz, layout.n_channels, n_samples, layout.container, subtype, layout, notes)


def _decoded(path: Path) -> Header:
    """Return the header of a FLAC file; one that leaves its length open is decoded to count its samples."""
    try:
        found = soundfile.info(str(path))
        n_samples, notes = found.frames, tuple[str, ...]()
        if not 0 < n_samples < _UNKNOWN_LENGTH:
            n_most = min(int(LONGEST_S * found.samplerate), MOST_SAMPLES // max(found.channels, 1))
            n_samples = _counted(path, n_most)
            notes = (_to_the_end(n_samples / found.samplerate),)
    except (RuntimeError, ValueError, OSError) as error:
        reason = getattr(error, "error_string", str(error)).strip().rstrip(".")
        raise RecordingError(f"{path} cannot be read as sound: {reason}") from None
    return Header(found.samplerate, found.channels, n_samples, found.format, found.subtype, None, notes)


def _counted(path: Path, n_most: int) -> int:
    """Return how many samples a file holds, or a little more than `n_most`."""
    n_samples = 0
    with _Forwards(str(path)) as stream:
        while n_samples <= n_most and (n_block := len(stream.read(_BLOCK, dtype="int16", always_2d=True))):
            n_samples += n_block
    return n_samples


def _to_the_end(duration_s: float) -> str:
    return f"its header leaves the length open; it was read to the end of the file, {duration_s:.3g} s"


def _refuse_trailing(path: Path, header: Header, n_bytes: int) -> None:
    """Refuse a file that is far larger than its sound, before all of it is read for its digest."""
    n_sound = header.n_samples * header.n_channels * BYTES_PER_SAMPLE[header.subtype]
    if n_bytes > n_sound + MOST_BESIDE_BYTES:
        raise RecordingError(
            f"{path} has {n_bytes} bytes, of which its {header.n_samples / header.rate_hz:.3g} s of sound take at most "
            f"{n_sound}; {MOST_BESIDE_BYTES} bytes beside the sound are read: convert it (sox, ffmpeg) to drop the rest"
        )


def _refuse_header(path: Path, header: Header) -> None:
    if header.subtype not in SUBTYPES[".wav"]:
        allowed = ", ".join(SUBTYPES[".wav"])
        raise RecordingError(f"{path} holds {header.subtype} samples; {allowed} are read: record without compression")
    if not 8_000 <= header.rate_hz <= HIGHEST_RATE_HZ:
        raise RecordingError(f"{path} claims {header.rate_hz} Hz; rates from 8000 to {HIGHEST_RATE_HZ} Hz are read")
    if not 1 <= header.n_channels <= MOST_CHANNELS:
        raise RecordingError(f"{path} claims {header.n_channels} channels; 1 to {MOST_CHANNELS} are read")
    duration_s = header.n_samples / header.rate_hz
    if duration_s > LONGEST_S or header.n_samples * header.n_channels > MOST_SAMPLES:
        raise RecordingError(
            f"{path} claims {duration_s:.0f} s of {header.n_channels} channels at {header.rate_hz} Hz; at most "
            f"{LONGEST_S:.0f} s and {MOST_SAMPLES} samples in all are read: cut it into takes, or pipe it as WAV "
            "(mien recognize MODEL -)"
        )


def read_samples(path: Path, header: Header) -> np.ndarray:
    """Return the samples of a file whose header was read, shape (channel time) float32.

    Raises:
        RecordingError: fewer samples than the header claims, or bytes that cannot be decoded.
    """
    samples = np.empty((header.n_channels, header.n_samples), np.float32)
    position = 0
    for block in sample_blocks(path, header, _BLOCK):
        samples[:, position : position + block.shape[1]] = block
        position += block.shape[1]
    return samples


def sample_blocks(path: Path, header: Header, n_block: int) -> Iterator[np.ndarray]:
    """Yield the samples of a file whose header was read, (channel time) float32, `n_block` at a time.

    Raises:
        RecordingError: fewer samples than the header claims, or bytes that cannot be decoded.
    """
    position = 0
    blocks = _flac_blocks(path, header, n_block) if header.layout is None else _plain_blocks(path, header, n_block)
    try:
        for block in blocks:
            yield block
            position += block.shape[1]
    except (RuntimeError, ValueError, OSError) as error:
        reason = getattr(error, "error_string", str(error)).strip().rstrip(".")
        raise RecordingError(
            f"{path} is truncated or damaged: no sample after {position} of {header.n_samples} can be read ({reason})"
        ) from None
    if position < header.n_samples:
        raise RecordingError(f"{path} is truncated: it holds {position} of {header.n_samples} samples; record it again")


def _flac_blocks(path: Path, header: Header, n_block: int) -> Iterator[np.ndarray]:
    position = 0
    with _Forwards(str(path)) as stream:
        while position < header.n_samples:
            block = stream.read(min(n_block, header.n_samples - position), dtype="float32", always_2d=True)
            if not len(block):
                return
            yield block.T
            position += len(block)


def _plain_blocks(path: Path, header: Header, n_block: int) -> Iterator[np.ndarray]:
    assert header.layout is not None
    n_frame, decode, left = header.layout.n_frame, decoder(header.layout), header.n_samples
    with open_regular(path, RecordingError) as stream:
        stream.seek(header.layout.offset)
        while left and (content := stream.read(min(n_block, left) * n_frame)):
            n_whole = len(content) // n_frame
            yield decode(content[: n_whole * n_frame])
            left -= n_whole
            if not n_whole:
                return


def read_sidecar(path: Path) -> Sidecar | None:
    """Return what stands beside a sound file, or None where nothing does.

    Raises:
        RecordingError: a sidecar that is no JSON, or whose fields are of the wrong kind.
    """
    beside = sidecar_path(path)
    if not os.path.lexists(beside):
        return None
    try:
        sidecar = Sidecar.model_validate(read_json(beside, RecordingError, MOST_SIDECAR_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecordingError(f"{beside}: {place}: {first['msg']}; found {str(first['input'])[:60]!r}") from None
    check_quality(sidecar.quality)
    return sidecar


def refuse_altered(path: Path, *digests: str | None) -> None:
    """Refuse a file whose SHA-256 is not the one stated in a table or sidecar; None states nothing.

    Raises:
        RecordingError: the file changed after it was written.
    """
    wanted = {digest.lower() for digest in digests if digest}
    if not wanted:
        return
    found = sha256(path, RecordingError)
    if wanted != {found}:
        stated = min(wanted - {found})
        raise RecordingError(f"{path} was altered: its SHA-256 is {found[:12]}..., stated was {stated[:12]}...")


def refuse_unusable(path: Path, samples: np.ndarray, rate_hz: int) -> None:
    """Refuse samples (channel time) that hold no take: too short, not numbers, or silent in every channel.

    Raises:
        RecordingError: what was found.
    """
    duration_s = samples.shape[1] / rate_hz
    if duration_s < SHORTEST_S:
        raise RecordingError(f"{path} holds {duration_s:.3g} s of sound; at least {SHORTEST_S:g} s are needed")
    n_bad = int(samples.size - np.isfinite(samples).sum())
    if n_bad:
        raise RecordingError(f"{path} has {n_bad} of {samples.size} samples that are no numbers (NaN or infinite)")
    if not np.ptp(samples, axis=1).any():
        raise RecordingError(
            f"{path} is silent: every sample is {samples[0, 0]:g}; is the microphone allowed and connected?"
        )

"""Sound that does not come from a card: files, folders, WAV and text rows on standard input, as streams of `Block`.

The FacER app writes rows of text, 1,200 numbers each: 25 ms at 48 kHz, a sweep's length. Its recordings keep the half
of each period in which the sweep sounds; other writers of such rows keep all. Which it is shows in the rows: those of
halves are all alike, those of whole periods every other one.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import soundfile

from mien.capture.soundcard import Block
from mien.errors import RecordingError
from mien.files import files_below, open_regular
from mien.sound_files import HIGHEST_RATE_HZ, MOST_CHANNELS, SUBTYPES, read_header, read_sidecar

BLOCK_S = 0.1

ROW_SAMPLES, ROW_RATE_HZ = 1_200, 48_000
"""A line of the FacER app: 25 ms."""

ROW_ENDINGS = (".txt", ".csv")
FIRST_ROWS = 8
"""Rows after which it is decided whether they follow each other or leave half of each period out."""

Rows = Literal["auto", "half", "all"]

_LONGEST_LINE = 64 * ROW_SAMPLES
_LONGEST_HEADER = 1 << 24
_UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFFF, 0xFFFFFFFF - 36)
_INTEGER, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_FULL_SCALE = 1 - 2.0**-14


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A stream of sound.

    Args:
        name: what it is called when it is spoken of.
        rate_hz, n_channels: of its blocks.
        blocks: to be gone through once.
    """

    name: str
    rate_hz: int
    n_channels: int
    blocks: Iterator[Block]


def sources_in(path: Path, *, rows: Rows = "auto") -> Iterator[Source]:
    """Yield a file as a stream, or every sound file and every file of rows in a folder and below, by name.

    Raises:
        RecordingError: nothing there that could be heard, or a file that is none.
    """
    path = Path(path)
    files = [path]
    if os.path.isdir(path):
        endings = (*SUBTYPES, *ROW_ENDINGS)
        files = [file for file in files_below(path, RecordingError) if file.suffix.lower() in endings]
        if not files:
            raise RecordingError(f"{path} holds nothing to hear; files ending in {', '.join(endings)} are read")
    for file in files:
        yield file_source(file, rows=rows)


def file_source(path: Path, *, rows: Rows = "auto") -> Source:
    """Return a WAV or FLAC file, or one of text rows, as a stream: never more than a block of it is in memory.

    Raises:
        RecordingError: it is none of these, or too large; a damaged one while it is read.
    """
    path = Path(path)
    if path.suffix.lower() in ROW_ENDINGS:
        return rows_source(open_regular(path, RecordingError), str(path), rows=rows)
    header = read_header(path)
    sidecar = read_sidecar(path)
    scale = np.float32(sidecar.scale if sidecar else 1.0)
    return Source(str(path), header.rate_hz, header.n_channels, _file_blocks(path, header.n_samples, scale))


def _file_blocks(path: Path, n_samples: int, scale: np.float32) -> Iterator[Block]:
    position = 0
    try:
        with soundfile.SoundFile(str(path)) as stream:
            n_block = max(1, round(BLOCK_S * stream.samplerate))
            while position < n_samples:
                samples = stream.read(min(n_block, n_samples - position), dtype="float32", always_2d=True).T
                if not samples.shape[1]:
                    break
                yield _block(samples * scale, position, clipped=_clipped(samples))
                position += samples.shape[1]
    except (RuntimeError, ValueError, OSError) as error:
        reason = getattr(error, "error_string", str(error)).strip().rstrip(".")
        raise RecordingError(f"{path} is damaged after {position} of {n_samples} samples ({reason})") from None
    if position < n_samples:
        raise RecordingError(f"{path} is truncated: it holds {position} of {n_samples} samples; record it again")


def piped_source(stream: BinaryIO, name: str = "standard input", *, rows: Rows = "auto") -> Source:
    """Return what comes through a pipe as a stream: WAV, or rows of text.

    Raises:
        RecordingError: it is neither.
    """
    start = stream.read(4)
    if start in (b"RIFF", b"RF64"):
        return wav_source(stream, name, start=start)
    if start and all(byte in b"0123456789+-.,;eE[( \t\r\n" for byte in start):
        return rows_source(stream, name, rows=rows, start=start)
    raise RecordingError(
        f"{name} is neither WAV nor rows of numbers (it begins with {start!r}); pipe WAV, such as "
        "`arecord -f S16_LE -r 48000 -t wav`, or name a file"
    )


def wav_source(stream: BinaryIO, name: str = "standard input", *, start: bytes = b"") -> Source:
    """Return WAV from a pipe as a stream; a length of 0 or the largest possible in its header means until the end.

    Args:
        start: what was read of it already.

    Raises:
        RecordingError: no WAV, or one with samples that are not read.
    """
    head = start + _exactly(stream, 12 - len(start), name)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise RecordingError(f"{name} is no WAV (it begins with {head[:4]!r}); pipe WAV at the probe's rate")
    found: bytes | None = None
    n_before = 0
    while True:
        kind, size = struct.unpack("<4sI", _exactly(stream, 8, name))
        if kind == b"data":
            break
        n_before += 8 + size
        if n_before > _LONGEST_HEADER:
            raise RecordingError(
                f"{name} has {n_before} bytes before its sound, {kind!r} the last of them; at most {_LONGEST_HEADER} "
                "are read: is it WAV?"
            )
        content = _exactly(stream, size + size % 2, name)
        found = content[:size] if kind == b"fmt " else found
    if found is None or len(found) < 16:
        raise RecordingError(f"{name} does not say what its samples are; pipe WAV")
    code, n_channels, rate_hz, _, _, n_bits = struct.unpack("<HHIIHH", found[:16])
    if code == _EXTENSIBLE and len(found) >= 26:
        code = struct.unpack("<H", found[24:26])[0]
    if (code, n_bits) not in _DECODERS:
        raise RecordingError(
            f"{name} holds samples of format {code} with {n_bits} bits; 16, 24, 32 bit or float are read"
        )
    if not (1 <= n_channels <= MOST_CHANNELS and 8_000 <= rate_hz <= HIGHEST_RATE_HZ):
        raise RecordingError(
            f"{name} claims {n_channels} channels at {rate_hz} Hz; 1 to {MOST_CHANNELS} at 8000 to {HIGHEST_RATE_HZ} "
            "Hz are read"
        )
    n_bytes = None if size in _UNKNOWN_SIZES or head[:4] == b"RF64" else size
    return Source(name, rate_hz, n_channels, _wav_blocks(stream, name, (code, n_bits), n_channels, rate_hz, n_bytes))


def _wav_blocks(
    stream: BinaryIO, name: str, kind: tuple[int, int], n_channels: int, rate_hz: int, n_bytes: int | None
) -> Iterator[Block]:
    n_frame, position, left = n_channels * kind[1] // 8, 0, n_bytes
    n_block = max(1, round(BLOCK_S * rate_hz)) * n_frame
    rest = b""
    while left is None or left > 0:
        # read1 returns what there is: a pipe that is filled in real time is heard in real time.
        read = getattr(stream, "read1", stream.read)
        content = read(n_block if left is None else min(n_block, left))
        if not content:
            break
        left = None if left is None else left - len(content)
        content = rest + content
        n_whole = len(content) // n_frame * n_frame
        content, rest = content[:n_whole], content[n_whole:]
        if content:
            samples = _DECODERS[kind](content).reshape(-1, n_channels).T
            yield _block(samples, position, clipped=_clipped(samples))
            position += samples.shape[1]
    if rest or left:
        raise RecordingError(f"{name} ended within a sample or before its stated length, after {position} samples")


def _from_24_bit(content: bytes) -> np.ndarray:
    parts = np.frombuffer(content, np.uint8).reshape(-1, 3)
    padded = np.zeros((len(parts), 4), np.uint8)
    padded[:, 1:] = parts
    return padded.view("<i4")[:, 0] / np.float32(2**31)


_DECODERS = {
    (_INTEGER, 16): lambda content: np.frombuffer(content, "<i2") / np.float32(2**15),
    (_INTEGER, 24): _from_24_bit,
    (_INTEGER, 32): lambda content: np.frombuffer(content, "<i4") / np.float32(2**31),
    (_FLOAT, 32): lambda content: np.frombuffer(content, "<f4"),
    (_FLOAT, 64): lambda content: np.frombuffer(content, "<f8"),
}


def _exactly(stream: BinaryIO, n_bytes: int, name: str) -> bytes:
    content = b""
    while len(content) < n_bytes and (more := stream.read(n_bytes - len(content))):
        content += more
    if len(content) < n_bytes:
        raise RecordingError(f"{name} ended within its header; pipe a whole WAV")
    return content


def rows_source(stream: BinaryIO, name: str, *, rows: Rows = "auto", start: bytes = b"") -> Source:
    """Return the FacER app's rows of text as a stream, silence in the place of what they leave out.

    Whole numbers are taken for 16 bit, others for full scale 1.

    Args:
        rows: "half": each is the half of a period; "all": they follow each other; "auto": as the first of them show.
        start: what was read of it already.

    Raises:
        RecordingError: while it is read: a line that does not hold 1,200 numbers.
    """
    return Source(name, ROW_RATE_HZ, 1, _row_blocks(_lines(stream, name, start), rows))


def _lines(stream: BinaryIO, name: str, start: bytes) -> Iterator[np.ndarray]:
    with stream:
        number = 0
        while line := start + stream.readline(_LONGEST_LINE):
            number, start = number + 1, b""
            if line.strip():
                yield _row(line, f"line {number} of {name}")
        if not number:
            raise RecordingError(f"{name} is empty; lines of {ROW_SAMPLES} numbers are needed")


def _row(line: bytes, where: str) -> np.ndarray:
    words = line.translate(bytes.maketrans(b",;\t[]()", b"       ")).split()
    if len(words) != ROW_SAMPLES:
        raise RecordingError(f"{where} holds {len(words)} numbers; {ROW_SAMPLES} (25 ms at 48 kHz) are needed")
    try:
        row = np.array([float(word) for word in words])
    except ValueError:
        raise RecordingError(f"{where} holds what is no number") from None
    if not np.isfinite(row).all():
        raise RecordingError(f"{where} holds numbers that are not finite")
    return row


def _row_blocks(lines: Iterator[np.ndarray], rows: Rows) -> Iterator[Block]:
    first = list(islice(lines, FIRST_ROWS))
    halves = rows == "half" or (rows == "auto" and are_halves(np.array(first)))
    full = 2.0**15 if first and max(np.abs(row).max() for row in first) > 1 else 1.0
    position = 0
    for row in chain(first, lines):
        if np.abs(row).max() > full:
            raise RecordingError(f"a row reaches {np.abs(row).max():g}, beyond full scale ({full:g})")
        samples = np.zeros((1, 2 * ROW_SAMPLES if halves else ROW_SAMPLES), np.float32)
        samples[0, :ROW_SAMPLES] = row / full
        yield _block(samples, position, clipped=_clipped(samples))
        position += samples.shape[1]


def are_halves(rows: np.ndarray) -> bool:
    """Return whether (row time) are each the same half of a period, and not periods cut in two.

    Halves are all alike; of periods cut in two every other row is. Where neither shows, the app's halves are assumed.

    Example:
        >>> sweep, silence = np.sin(np.arange(50.0) ** 2), np.zeros(50)
        >>> are_halves(np.array([sweep] * 4)), are_halves(np.array([sweep, silence] * 2))
        (True, False)
    """
    if len(rows) < 3:
        return True
    size = np.maximum(np.linalg.norm(rows, axis=1), 1e-12)
    largest = size.max() ** 2
    next_row = np.mean(np.sum(rows[1:] * rows[:-1], axis=1)) / largest
    after_next = np.mean(np.sum(rows[2:] * rows[:-2], axis=1)) / largest
    return bool(next_row >= 0.5 * after_next)


def _block(samples: np.ndarray, position: int, *, clipped: bool) -> Block:
    return Block(np.ascontiguousarray(samples, np.float32), position, clipped=clipped)


def _clipped(samples: np.ndarray) -> bool:
    return bool(np.count_nonzero(np.abs(samples) >= _FULL_SCALE) >= 3)

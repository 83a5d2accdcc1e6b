"""Sound that does not come from a card: files, folders, WAV and text rows on standard input, as streams of `Block`.

The FacER app writes rows of text, 1,200 numbers each: 25 ms at 48 kHz, a sweep's length. Its recordings keep the half
of each period in which the sweep sounds; other writers of such rows keep all. Which it is shows in the rows: those of
halves are all alike, those of whole periods every other one.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from mien.capture.soundcard import Block
from mien.errors import RecordingError
from mien.files import files_below, open_regular
from mien.sound_files import (
    HIGHEST_RATE_HZ,
    MOST_CHANNELS,
    SOUND_ENDINGS,
    SUBTYPES,
    Header,
    read_header,
    read_sidecar,
    sample_blocks,
)
from mien.sound_layout import LAYOUT_MAGIC, Layout, decoder, read_layout

BLOCK_S = 0.1

ROW_SAMPLES, ROW_RATE_HZ = 1_200, 48_000
"""A line of the FacER app: 25 ms."""

ROW_ENDINGS = (".txt", ".csv")
FIRST_ROWS = 8
"""Rows after which it is decided whether they follow each other or leave half of each period out."""

Rows = Literal["auto", "half", "all"]

_LONGEST_LINE = 64 * ROW_SAMPLES
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


def files_in(path: Path) -> list[Path]:
    """Return a file, or every sound file and every file of rows in a folder and below, by name.

    Raises:
        RecordingError: a folder with nothing that could be heard.
    """
    path = Path(path)
    if not os.path.isdir(path):
        return [path]
    files = files_below(path, (*SOUND_ENDINGS, *ROW_ENDINGS), RecordingError)
    if not files:
        raise RecordingError(
            f"{path} holds nothing to hear; files ending in {', '.join((*SOUND_ENDINGS, *ROW_ENDINGS))} are read"
        )
    return files


def sources_in(path: Path, *, rows: Rows = "auto") -> Iterator[Source]:
    """Yield a file as a stream, or every sound file and every file of rows in a folder and below, by name.

    Raises:
        RecordingError: nothing there that could be heard, or a file that is none.
    """
    for file in files_in(path):
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
    return Source(str(path), header.rate_hz, header.n_channels, _file_blocks(path, header, scale))


def _file_blocks(path: Path, header: Header, scale: np.float32) -> Iterator[Block]:
    position = 0
    for samples in sample_blocks(path, header, max(1, round(BLOCK_S * header.rate_hz))):
        yield _block(samples * scale, position, clipped=_clipped(samples))
        position += samples.shape[1]


def piped_source(stream: BinaryIO, name: str = "standard input", *, rows: Rows = "auto") -> Source:
    """Return what comes through a pipe as a stream: WAV (or RF64, W64, AIFF, CAF), or rows of text.

    Raises:
        RecordingError: it is neither.
    """
    start = stream.read(4)
    if start in LAYOUT_MAGIC:
        return sound_source(stream, name, start=start)
    if start and all(byte in b"0123456789+-.,;eE[( \t\r\n" for byte in start):
        return rows_source(stream, name, rows=rows, start=start)
    raise RecordingError(
        f"{name} is neither WAV nor rows of numbers (it begins with {start!r}); pipe WAV, such as "
        "`arecord -f S16_LE -r 48000 -t wav`, or name a file"
    )


def sound_source(stream: BinaryIO, name: str = "standard input", *, start: bytes = b"") -> Source:
    """Return sound from a pipe as a stream; where its header leaves its length open, until the end.

    Args:
        start: what was read of it already.

    Raises:
        RecordingError: no WAV, RF64, W64, AIFF or CAF, or one with samples that are not read.
    """
    layout = read_layout(stream, name, start=start)
    if not layout.is_read:
        raise RecordingError(
            f"{name} holds {layout.subtype} samples of {layout.n_bytes} bytes; {', '.join(SUBTYPES['.wav'])} are read: "
            "record without compression"
        )
    if not (1 <= layout.n_channels <= MOST_CHANNELS and 8_000 <= layout.rate_hz <= HIGHEST_RATE_HZ):
        raise RecordingError(
            f"{name} claims {layout.n_channels} channels at {layout.rate_hz} Hz; 1 to {MOST_CHANNELS} at 8000 to "
            f"{HIGHEST_RATE_HZ} Hz are read"
        )
    return Source(name, layout.rate_hz, layout.n_channels, _piped_blocks(stream, name, layout))


def _piped_blocks(stream: BinaryIO, name: str, layout: Layout) -> Iterator[Block]:
    n_frame, position, left, decode = layout.n_frame, 0, layout.n_data, decoder(layout)
    n_block = max(1, round(BLOCK_S * layout.rate_hz)) * n_frame
    rest = b""
    # read1 returns what there is: a pipe that is filled in real time is heard in real time.
    read = getattr(stream, "read1", stream.read)
    while left is None or left > 0:
        content = read(n_block if left is None else min(n_block, left))
        if not content:
            break
        left = None if left is None else left - len(content)
        content = rest + content
        n_whole = len(content) // n_frame * n_frame
        content, rest = content[:n_whole], content[n_whole:]
        if content:
            samples = decode(content)
            yield _block(samples, position, clipped=_clipped(samples))
            position += samples.shape[1]
    if (rest and left is not None) or left:
        raise RecordingError(f"{name} ended within a sample or before its stated length, after {position} samples")


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

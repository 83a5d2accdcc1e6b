"""Where in a file or pipe of WAV, RF64, W64, AIFF or CAF the samples lie, and how to read them.

One reader for files and pipes, and not libsndfile's: recorders leave headers that no two programs read alike. Sizes of
0 or the largest possible (a pipe, a recorder that was killed) mean until the end; a chunk of an odd size may lack its
padding; 24 bits in 4 bytes may stand at either end of them.

References: Microsoft, Multiple channel audio data and WAVE files; EBU Tech 3306 (RF64); Apple, Audio Interchange File
Format 1.3 and Core Audio Format 1.0; alsa-utils, aplay.c (`S24_LE` is the low three bytes of four).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from mien.errors import RecordingError

LAYOUT_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"caff")
"""How a file begins that is read here. FLAC is left to libsndfile."""

UNKNOWN_FROM = 0x7F000000
"""Sizes that 32 bits hold from here on mean "not known": sox writes 0x7F000000 and a little more, arecord 0x80000000,
ffmpeg 0xFFFFFFFF. Such a file may still be as long as it says."""

_UNKNOWN_64 = 1 << 60
_LONGEST_HEADER = 1 << 24
_MOST_CHUNKS = 1_000
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_INTEGER, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_WAV_CODES = {2: "MS_ADPCM", 6: "ALAW", 7: "ULAW", 0x11: "IMA_ADPCM", 0x55: "MPEG_LAYER_III"}
_AIFF_KINDS = {b"NONE": "i", b"twos": "i", b"sowt": "i", b"in24": "i", b"in32": "i"} | dict.fromkeys(
    [b"fl32", b"FL32", b"fl64", b"FL64"], "f"
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where samples lie and what they are.

    Args:
        container: "WAV", "RF64", "W64", "AIFF" or "CAF".
        kind: "i" integers, "f" floating point, or the name of a compression that is not read.
        n_bits: that count of `8 * n_bytes`, the bits in which a sample stands.
        offset: bytes before the first sample.
        n_data: bytes of sound; None where the header leaves them open.
        n_stated: what the header says where that may be no size, such as 0xFFFFFFFF.
    """

    container: str
    rate_hz: int
    n_channels: int
    kind: str
    n_bits: int
    n_bytes: int
    big_endian: bool = False
    offset: int = 0
    n_data: int | None = None
    n_stated: int = 0

    @property
    def n_frame(self) -> int:
        """Return the bytes of one sample of every channel."""
        return self.n_channels * self.n_bytes

    @property
    def subtype(self) -> str:
        """Return what the samples are called: PCM_24, FLOAT, ..."""
        if self.kind == "f":
            return {4: "FLOAT", 8: "DOUBLE"}.get(self.n_bytes, f"FLOAT_{self.n_bits}")
        return f"PCM_{self.n_bits}" if self.kind == "i" else self.kind

    @property
    def is_read(self) -> bool:
        """Return whether `decoder` knows such samples."""
        sizes = {"i": {(16, 2), (24, 3), (24, 4), (32, 4)}, "f": {(32, 4), (64, 8)}}
        return (self.n_bits, self.n_bytes) in sizes.get(self.kind, set())


class _Stream:
    """Bytes that are only read forwards, and counted."""

    def __init__(self, stream: BinaryIO, name: str, start: bytes) -> None:
        self._stream, self.name, self._ahead = stream, name, start
        self.position = 0

    def take(self, n_bytes: int) -> bytes:
        content, self._ahead = self._ahead[:n_bytes], self._ahead[n_bytes:]
        while len(content) < n_bytes and (more := self._stream.read(n_bytes - len(content))):
            content += more
        self.position += len(content)
        if len(content) < n_bytes:
            raise RecordingError(f"{self.name} ended within its header; record or pipe it whole")
        return content

    def put_back(self, content: bytes) -> None:
        self._ahead, self.position = content + self._ahead, self.position - len(content)

    def chunk(self, kind: bytes, size: int) -> bytes:
        if size < 0 or self.position + size > _LONGEST_HEADER:
            raise RecordingError(
                f"{self.name} has a part {kind!r} of {size} bytes before its sound; at most {_LONGEST_HEADER} are "
                "read before it: is it sound?"
            )
        return self.take(size)

    def skip_padding(self, size: int) -> None:
        """Skip the byte that follows a chunk of odd size, where the writer put one."""
        if size % 2 and (byte := self.take(1)) != b"\0":
            self.put_back(byte)


def read_layout(stream: BinaryIO, name: str, *, start: bytes = b"") -> Layout:
    """Read a header up to the first sample.

    Args:
        name: what the sound is called in messages.
        start: what was read of it already.

    Raises:
        RecordingError: another kind of file, or a header that breaks off or says nothing of its samples.
    """
    source = _Stream(stream, name, start)
    magic = source.take(4)
    source.put_back(magic)
    readers: dict[bytes, Callable[[_Stream], Layout]] = {b"riff": _read_w64, b"FORM": _read_aiff, b"caff": _read_caf}
    if magic not in LAYOUT_MAGIC:
        raise RecordingError(f"{name} is none of WAV, RF64, W64, AIFF and CAF (it begins with {magic!r})")
    try:
        found = readers.get(magic, _read_riff)(source)
    except (struct.error, OverflowError, ValueError):
        raise RecordingError(f"{name} has a header that breaks off within its description of the samples") from None
    if found.kind in ("i", "f") and found.n_frame < 1:
        raise RecordingError(f"{name} claims samples of {found.n_bytes} bytes in {found.n_channels} channels")
    return replace(found, offset=source.position)


def _described(layout: Layout | None, source: _Stream) -> Layout:
    if layout is None:
        raise RecordingError(f"{source.name} does not say what its samples are; record it anew, or convert it")
    return layout


def _sized(layout: Layout, size: int, unknown_from: int) -> Layout:
    unknown = size <= 0 or size >= unknown_from
    return replace(layout, n_data=None if unknown else size, n_stated=size)


def _read_riff(source: _Stream) -> Layout:
    head = source.take(12)
    big, container = head[:4] == b"RIFX", "RF64" if head[:4] == b"RF64" else "WAV"
    if head[8:] != b"WAVE":
        raise RecordingError(f"{source.name} is no WAV (it begins with {head[:4]!r} and {head[8:]!r})")
    order, layout, n_long = ">" if big else "<", None, 0
    for _ in range(_MOST_CHUNKS):
        kind, size = struct.unpack(f"{order}4sI", source.take(8))
        if kind == b"data":
            layout = _described(layout, source)
            if size == 0xFFFFFFFF and container == "RF64":
                return _sized(layout, n_long, _UNKNOWN_64)
            return _sized(layout, size, UNKNOWN_FROM)
        content = source.chunk(kind, size)
        if kind == b"fmt ":
            layout = _of_fmt(content, order, container)
        elif kind == b"ds64":
            n_long = struct.unpack_from("<Q", content, 8)[0]
        source.skip_padding(size)
    raise RecordingError(f"{source.name} has more than {_MOST_CHUNKS} parts before its sound; is it sound?")


def _of_fmt(content: bytes, order: str, container: str) -> Layout:
    code, n_channels, rate_hz, _, n_frame, n_bits = struct.unpack_from(f"{order}HHIIHH", content)
    if code == _EXTENSIBLE and len(content) >= 26:
        # A container of 32 bits may hold 24 that count.
        counting, code = (
            struct.unpack_from(f"{order}H", content, 18)[0],
            struct.unpack_from(f"{order}H", content, 24)[0],
        )
        n_bits = counting if 0 < counting <= n_bits else n_bits
    kind = {_INTEGER: "i", _FLOAT: "f"}.get(code, _WAV_CODES.get(code, f"format {code}"))
    n_bytes = n_frame // n_channels if n_channels else 0
    return Layout(container, rate_hz, n_channels, kind, n_bits, n_bytes or -(-n_bits // 8), order == ">")


def _read_w64(source: _Stream) -> Layout:
    head = source.take(40)
    if head[:16] != _W64_RIFF or head[24:28] != b"wave":
        raise RecordingError(f"{source.name} is no W64 (it begins with {head[:8]!r})")
    layout = None
    for _ in range(_MOST_CHUNKS):
        kind, tail, size = struct.unpack("<4s12sQ", source.take(24))
        if kind == b"data" and tail == _W64_TAIL:
            # The size counts the 24 bytes of this very head.
            return _sized(_described(layout, source), size - 24, _UNKNOWN_64)
        content = source.chunk(kind, size - 24)
        if kind == b"fmt ":
            layout = _of_fmt(content, "<", "W64")
        source.take(-size % 8)
    raise RecordingError(f"{source.name} has more than {_MOST_CHUNKS} parts before its sound; is it sound?")


def _read_aiff(source: _Stream) -> Layout:
    head = source.take(12)
    if head[8:] not in (b"AIFF", b"AIFC"):
        raise RecordingError(f"{source.name} is no AIFF (it begins with {head[:4]!r} and {head[8:]!r})")
    layout = None
    for _ in range(_MOST_CHUNKS):
        kind, size = struct.unpack(">4sI", source.take(8))
        if kind == b"SSND":
            layout = _described(layout, source)
            skipped = struct.unpack(">II", source.take(8))[0]
            source.chunk(kind, skipped)
            return _sized(layout, size - 8 - skipped, UNKNOWN_FROM - 64)
        content = source.chunk(kind, size)
        if kind == b"COMM":
            layout = _of_comm(content, head[8:] == b"AIFC")
        source.skip_padding(size)
    raise RecordingError(f"{source.name} has more than {_MOST_CHUNKS} parts before its sound; is it sound?")


def _of_comm(content: bytes, compressed: bool) -> Layout:
    n_channels, _, n_bits, exponent, mantissa = struct.unpack_from(">HIHHQ", content)
    rate_hz = round(mantissa * 2.0 ** min((exponent & 0x7FFF) - 16383 - 63, 0))  # an 80-bit float
    name = content[18:22] if compressed else b"NONE"
    kind = _AIFF_KINDS.get(name, name.decode("ascii", "replace"))
    return Layout("AIFF", rate_hz, n_channels, kind, n_bits, -(-n_bits // 8), name != b"sowt")


def _read_caf(source: _Stream) -> Layout:
    source.take(8)
    layout = None
    for _ in range(_MOST_CHUNKS):
        kind, size = struct.unpack(">4sq", source.take(12))
        if kind == b"data":
            source.take(4)  # how often it was edited
            return _sized(_described(layout, source), size - 4 if size > 0 else 0, _UNKNOWN_64)
        content = source.chunk(kind, size)
        if kind == b"desc":
            layout = _of_desc(content)
    raise RecordingError(f"{source.name} has more than {_MOST_CHUNKS} parts before its sound; is it sound?")


def _of_desc(content: bytes) -> Layout:
    rate_hz, name, flags, n_packet, _, n_channels, n_bits = struct.unpack_from(">d4sIIIII", content)
    kind = ("f" if flags & 1 else "i") if name == b"lpcm" else name.decode("ascii", "replace")
    n_bytes = n_packet // n_channels if n_channels else 0
    return Layout("CAF", round(rate_hz), n_channels, kind, n_bits, n_bytes, not flags & 2)


def decoder(layout: Layout) -> Callable[[bytes], np.ndarray]:
    """Return what turns whole frames of bytes into (channel time) float32, full scale 1, piece after piece.

    Of 24 bits in 4 bytes it is the first piece that is not silent which shows where they stand.
    """
    order = ">" if layout.big_endian else "<"
    if layout.kind == "f":
        return lambda content: _channels(np.frombuffer(content, f"{order}f{layout.n_bytes}"), layout)
    if layout.n_bytes == 3:
        return lambda content: _channels(_from_24_bit(content, layout.big_endian) / np.float32(2**31), layout)
    if (layout.n_bits, layout.n_bytes) != (24, 4):
        full = np.float32(2 ** (8 * layout.n_bytes - 1))
        return lambda content: _channels(np.frombuffer(content, f"{order}i{layout.n_bytes}") / full, layout)
    low: bool | None = None

    def decode(content: bytes) -> np.ndarray:
        nonlocal low
        values = np.frombuffer(content, f"{order}i4")
        if low is None and values.any():
            low = stands_low(values)
        # Shifting up drops whatever the fourth byte holds: zeros, ones or the sign.
        values = np.left_shift(values, 8, dtype=np.int32) if low else values
        return _channels(values / np.float32(2**31), layout)

    return decode


def stands_low(values: np.ndarray) -> bool:
    """Return whether 24-bit samples stand in the low three bytes of int32 (ALSA's S24_LE), not in the upper (WAV).

    Example:
        >>> stands_low(np.array([-3, 5], np.int32)), stands_low(np.array([-3 << 8, 5 << 8], np.int32))
        (True, False)
    """
    top, sign = values >> 24, (values << 8) >> 31
    return bool((values & 0xFF).any() and ((top == 0) | (top == sign)).all())


def _channels(values: np.ndarray, layout: Layout) -> np.ndarray:
    return np.ascontiguousarray(values.reshape(-1, layout.n_channels).T, np.float32)


def _from_24_bit(content: bytes, big_endian: bool) -> np.ndarray:
    parts = np.frombuffer(content, np.uint8).reshape(-1, 3)
    padded = np.zeros((len(parts), 4), np.uint8)
    padded[:, 1:] = parts[:, ::-1] if big_endian else parts
    return padded.view("<i4")[:, 0]

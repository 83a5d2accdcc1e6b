"""Sound on /ws: a binary frame is a header of 16 bytes, little-endian, and float32 samples of one channel.

| bytes | type | what |
|---|---|---|
| 0-3 | uint32 | `MAGIC`, the bytes "mien" |
| 4-7 | uint32 | sequence, one more in each frame; a larger step says that frames were lost |
| 8-15 | float64 | capture time of the last sample, seconds of the client's own clock |
| 16- | float32 | samples, full scale 1 |
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.errors import MessageError

MAGIC = int.from_bytes(b"mien", "little")

HEADER = struct.Struct("<IId")

LARGEST_SAMPLE = 64.0
"""Browsers let samples pass full scale a little (clipping is told as quality); 36 dB above it nothing is sound."""

LONGEST_GAP_S = 600.0
"""A capture time that says more was lost is not believed."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioFrame:
    """One frame of sound.

    Args:
        sequence: its number. captured_s: when its last sample was captured, by the client's clock.
        samples: (time) float32.
        dropped: sound before it was lost. n_lost: how many samples, where that is known.
    """

    sequence: int
    captured_s: float
    samples: np.ndarray
    dropped: bool = False
    n_lost: int = 0


def pack_frame(sequence: int, captured_s: float, samples: np.ndarray) -> bytes:
    """Return a frame as it is sent.

    Example:
        >>> parse_frame(pack_frame(7, 1.5, np.zeros(960, np.float32))).sequence
        7
    """
    return HEADER.pack(MAGIC, sequence, captured_s) + np.asarray(samples, dtype="<f4").tobytes()


def parse_frame(content: bytes, most_samples: int = 24_000) -> AudioFrame:
    """Return the frame that was sent.

    Raises:
        MessageError: no header, half a sample, no samples or too many, or what is no number.
    """
    n_samples, rest = divmod(len(content) - HEADER.size, 4)
    if n_samples < 1 or rest:
        raise MessageError(
            f"a sound frame has {len(content)} bytes; {HEADER.size} of header and 4 for each of at least one sample "
            "are needed"
        )
    if n_samples > most_samples:
        raise MessageError(f"a sound frame has {n_samples} samples; at most {most_samples} are taken at once")
    magic, sequence, captured_s = HEADER.unpack_from(content)
    if magic != MAGIC:
        raise MessageError(f"a sound frame begins with {content[:4].hex(' ')}; {b'mien'.hex(' ')} (mien) is needed")
    if not math.isfinite(captured_s):
        raise MessageError(f"the capture time of sound frame {sequence} is {captured_s}; a number is needed")
    samples = np.frombuffer(content, dtype="<f4", offset=HEADER.size).astype(np.float32, copy=False)
    # A comparison with NaN is false, so this refuses what is no number, too.
    if not (np.abs(samples) <= LARGEST_SAMPLE).all():
        raise MessageError(
            f"sound frame {sequence} holds samples that are no numbers, or beyond {LARGEST_SAMPLE:g} times full scale"
        )
    return AudioFrame(sequence, captured_s, samples)


class FrameOrder:
    """The order of one connection's frames: what was lost is marked, what comes twice or from the past is refused.

    Example:
        >>> order, silence = FrameOrder(), np.zeros(960, np.float32)
        >>> [order.checked(AudioFrame(n, 0.02 * n, silence)).n_lost for n in (5, 6, 9)]
        [0, 0, 1920]
    """

    def __init__(self) -> None:
        self._last: AudioFrame | None = None

    def checked(self, frame: AudioFrame, rate_hz: int = 48_000) -> AudioFrame:
        """Return the frame, marked where frames before it were lost; how much, its capture time tells.

        Raises:
            MessageError: its sequence or its capture time does not go on from the last frame's.
        """
        last, self._last = self._last, frame
        if last is None:
            return frame
        step = (frame.sequence - last.sequence) % 2**32
        if not 1 <= step < 2**31:
            raise MessageError(f"sound frame {frame.sequence} came after {last.sequence}; numbers must rise")
        if frame.captured_s < last.captured_s:
            raise MessageError(
                f"sound frame {frame.sequence} was captured at {frame.captured_s:g} s, before the one sent before it "
                f"({last.captured_s:g} s)"
            )
        if step == 1:
            return frame
        lost_s = min(frame.captured_s - last.captured_s, LONGEST_GAP_S)
        n_lost = max(0, round(lost_s * rate_hz) - len(frame.samples))
        return AudioFrame(frame.sequence, frame.captured_s, frame.samples, dropped=True, n_lost=n_lost)


def joined(frames: Sequence[AudioFrame]) -> np.ndarray:
    """Return the samples of frames in a row as (channel time), one channel."""
    return np.concatenate([frame.samples for frame in frames])[None]

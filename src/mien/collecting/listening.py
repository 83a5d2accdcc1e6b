"""Takes from a source of sound, and time told by it: the sound that has come is the only clock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mien.capture import Block
from mien.errors import DeviceError

SETTLED_S = 0.75
"""What a stream begins with is left out: the probe fades in over half a second."""

Tick = Callable[[float], bool]
"""Told how many seconds have passed; returns True to stop."""


class Source(Protocol):
    """What takes are recorded from: a sound card, or in tests something that plays one."""

    rate_hz: int
    name: str

    def blocks(self) -> Iterator[Block]:
        """Yield sound from now on; what came while nobody listened is not among it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A take as it came: (channel time) float32 samples, zeros where some were lost, and words of quality."""

    samples: np.ndarray
    quality: tuple[str, ...]


@contextmanager
def _listening(source: Source) -> Iterator[Iterator[Block]]:
    # A source has one listener at a time: this one must be gone before the next comes.
    blocks = source.blocks()
    try:
        yield blocks
    finally:
        close = getattr(blocks, "close", None)
        if close is not None:
            close()


def wait(source: Source, duration_s: float, tick: Tick) -> bool:
    """Let time pass, calling `tick` block by block; return whether `tick` stopped it.

    Raises:
        DeviceError: the source ended.
    """
    if duration_s <= 0:
        return tick(0.0)
    first = None
    with _listening(source) as blocks:
        for block in blocks:
            first = block.first_sample if first is None else first
            passed_s = (block.first_sample - first + block.samples.shape[1]) / source.rate_hz
            if tick(min(passed_s, duration_s)):
                return True
            if passed_s >= duration_s:
                return False
    raise _ended(source)


def record(source: Source, duration_s: float, tick: Tick) -> Heard | None:
    """Record from now on, calling `tick` with what has been heard; None if `tick` stopped it.

    Samples that the device lost are zeros, so that time goes on rightly, and the take is called a dropout.

    Raises:
        DeviceError: the source ended.
    """
    take = _Take(round(duration_s * source.rate_hz))
    with _listening(source) as blocks:
        for block in blocks:
            if block.first_sample < SETTLED_S * source.rate_hz:
                continue
            take.add(block)
            if tick(min(take.n_heard, take.n_samples) / source.rate_hz):
                return None
            if take.n_heard >= take.n_samples:
                return take.heard()
    raise _ended(source)


class _Take:
    """A take while it comes in."""

    def __init__(self, n_samples: int) -> None:
        self.n_samples, self.n_heard = n_samples, 0
        self._first = 0
        self._samples: np.ndarray | None = None
        self._words: set[str] = set()

    def add(self, block: Block) -> None:
        if self._samples is None:
            self._first = block.first_sample
            self._samples = np.zeros((len(block.samples), self.n_samples), np.float32)
        elif block.dropped or block.first_sample - self._first != self.n_heard:
            self._words.add("dropout")
        if block.clipped:
            self._words.add("clipped")
        begin = block.first_sample - self._first
        kept = block.samples[:, : max(0, self.n_samples - begin)]
        self._samples[:, begin : begin + kept.shape[1]] = kept
        self.n_heard = begin + block.samples.shape[1]

    def heard(self) -> Heard:
        assert self._samples is not None
        return Heard(self._samples, tuple(word for word in ("clipped", "dropout") if word in self._words))


def _ended(source: Source) -> DeviceError:
    return DeviceError(f"{source.name} ended; takes so far are kept, --resume goes on")

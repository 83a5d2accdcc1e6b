"""From blocks of sound to predictions, as they come: gaps told to the session, and no falling behind."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain

import numpy as np

from mien.capture import Block
from mien.capture.resampled import can_be_resampled, resampled
from mien.capture.sources import Source
from mien.errors import RecordingError
from mien.probe import describe
from mien.recognizer import Recognizer
from mien.recognizer.hearing import one_channel
from mien.recording import Recording, survives_resampling
from mien.serving.live import LivePrediction, LiveSession

PATIENCE_S = 0.3
"""Who is later than this leaves windows out until the present is reached."""

CHOICE_S = 1.0
"""Of a stream of several channels: so much is heard before one is taken."""

CREEP = 1e-3
"""Two clocks drift apart by far less than this; so fast is the earliest moment forgotten."""


def listen(
    session: LiveSession, blocks: Iterable[Block], *, clock: Callable[[], float] | None = None
) -> Iterator[LivePrediction]:
    """Yield what a session makes of blocks.

    Args:
        clock: seconds, rising, where blocks come in real time: windows are then left out, and counted as dropped,
            rather than answered late. None takes all the time it needs.

    Raises:
        RecordingError: blocks that cannot be used.
    """
    expected: int | None = None
    lag = _Lag()
    for block in blocks:
        n_lost = 0 if expected is None else max(0, block.first_sample - expected)
        expected = block.first_sample + block.samples.shape[1]
        late = clock is not None and lag.late(clock(), expected / session.rate_hz)
        yield from session.feed(block.samples, dropped=block.dropped, n_lost=n_lost, most_answers=0 if late else None)


def at_rate_of_probe(source: Source, recognizer: Recognizer, say: Callable[[str], None]) -> Source:
    """Return a source at the rate of a model's probe: itself, or resampled where the band survives that.

    Args:
        say: told that it is.

    Raises:
        RecordingError: another rate, from which the probe cannot be had.
    """
    probe, rate_hz = recognizer.probe, source.rate_hz
    if rate_hz != probe.rate_hz and survives_resampling(probe, rate_hz) and can_be_resampled(rate_hz, probe.rate_hz):
        say(f"{source.name}: it is resampled from {rate_hz} to {probe.rate_hz} Hz")
        return resampled(source, probe.rate_hz)
    refuse_other_rate(source, recognizer)
    return source


def refuse_other_rate(source: Source, recognizer: Recognizer) -> None:
    """Refuse a source that a model cannot hear.

    Raises:
        RecordingError: another rate than the probe's.
    """
    if source.rate_hz != recognizer.probe.rate_hz:
        raise RecordingError(
            f"{source.name} is at {source.rate_hz} Hz; this model expects {describe(recognizer.probe)}: record at "
            f"{recognizer.probe.rate_hz} Hz"
        )


def with_one_channel(
    source: Source, recognizer: Recognizer, channel: int | None, say: Callable[[str], None]
) -> tuple[Source, int | None]:
    """Return one channel of a source and its number, for a model of one microphone; else the source itself and None.

    Args:
        channel: which, from 0; None takes the one with the stronger probe in the first seconds.
        say: told which was taken, and why.

    Raises:
        RecordingError: no such channel, or one was asked for and the model listens with several microphones.
    """
    n_microphones = recognizer.training.n_microphones
    if channel is None and (n_microphones != 1 or source.n_channels == 1):
        return source, None
    first = list(_beginning(source, CHOICE_S))
    samples = np.concatenate(
        [block.samples for block in first] or [np.zeros((source.n_channels, 1), np.float32)], axis=1
    )
    taken = one_channel(Recording(samples, source.rate_hz, recognizer.probe), n_microphones, channel)
    for note in taken.notes:
        say(f"{source.name}: {note}")
    number = int(taken.facts["channel"])
    blocks = (replace(block, samples=block.samples[number, None]) for block in chain(first, source.blocks))
    return replace(source, n_channels=1, blocks=blocks), number


def _beginning(source: Source, length_s: float) -> Iterator[Block]:
    for block in source.blocks:
        yield block
        if block.first_sample + block.samples.shape[1] >= length_s * source.rate_hz:
            return


class _Lag:
    """How far blocks are behind the earliest that came."""

    def __init__(self) -> None:
        self._earliest_s = float("inf")
        self._heard_s = 0.0

    def late(self, now_s: float, heard_s: float) -> bool:
        behind_s = now_s - heard_s
        self._earliest_s = min(behind_s, self._earliest_s + CREEP * max(0.0, heard_s - self._heard_s))
        self._heard_s = heard_s
        return behind_s - self._earliest_s > PATIENCE_S

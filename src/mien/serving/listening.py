"""From blocks of sound to predictions, as they come: gaps told to the session, and no falling behind."""

from collections.abc import Callable, Iterable, Iterator

from mien.capture import Block
from mien.capture.sources import Source
from mien.errors import RecordingError
from mien.probe import describe
from mien.recognizer import Recognizer
from mien.serving.live import LivePrediction, LiveSession

PATIENCE_S = 0.3
"""Who is later than this leaves windows out until the present is reached."""

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

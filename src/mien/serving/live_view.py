"""The live view: sound in, predictions out."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from mien.serving.audio_frames import AudioFrame, joined
from mien.serving.messages import ClientMessage, Emission, Prediction, Started, StartLive
from mien.serving.views import Answer, not_now, warnings_of

MOST_ANSWERS = 4
"""Of the windows that sound completes at once, which it does when the server is late, so many are answered."""

QUICK_S = 0.005
"""What takes longer is answered in a thread."""


class LiveView:
    """Recognises.

    Args:
        session: a `LiveSession`, or what feeds like it.
        recognizer: whose session it is.
        calibrated: it knows the person.
        is_quick: an answer takes `QUICK_S` at most.
    """

    def __init__(
        self, start: StartLive, emission: Emission, session: Any, recognizer: Any, calibrated: bool, is_quick: bool
    ) -> None:
        self.is_quick = is_quick
        self._start, self._emission, self._session = start, emission, session
        self._recognizer, self._calibrated = recognizer, calibrated
        self._n_heard = 0
        # Where frames end, in samples heard, and when they were captured: a window's end lies in one of them.
        self._ends: deque[tuple[int, float]] = deque(maxlen=1_000)

    @property
    def n_missing(self) -> int:
        return self._session.n_missing

    def begin(self) -> Answer:
        distance_m = self._session.distance_m
        return Answer(
            [
                Started(
                    view="live",
                    emission=self._emission,
                    window_s=float(self._session.window_s),
                    hop_s=float(self._session.hop_s),
                    profile_m=[float(distance_m[0]), float(distance_m[-1])],
                    expressions=list(self._recognizer.labels),
                    calibrated=self._calibrated,
                    warnings=warnings_of(self._start.audio),
                )
            ]
        )

    def hear(self, frames: Sequence[AudioFrame]) -> Answer:
        for frame in frames:
            self._n_heard += frame.n_lost + len(frame.samples)
            self._ends.append((self._n_heard, frame.captured_s))
        predictions = []
        for run in _unbroken(frames):
            lost = {"dropped": run[0].dropped, "n_lost": run[0].n_lost}
            predictions += self._session.feed(joined(run), most_answers=MOST_ANSWERS, **lost)
        return Answer([self._message(each) for each in predictions])

    def _message(self, predicted: Any) -> Prediction:
        end = round(predicted.time_s * self._start.audio.rate_hz)
        while len(self._ends) > 1 and self._ends[0][0] < end:
            self._ends.popleft()
        return Prediction(
            time_s=float(predicted.time_s),
            captured_s=self._ends[0][1],
            expression=predicted.expression,
            probabilities={name: float(share) for name, share in predicted.probabilities.items()},
            confidence=float(predicted.confidence),
            quality=list(predicted.quality),
            profile=[round(float(value), 4) for value in predicted.profile],
            n_dropped_windows=self._session.n_dropped_windows,
            problem=self._session.problem,
            foreignness=predicted.foreignness,
            is_foreign=predicted.is_foreign,
        )

    def told(self, message: ClientMessage) -> Answer:
        return not_now(message, "live recognition takes no such message; say stop first")

    def end(self) -> None:
        self._ends.clear()


def _unbroken(frames: Sequence[AudioFrame]) -> list[list[AudioFrame]]:
    """Return runs of frames between losses; only the first of a run may come after one."""
    runs: list[list[AudioFrame]] = []
    for frame in frames:
        if frame.dropped or not runs:
            runs.append([])
        runs[-1].append(frame)
    return runs

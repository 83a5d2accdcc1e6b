"""The calibrate view: a neutral clip and a few takes, and the model knows the person, until the session ends."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mien.errors import MienError
from mien.labels import NEUTRAL
from mien.recording import Recording
from mien.serving import messages as said
from mien.serving.audio_frames import AudioFrame
from mien.serving.kept_calibrations import CALIBRATED, FOLDER, forget, keep
from mien.serving.take_recorder import TakeRecorder
from mien.serving.views import Answer, NotOffered, error_of, not_now, warnings_of

DURATION_S = 3.0
NEUTRAL_S = 0.5
COUNTDOWN_S = 3.0

MOST_FAILURES = 2
"""A bad take is asked for so often again, then kept as it is."""

Calibrate = Callable[[Any, Sequence[tuple[str, Recording]]], Any]


class CalibrateView:
    """Asks for takes, keeps them in memory, and lets the model learn the person.

    Args:
        recognizer: the model as it was loaded.
        calibrate: makes the one that knows the person, of (expression, take) pairs.
        judge: says what is wrong with a take: words, and one sentence.
        memory: of the browser's session; the calibrated model is there as "calibrated".
        folder: where it is kept on disk, too, where the person asks for it; None keeps none.
    """

    n_missing, is_quick = 0, True

    def __init__(
        self,
        start: said.StartCalibrate,
        emission: said.Emission,
        recognizer: Any,
        calibrate: Calibrate,
        judge: Callable[[Recording], tuple[tuple[str, ...], str]],
        memory: dict[str, Any],
        folder: Path | None = None,
    ) -> None:
        self._start, self._emission, self._recognizer = start, emission, recognizer
        self._calibrate, self._judge, self._memory, self._folder = calibrate, judge, memory, folder
        self._recorder = TakeRecorder(recognizer.probe)
        words = [name for name in recognizer.labels if name != NEUTRAL]
        self._asked_for = [NEUTRAL, *words * start.takes_each]
        self._takes: list[Recording | None] = []
        self._n_failures = 0

    @property
    def _word(self) -> str | None:
        return self._asked_for[len(self._takes)] if len(self._takes) < len(self._asked_for) else None

    def begin(self) -> Answer:
        """Return what begins it.

        Raises:
            NotOffered: it is to be kept, and this server keeps none.
        """
        if self._start.keep and self._folder is None:
            raise NotOffered(
                "the calibration was to be kept; this server keeps none: leave keep out, or start the server with "
                "--calibrated DIR"
            )
        started = said.Started(
            view="calibrate",
            emission=self._emission,
            expressions=self._asked_for,
            calibrated=CALIBRATED in self._memory,
            warnings=warnings_of(self._start.audio),
        )
        return self._asked(Answer([started]))

    def _asked(self, answer: Answer) -> Answer:
        """Add the next prompt to an answer; where there is none, what follows."""
        word = self._word
        if word is None:
            return self._learnt(answer)
        n_done = sum(take is not None for take in self._takes)
        n_skipped = len(self._takes) - n_done
        progress = said.Progress(n_done=n_done, n_prompts=len(self._asked_for), n_skipped=n_skipped)
        answer.messages.append(
            said.Prompt(
                number=len(self._takes) + 1,
                expression=word,
                attempt=self._n_failures + 1,
                countdown_s=COUNTDOWN_S,
                neutral_s=NEUTRAL_S,
                duration_s=max(DURATION_S, NEUTRAL_S + 2 * float(getattr(self._recognizer.front_end, "window_s", 0.0))),
                can_redo=bool(self._takes),
                progress=progress,
            )
        )
        return answer

    def hear(self, frames: Sequence[AudioFrame]) -> Answer:
        take = self._recorder.hear(frames)
        return Answer() if take is None else Answer(work=lambda: self._judged(take))

    def _judged(self, take: Recording) -> Answer:
        number, word = len(self._takes) + 1, self._word
        assert word is not None, "a take is only begun where one is asked for"
        quality, advice = self._judge(take)
        bad = bool(advice)
        # Where the probe is not heard there is nothing to learn from, however often it is tried.
        kept = "no-probe" not in quality and (not bad or self._n_failures >= MOST_FAILURES)
        if kept:
            facts = {"neutral_until_s": NEUTRAL_S}
            self._takes.append(Recording(take.samples, take.rate_hz, take.probe, facts, quality))
        self._n_failures = 0 if kept else self._n_failures + 1
        done = said.TakeDone(number=number, expression=word, kept=kept, quality=list(quality), advice=advice)
        return self._asked(Answer([done]))

    def _learnt(self, answer: Answer) -> Answer:
        answer.messages.append(said.Calibrating())
        answer.work = self._learn
        return answer

    def _learn(self) -> Answer:
        takes = [(word, take) for word, take in zip(self._asked_for, self._takes, strict=False) if take is not None]
        try:
            calibrated = self._calibrate(self._recognizer, takes)
        except MienError as problem:
            return Answer([error_of(problem)], over=True)
        disk_problem = self._replaced(calibrated)
        n_neutral = sum(word == NEUTRAL for word, _ in takes)
        used = n_neutral if calibrated.uses_neutral else 0
        known = said.Calibrated(
            n_takes=len(takes) - n_neutral, n_neutral=used, kept=FOLDER in self._memory, problem=disk_problem
        )
        return Answer([known], over=True)

    def _replaced(self, calibrated: Any) -> str:
        """Put a calibrated model in the place of the one before; return what went wrong on the disk, or nothing."""
        problem = ""
        try:
            forget(self._memory)
            if self._start.keep and self._folder is not None:
                keep(calibrated, self._folder, self._memory)
        except MienError as error:
            problem = str(error)
        self._memory[CALIBRATED] = calibrated
        return problem

    def told(self, message: said.ClientMessage) -> Answer:
        if isinstance(message, said.TakeBegin):
            if self._word is None or message.number != len(self._takes) + 1:
                return not_now(message, f"prompt {len(self._takes) + 1} is asked for")
            prompt = self._asked(Answer()).messages[0]
            self._recorder.begin(prompt.duration_s)
            return Answer()
        if isinstance(message, said.TakeCancel):
            self._recorder.cancel()
            return self._asked(Answer())
        if self._recorder.recording:
            return not_now(message, "a take is being recorded; say take-cancel first")
        if isinstance(message, said.Redo):
            if not self._takes:
                return not_now(message, "there is no take to take back")
            self._takes.pop()
            self._n_failures = 0
            return self._asked(Answer())
        if isinstance(message, said.Skip):
            self._takes.append(None)
            self._n_failures = 0
            return self._asked(Answer())
        if isinstance(message, said.Finish):
            if not any(take is not None for take in self._takes):
                return not_now(message, "there is no take yet to learn from")
            return self._learnt(Answer())
        return not_now(message, "calibration takes no such message")

    def end(self) -> None:
        self._recorder.cancel()
        self._takes.clear()

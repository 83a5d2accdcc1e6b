"""The collect view: the guided protocol of `mien collect`, through the page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mien.collecting.people import next_subject, unfinished
from mien.collecting.protocol import Protocol
from mien.collecting.session import Collection, local_time
from mien.errors import MienError
from mien.recording import Recording
from mien.serving import messages as said
from mien.serving.audio_frames import AudioFrame
from mien.serving.settings import Settings
from mien.serving.take_recorder import TakeRecorder
from mien.serving.views import Answer, error_of, not_now, warnings_of


class CollectView:
    """Asks for takes and stores them.

    Args:
        collection: the person's session.
        memory: of the browser; who is collected is kept there as "collecting", so that it goes on after a break.
    """

    n_missing, is_quick = 0, True

    def __init__(
        self, start: said.StartCollect, emission: said.Emission, collection: Collection, memory: dict[str, Any]
    ) -> None:
        self._start, self._emission, self._collection, self._memory = start, emission, collection, memory
        self._recorder = TakeRecorder(collection.protocol.emitted)
        self._agreed_at = local_time()

    def begin(self) -> Answer:
        started = said.Started(
            view="collect",
            emission=self._emission,
            expressions=list(self._collection.protocol.expressions),
            subject=self._collection.subject,
            warnings=warnings_of(self._start.audio),
        )
        return self._asked(Answer([started]))

    def _asked(self, answer: Answer) -> Answer:
        """Add what comes next to an answer: the next prompt, or that all is done."""
        prompt = self._collection.next_prompt()
        if prompt is None:
            return self._finished(answer)
        progress = self._progress()
        asked = said.Prompt(
            number=prompt.number,
            expression=prompt.expression,
            mask=prompt.mask,
            place=prompt.place,
            changes=list(prompt.changes),
            attempt=prompt.attempt,
            rest_s=prompt.rest_before_s,
            countdown_s=prompt.countdown_s,
            neutral_s=prompt.neutral_s,
            duration_s=prompt.duration_s,
            can_redo=self._collection.can_redo,
            progress=progress,
        )
        answer.messages.append(asked)
        return answer

    def _progress(self) -> said.Progress:
        progress = self._collection.progress
        return said.Progress(n_done=progress.n_stored, n_prompts=progress.n_takes, n_skipped=progress.n_skipped)

    def _finished(self, answer: Answer) -> Answer:
        answer.messages.append(said.Collected(subject=self._collection.subject, progress=self._progress()))
        answer.over = True
        if self._collection.next_prompt() is None:
            self._memory.pop("collecting", None)
        return answer

    def hear(self, frames: Sequence[AudioFrame]) -> Answer:
        take = self._recorder.hear(frames)
        return Answer() if take is None else Answer(work=lambda: self._offered(take))

    def _write_down(self) -> None:
        """Write down who takes part, once there is something to store: else each beginning would leave a person."""
        if self._collection.consented is None:
            self._collection.accept_consent(self._agreed_at)
        self._memory["collecting"] = self._collection.subject

    def _offered(self, take: Recording) -> Answer:
        """Offer a take to the collection; where it cannot be stored, say so and ask for it again."""
        prompt = self._collection.next_prompt()
        assert prompt is not None, "a take is only begun where one is asked for"
        try:
            self._write_down()
            outcome = self._collection.offer(prompt, take)
        except MienError as problem:
            return self._asked(Answer([error_of(problem)]))
        done = said.TakeDone(
            number=prompt.number,
            expression=prompt.expression,
            kept=outcome.stored,
            quality=list(outcome.quality),
            advice=outcome.message,
        )
        return self._asked(Answer([done]))

    def told(self, message: said.ClientMessage) -> Answer:
        if isinstance(message, said.TakeBegin):
            return self._begun(message)
        if isinstance(message, said.TakeCancel):
            self._recorder.cancel()
            return self._asked(Answer())
        if isinstance(message, said.Finish):
            return self._finished(Answer())
        if self._recorder.recording:
            return not_now(message, "a take is being recorded; say take-cancel first")
        if isinstance(message, said.Redo):
            if self._collection.redo_last() is None:
                return not_now(message, "there is no take to take back")
            return self._asked(Answer())
        if isinstance(message, said.Skip):
            return Answer(work=self._skipped)
        return not_now(message, "a collection takes no such message")

    def _begun(self, message: said.TakeBegin) -> Answer:
        prompt = self._collection.next_prompt()
        if prompt is None or prompt.number != message.number:
            due = "none" if prompt is None else f"number {prompt.number}"
            return not_now(message, f"a take of prompt {message.number} was begun, {due} is asked for")
        self._recorder.begin(prompt.duration_s)
        return Answer()

    def _skipped(self) -> Answer:
        prompt = self._collection.next_prompt()
        if prompt is not None:
            try:
                self._write_down()
                self._collection.skip(prompt)
            except MienError as problem:
                return self._asked(Answer([error_of(problem)]))
        return self._asked(Answer())

    def end(self) -> None:
        self._recorder.cancel()
        self._collection.close()


def collection_of(settings: Settings, start: said.StartCollect, memory: dict[str, Any]) -> Collection:
    """Return the collection of the person who starts: gone on with where one was begun, else a new session.

    Raises:
        StudyError: the study cannot take it, or is being written by another. StorageError: the disk cannot.
    """
    study = settings.study
    assert study is not None, "the view is only offered where there is a study"
    subject = start.subject or memory.get("collecting") or next_subject(study)
    begun = [session for known, session in unfinished(study) if known == subject]
    made = [path.name.removeprefix("ses-") for path in (study / f"sub-{subject}").glob("ses-*")]
    numbers = [int(name) for name in made if name.isascii() and name.isdigit()]
    session = begun[-1] if begun else f"{max(numbers, default=0) + 1:02d}"
    return _opened(settings, study, subject, session, start)


def _opened(settings: Settings, study: Path, subject: str, session: str, start: said.StartCollect) -> Collection:
    return Collection(
        study,
        settings.protocol or Protocol(),
        subject,
        session=session,
        resume=True,
        keep_audible=settings.keep_audible,
        device=start.audio.device.strip() or None,
    )


def collection_told(settings: Settings) -> said.Collection | None:
    """Return what a client is told of the collection."""
    if settings.study is None:
        return None
    protocol = settings.protocol or Protocol()
    return said.Collection(
        study=settings.study.resolve().name,
        protocol=protocol.name,
        consent=protocol.consent_words(settings.keep_audible, "off"),
        expressions=list(protocol.expressions),
        n_takes=protocol.n_all_takes,
        duration_s=protocol.duration_s,
        masks=list(protocol.masks),
        places=list(protocol.places),
        keep_audible=settings.keep_audible,
    )

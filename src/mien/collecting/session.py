"""One person's session, stored take by take, to be resumed after whatever stopped it."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from mien.collecting.outcome import Outcome, judged, remedy
from mien.collecting.people import known_subjects
from mien.collecting.plan import Agenda, Progress, Prompt, number_and_version, take_name
from mien.collecting.protocol import Protocol
from mien.collecting.record import SessionRecord, new_record, read_record, record_path, write_record
from mien.datasets.folder import LOCK_FILE, check_identifiers, lock, take_stem
from mien.datasets.identity import refuse_other_spelling
from mien.datasets.study import STUDY_FILE, read_header
from mien.datasets.writer import StudyWriter
from mien.errors import DeviceError, RecordingError, StudyError
from mien.files import write_atomically, write_bytes
from mien.recording import Recording
from mien.sound_files import read_sidecar
from mien.vision.landmarks import Landmarks


def local_time() -> str:
    """Return the time of day as it stands in a study."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


class Collection:
    """One study, one subject, one session: says what to record next and stores it. Use it in a `with` block.

    Nobody else can write the study meanwhile. Stopped at any moment it loses at most the take in progress.

    Args:
        study: the study's folder; made where there is none.
        protocol: what is collected; None is FacER's, or what a session to be resumed was begun with.
        subject, session: identifiers such as "001" and "01".
        seed: of the random order; None is 0, or that of a session to be resumed.
        resume: go on with a session begun before, in the same order.
        keep_audible: store speech too; it is written into the study.
        about: what is known of the person, for `participants.tsv`.
        device: what the takes are recorded with.
        camera: "off", "landmarks" or "video", as the person is told before they agree.
        now: tells the time that is written down.

    Raises:
        StudyError: an identifier that cannot be, or is known in another spelling, a session begun before without
            `resume` or begun otherwise, a study that is no collected one or that another process is writing.
        ProbeError: the probe begins too low for speech to be removed.
        StorageError: the disk cannot take it.
    """

    def __init__(
        self,
        study: Path | str,
        protocol: Protocol | None,
        subject: str,
        *,
        session: str = "01",
        seed: int | None = None,
        resume: bool = False,
        keep_audible: bool = False,
        about: Mapping[str, Any] | None = None,
        device: str | None = None,
        camera: Literal["off", "landmarks", "video"] = "off",
        now: Callable[[], str] = local_time,
    ) -> None:
        self.study, self.subject, self.session = Path(study), subject, session
        self.device, self._about, self._now = device, dict(about or {}), now
        check_identifiers(subject=subject, session=session)
        self._stored_otherwise = keep_audible, camera
        self._path = record_path(self.study, subject, session)
        self._refuse_busy()
        resumes = resume and self._path.exists()
        # Read once for its probe, with which the study is opened, and again when nobody else can write it.
        self.protocol = read_record(self._path, protocol, seed)[1] if resumes else protocol or Protocol()
        self._writer = self._open(keep_audible)
        try:
            self._refuse_other_spelling()
            takes = self._takes(resumes)
            if resumes:
                self._record, _ = read_record(self._path, protocol, seed)
            else:
                self._record = new_record(self.protocol, subject, session, seed or 0)
            stored = dict(sorted(pair for pair in map(number_and_version, takes) if pair is not None))
            self._agenda = Agenda(self.protocol, self._record.planned, stored, self._record.skipped)
        except BaseException:
            self.close()
            raise

    def _refuse_busy(self) -> None:
        if (self.study / LOCK_FILE).exists():
            os.close(lock(self.study))

    def _open(self, keep_audible: bool) -> StudyWriter:
        # A study keeps its name when its folder is moved; people are added to it without further asking.
        name = self.study.resolve().name
        if (self.study / STUDY_FILE).exists():
            header, _ = read_header(self.study)
            name = header.name
            if header.origin == "collected" and header.keep_audible != keep_audible:
                kept, remedy = ("kept", "ask for") if header.keep_audible else ("filtered out", "leave out")
                raise StudyError(
                    f"{self.study} was begun with sound below the probe's band {kept}; {remedy} --keep-audible, or "
                    "choose another study"
                )
        return StudyWriter(self.study, name, "collected", self.protocol.emitted, resume=True, keep_audible=keep_audible)

    def _refuse_other_spelling(self) -> None:
        # A folder speaks for a person whose rows are gone: they must not come back as somebody else.
        refuse_other_spelling("subject", self.subject, known_subjects(self.study), self.study)
        begun = [folder.name.removeprefix("ses-") for folder in self._path.parent.parent.glob("ses-*")]
        refuse_other_spelling("session", self.session, begun, f"{self.study}, subject {self.subject},")
        self._writer.refuse_other_spelling(self.subject, self.session)

    def _takes(self, resumes: bool) -> set[str]:
        """Return the session's takes in the study, and move files that no row speaks of aside."""
        takes = {take for subject, session, take in self._writer.done if (subject, session) == self._key}
        begun = self._path.exists()
        if takes and not begun:
            raise StudyError(
                f"{self.study} holds takes of subject {self.subject}, session {self.session} already, and "
                f"{self._path.name} does not say how they were collected; choose another --session"
            )
        strays = self._strays(takes)
        # A session of which nothing came, since no device was found for example, may begin otherwise.
        if begun and not resumes and (takes or strays or read_record(self._path, None, None)[0].skipped):
            raise StudyError(
                f"session {self.session} of subject {self.subject} in {self.study} was begun before; --resume goes on "
                "with it, --session makes another"
            )
        self._writer.set_aside(strays)
        return takes

    def _strays(self, takes: set[str]) -> list[Path]:
        """Return files of takes that the table does not have: a crash before a row leaves some, a lost table all."""
        entries = sorted(self._path.parent.glob("sub-*_take-*_*"))
        strays = [entry for entry in entries if entry.name.split("_take-")[1].split("_")[0] not in takes]
        listed = self._writer.listed if strays else None
        return [entry for entry in strays if listed is not None and entry not in listed]

    @property
    def _key(self) -> tuple[str, str]:
        return self.subject, self.session

    @property
    def consent_text(self) -> str:
        """Return what a person has to agree to before the first take."""
        return self.protocol.consent_words(*self._stored_otherwise)

    @property
    def consented(self) -> str | None:
        """Return when the person agreed to these very words, or None."""
        consent = self._record.consent
        return consent.accepted if consent and consent.text == self.consent_text else None

    def accept_consent(self, at: str | None = None) -> None:
        """Write down that the person agreed, to which words and when; without it nothing is stored.

        Args:
            at: when, as `local_time` tells it; None is now.

        Raises:
            StorageError: the disk cannot take it.
        """
        if self._about or self.subject not in self._writer.subjects:
            self._writer.add_participant(self.subject, **self._about)
        consent = {"text": self.consent_text, "accepted": at or self._now()}
        before = [*self._record.consents_before, *([self._record.consent] if self._record.consent else [])]
        self._update(consent=consent, consents_before=[each.model_dump() for each in before])

    def _update(self, **values: Any) -> None:
        record = SessionRecord.model_validate(self._record.model_dump() | values)
        write_record(self._path, record)
        self._record = record

    @property
    def seed(self) -> int:
        return self._record.seed

    @property
    def progress(self) -> Progress:
        """Return how far the session is."""
        return self._agenda.progress

    def next_prompt(self) -> Prompt | None:
        """Return what to record next, the same until it is stored or skipped; None when all is done."""
        return self._agenda.next_prompt()

    def offer(self, prompt: Prompt, recording: Recording, **known: Any) -> Outcome:
        """Judge a take, then store it, or have it asked for again where it is bad and may be made again.

        Args:
            prompt: what was asked for, as `next_prompt` said.
            recording: what was recorded; its quality may have words already.
            known: as for `store`.

        Raises:
            DeviceError: the probe was not heard, time after time.
            StudyError, RecordingError, ProbeMismatch, StorageError: as `store`.
        """
        heard = self._judged(prompt, recording)
        told = remedy(heard.quality)
        if told and self._agenda.note_failed():
            return Outcome(False, heard.quality, told)
        if "no-probe" in heard.quality:
            raise DeviceError(
                f"take {prompt.take} was recorded {prompt.attempt} times and {told}; see what "
                "`mien probe` says of the device. Takes so far are kept, --resume goes on"
            )
        self._store(prompt, heard, **known)
        return Outcome(True, heard.quality, told and f"stored as it is; {told}")

    def store(self, prompt: Prompt, recording: Recording, **known: Any) -> None:
        """Store a take whatever its quality, which is judged and written down.

        Args:
            prompt: what was asked for, as `next_prompt` said.
            recording: of the protocol's probe, or without one.
            known: `neutral_until_s`, when the expression's word appeared (else as the prompt says); `start`, the time
                of day; `landmarks`; `video`, a file that is moved into the study; further columns of `takes.tsv`.

        Raises:
            StudyError: no consent, another take is due, or the session was closed.
            RecordingError: another number of channels than the study's, or samples that cannot be stored.
            ProbeMismatch: a recording of another probe or rate.
            StorageError: the disk cannot take it; the study is as it was before.
        """
        self._store(prompt, self._judged(prompt, recording), **known)

    def _judged(self, prompt: Prompt, recording: Recording) -> Recording:
        self._require(prompt)
        self._require_channels(recording)
        return judged(recording, self._writer.probe)

    def _require(self, prompt: Prompt) -> None:
        if self.consented is None:
            raise StudyError(f"subject {self.subject} did not agree to be recorded; nothing is stored without consent")
        due = self.next_prompt()
        if due is None or (due.take, due.number) != (prompt.take, prompt.number):
            raise StudyError(f"take {prompt.take} was given, {'none' if due is None else due.take} is due")

    def _require_channels(self, recording: Recording) -> None:
        first = next((path for path in self._writer.sounds if path.exists()), None)
        sidecar = None if first is None else read_sidecar(first)
        if sidecar is not None and sidecar.n_channels not in (None, recording.n_channels):
            raise RecordingError(
                f"the take has {recording.n_channels} channels, those of {self.study} have {sidecar.n_channels}; "
                "record with as many"
            )

    def _store(
        self,
        prompt: Prompt,
        recording: Recording,
        *,
        neutral_until_s: float | None = None,
        start: str | None = None,
        landmarks: Landmarks | None = None,
        video: Path | None = None,
        **columns: Any,
    ) -> None:
        columns |= {
            "mask": prompt.mask,
            "place": prompt.place,
            "device": self.device,
            "neutral_until_s": prompt.neutral_s if neutral_until_s is None else neutral_until_s,
            "start": start,
        }
        # What the table says of a take stands in its sidecar too, so that it can be used without its study.
        who = {"subject": self.subject, "session": self.session, "expression": prompt.expression}
        facts = dict(recording.facts) | who | {name: value for name, value in columns.items() if value is not None}
        recording = replace(recording, facts=facts)
        with self._beside(prompt.take, landmarks, video):
            version = self._agenda.stored.get(prompt.number)
            arguments = (recording, *self._key, prompt.take, prompt.expression)
            if version is None:
                self._writer.add_take(*arguments, **columns)
            else:
                self._writer.replace_take(take_name(prompt.number, version), *arguments, **columns)
        self._agenda.note_stored(prompt)
        self._forget_skip(prompt.number)

    @contextmanager
    def _beside(self, take: str, landmarks: Landmarks | None, video: Path | None) -> Iterator[None]:
        """Write what a camera saw of a take before its row is entered, and remove it where that fails."""
        stem = take_stem(*self._key, take)
        self._writer.make_room(*self._key, take)
        points, film = (self.study / f"{stem}_{name}" for name in ("landmarks.npz", "video.mp4"))
        try:
            if landmarks is not None:
                write_bytes(points, landmarks.to_bytes())
            if video is not None:
                write_atomically(film, partial(shutil.copyfile, video))
                video.unlink()
            yield
        except BaseException:
            if not self._writer.holds(*self._key, take):  # Ctrl-C may come when the take is stored already
                points.unlink(missing_ok=True)
                film.unlink(missing_ok=True)
            raise

    def _forget_skip(self, number: int) -> None:
        if number in self._record.skipped:
            self._update(skipped=sorted(self._agenda.skipped))

    @property
    def can_redo(self) -> bool:
        """Say whether there is a take to make anew."""
        return self._agenda.can_redo

    def skip(self, prompt: Prompt) -> None:
        """Leave a take out, now and after resuming; one that was to be made anew stays as it was.

        Raises:
            StudyError: another take is due. StorageError: the disk cannot take it.
        """
        self._require(prompt)
        self._agenda.note_skipped(prompt)
        if sorted(self._agenda.skipped) != self._record.skipped:
            self._update(skipped=sorted(self._agenda.skipped))

    def redo_last(self) -> Prompt | None:
        """Return a prompt for the last take anew, or None where there is none; the old one stays until it is made."""
        return self._agenda.next_prompt() if self._agenda.redo_last() else None

    def close(self) -> None:
        """Let others write the study. What was stored is on the disk already."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

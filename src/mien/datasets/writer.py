"""A study on disk, written: each take whole or absent, one writer at a time, to be resumed after a crash."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from mien.datasets.folder import (
    LOCK_FILE,
    Listed,
    check_identifiers,
    drop_equal,
    files_of_take,
    is_leftover,
    listed_files,
    lock,
    remove_leftovers,
    remove_take_files,
    set_aside,
    take_stem,
)
from mien.datasets.growing import GrowingTable, open_tables
from mien.datasets.identity import refuse_other_spelling
from mien.datasets.study import (
    PARTICIPANTS_FILE,
    STUDY_FILE,
    TAKES_FILE,
    StudyHeader,
    inside,
    read_header,
)
from mien.datasets.tables import KEY, MASKS, REQUIRED, describe_key, format_cell, format_rows, is_quantity
from mien.errors import ProbeMismatch, StorageError, StudyError
from mien.files import is_clutter, write_json, write_text
from mien.identifiers import normal, normal_key
from mien.labels import UNKNOWN, own_spelling, problem_of_expression
from mien.probe import Probe, describe, probe_to_json
from mien.progress import talk
from mien.recording import Recording, high_pass_hz, write_recording
from mien.sound_files import sidecar_path

_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class StudyWriter:
    """Write a study take by take. Use it in a `with` block; nobody else can write the study meanwhile.

    Args:
        path: the study's folder; it must not exist or be empty, unless `resume`.
        origin: "collected", "simulated" or "imported".
        generator: how it was simulated, plain JSON values.
        resume: go on with a study begun before, with the same options; `done` says which takes are there.
        keep_audible: store sound below the probe's band too. It is written into the study.

    Raises:
        StudyError: the folder holds something else, a study already, another writer is at work, or the study to
            resume was begun with other options.
        ProbeError: the probe begins too low for speech to be removed.
        StorageError: the disk cannot take it.
    """

    def __init__(
        self,
        path: Path | str,
        name: str,
        origin: Literal["collected", "simulated", "imported"],
        probe: Probe,
        generator: Mapping[str, Any] | None = None,
        resume: bool = False,
        *,
        keep_audible: bool = False,
    ) -> None:
        self.path = Path(path)
        self.probe = probe
        self.keep_audible = keep_audible
        header = StudyHeader(
            mien_study=1,
            name=name,
            origin=origin,
            probe=probe_to_json(probe),
            generator=dict(generator) if generator is not None else None,
            high_pass_hz=None if keep_audible else high_pass_hz(probe),
            keep_audible=keep_audible,
        )
        self._lock: int | None = lock(self.path)
        try:
            self._takes, self._participants = self._begin_or_resume(header, resume)
        except BaseException:
            self.close()
            raise
        self.done = {tuple(row[name] for name in KEY) for row in self._takes.rows}
        """The takes that the study holds: (subject, session, take)."""
        self._keys = {normal_key(row) for row in self._takes.rows}
        self._paths = {row["path"] for row in self._takes.rows}
        self._spelled: dict[tuple[str, ...], tuple[str, ...]] = {}
        for person in self._participants.rows:
            self._note_spelling(person["subject"])
        for row in self._takes.rows:
            self._note_spelling(row["subject"])
            self._note_spelling(row["subject"], row["session"])

    def _begin_or_resume(self, header: StudyHeader, resume: bool) -> tuple[GrowingTable, GrowingTable]:
        present = sorted(entry.name for entry in self.path.iterdir() if entry.name != LOCK_FILE)
        present = [name for name in present if not is_leftover(name) and not is_clutter(name)]
        if STUDY_FILE in present:
            if not resume:
                raise StudyError(f"{self.path} holds a study already; use --resume to go on with it, or another folder")
            return self._resumed(header)
        if present:
            raise StudyError(f"{self.path} is not empty ({present[0]} is in it); a new study needs a folder of its own")
        takes = GrowingTable(self.path / TAKES_FILE, [*REQUIRED, "quality", "sha256"])
        participants = GrowingTable(self.path / PARTICIPANTS_FILE, ["subject"])
        values = header.model_dump(exclude_none=True)
        # study.json comes last: a folder without it is no study, and is begun anew.
        takes.rewrite()
        participants.rewrite()
        write_json(self.path / STUDY_FILE, values)
        return takes, participants

    def _resumed(self, header: StudyHeader) -> tuple[GrowingTable, GrowingTable]:
        found, _ = read_header(self.path)
        for name, wanted in header.model_dump(mode="json").items():
            begun = getattr(found, name)
            if begun != wanted:
                where, before, asked = _difference(name, begun, wanted)
                raise StudyError(
                    f"{self.path} was begun with {where} {before} and cannot be resumed with {asked}; "
                    "give the same options, or another folder"
                )
        remove_leftovers(self.path)
        return open_tables(self.path)

    @property
    def subjects(self) -> frozenset[str]:
        """Return who is entered in `participants.tsv`."""
        return frozenset(row["subject"] for row in self._participants.rows)

    @property
    def sounds(self) -> Iterator[Path]:
        """Yield the sound file of every take."""
        return (inside(self.path, row["path"]) for row in self._takes.rows)

    def add_participant(self, subject: str, **facts: Any) -> None:
        """Enter a person, or what more is known of them; facts that are not named stay as they were.

        Raises:
            StudyError: an identifier or a fact that cannot stand in the table, or a subject known in another spelling.
            StorageError: the disk cannot take it.
        """
        self._require_open()
        check_identifiers(subject=subject)
        self.refuse_other_spelling(subject)
        new = {"subject": subject} | {_column(name): format_cell(name, value) for name, value in facts.items()}
        people = self._participants
        row = next((other for other in people.rows if other["subject"] == subject), {}) | new
        rows = [row if other["subject"] == subject else other for other in people.rows]
        rows += [] if row in rows else [row]
        columns = people.columns + [name for name in row if name not in people.columns]
        write_text(people.path, format_rows(columns, rows))
        people.rows, people.columns = rows, columns
        self._note_spelling(subject)

    def _note_spelling(self, *identifiers: str) -> None:
        self._spelled.setdefault(tuple(map(normal, identifiers)), identifiers)

    def refuse_other_spelling(self, *identifiers: str) -> None:
        """Refuse a subject, or a subject and a session of theirs, that the study has in another spelling.

        Raises:
            StudyError: naming both.
        """
        for n_names in range(1, len(identifiers) + 1):
            names = identifiers[:n_names]
            known = self._spelled.get(tuple(map(normal, names)), names)
            refuse_other_spelling(KEY[n_names - 1], names[-1], known[-1:], self.path)

    def set_aside(self, files: Iterable[Path]) -> None:
        """Move files that are no take's into `unlisted/`, and say so.

        Raises:
            StorageError: one cannot be moved.
        """
        _say_where(self.path, set_aside(self.path, files))

    def holds(self, subject: str, session: str, take: str) -> bool:
        """Say whether the table has a take."""
        return any(tuple(row[name] for name in KEY) == (subject, session, take) for row in self._takes.rows)

    @property
    def listed(self) -> Listed:
        """Return which files are those of takes."""
        return listed_files(self.sounds)

    def make_room(self, subject: str, session: str, take: str) -> None:
        """Move what lies where a new take's files will, and is no take's, into `unlisted/`.

        Raises:
            StorageError: it cannot be moved.
        """
        stem = self.path / take_stem(subject, session, take)
        # Looked for first: to know what is listed takes a while in a large study.
        if any(stem.parent.glob(f"{stem.name}_*")):
            self.set_aside(files_of_take(stem.with_name(f"{stem.name}_echo.flac"), self.listed))

    def add_take(
        self, recording: Recording, subject: str, session: str, take: str, expression: str | None, **columns: Any
    ) -> None:
        """Store a take: its sound and sidecar, then its row. After any crash it is there whole, or not at all.

        Args:
            expression: a word, or None for an unlabelled take.
            columns: further cells of its row (place, mask, distance_m, neutral_until_s, AU04, ...); None is unknown.

        Raises:
            StudyError: a take entered before, or something that cannot stand in the table.
            ProbeMismatch: a recording of another probe or rate than the study's.
            RecordingError: samples that cannot be stored, see `write_recording`.
            StorageError: the disk cannot take it; the study is as it was before.
        """
        row = self._row(recording, subject, session, take, expression, columns)
        self._store(recording, row, partial(self._takes.append, row))

    def replace_take(
        self,
        replaced: str,
        recording: Recording,
        subject: str,
        session: str,
        take: str,
        expression: str | None,
        **columns: Any,
    ) -> None:
        """Store a take in place of another one of the same session, which is then removed with all that lies beside it.

        After any crash the study holds the one or the other.

        Args:
            replaced: identifier of the take that goes; the new one needs another.
            recording, subject, session, take, expression, columns: as for `add_take`.

        Raises:
            StudyError: no such take to replace, or as `add_take`.
            ProbeMismatch, RecordingError, StorageError: as `add_take`; the study is as it was before.
        """
        row = self._row(recording, subject, session, take, expression, columns)
        key = (subject, session, replaced)
        gone = next((other for other in self._takes.rows if tuple(other[name] for name in KEY) == key), None)
        if gone is None:
            raise StudyError(f"{self.path} has no take {replaced} of subject {subject}, session {session} to replace")
        self._store(recording, row, partial(self._takes.replace, gone, row))
        self.done.discard(key)
        self._keys.discard(normal_key(gone))
        self._paths.discard(gone["path"])
        remove_take_files(inside(self.path, gone["path"]), self.listed)

    def _store(self, recording: Recording, row: dict[str, str], enter: Callable[[], None]) -> None:
        """Write a take's sound, fill in what follows from it, and enter its row."""
        target = inside(self.path, row["path"])
        # What lies there is no take's: a crash before its row, or an older copy of the table, made it so.
        aside = set_aside(self.path, (target, sidecar_path(target)))
        try:
            sidecar = write_recording(recording, target, keep_audible=self.keep_audible)
            row["quality"] = ";".join(sidecar.quality) or "ok"
            row["sha256"] = str(sidecar.sha256)
            enter()
        except StorageError:
            for written in (target, sidecar_path(target)):
                written.unlink(missing_ok=True)
            raise
        finally:
            _say_where(self.path, drop_equal(aside))
        self.done.add((row["subject"], row["session"], row["take"]))
        self._keys.add(normal_key(row))
        self._paths.add(row["path"])
        self._note_spelling(row["subject"])
        self._note_spelling(row["subject"], row["session"])

    def _row(
        self,
        recording: Recording,
        subject: str,
        session: str,
        take: str,
        expression: str | None,
        columns: Mapping[str, Any],
    ) -> dict[str, str]:
        self._require_open()
        check_identifiers(subject=subject, session=session, take=take)
        self.refuse_other_spelling(subject, session)
        if recording.probe != self.probe or recording.rate_hz != self.probe.rate_hz:
            found = describe(recording.probe) if recording.probe else "no known probe"
            raise ProbeMismatch(
                f"{self.path} is a study of {describe(self.probe)}; a recording at {recording.rate_hz} Hz of {found} "
                "cannot be added"
            )
        row = {
            "subject": subject,
            "session": session,
            "take": take,
            "expression": format_cell("expression", expression),
        }
        problem = problem_of_expression(row["expression"])
        if problem or own_spelling(row["expression"]) != row["expression"]:
            usual = f"expression {expression!r} is another spelling of {own_spelling(row['expression'])!r}; use that"
            raise StudyError(problem or usual)
        if normal_key(row) in self._keys:
            raise StudyError(f"{self.path} has {describe_key(row)} already; give the take another number")
        row["path"] = f"{take_stem(subject, session, take)}_echo.flac"
        if row["path"] in self._paths:
            raise StudyError(f"{self.path}: {row['path']} is another take's by {TAKES_FILE}; put its row right first")
        for name, value in columns.items():
            if name in (*REQUIRED, "sha256", "quality"):
                raise StudyError(f"column {name} is filled in by the study itself; leave it out")
            row[_column(name)] = format_cell(name, value)
            if is_quantity(name) and isinstance(value, str):
                raise StudyError(f"column {name} holds numbers; {value!r} is text")
        if row.get("mask", UNKNOWN) not in (*MASKS, UNKNOWN):
            raise StudyError(f"mask is {row['mask']!r}; known are {', '.join(MASKS)}, or None for unknown")
        return row

    def _require_open(self) -> None:
        if self._lock is None:
            raise StudyError(f"{self.path} was closed; open another StudyWriter with resume=True to add to it")

    def close(self) -> None:
        """Let others write the study. What was added is on the disk already."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _say_where(study: Path, moved: Mapping[Path, Path]) -> None:
    if moved:
        first = next(iter(moved.values())).relative_to(study)
        talk.print(
            f"{study}: {len(moved)} files that {TAKES_FILE} does not list were moved aside, the first to {first}; "
            f"`mien check {study} --adopt` brings recordings back",
            highlight=False,
            markup=False,
        )


def _column(name: str) -> str:
    if not _COLUMN.fullmatch(name):
        raise StudyError(f"a column cannot be called {name!r}; use letters, digits and underscores")
    return name


def _difference(name: str, begun: Any, wanted: Any) -> tuple[str, str, str]:
    """Return the first place in which two values differ, and what stands there in each."""
    if isinstance(begun, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys([*wanted, *begun]):
            if begun.get(key) != wanted.get(key):
                return _difference(f"{name}.{key}", begun.get(key), wanted.get(key))
    return name, _short(begun), _short(wanted)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 160 else f"{text[:160]}..."

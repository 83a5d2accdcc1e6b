"""A study on disk, read: its table, its probe, and its recordings one at a time."""

import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from mien.datasets.identity import faults_of_spellings
from mien.datasets.spreadsheet import read_study_table
from mien.datasets.tables import (
    REQUIRED,
    Table,
    as_frame,
    describe_key,
    faults_of_rows,
    notes_of_joined,
    problem_of_path,
)
from mien.errors import StudyError
from mien.files import read_json
from mien.labels import UNKNOWN, joined_spellings
from mien.probe import Probe, probe_from_json
from mien.recording import Recording, read_recording
from mien.sound_files import QUALITY_WORDS

STUDY_FILE, TAKES_FILE, PARTICIPANTS_FILE = "study.json", "takes.tsv", "participants.tsv"


class StudyHeader(BaseModel):
    """What `study.json` says. Fields unknown here are kept and counted into the digest."""

    model_config = ConfigDict(extra="allow", strict=True)

    mien_study: Literal[1]
    name: str
    origin: Literal["collected", "simulated", "imported"]
    probe: dict[str, Any]
    generator: dict[str, Any] | None = None
    media: Literal["relative", "given"] = "relative"
    high_pass_hz: float | None = None
    keep_audible: bool = False


@dataclass(frozen=True, slots=True)
class Take:
    """One take's sound, by itself: small enough to be sent to another process.

    Args:
        row: its position in the study's table.
        name: which take it is, for messages.
        facts: the known cells of its row; quantities are floats.
        quality: what the table says of it, beside what its sidecar and its samples say.
    """

    row: int
    name: str
    path: Path
    probe: Probe
    digest: str | None
    facts: Mapping[str, Any]
    quality: tuple[str, ...] = ()

    def recording(self) -> Recording:
        """Return the take's sound with the table's facts over those of its sidecar.

        Raises:
            RecordingError: the file is missing, altered or unusable.
            ProbeMismatch: it was recorded with another probe than the study's.
        """
        found = read_recording(self.path, self.probe, digest=self.digest)
        facts = {**found.facts, **self.facts}
        quality = tuple(word for word in QUALITY_WORDS if word in found.quality + self.quality)
        return Recording(found.samples, found.rate_hz, self.probe, facts, quality)


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Recordings and a table with one row per take.

    Args:
        path: its folder.
        origin: "collected", "simulated" or "imported".
        table: one row per take, numbered from 0: the columns of `takes.tsv`, then those of `participants.tsv` that it
            lacks. Text columns hold text, `n/a` where unknown; quantities are floats, NaN where unknown.
        generator: how it was simulated, or None.
        media: folder that the table's paths are relative to, or None where the user has not given it.
        digest: SHA-256 over what `study.json` and the tables say; two studies with equal digests are equal.
        notes: what was tolerated while reading.
    """

    path: Path
    name: str
    origin: str
    probe: Probe
    table: pd.DataFrame
    generator: Mapping[str, Any] | None
    media: Path | None
    digest: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def is_simulated(self) -> bool:
        return self.origin == "simulated"

    def take(self, row: int) -> Take:
        """Return one take of the table by its position.

        Raises:
            StudyError: no such row, a path that leaves the study, or media whose folder was not given.
        """
        if not 0 <= row < len(self.table):
            raise StudyError(f"row {row} was asked for; {self.path} has rows 0 to {len(self.table) - 1}")
        cells = self.table.iloc[int(row)].to_dict()
        if self.media is None:
            raise StudyError(f"{self.path} refers to media elsewhere; say where they lie with --media DIR (media=...)")
        known = {name: value for name, value in cells.items() if value != UNKNOWN and value == value}
        facts = {name: value for name, value in known.items() if name not in ("path", "sha256", "quality")}
        return Take(
            row=int(row),
            name=describe_key(cells),
            path=inside(self.media, cells["path"]),
            probe=self.probe,
            digest=known.get("sha256"),
            facts=facts,
            quality=tuple(word for word in QUALITY_WORDS if word in cells.get("quality", UNKNOWN).split(";")),
        )

    def recording(self, row: int) -> Recording:
        """Return the recording of one take; its facts are the known cells of its row.

        Raises:
            StudyError: no such row, or a path that leaves the study.
            RecordingError, ProbeMismatch: see `Take.recording`.
        """
        return self.take(row).recording()


def inside(root: Path, relative: str) -> Path:
    """Return the file that a study's `path` means, absolute: worker processes may stand in another folder.

    Raises:
        StudyError: it leaves the study, by its words or through a link.
    """
    problem = problem_of_path(relative)
    if problem:
        raise StudyError(problem)
    found = root / relative
    try:
        if not found.resolve().is_relative_to(root.resolve()):
            raise StudyError(
                f"path {relative!r} leaves the study through a link to {found.resolve()}; copy the file in"
            )
    except (OSError, RuntimeError) as error:
        raise StudyError(f"path {relative!r} cannot be followed: {error}") from None
    return found.absolute()


def read_header(path: Path) -> tuple[StudyHeader, Probe]:
    """Read and check `study.json` of the study in a folder.

    Raises:
        StudyError: the folder is no study, or its header breaks the contract.
        ProbeError: the probe cannot be what it says.
    """
    path = Path(path)
    if not os.path.isdir(path):
        raise StudyError(f"{path} {'is a file' if os.path.exists(path) else 'does not exist'}; a study is a folder")
    if not os.path.lexists(path / STUDY_FILE):
        raise StudyError(f"{path} is not a study: it has no {STUDY_FILE}; `mien simulate` or `mien import` makes one")
    values = read_json(path / STUDY_FILE, StudyError)
    version = values.get("mien_study")
    if isinstance(version, int) and version > 1:
        raise StudyError(f"{path / STUDY_FILE} is of version {version}; this mien reads version 1: install a newer one")
    try:
        header = StudyHeader.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        found = "" if first["type"] == "missing" else f"; found {str(first['input'])[:60]!r}"
        raise StudyError(f"{path / STUDY_FILE}: {field}: {first['msg']}{found}") from None
    return header, probe_from_json(header.probe)


def load_study(path: Path | str, media: Path | str | None = None) -> Study:
    """Read a study's header and tables. Sound is read when it is asked for.

    Args:
        path: the study's folder.
        media: where the media lie, for an imported corpus that refers to them.

    Raises:
        StudyError: the folder breaks the contract; the first fault is named. `mien check` names them all.
        ProbeError: the probe cannot be what it says.
    """
    path = Path(path)
    header, probe = read_header(path)
    takes = read_study_table(path / TAKES_FILE, REQUIRED)
    participants = read_participants(path)
    faults = faults_of_spellings(takes, participants) + faults_of_rows(takes)
    errors = [fault for fault in faults if fault.severity == "error"]
    if errors:
        more = f" ({len(errors) - 1} more: see `mien check`)" if len(errors) > 1 else ""
        raise StudyError(f"{path / errors[0].path}: {errors[0].message}{more}")
    counts = Counter(row["expression"] for row in takes.rows)
    joined = joined_spellings(row["expression"] for row in takes.rows)
    notes = tuple(note_of_torn(table) for table in (takes, participants) if table and table.torn is not None)
    notes += tuple(f"{takes.path}: {note}" for note in notes_of_joined(counts, joined))
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return Study(
        path=path,
        name=header.name,
        origin=header.origin,
        probe=probe,
        table=_joined(takes, participants, joined),
        generator=header.generator,
        media=_media_root(path, header, media),
        digest=_digest(header, takes, participants),
        notes=notes,
    )


def note_of_torn(table: Table) -> str:
    """Say that a table's last line broke off and was left out."""
    return (
        f"{table.path}: the last line breaks off ({(table.torn or '')[:60]!r}), as after a crash: "
        "it was left out, resume to mend it"
    )


def read_participants(path: Path) -> Table | None:
    """Return `participants.tsv`, or None where there is none.

    Raises:
        StudyError: it cannot be read, a person stands in it twice, or a quantity is no number.
    """
    if not os.path.lexists(path / PARTICIPANTS_FILE):
        return None
    table = read_study_table(path / PARTICIPANTS_FILE, ("subject",))
    counts = Counter(row["subject"] for row in table.rows)
    twice = sorted(subject for subject, number in counts.items() if number > 1)
    if twice:
        raise StudyError(f"{table.path}: subject {twice[0]} has {counts[twice[0]]} rows; one is needed")
    try:
        as_frame(table.columns, table.rows)
    except StudyError as error:
        raise StudyError(f"{table.path}: {error}") from None
    return table


def _media_root(path: Path, header: StudyHeader, media: Path | str | None) -> Path | None:
    if header.media == "relative":
        if media is not None:
            raise StudyError(f"{path} holds its media itself; leave out --media {media}")
        return path
    if media is not None and not Path(media).is_dir():
        raise StudyError(f"the media of {path} were said to lie in {media}, which is not a folder")
    return None if media is None else Path(media)


def _joined(takes: Table, participants: Table | None, expressions: Mapping[str, str]) -> pd.DataFrame:
    """Return both tables as one, with the expressions' usual spellings."""
    said = [row | {"expression": expressions.get(row["expression"], row["expression"])} for row in takes.rows]
    if participants is None:
        return as_frame(takes.columns, said)
    # A column is looked up in takes.tsv first, then in participants.tsv.
    new = [name for name in participants.columns if name not in takes.columns]
    known = {row["subject"]: row for row in participants.rows}
    rows = [row | {name: known.get(row["subject"], {}).get(name, UNKNOWN) for name in new} for row in said]
    return as_frame((*takes.columns, *new), rows)


def _digest(header: StudyHeader, takes: Table, participants: Table | None) -> str:
    parts: list[Any] = [header.model_dump(), takes.columns, takes.rows]
    if participants is not None:
        parts += [participants.columns, participants.rows]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

"""Removing a person from a study, whole: under every spelling, listed or set aside."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mien.datasets.folder import UNLISTED, Listed, files_of_take, listed_files, lock
from mien.datasets.spreadsheet import read_study_table
from mien.datasets.study import PARTICIPANTS_FILE, TAKES_FILE, inside, read_header
from mien.datasets.tables import REQUIRED, Table, format_rows
from mien.errors import MienError, StudyError
from mien.files import files_below, write_text
from mien.identifiers import normal
from mien.sound_files import SOUND_ENDINGS, read_sidecar

_OF_SUBJECT = re.compile(r"\.?sub-([^_]+)(_.*)?")


@dataclass(frozen=True, slots=True)
class Belongings:
    """All that a study has of a person.

    Args:
        spellings: their identifiers, as they stand in tables and names of folders.
        n_takes: takes that `takes.tsv` lists.
        folders, files: what lies on the disk; files within the folders are not named again.
        tables: table -> the rows that stay; its copies beside it too.
    """

    spellings: tuple[str, ...]
    n_takes: int
    folders: tuple[Path, ...]
    files: tuple[Path, ...]
    tables: tuple[tuple[Table, tuple[dict[str, str], ...]], ...]

    @property
    def n_files(self) -> int:
        return len(self.files) + sum(len(files_below(folder, error=StudyError)) for folder in self.folders)


def belongings(path: Path | str, subject: str) -> Belongings:
    """Return what `forget` would remove.

    Raises:
        StudyError: the study does not know the person, a table cannot be read, or a file of theirs is another's.
    """
    path = Path(path)
    header, _ = read_header(path)
    who = normal(subject)
    if not who:
        raise StudyError(f"subject is {subject!r}; an identifier is needed")
    takes = read_study_table(path / TAKES_FILE, REQUIRED)
    gone = [row for row in takes.rows if normal(row["subject"]) == who]
    kept = [row for row in takes.rows if normal(row["subject"]) != who]
    tables = [(table, [row for row in table.rows if normal(row["subject"]) != who]) for table in _tables(path, takes)]
    folders, files = [], []
    if header.media == "relative":
        others = [inside(path, row["path"]) for row in kept]
        folders = [each for each in _folders(path) if _is_of(each.name, who)]
        _refuse_anothers(folders, {inside(path, row["path"]) for row in gone}, others, subject)
        files = _files(path, who, [inside(path, row["path"]) for row in gone], listed_files(others), folders)
    named = [row["subject"] for table, rows in tables for row in table.rows if row not in rows]
    named += [folder.name.removeprefix("sub-") for folder in folders]
    if not (named or files):
        raise StudyError(f"{path} knows no subject {subject}; nothing was removed")
    left = tuple((table, tuple(rows)) for table, rows in tables if len(rows) < len(table.rows))
    return Belongings(tuple(dict.fromkeys(named)), len(gone), tuple(folders), tuple(files), left)


def forget(path: Path | str, subject: str) -> int:
    """Remove a person whole: sound, sidecars and whatever else lies in their folders, then their rows.

    Other spellings of their identifier are theirs, and so is what was set aside in `unlisted/`. Files go first, so that
    after a crash `mien check` still names the person's missing takes; run it again then.

    Returns:
        How many takes were removed.

    Raises:
        StudyError: see `belongings`. StorageError: a table cannot be written.
    """
    path = Path(path)
    read_header(path)
    descriptor = lock(path)
    try:
        theirs = belongings(path, subject)
        for file in theirs.files:
            file.unlink(missing_ok=True)
            with suppress(OSError):
                os.removedirs(file.parent)
        for folder in theirs.folders:
            shutil.rmtree(folder)
            with suppress(OSError):
                os.removedirs(folder.parent)
        for table, rows in theirs.tables:
            write_text(table.path, format_rows(table.columns, rows) + _torn_of_another(table, subject))
        return theirs.n_takes
    finally:
        os.close(descriptor)


def _torn_of_another(table: Table, subject: str) -> str:
    """Return a table's last line that breaks off, where it is not theirs: to mend it is not done in passing."""
    cells, place = (table.torn or "").split("\t"), table.columns.index("subject")
    whose = cells[place] if place < len(cells) else ""
    return "" if not whose or normal(whose) == normal(subject) else table.torn or ""


def _tables(path: Path, takes: Table) -> Iterator[Table]:
    """Yield the study's tables and the mended copies beside them."""
    yield takes
    for name in (PARTICIPANTS_FILE, TAKES_FILE):
        stem = name.removesuffix(".tsv")
        for each in [path / name] * (name == PARTICIPANTS_FILE) + sorted(path.glob(f"{stem}.mended*.tsv")):
            if each.exists():
                yield read_study_table(each, ("subject",))


def _folders(path: Path) -> list[Path]:
    patterns = ("sub-*", f"{UNLISTED}/sub-*", f"{UNLISTED}/*/sub-*")
    found = [each for pattern in patterns for each in sorted(path.glob(pattern))]
    return [each for each in found if each.is_dir() and not each.is_symlink()]


def _is_of(name: str, who: str) -> bool:
    found = _OF_SUBJECT.fullmatch(name)
    return found is not None and normal(found[1]) == who


def _refuse_anothers(folders: list[Path], gone: set[Path], others: list[Path], subject: str) -> None:
    roots = [folder.resolve() for folder in folders]
    ends = {file.resolve() for file in gone}
    for other in others:
        end = other.resolve()
        if end in ends or any(end.is_relative_to(root) or other.is_relative_to(root) for root in roots):
            raise StudyError(
                f"{other} lies among what is removed with subject {subject} and is a take of another; put takes.tsv "
                "right first"
            )


def _files(path: Path, who: str, sounds: list[Path], others: Listed, folders: list[Path]) -> list[Path]:
    """Return their files outside their folders: of their takes, of their name, and sounds whose sidecar names them."""
    found = {file: None for sound in sounds for file in files_of_take(sound, others)}
    for entry in files_below(path, error=StudyError):
        if entry in others or entry in found:
            continue
        if _is_of(entry.name, who):
            found[entry] = None
        elif entry.suffix.lower() in SOUND_ENDINGS and _says(entry, who):
            found |= dict.fromkeys(files_of_take(entry, others))
    return [file for file in found if not _lies_in(file, folders)]


def _says(sound: Path, who: str) -> bool:
    try:
        sidecar = read_sidecar(sound)
    except MienError:
        return False
    return sidecar is not None and normal(str(sidecar.all_facts.get("subject", ""))) == who


def _lies_in(file: Path, folders: Iterable[Path]) -> bool:
    return any(file.is_relative_to(folder) or file.is_relative_to(folder.absolute()) for folder in folders)

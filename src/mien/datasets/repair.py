"""Mended copies of tables that a spreadsheet changed, beside them: nothing is written over."""

from collections.abc import Mapping
from pathlib import Path

from mien.datasets.identity import stored_key
from mien.datasets.spreadsheet import diagnose
from mien.datasets.study import PARTICIPANTS_FILE, TAKES_FILE
from mien.datasets.tables import REQUIRED, Table, format_rows
from mien.errors import StudyError
from mien.files import read_bytes, write_bytes
from mien.identifiers import normal


def repair(study: Path | str) -> dict[Path, Path]:
    """Write a mended copy beside each table that a spreadsheet changed; the tables themselves stay as they are.

    Returns:
        Table -> its copy, of those that could be mended.

    Raises:
        StudyError: there is no study, or a table cannot be read. StorageError: the disk cannot take a copy.
    """
    study = Path(study)
    if not (study / TAKES_FILE).is_file():
        raise StudyError(f"{study} has no {TAKES_FILE} to repair; give a study's folder")
    takes = diagnose(study / TAKES_FILE, REQUIRED).table
    tables = [] if takes is None else [_with_stored_identifiers(takes)]
    spelled = _spellings_of(study, tables[0] if tables else None)
    if (study / PARTICIPANTS_FILE).exists():
        people = diagnose(study / PARTICIPANTS_FILE, ("subject",)).table
        tables += [] if people is None else [_with_spellings(people, spelled)]
    copies = {table.path: _write_copy(table) for table in tables if _is_changed(table)}
    return copies


def _with_stored_identifiers(takes: Table) -> Table:
    """Return takes with the identifiers that their files were stored with."""
    return Table(takes.path, takes.columns, tuple(row | (stored_key(row) or {}) for row in takes.rows))


def _with_spellings(people: Table, spelled: Mapping[str, str]) -> Table:
    rows = tuple(row | {"subject": spelled.get(normal(row["subject"]), row["subject"])} for row in people.rows)
    return Table(people.path, people.columns, rows)


def _spellings_of(study: Path, takes: Table | None) -> dict[str, str]:
    """Return normal form -> spelling of every subject that takes and folders spell in one way."""
    found: dict[str, set[str]] = {}
    folders = [folder.name.removeprefix("sub-") for folder in study.glob("sub-*")]
    for subject in [*(row["subject"] for row in (takes.rows if takes else ())), *folders]:
        found.setdefault(normal(subject), set()).add(subject)
    return {plain: words.pop() for plain, words in found.items() if len(words) == 1}


def _is_changed(table: Table) -> bool:
    before = read_bytes(table.path, StudyError).removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    return before.rstrip(b"\n") != format_rows(table.columns, table.rows).encode().rstrip(b"\n")


def _write_copy(table: Table) -> Path:
    """Write a table beside its file, under a name that is free or that holds the very same."""
    content = format_rows(table.columns, table.rows).encode()
    for number in range(1, 1_000):
        copy = table.path.with_suffix(".mended.tsv" if number == 1 else f".mended-{number}.tsv")
        if not copy.exists():
            write_bytes(copy, content)
            return copy
        if copy.is_file() and read_bytes(copy, StudyError) == content:
            return copy
    raise StudyError(f"{table.path.parent} has {number} mended copies of {table.path.name}; delete some")

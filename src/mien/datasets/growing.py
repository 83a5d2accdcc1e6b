"""A table on disk that grows row by row."""

import os
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from mien.datasets.identity import refuse_spellings
from mien.datasets.spreadsheet import read_study_table
from mien.datasets.study import PARTICIPANTS_FILE, TAKES_FILE, note_of_torn, read_participants
from mien.datasets.tables import REQUIRED, format_rows
from mien.errors import StudyError
from mien.files import flush, storing, write_text
from mien.progress import talk


@dataclass(slots=True)
class GrowingTable:
    """A table in memory, and which of its columns are in the file's header."""

    path: Path
    columns: list[str]
    rows: list[dict[str, str]] = field(default_factory=list)

    def rewrite(self) -> None:
        write_text(self.path, format_rows(self.columns, self.rows))

    def append(self, row: dict[str, str]) -> None:
        """Add a row to the file and flush it; a column that is new rewrites the whole table."""
        if all(name in self.columns for name in row):
            _append_flushed(self.path, format_rows(self.columns, [row], header=False).encode())
            self.rows.append(row)
        else:
            self._become([*self.rows, row], row)

    def replace(self, gone: dict[str, str], row: dict[str, str]) -> None:
        """Put a row in the place of another, in one step."""
        self._become([row if other is gone else other for other in self.rows], row)

    def _become(self, rows: list[dict[str, str]], with_columns_of: dict[str, str]) -> None:
        new = [name for name in with_columns_of if name not in self.columns]
        # The digest stays last: a line that breaks off within it is known as broken by its length.
        kept = [name for name in self.columns if name != "sha256"]
        columns = kept + [name for name in new if name != "sha256"] + ["sha256"] * ("sha256" in self.columns + new)
        write_text(self.path, format_rows(columns, rows))
        self.rows, self.columns = rows, columns


def _append_flushed(path: Path, line: bytes) -> None:
    with storing(path), FileIO(path, "ab") as stream:
        before = os.fstat(stream.fileno()).st_size
        try:
            # A full disk may take a part first and refuse only the rest.
            written = 0
            while written < len(line):
                written += stream.write(line[written:])
            flush(stream.fileno())
        except OSError:
            os.ftruncate(stream.fileno(), before)
            raise


def open_tables(path: Path) -> tuple[GrowingTable, GrowingTable]:
    """Return a study's tables, to be added to; a last line that breaks off is left out, and said.

    Raises:
        StudyError: a table cannot be read, or has one subject under several spellings.
    """
    takes, people = read_study_table(path / TAKES_FILE, REQUIRED), read_participants(path)
    refuse_spellings(takes, people)
    if people is not None and people.torn is not None:
        raise StudyError(f"{people.path}: the last line breaks off ({people.torn[:60]!r}); complete it, or delete it")
    lines = GrowingTable(takes.path, list(takes.columns), list(takes.rows))
    if takes.torn is not None:
        talk.print(note_of_torn(takes), highlight=False, markup=False)
    if takes.torn is not None or not takes.ended:
        lines.rewrite()
    if people is None:
        return lines, GrowingTable(path / PARTICIPANTS_FILE, ["subject"])
    return lines, GrowingTable(people.path, list(people.columns), list(people.rows))

"""A table on disk that grows row by row."""

import os
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from mien.datasets.tables import format_rows
from mien.files import flush, storing, write_text


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

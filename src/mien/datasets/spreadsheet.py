"""What a spreadsheet makes of a table that it saves, and the table without it, as far as that is certain."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.datasets.tables import (
    LARGEST_BYTES,
    MAYBE_QUANTITY,
    REQUIRED,
    Table,
    is_quantity,
    parse_table,
    read_table,
    refuse_too_many_cells,
)
from mien.errors import StudyError
from mien.files import read_bytes

REPAIR = "or let `mien check --repair` write a mended copy"

_CODE_PAGES = ("cp1252", "cp1250", "cp1254", "cp1257")
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(,\d{3})+")
_STRIPPED = (*REQUIRED, "mask", "quality", "sha256")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a spreadsheet did to a table.

    Args:
        findings: what happened and how to save it rightly, on one line each.
        table: the table without it, as far as that is certain; None where it cannot be read even so.
    """

    findings: tuple[str, ...]
    table: Table | None


def diagnose(path: Path, required: Sequence[str]) -> Diagnosis:
    """Return what a spreadsheet did to a table, and the table without it; identifiers stay as they are.

    Raises:
        StudyError: the file cannot be read at all.
    """
    text, findings = _decoded(read_bytes(path, StudyError, LARGEST_BYTES))
    if text is None or not text.strip():
        return Diagnosis(tuple(findings), None)
    refuse_too_many_cells(path, text.replace("\r", "\n"))
    cells, more = _cells(text, required)
    findings += more
    for step in (_without_empty_rows, _without_empty_columns, _with_points):
        cells, more = step(cells)
        findings += more
    try:
        table = parse_table("".join("\t".join(row) + "\n" for row in _stripped(cells)), path, required)
    except StudyError:
        return Diagnosis(tuple(findings), None)
    return Diagnosis(tuple(findings), table)


def read_study_table(path: Path, required: Sequence[str]) -> Table:
    """Read a table; where it cannot be, say what a spreadsheet did to it, if one did.

    Raises:
        StudyError: see `read_table`.
    """
    try:
        return read_table(path, required)
    except StudyError:
        findings = diagnose(path, required).findings if path.is_file() else ()
        if not findings:
            raise
        raise StudyError(f"{path} {findings[0]}") from None


def _decoded(content: bytes) -> tuple[str | None, list[str]]:
    wide = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}.get(content[:2])
    if wide is None and b"\0" in content[:2]:
        wide = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    if wide:
        said = f"is UTF-16, as a spreadsheet's 'Unicode text' is; save it as UTF-8, {REPAIR}"
        try:
            return content.decode(wide), [said]
        except UnicodeDecodeError:
            return None, ["is UTF-16 text that breaks off; save it as UTF-8"]
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError as problem:
        return _from_code_page(content, problem.start)


def _from_code_page(content: bytes, first: int) -> tuple[str | None, list[str]]:
    """Read old Windows text where its code pages agree about every letter."""
    read = {page: content.decode(page, "replace") for page in _CODE_PAGES}
    line = content.count(b"\n", 0, first) + 1
    start, end = content.rfind(b"\t", 0, first) + 1, content.find(b"\t", first)
    word = content[max(start, first - 20) : end if 0 <= end < first + 20 else first + 20].splitlines()[0]
    said = (
        f"is no UTF-8: line {line} has {word!r}, {word.decode('cp1252', 'replace')!r} in Windows-1252; save it as UTF-8"
    )
    if len(set(read.values())) > 1 or "\ufffd" in read["cp1252"]:
        return None, [f"{said} (other code pages read it otherwise: this cannot be mended with certainty)"]
    return read["cp1252"], [f"{said}, {REPAIR}"]


def _cells(text: str, required: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """Return rows of cells, whatever separates and surrounds them."""
    findings = []
    text = text.replace("\r\n", "\n")
    if "\r" in text and "\n" not in text:
        text = text.replace("\r", "\n")
        findings.append(f"has line ends of old Macintoshes; save it with line feeds, {REPAIR}")
    lines = text.removesuffix("\n").split("\n")
    sign = _separator(lines[0], required)
    if sign != "\t":
        findings.append(f"has its cells separated by {sign!r}; save it as text separated by tabs, {REPAIR}")
    plain = [line.split(sign) for line in lines]
    n_quoted = sum(len(cell) > 1 and cell[0] == cell[-1] == '"' for row in plain for cell in row)
    if not n_quoted and (sign == "\t" or '"' not in text):
        return plain, findings
    try:
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=sign, strict=True))
    except csv.Error:
        return plain, [*findings, "has a quotation mark that is not ended; take the marks away"]
    if sign == "\t":
        findings.append(f"has {n_quoted} cells in quotation marks; save it without quoting text, {REPAIR}")
    if any("\n" in cell or "\t" in cell for row in rows for cell in row):
        return plain, [*findings, "has a line break or a tab within a cell; take it away"]
    return [row or [""] for row in rows], findings


def _separator(header: str, required: Sequence[str]) -> str:
    for sign in ("\t", ";", ","):
        names = {name.strip().strip('"') for name in header.split(sign)}
        if set(required) <= names and (len(names) > 1 or sign == "\t"):
            return sign
    return "\t"


def _without_empty_rows(cells: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    empty = [number for number, row in enumerate(cells, start=1) if not "".join(row).strip()]
    if not empty or len(empty) == len(cells):
        return cells, []
    kept = [row for row in cells if "".join(row).strip()]
    return kept, [f"has {len(empty)} empty rows, the first in line {empty[0]}; delete them, {REPAIR}"]


def _without_empty_columns(cells: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    n_cells = max(map(len, cells))
    used = {place for row in cells for place, cell in enumerate(row) if cell.strip()}
    empty = set(range(n_cells)) - used
    if not empty:
        return cells, []
    kept = [[cell for place, cell in enumerate(row) if place not in empty] for row in cells]
    return kept, [f"has {len(empty)} empty columns; delete them, {REPAIR}"]


def _stripped(cells: list[list[str]]) -> list[list[str]]:
    """Return cells without spaces around names and the contract's own words."""
    header = [name.strip() for name in cells[0]]
    own = {place for place, name in enumerate(header) if name in _STRIPPED}
    return [header, *([cell.strip() if place in own else cell for place, cell in enumerate(row)] for row in cells[1:])]


def _with_points(cells: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    """Turn decimal commas into points in columns of numbers, where they cannot part thousands."""
    findings, rows = [], [list(row) for row in cells]
    for place, name in enumerate(cells[0]):
        column = [row[place] for row in cells[1:] if place < len(row)]
        commas = [cell for cell in column if _DECIMAL_COMMA.fullmatch(cell)]
        if not commas or not (is_quantity(name) or MAYBE_QUANTITY.fullmatch(name)):
            continue
        said = f"has decimal commas in column {name} ({commas[0]!r} and {len(commas) - 1} more); write points"
        if any("." in cell for cell in column) or all(_THOUSANDS.fullmatch(cell) for cell in commas):
            findings.append(f"{said} (they may part thousands: this cannot be mended with certainty)")
            continue
        findings.append(f"{said}, {REPAIR}")
        for row in rows[1:]:
            if place < len(row) and _DECIMAL_COMMA.fullmatch(row[place]):
                row[place] = row[place].replace(",", ".")
    return rows, findings

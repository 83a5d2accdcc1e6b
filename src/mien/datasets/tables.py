"""The tab-separated tables of a study: read as written, checked line by line, turned into a DataFrame.

Text stays text (identifiers such as `001` keep their zeros, an unknown word is `n/a`); the columns that hold
quantities become floats, unknown ones NaN.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien.errors import StudyError
from mien.files import read_text
from mien.identifiers import IDENTIFIERS, normal, normal_key
from mien.labels import ALL_EXPRESSIONS, UNKNOWN, joined_spellings, problem_of_expression
from mien.sound_files import QUALITY_WORDS

REQUIRED = ("subject", "session", "take", "expression", "path")
KEY = IDENTIFIERS
MASKS = ("open", "mask")

LARGEST_BYTES = 64 << 20
MOST_COLUMNS = 1_000
MOST_CELLS = 4_000_000
"""A table is whole in memory, some 200 bytes a cell while it is read."""

MOST_FAULTS = 1_000
"""Of one kind that are named each; a table of a million wrong lines is not a million lines in a terminal."""

_QUANTITY = re.compile(r"AU\d{1,2}(_[LR])?|distance_m|neutral_until_s")
MAYBE_QUANTITY = re.compile(r"age|n_.*|.*_(hz|s|m|m_s|db|rad|deg|c|ppm)")
_DRIVE = re.compile(r"[A-Za-z]:")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_NOBODY = ("", UNKNOWN, "nan", "none", "null", "<na>", "#n/a")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: `severity` is "error" or "warning", `path` where, `message` what, on one line."""

    severity: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it stands in its file: every cell is text; `torn` is a last line that a crash cut short.

    `ended` says whether the last line has an end, so that another may follow it.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    torn: str | None = None
    ended: bool = True


def is_quantity(column: str) -> bool:
    """Say whether the contract makes a column hold numbers.

    Example:
        >>> [is_quantity(name) for name in ("AU04", "distance_m", "subject", "place")]
        [True, True, False, False]
    """
    return _QUANTITY.fullmatch(column) is not None


def read_table(path: Path, required: Sequence[str]) -> Table:
    """Read a table; a byte order mark and either line ending are tolerated.

    Raises:
        StudyError: no such file, no header, a column missing or named twice, or a line of another number of cells
            (but for a last line without an end, which a crash leaves and which is set aside as `torn`).
    """
    return parse_table(read_text(path, StudyError, LARGEST_BYTES), path, required)


def parse_table(text: str, path: Path, required: Sequence[str]) -> Table:
    """Return the table that a text is; see `read_table`."""
    text = text.replace("\r\n", "\n")
    refuse_too_many_cells(path, text)
    lines = text.split("\n")
    ended = lines[-1] == ""
    lines = lines[:-1] if ended else lines
    if not lines or not lines[0].strip():
        raise StudyError(f"{path} has no header; its first line must name the columns {' '.join(required)}")
    columns = tuple(lines[0].split("\t"))
    missing = [name for name in required if name not in columns]
    if missing:
        raise StudyError(f"{path} has no column {', '.join(missing)}; it has {', '.join(columns)}, separated by tabs")
    counts = Counter(columns)
    twice = sorted(name for name, number in counts.items() if number > 1 or not name.strip())
    if twice:
        raise StudyError(f"{path} names column {twice[0]!r} {counts[twice[0]]} times; each once, none without a name")
    torn = lines.pop() if not ended and len(lines) > 1 and _is_torn(lines[-1], columns) else None
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) != len(columns):
            raise StudyError(f"{path} line {number} has {len(cells)} cells; its header has {len(columns)}")
        rows.append(dict(zip(columns, cells, strict=True)))
    return Table(Path(path), columns, tuple(rows), torn, ended)


def refuse_too_many_cells(path: Path, text: str) -> None:
    """Refuse a table whose cells would take a gigabyte, before they are taken apart."""
    n_columns = text.partition("\n")[0].count("\t") + 1
    n_cells = max(text.count("\n") * n_columns, text.count("\t"))
    if n_columns > MOST_COLUMNS or n_cells > MOST_CELLS:
        raise StudyError(
            f"{path} has {n_columns} columns and about {n_cells} cells; tables of at most {MOST_COLUMNS} columns and "
            f"{MOST_CELLS} cells are read: part it, or leave columns out"
        )


def _is_torn(line: str, columns: tuple[str, ...]) -> bool:
    cells = line.split("\t")
    if len(cells) < len(columns):
        return True
    # Our own writer puts the digest last: where a line breaks off within it, its length tells.
    return columns[-1] == "sha256" and cells[-1] != UNKNOWN and not _SHA256.fullmatch(cells[-1])


def format_cell(column: str, value: Any) -> str:
    """Return a value as it stands in a table; None and NaN are `n/a`, numbers keep every digit.

    Raises:
        StudyError: a value that a cell cannot hold.

    Example:
        >>> format_cell("distance_m", 0.3), format_cell("AU04", None), format_cell("place", "office")
        ('0.3', 'n/a', 'office')
    """
    if value is None or value is pd.NA:
        return UNKNOWN
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        if any(sign in value for sign in "\t\n\r") or not value.strip():
            raise StudyError(
                f"column {column}: {value!r} cannot stand in a table; use text without tabs and line breaks"
            )
        return value
    if isinstance(value, Real) and not isinstance(value, bool):
        if math.isnan(value):
            return UNKNOWN
        if math.isinf(value):
            raise StudyError(f"column {column}: {value} is no quantity; use a number, or None for unknown")
        return repr(value)
    raise StudyError(f"column {column}: {value!r} is a {type(value).__name__}; text, a number or None is needed")


def format_rows(columns: Sequence[str], rows: Iterable[Mapping[str, str]], header: bool = True) -> str:
    """Return rows as text of a table, each ended by a line feed."""
    lines = ["\t".join(columns)] if header else []
    lines += ["\t".join(row.get(name, UNKNOWN) for name in columns) for row in rows]
    return "".join(f"{line}\n" for line in lines)


def as_frame(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Return cells as a DataFrame: text columns as text, quantities as floats with NaN for `n/a`.

    A column of the user's own counts as a quantity where its name says so (an age, a count `n_`, a unit at its end)
    and every cell is a number.

    Raises:
        StudyError: a quantity of the contract that is no number.
    """
    frame = {}
    for name in columns:
        cells = [row.get(name, UNKNOWN) or UNKNOWN for row in rows]
        if is_quantity(name) or (MAYBE_QUANTITY.fullmatch(name) and all(map(_is_number, cells))):
            frame[name] = pd.Series([_number(name, cell) for cell in cells], dtype=np.float64)
        else:
            frame[name] = pd.Series(cells, dtype="str")
    return pd.DataFrame(frame, columns=list(columns))


def _is_number(cell: str) -> bool:
    try:
        return cell == UNKNOWN or math.isfinite(float(cell))
    except ValueError:
        return False


def _number(column: str, cell: str) -> float:
    if cell in (UNKNOWN, ""):
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        raise StudyError(f"column {column} holds {cell!r}; a number or {UNKNOWN} is needed") from None
    if not math.isfinite(value):
        raise StudyError(f"column {column} holds {cell!r}; a finite number or {UNKNOWN} is needed")
    return value


def first_faults(faults: Iterable[Fault], where: str) -> list[Fault]:
    """Return the first `MOST_FAULTS` errors and as many warnings, then how many more there are of either.

    Args:
        where: the file that those more are in.
    """
    counts: Counter[str] = Counter()
    first = []
    for fault in faults:
        counts[fault.severity] += 1
        if counts[fault.severity] <= MOST_FAULTS:
            first.append(fault)
    more = {severity: number - MOST_FAULTS for severity, number in counts.items() if number > MOST_FAULTS}
    return first + [Fault(each, where, f"{number} more {each}s are not named") for each, number in more.items()]


def faults_of_rows(table: Table) -> list[Fault]:
    """Return what is wrong in `takes.tsv` as far as the table alone shows it."""
    return first_faults(_faults_of_rows(table), table.path.name)


def _faults_of_rows(table: Table) -> Iterator[Fault]:
    quantities = [name for name in table.columns if is_quantity(name)]
    keys: dict[tuple[str, ...], int] = {}
    paths: dict[str, int] = {}
    sounds: dict[str, tuple[int, str]] = {}
    for number, row in enumerate(table.rows, start=2):
        place = f"{table.path.name} line {number}"
        yield from (Fault("error", place, message) for message in _errors_of_row(row, quantities))
        yield from (Fault("warning", place, message) for message in _warnings_of_row(row))
        key = normal_key(row)
        if key in keys:
            yield Fault("error", place, f"duplicate take: {describe_key(row)} is also in line {keys[key]}")
        elif row["path"] in paths:
            message = f"duplicate take: {row['path']} is also the take of line {paths[row['path']]}"
            yield Fault("error", place, message)
        elif (digest := row.get("sha256", UNKNOWN).lower()) in sounds and _SHA256.fullmatch(digest):
            yield _same_sound(place, row["subject"], *sounds[digest])
        keys.setdefault(key, number)
        paths.setdefault(row["path"], number)
        sounds.setdefault(row.get("sha256", UNKNOWN).lower(), (number, row["subject"]))
    yield from _warnings_of_words(table)


def _same_sound(place: str, subject: str, line: int, other: str) -> Fault:
    message = f"holds the same sound as line {line} (equal sha256)"
    if normal(subject) != normal(other):
        message += f" under another subject, {other}: evaluate and train refuse it; delete the line that is wrong"
    return Fault("warning", place, message)


def _warnings_of_words(table: Table) -> list[Fault]:
    """Return a warning for each expression that is no word of mien's, however many takes have it."""
    counts = Counter(row["expression"] for row in table.rows)
    joined = joined_spellings(row["expression"] for row in table.rows)
    known = ", ".join(ALL_EXPRESSIONS)
    faults = [Fault("warning", table.path.name, message) for message in notes_of_joined(counts, joined)]
    return faults + [
        Fault(
            "warning",
            table.path.name,
            f"expression {word!r} is kept as it is in {counts[word]} take{'s' if counts[word] > 1 else ''}; mien's own "
            f"words are {known}",
        )
        for word, number in sorted(counts.items())
        if word not in joined and word not in (*ALL_EXPRESSIONS, UNKNOWN) and not problem_of_expression(word)
    ]


def notes_of_joined(counts: Mapping[str, int], joined: Mapping[str, str]) -> list[str]:
    """Say which words are counted as other spellings of an expression."""
    return [
        f"expression {word!r} in {counts[word]} take{'s' if counts[word] > 1 else ''} is counted as {joined[word]!r}; "
        "write it so"
        for word in sorted(joined)
        if not problem_of_expression(word)
    ]


def _errors_of_row(row: Mapping[str, str], quantities: Sequence[str]) -> list[str]:
    errors = [f"{name} is {row[name]!r}; an identifier is needed" for name in KEY if normal(row[name]) in _NOBODY]
    problems = problem_of_path(row["path"]), problem_of_expression(row["expression"])
    errors += [problem for problem in problems if problem]
    if row.get("mask", UNKNOWN) not in (*MASKS, UNKNOWN, ""):
        errors.append(f"mask is {row['mask']!r}, an unknown word; known are {', '.join(MASKS)}, {UNKNOWN}")
    unknown = [
        word for word in row.get("quality", UNKNOWN).split(";") if word not in (*QUALITY_WORDS, "ok", UNKNOWN, "")
    ]
    if unknown:
        errors.append(f"quality has {unknown[0]!r}, an unknown word; known are ok, {', '.join(QUALITY_WORDS)}")
    digest = row.get("sha256", UNKNOWN)
    if digest not in (UNKNOWN, "") and not _SHA256.fullmatch(digest):
        errors.append(f"sha256 is {digest[:80]!r}; 64 hexadecimal digits or {UNKNOWN} are needed")
    for name in quantities:
        try:
            _number(name, row[name])
        except StudyError as error:
            errors.append(str(error))
    return errors


def _warnings_of_row(row: Mapping[str, str]) -> list[str]:
    warnings = []
    if row.get("sha256", UNKNOWN) in (UNKNOWN, ""):
        warnings.append("sha256 is missing, so that a change of the sound could not be seen")
    return warnings


def problem_of_path(path: str) -> str | None:
    """Say why a path may not stand in a study, or None where it may: relative, forward, never upwards.

    Example:
        >>> problem_of_path("sub-001/a.flac") is None, problem_of_path("../a.flac")
        (True, "path '../a.flac' leaves the study; a path inside its folder is needed")
    """
    parts = path.split("/")
    if path.strip() in ("", UNKNOWN):
        return f"path is {path!r}; the place of the take's sound, relative to the study, is needed"
    if path.startswith("/") or ".." in parts or "\\" in path or _DRIVE.match(path) or "\0" in path:
        return f"path {path!r} leaves the study; a path inside its folder is needed"
    return None


def describe_key(row: Mapping[str, Any]) -> str:
    """Return which take a row is, for messages.

    Example:
        >>> describe_key({"subject": "001", "session": "01", "take": "0003"})
        'subject 001, session 01, take 0003'
    """
    return ", ".join(f"{name} {row[name]}" for name in KEY)

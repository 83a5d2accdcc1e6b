"""A table that a spreadsheet saved: the check says what happened, repairing writes a copy, nothing is written over."""

import csv
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.datasets.check import check_study
from mien.datasets.repair import repair
from mien.datasets.spreadsheet import diagnose
from mien.datasets.study import load_study
from mien.datasets.tables import REQUIRED
from mien.errors import MienError, StudyError

NAMES = ("takes.tsv", "participants.tsv")


def rows_of(path, name="takes.tsv"):
    return [line.split("\t") for line in (path / name).read_text(encoding="utf-8").splitlines()]


def put(path, rows, name="takes.tsv", sign="\t", encoding="utf-8", end="\r\n"):
    (path / name).write_bytes("".join(sign.join(row) + end for row in rows).encode(encoding))


def place(path, word):
    """Have a place with letters beyond ASCII."""
    takes = path / "takes.tsv"
    takes.write_text(takes.read_text().replace("office", word), encoding="utf-8")


def utf_16(path):
    put(path, rows_of(path), encoding="utf-16")


def utf_16_without_mark(path):
    put(path, rows_of(path), encoding="utf-16-be")


def cp1252(path):
    place(path, "Caf\u00e9 M\u00fcller")
    put(path, rows_of(path), encoding="cp1252")


def quotes(path):
    put(path, [[f'"{cell}"' for cell in row] for row in rows_of(path)])


def some_quotes(path):
    place(path, 'room "3", left')
    text = io.StringIO()
    csv.writer(text, delimiter="\t").writerows(rows_of(path))
    (path / "takes.tsv").write_text(text.getvalue())


def semicolons(path):
    put(path, rows_of(path), sign=";")


def commas(path):
    place(path, "garden, left")
    text = io.StringIO()
    csv.writer(text).writerows(rows_of(path))
    (path / "takes.tsv").write_text(text.getvalue())


def decimal_commas(path):
    put(path, [[re.sub(r"^(\d+)\.(\d+)$", r"\1,\2", cell) for cell in row] for row in rows_of(path)])


def empty_rows(path):
    rows = rows_of(path)
    put(path, [*rows[:2], [""] * len(rows[0]), *rows[2:], *[[""] * len(rows[0])] * 3])


def empty_lines(path):
    rows = rows_of(path)
    put(path, [*rows[:2], [""], *rows[2:], [""], [""]])


def empty_columns(path):
    put(path, [[row[0], "", *row[1:], "", ""] for row in rows_of(path)])


def lost_zeros(path):
    put(path, [[re.sub(r"^0+(?=\d+$)", "", cell) for cell in row] for row in rows_of(path)])


def lost_zeros_everywhere(path):
    for name in NAMES:
        put(path, [[re.sub(r"^0+(?=\d+$)", "", cell) for cell in row] for row in rows_of(path, name)], name)


def of_a_data_frame(path):
    put(path, [[row[0] if row[0] == "subject" else f"{int(row[0])}.0", *row[1:]] for row in rows_of(path)])


def all_at_once(path):
    lost_zeros_everywhere(path)
    decimal_commas(path)
    empty_rows(path)
    empty_columns(path)
    quotes(path)
    put(path, rows_of(path), encoding="utf-16")


def old_macintosh(path):
    put(path, rows_of(path), end="\r")


SAVED = {
    utf_16: "is UTF-16, as a spreadsheet's 'Unicode text' is; save it as UTF-8",
    utf_16_without_mark: "is UTF-16",
    cp1252: "is no UTF-8: line 2 has b'Caf\\xe9 M\\xfcller', 'Caf\u00e9 M\u00fcller' in Windows-1252; save it as UTF-8",
    quotes: "has 77 cells in quotation marks; save it without quoting text",
    some_quotes: "cells in quotation marks",
    semicolons: "has its cells separated by ';'; save it as text separated by tabs",
    commas: "has its cells separated by ','",
    decimal_commas: "has decimal commas in column neutral_until_s ('0,15' and 5 more); write points",
    empty_rows: "has 4 empty rows, the first in line 3; delete them",
    empty_lines: "has 3 empty rows",
    empty_columns: "has 3 empty columns; delete them",
    lost_zeros: "'1' and '001' are spellings of one subject",
    lost_zeros_everywhere: "6 takes were stored with: line 2 has subject 1, session 1, take 1, stored as subject 001",
    of_a_data_frame: "'1.0' and '001' are spellings of one subject",
    all_at_once: "is UTF-16",
    old_macintosh: "has line ends of old Macintoshes",
}


@pytest.mark.parametrize("save", SAVED, ids=lambda save: save.__name__)
def test_a_spreadsheet_s_table_is_told_and_its_copy_is_what_was_written(study_path, save):
    before = load_study(study_path)
    if save in (cp1252, some_quotes, commas):
        place(
            study_path, {cp1252: "Caf\u00e9 M\u00fcller", some_quotes: 'room "3", left', commas: "garden, left"}[save]
        )
        before = load_study(study_path)
    save(study_path)
    saved = {path: path.read_bytes() for path in study_path.rglob("*") if path.is_file()}
    # Marks around a cell of the user's own are allowed, and only warned of.
    severity = "warning" if save is some_quotes else "error"
    found = [str(fault) for fault in check_study(study_path, progress=False) if fault.severity == severity]
    assert any(SAVED[save] in line for line in found), found
    assert any("`mien check --repair`" in line for line in found) and all("\n" not in line for line in found)
    assert not [line for line in found if "sub-" in line.split(": ")[1]], (
        "sounds are checked by the table that is meant"
    )
    if save is not some_quotes:
        with pytest.raises(StudyError) as caught:
            load_study(study_path)
        assert SAVED[save].partition(" (")[0] in str(caught.value) or save in (decimal_commas, empty_rows)
    copies = repair(study_path)
    assert {path: path.read_bytes() for path in saved} == saved, "nothing is written over"
    for table, copy in copies.items():
        copy.replace(table)
    assert load_study(study_path).table.equals(before.table) and check_study(study_path, progress=False) == []


UNCERTAIN = {
    "code page": (
        lambda path: (place(path, "\u017b\u00f3\u0142w"), put(path, rows_of(path), encoding="cp1250")),
        "other code pages read it otherwise",
    ),
    "thousands": (
        lambda path: (path / "takes.tsv").write_text((path / "takes.tsv").read_text().replace("\t0.15\t", "\t1,500\t")),
        "they may part thousands",
    ),
    "open mark": (
        lambda path: (path / "takes.tsv").write_text(
            (path / "takes.tsv").read_text().replace("office", '"a"b"', 2) + '"'
        ),
        "quotation mark that is not ended",
    ),
    "line break": (
        lambda path: (path / "takes.tsv").write_text(
            (path / "takes.tsv").read_text().replace("office", '"off\nice"', 1)
        ),
        None,
    ),
}


@pytest.mark.parametrize("name", UNCERTAIN)
def test_what_is_not_certain_is_said_and_not_mended(study_path, name):
    change, said = UNCERTAIN[name]
    change(study_path)
    found = [str(fault) for fault in check_study(study_path, progress=False)]
    assert found and (said is None or any(said in line for line in found)), found
    assert repair(study_path) == {} and not list(study_path.glob("*mended*"))


def test_two_subjects_who_may_be_one_are_not_joined_by_repairing(study_path):
    takes = study_path / "takes.tsv"
    takes.write_text(takes.read_text().replace("\n002\t", "\n1\t"))
    assert repair(study_path) == {}


def test_a_copy_is_never_written_over(study_path):
    lost_zeros(study_path)
    (study_path / "takes.mended.tsv").write_text("mine")
    (copy,) = repair(study_path).values()
    assert copy.name == "takes.mended-2.tsv" and (study_path / "takes.mended.tsv").read_text() == "mine"
    assert list(repair(study_path).values()) == [copy]


def test_a_sound_table_is_left_alone(study_path):
    assert diagnose(study_path / "takes.tsv", REQUIRED).findings == () and repair(study_path) == {}
    for mark, end in ((b"\xef\xbb\xbf", b"\r\n"), (b"", b"\n")):
        takes = study_path / "takes.tsv"
        takes.write_bytes(mark + takes.read_bytes().replace(b"\n", end))
        assert repair(study_path) == {}


def test_repairing_what_is_no_study_is_refused(tmp_path):
    with pytest.raises(StudyError, match=r"has no takes.tsv to repair"):
        repair(tmp_path)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(["utf-8", "utf-16", "cp1252", None]))
def test_no_bytes_end_in_a_traceback(tmp_path_factory, content, encoding):
    head = "\t".join(REQUIRED) + "\n"
    path = tmp_path_factory.getbasetemp() / "any.tsv"
    path.write_bytes((head.encode(encoding) if encoding else b"") + content)
    try:
        found = diagnose(path, REQUIRED)
        assert all("\n" not in finding for finding in found.findings)
    except MienError as error:
        assert "\n" not in str(error)

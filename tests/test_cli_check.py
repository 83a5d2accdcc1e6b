"""`mien check --adopt` and `--repair`: what they say, and that `mien check` alone changes nothing."""

import sys
from pathlib import Path

import pytest

from mien import cli
from mien.datasets.study import load_study
from mien.datasets.writer import StudyWriter

sys.path.insert(0, str(Path(__file__).parent / "datasets"))
from small_study import PROBE, echo  # noqa: E402


@pytest.fixture
def check(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with StudyWriter("study", "small", "collected", PROBE) as writer:
        for number, subject in enumerate(("001", "002")):
            writer.add_participant(subject)
            writer.add_take(echo(number), subject, "01", "0001", "anger")

    def run(*words):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["mien", "check", *words])
            capfd.readouterr()
            with pytest.raises(SystemExit) as stop:
                cli.main()
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out, " ".join(err.split())

    return run


def test_a_lost_row_comes_back(check):
    table = Path("study/takes.tsv")
    text = table.read_text()
    table.write_text("".join(text.splitlines(keepends=True)[:-1]))
    code, out, _ = check("study")
    assert code == 0 and "is a sound that takes.tsv does not list; `mien check --adopt` enters it" in out
    Path("study/noise.flac").write_bytes(b"x")
    code, _, err = check("study", "--adopt")
    assert "_take-0001_echo.flac is entered as subject 002, session 01, take 0001" in err
    assert "noise.flac is left where it is: it is not a" in err and "1 recordings entered, 1 left" in err
    assert list(load_study("study").table["subject"]) == ["001", "002"]


def test_a_spreadsheet_s_table_is_mended_beside_it(check):
    table = Path("study/takes.tsv")
    text = table.read_text()
    table.write_text(text.replace("\t01\t0001", "\t1\t1"))
    code, out, _ = check("study")
    assert code == 1 and "`mien check --repair` writes a mended copy" in out
    code, _, err = check("study", "--repair")
    assert code == 1 and "study/takes.mended.tsv is takes.tsv as it should be: look through it" in err
    assert Path("study/takes.mended.tsv").read_text() == text and table.read_text() != text
    Path("study/takes.mended.tsv").replace(table)
    code, _, err = check("study", "--repair")
    assert code == 0 and "nothing in its tables can be mended with certainty" in err


def test_a_copy_with_commas_left_is_not_called_as_it_should_be(check):
    table = Path("study/takes.tsv")
    lines = table.read_text().splitlines()
    said = [f"{line}\t{cell}" for line, cell in zip(lines, ("distance_m", "1,234", "0.5"), strict=True)]
    table.write_text("\r\n".join(said).replace("\t01\t0001", "\t1\t1") + "\r\n")
    code, _, err = check("study", "--repair")
    assert code == 1 and "as it should be" not in err
    assert "takes.mended.tsv is takes.tsv mended but for 1 faults, to mend by hand: it has decimal commas" in err

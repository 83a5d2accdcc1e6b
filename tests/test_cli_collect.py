"""`mien collect`: what it says, asks and stores; bad input gets one line, exit 1 and nothing written."""

import json
import os
import sys
from pathlib import Path

import pytest

import mien.capture
from mien import cli
from mien.datasets.check import check_study
from mien.datasets.study import load_study

sys.path.insert(0, str(Path(__file__).parent / "collecting"))
import plays  # noqa: E402

RULES = """
expressions = ["anger", "fear"]
n_takes = 1
masks = ["open"]
duration_s = 0.5
neutral_s = 0.1
countdown_s = 0
"""


@pytest.fixture
def mien_(tmp_path, monkeypatch, capfd):
    """Runs the command line in a folder of its own, with a microphone of the tests, and typed words."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mien.capture, "SoundCard", lambda *_, **__: plays.Microphone())
    (tmp_path / "rules.toml").write_text(RULES)

    def run(*words, typed="yes\n"):
        read, write = os.pipe()
        os.write(write, typed.encode())
        os.close(write)
        with os.fdopen(read) as keyboard, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", keyboard)
            patch.setattr(sys, "argv", ["mien", "collect", *words])
            capfd.readouterr()
            with pytest.raises(SystemExit) as stop:
                cli.main()
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def test_a_session_from_end_to_end(mien_):
    words = ("study", "--protocol", "rules.toml", "--place", "office", "--about", "age=30", "--hands-free", "--json")
    code, out, err = mien_(*words)
    assert code == 0 and "Type yes to agree" in err and "plays 19 to 23 kHz" in err
    facts = {"path": "study", "subject": "001", "session": "01", "takes": 3, "skipped": 0, "left": 0}
    assert json.loads(out) == facts
    study = load_study("study")
    assert set(study.table["place"]) == {"office"} and set(study.table["age"]) == {30.0}
    assert set(study.table["device"]) == {"test microphone"} and check_study("study", progress=False) == []
    code, out, _ = mien_(*words)
    assert (code, json.loads(out)["subject"]) == (0, "002"), "the next person has the next number"
    assert json.loads(Path("study/sub-001/ses-01/sub-001_ses-01_session.json").read_text())["consent"]["accepted"]


def test_quitting_and_resuming(mien_):
    code, _, err = mien_("study", "--protocol", "rules.toml", "--hands-free", typed="yes\nq")
    assert code == 0 and "left: 3" in err and "the same command with --resume goes on" in err
    code, out, _ = mien_("study", "--protocol", "rules.toml", "--hands-free", "--resume", "--json", typed="")
    assert code == 0 and (json.loads(out)["subject"], json.loads(out)["left"]) == ("001", 0)
    code, _, err = mien_("study", "--subject", "001", typed="")
    assert code == 1 and "was begun before; --resume goes on with it, --session makes another" in err


def test_who_does_not_agree_is_not_recorded(mien_, tmp_path):
    for typed in ("no\n", "\n", ""):
        code, _, err = mien_("study", typed=typed)
        assert code == 1 and err.splitlines()[-1].startswith("mien: not agreed to: nothing was recorded")
    assert not list(tmp_path.rglob("sub-*"))


def test_audible_sound_is_kept_only_where_it_is_said(mien_):
    code, _, err = mien_("study", "--protocol", "rules.toml", "--hands-free", "--keep-audible")
    assert code == 0 and "SPEECH IS STORED TOO" in err
    assert json.loads(Path("study/study.json").read_text())["keep_audible"] is True
    code, _, err = mien_("study", "--protocol", "rules.toml", "--hands-free")
    assert code == 1 and "ask for --keep-audible" in err


def test_forgetting(mien_):
    mien_("study", "--protocol", "rules.toml", "--hands-free")
    for typed in ("no\n", "\n", ""):
        code, _, err = mien_("study", "--forget", "001", typed=typed)
        assert code == 1 and "nothing of subject 001 was deleted" in err and len(load_study("study")) == 3
    code, _, err = mien_("study", "--forget", "001")
    assert "3 takes and 7 files of subject 001 would be deleted" in " ".join(err.split())
    assert code == 0 and "subject 001 is forgotten, with 3 takes" in err
    assert not list(Path("study").rglob("*sub-001*")) and len(load_study("study")) == 0
    code, _, err = mien_("study", "--forget", "001")
    assert code == 1 and "knows no subject 001" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("study", "--protocol", "none.toml"), 1, "none.toml cannot be read"),
        (("study", "--protocol", "bad.toml"), 1, "bad.toml: n_takes: Input should be greater than or equal to 1"),
        (("study", "--subject", "a b"), 1, "subject is 'a b'"),
        (("study", "--session", "../x"), 1, "session is '../x'"),
        (("rules.toml",), 1, "rules.toml is a file"),
        (("study", "--place", " "), 1, "cannot stand in a table"),
        (("study", "--about", "age"), 2, "NAME=VALUE is needed"),
        (("study", "--keep-video"), 2, "needs --camera N"),
        (("study", "--camera", "-1"), 2, "--camera"),
        (("none", "--forget", "001"), 1, "does not exist"),
    ],
)
def test_bad_input_gets_one_line(mien_, words, code, said):
    Path("bad.toml").write_text("n_takes = 0\n")
    found, out, err = mien_(*words)
    assert (found, out) == (code, "") and said in " ".join(err.split()) and "Traceback" not in err
    assert code == 2 or len(err.strip().splitlines()) == 1
    assert not list(Path().rglob("*.flac"))


def test_a_missing_sound_card_is_said_before_anybody_is_asked(mien_, monkeypatch):
    from mien.errors import DeviceError

    def none(*_, **__):
        raise DeviceError("no sound card")

    monkeypatch.setattr(mien.capture, "SoundCard", none)
    code, _, err = mien_("study")
    assert code == 1 and err.strip() == "mien: no sound card"
    monkeypatch.setattr(mien.capture, "SoundCard", lambda *_, **__: plays.Microphone())
    assert mien_("study", "--protocol", "rules.toml", "--hands-free")[0] == 0


def test_keys_that_cannot_come_are_not_waited_for(mien_):
    code, _, err = mien_("study", "--protocol", "rules.toml", "--place", "office")
    assert code == 1 and "run in a terminal, or --hands-free" in err.splitlines()[-1]

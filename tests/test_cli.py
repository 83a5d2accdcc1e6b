"""The command line: the example in every command's help runs; bad input gets one line, exit 1 and nothing written."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer.main

from mien import cli
from mien.learning.methods import METHODS

sys.path.insert(0, str(Path(__file__).parent / "datasets"))
COMMANDS = typer.main.get_command(cli.app).commands


def example_of(command: str) -> list[str]:
    """Return the words of the example in a command's help, without the program's name."""
    text = COMMANDS[command].help
    line = next(line for line in text.splitlines() if line.strip().startswith("Example: mien "))
    return shlex.split(line.strip().removeprefix("Example: mien "))


class Run:
    """Runs the command line in this process, in a folder of its own, and keeps what it said."""

    def __init__(self, monkeypatch, capfd):
        self.monkeypatch, self.capfd = monkeypatch, capfd

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self.capfd.readouterr()
        self.monkeypatch.setattr(sys, "argv", ["mien", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = self.capfd.readouterr()
        return int(stop.value.code or 0), out, err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the examples run one after the other, each leaving what the next one needs."""
    return tmp_path_factory.mktemp("examples")


@pytest.fixture
def mien(folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    return Run(monkeypatch, capfd)


@pytest.fixture(scope="module")
def study(folder):
    """A simulated study of four people, made once by the command's own example."""
    path = folder / "study"
    if not path.exists():
        here = os.getcwd()
        os.chdir(folder)
        try:
            cli.app(example_of("simulate"), standalone_mode=False)
        finally:
            os.chdir(here)
    return path


@pytest.fixture(scope="module")
def model(folder, study):
    here = os.getcwd()
    os.chdir(folder)
    try:
        cli.app(example_of("train"), standalone_mode=False)
    finally:
        os.chdir(here)
    return folder / "model"


def test_every_command_has_an_example():
    for command in COMMANDS:
        assert example_of(command)[0] == command


def test_example_of_simulate_and_check(mien, study):
    code, out, err = mien(*example_of("check"))
    assert (code, out) == (0, "")
    assert "0 errors, 0 warnings" in err
    code, out, _ = mien("check", "study", "--json")
    assert (code, json.loads(out)) == (0, [])


def test_example_of_train_and_recognize(mien, model):
    code, out, err = mien(*example_of("recognize"))
    assert code == 0
    assert out.splitlines()[0].startswith("time_s,expression,p_anger,")
    assert "simulated people only" in err
    code, out, _ = mien("recognize", "model", "study/sub-001/ses-01", "--json")
    rows = json.loads(out)
    assert code == 0 and {"file", "expression", "confidence", "quality"} <= set(rows[0])
    assert sum(value for name, value in rows[0].items() if name.startswith("p_")) == pytest.approx(1, abs=1e-4)
    run = json.loads(Path("model/run.json").read_text())
    assert run["options"]["options"]["network"]["training"]["epochs"] == 2
    assert run["data_digest"]


def test_example_of_calibrate(mien, model):
    code, _, err = mien(*example_of("calibrate"))
    assert code == 0 and "calibrated to" in err and "of one person" in err
    assert "Calibrated to one person" in Path("mine/MODEL_CARD.md").read_text()
    _, _, err = mien(*example_of("recognize"))
    assert "mien calibrate model STUDY" in err
    _, _, err = mien("recognize", "mine", "study/sub-001/ses-01")
    assert "mien calibrate" not in err and "simulated people only" in err
    code, _, err = mien("calibrate", "model", "study", "--out", "nobody")
    assert code == 1 and "one is needed" in err and not Path("nobody").exists()
    assert mien("calibrate", "model", "study", "--subject", "999", "--out", "nobody")[0] == 2


def test_what_a_command_finished_is_not_written_over(mien, study):
    assert mien("train", "linear", "study", "--out", "kept")[0] == 0
    before = snapshot(Path("kept"))
    for words, said in (
        (("evaluate", "linear", "study", "--folds", "2"), "holds what `mien train` wrote"),
        (("evaluate", "linear", "study", "--folds", "2", "--resume"), "holds what `mien train` wrote"),
        (("train", "linear", "study"), "holds a model"),
        (("train", "svm", "study", "--resume"), "holds a finished model of another method"),
        (("train", "linear", "study", "--seed", "7", "--resume"), "holds a finished model of another seed"),
        (("demo",), "holds what `mien train` wrote"),
        (("reproduce", "facer"), "holds a finished reproduction"),
    ):
        code, _, err = mien(*words, "--out", "kept")
        assert code == 1 and said in " ".join(err.split()), (words, err)
    assert mien("train", "linear", "study", "--out", "kept", "--resume")[0] == 0
    assert snapshot(Path("kept")) == before


def test_a_subject_in_another_spelling_is_found(mien, model):
    code, _, err = mien("calibrate", "model", "study", "--subject", "1", "--out", "spelled")
    assert code == 0 and "of one person" in err


def test_builtin_is_the_packages_model(mien, model, monkeypatch):
    package = Path("package")
    shutil.copytree("model", package / "builtin")
    monkeypatch.setattr("mien.__file__", str(package.resolve() / "__init__.py"))
    words = example_of("recognize")
    code, out, err = mien("recognize", "builtin", *words[2:])
    assert code == 0 and out == mien(*words)[1]
    assert "simulated people only" in err and "mien calibrate builtin STUDY" in err
    assert "learnt no neutral face" in err


def test_example_of_adapt(mien, model):
    code, _, err = mien(*example_of("adapt"))
    assert code == 0 and "adapted" in err
    assert Path("adapted/MODEL_CARD.md").is_file()


def test_example_of_evaluate(mien, study):
    code, out, _ = mien(*example_of("evaluate"))
    assert code == 0
    assert "svm" in out and "linear" in out
    assert {"results.csv", "predictions.csv", "report.html", "run.json"} <= {p.name for p in Path("results").iterdir()}
    assert "simulated" in Path("results/report.html").read_text().lower()[:2000]


def test_trainings_are_asked_for_and_shown(mien, study):
    """Networks are trained as often as asked, svm once; the table on the terminal has the column."""
    options = ("--protocol", "subjects:2/1/1", "--trainings", "2", "--adaptations", "none", "--option", "mien.epochs=1")
    code, out, _ = mien("evaluate", "mien", "svm", "study", *options, "--out", "trained-twice")
    assert code == 0
    header, *rows = [line.split() for line in out.splitlines()]
    shown = {(row[0], row[2]): row[header.index("n_trainings")] for row in rows}
    assert shown[("mien", "take")] == "2" and shown[("svm", "take")] == "1"
    assert "--trainings 2 " in Path("trained-twice/report.html").read_text()


def test_example_of_probe(mien, folder):
    time_s = np.arange(4 * 48_000) / 48_000
    sweep = 0.25 * np.sin(2 * np.pi * 3_000 * time_s**2)
    soundfile.write(folder / "sweep.wav", np.tile(sweep, 3), 48_000)
    code, out, _ = mien(*example_of("probe"))
    assert code == 0 and "19-20" in out and "recommended: " in out
    code, out, _ = mien("probe", "--from", "sweep.wav", "--json", "--picture", "response.png")
    found = json.loads(out)
    assert code == 0
    assert found["recommended"] == found["recommended"] | {"low_hz": 19000, "high_hz": 23000}
    assert {"bands", "problems", "usable"} <= set(found["channels"][0])
    assert (folder / "response.png").stat().st_size > 5_000
    before = (folder / "response.png").read_bytes()
    code, _, err = mien("probe", "--from", "sweep.wav", "--picture", "response.png")
    assert code == 1 and "exists already; name another file" in err
    assert (folder / "response.png").read_bytes() == before


def test_example_of_import(mien, folder):
    from test_gestures import pack

    pack(folder / "gesture_pack")
    code, _, err = mien(*example_of("import"))
    assert code == 0 and "imported" in err


@pytest.mark.slow
def test_example_of_demo(mien):
    code, out, _ = mien(*example_of("demo"))
    assert code == 0 and "facer" in out
    assert Path("demo/report.html").is_file()


@pytest.mark.slow
def test_example_of_reproduce(mien):
    code, out, _ = mien(*example_of("reproduce"))
    assert code == 0 and "The paper's cases, and ours (simulated" in out
    assert Path("facer/report.html").is_file()


def test_a_paper_or_a_scale_that_is_unknown_leaves_nothing(mien):
    code, _, err = mien("reproduce", "facelistener", "--out", "again")
    assert code == 2 and "known is: facer" in err
    code, out, err = mien("reproduce", "facer", "--scale", "huge", "--out", "again")
    assert (code, out) == (1, "") and "known are small, bench, paper" in err
    assert not Path("again").exists()


def test_version(mien):
    assert mien("version")[0] == 0


def snapshot(path: Path) -> dict[str, int]:
    return {str(each): each.stat().st_size for each in sorted(path.rglob("*")) if each.is_file()}


def write(name: str, samples: np.ndarray, rate_hz: int = 48_000) -> str:
    soundfile.write(name, samples, rate_hz, subtype="FLOAT")
    return name


BAD_FILES = {
    "empty": lambda: Path("bad.wav").write_bytes(b""),
    "text": lambda: Path("bad.wav").write_text("this is no sound\n" * 100),
    "rate": lambda: write("bad.wav", np.random.default_rng(0).normal(0, 0.1, 44_100), 44_100),
    "stereo": lambda: write("bad.wav", np.random.default_rng(0).normal(0, 0.1, (48_000, 2))),
    "short": lambda: write("bad.wav", np.random.default_rng(0).normal(0, 0.1, 4_800)),
    "zeros": lambda: write("bad.wav", np.zeros(48_000)),
    "nan": lambda: write("bad.wav", np.full(48_000, np.nan)),
    "noise": lambda: write("bad.wav", np.random.default_rng(0).normal(0, 0.1, 48_000)),
    "missing": lambda: None,
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_recordings_get_one_line(mien, model, kind):
    Path("bad.wav").unlink(missing_ok=True)
    BAD_FILES[kind]()
    before = snapshot(Path("."))
    code, out, err = mien("recognize", "model", "bad.wav")
    assert (code, out) == (1, "")
    said = [line for line in err.splitlines() if line.strip()]
    assert len(said) == 1 and said[0].startswith("mien: ") and len(said[0]) > 25
    assert snapshot(Path(".")) == before


def test_another_probe_is_refused_by_name(mien, model):
    source = Path("study/sub-001/ses-01/sub-001_ses-01_take-0001_echo.flac")
    shutil.copy(source, "other.flac")
    sidecar = json.loads(source.with_suffix(".json").read_text())
    sidecar["probe"]["high_hz"] = 22_000.0
    Path("other.json").write_text(json.dumps(sidecar))
    code, out, err = mien("recognize", "model", "other.flac")
    assert (code, out) == (1, "")
    assert "19000-22000 Hz" in err and "19000-23000 Hz" in err


def test_a_study_with_a_missing_file_is_named(mien, study):
    shutil.rmtree("broken", ignore_errors=True)
    shutil.copytree("study", "broken")
    victim = next(Path("broken").rglob("*take-0003_echo.flac"))
    victim.unlink()
    for words in (("train", "svm", "broken"), ("evaluate", "svm", "broken", "--folds", "2")):
        code, _, err = mien(*words, "--out", "never")
        assert code == 1 and "take-0003" in err and "Traceback" not in err
    code, out, _ = mien("check", "broken")
    assert code == 1 and out.count("error") == 1 and "take-0003" in out
    assert not Path("never").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("simulate", "never", "--level", "impossible"), 1),
        (("simulate", "never", "--mask", "half"), 2),
        (("simulate", "never", "--face-folder", "kit", "--facets", "8000"), 2),
        (("simulate", "study"), 1),
        (("train", "oracle", "study", "--out", "never"), 1),
        (("train", "facer", "study", "--out", "never", "--option", "colour=3"), 1),
        (("train", "facer", "nowhere", "--out", "never"), 1),
        (("evaluate", "svm", "study", "--protocol", "leave-out:planet", "--out", "never"), 1),
        (("evaluate", "svm", "study", "--protocol", "guess", "--out", "never"), 1),
        (("evaluate", "svm", "study", "--seeds", "one", "--out", "never"), 2),
        (("evaluate", "svm", "--out", "never"), 2),
        (("evaluate", "svm", "study", "--trainings", "0", "--out", "never"), 2),
        (("evaluate", "svm", "study", "--trainings", "101", "--out", "never"), 1),
        (("evaluate", "svm", "study", "--front-end", "nose", "--out", "never"), 1),
        (("evaluate", "svm", "study", "--option", "mien.epochs=2", "--out", "never"), 2),
        (("train", "svm", "study", "--out", "study/takes.tsv"), 1),
        (("train", "svm", "study", "--out", "model"), 1),
        (("recognize", "study", "study"), 1),
        (("import", "dreams", "here", "there"), 2),
        (("no-such-command",), 2),
    ],
    ids=str,
)
def test_wrong_requests(mien, model, words, code):
    found, out, err = mien(*words)
    assert (found, out) == (code, "")
    assert "Traceback" not in err and err.strip()
    assert not Path("never").exists()


def interrupted(words: list[str], cwd: Path, when: Callable[[], bool], patience_s: float = 4.0) -> tuple[int, str]:
    """Start the program, send it Ctrl-C as soon as `when` says so, return its exit code and what it said."""
    program = [sys.executable, "-c", "from mien.cli import main; main()", *words]
    with subprocess.Popen(program, cwd=cwd, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as started:
        until = time.monotonic() + 120
        while not when() and started.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        # Python drops an interrupt that falls into a finaliser; then a person presses the keys again.
        # Not too soon: a second one cuts short what the first has begun.
        for _ in range(4):
            started.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                started.wait(timeout=patience_s)
                break
        _, said = started.communicate(timeout=60)
    return started.returncode, said


def test_ctrl_c_during_a_simulation_is_resumed(mien, folder):
    words = ["simulate", "stopped", "--subjects", "2", "--takes", "30", "--level", "easy", "--jobs", "1"]
    table = folder / "stopped" / "takes.tsv"
    code, said = interrupted(words, folder, lambda: table.exists() and table.read_text().count("\n") > 5)
    assert code == 130 and "--resume" in said.strip().splitlines()[-1], (code, said)
    n_takes = table.read_text().count("\n") - 1
    assert 0 < n_takes < 360
    assert mien("check", "stopped")[0] == 0
    assert mien(*words)[0] == 1, "a begun study must not be overwritten without --resume"
    code, _, err = mien(*words, "--resume", "--seed", "3")
    assert code == 1 and "seed 0 and cannot be resumed with 3" in err
    assert mien(*words, "--resume")[0] == 0
    assert table.read_text().count("\n") - 1 == 360
    assert mien("simulate", "whole", *words[2:])[0] == 0
    assert (folder / "whole" / "takes.tsv").read_text() == table.read_text()


def test_ctrl_c_during_training_is_resumed_to_the_same_weights(mien, folder, study):
    words = ["train", "mien", "study", "--option", "epochs=6", "--option", "n_filters=32", "--jobs", "1"]
    checkpoint = folder / "halted" / "checkpoints"
    # A busy machine takes seconds to leave torch, and a second interrupt would cut that short.
    code, said = interrupted([*words, "--out", "halted"], folder, lambda: any(checkpoint.rglob("*.json")), 15.0)
    assert code == 130 and "--resume" in said.strip().splitlines()[-1], (code, said)
    assert not (folder / "halted" / "weights.safetensors").exists()
    assert mien(*words, "--out", "halted", "--resume")[0] == 0
    assert mien(*words, "--out", "unbroken")[0] == 0
    weights = [(folder / name / "weights.safetensors").read_bytes() for name in ("halted", "unbroken")]
    assert weights[0] == weights[1]


def test_a_full_disk_is_one_line(mien, model, monkeypatch):
    """Every write goes through one function; what it does when the system says "no space" is seen by the command."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    for words in (
        ("simulate", "full", "--subjects", "1", "--jobs", "1"),
        ("train", "linear", "study", "--out", "full2"),
    ):
        code, out, err = mien(*words)
        assert (code, out) == (1, "") and "disk is full" in err and "Traceback" not in err
    assert not list(Path(".").rglob("full*/**/*.flac")) and not Path("full2/weights.safetensors").exists()


def test_help_of_train_and_adapt_names_every_method(mien):
    shown = {command: mien(command, "--help")[1] + mien(command, "--help")[2] for command in ("train", "adapt")}
    assert all(name in shown["train"] for name in METHODS)
    assert all(name in shown["adapt"] for name, method in METHODS.items() if method.adapts)


def test_python_m_mien_is_the_command(folder):
    words = [sys.executable, "-m", "mien", "recognize", "nowhere", "a.wav"]
    found = subprocess.run(words, capture_output=True, text=True)
    assert found.returncode == 1 and found.stderr.startswith("mien: ")

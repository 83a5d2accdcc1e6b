"""The command line: the example in every command's help runs; bad input gets one line, exit 1 and nothing written."""

import json
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer.main

from mien import cli

sys.path.insert(0, str(Path(__file__).parent / "datasets"))
COMMANDS = typer.main.get_command(cli.app).commands
SLOW = {"demo"}


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
    import os

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
    import os

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


def test_example_of_probe(mien, folder):
    time_s = np.arange(4 * 48_000) / 48_000
    sweep = 0.25 * np.sin(2 * np.pi * 3_000 * time_s**2)
    soundfile.write(folder / "sweep.wav", np.tile(sweep, 3), 48_000)
    code, out, _ = mien(*example_of("probe"))
    assert code == 0 and "19" in out
    code, out, _ = mien("probe", "--from", "sweep.wav", "--json", "--picture", "response.png")
    found = json.loads(out)
    assert code == 0
    assert found["recommended"] == found["recommended"] | {"low_hz": 19000, "high_hz": 23000}
    assert {"bands", "problems", "usable"} <= set(found["channels"][0])
    assert (folder / "response.png").stat().st_size > 5_000


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
    for words in (("train", "svm", "broken", "--out", "never"), ("evaluate", "svm", "broken", "--out", "never")):
        code, _, err = mien(*words)
        assert code == 1 and "take-0003" in err and "Traceback" not in err
    code, out, _ = mien("check", "broken")
    assert code == 1 and out.count("error") == 1 and "take-0003" in out
    assert not Path("never/weights.safetensors").exists() and not Path("never/results.csv").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("simulate", "never", "--level", "impossible"), 1),
        (("simulate", "never", "--mask", "half"), 2),
        (("simulate", "study"), 1),
        (("train", "oracle", "study", "--out", "never"), 1),
        (("train", "facer", "study", "--out", "never", "--option", "colour=3"), 1),
        (("train", "facer", "nowhere", "--out", "never"), 1),
        (("evaluate", "svm", "study", "--protocol", "leave-out:planet", "--out", "never"), 1),
        (("evaluate", "svm", "study", "--protocol", "guess", "--out", "never"), 1),
        (("evaluate", "svm", "study", "--seeds", "one", "--out", "never"), 2),
        (("evaluate", "svm", "--out", "never"), 2),
        (("evaluate", "svm", "study", "--front-end", "nose", "--out", "never"), 1),
        (("recognize", "study", "study"), 1),
        (("import", "dreams", "here", "there"), 2),
        (("no-such-command",), 2),
    ],
    ids=str,
)
def test_wrong_requests(mien, study, words, code):
    found, out, err = mien(*words)
    assert (found, out) == (code, "")
    assert "Traceback" not in err and err.strip()
    assert not Path("never").exists()

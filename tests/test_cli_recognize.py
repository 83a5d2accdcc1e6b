"""`mien recognize` on what people bring: one bad file costs its own answer alone; what was done to a file is said."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mien import cli

sys.path.insert(0, str(Path(__file__).parent / "datasets"))
from small_study import echo  # noqa: E402


@pytest.fixture
def mien(monkeypatch, capfd, tmp_path):
    """Run the command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, pipe: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mien", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pipe)))
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def keep(name: str, sound: np.ndarray, rate_hz: int = 48_000) -> None:
    path = Path(name)
    path.parent.mkdir(exist_ok=True, parents=True)
    soundfile.write(path, sound.T, rate_hz, subtype="PCM_24")


def clutter(folder: str) -> None:
    for name in ("._a.wav", ".DS_Store", "Thumbs.db", "desktop.ini", "deep/._b.wav"):
        path = Path(folder) / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"\0\5\x16\7")


def test_a_single_bad_file_does_not_cost_the_rest_of_a_folder(mien):
    keep("takes/a.wav", echo(1, 1.2).samples)
    keep("takes/deep/c.wav", echo(2, 1.2).samples)
    Path("takes/b.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt ")
    keep("takes/silent.wav", np.zeros((1, 60_000)))
    clutter("takes")
    code, out, err = mien("recognize", "builtin", "takes", "--json")
    assert code == 1
    assert {row["file"] for row in json.loads(out)} == {"a.wav", "deep/c.wav"}
    assert "b.wav: takes/b.wav ended within its header" in err and "silent.wav: takes/silent.wav is silent" in err
    assert err.strip().splitlines()[-1].endswith("2 files of takes could not be recognised: b.wav, silent.wav")
    assert "Traceback" not in err and "._" not in err


def test_a_folder_of_bad_files_alone_prints_no_rows_and_exits_1(mien):
    keep("takes/silent.wav", np.zeros((1, 60_000)))
    code, out, err = mien("recognize", "builtin", "takes", "--csv")
    assert (code, out) == (1, "") and "could not be recognised: silent.wav" in err


def test_a_folder_of_rows_of_which_one_is_torn_answers_for_the_others(mien):
    rows = np.round(echo(1, 3.0).samples[0] * 2**15).reshape(-1, 1_200)
    text = "\n".join(" ".join(f"{value:.0f}" for value in row) for row in rows)
    for name, content in (("a.txt", text[:-40]), ("b.txt", text)):
        Path("rows").mkdir(exist_ok=True)
        Path("rows", name).write_text(content)
    clutter("rows")
    code, out, err = mien("recognize", "builtin", "rows", "--csv")
    assert code == 1 and "could not be recognised: a.txt" in err
    assert len(out.splitlines()) > 20


def test_what_was_done_to_a_file_is_said_and_stands_in_quality(mien):
    good = echo(1, 1.2).samples
    noise = 0.05 * np.random.default_rng(0).standard_normal(good.shape)
    keep("two.wav", np.concatenate([noise, good]))
    code, out, err = mien("recognize", "builtin", "two.wav", "--csv")
    assert code == 0 and "two.wav: channel 1 of 2 was taken, where the probe is" in err
    assert mien("recognize", "builtin", "two.wav", "--csv", "--channel", "1")[1] == out
    code, _, err = mien("recognize", "builtin", "two.wav", "--channel", "0")
    assert code == 1 and "no probe found" in err
    keep("fast.wav", echo(1, 1.2, rate_hz=96_000).samples, 96_000)
    code, out, err = mien("recognize", "builtin", "fast.wav", "--csv")
    assert code == 0 and "fast.wav: it was resampled from 96000 to 48000 Hz" in err
    assert {line.rsplit(",", 1)[1] for line in out.splitlines()[1:]} == {"resampled"}


def test_of_a_pipe_of_two_channels_the_one_with_the_stronger_probe_is_heard(mien):
    good = echo(1, 3.0).samples
    noise = 0.05 * np.random.default_rng(0).standard_normal(good.shape)
    piped = {}
    for name, sound in (("one", good), ("two", np.concatenate([noise, good]))):
        buffer = io.BytesIO()
        soundfile.write(buffer, sound.T, 48_000, subtype="PCM_24", format="WAV")
        piped[name] = mien("recognize", "builtin", "-", "--csv", pipe=buffer.getvalue())
    assert piped["two"][:2] == piped["one"][:2] and piped["one"][0] == 0
    assert "standard input: channel 1 of 2 was taken" in piped["two"][2]


def test_a_pipe_at_another_rate_is_resampled_as_it_comes_and_says_so(mien):
    buffer = io.BytesIO()
    soundfile.write(buffer, echo(1, 3.0, rate_hz=96_000).samples.T, 96_000, subtype="PCM_24", format="WAV")
    code, out, err = mien("recognize", "builtin", "-", "--csv", pipe=buffer.getvalue())
    assert code == 0 and "standard input: it is resampled from 96000 to 48000 Hz" in err
    assert len(out.splitlines()) > 20
    assert all("resampled" in line.rsplit(",", 1)[1] for line in out.splitlines()[1:])

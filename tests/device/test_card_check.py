"""`mien probe` on a sound card: a stand-in for one, and a real sound system with a person before it."""

import json
import sys

import numpy as np
import pytest
import soundfile

from air import Air, AirBetween, person_taps, plain_taps, whole_blocks
from mien import cli
from mien.capture import Block, Card, check_emission
from mien.device import card_check
from mien.errors import DeviceError
from virtual_card import skip_if_busy

RATE_HZ = 48_000


class FakeCard:
    """Hears what is played through the air, without a clock."""

    n_channels, rate_hz, name, latency_s = 1, RATE_HZ, "Test card", 0.2
    lost: tuple[int, ...] = ()

    def __init__(self, emitted, rate_hz, *, device, n_input_channels, loop):
        assert not loop and rate_hz == RATE_HZ
        quiet = np.zeros(2 * RATE_HZ)
        self.heard = Air(plain_taps()).hear(whole_blocks(np.concatenate([emitted, quiet]))).astype(np.float32)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def blocks(self):
        for number, first in enumerate(range(0, len(self.heard) - 960, 960)):
            yield Block(self.heard[None, first : first + 960], first, dropped=number in self.lost)


@pytest.fixture
def run(monkeypatch, tmp_path, capfd):
    """Runs `mien probe` in a folder of its own; returns exit code, standard output and error."""

    def probe(*words):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["mien", "probe", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return int(stop.value.code or 0), *capfd.readouterr()

    return probe


def test_it_plays_listens_answers_in_words_and_keeps_only_what_is_asked_for(run, monkeypatch, tmp_path):
    monkeypatch.setattr(card_check, "SoundCard", FakeCard)
    code, out, err = run("--picture", "response.png", "--keep", "kept.flac")
    assert code == 0 and "playing for 21 s" in err
    assert "direct path: -17 dB of full scale" in out and "Test card: this device can be used" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.flac", "kept.json", "response.png"]
    assert soundfile.info(tmp_path / "kept.flac").duration == pytest.approx(22.0)


def test_samples_that_the_system_lost_are_told_as_json(run, monkeypatch, tmp_path):
    monkeypatch.setattr(card_check, "SoundCard", FakeCard)
    monkeypatch.setattr(FakeCard, "lost", (300, 301))
    code, out, _ = run("--json")
    read = json.loads(out)
    assert code == 0 and read["problems"] == ["dropout"] and read["state"] == "mend"
    assert "lost samples 2 times" in next(check["said"] for check in read["checks"] if check["word"] == "dropout")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["kept.flac", "kept.json"])
def test_a_file_that_is_there_is_not_written_over(run, monkeypatch, tmp_path, there):
    """Also the sidecar: a shell that leads the answer into it makes it before we begin."""
    monkeypatch.setattr(card_check, "SoundCard", None)
    (tmp_path / there).write_text("mine")
    code, out, err = run("--keep", "kept.flac", "--json")
    assert code == 1 and out == "" and f"{there} exists already" in err
    assert [path.name for path in tmp_path.iterdir()] == [there] and (tmp_path / there).read_text() == "mine"


def test_a_card_that_does_not_open_is_not_said_to_play(run, monkeypatch):
    def refuse(*_):
        raise DeviceError("no sound card fits")

    monkeypatch.setattr(card_check, "SoundCard", FakeCard)
    monkeypatch.setattr(FakeCard, "__enter__", refuse)
    code, _, err = run("--device", "nosuch")
    assert code == 1 and "no sound card fits" in err and "playing" not in err


def test_a_list_without_cards_says_so(run, monkeypatch):
    monkeypatch.setattr("mien.capture.list_cards", lambda: ())
    code, out, err = run("--list")
    assert code == 1 and out == "" and "no sound card was found" in err
    assert run("--list", "--json")[:2] == (0, "[]\n")


def test_cards_are_listed(run, monkeypatch):
    monkeypatch.setattr(
        "mien.capture.list_cards", lambda: (Card(3, "Quiet Card", "ALSA", 2, 0, is_default_input=True),)
    )
    code, out, _ = run("--list")
    assert code == 0 and "Quiet Card" in out and "in" in out.split()
    code, out, _ = run("--list", "--json")
    assert json.loads(out)[0]["name"] == "Quiet Card"


@pytest.mark.parametrize(
    ("words", "exit_code", "told"),
    [
        (("--from", "x.wav", "--device", "usb"), 2, "--device"),
        (("--level", "2"), 2, "--level"),
        (("--keep", "sound.mp3"), 1, ".flac or .wav"),
        (("--from", "none.wav"), 1, "does not exist"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_played(run, monkeypatch, words, exit_code, told):
    monkeypatch.setattr(card_check, "SoundCard", None)
    code, out, err = run(*words)
    assert code == exit_code and out == "" and told in err
    assert "Traceback" not in err


@pytest.mark.alone
def test_a_person_before_a_card_of_a_real_sound_system_is_no_fault(virtual_card, run):
    """21 s of real time: what PulseAudio plays goes past a simulated face into PulseAudio's microphone.

    Another program that takes a core for a moment tears the sound: one undisturbed run of three is asked for.
    """
    taps, noise = person_taps("happiness", duration_s=1.0)
    for _ in range(3):
        with AirBetween(virtual_card, Air(taps, noise=noise)) as air:
            air.perform()
            code, out, err = run("--device", "pulse", "--json")
        assert code == 0, err
        read = json.loads(out)
        if "dropout" not in read["problems"]:
            break
    else:
        skip_if_busy(read["verdict"])
    assert read["problems"] == [] and read["state"] == "ready", read["checks"]
    assert read["probe"]["low_hz"] == check_emission().probe.low_hz
    assert read["direct_path_db"] == pytest.approx(20 * np.log10(0.3), abs=2.0)

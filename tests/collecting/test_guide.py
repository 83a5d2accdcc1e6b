"""A person at the terminal: what is shown, which keys do what, and what is stored of it."""

import io
import os
import pty
import termios

import numpy as np
import pytest
import soundfile
from plays import PROBE, QUICK, Microphone, sound
from rich.console import Console

from mien.collecting.drawing import draw_face
from mien.collecting.guide import Guide, refuse_other_rate
from mien.collecting.keys import Keys
from mien.collecting.listening import record, wait
from mien.collecting.screen import Screen
from mien.collecting.session import Collection
from mien.datasets.check import check_study
from mien.datasets.study import load_study
from mien.errors import DeviceError
from mien.labels import ALL_EXPRESSIONS

RULES = QUICK.model_copy(update={"masks": ("open",), "n_neutral_takes": 1, "countdown_s": 0.1})


class Pressing:
    """Keys pressed at given moments, counted in looks at the keyboard."""

    def __init__(self, keys=()):
        self.keys, self.n_looks = dict(keys), 0

    def __call__(self):
        self.n_looks += 1
        return self.keys.get(self.n_looks)


@pytest.fixture
def collection(tmp_path):
    with Collection(tmp_path / "study", RULES, "001") as made:
        made.accept_consent()
        yield made


def guide(collection, source, keys=(), **options):
    out = io.StringIO()
    screen = Screen(Console(file=out, force_terminal=options.pop("terminal", False), width=80))
    with screen:
        done = Guide(collection, source, Pressing(keys), screen, now=lambda: "now", **options).run()
    return done, out.getvalue()


def test_a_session_from_end_to_end(collection):
    done, said = guide(collection, Microphone())
    assert done and collection.progress.n_stored == 5
    assert said.splitlines()[0].startswith("neutral - a neutral face") and "happiness - recording" in said
    study = load_study(collection.study)
    assert check_study(collection.study, progress=False) == []
    assert (study.table["neutral_until_s"] >= RULES.neutral_s).all() and study.table["neutral_until_s"].max() < 0.25
    assert set(study.table["start"]) == {"now"}


def test_the_band_is_stored_intact_and_speech_is_not(collection):
    done, _ = guide(collection, Microphone(speech=0.3))
    samples, rate_hz = soundfile.read(next(collection.study.rglob("*_echo.flac")))
    heard = sound(len(samples), 1, 48_000)[0]
    freq_hz = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    stored_power, heard_power = (np.abs(np.fft.rfft(each)) ** 2 for each in (samples, heard))
    for low_hz in range(19_000, 23_000, 500):
        inside = (freq_hz >= low_hz) & (freq_hz < low_hz + 500)
        assert abs(10 * np.log10(stored_power[inside].sum() / heard_power[inside].sum())) < 0.1, low_hz
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    assert 10 * np.log10(power[freq_hz < 14_000].sum() / power.sum()) < -80


def test_the_word_appears_on_the_terminal_with_its_face(collection):
    _, said = guide(collection, Microphone(), terminal=True)
    assert "H A P P I N E S S" in said and "take 5 of 5; 4 stored" in said


def test_keys_skip_redo_and_quit(collection):
    assert guide(collection, Microphone(), {2: "s", 20: "q"})[0] is False
    assert collection.progress.n_skipped == 1 and 0 < collection.progress.n_stored < 4
    before = collection.progress.n_stored
    guide(collection, Microphone(), {1: "r"})
    assert collection.progress.n_left == 0 and collection.progress.n_stored >= before
    assert any(take.endswith("-2") for take in load_study(collection.study).table["take"])


def test_a_pause_breaks_off_the_take_and_goes_on_by_a_key(collection):
    microphone = Microphone()
    done, said = guide(collection, microphone, {6: " ", 100: "\n"})
    assert done and "pause - press Enter" in said
    assert microphone.position > (90 + 5 * 12) * 2400


def test_masks_and_places_are_asked_for_and_a_key_is_waited_for(tmp_path):
    rules = QUICK.model_copy(update={"places": ("garden",), "rest_every": 5, "rest_s": 1.0})
    with Collection(tmp_path / "study", rules, "001") as collection:
        collection.accept_consent()
        keys = Pressing()
        with pytest.raises(DeviceError, match="standard input has ended"):
            refuse = Keys(os.open(os.devnull, os.O_RDONLY))
            refuse()
            Guide(collection, Microphone(), keys, Screen(Console(file=io.StringIO())), need_keys=refuse.need).run()
        done, said = guide(collection, Microphone(), hands_free=True)
    assert done and "go to: garden" in said and "put the mask on" in said and "no mask" in said and "rest - 1 s" in said


def test_a_gap_is_noticed_and_the_take_is_made_again(collection):
    done, said = guide(collection, Microphone(gap_at=48_000))
    assert done and "once more: sound was lost" in said
    assert set(load_study(collection.study).table["quality"]) == {"ok"}


def test_a_source_that_ends_is_named(collection):
    with pytest.raises(DeviceError, match="test microphone ended; takes so far are kept"):
        guide(collection, Microphone(last_sample=90_000))
    assert collection.progress.n_stored == 2


def test_a_source_of_another_rate_is_refused(collection):
    microphone = Microphone()
    microphone.rate_hz = 44_100
    with pytest.raises(DeviceError, match="44100 Hz.*needs 48000"):
        refuse_other_rate(microphone, collection)


def test_lost_samples_leave_time_as_it_was():
    whole = record(Microphone(), 0.5, lambda passed_s: False)
    holed = record(Microphone(gap_at=38_400), 0.5, lambda passed_s: False)
    assert whole.quality == () and holed.quality == ("dropout",)
    first = np.flatnonzero(holed.samples[0] == 0)[0]
    assert np.array_equal(whole.samples[:, :first], holed.samples[:, :first])
    assert PROBE.rate_hz * 0.5 == holed.samples.shape[1]


def test_waiting_counts_sound_not_time():
    passed = []
    assert wait(Microphone(), 1.0, lambda passed_s: passed.append(passed_s)) is False
    assert passed[-1] == 1.0 and len(passed) == 20
    assert wait(Microphone(), 1.0, lambda passed_s: passed_s > 0.3) is True


def test_the_terminal_is_left_as_it_was():
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with pytest.raises(KeyboardInterrupt), Keys(theirs) as keys:
        assert keys() is None
        os.write(ours, b"S")
        while (key := keys()) is None:
            pass
        assert key == "s"
        raise KeyboardInterrupt
    assert termios.tcgetattr(theirs) == before


@pytest.mark.parametrize("unicode", [True, False])
def test_every_expression_has_a_face_of_its_own(unicode):
    faces = {draw_face(word, unicode=unicode) for word in ALL_EXPRESSIONS}
    assert len(faces) == 7 and draw_face("bewilderment") == ""
    for face in faces:
        assert len(face.splitlines()) == 7 and all(sign.isprintable() for sign in face.replace("\n", ""))
        assert unicode or face.isascii()

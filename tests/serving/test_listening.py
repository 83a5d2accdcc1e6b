"""Blocks to answers, in real time or not; answers over the Lab Streaming Layer; the command on a pipe."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from live_sound import look, recognizer, sound

from mien.capture import Block
from mien.capture.sources import Source
from mien.errors import DeviceError, RecordingError
from mien.serving.listening import listen, refuse_other_rate
from mien.serving.live import LiveSession
from mien.serving.lsl import LslOutlet

STREAM = sound(5.0, moved_m=look(2.0, 3.5))


def blocks(samples: np.ndarray, n_block: int = 960):
    return [Block(samples[:, start : start + n_block], start) for start in range(0, samples.shape[1], n_block)]


def test_blocks_without_a_clock_are_all_answered():
    session = LiveSession(recognizer())
    found = list(listen(session, blocks(STREAM)))
    assert len(found) == len(LiveSession(recognizer()).feed(STREAM)) and session.n_dropped_windows == 0


def test_a_jump_of_the_position_is_a_gap():
    session = LiveSession(recognizer())
    parts = blocks(STREAM)
    found = list(listen(session, [*parts[:125], *parts[130:]]))
    assert found[-1].time_s > 4.9 and session.n_dropped_windows > 15
    assert [one.quality for one in found if one.time_s > 2.6][0] == ("dropout",)


def test_who_falls_behind_leaves_windows_out_until_the_present():
    """A computer that stands still for a second, and then gets all at once."""
    session = LiveSession(recognizer())
    arrivals = iter([0.02 * number + (1.0 if 130 < number < 175 else 0.0) for number in range(1, 251)])
    found = list(listen(session, blocks(STREAM), clock=lambda: next(arrivals)))
    assert not [one for one in found if 2.65 < one.time_s < 3.45]
    assert 15 < session.n_dropped_windows < 20 and found[-1].time_s > 4.9


def test_another_rate_is_refused():
    with pytest.raises(RecordingError, match="at 44100 Hz; this model expects chirp 19000-23000 Hz"):
        refuse_other_rate(Source("pipe", 44_100, 1, iter(())), recognizer())


class FakeLsl:
    """What pylsl shows of itself, remembering what was sent."""

    def __init__(self) -> None:
        self.sent: dict[str, list] = {}
        self.labels: list[str] = []

    def StreamInfo(self, name, kind, n_channels, rate_hz, form, source):  # noqa: N802
        return SimpleNamespace(name=name, n_channels=n_channels, rate_hz=rate_hz, desc=lambda: _Element(self.labels))

    def StreamOutlet(self, info):  # noqa: N802
        sent = self.sent.setdefault(info.name, [])
        return SimpleNamespace(push_sample=lambda values, stamp: sent.append((values, stamp)), info=info)

    def local_clock(self) -> float:
        return 1.0


class _Element:
    def __init__(self, labels: list[str]) -> None:
        self._labels = labels

    def append_child(self, name: str) -> "_Element":
        return self

    def append_child_value(self, name: str, value: str) -> "_Element":
        if name == "label":
            self._labels.append(value)
        return self


def test_answers_go_over_the_lab_streaming_layer():
    module, session = FakeLsl(), LiveSession(recognizer())
    outlet = LslOutlet(session, module)
    found = session.feed(STREAM)
    for one in found:
        outlet.push(one)
    assert module.labels == [*session.names, "confidence"]
    assert len(module.sent["mien"]) == len(found)
    assert module.sent["mien"][0][0] == [*found[0].probabilities.values(), found[0].confidence]
    words = [values[0] for values, _ in module.sent["mien-expression"]]
    changes = [
        one.expression
        for one, other in zip(found, [None, *found], strict=False)
        if not other or one.expression != other.expression
    ]
    assert words == changes


def test_without_pylsl_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pylsl", None)
    with pytest.raises(DeviceError, match=r"pip install 'mien\[lsl\]'"):
        LslOutlet(LiveSession(recognizer()))


@pytest.fixture
def command(monkeypatch):
    """Return a function that runs `mien recognize`, with the toy in the model's place."""
    from typer.testing import CliRunner

    from mien.cli import app
    from mien.recognizer import Recognizer

    toy = recognizer()
    toy.simulated, toy.calibrates = False, False
    monkeypatch.setattr(Recognizer, "load", classmethod(lambda cls, folder: toy))
    return lambda *arguments, **options: CliRunner().invoke(app, ["recognize", "toy", *arguments], **options)


def wav(samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, 48_000, subtype="FLOAT", format="WAV")
    return buffer.getvalue()


def test_a_pipe_is_recognised_as_it_comes(command):
    expected = LiveSession(recognizer()).feed(STREAM)
    made = command("-", "--csv", input=wav(STREAM))
    rows = made.stdout.splitlines()
    assert (
        made.exit_code == 0
        and rows[0] == "time_s,expression,p_anger,p_fear,p_sadness,p_neutral,confidence,foreignness,quality"
    )
    assert len(rows) == len(expected) + 1
    assert rows[-1].startswith(f"{expected[-1].time_s:.3f},{expected[-1].expression},")
    lines = [json.loads(line) for line in command("-", "--json", input=wav(STREAM)).stdout.splitlines()]
    assert lines[0]["quality"] == ["ok"] and lines[0]["probabilities"].keys() == expected[0].probabilities.keys()
    assert "neutral" in command("-", input=wav(STREAM)).stdout


def test_rows_of_text_are_recognised(command, tmp_path):
    path = tmp_path / "rows.txt"
    rows = np.round(2**15 * STREAM[0, : STREAM.shape[1] // 1_200 * 1_200]).astype(int).reshape(-1, 1_200)
    path.write_text("\n".join(" ".join(map(str, row)) for row in rows))
    made = command(str(path), "--csv")
    assert made.exit_code == 0 and len(made.stdout.splitlines()) > 75


def test_an_input_or_live_and_not_both(command):
    assert command().exit_code == 2 and command("-", "--live").exit_code == 2


def test_a_folder_of_rows_is_recognised_file_by_file(command, tmp_path):
    rows = np.round(2**15 * STREAM[0, : STREAM.shape[1] // 1_200 * 1_200]).astype(int).reshape(-1, 1_200)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("\n".join(" ".join(map(str, row)) for row in rows))
    made = command(str(tmp_path), "--csv")
    alone = command(str(tmp_path / "a.txt"), "--csv").stdout
    assert made.exit_code == 0 and made.stdout == 2 * alone


def test_what_is_too_short_says_so_under_the_header(command):
    made = command("-", "--csv", input=wav(STREAM[:, :48_000]))
    assert made.exit_code == 0 and made.stdout.splitlines() == [
        "time_s,expression,p_anger,p_fear,p_sadness,p_neutral,confidence,foreignness,quality"
    ]


@pytest.mark.parametrize(
    "words", [("-", "--device", "usb"), ("-", "--seconds", "2"), ("a.wav", "--lsl"), ("a.wav", "--hop", "0.1")]
)
def test_options_that_would_change_nothing_are_refused(command, words):
    assert command(*words).exit_code == 2 and command("-", "--csv", "--json").exit_code == 2

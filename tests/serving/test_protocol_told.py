"""What docs/protocol.md says is so, and the client it shows works."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from serving_fakes import settings

for name in ("fastapi", "uvicorn", "websockets"):
    pytest.importorskip(name, reason="pip install mien[live]")

from real_server import running  # noqa: E402

from mien.serving import messages as said  # noqa: E402
from mien.serving.bounded_http import ANSWER_S, HTTP_S, REQUEST_S  # noqa: E402
from mien.serving.doors import MOST_OPEN, listening_socket  # noqa: E402
from mien.serving.limits import MOST_RATE_HZ, Limits  # noqa: E402

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "protocol.md").read_text(encoding="utf-8")


def test_it_is_of_this_version():
    assert f"version **{said.PROTOCOL_VERSION}**" in TEXT


def test_every_message_and_every_reason_is_told():
    for union in (said.ClientMessage, said.ServerMessage):
        for kind in union.__args__[0].__args__:
            assert f"`{kind.model_fields['type'].default}`" in TEXT, kind
    for reason, code in said.CLOSE_CODES.items():
        row = next(line for line in TEXT.splitlines() if f"`{reason.value}`" in line and line.endswith(f"| {code} |"))
        assert row, reason


def test_the_limits_that_are_told_are_those_that_are_kept():
    limits = Limits()
    assert f"over {limits.text_bytes:,} bytes" in TEXT
    assert (
        f"more than {limits.messages_per_s:g} messages, {limits.frames_per_s:g} frames or {limits.sound_rate:g} s"
        in TEXT
    )
    assert f"bursts of {limits.messages_burst:g} messages and {limits.sound_burst_s:g} s" in TEXT
    assert limits.silence_s == 600 and "for 10 minutes" in TEXT
    assert limits.session_s == 4 * 3600 and "for 4 hours" in TEXT
    assert f"no `hello` for {limits.hello_s:g} s" in TEXT and f"than {limits.clients} at once" in TEXT
    assert f"sent for {limits.stall_s:g} s" in TEXT and f"any up to {MOST_RATE_HZ:,} Hz" in TEXT
    assert f"({2 * limits.frame_bytes:,} bytes)" in TEXT
    assert f"than {limits.connects_burst:g} connections at once, or {limits.connects_per_s:g} per second" in TEXT
    assert f"more than {limits.work_per_s:,.0f} WebSocket frames and reads per second" in TEXT
    assert f"(bursts of {limits.work_burst:,.0f} are fine)" in TEXT
    assert f"{limits.reads_per_s:g} requests per second (bursts of {limits.reads_burst:,.0f}" in TEXT
    assert f"request within {REQUEST_S:g} s" in TEXT and f"There are {MOST_OPEN} connections at most" in TEXT
    assert f"within {ANSWER_S:g} s" in TEXT and HTTP_S == 60 and "ends after a minute" in TEXT


@pytest.fixture(scope="module")
def client():
    spec = importlib.util.spec_from_file_location("example_client", DOCS / "example_client.py")
    client = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    return client


def test_the_example_client_recognises(client, tmp_path):
    sound = np.concatenate([np.full(24_000, 0.1), np.full(24_000, 0.9)])
    with running(settings(tmp_path)) as port:
        heard = list(client.predictions(f"ws://127.0.0.1:{port}/ws", sound, 48_000, pace=0.2))
        with pytest.raises(SystemExit, match="44100 Hz; 48000 Hz is needed"):
            list(client.predictions(f"ws://127.0.0.1:{port}/ws", sound, 44_100))
    assert heard[0]["expression"] == "fear" and heard[-1]["expression"] == "happiness"
    assert len(heard) + heard[-1]["n_dropped_windows"] == 20


def test_the_example_client_says_where_sound_is_too_short_for_an_answer(client, tmp_path):
    with running(settings(tmp_path)) as port:
        heard = client.predictions(f"ws://127.0.0.1:{port}/ws", np.full(2_000, 0.1), 48_000)
        with pytest.raises(SystemExit, match="no answer came: the sound is 0.04 s long, and each answer hears 0.50 s"):
            list(heard)


def test_the_example_client_says_in_a_sentence_what_is_missing(client, tmp_path, monkeypatch):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["example_client.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            client.main()
        return stopped.value.code

    assert run().startswith("usage: python docs/example_client.py recording.wav")
    assert "cannot be read" in run(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("no sound")
    assert "cannot be read" in run(tmp_path / "text.wav")
    soundfile.write(tmp_path / "take.wav", np.zeros(4_800), 48_000)
    with listening_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    assert "start mien serve" in run(tmp_path / "take.wav", f"ws://127.0.0.1:{port}/ws")
    assert "does not answer" in run(tmp_path / "take.wav", "localhost")


def test_no_link_of_it_leads_out():
    assert not re.findall(r"https?://(?!localhost)", TEXT)

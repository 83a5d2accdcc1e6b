"""Clients that flood, stall, lie or fall silent are closed with a reason, and who is beside them does not notice."""

import json
import os
import socket
import struct
import time
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace

import numpy as np
import pytest
from serving_fakes import AUDIO, FAKES, FakeLive, settings

for name in ("fastapi", "uvicorn", "websockets"):
    pytest.importorskip(name, reason="pip install mien[live]")

from real_server import connected, running  # noqa: E402
from websockets.exceptions import ConnectionClosed  # noqa: E402

from mien.serving.audio_frames import pack_frame  # noqa: E402
from mien.serving.limits import Limits  # noqa: E402
from mien.serving.messages import CLOSE_CODES, CloseReason  # noqa: E402

QUIET = np.zeros(960, np.float32)
SHORT = Limits(hello_s=1.0, silence_s=1.5, session_s=3600.0)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with running(settings(tmp_path_factory.mktemp("served"), limits=Limits(connects_burst=1_000))) as port:
        yield port


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    with running(settings(tmp_path_factory.mktemp("served"), limits=SHORT)) as port:
        yield port


@contextmanager
def closed_for(port, reason, sends_on=False, **options):
    """Connect, let the test misbehave, and see the reason both in the last message and in the close frame.

    Args:
        sends_on: it is still sending when it is closed: where that breaks its pipe, it may not hear the last message.
    """
    with connected(port, **options) as client:
        yield client
        with suppress(ConnectionClosed) if sends_on else nullcontext():
            closing = client.closing()
            assert closing.reason is reason and closing.message
        with pytest.raises(ConnectionClosed) as closed:
            client.connection.recv(timeout=60)
        assert closed.value.rcvd.code == CLOSE_CODES[reason] and closed.value.rcvd.reason == reason.value


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "[]",
        '{"type": "hello"}',
        '{"type": "hello", "version": "1"}',
        '{"type": "shutdown"}',
        '{"type": "hello", "version": 1, "admin": true}',
        '{"type": "start-live", "audio": {"rate_hz": 48000}}',
        "\u0000",
        '{"type": "hello", "version": 1e999}',
        "[" * 3000,
    ],
    ids=range(10),
)
def test_text_that_is_no_message(port, text):
    with closed_for(port, CloseReason.BAD_MESSAGE) as client:
        client.connection.send(text)


@pytest.mark.parametrize("consent", [1, 1.0, False, "true", None])
def test_what_is_no_consent(port, consent):
    with closed_for(port, CloseReason.BAD_MESSAGE) as client:
        client.hello()
        client.say("start-collect", audio=AUDIO, consent=consent)


def test_another_version(port):
    with closed_for(port, CloseReason.BAD_VERSION) as client:
        client.say("hello", version=2)


def test_hello_twice(port):
    with closed_for(port, CloseReason.BAD_MESSAGE) as client:
        client.hello()
        client.say("hello", version=1)


HEADER = struct.Struct("<4sId")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"mien",
        HEADER.pack(b"mien", 1, 1.0),
        HEADER.pack(b"mien", 1, 1.0) + b"123",
        HEADER.pack(b"neim", 1, 1.0) + bytes(4),
        HEADER.pack(b"mien", 1, float("nan")) + bytes(4),
        pack_frame(1, 1.0, np.array([0.0, np.nan])),
        pack_frame(1, 1.0, np.array([np.inf])),
        pack_frame(1, 1.0, np.array([1e30])),
    ],
    ids=["empty", "magic", "header", "half a sample", "not mien", "no time", "nan", "infinity", "too loud"],
)
def test_sound_that_is_none(port, frame):
    with closed_for(port, CloseReason.BAD_AUDIO) as client:
        client.hello()
        client.start("live")
        client.connection.send(frame)


@pytest.mark.parametrize("second", [(1, 2.0), (0, 2.0), (2, 0.5)], ids=["twice", "from the past", "earlier"])
def test_sound_out_of_order(port, second):
    with closed_for(port, CloseReason.BAD_AUDIO) as client:
        client.hello()
        client.connection.send(pack_frame(1, 1.0, QUIET))
        client.connection.send(pack_frame(*second, QUIET))


def test_sound_before_hello(port):
    with closed_for(port, CloseReason.BAD_MESSAGE) as client:
        client.connection.send(pack_frame(1, 1.0, QUIET))


def test_a_frame_that_is_too_large(port):
    with closed_for(port, CloseReason.TOO_LARGE) as client:
        client.hello()
        client.connection.send(pack_frame(1, 1.0, np.zeros(24_001)))


def test_a_huge_frame_is_cut_off_before_it_is_read(port):
    with connected(port) as client, pytest.raises((ConnectionClosed, OSError)):
        client.hello()
        for _ in range(50):
            client.connection.send(bytes(1_000_000))


def test_a_text_that_is_too_long(port):
    with closed_for(port, CloseReason.TOO_LARGE) as client:
        client.say("hello", version=1, client="x" * 5_000)


def test_more_sound_than_time(port):
    with closed_for(port, CloseReason.TOO_FAST) as client:
        client.hello()
        client.start("check")
        with suppress(ConnectionClosed):
            for number in range(20):
                client.connection.send(pack_frame(number, 0.5 * number, np.zeros(24_000)))


def test_a_flood_of_messages(port):
    with closed_for(port, CloseReason.TOO_FAST) as client:
        client.hello()
        with suppress(ConnectionClosed):
            for _ in range(100):
                client.say("stop")


def test_a_flood_of_tiny_frames(port):
    with closed_for(port, CloseReason.TOO_FAST) as client:
        client.hello()
        with suppress(ConnectionClosed):
            for number in range(4_000):
                client.connection.send(pack_frame(number, 0.001 * number, QUIET[:1]))


def test_no_hello(impatient):
    with closed_for(impatient, CloseReason.SILENCE):
        pass


def test_silence(impatient):
    with closed_for(impatient, CloseReason.SILENCE) as client:
        client.hello()


def test_half_a_message_is_silence_too(impatient):
    with closed_for(impatient, CloseReason.SILENCE) as client:
        client.hello()
        # A first fragment of a text message (masked), whose end never comes.
        client.connection.socket.sendall(b"\x01\x85\x00\x00\x00\x00" + b'{"typ')


def test_a_session_that_lasts_too_long(tmp_path):
    with running(settings(tmp_path, limits=Limits(session_s=0.3))) as port:
        with closed_for(port, CloseReason.SESSION_OVER) as client:
            client.hello()


@contextmanager
def live_on_a_bare_socket(port):
    """Yield a socket over which a live view has begun, whose pings nobody answers."""
    with socket.socket() as raw:
        raw.settimeout(60)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        raw.connect(("127.0.0.1", port))
        raw.sendall(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += raw.recv(10_000)
        assert b" 101 " in heard
        raw.sendall(_masked(0x81, json.dumps({"type": "hello", "version": 1}).encode()))
        raw.sendall(_masked(0x81, json.dumps({"type": "start-live", "audio": AUDIO}).encode()))
        while b"window_s" not in heard:
            heard += raw.recv(10_000)
        yield raw


def _masked(first, content):
    size = bytes([0x80 | len(content)]) if len(content) < 126 else b"\xfe" + struct.pack("!H", len(content))
    return bytes([first]) + size + bytes(4) + content


def _rest(raw):
    """Return all that a server still sends, until it lets go."""
    heard = b""
    with suppress(ConnectionResetError):
        while more := raw.recv(1_000_000):
            heard += more
    return heard


class Verbose(FakeLive):
    """Answers that soon fill every buffer on the way."""

    def feed(self, samples, **options):
        return [replace(each, profile=(0.5,) * 100_000) for each in super().feed(samples, **options)]


def _ends(heard, reason):
    """Whether a stream of frames ends with a `closing` message and a close frame, both with a reason."""
    close = struct.pack("!H", CLOSE_CODES[reason]) + reason.value.encode()
    return json.dumps({"type": "closing", "reason": reason.value})[:-1].replace(" ", "").encode() in heard and (
        heard.endswith(b"\x88" + bytes([len(close)]) + close)
    )


@pytest.fixture(scope="module")
def stalling(tmp_path_factory):
    verbose = replace(FAKES, live=Verbose)
    limits = Limits(stall_s=1.0, sound_burst_s=60.0, backlog_s=60.0)
    with running(settings(tmp_path_factory.mktemp("served"), functions=verbose, limits=limits)) as port:
        yield port


@pytest.mark.parametrize("n_frames", [0, 40], ids=["idle", "much waits for it"])
def test_a_client_that_does_not_read(stalling, n_frames):
    with live_on_a_bare_socket(stalling) as raw:
        started = time.monotonic()
        for number in range(n_frames):
            raw.sendall(_masked(0x82, pack_frame(number, 0.1 * number, np.zeros(4_800))))
        if n_frames:
            # What is sent waits in the server, and is never read: it must let go of it all the same.
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                while time.monotonic() - started < 30.0:
                    raw.sendall(_masked(0x89, b""))
                    time.sleep(0.05)
        else:
            assert _ends(_rest(raw), CloseReason.STALLED)
            assert time.monotonic() - started < 30.0


def test_half_a_message_of_who_answers_no_ping_has_stalled(stalling):
    with live_on_a_bare_socket(stalling) as raw:
        raw.sendall(b"\x01\x85\x00\x00\x00\x00" + b'{"typ')
        assert _ends(_rest(raw), CloseReason.STALLED)


def test_a_flood_of_sound_is_told_why_it_ends(port):
    with closed_for(port, CloseReason.TOO_FAST, sends_on=True) as client:
        client.hello()
        client.start("live")
        flood = b"".join(_masked(0x82, pack_frame(n, 0.02 * n, QUIET)) for n in range(3_000))
        with suppress(OSError):
            client.connection.socket.sendall(flood)


def test_a_flood_of_bytes_that_are_no_messages_is_told_why_it_ends(tmp_path):
    with running(settings(tmp_path, limits=Limits(sound_burst_s=0.01))) as port:
        with closed_for(port, CloseReason.TOO_FAST, sends_on=True) as client:
            client.hello()
            with suppress(OSError):
                client.connection.socket.sendall(_masked(0x89, bytes(125)) * 10_000)


def test_others_do_not_notice(port):
    """One client speaks on while others misbehave in every way beside it; it gets every answer."""
    rng = np.random.default_rng(0)
    bad_frames = [rng.bytes(40), "{", pack_frame(1, 1.0, np.array([np.nan])), b""]

    def breaks(bad, number):
        bad.connection.send(bad_frames[number % 4])

    def floods(bad, _):
        for number in range(400):
            bad.connection.send(pack_frame(number, 0.1 * number, np.zeros(4_800)))

    def chatters(bad, _):
        for _ in range(100):
            bad.say("stop")

    with connected(port) as good, ExitStack() as stalled:
        good.hello()
        good.start("live")
        for number in range(24):
            if number % 4 == 3:
                raw = stalled.enter_context(live_on_a_bare_socket(port))
                raw.sendall(_masked(0x82, pack_frame(1, 1.0, np.zeros(4_800))))
            else:
                with connected(port) as bad, suppress(ConnectionClosed, OSError):
                    bad.hello()
                    bad.start("live")
                    (breaks, floods, chatters)[number % 4](bad, number)
            good.sound(np.full(2_400, 0.5))
            answer = good.hear("prediction")
            assert answer.n_dropped_windows == 0 and answer.time_s == pytest.approx(0.05 * (number + 1))


def test_who_comes_again_and_again_must_wait_and_others_need_not(tmp_path):
    with running(settings(tmp_path, limits=Limits(connects_per_s=0.001, connects_burst=3.0))) as port:
        with connected(port) as good:
            good.hello()
            for _ in range(2):
                with connected(port) as client:
                    client.hello()
            for _ in range(3):
                with closed_for(port, CloseReason.TOO_FAST):
                    pass
            good.say("stop")
            assert good.hear("stopped")


def test_a_client_whose_answers_take_long_does_not_hold_up_another(tmp_path):
    class Slow(FakeLive):
        def feed(self, samples, **options):
            if np.abs(samples).max() > 0.5:
                time.sleep(1.0)
            return super().feed(samples, **options)

    functions = replace(FAKES, live=Slow)
    with running(settings(tmp_path, functions=functions, limits=Limits(backlog_s=0.5))) as port:
        with connected(port) as slow, connected(port) as quick:
            for client in (slow, quick):
                client.hello()
                client.start("live")
            for _ in range(20):
                slow.sound(np.full(4_800, 0.9))
            started = time.monotonic()
            for _ in range(10):
                quick.sound(np.full(2_400, 0.1))
                assert quick.hear("prediction").n_dropped_windows == 0
            # Far less than the seconds that the other one's sound takes, on however slow a machine.
            assert time.monotonic() - started < 10.0
            # Of 40 windows the late one answers few, and counts the others.
            answered = [slow.hear("prediction")]
            while answered[-1].time_s < 1.99:
                answered.append(slow.hear("prediction"))
            assert len(answered) + answered[-1].n_dropped_windows == 40
            assert answered[-1].n_dropped_windows > 20


def test_a_fault_of_the_server_is_told_and_closes_only_its_own(tmp_path, caplog):
    class Broken(FakeLive):
        def feed(self, samples, **options):
            raise ZeroDivisionError

    with running(settings(tmp_path, functions=replace(FAKES, live=Broken))) as port, connected(port) as beside:
        beside.hello()
        with closed_for(port, CloseReason.FAULT) as client:
            client.hello()
            client.start("live")
            client.sound(QUIET)
        beside.say("stop")
        assert beside.hear("stopped")
    assert any(record.exc_info for record in caplog.records)


def test_stopping_the_server_says_so(tmp_path):
    with ExitStack() as open_clients:
        with running(settings(tmp_path)) as port:
            inside = open_clients.enter_context(connected(port))
            inside.hello()
            inside.start("live")
        closing = inside.closing()
        assert closing.reason is CloseReason.STOPPING and closing.message
        with pytest.raises(ConnectionClosed) as closed:
            inside.connection.recv(timeout=60)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "stopping")


def test_memory_is_bounded_under_floods(port):
    def resident_mb():
        with open("/proc/self/status", encoding="ascii") as stream:
            return int(next(line for line in stream if line.startswith("VmRSS")).split()[1]) / 1024

    def misbehave():
        with connected(port) as bad:
            bad.hello()
            bad.start("check")
            with pytest.raises((ConnectionClosed, OSError)):
                for number in range(10_000):
                    bad.connection.send(pack_frame(number, 0.5 * number, np.zeros(24_000)))

    if not os.path.exists("/proc/self/status"):
        pytest.skip("memory is read from /proc, which is not there")
    misbehave()
    before_mb = resident_mb()
    for _ in range(30):
        misbehave()
    assert resident_mb() < before_mb + 50

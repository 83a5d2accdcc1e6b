"""Connections that ask for nothing end, and lock nobody out."""

import socket
import ssl
import time
import urllib.request
from contextlib import ExitStack, suppress
from datetime import UTC, datetime

import pytest
from serving_fakes import settings

for name in ("fastapi", "uvicorn", "websockets", "cryptography"):
    pytest.importorskip(name, reason="pip install mien[live]")

from real_server import connected, running  # noqa: E402

from mien.serving import bounded_http, doors  # noqa: E402
from mien.serving.certificate import certificate_for  # noqa: E402
from mien.serving.doors import Doors, most_open  # noqa: E402


@pytest.fixture
def listening():
    with Doors(socket.create_server(("127.0.0.1", 0)), most=4) as listening:
        listening.settimeout(10)
        yield listening


def ended(client):
    """Whether the server has ended a connection."""
    client.settimeout(0.2)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def let_in(opened, listening, *stages):
    """Connect and be accepted; return both ends, the stages noted."""
    client = opened.enter_context(socket.create_connection(listening.getsockname()))
    taken = opened.enter_context(listening.accept()[0])
    for note in stages:
        note(taken.fileno())
    return client


def test_the_oldest_that_asked_nothing_goes(listening):
    with ExitStack() as opened:
        clients = [let_in(opened, listening, listening.note_request), let_in(opened, listening)]
        clients.append(let_in(opened, listening))
        assert [ended(client) for client in clients] == [False, True, False]


def test_of_those_that_asked_the_one_that_was_answered_goes(listening):
    with ExitStack() as opened:
        clients = [let_in(opened, listening, listening.note_request)]
        clients.append(let_in(opened, listening, listening.note_request, listening.note_answer))
        clients.append(let_in(opened, listening))
        assert [ended(client) for client in clients] == [False, True, False]


def test_of_those_that_ask_the_one_that_asks_for_longest_goes(listening):
    with ExitStack() as opened:
        clients = [let_in(opened, listening, listening.note_request) for _ in range(3)]
        assert [ended(client) for client in clients] == [True, False, False]


def test_where_all_are_streams_who_comes_is_turned_away(listening):
    with ExitStack() as opened:
        clients = [let_in(opened, listening, listening.note_stream) for _ in range(2)]
        late = opened.enter_context(socket.create_connection(listening.getsockname()))
        with pytest.raises(ConnectionAbortedError):
            listening.accept()
        assert ended(late) and not any(ended(client) for client in clients)


def test_a_connection_that_has_ended_takes_no_place(listening):
    for _ in range(10):
        with socket.create_connection(listening.getsockname()), _accepted(listening) as taken:
            listening.note_stream(taken.fileno())


def _accepted(listening):
    while True:
        with suppress(BlockingIOError):
            return listening.accept()[0]


def test_after_a_few_that_come_in_a_crowd_those_inside_have_their_turn(listening):
    """The event loop would accept all that wait before it turns to a client's sound."""
    with ExitStack() as opened:
        for _ in range(doors.MOST_IN_TURN + 1):
            opened.enter_context(socket.create_connection(listening.getsockname()))
        for _ in range(doors.MOST_IN_TURN):
            opened.enter_context(listening.accept()[0])
        with pytest.raises(BlockingIOError):
            listening.accept()
        opened.enter_context(listening.accept()[0])


def test_there_are_fewer_than_the_system_allows_open_files(monkeypatch):
    resource = pytest.importorskip("resource", reason="there is no such limit here")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (200, 4_096))
    assert most_open() == 136
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100_000, 100_000))
    assert most_open() == doors.MOST_OPEN


@pytest.fixture(params=[False, True], ids=["http", "https"])
def secured(request, tmp_path):
    """Return a certificate, or None, and how to open an address."""
    if not request.param:
        return None, "http"
    return certificate_for(["127.0.0.1"], datetime.now(UTC), tmp_path / "certificate"), "https"


def trusting():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def fetch(scheme, port):
    context = trusting() if scheme == "https" else None
    with urllib.request.urlopen(f"{scheme}://127.0.0.1:{port}/", timeout=30, context=context) as answer:
        return answer.status


def test_hundreds_of_idle_connections_lock_nobody_out(tmp_path, monkeypatch, secured, caplog):
    monkeypatch.setattr(doors, "MOST_OPEN", 40)
    certificate, scheme = secured
    with running(settings(tmp_path, https=scheme == "https"), certificate) as port, ExitStack() as opened:
        idle = [opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)) for _ in range(100)]
        started = time.monotonic()
        assert fetch(scheme, port) == 200
        # Long before any of them runs out of time.
        assert time.monotonic() - started < 0.8 * bounded_http.REQUEST_S
        assert sum(ended(client) for client in idle[:30]) == 30
    assert not caplog.records


def test_who_sends_no_whole_request_is_soon_ended(tmp_path, monkeypatch, secured, caplog):
    monkeypatch.setattr(bounded_http, "REQUEST_S", 0.3)
    certificate, scheme = secured
    with running(settings(tmp_path, https=scheme == "https"), certificate) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            client = trusting().wrap_socket(plain) if certificate else plain
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            assert client.recv(100) == b""
    assert not caplog.records


def test_an_old_connection_ends_without_a_fault(tmp_path, monkeypatch, secured, caplog):
    monkeypatch.setattr(bounded_http, "HTTP_S", 0.3)
    certificate, scheme = secured
    with running(settings(tmp_path, https=scheme == "https"), certificate) as port:
        for _ in range(3):
            assert fetch(scheme, port) == 200
            with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
                client = trusting().wrap_socket(plain) if certificate else plain
                client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                heard = b""
                while b"</title>" not in heard:
                    heard += client.recv(10_000)
                client.close()
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            client = trusting().wrap_socket(plain) if certificate else plain
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            while client.recv(10_000):
                pass
        if certificate is None:
            with connected(port) as streaming:
                streaming.hello()
                time.sleep(0.6)
                streaming.say("stop")
                assert streaming.hear("stopped")
        time.sleep(0.4)
    assert not caplog.records

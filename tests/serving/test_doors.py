"""Connections that ask for nothing end, and lock nobody out."""

import socket
import ssl
import time
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from serving_fakes import settings

for name in ("fastapi", "uvicorn", "websockets", "cryptography"):
    pytest.importorskip(name, reason="pip install mien[live]")

from real_server import connected, running  # noqa: E402

from mien.serving import doors, server  # noqa: E402
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


def test_the_oldest_that_asked_nothing_goes(listening):
    with ExitStack() as opened:
        clients, taken = [], []
        for _ in range(2):
            clients.append(opened.enter_context(socket.create_connection(listening.getsockname())))
            taken.append(opened.enter_context(listening.accept()[0]))
        listening.note_request(taken[0].fileno())
        clients.append(opened.enter_context(socket.create_connection(listening.getsockname())))
        taken.append(opened.enter_context(listening.accept()[0]))
        assert [ended(client) for client in clients] == [False, True, False]


def test_where_all_have_asked_who_comes_is_turned_away(listening):
    with ExitStack() as opened:
        for _ in range(2):
            opened.enter_context(socket.create_connection(listening.getsockname()))
            listening.note_request(opened.enter_context(listening.accept()[0]).fileno())
        late = opened.enter_context(socket.create_connection(listening.getsockname()))
        with pytest.raises(ConnectionAbortedError):
            listening.accept()
        assert ended(late)


def test_a_connection_that_has_ended_takes_no_place(listening):
    for _ in range(10):
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as taken:
            listening.note_request(taken.fileno())


def test_who_must_go_is_waited_for_before_more_come(listening):
    """The event loop accepts many at once, and closes those that must go only afterwards."""
    with ExitStack() as opened, pytest.raises(BlockingIOError):
        for _ in range(2 + doors.MOST_LEAVING + 1):
            opened.enter_context(socket.create_connection(listening.getsockname()))
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
        assert time.monotonic() - started < 0.8 * server.REQUEST_S
        assert sum(ended(client) for client in idle[:30]) == 30
    assert not caplog.records


def test_who_sends_no_whole_request_is_soon_ended(tmp_path, monkeypatch, secured, caplog):
    monkeypatch.setattr(server, "REQUEST_S", 0.3)
    certificate, scheme = secured
    with running(settings(tmp_path, https=scheme == "https"), certificate) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            client = trusting().wrap_socket(plain) if certificate else plain
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            assert client.recv(100) == b""
    assert not caplog.records


def test_an_old_connection_ends_without_a_fault(tmp_path, monkeypatch, secured, caplog):
    monkeypatch.setattr(server, "HTTP_S", 0.3)
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

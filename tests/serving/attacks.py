"""Attacks on a server of this machine, for a bounded time: `python attacks.py PORT KIND SECONDS`.

A process of its own, which takes none of the server's turns and gives way to it, as who attacks from another machine
would; it needs the standard library alone and starts at once.
"""

import os
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HEAD = GET[:-2]
EMPTY = b"\x80\x00\x00\x00\x00"
"""A masked frame that carries nothing, after its first byte."""


@contextmanager
def plain(port, timeout=1.0):
    """Yield a bare connection."""
    with socket.socket() as raw:
        raw.settimeout(timeout)
        raw.connect(("127.0.0.1", port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield raw


def _poured(first, piece, second=b""):
    """Return an attack: a beginning, then one piece over and over, and anew where it is cut off."""

    def attack(port, until_s):
        while time.monotonic() < until_s:
            with suppress(OSError), plain(port) as raw:
                raw.sendall(first)
                if second:
                    raw.recv(1)
                    raw.sendall(second)
                threading.Thread(target=swallow, args=[raw], daemon=True).start()
                while time.monotonic() < until_s:
                    raw.sendall(piece)
                    time.sleep(0.001)
            time.sleep(0.002)

    return attack


def _repeated(sent):
    """Return an attack: connections one after the other, each with so much sent over it."""

    def attack(port, until_s):
        while time.monotonic() < until_s:
            with suppress(OSError), plain(port) as raw:
                raw.sendall(sent)
            time.sleep(0.002)

    return attack


def swallow(raw):
    """Read whatever comes."""
    with suppress(OSError):
        while raw.recv(1_000_000):
            pass


def _held(n, sent, room=None):
    """Return an attack: so many connections that each ask for something, and then do nothing."""

    def attack(port, until_s):
        opened = []
        while time.monotonic() < until_s:
            if len(opened) < n:
                with suppress(OSError):
                    opened.append(asking(port, sent, room))
            time.sleep(0.002)

    return attack


def asking(port, sent, room=None):
    """Return a connection that has asked for something; `room`: bytes that its system takes of the answer."""
    raw = socket.socket()
    if room is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    raw.settimeout(1.0)
    raw.connect(("127.0.0.1", port))
    raw.sendall(sent)
    return raw


EMISSION = GET.replace(b"/ ", b"/emission/check.f32 ", 1)
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ATTACKS = {
    "pings": 2 * [_poured(HANDSHAKE, (b"\x89" + EMPTY) * 20_000, b"\x89" + EMPTY)],
    "empty continuations": 2 * [_poured(HANDSHAKE, (b"\x00" + EMPTY) * 20_000, b"\x01" + EMPTY)],
    "bodies in tiny chunks": 2 * [_poured(CHUNKED, b"1\r\nx\r\n" * 20_000)],
    "frames and heads byte by byte": [
        _poured(HANDSHAKE, b"\x00", b"\x02\xfe\xea\x60\x00\x00\x00\x00"),
        _poured(HEAD + b"x: ", b"y"),
    ],
    "requests in a row": 2 * [_poured(GET, GET * 100)],
    "connections": [_repeated(GET), _repeated(HANDSHAKE)],
    "no requests": [
        _repeated(b"\x16\x03\x01 no request\r\n\r\n"),
        _repeated(HEAD + b"Upgrade: nothing\r\nConnection: Upgrade\r\n\r\n"),
    ],
    "no utf-8": 2 * [_poured(HANDSHAKE, b"\x81\x82\x00\x00\x00\x00\xff\xfe", b"\x89" + EMPTY)],
    "slow readers": [_held(60, EMISSION, room=4_096)],
    "idle connections": [_held(140, GET)],
}
"""What clients do at once, by kind."""


def main(port, kind, seconds):
    """Attack in threads, and say so."""
    if hasattr(os, "nice"):
        os.nice(5)
    until_s = time.monotonic() + seconds
    threads = [threading.Thread(target=attack, args=[port, until_s], daemon=True) for attack in ATTACKS[kind]]
    for thread in threads:
        thread.start()
    print("begun", flush=True)
    for thread in threads:
        thread.join(seconds + 5)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))

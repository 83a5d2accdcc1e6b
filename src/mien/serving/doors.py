"""The socket that listens: how many connections there may be, and who goes where there are more."""

import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from mien.errors import MienError

MOST_OPEN = 256
"""Connections at once, and half of them from one address; fewer where the system allows fewer open files."""

SPARE_FILES = 64
"""Open files that are left to all else: models, studies, the event loop."""

MOST_IN_TURN = 8
"""So many are accepted before the event loop turns to those that are inside; it would take all that wait."""

SEND_BYTES = 262_144
"""What the system keeps for a connection that has not read it yet."""

STREAMS = "mien.streams"
"""In the scope of a WebSocket: a function to be called once it is a client's stream, which keeps its place."""


class Stage(IntEnum):
    """How much a connection is worth keeping."""

    NEW = 0
    """It has sent no whole request."""
    ANSWERED = 1
    """It has its answer, and asks nothing now."""
    ASKING = 2
    """It reads an answer, or is a WebSocket that is no client's stream so far."""
    STREAM = 3
    """A client's stream; it keeps its place."""


@dataclass(slots=True)
class _Guest:
    """One connection. `end` ends it at once, where the event loop, which owns it, has told how."""

    socket: socket.socket
    peer: str
    end: Callable[[], object] = lambda: None
    stage: Stage = Stage.NEW


class Doors(socket.socket):
    """A listening socket that keeps the number of connections bounded.

    Where there are too many, that of the least stage goes whose last request is longest ago, so that idle connections,
    and those that read slowly, lock nobody out; where all are streams, who comes is turned away.

    Args:
        listening: becomes this. most: connections at once.
    """

    def __init__(self, listening: socket.socket, most: int | None = None) -> None:
        super().__init__(fileno=listening.detach())
        self._most = most_open() if most is None else most
        # By their numbers, in order of their last request; one that was closed has no number any more.
        self._inside: dict[int, _Guest] = {}
        self._n_in_turn = 0
        # Of those that come through it, too; else the system would keep megabytes for one that does not read.
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection.

        Raises:
            ConnectionAbortedError: it was turned away.
            BlockingIOError: there is none, or others have their turn first.
        """
        if self._n_in_turn >= MOST_IN_TURN:
            self._n_in_turn = 0
            raise BlockingIOError("others have their turn first")
        self._n_in_turn += 1
        opened, address = super().accept()
        peer = str(address[0])
        self._inside = {number: each for number, each in self._inside.items() if each.socket.fileno() == number}
        for most, whose in ((self._most // 2, peer), (self._most, None)):
            if not self._make_room(most, whose):
                opened.close()
                raise ConnectionAbortedError("too many connections are open")
        self._inside[opened.fileno()] = _Guest(opened, peer)
        return opened, address

    def introduce(self, number: int, end: Callable[[], object]) -> None:
        """Say how the connection with this number of a file is ended, now that the event loop knows it."""
        if number in self._inside:
            self._inside[number].end = end

    def note_request(self, number: int) -> None:
        """Say that a whole request has come over a connection."""
        self._note(number, Stage.ASKING)

    def note_answer(self, number: int) -> None:
        """Say that a connection has its answer."""
        self._note(number, Stage.ANSWERED)

    def note_stream(self, number: int) -> None:
        """Say that a connection is a client's stream."""
        self._note(number, Stage.STREAM)

    def _note(self, number: int, stage: Stage) -> None:
        guest = self._inside.pop(number, None)
        if guest is not None:
            guest.stage = stage
            self._inside[number] = guest

    def _make_room(self, most: int, peer: str | None) -> bool:
        """End a connection of an address, or of all, where there are too many; return whether there is room then."""
        inside = {number: each for number, each in self._inside.items() if peer in (None, each.peer)}
        if len(inside) < most:
            return True
        number = min(inside, key=lambda number: inside[number].stage)
        if inside[number].stage is Stage.STREAM:
            return False
        guest = self._inside.pop(number)
        guest.end()
        _shut(guest.socket)
        return True


def _shut(opened: socket.socket) -> None:
    with suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


def most_open() -> int:
    """Return how many connections there may be at once."""
    if sys.platform == "win32":
        return MOST_OPEN
    import resource

    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_OPEN if allowed < 0 else max(2, min(MOST_OPEN, allowed - SPARE_FILES))


def listening_socket(host: str, port: int) -> Doors:
    """Return a socket that listens.

    Raises:
        MienError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return Doors(socket.create_server((host, port), family=family))
    except (OSError, OverflowError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise MienError(
            f"cannot listen on {host} port {port}: {reason}; choose another --port, or a --host of this machine "
            "(127.0.0.1, 0.0.0.0 for all of its networks)"
        ) from None

"""The socket that listens: how many connections there may be, and who goes where there are more."""

import socket
import sys
from contextlib import suppress
from typing import Any

from mien.errors import MienError

MOST_OPEN = 256
"""Connections at once, and half of them from one address; fewer where the system allows fewer open files."""

SPARE_FILES = 64
"""Open files that are left to all else: models, studies, the event loop."""

MOST_LEAVING = 16
"""Of those that must go so many are waited for before another is let in: the event loop closes them."""


class Doors(socket.socket):
    """A listening socket that keeps the number of connections bounded.

    Where there are too many, the oldest goes of those that have sent no whole request yet, so that idle connections
    lock nobody out; where there is none of these, who comes is turned away.

    Args:
        listening: becomes this. most: connections at once.
    """

    def __init__(self, listening: socket.socket, most: int | None = None) -> None:
        super().__init__(fileno=listening.detach())
        self._most = most_open() if most is None else most
        # By their numbers, oldest first; one that was closed has no number any more.
        self._waiting: dict[int, tuple[socket.socket, str]] = {}
        self._served: dict[int, tuple[socket.socket, str]] = {}
        self._leaving: list[socket.socket] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection.

        Raises:
            ConnectionAbortedError: it was turned away.
            BlockingIOError: there is none, or others must go first.
        """
        self._leaving = [each for each in self._leaving if each.fileno() >= 0]
        if len(self._leaving) >= MOST_LEAVING:
            raise BlockingIOError("others must go first")
        opened, address = super().accept()
        peer = str(address[0])
        for most, whose in ((self._most // 2, peer), (self._most, None)):
            if self._n_open(whose) >= most and not self._make_room(whose):
                opened.close()
                raise ConnectionAbortedError("too many connections are open")
        self._waiting[opened.fileno()] = opened, peer
        return opened, address

    def note_request(self, number: int) -> None:
        """Say that a whole request has come over the connection with this number of a file."""
        if number in self._waiting:
            self._served[number] = self._waiting.pop(number)

    def _n_open(self, peer: str | None) -> int:
        for connections in (self._waiting, self._served):
            for number, (opened, _) in list(connections.items()):
                if opened.fileno() != number:
                    del connections[number]
        return sum(
            peer in (None, whose) for connections in (self._waiting, self._served) for _, whose in connections.values()
        )

    def _make_room(self, peer: str | None) -> bool:
        """End the oldest connection without a request, of one address or of all; return whether there was one."""
        oldest = next((number for number, (_, whose) in self._waiting.items() if peer in (None, whose)), None)
        if oldest is None:
            return False
        opened, _ = self._waiting.pop(oldest)
        # The event loop owns it: it finds it ended, and closes it.
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)
        self._leaving.append(opened)
        return True


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

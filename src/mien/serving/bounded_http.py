"""HTTP that takes requests without bodies, each within its time, and no faster than their address may ask."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from mien.serving.doors import Doors
from mien.serving.limits import PerAddress

REQUEST_S = 10.0
"""Within which a connection must have sent its next whole request."""

ANSWER_S = 30.0
"""Within which an answer must have been read: the largest, 2.6 MB, takes a second."""

HTTP_S = 60.0
"""Longest life of a connection that is no WebSocket."""

LONGEST_WAIT_S = 2.0
"""A connection whose address asks so much that it would have to wait longer is ended."""

MOST_HELD = 16
"""Reads of a connection that waits, before nothing more is read of it."""

HEAD_BYTES = 16_384
"""Longest head of a request."""


class _WithoutBodies(h11.Connection):
    """What is read of a connection; a request that announces a body is none, as nothing here takes one."""

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request) and any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in event.headers
        ):
            raise h11.RemoteProtocolError("a body came, and nothing here takes one", error_status_hint=413)
        return event


class BoundedHttp(H11Protocol):
    """A connection that ends where it sends nothing, sends a body, or does not read its answer.

    What an address sends is read as fast as its allowance fills: what came too early waits, unread, so that a request
    that drips in byte by byte is read in few pieces.

    Args:
        doors: the socket through which it came.
        reads: how often may be read from all connections of an address.
        options: uvicorn's.
    """

    def __init__(self, doors: Doors, reads: PerAddress, **options: Any) -> None:
        super().__init__(**options)
        self._doors, self._reads = doors, reads
        self.conn = _WithoutBodies(h11.SERVER, HEAD_BYTES)
        self._held, self._n_held = bytearray(), 0
        self._go_on: asyncio.TimerHandle | None = None
        self._known: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._number = transport.get_extra_info("socket").fileno()
        self._peer = self.client[0] if self.client else ""
        self._doors.introduce(self._number, transport.abort)
        self._over_s = self.loop.time() + HTTP_S
        self._timer = self.loop.call_later(REQUEST_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        if self._go_on is not None:
            self._go_on.cancel()
            self._reads.of(self._peer).give_back(1.0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._held += data
        if self._go_on is not None:
            # It is still read, a little, so that it is seen to go.
            self._n_held += 1
            return self.flow.pause_reading() if self._n_held > MOST_HELD else None
        wait_s = self._reads.of(self._peer).wait(1.0, self.loop.time(), LONGEST_WAIT_S)
        if wait_s is None:
            self.transport.abort()
        elif wait_s:
            self._n_held, self._go_on = 0, self.loop.call_later(wait_s, self._read_held)
        else:
            self._read_held()

    def _read_held(self) -> None:
        held, self._held, self._go_on = bytes(self._held), bytearray(), None
        if not self.transport.is_closing():
            self.flow.resume_reading()
            super().data_received(held)

    def handle_events(self) -> None:
        super().handle_events()
        if self.scope is self._known:
            return
        self._known = self.scope
        self._doors.note_request(self._number)
        self._timer.cancel()
        # After an upgrade the connection is another protocol's, which has limits of its own.
        if self in self.connections:
            self._end_after(ANSWER_S)

    def on_response_complete(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.trailing_data[0]:
            # Asked again before it was answered, which no browser does: it would be served past its allowance.
            self.transport.close()
        else:
            self._doors.note_answer(self._number)
            self._end_after(REQUEST_S)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            # Amid an answer there is no other to be given.
            self.transport.abort()

    def _end_after(self, seconds: float) -> None:
        self._timer.cancel()
        left_s = max(0.0, min(seconds, self._over_s - self.loop.time()))
        self._timer = self.loop.call_later(left_s, self.transport.abort)

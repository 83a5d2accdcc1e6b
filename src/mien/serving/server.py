"""Running the application: the socket it listens on, its protocols with a guard on each connection."""

from typing import Any

from mien.errors import MienError
from mien.serving.certificate import Certificate
from mien.serving.doors import Doors
from mien.serving.limits import BYTES_PER_S, Allowance, Limits
from mien.serving.messages import CLOSE_CODES, CloseReason, Closing

HTTP_S = 60.0
"""Longest life of a connection that is no WebSocket: the page's files take a second."""

REQUEST_S = 10.0
"""Within which a connection must have sent its first whole request."""

CUT_S = 0.5
"""So long a client that is cut off has to read why."""

SHUTDOWN_S = 5

MOST_UNREAD = 16
"""Messages of one client that may wait for the application before nothing more is read from its socket."""


def server_of(app: Any, doors: Doors, limits: Limits, certificate: Certificate | None = None) -> Any:
    """Return a uvicorn server of an application; `run(sockets=[doors])` serves until it is stopped.

    Raises:
        MienError: the packages that it needs are not installed.
    """
    try:
        import uvicorn
        from uvicorn.protocols.http.h11_impl import H11Protocol
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
    except ImportError:
        raise MienError("serving needs the packages uvicorn and websockets: pip install 'mien[live]'") from None

    class ShortHttp(H11Protocol):
        """HTTP whose connections end, so that those who send nothing, or byte by byte, do not pile up."""

        _requested = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._number = transport.get_extra_info("socket").fileno()
            self._timer = self.loop.call_later(REQUEST_S, transport.abort)

        def handle_events(self) -> None:
            super().handle_events()
            if self.scope is not None and not self._requested:
                self._requested = True
                doors.note_request(self._number)
                self._timer.cancel()
                # After an upgrade the connection is another protocol's, which has limits of its own.
                if self in self.connections:
                    self._timer = self.loop.call_later(HTTP_S, self.transport.abort)

        def connection_lost(self, exc: Exception | None) -> None:
            self._timer.cancel()
            super().connection_lost(exc)

    class CountedSocket(WebSocketsSansIOProtocol):
        """A WebSocket that is cut off, with a reason, where more bytes come than sound can need or none are read."""

        _cut = _paused = False

        @property
        def read_paused(self) -> bool:  # type: ignore[override]
            """Return whether reading need not be paused; to pause for every message is costly, so a few may wait."""
            return not self._cut and (self._paused or self.queue.qsize() < MOST_UNREAD)

        @read_paused.setter
        def read_paused(self, paused: bool) -> None:
            self._paused = paused

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            most = BYTES_PER_S * max(1.0, limits.sound_burst_s)
            self._allowed = Allowance(BYTES_PER_S, most, self.loop.time())

        def data_received(self, data: bytes) -> None:
            if self._cut:
                return
            if self._allowed.take(len(data), self.loop.time()):
                return super().data_received(data)
            self._cut = True
            self._tell(CloseReason.TOO_FAST, "more bytes than sound can need")
            # Nothing more is read, whoever asks.
            self.read_paused = False
            self.transport.pause_reading()

        def keepalive_timeout(self) -> None:
            self._tell(CloseReason.STALLED, f"nothing of what was sent was read for {limits.stall_s:g} s")

        async def run_asgi(self) -> None:
            await super().run_asgi()
            # What is closed and not read would stay.
            self.loop.call_later(limits.stall_s, self.transport.abort)

        def shutdown(self) -> None:
            if not self.handshake_complete:
                return super().shutdown()
            self._tell(CloseReason.STOPPING, "the server is being stopped")

        def _tell(self, reason: CloseReason, message: str) -> None:
            """Say why it ends, past all that waits to be sent, and close."""
            self.stop_keepalive()
            if self.handshake_complete and not (self.close_sent or self.transport.is_closing()):
                code = CLOSE_CODES[reason]
                self.conn.send_text(Closing(reason=reason, message=message).model_dump_json().encode())
                self.conn.send_close(code, reason.value)
                self.transport.write(b"".join(self.conn.data_to_send()))
                self.close_sent = True
                self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason.value})
            if self.close_timer is not None:
                self.close_timer.cancel()
            self.close_timer = self.loop.call_later(CUT_S, self.transport.close)

    config = uvicorn.Config(
        app,
        http=ShortHttp,
        ws=CountedSocket,
        # A little above what the application refuses with a reason of its own.
        ws_max_size=2 * limits.frame_bytes,
        ws_per_message_deflate=False,
        # Others do not accept by `Doors`.
        loop="asyncio",
        ws_ping_interval=limits.stall_s / 2,
        ws_ping_timeout=limits.stall_s,
        log_level="warning",
        # Links hold tokens, so no request is logged.
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        ssl_certfile=None if certificate is None else str(certificate.path),
        ssl_keyfile=None if certificate is None else str(certificate.key_path),
    )
    return uvicorn.Server(config)

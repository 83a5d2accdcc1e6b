"""A WebSocket whose reads, frames and bytes are counted, and that says why it ends, whatever it was sent."""

from functools import partial
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import ProtocolError
from websockets.frames import Frame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from mien.serving.doors import STREAMS, Doors
from mien.serving.limits import BYTES_PER_S, Allowance, Limits
from mien.serving.messages import CLOSE_CODES, CloseReason, Closing

CUT_S = 0.5
"""So long a client that is cut off has to read why."""

MOST_UNREAD = 16
"""Messages of one client that may wait for the application before nothing more is read from its socket."""

_WRONG = {
    1002: (CloseReason.BAD_MESSAGE, "no WebSocket frame"),
    1007: (CloseReason.BAD_MESSAGE, "no UTF-8"),
    1009: (CloseReason.TOO_LARGE, "a message or frame that is too large"),
    1011: (CloseReason.FAULT, "the server met a fault; its terminal says more"),
}
"""What the closing codes of a WebSocket mean to a client."""


class _Frames(ServerProtocol):
    """The frames of a connection: each takes of an allowance, also those that carry nothing."""

    work: Allowance
    now_s = 0.0
    too_fast = False

    def recv_frame(self, frame: Frame) -> None:
        if not self.work.take(1.0, self.now_s):
            self.too_fast = True
            raise ProtocolError("too many frames")
        super().recv_frame(frame)

    def fail(self, code: int, reason: str = "") -> None:
        """Say why it ends, in a message and in the closing frame."""
        why, message = _WRONG.get(int(code), (None, ""))
        if self.too_fast:
            why, message = CloseReason.TOO_FAST, "more frames than sound can need"
        if why is not None and self.state is OPEN:
            message = message if self.too_fast or not reason else f"{message}: {reason[:200]}"
            self.send_text(Closing(reason=why, message=message).model_dump_json().encode())
            code, reason = CLOSE_CODES[why], why.value
        super().fail(code, reason)


class BoundedSocket(WebSocketsSansIOProtocol):
    """A WebSocket that is cut off, with a reason, where more comes than sound can need or nothing is read.

    Args:
        doors: the socket through which it came. options: uvicorn's.
    """

    conn: _Frames
    _cut = _paused = False

    def __init__(self, doors: Doors, limits: Limits, **options: Any) -> None:
        super().__init__(**options)
        self._doors, self._limits = doors, limits
        self.conn = _Frames(max_size=self.config.ws_max_size, logger=self.logger)

    @property
    def read_paused(self) -> bool:  # type: ignore[override]
        """Return whether reading need not be paused; to pause for every message is costly, so a few may wait."""
        # Of a connection that has ended nothing can be read on; over TLS to try is an error.
        over = self._cut or self.disconnected or self.transport.is_closing()
        return not over and (self._paused or self.queue.qsize() < MOST_UNREAD)

    @read_paused.setter
    def read_paused(self, paused: bool) -> None:
        self._paused = paused

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        now_s, most = self.loop.time(), BYTES_PER_S * max(1.0, self._limits.sound_burst_s)
        self._bytes = Allowance(BYTES_PER_S, most, now_s)
        self.conn.work = Allowance(self._limits.work_per_s, self._limits.work_burst, now_s)
        self._number = transport.get_extra_info("socket").fileno()

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            self.scope[STREAMS] = partial(self._doors.note_stream, self._number)  # type: ignore[literal-required]

    def data_received(self, data: bytes) -> None:
        if self._cut:
            return
        self.conn.now_s = now_s = self.loop.time()
        if not self._bytes.take(len(data), now_s):
            return self._cut_off(CloseReason.TOO_FAST, "more bytes than sound can need")
        if not self.conn.work.take(1.0, now_s):
            return self._cut_off(CloseReason.TOO_FAST, "bytes in more pieces than sound can need")
        super().data_received(data)

    def handle_ping(self) -> None:
        # Writing to one that has gone prints a line for each.
        if not self.transport.is_closing():
            super().handle_ping()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError as problem:
                self.frames = []
                message = f"a text that is no UTF-8: {problem.reason} at byte {problem.start}"
                return self._cut_off(CloseReason.BAD_MESSAGE, message)
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """Close what broke the rules of WebSockets; the message and the frame that say so are ready to be sent."""
        closed = self.conn.close_sent
        if closed is None:
            # Before the handshake was answered there is nothing that it could be told by.
            return self.transport.abort()
        self.transport.write(b"".join(self.conn.data_to_send()))
        self._end(closed.code, closed.reason)
        self._read_no_more()

    def keepalive_timeout(self) -> None:
        stall_s = self._limits.stall_s
        self._tell(CloseReason.STALLED, f"nothing of what was sent was read for {stall_s:g} s")

    async def run_asgi(self) -> None:
        await super().run_asgi()
        # What is closed and not read would stay.
        self.loop.call_later(self._limits.stall_s, self.transport.abort)

    def shutdown(self) -> None:
        if not self.handshake_complete:
            return super().shutdown()
        self._tell(CloseReason.STOPPING, "the server is being stopped")

    def _cut_off(self, reason: CloseReason, message: str) -> None:
        self._tell(reason, message)
        self._read_no_more()

    def _read_no_more(self) -> None:
        """Read nothing more, whoever asks."""
        self._cut = True
        self.read_paused = False
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def _tell(self, reason: CloseReason, message: str) -> None:
        """Say why it ends, past all that waits to be sent, and close."""
        if self.handshake_complete and not (self.close_sent or self.transport.is_closing()):
            self.conn.send_text(Closing(reason=reason, message=message).model_dump_json().encode())
            self.conn.send_close(CLOSE_CODES[reason], reason.value)
            self.transport.write(b"".join(self.conn.data_to_send()))
            return self._end(CLOSE_CODES[reason], reason.value)
        self._close_soon()

    def _end(self, code: int, reason: str) -> None:
        """Let the application know what was sent, and close."""
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._close_soon()

    def _close_soon(self) -> None:
        self.stop_keepalive()
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(CUT_S, self._close)

    def _close(self) -> None:
        # Over TLS closing twice would leave nothing to be aborted.
        if not self.transport.is_closing():
            self.transport.close()

"""Running the application: the socket it listens on, its protocols with a guard on each connection."""

import asyncio
import socket
from typing import Any

from mien.errors import MienError
from mien.serving.certificate import Certificate
from mien.serving.limits import Allowance, Limits

HTTP_S = 60.0
"""Longest life of a connection that is no WebSocket: the page's files take a second."""

BYTES_PER_S = 400_000.0
"""Twice what sound at 48 kHz takes; it is counted before frames are put together, so half messages count too."""

SHUTDOWN_S = 5


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        MienError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise MienError(
            f"cannot listen on {host} port {port}: {reason}; choose another --port, or a --host of this machine "
            "(127.0.0.1, 0.0.0.0 for all of its networks)"
        ) from None


def server_of(app: Any, limits: Limits, certificate: Certificate | None = None) -> Any:
    """Return a uvicorn server of an application; `run(sockets=[...])` serves until it is stopped.

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

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            asyncio.get_running_loop().call_later(HTTP_S, self._end, transport)

        def _end(self, transport: Any) -> None:
            # After an upgrade the transport has another protocol.
            if transport.get_protocol() is self:
                transport.abort()

    class CountedSocket(WebSocketsSansIOProtocol):
        """A WebSocket that is cut off where more bytes come than sound can need, whatever they are."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            now_s = asyncio.get_running_loop().time()
            most = BYTES_PER_S * max(1.0, limits.sound_burst_s)
            self._allowed = Allowance(BYTES_PER_S, most, now_s)

        def data_received(self, data: bytes) -> None:
            if self._allowed.take(len(data), asyncio.get_running_loop().time()):
                super().data_received(data)
            else:
                self.transport.abort()

    config = uvicorn.Config(
        app,
        http=ShortHttp,
        ws=CountedSocket,
        # A little above what the application refuses with a reason of its own.
        ws_max_size=2 * limits.frame_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
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

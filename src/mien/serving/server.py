"""Running the application: the socket it listens on, its protocols with a guard on each connection."""

from functools import partial
from typing import Any

from mien.errors import MienError
from mien.serving.certificate import Certificate
from mien.serving.doors import Doors
from mien.serving.limits import Limits, PerAddress

SHUTDOWN_S = 5


def server_of(app: Any, doors: Doors, limits: Limits, certificate: Certificate | None = None) -> Any:
    """Return a uvicorn server of an application; `run(sockets=[doors])` serves until it is stopped.

    Raises:
        MienError: the packages that it needs are not installed.
    """
    try:
        import uvicorn

        from mien.serving.bounded_http import BoundedHttp
        from mien.serving.bounded_socket import BoundedSocket
    except ImportError:
        raise MienError("serving needs the packages uvicorn and websockets: pip install 'mien[live]'") from None
    config = uvicorn.Config(
        app,
        http=partial(BoundedHttp, doors, PerAddress(limits.reads_per_s, limits.reads_burst)),  # type: ignore[arg-type]
        ws=partial(BoundedSocket, doors, limits),  # type: ignore[arg-type]
        # A little above what the application refuses with a reason of its own.
        ws_max_size=2 * limits.frame_bytes,
        ws_per_message_deflate=False,
        # Others do not accept by `Doors`.
        loop="asyncio",
        ws_ping_interval=limits.stall_s / 2,
        ws_ping_timeout=limits.stall_s,
        # Its warnings are of what clients do wrong: a line for each would fill the terminal. Faults of ours are errors.
        log_level="error",
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

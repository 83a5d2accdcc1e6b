"""What every answer carries, and what is refused before anything is answered."""

import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from mien.serving.addresses import allowed_host, allowed_origin

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_HOST = re.compile(r"[A-Za-z0-9.\-\[\]:]{1,255}")


def security_headers(host: str, *, https: bool) -> dict[str, str]:
    """Return the headers of every answer: nothing from elsewhere, nothing to elsewhere, no frame around it.

    `connect-src` names the WebSocket's address too, which older Safari does not count as 'self'.
    """
    socket = f"{'wss' if https else 'ws'}://{host}"
    policy = (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"media-src 'self' blob:; font-src 'self'; manifest-src 'self'; connect-src 'self' {socket}; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    )
    return {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "permissions-policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-resource-policy": "same-origin",
    }


class Guard:
    """Refuses requests to names that are not ours and sockets from other pages, and adds the headers.

    Args:
        app: what is guarded.
        names: by which the server may be addressed. https: whether it is served over TLS.
    """

    def __init__(self, app: App, names: Sequence[str], *, https: bool) -> None:
        self._app, self._names, self._https = app, names, https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if not (_HOST.fullmatch(host) and allowed_host(host, self._names)):
            return await _refused(scope, send, f"this server is not called {host[:80]!r}; use the link it shows")
        if scope["type"] == "websocket":
            if not allowed_origin(headers.get(b"origin"), host, https=self._https):
                return await _refused(scope, send, "a page of another origin may not connect")
            return await self._app(scope, receive, send)

        added = [(name.encode(), value.encode()) for name, value in security_headers(host, https=self._https).items()]

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *added]
            await send(message)

        return await self._app(scope, receive, send_with_headers)


async def _refused(scope: Scope, send: Send, why: str) -> None:
    if scope["type"] == "websocket":
        # Before it is accepted, closing answers the handshake with 403.
        return await send({"type": "websocket.close", "code": 1008, "reason": ""})
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    return await send({"type": "http.response.body", "body": why.encode()})

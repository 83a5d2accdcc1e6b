"""Who is who: a link's token becomes a cookie, a cookie finds its session, and a session has one stream at a time.

On this machine alone (loopback) no token is needed: every browser gets a session of its own. On a network, a session
comes of a token that stands in a link (or its QR code) in the terminal. A token makes one session. Until that session's
first stream it may be exchanged again, in place of what it made before: what previews links (chat programs, scanners)
would else use it up.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TOKEN_S = 3600.0
"""A link that nobody opens for so long is void."""

MOST_TOKENS = 64


@dataclass(slots=True, eq=False)
class Session:
    """One browser, from its link on, over all of its connections.

    Args:
        cookie_hash: by which it is found; the cookie itself is kept nowhere.
        stream: the connection that is open now, or None.
        memory: what its views keep between connections: calibration, the last check.
    """

    cookie_hash: bytes
    made_s: float
    token_hash: bytes | None = None
    stream: Any = None
    n_streams: int = 0
    memory: dict[str, Any] = field(default_factory=dict)


class Sessions:
    """All sessions of a server.

    Args:
        needs_token: whether a session needs a token, as on a network.
        clock: seconds that only rise.
        memory_s: how long a session lasts. most: how many there are at once.
    """

    def __init__(
        self, *, needs_token: bool, clock: Callable[[], float], memory_s: float = 12 * 3600.0, most: int = 64
    ) -> None:
        self.needs_token = needs_token
        self.on_token_used: Callable[[], None] = lambda: None
        """Called when a token has served, so that a new link can be shown."""
        self._clock, self._memory_s, self._most = clock, memory_s, most
        self._tokens: dict[bytes, float] = {}
        self._sessions: dict[bytes, Session] = {}

    def new_token(self) -> str:
        """Return a token for one link."""
        token = secrets.token_urlsafe(24)
        while len(self._tokens) >= MOST_TOKENS:
            self._tokens.pop(next(iter(self._tokens)))
        self._tokens[_hash(token)] = self._clock() + TOKEN_S
        return token

    def exchange(self, token: str) -> str | None:
        """Return a new session's cookie for a token; None where the token is none, too old or has served."""
        found = _hash(token)
        if self._tokens.get(found, 0.0) < self._clock():
            self._tokens.pop(found, None)
            return None
        for session in [each for each in self._sessions.values() if each.token_hash == found]:
            self._drop(session)
        return self._new(found)

    def open(self) -> str:
        """Return the cookie of a new session without a token, where none is needed."""
        if self.needs_token:
            raise PermissionError("a session on a network comes of a token")
        return self._new(None)

    def find(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie."""
        session = self._sessions.get(_hash(cookie)) if cookie else None
        if session is not None and self._clock() - session.made_s > self._memory_s:
            self._drop(session)
            return None
        return session

    def begin_stream(self, session: Session, stream: Any) -> Any:
        """Give a session its stream; the link's token has served. Return the stream it had, which must end."""
        former, session.stream = session.stream, stream
        session.n_streams += 1
        if session.token_hash is not None and self._tokens.pop(session.token_hash, None) is not None:
            self.on_token_used()
        return former

    def end_stream(self, session: Session, stream: Any) -> None:
        """Say that a stream is over; one that was replaced takes nothing from the new one."""
        if session.stream is stream:
            session.stream = None

    @property
    def n_streams(self) -> int:
        """Return how many streams are open."""
        return len(self.streams())

    def streams(self) -> list[Any]:
        """Return the streams that are open."""
        return [session.stream for session in self._sessions.values() if session.stream is not None]

    def __len__(self) -> int:
        return len(self._sessions)

    def _new(self, token_hash: bytes | None) -> str:
        idle = [session for session in self._sessions.values() if session.stream is None]
        # In the order they were made; those without a stream so far go first, which any page could have asked for.
        idle.sort(key=lambda session: session.n_streams > 0)
        for session in idle[: max(0, len(self._sessions) - self._most + 1)]:
            self._drop(session)
        cookie = secrets.token_urlsafe(24)
        self._sessions[_hash(cookie)] = Session(_hash(cookie), self._clock(), token_hash)
        return cookie

    def _drop(self, session: Session) -> None:
        self._sessions.pop(session.cookie_hash, None)


def _hash(secret: str) -> bytes:
    # Looking a hash up tells nothing by the time it takes.
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()

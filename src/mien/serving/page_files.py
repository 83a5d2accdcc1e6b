"""The page's files, read once: what is asked for is looked up among them, so no path of a client is ever used."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.responses import Response

from mien.errors import ModelError

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


PIECE_BYTES = 65_536


class InPieces(Response):
    """An answer of which a client that reads slowly holds a piece or two; all share the one buffer it is sent from."""

    async def __call__(self, scope: Any, receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        content = memoryview(self.body)
        for start in range(0, len(content), PIECE_BYTES):
            await send({"type": "http.response.body", "body": content[start : start + PIECE_BYTES], "more_body": True})
            # Others take their turn, and one that has gone is known before more is written.
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page and its type."""

    content: bytes
    media_type: str


def page_files(folder: Path) -> dict[str, PageFile]:
    """Return the files of a folder and below by their names relative to it, those of known types.

    Raises:
        ModelError: there is no index.html among them.
    """
    found = {
        path.relative_to(folder).as_posix(): PageFile(path.read_bytes(), TYPES[path.suffix])
        for path in sorted(folder.rglob("*"))
        if path.suffix in TYPES and path.is_file()
    }
    if "index.html" not in found:
        raise ModelError(f"this installation lacks the page ({folder}/index.html); install mien again")
    return found

"""The page's files, read once: what is asked for is looked up among them, so no path of a client is ever used."""

from dataclasses import dataclass
from pathlib import Path

from mien.errors import ModelError

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


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

"""Writing files so that a crash, Ctrl-C or a full disk leaves either the old file or the new one, never half of one."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from mien.errors import MienError, StorageError

LARGEST_TEXT_BYTES = 256 * 1024 * 1024
"""No description or table that mien reads comes near this; a larger file is not what it claims to be."""


_CLUTTER = {".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".directory"}


def is_clutter(path: Path | str) -> bool:
    """Return whether a file is what desktops leave in every folder they show: nobody put it there, nothing is in it.

    Example:
        >>> [is_clutter(name) for name in ("._take.wav", "a/.DS_Store", "Thumbs.db", "take.wav")]
        [True, True, True, False]
    """
    name = Path(path).name
    return name.startswith("._") or name.lower() in _CLUTTER


def files_below(folder: Path, endings: Iterable[str]) -> list[Path]:
    """Return the files in a folder and below whose names end so (lower case), by name, without clutter."""
    wanted = tuple(endings)
    found = (path for path in Path(folder).rglob("*") if path.suffix.lower() in wanted and not is_clutter(path))
    return sorted(path for path in found if path.is_file())


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into a `StorageError` that names the file and the remedy."""
    try:
        yield
    except OSError as error:
        remedies = {
            errno.ENOSPC: "the disk is full; free space or choose another folder, then run again with --resume",
            errno.EDQUOT: "your quota is used up; free space or choose another folder, then run again with --resume",
            errno.EFBIG: "a file may not grow as large here; choose another folder",
            errno.EIO: "the disk reports an error; choose another disk",
            errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
            errno.ENOTDIR: "a file stands where a folder should be; choose another folder (--out)",
            errno.EEXIST: "a file stands where a folder should be; choose another folder (--out)",
            errno.EISDIR: "a folder stands in its place; choose another name",
            errno.EPERM: "permission denied; choose a folder you may write to",
            errno.EACCES: "permission denied; choose a folder you may write to",
            errno.EROFS: "the disk is read-only; choose another folder",
        }
        if error.errno not in remedies:
            raise
        raise StorageError(f"cannot write {path}: {remedies[error.errno]}") from error


def refuse_file_in_the_way(path: Path) -> None:
    """Refuse a folder that could not be made because a file stands at its place or above it; nothing is made.

    Raises:
        StorageError: there is such a file.
    """
    standing = next((each for each in (Path(path), *Path(path).parents) if each.exists()), None)
    if standing is not None and not standing.is_dir():
        with storing(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(standing))


def make_folder(path: Path) -> None:
    """Make a folder and those above it where they are not there.

    Raises:
        StorageError: it cannot be made.
    """
    with storing(path):
        Path(path).mkdir(parents=True, exist_ok=True)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to the disk, then rename it into place.

    Args:
        write: called with the temporary path, which has the suffix of `path`.

    Raises:
        StorageError: the disk cannot take it. Nothing is left behind.
    """
    path = Path(path)
    with storing(path), _written_beside(path, write) as temporary:
        temporary.replace(path)
        flush_folder(path.parent)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several files of which none is of use without the others: none is replaced before all are on the disk.

    Raises:
        StorageError: the disk cannot take one of them. All old files stay, and nothing else is left behind.
    """
    with ExitStack() as stack:
        temporaries = {}
        for path, content in contents.items():
            with storing(path):
                temporaries[path] = stack.enter_context(_written_beside(path, partial(Path.write_bytes, data=content)))
        for path, temporary in temporaries.items():
            with storing(path):
                temporary.replace(path)
        for folder in {path.parent for path in temporaries}:
            with storing(folder):
                flush_folder(folder)


@contextmanager
def _written_beside(path: Path, write: Callable[[Path], object]) -> Iterator[Path]:
    """Yield a temporary file beside `path`, filled and flushed to the disk; afterwards it is gone."""
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=f".tmp{path.suffix}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable, so that a rename outlives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, values: Any) -> None:
    """Write JSON atomically, one value a line, non-numbers refused."""
    write_text(path, json_text(values))


def json_text(values: Any) -> str:
    """Return JSON as it is written, one value a line; non-numbers are a ValueError."""
    return json.dumps(values, indent=1, allow_nan=False) + "\n"


def read_text(path: Path, error: type[MienError]) -> str:
    """Return a UTF-8 text file, with or without a byte order mark.

    Raises:
        MienError: of the class `error`, where the file is missing, unreadable, too large or not UTF-8.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_TEXT_BYTES:
            raise error(f"{path} has {path.stat().st_size} bytes; at most {LARGEST_TEXT_BYTES} are read")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(f"{path} is not UTF-8 text: byte {problem.start} is {problem.object[problem.start]:#04x}") from None
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise error(f"{path} cannot be read: {reason}") from None


def read_json(path: Path, error: type[MienError]) -> dict[str, Any]:
    """Return the JSON object in a file; NaN and infinity are refused.

    Raises:
        MienError: of the class `error`, where the file cannot be read or holds no JSON object.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    text = read_text(path, error)
    try:
        values = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as problem:
        raise error(f"{path} is not JSON: {problem}") from None
    if not isinstance(values, dict):
        raise error(f"{path} holds a JSON {type(values).__name__}; an object {{...}} is needed")
    return values


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

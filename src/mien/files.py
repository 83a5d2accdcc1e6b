"""Writing files so that a crash, Ctrl-C or a full disk leaves either the old file or the new one, never half of one.

And reading them: regular files alone, and never more of one than its reader has a bound for.
"""

import errno
import hashlib
import json
import math
import os
import stat
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any

from mien.errors import MienError, StorageError

LARGEST_TEXT_BYTES = 64 << 20
LARGEST_JSON_BYTES = 32 << 20
"""No table or description that mien reads comes near these; of a larger JSON file its values alone could take 2 GB."""

DEEPEST_JSON = 64
"""Objects and lists within each other: what walks through values may call itself that often."""

MOST_ENTRIES = 500_000
"""Files and folders below a folder that is looked through."""

FULL = {
    errno.ENOSPC: "the disk is full; free space or choose another folder, then run again with --resume",
    errno.EDQUOT: "your quota is used up; free space or choose another folder, then run again with --resume",
    errno.EFBIG: "a file may not grow as large here; choose another folder",
    errno.EIO: "the disk reports an error; choose another disk",
}
"""What no program can help, wherever it meets it."""

_REMEDIES = FULL | {
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ENOTDIR: "a file stands where a folder should be; choose another folder (--out)",
    errno.EEXIST: "a file stands where a folder should be; choose another folder (--out)",
    errno.EISDIR: "a folder stands in its place; choose another name",
    errno.EPERM: "permission denied; choose a folder you may write to",
    errno.EACCES: "permission denied; choose a folder you may write to",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ELOOP: "a link there leads to itself; choose another folder",
}

_CLUTTER = {".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".directory"}


def is_clutter(path: Path | str) -> bool:
    """Return whether a file is what desktops leave in every folder they show: nobody put it there, nothing is in it.

    Example:
        >>> [is_clutter(name) for name in ("._take.wav", "a/.DS_Store", "Thumbs.db", "take.wav")]
        [True, True, True, False]
    """
    name = Path(path).name
    return name.startswith("._") or name.lower() in _CLUTTER


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into a `StorageError` that names the file and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        raise StorageError(f"cannot write {path}: {_REMEDIES[error.errno]}") from error


@contextmanager
def _making(path: Path) -> Iterator[None]:
    """Turn any refusal to make a file or folder into a `StorageError`: /proc says that there is no such place."""
    try:
        with storing(path):
            yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"cannot write {path}: nothing can be made there ({reason}); choose another") from error


def refuse_unwritable(path: Path) -> None:
    """Refuse a folder that could not be made or written to, before anything is done for it; nothing is left there.

    Raises:
        StorageError: a file stands in its place or above it, the name is too long, or the system refuses it.
    """
    path = Path(path)
    missing = [each for each in (path, *path.parents) if not os.path.lexists(each)]
    make_folder(path)
    try:
        with _making(path), tempfile.TemporaryFile(dir=path):
            pass
    finally:
        with suppress(OSError):
            for each in missing:
                each.rmdir()


def make_folder(path: Path) -> None:
    """Make a folder and those above it where they are not there.

    Raises:
        StorageError: it cannot be made.
    """
    with _making(path):
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
    with _making(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=f".tmp{path.suffix}", dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb") as stream:
            flush(stream.fileno())
        with suppress(OSError):  # a share may know of no permissions
            temporary.chmod(0o644)
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable, so that a rename outlives a power cut."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # some systems open no folders, and then flush none either
        return
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def flush(descriptor: int) -> None:
    """Bring what was written to the disk, where the system can: some shares cannot, and keep it as well as they do.

    Raises:
        OSError: what was written is lost.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF):
            raise


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


def open_regular(path: Path, error: type[MienError]) -> BufferedReader:
    """Open a file for reading, if it is one: a named pipe would be waited for, and a device never ends.

    Raises:
        MienError: of the class `error`, where it is missing, no regular file, or cannot be opened.
    """
    try:
        # Looked at before opening, which already acts on some devices, and again in case it was exchanged meanwhile.
        _refuse_irregular(path, os.stat(path), error)
        flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        stream = os.fdopen(os.open(path, os.O_RDONLY | flags), "rb")
    except (OSError, ValueError) as problem:
        raise _unreadable(path, problem, error) from None
    try:
        _refuse_irregular(path, os.fstat(stream.fileno()), error)
    except MienError:
        stream.close()
        raise
    return stream


def _refuse_irregular(path: Path, status: os.stat_result, error: type[MienError]) -> None:
    mode = status.st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFIFO: "named pipe", stat.S_IFDIR: "folder", stat.S_IFSOCK: "socket"}
        kind = kinds.get(stat.S_IFMT(mode), "device")
        raise error(f"{path} cannot be read: it is not a file but a {kind}, or a link to one; name a regular file")


def _unreadable(path: Path, problem: OSError | ValueError, error: type[MienError]) -> MienError:
    return error(f"{path} cannot be read: {getattr(problem, 'strerror', None) or problem}")


def read_bytes(path: Path, error: type[MienError], most: int = LARGEST_TEXT_BYTES) -> bytes:
    """Return what a regular file holds.

    Args:
        most: bytes that it may have.

    Raises:
        MienError: of the class `error`, where the file is missing, no regular one, unreadable or too large.
    """
    with open_regular(path, error) as stream:
        try:
            # Read, not asked for: files of /proc say that they have no bytes at all.
            content: bytes | None = stream.read(most + 1)
        except OSError as problem:
            raise _unreadable(path, problem, error) from None
        if content is None:  # such a file would be waited for
            raise error(f"{path} cannot be read: it has nothing to read yet; name a regular file")
        n_bytes = max(len(content), os.fstat(stream.fileno()).st_size)
    if n_bytes > most:
        raise error(f"{path} has {n_bytes} bytes; at most {most} are read: is it the file that was meant?")
    return content


def read_text(path: Path, error: type[MienError], most: int = LARGEST_TEXT_BYTES) -> str:
    """Return a UTF-8 text file, with or without a byte order mark.

    Args:
        most: bytes that it may have.

    Raises:
        MienError: of the class `error`, where the file is missing, no regular one, unreadable, too large or not UTF-8.
    """
    try:
        return read_bytes(path, error, most).decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(f"{path} is not UTF-8 text: byte {problem.start} is {problem.object[problem.start]:#04x}") from None


def read_json(path: Path, error: type[MienError], most: int = LARGEST_JSON_BYTES) -> dict[str, Any]:
    """Return the JSON object in a file; see `parse_json` for what is refused.

    Args:
        most: bytes that it may have.

    Raises:
        MienError: of the class `error`, where the file cannot be read or holds no JSON object.
    """
    try:
        values = parse_json(read_text(path, error, most))
    except ValueError as problem:
        raise error(f"{path} is not JSON: {problem}") from None
    if not isinstance(values, dict):
        raise error(f"{path} holds a JSON {type(values).__name__}; an object {{...}} is needed")
    return values


def parse_json(text: str) -> Any:
    """Return the values that JSON text spells.

    Raises:
        ValueError: it is none; or it holds NaN, infinity, a number beyond what a float holds, a name twice in one
            object, or values deeper within each other than `DEEPEST_JSON`.

    Example:
        >>> parse_json('{"a": [1, 2.5]}')
        {'a': [1, 2.5]}
    """
    try:
        values = json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_each_once)
    except RecursionError:
        raise ValueError(f"its values lie deeper within each other than {DEEPEST_JSON} levels") from None
    level = [values]
    for _ in range(DEEPEST_JSON):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [value for values in inner for value in values]
    if level:
        raise ValueError(f"its values lie deeper within each other than {DEEPEST_JSON} levels")
    return values


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    if not math.isfinite(float(number)):
        raise ValueError(f"{number[:40]} is larger than any number that is read")
    return float(number)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise ValueError(f"{counts.most_common(1)[0][0]!r} is named twice in one object")
    return values


def files_below(folder: Path, endings: Iterable[str] | None = None, error: type[MienError] = MienError) -> list[Path]:
    """Return the files in a folder and below, by name; links to folders are not followed.

    What is no regular file is returned too, unless it is a folder: `open_regular` refuses it by name.

    Args:
        endings: how their names end (lower case), clutter left out; None takes all there are.

    Raises:
        MienError: of the class `error`, where the folder cannot be looked through, or holds more than `MOST_ENTRIES`.
    """
    found: list[Path] = []
    waiting = [Path(folder)]
    n_entries = 0
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    n_entries += 1
                    if n_entries > MOST_ENTRIES:
                        raise error(f"{folder} holds more than {MOST_ENTRIES} files and folders; name one with fewer")
                    (waiting if entry.is_dir(follow_symlinks=False) else found).append(Path(entry.path))
        except PermissionError as problem:
            if here == Path(folder):
                raise _unreadable(here, problem, error) from None
        except OSError as problem:
            raise _unreadable(here, problem, error) from None
    wanted = None if endings is None else tuple(endings)
    return sorted(path for path in found if wanted is None or (path.suffix.lower() in wanted and not is_clutter(path)))


def sha256(path: Path, error: type[MienError] = MienError) -> str:
    """Return the SHA-256 of a regular file as hexadecimal digits.

    Raises:
        MienError: of the class `error`, where it is none, or cannot be read.
    """
    with open_regular(path, error) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

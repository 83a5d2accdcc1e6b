"""A study's folder while it is being changed: its lock, its identifiers, what a killed writer leaves in it."""

import fcntl
import os
import re
from pathlib import Path
from typing import Any

from mien.errors import StudyError
from mien.files import storing

LOCK_FILE = ".lock"

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_TEMPORARY = re.compile(r"\..+-[a-z0-9_]{8}\.tmp(\.[A-Za-z0-9]+)?")


def lock(path: Path) -> int:
    """Make a study's folder if need be and keep other writers out of it until the returned descriptor is closed.

    Raises:
        StudyError: the path is a file, or another writer is at work.
        StorageError: the folder cannot be made.
    """
    if path.exists() and not path.is_dir():
        raise StudyError(f"{path} is a file; a study needs a folder")
    with storing(path):
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StudyError(f"{path} is being written by another process; wait until it ends, or stop it") from None
    return descriptor


def check_identifiers(**identifiers: Any) -> None:
    """Refuse what cannot name a subject, session or take.

    Raises:
        StudyError: something else than text of letters, digits and hyphens.
    """
    for name, value in identifiers.items():
        if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
            raise StudyError(f"{name} is {value!r}; text of letters, digits and hyphens such as '001' is needed")


def is_leftover(name: str) -> bool:
    """Say whether a file's name is that of a temporary file of `files.write_atomically`."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_leftovers(path: Path) -> list[Path]:
    """Remove the temporary files that a killed writer left in a study, and return which they were."""
    found = [entry for entry in Path(path).rglob(".*.tmp*") if is_leftover(entry.name) and entry.is_file()]
    for entry in found:
        entry.unlink(missing_ok=True)
    return found

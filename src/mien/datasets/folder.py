"""A study's folder while it is being changed: its lock, its identifiers, what a killed writer leaves in it."""

import fcntl
import os
import re
from pathlib import Path
from typing import Any

from mien.errors import StudyError
from mien.files import files_below, make_folder, storing
from mien.sound_files import sidecar_path

LOCK_FILE = ".lock"

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_TEMPORARY = re.compile(r"\..+-[a-z0-9_]{8}\.tmp(\.[A-Za-z0-9]+)?")


def lock(path: Path) -> int:
    """Make a study's folder if need be and keep other writers out of it until the returned descriptor is closed.

    Raises:
        StudyError: the path is a file, or another writer is at work.
        StorageError: the folder cannot be made.
    """
    if os.path.exists(path) and not os.path.isdir(path):
        raise StudyError(f"{path} is a file; a study needs a folder")
    make_folder(path)
    with storing(path / LOCK_FILE):
        # Nothing is made or locked through a link, and a named pipe in its place is not waited for.
        safely = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | safely, 0o644)
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


def take_stem(subject: str, session: str, take: str) -> str:
    """Return what the names of a take's files begin with, relative to the study.

    Example:
        >>> take_stem("001", "01", "0003")
        'sub-001/ses-01/sub-001_ses-01_take-0003'
    """
    return f"sub-{subject}/ses-{session}/sub-{subject}_ses-{session}_take-{take}"


def remove_take_files(sound: Path) -> None:
    """Remove a take's sound, its sidecar, and labels, landmarks and video, which share its stem."""
    for entry in (sound, sidecar_path(sound)):
        entry.unlink(missing_ok=True)
    stem = sound.stem.removesuffix("_echo")
    if stem != sound.stem and sound.parent.is_dir():
        for beside in sound.parent.glob(f"{stem}_*"):
            beside.unlink(missing_ok=True)


def is_leftover(name: str) -> bool:
    """Say whether a file's name is that of a temporary file of `files.write_atomically`."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_leftovers(path: Path) -> list[Path]:
    """Remove the temporary files that a killed writer left in a study, and return which they were."""
    found = [entry for entry in files_below(path, error=StudyError) if is_leftover(entry.name)]
    for entry in found:
        entry.unlink(missing_ok=True)
    return found

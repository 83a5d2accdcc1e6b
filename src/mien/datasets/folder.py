"""A study's folder while it is being changed: its lock, its identifiers, whose its files are.

Nothing is deleted because the table does not list it: it is moved to `unlisted/`; `mien check --adopt` brings it back.
"""

import fcntl
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from filecmp import cmp
from itertools import count
from pathlib import Path
from typing import Any

from mien.errors import StudyError
from mien.files import files_below, make_folder, storing
from mien.progress import talk
from mien.sound_files import sidecar_path

LOCK_FILE = ".lock"

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
UNLISTED = "unlisted"
"""Where a study keeps files that its table does not list."""

# Of what a study's writers write themselves, and of nothing else: these alone are removed unasked.
_TEMPORARY = re.compile(r"\.(takes|participants|study|sub-.+_ses-.+)-[a-z0-9_]{8}\.tmp\.(tsv|json|flac|wav|npz|mp4)")


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
    except (BlockingIOError, PermissionError):  # the latter where a share stands in for the lock
        os.close(descriptor)
        raise StudyError(f"{path} is being written by another process; wait until it ends, or stop it") from None
    except OSError:
        talk.print(f"{path} lies where files cannot be locked; let nobody else write to it meanwhile", highlight=False)
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


@dataclass(frozen=True, slots=True)
class Listed:
    """The files that are some takes': their sounds, and what lies beside each under the same stem."""

    files: frozenset[Path]
    stems: frozenset[Path]

    def __contains__(self, entry: Path) -> bool:
        return any(
            form in self.files or form.with_name(form.stem.rpartition("_")[0] or form.name) in self.stems
            for form in _forms(entry)
        )


def listed_files(sounds: Iterable[Path]) -> Listed:
    """Return which files belong to takes: sound, sidecar, and labels, landmarks and video, which share a stem."""
    forms = {form for sound in sounds for form in _forms(sound)}
    stems = {form.with_name(form.stem.removesuffix("_echo")) for form in forms if form.stem.endswith("_echo")}
    return Listed(frozenset(forms | {sidecar_path(form) for form in forms}), frozenset(stems))


def _forms(path: Path) -> set[Path]:
    # A path as it is written, and what it leads to where it is a link: either must not be lost.
    try:
        return {Path(os.path.normpath(path.absolute())), path.resolve()}
    except (OSError, RuntimeError):
        return {Path(os.path.normpath(path.absolute()))}


def files_of_take(sound: Path, others: Listed) -> list[Path]:
    """Return a take's files that are there, but none that is another's.

    Args:
        others: files of all other takes.
    """
    own = listed_files([sound])
    entries = sorted(sound.parent.iterdir()) if sound.parent.is_dir() else []
    return [entry for entry in entries if entry in own and entry not in others and not entry.is_dir()]


def remove_take_files(sound: Path, others: Listed) -> None:
    """Remove a take's files; see `files_of_take`."""
    for entry in files_of_take(sound, others):
        entry.unlink(missing_ok=True)


def set_aside(study: Path, files: Iterable[Path]) -> dict[Path, Path]:
    """Move files into `unlisted/`, where they keep the way to them; nothing that lies there is replaced.

    Returns:
        Where each file was -> where it is; empty where none of them is there.

    Raises:
        StorageError: a file cannot be moved.
    """
    there = [file for file in files if os.path.lexists(file)]
    if not there:
        return {}
    for number in count(1):
        root = study / UNLISTED / ("" if number == 1 else str(number))
        moved = {file: root / file.absolute().relative_to(study.absolute()) for file in there}
        if not any(map(os.path.lexists, moved.values())):
            break
    for file, place in moved.items():
        with storing(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            file.rename(place)
    return moved


def drop_equal(moved: Mapping[Path, Path]) -> dict[Path, Path]:
    """Remove files that were set aside where the very same bytes have been written in their place since.

    Returns:
        Those that stay set aside.
    """
    if all(old.is_file() and place.is_file() and cmp(old, place, shallow=False) for old, place in moved.items()):
        for place in moved.values():
            place.unlink()
            with suppress(OSError):
                os.removedirs(place.parent)  # those that are empty now
        return {}
    return dict(moved)


def is_leftover(name: str) -> bool:
    """Say whether a file's name is that of a temporary file of a study's writer."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_leftovers(path: Path) -> list[Path]:
    """Remove the temporary files that a killed writer left in a study, and return which they were."""
    found = [entry for entry in files_below(path, error=StudyError) if is_leftover(entry.name)]
    for entry in found:
        entry.unlink(missing_ok=True)
    return found

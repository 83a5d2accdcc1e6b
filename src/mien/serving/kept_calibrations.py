"""Calibrated models on disk: kept for who asked for it, deleted when they say `forget`."""

import shutil
from pathlib import Path
from typing import Any

from mien.errors import MienError, StorageError
from mien.serving.messages import Forgotten
from mien.serving.views import Answer, error_of

CALIBRATED, FOLDER = "calibrated", "calibration_folder"
"""A session's memory has its calibrated model, and the folder it is kept in, under these names."""


def keep(recognizer: Any, folder: Path, memory: dict[str, Any]) -> None:
    """Write a session's calibrated model into a folder of its own, in `folder`.

    Raises:
        StorageError: the disk cannot take it; nothing of it is left there.
    """
    own = _new_folder(folder)
    memory[FOLDER] = own
    try:
        recognizer.save(own)
    except MienError:
        _delete(memory)
        raise


def forget(memory: dict[str, Any]) -> None:
    """Forget a session's calibration, and delete what of it is on disk.

    Raises:
        StorageError: it cannot be deleted; the session goes on knowing where it is, so that it can be tried again.
    """
    memory.pop(CALIBRATED, None)
    _delete(memory)


def forgotten(memory: dict[str, Any]) -> Answer:
    """Return the answer to `forget`."""
    try:
        forget(memory)
    except StorageError as problem:
        return Answer([error_of(problem)])
    return Answer([Forgotten()])


def _new_folder(folder: Path) -> Path:
    """Make a folder for the next person's model; its name is the server's own, and no two get the same."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        numbers = [int(path.name[7:]) for path in folder.glob("person-*") if path.name[7:].isdecimal()]
        number = max(numbers, default=0) + 1
        while True:
            try:
                (own := folder / f"person-{number:03d}").mkdir()
                return own
            except FileExistsError:
                number += 1
    except OSError as problem:
        raise StorageError(
            f"the calibrated model cannot be kept: {problem.strerror}; ask who runs this server to see to its folder"
        ) from None


def _delete(memory: dict[str, Any]) -> None:
    own = memory.get(FOLDER)
    if own is None:
        return
    try:
        shutil.rmtree(own)
    except FileNotFoundError:
        pass
    except OSError as problem:
        raise StorageError(
            f"the calibrated model that is kept as {own.name} cannot be deleted: {problem.strerror}; "
            "try again, or ask who runs this server to delete it"
        ) from None
    del memory[FOLDER]

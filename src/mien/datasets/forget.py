"""Removing a person from a study, whole."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from mien.datasets.folder import check_identifiers, lock, remove_take_files
from mien.datasets.study import TAKES_FILE, inside, read_header, read_participants
from mien.datasets.tables import REQUIRED, format_rows, read_table
from mien.errors import StudyError
from mien.files import write_text


def forget(path: Path | str, subject: str) -> int:
    """Remove a person whole: sound, sidecars and whatever else lies in their folder, then their rows.

    Files go first, so that after a crash `mien check` still names the person's missing takes; run it again then.

    Returns:
        How many takes were removed.

    Raises:
        StudyError: the study does not know the person, or their take's file is also another person's.
    """
    path = Path(path)
    header, _ = read_header(path)
    check_identifiers(subject=subject)
    descriptor = lock(path)
    try:
        takes = read_table(path / TAKES_FILE, REQUIRED)
        people = read_participants(path)
        gone = [row for row in takes.rows if row["subject"] == subject]
        kept = [row for row in takes.rows if row["subject"] != subject]
        folder = path / f"sub-{subject}"
        known = people is not None and any(row["subject"] == subject for row in people.rows)
        if not (gone or known or folder.exists()):
            raise StudyError(f"{path} knows no subject {subject}; nothing was removed")
        shared = sorted({row["path"] for row in gone} & {row["path"] for row in kept})
        if shared:
            raise StudyError(f"{shared[0]} is a take of subject {subject} and of another; put takes.tsv right first")
        if header.media == "relative":
            _remove_files(path, folder, [inside(path, row["path"]) for row in gone])
        write_text(takes.path, format_rows(takes.columns, kept))
        if people is not None:
            others = [row for row in people.rows if row["subject"] != subject]
            write_text(people.path, format_rows(people.columns, others))
        return len(gone)
    finally:
        os.close(descriptor)


def _remove_files(path: Path, folder: Path, files: list[Path]) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    for file in files:
        remove_take_files(file)
        with suppress(OSError):
            file.parent.rmdir()

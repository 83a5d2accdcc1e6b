"""Who is in a study that is being collected: the next free number, and whose session is unfinished."""

from pathlib import Path

from mien.collecting.plan import number_and_version
from mien.collecting.record import read_record
from mien.datasets.folder import UNLISTED
from mien.datasets.study import STUDY_FILE, TAKES_FILE, read_participants
from mien.datasets.tables import REQUIRED, read_table
from mien.identifiers import normal


def next_subject(study: Path | str) -> str:
    """Return the next person's identifier: three digits, one more than any in the study.

    Raises:
        StudyError: the study's tables cannot be read.

    Example:
        >>> next_subject("no such study")
        '001'
    """
    plain = map(normal, known_subjects(study))
    numbers = [int(subject) for subject in plain if subject.isascii() and subject.isdigit() and len(subject) < 19]
    return f"{max(numbers, default=0) + 1:03d}"


def known_subjects(study: Path | str) -> list[str]:
    """Return every subject that a study has in its tables or as a folder, of recordings set aside too.

    Raises:
        StudyError: the study's tables cannot be read.
    """
    study = Path(study)
    if not (study / STUDY_FILE).exists():
        return []
    people = read_participants(study)
    rows = [*read_table(study / TAKES_FILE, REQUIRED).rows, *(people.rows if people else ())]
    folders = [folder for pattern in ("", f"{UNLISTED}/", f"{UNLISTED}/*/") for folder in study.glob(f"{pattern}sub-*")]
    return list(dict.fromkeys([row["subject"] for row in rows] + [each.name.removeprefix("sub-") for each in folders]))


def unfinished(study: Path | str) -> list[tuple[str, str]]:
    """Return (subject, session) of every session that still has takes to come.

    Raises:
        StudyError: the study's tables, or a session's file, cannot be read.
    """
    study = Path(study)
    if not (study / STUDY_FILE).exists():
        return []
    rows = read_table(study / TAKES_FILE, REQUIRED).rows
    found = []
    for path in sorted(study.glob("sub-*/ses-*/sub-*_session.json")):
        record, _ = read_record(path, None, None)
        who = record.subject, record.session
        names = [number_and_version(row["take"]) for row in rows if (row["subject"], row["session"]) == who]
        settled = {name[0] for name in names if name} | set(record.skipped)
        if any(take.number not in settled for take in record.planned):
            found.append(who)
    return found

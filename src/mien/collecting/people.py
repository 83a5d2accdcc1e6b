"""Who is in a study that is being collected: the next free number, and whose session is unfinished."""

from pathlib import Path

from mien.collecting.plan import number_and_version
from mien.collecting.record import read_record
from mien.datasets.study import STUDY_FILE, TAKES_FILE, read_participants
from mien.datasets.tables import REQUIRED, read_table


def next_subject(study: Path | str) -> str:
    """Return the next person's identifier: three digits, one more than any in the study.

    Raises:
        StudyError: the study's tables cannot be read.

    Example:
        >>> next_subject("no such study")
        '001'
    """
    study = Path(study)
    if not (study / STUDY_FILE).exists():
        return "001"
    people = read_participants(study)
    known = {row["subject"] for row in people.rows} if people else set()
    known |= {row["subject"] for row in read_table(study / TAKES_FILE, REQUIRED).rows}
    known |= {folder.name.removeprefix("sub-") for folder in study.glob("sub-*")}
    numbers = [int(subject) for subject in known if subject.isascii() and subject.isdigit()]
    return f"{max(numbers, default=0) + 1:03d}"


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
    for path in sorted(study.glob("sub-*/ses-*/*_session.json")):
        record, _ = read_record(path, None, None)
        who = record.subject, record.session
        names = [number_and_version(row["take"]) for row in rows if (row["subject"], row["session"]) == who]
        settled = {name[0] for name in names if name} | set(record.skipped)
        if any(take.number not in settled for take in record.planned):
            found.append(who)
    return found

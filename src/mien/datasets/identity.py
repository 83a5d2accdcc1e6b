"""Whose take is whose: one subject under two spellings, and identifiers that are no longer those of the files."""

import re
from collections.abc import Iterable, Mapping

import pandas as pd

from mien.datasets.tables import KEY, Fault, Table, describe_key
from mien.errors import StudyError
from mien.identifiers import normal, normal_key, spellings, two_spellings
from mien.labels import UNKNOWN

_OURS = re.compile(r"sub-(?P<subject>[^_/]+)_ses-(?P<session>[^_/]+)_take-(?P<take>[^_/]+)_echo\.\w+")


def key_of_name(path: str) -> dict[str, str] | None:
    """Return the identifiers in the name of a take's sound, or None for a name of another make.

    Example:
        >>> key_of_name("sub-001/ses-01/sub-001_ses-01_take-0003_echo.flac")
        {'subject': '001', 'session': '01', 'take': '0003'}
    """
    found = _OURS.fullmatch(path.rsplit("/", 1)[-1])
    return found.groupdict() if found else None


def stored_key(row: Mapping[str, str]) -> dict[str, str] | None:
    """Return the identifiers that a take was stored with, where they are the row's in another spelling, else None."""
    stored = key_of_name(row["path"])
    if stored is None or all(stored[name] == row[name] for name in KEY) or normal_key(stored) != normal_key(row):
        return None
    return stored


def faults_of_spellings(takes: Table, people: Table | None) -> list[Fault]:
    """Return an error for each subject under several spellings, and one where identifiers differ from the files'."""
    lines: dict[str, str] = {}
    for table in (takes, people):
        for number, row in enumerate(table.rows if table else (), start=2):
            lines.setdefault(row["subject"], f"{table.path.name} line {number}" if table else "")
    changed = _faults_of_stored(takes)
    hint = "; `mien check --repair` writes a mended copy" if changed else ""
    faults = []
    for words in spellings(lines):
        where = ", ".join(f"{word!r} in {lines[word]}" for word in words)
        faults.append(Fault("error", takes.path.name, f"{two_spellings(words)} ({where}){hint}"))
    return faults + changed


def _faults_of_stored(takes: Table) -> list[Fault]:
    changed = [(number, row, stored) for number, row in enumerate(takes.rows, 2) if (stored := stored_key(row))]
    if not changed:
        return []
    number, row, stored = changed[0]
    return [
        Fault(
            "error",
            takes.path.name,
            f"identifiers are no longer those that {len(changed)} takes were stored with: line {number} has "
            f"{describe_key(row)}, stored as {describe_key(stored)}; a spreadsheet takes zeros away: there, import "
            "these columns as text. `mien check --repair` writes a mended copy",
        )
    ]


def refuse_spellings(takes: Table, people: Table | None) -> None:
    """Refuse tables in which a subject has several spellings, or other ones than the files.

    Raises:
        StudyError: naming them.
    """
    faults = faults_of_spellings(takes, people)
    if faults:
        raise StudyError(f"{takes.path}: {faults[0].message}")


def refuse_other_spelling(kind: str, identifier: str, known: Iterable[str], study: object) -> None:
    """Refuse an identifier that a study has in another spelling.

    Args:
        kind: "subject" or "session".

    Raises:
        StudyError: naming both.
    """
    others = [other for other in dict.fromkeys(known) if normal(other) == normal(identifier)]
    if others and identifier not in others:
        raise StudyError(
            f"{study} has {kind} {others[0]!r}, and {identifier!r} is the same in another spelling; use the first"
        )


def refuse_shared_sounds(sounds: Iterable[tuple[str, str, str]], whose: str) -> None:
    """Refuse one sound under two subjects: it would stand in training and in test, whatever the protocol.

    Args:
        sounds: subject, name and digest of each take; a digest of `n/a` is not known.

    Raises:
        StudyError: naming both takes.
    """
    first: dict[str, tuple[str, str]] = {}
    for subject, name, digest in sounds:
        if digest == UNKNOWN:
            continue
        other, named = first.setdefault(digest.lower(), (subject, name))
        if normal(other) != normal(subject):
            raise StudyError(
                f"{whose}: {named} and {name} are the same sound under two subjects, who would stand in training and "
                "in test; delete the line that is wrong from takes.tsv"
            )


def refuse_unsound_subjects(table: pd.DataFrame, whose: str) -> None:
    """Refuse a table of takes that has one subject as two, by spelling or by sound.

    Raises:
        StudyError: naming both.
    """
    several = spellings(table["subject"])
    if several:
        raise StudyError(f"{whose}: {two_spellings(several[0])}")
    if "sha256" in table:
        digests = table["sha256"].fillna(UNKNOWN).astype(str)
        rows = table[list(KEY)].astype(str).assign(sha256=digests).to_dict("records")
        refuse_shared_sounds(((row["subject"], describe_key(row), row["sha256"]) for row in rows), whose)

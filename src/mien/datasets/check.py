"""Every fault of a study, or of one recording, named on one line each. Nothing is changed."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from joblib import Parallel, delayed

from mien.datasets.check_sound import SoundCheck, check_sound
from mien.datasets.folder import UNLISTED, is_leftover, listed_files
from mien.datasets.identity import faults_of_spellings
from mien.datasets.spreadsheet import diagnose
from mien.datasets.study import (
    PARTICIPANTS_FILE,
    STUDY_FILE,
    TAKES_FILE,
    StudyHeader,
    inside,
    note_of_torn,
    read_header,
    read_participants,
)
from mien.datasets.tables import REQUIRED, Fault, Table, faults_of_rows, first_faults, problem_of_path, read_table
from mien.errors import MienError, StudyError
from mien.files import files_below, is_clutter
from mien.identifiers import normal
from mien.labels import UNKNOWN
from mien.probe import Probe
from mien.progress import track
from mien.sound_files import QUALITY_WORDS, SOUND_ENDINGS
from mien.workers import results_of

_Job = tuple[str, Path, Probe, str | None, tuple[str, ...]]


def check_path(
    path: Path | str, n_jobs: int = 1, media: Path | str | None = None, progress: bool = True
) -> list[Fault]:
    """Return the faults of a study's folder, or of one recording.

    Args:
        n_jobs: processes; the result does not depend on it.
        media: where the media of an imported corpus lie.
    """
    path = Path(path)
    if os.path.isdir(path):
        return check_study(path, media, n_jobs, progress)
    return [Fault(severity, str(path), _one_line(message)) for severity, message in check_sound(path).faults]


def check_study(
    path: Path | str, media: Path | str | None = None, n_jobs: int = 1, progress: bool = True
) -> list[Fault]:
    """Return every fault of a study, in the order of its files; an empty list is a sound study.

    An error breaks the contract; a warning is something that the contract leaves open and a person should know.
    """
    path = Path(path)
    try:
        header, probe = read_header(path)
    except MienError as error:
        return [_fault("error", STUDY_FILE, error, path)]
    faults = _faults_of_header(header)
    try:
        takes, found = _table(path / TAKES_FILE, REQUIRED)
    except MienError as error:
        return [*faults, _fault("error", TAKES_FILE, error, path)]
    faults += found
    if takes is None:
        return faults
    if takes.torn is not None:
        faults.append(Fault("warning", TAKES_FILE, _one_line(note_of_torn(takes))))
    if not takes.rows:
        faults.append(Fault("warning", TAKES_FILE, "holds no take"))
    faults += first_faults(_faults_of_participants(path, takes), PARTICIPANTS_FILE)
    faults += faults_of_rows(takes)
    root = _media_root(path, header, media)
    if isinstance(root, Fault):
        return [*faults, root]
    jobs = list(_jobs(root, takes, probe, faults))
    checks = _checks(jobs, n_jobs, progress)
    faults += first_faults(_faults_of_sounds(jobs, checks) + _same_sounds(jobs, checks, takes), "recordings")
    if header.media == "relative":
        faults += first_faults(_unlisted(path, takes), "files")
    return faults


def _table(path: Path, required: Sequence[str]) -> tuple[Table | None, list[Fault]]:
    """Return a table without what a spreadsheet did to it, which is told; None where nothing can be read of it.

    Raises:
        StudyError: it cannot be read, and no spreadsheet is to blame.
    """
    found = diagnose(path, required)
    if not found.findings:
        return read_table(path, required), []
    return found.table, [Fault(_severity(path, required), path.name, _one_line(each)) for each in found.findings]


def _severity(path: Path, required: Sequence[str]) -> str:
    """Return how bad it is: an error where the table cannot be used as it stands."""
    try:
        table = read_table(path, required)
    except StudyError:
        return "error"
    rows = faults_of_rows(table) if set(REQUIRED) <= set(table.columns) else []
    return "error" if any(fault.severity == "error" for fault in rows) else "warning"


def _faults_of_header(header: StudyHeader) -> list[Fault]:
    faults = []
    if header.keep_audible:
        faults.append(Fault("warning", STUDY_FILE, "keep_audible: sound below the probe's band was kept, speech too"))
    if header.origin == "simulated" and header.generator is None:
        faults.append(Fault("warning", STUDY_FILE, "origin is simulated, but no generator says how"))
    if header.origin == "simulated" and (header.generator or {}).get("version") == 1:
        words = "simulated with version 1 of the levels, where the head's motion tells the expression; "
        faults.append(Fault("warning", STUDY_FILE, words + "simulate it anew for version 2, where only the face does"))
    return faults


def _media_root(path: Path, header: StudyHeader, media: Path | str | None) -> Path | Fault:
    if header.media == "relative":
        return path
    if media is None:
        return Fault("warning", STUDY_FILE, "refers to media elsewhere; they were not checked: give --media DIR")
    if not Path(media).is_dir():
        return Fault("error", STUDY_FILE, f"the media were said to lie in {media}, which is not a folder")
    return Path(media)


def _faults_of_participants(path: Path, takes: Table) -> list[Fault]:
    try:
        saved, found = (
            _table(path / PARTICIPANTS_FILE, ("subject",)) if (path / PARTICIPANTS_FILE).exists() else (None, [])
        )
        if found:
            return found + faults_of_spellings(takes, saved)
        people = read_participants(path)
    except MienError as error:
        return [_fault("error", PARTICIPANTS_FILE, error, path), *faults_of_spellings(takes, None)]
    faults = faults_of_spellings(takes, people)
    if people is None:
        return [*faults, Fault("warning", PARTICIPANTS_FILE, "is missing: nothing is known of the people")]
    known = {normal(row["subject"]) for row in people.rows}
    unknown = sorted({row["subject"] for row in takes.rows if normal(row["subject"]) not in known})
    return faults + [Fault("warning", PARTICIPANTS_FILE, f"has no row for subject {subject}") for subject in unknown]


def _jobs(root: Path, takes: Table, probe: Probe, faults: list[Fault]) -> Iterator[_Job]:
    """Yield what each sound's check needs; a path that leads out of the study is added to `faults` instead."""
    seen = set()
    for number, row in enumerate(takes.rows, start=2):
        relative, digest = row["path"], row.get("sha256", UNKNOWN)
        if problem_of_path(relative) or relative in seen:
            continue
        seen.add(relative)
        try:
            target = inside(root, relative)
        except StudyError as error:
            faults.append(Fault("error", f"{TAKES_FILE} line {number}", _one_line(str(error))))
            continue
        stated = tuple(word for word in QUALITY_WORDS if word in row.get("quality", UNKNOWN).split(";"))
        yield relative, target, probe, digest if len(digest) == 64 else None, stated


def _checks(listed: list[_Job], n_jobs: int, progress: bool) -> list[SoundCheck]:
    made: Iterator[SoundCheck]
    if n_jobs == 1:
        made = (check_sound(*job[1:]) for job in listed)
    else:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator")
        made = results_of(parallel(delayed(check_sound)(*job[1:]) for job in listed))
    return list(track(made, "check", total=len(listed)) if progress else made)


def _same_sounds(listed: list[_Job], checks: list[SoundCheck], takes: Table) -> list[Fault]:
    """Return a warning for each sound that another take has, where the table's digests do not say so already."""
    rows = {row["path"]: row for row in takes.rows}
    first: dict[str, str] = {}
    faults = []
    for (relative, *_), check in zip(listed, checks, strict=True):
        other = first.setdefault(check.samples_sha256, relative) if check.samples_sha256 else relative
        stated = [rows[each].get("sha256", UNKNOWN).lower() for each in (relative, other)]
        if other == relative or (stated[0] == stated[1] and stated[0] not in ("", UNKNOWN)):
            continue
        message = f"holds the same samples as {other}"
        if normal(rows[relative]["subject"]) != normal(rows[other]["subject"]):
            message += ", another subject's: evaluate and train refuse it; delete the line that is wrong"
        faults.append(Fault("warning", relative, message))
    return faults


def _faults_of_sounds(listed: list[_Job], checks: list[SoundCheck]) -> list[Fault]:
    counts = Counter(check.header.n_channels for check in checks if check.header)
    usual = counts.most_common(1)[0][0] if counts else 0
    faults = []
    for (relative, *_), check in zip(listed, checks, strict=True):
        faults += [Fault(severity, relative, _one_line(message)) for severity, message in check.faults]
        if check.header and check.header.n_channels != usual:
            message = f"wrong channel count: it has {check.header.n_channels}, {counts[usual]} takes have {usual}"
            faults.append(Fault("error", relative, message))
    return faults


def _unlisted(path: Path, takes: Table) -> list[Fault]:
    listed = listed_files(path / row["path"] for row in takes.rows if not problem_of_path(row["path"]))
    faults, n_aside = [], 0
    try:
        entries = files_below(path, error=StudyError)
    except StudyError as error:
        return [Fault("error", str(path), _one_line(str(error)))]
    for entry in entries:
        relative = entry.relative_to(path).as_posix()
        if is_clutter(entry):
            continue
        if is_leftover(entry.name):
            faults.append(
                Fault("warning", relative, "is a temporary file of a writer that was stopped; resuming removes it")
            )
        elif entry.suffix.lower() in SOUND_ENDINGS and entry not in listed:
            if relative.startswith(f"{UNLISTED}/"):
                n_aside += 1
            else:
                message = f"is a sound that {TAKES_FILE} does not list; `mien check --adopt` enters it"
                faults.append(Fault("warning", relative, message))
    if n_aside:
        message = f"holds {n_aside} recordings that were set aside; `mien check --adopt` brings them back"
        faults.append(Fault("warning", UNLISTED, message))
    return faults


def _fault(severity: str, where: str, error: MienError, path: Path) -> Fault:
    message = str(error).removeprefix(f"{path / where}: ").removeprefix(f"{path / where} ")
    return Fault(severity, where, _one_line(message))


def _one_line(message: str) -> str:
    return " ".join(message.split())

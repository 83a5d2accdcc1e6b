"""From a study to features: every take through one front end, in order, by as many processes as are given."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import ThreadpoolController

from mien.datasets.identity import refuse_shared_sounds
from mien.datasets.study import Study, Take
from mien.errors import MienError, StudyError
from mien.labels import NEUTRAL
from mien.progress import track
from mien.sensing.features import Features, FrontEnd, join
from mien.sensing.neutral import NeutralProfile
from mien.sensing.windows import filled
from mien.workers import results_of

Job = tuple[Take, Take | NeutralProfile | None]
"""A take, and the neutral face that it is heard against."""


def extract(
    study: Study,
    front_end: FrontEnd,
    rows: Sequence[int] | np.ndarray | None = None,
    n_jobs: int = 1,
    progress: bool = True,
    neutral: NeutralProfile | None = None,
) -> Features:
    """Return the features of a study's takes, in the order of `rows`, the same bits with any number of processes.

    A front end whose `neutral` is "clip" gets, with each take, a neutral take of the same person: of the same session
    and mask first, never the take itself unless there is no other.

    Args:
        front_end: what turns a recording into windows.
        rows: positions in the study's table; None takes them all.
        n_jobs: processes; one take is in memory per process.
        neutral: the neutral face of all takes, for a front end that wants a clip, instead of takes of the study.

    Returns:
        Features whose `row` are positions in `study.table`.

    Raises:
        StudyError: a take that cannot be read or has no probe in it, named; no rows; takes of different shape; or the
            same samples under two subjects.
    """
    chosen = np.arange(len(study)) if rows is None else np.asarray(rows, dtype=np.int64)
    if not len(chosen):
        raise StudyError(f"features of no takes were asked for; {study.path} has {len(study)}")
    clips = neutral is None and getattr(front_end, "neutral", None) == "clip"
    jobs = [(study.take(row), study.take(neutral_row(study, row)) if clips else neutral) for row in chosen]
    made = _made(jobs, front_end, n_jobs)
    found = list(track(made, "features", total=len(jobs)) if progress else made)
    parts = [features for features, _ in found]
    # By samples: another container, or a table without digests, hides an equal file.
    subjects = study.table["subject"].iloc[chosen].astype(str)
    names = [take.name for take, _ in jobs]
    refuse_shared_sounds(zip(subjects, names, [digest for _, digest in found], strict=True), str(study.path))
    _refuse_other_shapes(parts, jobs)
    return join(parts)


def _made(jobs: list[Job], front_end: FrontEnd, n_jobs: int) -> Iterator[tuple[Features, str]]:
    if n_jobs == 1:
        return (_features_of(take, neutral, front_end) for take, neutral in jobs)
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    return results_of(parallel(delayed(_features_of)(take, neutral, front_end) for take, neutral in jobs))


def _features_of(take: Take, neutral: Take | NeutralProfile | None, front_end: FrontEnd) -> tuple[Features, str]:
    """Return a take's features and the digest of its samples."""
    try:
        with one_thread():
            face = neutral.recording() if isinstance(neutral, Take) else neutral
            recording = filled(take.recording(), float(getattr(front_end, "window_s", None) or 0.0))
            features = front_end.features(recording, face)
    except MienError as error:
        raise StudyError(f"{take.name}: {error} (--skip-bad leaves such takes out and names them)") from error
    digest = hashlib.sha256(np.ascontiguousarray(recording.samples).tobytes()).hexdigest()
    return replace(features, row=np.full(len(features), take.row, dtype=np.int64)), digest


def one_thread() -> AbstractContextManager[object]:
    """Keep linear algebra to one thread within a `with`: sums split over threads differ in their last bits.

    A process and its workers have different numbers of threads, and training makes percents of such differences.
    Entering takes about 20 us; the first time in a process some 15 ms more.
    """
    return _thread_pools().limit(limits=1)


@cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def neutral_row(study: Study, row: int) -> int:
    """Return the position of the neutral take that serves as a take's reference.

    Raises:
        StudyError: the person has no neutral take.
    """
    table = study.table
    take = table.iloc[int(row)]
    theirs = np.flatnonzero((table["subject"] == take["subject"]) & (table["expression"] == NEUTRAL))
    if not len(theirs):
        raise StudyError(
            f"subject {take['subject']} of {study.path} has no neutral take, which this front end needs; record "
            "one, or use neutral='take'"
        )

    def rank(other: int) -> tuple[bool, ...]:
        found = table.iloc[other]
        return (other == int(row), *(found[name] != take[name] for name in ("session", "mask") if name in table))

    return min(theirs.tolist(), key=rank)


def _refuse_other_shapes(parts: list[Features], jobs: list[Job]) -> None:
    first = parts[0].values.shape[1:]
    for part, (take, _) in zip(parts, jobs, strict=True):
        if part.values.shape[1:] != first:
            names = " ".join(axis.name for axis in part.axes)
            raise StudyError(
                f"{take.name} gives features ({names}) of shape {part.values.shape[1:]}, {jobs[0][0].name} of {first}; "
                "takes of one study need the same channels: choose rows of one device"
            )

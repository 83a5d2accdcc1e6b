"""The takes of a study that can be trained on or scored: without those that hold no probe, or cannot be used at all."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from joblib import Parallel, delayed

from mien.datasets.extract import one_thread
from mien.datasets.study import TAKES_FILE, Study, Take
from mien.datasets.tables import describe_key
from mien.errors import MienError, StudyError
from mien.progress import track
from mien.sensing.features import FrontEnd
from mien.sensing.windows import filled
from mien.workers import results_of

NO_PROBE = "no-probe"


def marked_takes(study: Study) -> dict[int, str]:
    """Return position -> reason of the takes whose table says that no probe is in them."""
    if "quality" not in study.table:
        return {}
    words = study.table["quality"].astype(str)
    return {
        int(row): f"{TAKES_FILE} marks it {NO_PROBE}"
        for row in np.flatnonzero([NO_PROBE in text.split(";") for text in words])
    }


def bad_takes(study: Study, front_ends: Sequence[FrontEnd], n_jobs: int = 1, progress: bool = True) -> dict[int, str]:
    """Return position -> reason of the takes of which one of the front ends can make nothing: each is tried by itself.

    Args:
        n_jobs: processes; the result does not depend on it.
    """
    takes = [study.take(row) for row in range(len(study))]
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    made = results_of(parallel(delayed(_problem_of)(take, tuple(front_ends)) for take in takes))
    problems = track(made, "takes", total=len(takes)) if progress else made
    return {row: problem for row, problem in enumerate(problems) if problem is not None}


def _problem_of(take: Take, front_ends: tuple[FrontEnd, ...]) -> str | None:
    try:
        recording = take.recording()
        for front_end in front_ends:
            heard = filled(recording, float(getattr(front_end, "window_s", None) or 0.0))
            # Against itself where a clip is needed: whether there is one is another question.
            clip = heard if getattr(front_end, "neutral", None) == "clip" else None
            with one_thread():
                front_end.features(heard, clip)
    except MienError as error:
        return " ".join(str(error).split())
    return None


def without(study: Study, left_out: Mapping[int, str]) -> Study:
    """Return a study without some takes; its digest says which are missing.

    Raises:
        StudyError: no take remains.
    """
    if not left_out:
        return study
    if len(left_out) == len(study):
        raise StudyError(
            f"none of the {len(study)} takes of {study.path} can be used; `mien check {study.path}` says why"
        )
    gone = sorted(left_out)
    keys = [describe_key(study.table.iloc[row].to_dict()) for row in gone]
    digest = hashlib.sha256(json.dumps([study.digest, keys]).encode()).hexdigest()
    return replace(study, table=study.table.drop(index=study.table.index[gone]).reset_index(drop=True), digest=digest)


def usable(
    study: Study, front_ends: Sequence[FrontEnd] = (), *, skip_bad: bool = False, n_jobs: int = 1
) -> tuple[Study, list[str]]:
    """Return a study without the takes that are marked to hold no probe, and what is to be said of it, line by line.

    Args:
        front_ends: that the takes are for.
        skip_bad: leave out as well what these cannot use; otherwise that is an error when it is met.

    Raises:
        StudyError: no take remains.
    """
    left_out = marked_takes(study)
    if skip_bad:
        left_out = bad_takes(study, front_ends, n_jobs) | left_out
    said = [f"left out: {describe_key(study.table.iloc[row].to_dict())}: {left_out[row]}" for row in sorted(left_out)]
    kept = without(study, left_out)
    if left_out:
        n_subjects = kept.table["subject"].nunique()
        said.append(f"{len(left_out)} of {len(study)} takes left out; {len(kept)} of {n_subjects} subjects remain")
    return kept, said

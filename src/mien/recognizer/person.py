"""One person's takes: which of them can calibrate a model, and their neutral face."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mien.datasets.extract import one_thread
from mien.datasets.study import Study
from mien.errors import ModelError
from mien.labels import NEUTRAL
from mien.recognizer.teaching import is_labelled
from mien.sensing.features import FrontEnd
from mien.sensing.front_ends import ChirpAndTones, RangeProfile
from mien.sensing.neutral import NeutralProfile


def calibrating_rows(rows: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that can teach a model one person, and the neutral ones, which teach where neutral was learnt.

    Raises:
        ModelError: no rows, unlabelled ones, or expressions that were not learnt.
    """
    if not len(rows):
        raise ModelError("no takes to calibrate to; a neutral clip or one take of each expression is the least")
    if not is_labelled(labels[rows]).all():
        raise ModelError("unlabelled takes cannot calibrate; label them, choose other rows, or adapt to them")
    said = np.array([str(label) for label in labels[rows]], dtype=object)
    strange = sorted({word for word in said if word not in (*names, NEUTRAL)})
    if strange:
        raise ModelError(
            f"takes of {', '.join(strange)} teach nothing; this model knows {', '.join(names)}: choose those"
        )
    return rows[np.isin(said, names)], rows[said == NEUTRAL]


def one_person(study: Study, rows: np.ndarray) -> str:
    """Return whose takes these are.

    Raises:
        ModelError: several people's.
    """
    people = sorted(set(study.table["subject"].iloc[rows].astype(str)))
    if len(people) != 1:
        raise ModelError(
            f"{len(people)} people ({', '.join(people)}) to calibrate to; one is needed: choose the takes of one"
        )
    return people[0]


def against_clip(front_end: FrontEnd) -> FrontEnd:
    """Return a front end that measures against a neutral clip where it measured against a take's own beginning."""
    if isinstance(front_end, RangeProfile | ChirpAndTones) and front_end.neutral == "take":
        return replace(front_end, neutral="clip")
    return front_end


def neutral_of(
    study: Study, rows: np.ndarray, front_end: FrontEnd, kept: NeutralProfile | None
) -> NeutralProfile | None:
    """Return what neutral takes are for a front end that wants a clip; None for others.

    Args:
        rows: of the neutral takes. kept: what the model has so far, returned where there are no such takes.

    Raises:
        ModelError: there is none of either.
    """
    if not isinstance(front_end, RangeProfile | ChirpAndTones) or front_end.neutral != "clip":
        return None
    if not len(rows):
        if kept is None:
            raise ModelError("no neutral take to calibrate to, against which this model hears a face; add one")
        return kept
    with one_thread():
        return front_end.neutral_profile([study.take(row).recording() for row in rows])

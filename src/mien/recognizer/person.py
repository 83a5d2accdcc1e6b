"""One person's takes, of a study or in memory: which of them can calibrate a model, and what becomes of it."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mien.datasets.extract import extract, one_thread
from mien.datasets.study import Study
from mien.errors import ModelError
from mien.labels import NEUTRAL
from mien.recognizer.teaching import is_labelled, windows_of_rows
from mien.recording import Recording
from mien.sensing.features import Features, FrontEnd, join
from mien.sensing.front_ends import ChirpAndTones, RangeProfile
from mien.sensing.neutral import NeutralProfile

if TYPE_CHECKING:
    from mien.recognizer.facade import Recognizer


@dataclass(frozen=True, slots=True, eq=False)
class Takes:
    """One person's takes, wherever they are.

    Args:
        rows: which. labels: expression of every row there is.
        recording: reads the take of a row.
        features: makes windows of rows through a front end, against a neutral face.
    """

    rows: np.ndarray
    labels: np.ndarray
    recording: Callable[[int], Recording]
    features: Callable[[FrontEnd, np.ndarray, NeutralProfile | None], Features]


def takes_of_study(study: Study, rows: np.ndarray, n_jobs: int, progress: bool) -> Takes:
    """Return takes of a study; `n_jobs` processes make their features."""

    def features(front_end: FrontEnd, chosen: np.ndarray, neutral: NeutralProfile | None) -> Features:
        return extract(study, front_end, chosen, n_jobs=n_jobs, progress=progress, neutral=neutral)

    labels = study.table["expression"].to_numpy(dtype=object)
    return Takes(rows, labels, lambda row: study.take(row).recording(), features)


def takes_in_memory(takes: Sequence[tuple[str, Recording]]) -> Takes:
    """Return (expression, take) pairs as takes."""

    def features(front_end: FrontEnd, chosen: np.ndarray, neutral: NeutralProfile | None) -> Features:
        with one_thread():
            parts = [front_end.features(takes[row][1], neutral) for row in chosen]
        return join(
            [replace(part, row=np.full(len(part), row, np.int64)) for part, row in zip(parts, chosen, strict=True)]
        )

    labels = np.array([word for word, _ in takes], dtype=object)
    return Takes(np.arange(len(takes)), labels, lambda row: takes[row][1], features)


def calibrated_to(recognizer: "Recognizer", takes: Takes) -> "Recognizer":
    """Return a new recognizer calibrated to one person's takes; the one given stays as it is.

    Raises:
        ModelError: no takes, unlabelled ones, expressions that were not learnt, or no neutral take where one is needed.
    """
    taught, still = calibrating_rows(takes.rows, takes.labels, recognizer.labels)
    clips = len(still) and recognizer.training.hears_clips
    front_end = against_clip(recognizer.front_end) if clips else recognizer.front_end
    neutral = neutral_of(takes, still, front_end, recognizer.neutral)
    made = copy.copy(recognizer)
    if len(taught):
        features = takes.features(front_end, taught, neutral)
        made = recognizer.calibrate_features(features, takes.labels, taught)
    made.front_end, made.neutral = front_end, neutral
    told = {"calibrated_takes": len(taught), "neutral_takes": len(still)}
    made.training = made.training.model_copy(update=told)
    return made


def calibrated_to_study(
    recognizer: "Recognizer", study: Study, rows: np.ndarray, n_jobs: int, progress: bool
) -> "Recognizer":
    """Return the same of takes of a study, which the model's facts then name.

    Raises:
        ModelError: as `calibrated_to`, and takes of several people.
    """
    takes = takes_of_study(study, rows, n_jobs, progress)
    calibrating_rows(rows, takes.labels, recognizer.labels)
    subject, before = one_person(study, rows), recognizer.training.simulated
    made = calibrated_to(recognizer, takes)
    simulated = None if before is None else before or study.is_simulated
    whose = {"simulated": simulated, "calibrated_study": study.name, "calibrated_subject": subject}
    made.training = made.training.model_copy(update=whose)
    return made


def calibrated_to_windows(
    recognizer: "Recognizer", features: Features, labels: np.ndarray, rows: Sequence[int] | np.ndarray
) -> "Recognizer":
    """Return a new recognizer calibrated to the windows of one person's takes `rows`; the one given stays as it is.

    Raises:
        ModelError: no takes, unlabelled ones, or expressions that were not learnt.
    """
    taught, still = calibrating_rows(np.unique(features.of_rows(rows).row), labels, recognizer.labels)
    made = copy.copy(recognizer)
    if len(taught):
        windows = windows_of_rows(features.of_rows(taught), recognizer.labels, labels, np.arange(len(labels)))
        made.estimator = recognizer.estimator.calibrate(windows.values, windows.labels, windows.groups)
    told = {"calibrated_takes": len(taught), "neutral_takes": len(still)}
    made.training = recognizer.training.model_copy(update=told)
    return made


def confident_on_windows(
    recognizer: "Recognizer", features: Features, labels: np.ndarray, rows: Sequence[int] | np.ndarray
) -> "Recognizer":
    """Return a new recognizer that is as sure as it is right on the windows of `rows`; the one given stays as it is.

    Raises:
        ModelError: as `calibrated_to_windows`, and a model without foreignness.
    """
    made = copy.copy(recognizer)
    taught, _ = calibrating_rows(np.unique(features.of_rows(rows).row), labels, recognizer.labels)
    windows = windows_of_rows(features.of_rows(taught), recognizer.labels, labels, np.arange(len(labels)))
    made.estimator = recognizer.estimator.calibrate_confidence(windows.values, windows.labels)
    return made


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
    takes: Takes, rows: np.ndarray, front_end: FrontEnd, kept: NeutralProfile | None
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
        return front_end.neutral_profile([takes.recording(int(row)) for row in rows])

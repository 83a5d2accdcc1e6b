"""One job of an evaluation: fit a method on one fold, adapt it in every way that is asked for, score it, time it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from mien.datasets.extract import one_thread
from mien.evaluation.adaptation import Round, can_do, rounds_of
from mien.evaluation.attention import AttentionMap, attention_of
from mien.evaluation.metrics import predicted_classes, take_predictions
from mien.evaluation.plan import Job, training_seed
from mien.evaluation.representations import Representations, can_represent, represented
from mien.evaluation.results import PREDICTION_COLUMNS
from mien.labels import NEUTRAL, UNKNOWN
from mien.sensing.features import Features
from mien.splits import missing

Factory = Callable[[int], Any]
"""Takes a seed, returns a fresh recognizer: front_end, fit_features, predict_features; adapt_features if it adapts,
calibrate_features if it can be calibrated to a person, and represent, of its own or of its `estimator`, if it is to be
looked into. `by_chance`, true unless it says otherwise, is whether another seed gives other answers."""

FIT = "fit"
TIMING_COLUMNS = ("method", "protocol", "fold", "seed", "training", "part", "cpu_s", "n_weights")


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a job found.

    Args:
        predictions: a row per scored window and per scored take.
        timings: columns `TIMING_COLUMNS`: seconds of processor time of fitting (part "fit"), then of adapting and
            scoring in each way. Of the machine, not of the method: no two runs agree to the last digit. n_weights is
            of how many learnt numbers the fitted model is made, missing where it does not say.
        representations: what was asked to be kept of them.
        attention: where attention adds something as trained, of one model of a method that has any.
    """

    predictions: pd.DataFrame
    timings: pd.DataFrame
    representations: tuple[Representations, ...] = ()
    attention: AttentionMap | None = None


@dataclass(slots=True)
class _Clock:
    """Seconds of processor time between calls."""

    started: float = field(default_factory=time.process_time)

    def lap_s(self) -> float:
        before, self.started = self.started, time.process_time()
        return self.started - before


def run_job(job: Job, factory: Factory, features: Features, table: pd.DataFrame) -> Outcome:
    """Return what one job found."""
    labels = table["expression"].where(~missing(table["expression"]), UNKNOWN).to_numpy(dtype=object)
    subjects = table["subject"].to_numpy(dtype=object)
    take_of = np.arange(len(table))
    if job.split.leaks:
        take_of = features.row
        labels, subjects = labels[take_of], subjects[take_of]
        features = replace(features, row=np.arange(len(features)))
    scored, timings, kept = [], [], []
    with one_thread(), _torch_too():
        clock = _Clock()
        learner = factory(training_seed(job.seed, job.training))
        fitted = learner.fit_features(features, labels, subjects, job.split.train, job.split.validation)
        timings.append((FIT, clock.lap_s()))
        attention = attention_of(fitted, job, features, take_of, table)
        clock.lap_s()
        for adaptation in job.adaptations:
            if not can_do(fitted, adaptation):
                continue
            rounds = rounds_of(adaptation, table, job.split, job.seed, job.neutral)
            parts = []
            for each in rounds:
                model = learnt(fitted, each, features, labels)
                parts.append(model.predict_features(features.of_rows(each.scores)))
            timings.append((adaptation, clock.lap_s()))
            scored.append(_scored(pd.concat(parts, ignore_index=True), job, adaptation, take_of, table))
            if job.n_representations and len(rounds) == 1 and can_represent(model):
                kept.append(represented(model, job, adaptation, features, take_of, table))
            clock.lap_s()
    keys = {"method": job.method, "protocol": job.split.protocol, "fold": job.split.fold, "seed": job.seed}
    keys["training"] = job.training
    made_of = getattr(getattr(fitted, "training", None), "n_weights", None)
    times = pd.DataFrame(
        [keys | {"part": part, "cpu_s": cpu_s, "n_weights": made_of} for part, cpu_s in timings]
    ).astype({"n_weights": "float64"})
    nothing = pd.DataFrame(columns=list(PREDICTION_COLUMNS))
    return Outcome(pd.concat(scored, ignore_index=True) if scored else nothing, times, tuple(kept), attention)


def learnt(fitted: Any, each: Round, features: Features, labels: np.ndarray) -> Any:
    """Return the model that a round makes of a fitted one."""
    if not len(each.learns_from):
        return fitted
    if each.labelled:
        return fitted.calibrate_features(features, labels, each.learns_from)
    return fitted.adapt_features(features, each.learns_from)


def _scored(windows: pd.DataFrame, job: Job, adaptation: str, take_of: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
    """Return predictions with truth and keys, per window, then per take (not where windows of a take are split)."""
    rows = take_of[windows["row"].to_numpy()]
    takes = table.iloc[rows]
    probabilities = _probabilities(windows, job, table)
    frame = pd.DataFrame(
        {
            "method": job.method,
            "protocol": job.split.protocol,
            "fold": job.split.fold,
            "subject": takes["subject"].to_numpy(),
            "seed": job.seed,
            "training": job.training,
            "adaptation": adaptation,
            "scored_unit": "window",
            "session": takes["session"].to_numpy(),
            "take": takes["take"].to_numpy(),
            "row": rows,
            "start_s": windows["start_s"].round(6).to_numpy(),
            "n_windows": 1,
            "truth": takes["expression"].to_numpy(),
        }
    )
    frame["predicted"] = predicted_classes(probabilities)
    frame = pd.concat([frame, probabilities.reset_index(drop=True)], axis=1)
    frame = frame.sort_values(["row", "start_s"], kind="stable").reset_index(drop=True)
    if job.split.leaks:
        return frame
    per_take = take_predictions(frame).assign(scored_unit="take", n_windows=frame.groupby("row").size().to_numpy())
    names = list(probabilities.columns)
    per_take[names] = per_take[names].round(6)
    return pd.concat([frame, per_take], ignore_index=True)


def _probabilities(windows: pd.DataFrame, job: Job, table: pd.DataFrame) -> pd.DataFrame:
    """Return a column per class of the study, in order; one that training lacked was never thought possible."""
    known = set(table["expression"][~missing(table["expression"])].astype(str))
    if job.neutral is not None:
        known -= {NEUTRAL}
    names = [f"p_{name}" for name in sorted(known)]
    return windows.reindex(columns=names, fill_value=0.0).round(6)


@contextmanager
def _torch_too() -> Iterator[None]:
    """Let torch, which counts its own threads, compute on one: figures do not depend on how many jobs run."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

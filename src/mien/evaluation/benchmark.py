"""Methods x protocol x seeds: features once per front end, a job per fold, tidy results that do not depend on order."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from mien.datasets.study import Study
from mien.errors import SplitError
from mien.evaluation.metrics import predicted_classes, take_predictions
from mien.evaluation.plan import ADAPTATIONS, Job, Plan, facts_of, open_partial, plain, same_plan
from mien.evaluation.results import PREDICTION_COLUMNS, Results, read_results, read_table, tidy, write_table
from mien.labels import UNKNOWN
from mien.progress import bar
from mien.provenance import versions, write_run
from mien.sensing.features import Features
from mien.splits import adaptation_halves, make_splits, missing

Factory = Callable[[int], Any]
"""Takes a seed, returns a fresh recognizer: front_end, fit_features, predict_features; adapt_features if it adapts."""


def evaluate(
    study: Study,
    methods: Sequence[str] | Mapping[str, Factory],
    protocol: str,
    *,
    n_folds: int = 5,
    seeds: Sequence[int] = (0,),
    adaptations: Sequence[str] = ADAPTATIONS,
    front_ends: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    features: Mapping[str, Features] | None = None,
    validation_fraction: float = 0.2,
    n_jobs: int = 1,
    progress: bool = True,
    out: Path | None = None,
    resume: bool = False,
) -> Results:
    """Score methods on a study by a protocol.

    Each fold is fitted on its training takes alone, then scored without adaptation and, where the method can, adapted:
    `inductive` on one half of the test takes to score the other half, both ways, so that everything is scored by a
    model that never saw it; `transductive` on the very takes that are scored, without their labels. A seed fixes the
    folds and the learning; results do not depend on `n_jobs`.

    Args:
        methods: names known to `Recognizer`, or name -> factory for recognizers of one's own.
        front_ends, options: method -> what replaces its default.
        features: method -> ready-made features (`row` counts takes of the study), instead of its front end.
        out: folder for results.csv, predictions.csv and run.json; finished jobs wait in `out/partial`.
        resume: go on where an interrupted run of the same plan stopped.

    Raises:
        SplitError: the protocol cannot be carried out, or an unknown adaptation.
        StudyError: `out` holds an unfinished run (resume it or choose another folder), or one of another plan.
    """
    plan = Plan(protocol, n_folds, tuple(seeds), tuple(adaptations), validation_fraction)
    factories = _factories(study, methods, front_ends or {}, options or {})
    asked = _as_json(plan, study, factories, features or {}, options or {})
    folder = None if out is None else Path(out)
    if resume and folder is not None and (folder / "run.json").is_file():
        finished = read_results(folder)
        if same_plan(finished.facts.get("plan"), asked):
            return finished
    by_method = _features(study, factories, features or {}, n_jobs, progress)
    jobs = list(_jobs(study, by_method, plan))
    # Opened only now: a study that cannot be read or split leaves no folder behind.
    waiting = None if folder is None else open_partial(folder, asked, resume)
    predictions = _run(jobs, factories, by_method, study.table, waiting, n_jobs, progress)
    facts = facts_of(study, asked, jobs)
    found = Results(tidy(predictions), predictions, facts | {"versions": versions()})
    if folder is not None and waiting is not None:
        write_table(folder / "predictions.csv", found.predictions)
        write_table(folder / "results.csv", found.results)
        write_run(folder, "evaluate", facts, seed=int(plan.seeds[0]), data_digest=study.digest)
        shutil.rmtree(waiting)
    return found


def run_job(job: Job, factory: Factory, features: Features, table: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of one job, a row per scored window and per scored take."""
    labels = table["expression"].where(~missing(table["expression"]), UNKNOWN).to_numpy(dtype=object)
    subjects = table["subject"].to_numpy(dtype=object)
    take_of = np.arange(len(table))
    if job.split.leaks:
        take_of = features.row
        labels, subjects = labels[take_of], subjects[take_of]
        features = replace(features, row=np.arange(len(features)))
    with _one_thread():
        fitted = factory(job.seed).fit_features(features, labels, subjects, job.split.train, job.split.validation)
        parts = [
            _scored(part, job, adaptation, take_of, table)
            for adaptation in job.adaptations
            for part in _predict(fitted, adaptation, features, job, table)
        ]
    return pd.concat(parts, ignore_index=True)


def _predict(fitted: Any, adaptation: str, features: Features, job: Job, table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield predictions of the test windows, those of one adapted model at a time gathered into one table."""
    split = job.split
    if adaptation == "none":
        yield fitted.predict_features(features.of_rows(split.test))
        return
    if not can_adapt(fitted):
        return
    if adaptation == "transductive":
        rounds = [(split.test, split.test)]
    else:
        first, second = adaptation_halves(table, split.test, job.seed)
        if not len(first) or not len(second):
            raise SplitError(
                f"{split.protocol}, fold {split.fold}: inductive adaptation needs two test takes; it has one"
            )
        rounds = [(first, second), (second, first)]
    found = []
    for seen, scored in rounds:
        adapted = fitted.adapt_features(features, np.concatenate([seen, split.unlabelled_target]))
        found.append(adapted.predict_features(features.of_rows(scored)))
    yield pd.concat(found, ignore_index=True)


def can_adapt(recognizer: Any) -> bool:
    """Return whether a recognizer has something to adapt."""
    return hasattr(recognizer, "adapt_features") and getattr(recognizer, "adapts", True)


def _scored(windows: pd.DataFrame, job: Job, adaptation: str, take_of: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
    """Return predictions with truth and keys, per window, then per take (not where windows of a take are split)."""
    rows = take_of[windows["row"].to_numpy()]
    takes = table.iloc[rows]
    probabilities = _probabilities(windows, table)
    frame = pd.DataFrame(
        {
            "method": job.method,
            "protocol": job.split.protocol,
            "fold": job.split.fold,
            "subject": takes["subject"].to_numpy(),
            "seed": job.seed,
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


def _probabilities(windows: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return a column per class of the study, in order; one that training lacked was never thought possible."""
    known = table["expression"][~missing(table["expression"])]
    names = [f"p_{name}" for name in sorted(known.astype(str).unique())]
    return windows.reindex(columns=names, fill_value=0.0).round(6)


def _run(
    jobs: Sequence[Job],
    factories: Mapping[str, Factory],
    features: Mapping[str, Features],
    table: pd.DataFrame,
    folder: Path | None,
    n_jobs: int,
    progress: bool,
) -> pd.DataFrame:
    """Return all predictions in the order of the jobs, reading finished ones from `folder` and writing the others."""
    paths = [None if folder is None else folder / f"job-{number:04d}.csv" for number in range(len(jobs))]
    found = {number: read_table(path) for number, path in enumerate(paths) if path is not None and path.is_file()}
    waiting = [number for number in range(len(jobs)) if number not in found]
    work = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        joblib.delayed(_numbered)(n, jobs[n], factories[jobs[n].method], features[jobs[n].method], table)
        for n in waiting
    )
    with bar() as shown:
        task = shown.add_task("scoring", total=len(jobs), completed=len(found), visible=progress)
        for number, predictions in work:
            found[number] = predictions
            if paths[number] is not None:
                write_table(paths[number], predictions)
            shown.advance(task)
    joined = pd.concat([found[number] for number in range(len(jobs))], ignore_index=True)
    return joined[[*PREDICTION_COLUMNS, *(name for name in joined.columns if name.startswith("p_"))]]


def _numbered(number: int, *arguments: Any) -> tuple[int, pd.DataFrame]:
    return number, run_job(*arguments)


def _jobs(study: Study, features: Mapping[str, Features], plan: Plan) -> Iterator[Job]:
    """Yield a job per method, seed and fold. Where windows are split on purpose, nothing is adapted."""
    for method, known in features.items():
        for seed in plan.seeds:
            splits = make_splits(
                study.table,
                plan.protocol,
                n_folds=plan.n_folds,
                seed=seed,
                validation_fraction=plan.validation_fraction,
                windows=known.row,
            )
            for split in splits:
                yield Job(method, seed, split, ("none",) if split.leaks else plan.adaptations)


def _features(
    study: Study, factories: Mapping[str, Factory], given: Mapping[str, Features], n_jobs: int, progress: bool
) -> dict[str, Features]:
    """Return method -> features, each distinct front end applied once."""
    from mien.datasets.extract import extract

    made: dict[Any, Features] = {}
    found = {}
    for method, factory in factories.items():
        if method in given:
            found[method] = given[method]
            continue
        front_end = factory(0).front_end
        if front_end not in made:
            made[front_end] = extract(study, front_end, n_jobs=n_jobs, progress=progress)
        found[method] = made[front_end]
    return found


def _recognizer(method: str, front_end: Any, probe: Any, options: Any, seed: int) -> Any:
    from mien.recognizer import Recognizer

    return Recognizer(method, front_end, probe, options, seed)


def _factories(
    study: Study,
    methods: Sequence[str] | Mapping[str, Factory],
    front_ends: Mapping[str, Any],
    options: Mapping[str, Any],
) -> dict[str, Factory]:
    if isinstance(methods, Mapping):
        return dict(methods)
    return {
        method: partial(_recognizer, method, front_ends.get(method), study.probe, options.get(method))
        for method in methods
    }


def _as_json(
    plan: Plan,
    study: Study,
    factories: Mapping[str, Factory],
    features: Mapping[str, Features],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return all that decides the figures, as plain JSON values."""
    methods = {}
    for method, factory in factories.items():
        made = factory(0)
        methods[method] = {
            "front_end": plain(features[method].front_end if method in features else made.front_end),
            "ready_made": method in features,
            "changed": plain(options.get(method) or {}),
            "options": plain(getattr(made, "options", {})),
        }
    return plain(plan) | {"methods": methods, "data_digest": study.digest}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let a job compute on one thread, so that figures do not depend on how many run beside it."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)

"""Methods x protocol x seeds: features once per front end, a job per fold, tidy results that do not depend on order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from mien.datasets.identity import refuse_unsound_subjects
from mien.datasets.study import Study
from mien.errors import SplitError, StudyError
from mien.evaluation.adaptation import ADAPTATIONS, can_do, rounds_of
from mien.evaluation.attention import write_attention
from mien.evaluation.job import TIMING_COLUMNS, Factory, Outcome, run_job
from mien.evaluation.plan import (
    Job,
    Plan,
    close_partial,
    facts_of,
    open_partial,
    plain,
    refuse_other_results,
    same_plan,
)
from mien.evaluation.representations import write_representations
from mien.evaluation.results import PREDICTION_COLUMNS, Results, read_results, read_table, tidy, write_table
from mien.files import refuse_unwritable
from mien.labels import NEUTRAL, UNKNOWN
from mien.progress import bar
from mien.provenance import versions, write_run
from mien.sensing.features import Features
from mien.splits import Split, make_splits
from mien.workers import results_of


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
    neutral: str = "class",
    n_representations: int = 0,
    first_folds: int | None = None,
    n_trainings: int | None = None,
    n_jobs: int = 1,
    progress: bool = True,
    out: Path | None = None,
    resume: bool = False,
) -> Results:
    """Score methods on a study by a protocol.

    Each fold is fitted on its training takes alone, then scored without adaptation and, where the method can, adapted:
    `inductive` on one half of the test takes to score the other half, both ways, so that everything is scored by a
    model that never saw it; `inductive-N` on N unlabelled takes of every person, to score the rest; `transductive` on
    the very takes that are scored, without their labels; `calibrated-N` to each person by itself, with a neutral clip
    and N labelled takes of each other expression, to score the rest. A seed fixes the folds, what is drawn and the
    learning; results do not depend on `n_jobs`. What learns by chance is trained several times on every split, since
    one training more or another processor moves its figures; a training is a column `training`, its seed follows from
    the seed and its number, and the first one's is the seed itself.

    Args:
        methods: names known to `Recognizer`, or name -> factory for recognizers of one's own.
        front_ends, options: method -> what replaces its default.
        features: method -> ready-made features (`row` counts takes of the study), instead of its front end.
        neutral: "class", or "reference": takes labelled neutral are only clips to calibrate with (see `Plan`).
        n_representations: windows of each side whose representations are written to `out/representations`, of every
            network as trained and of adaptations that make one model per fold.
        first_folds: score only so many of the folds, for a first look or a single split; None scores all.
        n_trainings: trainings of every split; None for 3, or 5 where there are fewer than 3 splits. A method or factory
            whose `by_chance` is False is trained once.
        out: folder for results.csv, predictions.csv, timings.csv (seconds of processor time) and run.json; finished
            jobs wait in `out/partial`.
        resume: go on where an interrupted run of the same plan stopped.

    Raises:
        SplitError: the protocol or an adaptation cannot be carried out, or is unknown.
        StudyError: `out` holds an unfinished run (resume it or choose another folder), or a run of another plan; or
            representations are to be kept, and there is no `out`; or one subject or sound is there as two.
    """
    plan = Plan(
        protocol,
        n_folds,
        tuple(seeds),
        tuple(adaptations),
        validation_fraction,
        neutral,
        n_representations,
        first_folds,
        n_trainings,
    )
    if n_representations and out is None:
        raise StudyError(f"{n_representations} representations are to be kept; say where with out=FOLDER")
    refuse_unsound_subjects(study.table, f"study {study.name}")
    factories = _factories(study, methods, front_ends or {}, options or {})
    _refuse_if_none_can(factories, plan)
    by_chance = {method: bool(getattr(make(0), "by_chance", True)) for method, make in factories.items()}
    asked = _as_json(plan, study, factories, features or {}, options or {})
    folder = None if out is None else Path(out)
    if resume and folder is not None and (folder / "run.json").is_file():
        finished = read_results(folder)
        if same_plan(finished.facts.get("plan"), asked):
            return finished
    if folder is not None:
        refuse_unwritable(folder)
        refuse_other_results(folder, asked)
    # Before the features, which take long: what cannot be done is said at once. Only splits of windows need them.
    splits_windows = plan.protocol == "mixed-windows"
    jobs = [] if splits_windows else list(_jobs(study, plan, dict.fromkeys(factories), by_chance))
    by_method = _features(study, factories, features or {}, n_jobs, progress)
    if splits_windows:
        rows = {method: known.row for method, known in by_method.items()}
        jobs = list(_jobs(study, plan, rows, by_chance))
    # Opened only now: a study that cannot be read or split leaves no folder behind.
    waiting = None if folder is None else open_partial(folder, asked, resume)
    predictions, timings = _run(jobs, factories, by_method, study.table, waiting, n_jobs, progress)
    facts = facts_of(study, asked, jobs, by_chance)
    found = Results(tidy(predictions), predictions, facts | {"versions": versions()}, timings)
    if folder is not None and waiting is not None:
        write_table(folder / "predictions.csv", found.predictions)
        write_table(folder / "results.csv", found.results)
        write_table(folder / "timings.csv", found.timings)
        write_run(folder, "evaluate", facts, seed=int(plan.seeds[0]), data_digest=study.digest)
        close_partial(waiting)
    return found


def _refuse_if_none_can(factories: Mapping[str, Factory], plan: Plan) -> None:
    """Refuse a plan of which nothing could be scored, before anything is heard or learnt.

    Raises:
        SplitError: no method can do any of the adaptations.
    """
    if plan.protocol == "mixed-windows":  # there nothing is adapted
        return
    fresh = [factory(int(plan.seeds[0])) for factory in factories.values()]
    if not any(can_do(recognizer, adaptation) for recognizer in fresh for adaptation in plan.adaptations):
        asked = ", ".join(plan.adaptations)
        raise SplitError(f"nothing would be scored: none of {', '.join(factories)} can do {asked}; add none")


def _run(
    jobs: Sequence[Job],
    factories: Mapping[str, Factory],
    features: Mapping[str, Features],
    table: pd.DataFrame,
    folder: Path | None,
    n_jobs: int,
    progress: bool,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all predictions and timings in the order of the jobs, reading finished ones from `folder`."""
    found = {} if folder is None else _finished(folder, len(jobs))
    waiting = [number for number in range(len(jobs)) if number not in found]
    work = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        joblib.delayed(_numbered)(n, jobs[n], factories[jobs[n].method], features[jobs[n].method], table)
        for n in waiting
    )
    with bar() as shown:
        task = shown.add_task("scoring", total=len(jobs), completed=len(found), visible=progress)
        for number, outcome in results_of(work):
            found[number] = outcome.predictions, outcome.timings
            if folder is not None:
                _put(folder, number, outcome)
            shown.advance(task)
    in_order = [found[number] for number in range(len(jobs))]
    predictions = pd.concat([predictions for predictions, _ in in_order if len(predictions)], ignore_index=True)
    timings = pd.concat([times for _, times in in_order], ignore_index=True)
    names = [name for name in predictions.columns if name.startswith("p_")]
    return predictions[[*PREDICTION_COLUMNS, *names]], timings.reindex(columns=list(TIMING_COLUMNS))


def _numbered(number: int, *arguments: Any) -> tuple[int, Outcome]:
    return number, run_job(*arguments)


def _put(folder: Path, number: int, outcome: Outcome) -> None:
    """Write what a job found; its predictions come last, and say that it is finished."""
    for kept in outcome.representations:
        write_representations(folder.parent, number, kept)
    if outcome.attention is not None:
        write_attention(folder.parent, number, outcome.attention)
    write_table(folder / f"timing-{number:04d}.csv", outcome.timings)
    write_table(folder / f"job-{number:04d}.csv", outcome.predictions)


def _finished(folder: Path, n_jobs: int) -> dict[int, tuple[pd.DataFrame, pd.DataFrame]]:
    """Return number -> predictions and timings of the jobs that an interrupted run finished."""
    paths = {number: folder / f"job-{number:04d}.csv" for number in range(n_jobs)}
    return {
        number: (read_table(path), read_table(folder / f"timing-{number:04d}.csv"))
        for number, path in paths.items()
        if path.is_file()
    }


def _jobs(
    study: Study, plan: Plan, windows: Mapping[str, np.ndarray | None], by_chance: Mapping[str, bool]
) -> Iterator[Job]:
    """Yield a job per method, seed, fold and training. Where windows are split on purpose, nothing is adapted.

    Args:
        windows: method -> row of each window's take, where windows are split.

    Raises:
        SplitError: the protocol or an adaptation cannot be carried out, said before anything is learnt.
    """
    table = study.table
    neutral = None
    if plan.neutral == "reference":
        at_rest = (table["expression"] == NEUTRAL).to_numpy()
        neutral, table = np.flatnonzero(at_rest), table.assign(expression=table["expression"].mask(at_rest, UNKNOWN))
    for method, rows in windows.items():
        for seed in plan.seeds:
            splits = make_splits(
                table,
                plan.protocol,
                n_folds=plan.n_folds,
                seed=seed,
                validation_fraction=plan.validation_fraction,
                windows=rows,
            )
            splits = splits[: plan.first_folds]
            n_trainings = plan.trainings(len(splits) * len(plan.seeds), by_chance[method])
            for split in splits:
                yield from _trainings(_job(study, plan, method, seed, split, neutral), n_trainings)


def _job(study: Study, plan: Plan, method: str, seed: int, split: Split, neutral: np.ndarray | None) -> Job:
    if split.leaks:
        return Job(method, seed, split, ("none",), neutral, plan.n_representations)
    clips, kept_apart = _neutral_of(split, neutral)
    for adaptation in plan.adaptations:
        rounds_of(adaptation, study.table, kept_apart, seed, clips)
    return Job(method, seed, kept_apart, plan.adaptations, clips, plan.n_representations)


def _trainings(job: Job, n_trainings: int) -> Iterator[Job]:
    """Yield a job and its repetitions; representations are kept of the first, for pictures show one model."""
    yield job
    for training in range(1, n_trainings):
        yield replace(job, training=training, n_representations=0)


def _neutral_of(split: Split, neutral: np.ndarray | None) -> tuple[np.ndarray | None, Split]:
    """Return the neutral clips to calibrate with, of the test's own side if any are, and the split without them."""
    if neutral is None:
        return None, split
    beside = np.intersect1d(neutral, split.unlabelled_target)
    without = replace(
        split,
        unlabelled=np.setdiff1d(split.unlabelled, neutral),
        unlabelled_target=np.setdiff1d(split.unlabelled_target, neutral),
    )
    return (beside if len(beside) else neutral), without


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

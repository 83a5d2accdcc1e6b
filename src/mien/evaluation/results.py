"""Results as tidy tables: one row per scored unit, one row per person and case, and how they are written and read."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien.errors import StudyError
from mien.evaluation.adaptation import adaptation_named
from mien.evaluation.metrics import (
    accuracy_at_coverage,
    balanced_accuracy,
    classes_of,
    probabilities_of,
    score,
)
from mien.evaluation.statistics import OVER_COUNTS, compare, confusions_by_subject, intervals
from mien.evaluation.trainings import Statistic, deviation_of_one, tally
from mien.files import open_regular, read_json, write_atomically

RESULT_KEYS = ("method", "protocol", "fold", "subject", "seed", "training", "adaptation", "scored_unit")
SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "ece", "macro_precision", "mean_average_precision")
COVERAGES = (0.5, 0.8)
"""Shares that are answered, the surest first, for which a summary gives the accuracy."""

DEVIATIONS = ("accuracy", "balanced_accuracy")
"""Scores whose spread over trainings a summary gives."""

RESULT_COLUMNS = (*RESULT_KEYS, "n_takes", "n_windows", *SCORES)
PREDICTION_COLUMNS = (*RESULT_KEYS, "session", "take", "row", "start_s", "n_windows", "truth", "predicted")
"""Then one p_<class> per class. `row` is the take's position in the study's table."""
_WHOLE_NUMBERS = ("fold", "seed", "training", "row", "n_takes", "n_windows")

MOST_BYTES = 1 << 30
"""A table of results may be this large."""


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """What an evaluation found.

    Args:
        results: one row per method, fold, subject, seed, training, adaptation and scored unit: `RESULT_COLUMNS`.
        predictions: one row per scored window and per scored take; columns `PREDICTION_COLUMNS` and p_<class>.
        facts: what was run, as in run.json: protocol, methods, splits, study.
        timings: one row per training and part (fit, each adaptation): seconds of processor time; empty where unknown.
    """

    results: pd.DataFrame
    predictions: pd.DataFrame
    facts: dict[str, Any]
    timings: pd.DataFrame = field(default_factory=pd.DataFrame)

    def summary(self) -> pd.DataFrame:
        """Return one row per method, adaptation and scored unit with its scores and the interval over people."""
        return summary(self.predictions)


def cases(predictions: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str], pd.DataFrame]]:
    """Yield (method, adaptation, scored_unit) and its predictions, methods in the order they were given."""
    keys = predictions[["method", "adaptation", "scored_unit"]].drop_duplicates()
    order = {name: number for number, name in enumerate(dict.fromkeys(keys["method"]))}
    rank = {word: adaptation_named(word).rank for word in set(keys["adaptation"])}
    for key in sorted(keys.itertuples(index=False), key=lambda k: (order[k[0]], rank[k[1]], k[2])):
        here = (predictions[["method", "adaptation", "scored_unit"]] == list(key)).all(axis=1)
        yield tuple(key), predictions[here]


def case_name(method: str, adaptation: str) -> str:
    """Return a case's name as tables show it.

    Example:
        >>> case_name("facer", "none"), case_name("facer", "inductive-5")
        ('facer', 'facer, inductive-5')
    """
    return method if adaptation == "none" else f"{method}, {adaptation}"


def per_person(predictions: pd.DataFrame, scored_unit: str = "take") -> pd.DataFrame:
    """Return balanced accuracy, one row per subject and one column per case, over all folds and seeds."""
    found = {}
    for (method, adaptation, unit), part in cases(predictions):
        if unit == scored_unit:
            subjects, counts = confusions_by_subject(part)
            found[case_name(method, adaptation)] = pd.Series(balanced_accuracy(counts), index=subjects)
    return pd.DataFrame(found).rename_axis("subject")


def compared(
    predictions: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    scored_unit: str = "take",
    statistic: Statistic = balanced_accuracy,
) -> pd.DataFrame:
    """Return the tests of pairs of cases, over people and trainings, see `compare`.

    Args:
        pairs: of names as `case_name` gives them.
        statistic: of one person's counts.
    """
    wanted = {name for pair in pairs for name in pair}
    found = {
        case_name(method, adaptation): (method, tally(part))
        for (method, adaptation, unit), part in cases(predictions)
        if unit == scored_unit and case_name(method, adaptation) in wanted
    }
    tallies = {name: counts for name, (_, counts) in found.items()}
    return compare(tallies, pairs, statistic, {name: method for name, (method, _) in found.items()})


def margins(predictions: pd.DataFrame, first: str, scored_unit: str = "take") -> pd.DataFrame:
    """Return the tests over people and trainings of one case against every other, see `compare`.

    Args:
        first: a case's name as `case_name` gives it.

    Raises:
        StudyError: no such case was scored.
    """
    people = per_person(predictions, scored_unit)
    if first not in people:
        raise StudyError(f"no {scored_unit}s of {first!r} were scored; scored are {', '.join(people.columns)}")
    pairs = [(first, other) for other in people.columns if other != first]
    return compared(predictions, pairs, scored_unit)


def summary(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row per case: scores over all that was scored, most with 95 % intervals over people and trainings.

    All are means over trainings. `accuracy_at_0.5` and `accuracy_at_0.8` are of the surest half and four fifths;
    `accuracy_deviation` and `balanced_accuracy_deviation` are the standard deviations from one training of every split
    to the next, NaN where there was one. `n_scored` counts what was scored, not how often.
    """
    rows = []
    for (method, adaptation, unit), part in cases(predictions):
        row: dict[str, Any] = {"method": method, "adaptation": adaptation, "scored_unit": unit}
        for name, interval in intervals(part).items():
            row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        row |= mean_over_trainings(part, _of_probabilities)
        found = tally(part)
        row |= {f"{name}_deviation": deviation_of_one(found, OVER_COUNTS[name]) for name in DEVIATIONS}
        row |= {"n_subjects": part["subject"].nunique(), "n_seeds": part["seed"].nunique()}
        row["n_trainings"] = int(found.n_trainings.max())
        row["n_scored"] = len(first_training(part))
        rows.append(row)
    return pd.DataFrame(rows)


def _of_probabilities(part: pd.DataFrame) -> dict[str, float]:
    """Return the scores that need probabilities."""
    scores = score(part)
    truth = pd.Index(classes_of(part)).get_indexer(pd.Index(part["truth"]))
    shown = probabilities_of(part)
    at = {f"accuracy_at_{coverage:g}": accuracy_at_coverage(shown, truth, coverage) for coverage in COVERAGES}
    return {name: scores[name] for name in ("ece", "mean_average_precision")} | at


def first_training(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of the first training of each split: everything that was scored, once."""
    return predictions[predictions["training"] == 0] if "training" in predictions else predictions


def mean_over_trainings(
    predictions: pd.DataFrame, scores: Callable[[pd.DataFrame], Mapping[str, float]]
) -> dict[str, float]:
    """Return scores of the predictions of one case, of each the mean over trainings."""
    if "training" not in predictions:
        return dict(scores(predictions))
    each = [scores(part) for _, part in predictions.groupby("training")]
    return {name: float(np.mean([found[name] for found in each])) for name in each[0]}


def scores_of(predictions: pd.DataFrame) -> dict[str, float]:
    """Return the scores of `metrics.score` of one case: of the mean counts, or the mean over trainings."""
    counts = tally(predictions).by_subject().sum(axis=0)
    of_counts = {name: float(statistic(counts)) for name, statistic in OVER_COUNTS.items()}
    return mean_over_trainings(predictions, score) | of_counts


def with_training(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of results or predictions with its column `training`: 0 in those written before there were any."""
    if "training" in table or "seed" not in table:
        return table
    table = table.copy()
    table.insert(table.columns.get_loc("seed") + 1, "training", 0)
    return table


def fold_scores(predictions: pd.DataFrame, scored_unit: str = "take") -> pd.DataFrame:
    """Return one row of scores per method, adaptation, fold and seed: all people of the fold, means over trainings."""
    part = predictions[predictions["scored_unit"] == scored_unit]
    keys = ["method", "protocol", "adaptation", "fold", "seed"]
    rows = [
        dict(zip(keys, key, strict=True)) | mean_over_trainings(fold, score)
        for key, fold in part.groupby(keys, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*keys, *SCORES])


def tidy(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row of scores per method, fold, subject, seed, training, adaptation and scored unit."""
    rows = []
    for key, part in with_training(predictions).groupby(list(RESULT_KEYS), sort=False):
        n_windows = int(part["n_windows"].sum())
        row = dict(zip(RESULT_KEYS, key, strict=True)) | {"n_takes": part["row"].nunique(), "n_windows": n_windows}
        rows.append(row | score(part))
    return pd.DataFrame(rows, columns=list(RESULT_COLUMNS))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, atomically, numbers to six decimals."""
    write_atomically(path, lambda temporary: table.to_csv(temporary, index=False, float_format="%.6f"))


def read_table(path: Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote; identifiers stay strings.

    Raises:
        StudyError: it is missing, no such table, or of more than a gigabyte.
    """
    words = {"method", "protocol", "subject", "adaptation", "scored_unit", "session", "take", "truth", "predicted"}
    with open_regular(path, StudyError) as stream:
        n_bytes = os.fstat(stream.fileno()).st_size
        if n_bytes > MOST_BYTES:
            raise StudyError(f"{path} has {n_bytes} bytes; results of at most {MOST_BYTES} are read")
        try:
            names = pd.read_csv(stream, nrows=0).columns
            kinds = {name: "str" for name in names if name in words} | {
                n: "int64" for n in names if n in _WHOLE_NUMBERS
            }
            empty = {n: [""] for n in names if n not in words}
            stream.seek(0)
            return pd.read_csv(stream, dtype=kinds, keep_default_na=False, na_values=empty)
        except (OSError, ValueError) as error:
            raise StudyError(f"{path} is no table of results: {error}; evaluate anew") from None


def read_results(folder: Path) -> Results:
    """Read what `evaluate` wrote into a folder.

    Raises:
        StudyError: no finished evaluation lies there.
    """
    folder = Path(folder)
    absent = [name for name in ("results.csv", "predictions.csv", "run.json") if not (folder / name).is_file()]
    if absent:
        raise StudyError(f"{folder} holds no finished evaluation: {', '.join(absent)} is missing; run mien evaluate")
    run = read_json(folder / "run.json", StudyError)
    if not isinstance(run.get("options"), dict):
        raise StudyError(f"{folder / 'run.json'} says nothing of the options of a run; run mien evaluate")
    facts = run["options"] | {"versions": run.get("versions", {})}
    times = folder / "timings.csv"
    timings = with_training(read_table(times)) if times.is_file() else pd.DataFrame()
    results, predictions = (with_training(read_table(folder / f"{name}.csv")) for name in ("results", "predictions"))
    return Results(results, predictions, facts, timings)

"""Results as tidy tables: one row per scored unit, one row per person and case, and how they are written and read."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from mien.evaluation.statistics import confusions_by_subject, intervals, paired_tests
from mien.files import open_regular, read_json, write_atomically

RESULT_KEYS = ("method", "protocol", "fold", "subject", "seed", "adaptation", "scored_unit")
SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "ece", "macro_precision", "mean_average_precision")
COVERAGES = (0.5, 0.8)
"""Shares that are answered, the surest first, for which a summary gives the accuracy."""

RESULT_COLUMNS = (*RESULT_KEYS, "n_takes", "n_windows", *SCORES)
PREDICTION_COLUMNS = (*RESULT_KEYS, "session", "take", "row", "start_s", "n_windows", "truth", "predicted")
"""Then one p_<class> per class. `row` is the take's position in the study's table."""
_WHOLE_NUMBERS = ("fold", "seed", "row", "n_takes", "n_windows")

MOST_BYTES = 1 << 30
"""A table of results may be this large."""


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """What an evaluation found.

    Args:
        results: one row per method, fold, subject, seed, adaptation and scored unit; columns `RESULT_COLUMNS`.
        predictions: one row per scored window and per scored take; columns `PREDICTION_COLUMNS` and p_<class>.
        facts: what was run, as in run.json: protocol, methods, splits, study.
        timings: one row per job and part (fit, each adaptation): seconds of processor time; empty where unknown.
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


def margins(predictions: pd.DataFrame, first: str, scored_unit: str = "take") -> pd.DataFrame:
    """Return the paired tests over people of one case against every other, see `paired_tests`.

    Args:
        first: a case's name as `case_name` gives it.

    Raises:
        StudyError: no such case was scored.
    """
    people = per_person(predictions, scored_unit)
    if first not in people:
        raise StudyError(f"no {scored_unit}s of {first!r} were scored; scored are {', '.join(people.columns)}")
    return paired_tests(people, [(first, other) for other in people.columns if other != first])


def summary(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row per case: scores over all that was scored, most with their 95 % interval over people.

    `accuracy_at_0.5` and `accuracy_at_0.8` are of the surest half and four fifths.
    """
    rows = []
    for (method, adaptation, unit), part in cases(predictions):
        row: dict[str, Any] = {"method": method, "adaptation": adaptation, "scored_unit": unit}
        for name, interval in intervals(part).items():
            row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        scores = score(part)
        row |= {name: scores[name] for name in ("ece", "mean_average_precision")}
        truth = pd.Index(classes_of(part)).get_indexer(pd.Index(part["truth"]))
        for coverage in COVERAGES:
            row[f"accuracy_at_{coverage:g}"] = accuracy_at_coverage(probabilities_of(part), truth, coverage)
        row |= {"n_subjects": part["subject"].nunique(), "n_seeds": part["seed"].nunique(), "n_scored": len(part)}
        rows.append(row)
    return pd.DataFrame(rows)


def fold_scores(predictions: pd.DataFrame, scored_unit: str = "take") -> pd.DataFrame:
    """Return one row of scores per method, adaptation, fold and seed, over all people of the fold."""
    part = predictions[predictions["scored_unit"] == scored_unit]
    keys = ["method", "protocol", "adaptation", "fold", "seed"]
    rows = [dict(zip(keys, key, strict=True)) | score(fold) for key, fold in part.groupby(keys, sort=False)]
    return pd.DataFrame(rows, columns=[*keys, *SCORES])


def tidy(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row of scores per method, fold, subject, seed, adaptation and scored unit."""
    rows = []
    for key, part in predictions.groupby(list(RESULT_KEYS), sort=False):
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
    timings = read_table(times) if times.is_file() else pd.DataFrame()
    return Results(read_table(folder / "results.csv"), read_table(folder / "predictions.csv"), facts, timings)

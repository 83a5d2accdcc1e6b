"""The tables: every case with its scores, the paper's beside ours, margins, processor time, ablations."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from mien.evaluation.adaptation import adaptation_named
from mien.evaluation.metrics import accuracy, class_scores, classes_of, confusion, macro_f1
from mien.evaluation.results import case_name, cases, first_training, fold_scores, margins, scores_of
from mien.evaluation.statistics import Interval, holm, two_level_bootstrap
from mien.evaluation.trainings import tally
from mien.reproduce.facer.paper import PAPER, Stated
from mien.reproduce.facer.plan import CASES
from mien.reproduce.facer.run import Found
from mien.reproduce.facer.variants import Variant

KEYS = ["case", "method", "adaptation", "scored_unit"]


def summary(found: Found) -> pd.DataFrame:
    """Return one row per case, method, adaptation and scored unit: its scores over all that was scored.

    Returns:
        Columns `KEYS`; accuracy with its 95 % interval over people and trainings (accuracy_low, accuracy_high), the
        scores of `metrics.score`, accuracy_folds (the standard deviation over a seed's folds, mean over seeds),
        n_subjects and n_scored.
    """
    rows = []
    for case, part in found.predictions.groupby("case", sort=False):
        for (method, adaptation, unit), scored in cases(_without_empty(part)):
            interval = accuracy_of(scored)
            folds = fold_scores(scored, unit)
            spread = folds.groupby("seed")["accuracy"].std(ddof=0).mean()
            rows.append(
                dict(zip(KEYS, (case, method, adaptation, unit), strict=True))
                | scores_of(scored)
                | {"accuracy_low": interval.low, "accuracy_high": interval.high}
                | {"accuracy_folds": float(spread), "n_folds": len(folds)}
                | {"n_subjects": scored["subject"].nunique(), "n_scored": len(first_training(scored))}
            )
    return pd.DataFrame(rows)


def _without_empty(part: pd.DataFrame) -> pd.DataFrame:
    return part.dropna(axis=1, how="all")


def accuracy_of(scored: pd.DataFrame) -> Interval:
    """Return the accuracy of what was scored, with its interval over people and trainings."""
    return two_level_bootstrap(tally(scored), {"accuracy": accuracy})["accuracy"]


def f1_of(scored: pd.DataFrame) -> Interval:
    """Return the macro-F1 of what was scored, with its interval over people and trainings."""
    return two_level_bootstrap(tally(scored), {"macro_f1": macro_f1})["macro_f1"]


def value(scores: pd.DataFrame, case: str, method: str, adaptation: str, unit: str, name: str = "accuracy") -> float:
    """Return one score, NaN where it was not measured."""
    here = (scores[KEYS] == [case, method, adaptation, unit]).all(axis=1)
    return float(scores.loc[here, name].iloc[0]) if here.any() else float("nan")


def beside_the_paper(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a row per case: what the paper states of FacER, what ours does on windows and on whole takes, and mien.

    The paper scores windows, after adapting to the very windows that are scored where a case adapts at all.
    """
    rows = []
    for case in CASES:
        stated = PAPER.get((case.name, "facer"))
        adapted = "transductive" if "transductive" in case.adaptations else "none"
        rows.append(
            {
                "case": case.name,
                "paper": paper_words(stated),
                "facer, windows": value(scores, case.name, "facer", adapted, "window"),
                "facer, not adapted": value(scores, case.name, "facer", "none", "window"),
                "facer, takes": value(scores, case.name, "facer", adapted, "take"),
                "mien, takes": value(scores, case.name, "mien", "none", "take"),
                "learnt and scored": case.title,
            }
        )
    return pd.DataFrame(rows)


def paper_words(stated: Stated | None) -> str:
    """Return what the paper states in one cell.

    Example:
        >>> paper_words(Stated(0.85, f1=0.852))
        '85.0 %, F1 85.2 %'
    """
    if stated is None:
        return ""
    words = []
    if stated.accuracy is not None:
        words.append(f"{100 * stated.accuracy:.1f} %")
    if stated.least_class is not None:
        words.append(f"each class > {100 * stated.least_class:.1f} %")
    if stated.f1 is not None:
        words.append(f"F1 {100 * stated.f1:.1f} %")
    return ", ".join(words)


def stated_and_ours(scores: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    """Return a row per value that the paper states: case, method, score, paper, ours (over windows, as it scores).

    `stated in` says where the paper has it, and what must be known to read it.
    """
    rows = []
    for (case, method), stated in PAPER.items():
        adapted = _adapted(case, method)
        here = _of(classes, case, method, adapted).set_index("class")

        def ours(column: str, key: tuple[str, str, str] = (case, method, adapted)) -> float:
            return value(scores, *key, "window", column)

        found = [
            ("accuracy", stated.accuracy, ours("accuracy")),
            ("precision", stated.precision, ours("macro_precision")),
            ("recall", stated.recall, ours("balanced_accuracy")),
            ("F1", stated.f1, ours("macro_f1")),
            ("least accuracy of a class", stated.least_class, here["recall"].min()),
            ("least average precision of a class", stated.least_average_precision, here["average_precision"].min()),
            ("standard deviation over folds", stated.spread, ours("accuracy_folds")),
        ]
        found += [
            (f"accuracy of {name}", paper, here["recall"].get(name, np.nan)) for name, paper in stated.per_class.items()
        ]
        words = "; ".join(filter(None, (stated.where, stated.note)))
        rows += [
            {"case": case, "method": method, "score": name, "paper": paper, "ours": float(own), "stated in": words}
            for name, paper, own in found
            if paper is not None
        ]
    return pd.DataFrame(rows)


def _adapted(case: str, method: str) -> str:
    """Return how the paper compares a method: what can adapt has adapted to the very windows that are scored."""
    known = next(each for each in CASES if each.name == case)
    return "transductive" if method != "sonicface" and "transductive" in known.adaptations else "none"


def _of(classes: pd.DataFrame, case: str, method: str, adaptation: str, unit: str = "window") -> pd.DataFrame:
    return classes[(classes[KEYS] == [case, method, adaptation, unit]).all(axis=1)]


def by_class(found: Found) -> pd.DataFrame:
    """Return one row per case, method, adaptation, scored unit and class, of `metrics.class_scores`.

    The cases alone, not the ablations.
    """
    tables = []
    for case in CASES:
        part = found.of(case.name)
        for key, scored in cases(_without_empty(part)) if len(part) else ():
            names = dict(zip(KEYS, (case.name, *key), strict=True))
            tables.append(class_scores(scored).assign(**names))
    table = pd.concat(tables, ignore_index=True)
    return table[[*KEYS, *(name for name in table.columns if name not in KEYS)]]


def classes_in_full(classes: pd.DataFrame, case: str) -> pd.DataFrame:
    """Return precision, recall and average precision of each class of one case, over windows."""
    here = classes[(classes["case"] == case) & (classes["scored_unit"] == "window")]
    return here[["method", "adaptation", "class", "precision", "recall", "average_precision", "n"]]


def every_method(scores: pd.DataFrame) -> pd.DataFrame:
    """Return accuracies over takes, a row per method and adaptation, a column per case."""
    takes = scores[(scores["scored_unit"] == "take") & scores["case"].isin([case.name for case in CASES])]
    takes = takes[takes["adaptation"].isin(["none", "inductive", "transductive"])]
    table = takes.pivot(index=["method", "adaptation"], columns="case", values="accuracy")
    methods = list(dict.fromkeys(takes["method"]))
    order = sorted(table.index, key=lambda key: (methods.index(key[0]), adaptation_named(key[1]).rank))
    names = [case.name for case in CASES if case.name in table.columns]
    return table.loc[order, names].reset_index()


def in_full(scores: pd.DataFrame, case: str) -> pd.DataFrame:
    """Return all scores over takes of one case."""
    columns = ["accuracy", "macro_precision", "balanced_accuracy", "macro_f1", "mean_average_precision", "ece"]
    here = scores[(scores["case"] == case) & (scores["scored_unit"] == "take")]
    return here[["method", "adaptation", "accuracy_low", "accuracy_high", *columns, "n_subjects", "n_scored"]]


def paired(found: Found, case: str, firsts: Iterable[str]) -> pd.DataFrame:
    """Return paired tests over people of a case: each of `firsts` against every other.

    Every pair is tested once; p-values are corrected for all of the table (Holm).
    """
    predictions = _without_empty(found.of(case))
    predictions = predictions[predictions["adaptation"].isin(["none", "inductive"])]
    known = {case_name(method, adaptation) for (method, adaptation, _), _ in cases(predictions)}
    tables = [margins(predictions, first) for first in firsts if first in known]
    if not tables:
        return pd.DataFrame()
    table = pd.concat(tables, ignore_index=True)
    # Two methods that stand against each other both ways are one test.
    pair = [frozenset(names) for names in zip(table["first"], table["second"], strict=True)]
    table = table[~pd.Series(pair).duplicated()].reset_index(drop=True)
    return table.assign(p_holm=holm(table["p"]))


def processor_time(found: Found) -> pd.DataFrame:
    """Return a row per method: how many numbers it has learnt (median over folds), and seconds of one core it took."""
    timings = found.timings[~found.timings["case"].str.startswith("ablation")]
    rows = []
    for method, part in timings.groupby("method", sort=False):
        fits = part[part["part"] == "fit"]["cpu_s"]
        adapting = part[part["part"].isin(["inductive", "transductive"])]["cpu_s"]
        rows.append(
            {
                "method": method,
                "weights": part["n_weights"].median(),
                "fits": len(fits),
                "s per fit": fits.mean(),
                "s fitting": fits.sum(),
                "s adapting": adapting.sum(),
                "s in all": part["cpu_s"].sum(),
            }
        )
    return pd.DataFrame(rows)


def ablations(found: Found, scores: pd.DataFrame, chosen: Iterable[Variant]) -> pd.DataFrame:
    """Return a row per variant: accuracy over takes as trained and adapted, and the margin to how the method stands.

    Margin and interval are of the column `judged`: as trained, but transductive where a variant acts in adaptation
    alone, since as trained it is the method itself.
    """
    rows = []
    for each in chosen:
        case = f"ablation {each.protocol}"
        trained, adapted = (value(scores, case, each.title, how, "take") for how in ("none", "transductive"))
        how = "transductive" if each.in_adaptation else "none"
        rows.append(
            {
                "method": each.method,
                "varied": each.group,
                "how": each.name,
                "as trained": trained,
                "transductive": adapted,
                "judged": "transductive" if each.in_adaptation else "as trained",
                "low": value(scores, case, each.title, how, "take", "accuracy_low"),
                "high": value(scores, case, each.title, how, "take", "accuracy_high"),
                "usual": each.usual,
            }
        )
    table = pd.DataFrame(rows)
    usual = table[table["usual"]].set_index("method")
    margin = [row[row["judged"]] - usual[row["judged"]].get(row["method"], np.nan) for _, row in table.iterrows()]
    return table.assign(margin=margin)


def estimates(found: Found, case: str) -> dict[tuple[str, str], Interval]:
    """Return (method, adaptation) -> accuracy over takes of a case, with its interval over people."""
    predictions = _without_empty(found.of(case))
    return {(method, how): accuracy_of(part) for (method, how, unit), part in cases(predictions) if unit == "take"}


def confused(found: Found, case: str, method: str, adaptation: str, unit: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the (class class) counts of one method in one case, and the classes."""
    part = scored(found, case, method, adaptation, unit)
    classes = classes_of(part)
    return confusion(part["truth"], part["predicted"], classes), classes


def scored(found: Found, case: str, method: str, adaptation: str, unit: str) -> pd.DataFrame:
    """Return the predictions of one method in one case."""
    part = _without_empty(found.of(case))
    return part[(part[["method", "adaptation", "scored_unit"]] == [method, adaptation, unit]).all(axis=1)]


def as_text(table: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of a table for a terminal; what was not measured is a dash."""
    shown = table.copy()
    for name in shown.columns:
        if pd.api.types.is_float_dtype(shown[name]):
            shown[name] = [f"{number:.3f}" if np.isfinite(number) else "-" for number in shown[name]]
    yield from shown.to_string(index=False).splitlines()

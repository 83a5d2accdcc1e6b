"""The part of a report that is about figures: scores, confusions, classes, people, tests, calibration, floors."""

from html import escape

import pandas as pd

from mien.evaluation.adaptation import adaptation_named
from mien.evaluation.figures import (
    calibration_figure,
    comparison_figure,
    confusion_figure,
    confusion_of,
    precision_recall_figure,
)
from mien.evaluation.figures_curves import coverage_figure, pairs_figure, takes_figure
from mien.evaluation.inline import figure_html, grid_html, more_html, svg, table_html
from mien.evaluation.metrics import (
    calibration,
    calibration_error,
    class_scores,
    probabilities_of,
    recall,
)
from mien.evaluation.report_hearing import heard_by, hearing_words
from mien.evaluation.report_reading import SCORE, SCORE_WORDS, Reading
from mien.evaluation.report_words import few_words, never_right, percent, training_words
from mien.evaluation.results import case_name
from mien.evaluation.statistics import EXACT_UP_TO, N_DRAWS, N_FLIPS, compare, verdicts
from mien.evaluation.trainings import tally


def compared(reading: Reading) -> str:
    """Return the methods' scores with intervals and people, as a figure and as a table."""
    estimates = {(case.method, case.adaptation): case.interval for case in reading.drawn}
    people = pd.DataFrame({(case.method, case.adaptation): case.per_subject for case in reading.drawn})
    people.columns = pd.MultiIndex.from_tuples(estimates)
    lines = {name: scores[SCORE] for name, scores in reading.floors.items() if name == "chance"}
    figure = comparison_figure(estimates, people, lines, f"{reading.unit}s {SCORE_WORDS}")
    caption = (
        f"{reading.unit.capitalize()}s {SCORE_WORDS}. Large mark: all subjects together; bar: 95 % interval over "
        f"subjects and trainings ({N_DRAWS:,} draws); small dots: each subject. {reading.origin_words()}"
    )
    picture = figure_html(
        svg(figure, "; ".join(f"{c.name} {percent(c.interval.estimate)}" for c in reading.drawn)), caption
    )
    windows = more_html("Scores of single windows", scores_table(reading, "window")) if reading.unit == "take" else ""
    words = "".join(
        f"<p>{escape(sentence)}</p>"
        for sentence in [*few_words(reading), *training_words(reading), *hearing_words(reading)]
    )
    beside = [f"<div>{words}</div>"] if words else []
    return grid_html([picture, *beside], "wide") + scores_table(reading, reading.unit) + windows


def scores_table(reading: Reading, unit: str) -> str:
    """Return every score of every case in one unit."""
    table = reading.scores[reading.scores["scored_unit"] == unit]
    names = {"method": "Method", "balanced_accuracy": "Balanced", "accuracy": "Accuracy", "macro_f1": "Macro-F1"}
    names |= {"macro_precision": "Precision", "mean_average_precision": "AP"}
    shown = table.assign(
        method=[case_name(m, a) for m, a in zip(table["method"], table["adaptation"], strict=True)],
        between=[
            f"{low:.2f}–{high:.2f}" for low, high in zip(table["macro_f1_low"], table["macro_f1_high"], strict=True)
        ],
        hears=[
            "" if again else heard_by(reading, method)
            for method, again in zip(table["method"], table["method"].duplicated(), strict=True)
        ],
    )[[*names, "between", "ece", "hears"]]
    formats = dict.fromkeys([*list(names)[1:], "ece"], _three)
    caption = (
        f"Scores of {unit}s. Balanced: mean recall over classes; precision, F1 and AP (average precision) likewise. "
        "All are means over trainings. 95 %: interval of macro-F1 over subjects and trainings."
    )
    headers = names | {"between": "95 %", "ece": "ECE", "hears": "Hears"}
    return table_html(shown, caption, formats, headers, prose=("hears",))


def takes_needed(reading: Reading) -> str:
    """Return what takes of a person bring, over how many: unlabelled ones, and labelled ones; nothing if not asked."""
    numbered = [case for case in reading.cases if adaptation_named(case.adaptation).n_takes is not None]
    if not numbered:
        return ""
    estimates = {(case.method, case.adaptation): case.interval for case in reading.cases}
    picture = takes_figure(estimates, f"{reading.unit}s named right")
    alt = "; ".join(f"{case.name} {percent(case.interval.estimate)}" for case in numbered)
    caption = (
        f"{reading.unit.capitalize()}s {SCORE_WORDS}, over takes of the person that were learnt from before; at 0 "
        "labelled takes, from a neutral clip alone. Bars: 95 % intervals over subjects and trainings. "
        f"{reading.origin_words()}"
    )
    return grid_html([figure_html(svg(picture, alt), caption)], "wide")


def confusions(reading: Reading) -> str:
    """Return a confusion map per case."""
    figures = []
    for case in reading.drawn:
        picture = confusion_figure(confusion_of(case.scored), reading.classes, case.name)
        alt = f"Confusion map of {case.name}: {_recalls(case.scored, reading.classes)}"
        figures.append(figure_html(svg(picture, alt), f"{case.name}, {reading.unit}s. {reading.origin_words()}"))
    words = "<p>Each row is a true class and sums to 100 %; the diagonal is what was named right.</p>"
    missed = [escape(sentence) for case in reading.drawn for sentence in never_right(case)]
    if missed:
        words += f'<ul class="plain">{"".join(f"<li>{sentence}</li>" for sentence in missed)}</ul>'
    as_trained = {case.method: case.scored for case in reading.as_trained}
    if len(reading.classes) > 2 and as_trained:
        pairs = svg(pairs_figure(as_trained), f"The pairs most confused by {', '.join(as_trained)}")
        caption = f"Pairs of classes most often taken for each other, as trained. {reading.origin_words()}"
        figures.append(figure_html(pairs, caption))
    return words + grid_html(figures)


def per_class(reading: Reading) -> str:
    """Return precision, recall, F1 and average precision of each class, and the curves of each method."""
    figures, tables = [], []
    for case in reading.drawn:
        table = class_scores(case.scored)
        formats = {name: _three for name in ("precision", "recall", "f1", "average_precision")}
        headers = {
            "class": "Class",
            "precision": "Precision",
            "recall": "Recall",
            "f1": "F1",
            "average_precision": "AP",
        }
        tables.append(table_html(table, f"{case.name}, {reading.unit}s", formats, headers))
        picture = svg(precision_recall_figure(case.scored, case.name), f"Precision-recall curves of {case.name}")
        figures.append(figure_html(picture, f"{case.name}: precision against recall. {reading.origin_words()}"))
    shown = [piece for pair in zip(tables, figures, strict=True) for piece in pair]
    rest = more_html("The other methods and adaptations", grid_html(shown[2:], "two")) if shown[2:] else ""
    return grid_html(shown[:2], "two") + rest


def per_person(reading: Reading) -> str:
    """Return each person's score by each case."""
    table = pd.DataFrame({case.name: case.per_subject for case in reading.drawn}).rename_axis("subject").reset_index()
    formats = {case.name: percent for case in reading.drawn}
    caption = f"Share of each person's {reading.unit}s {SCORE_WORDS}."
    return table_html(table, caption, formats, {"subject": "Person"})


def tests(reading: Reading) -> str:
    """Return the paired tests between methods over people."""
    cases = reading.drawn
    pairs = [
        (left.name, right.name)
        for number, left in enumerate(cases)
        for right in cases[number + 1 :]
        if (left.method == right.method) != (left.adaptation == right.adaptation)
    ]
    if not pairs:
        return "<p>One method was scored; there is nothing to compare.</p>"
    tallies = {case.name: tally(case.scored) for case in cases}
    table = compare(tallies, pairs, trained_alike={case.name: case.method for case in cases})
    smallest = 2 / 2**reading.n_subjects
    ways = "all ways" if reading.n_subjects <= EXACT_UP_TO else f"{N_FLIPS:,} random ways"
    too_few = ": too few to show any difference at 0.05" if smallest > 0.05 else ""
    words = (
        f"<p>Each person's difference between two methods, tested by flipping its sign ({ways}). p is corrected for "
        f"the number of comparisons (Holm). With {reading.n_subjects} people the smallest p there can be is "
        f"{smallest:.2g} before correction{too_few}.</p>"
        "<p>No difference: the interval holds 0, or the corrected p is 0.05 or more.</p>"
    )
    words += "".join(f"<p>{escape(sentence)}</p>" for sentence in training_words(reading))
    bounds = list(zip(table["low"], table["high"], strict=True))
    shown = table.assign(
        pair=table["first"] + " − " + table["second"],
        better=[f"{a} of {b}" for a, b in zip(table["n_better"], table["n_subjects"], strict=True)],
        between=[f"{100 * low:+.1f} to {100 * high:+.1f}".replace("-", "−") for low, high in bounds],
        shows=verdicts(table),
    )[["pair", "difference", "between", "better", "p", "p_holm", "shows"]]
    headers = {
        "pair": "First − second",
        "difference": "Difference",
        "better": "People better with first",
        "p": "p",
        "p_holm": "p (Holm)",
        "between": "95 %, points",
        "shows": "Ahead",
    }
    formats = {"difference": lambda value: f"{100 * value:+.1f} points".replace("-", "−"), "p": _p, "p_holm": _p}
    return words + table_html(shown, f"Differences of {reading.unit}s {SCORE_WORDS}.", formats, headers)


def calibrations(reading: Reading) -> str:
    """Return reliability curves and the expected calibration error of each case."""
    figures = []
    for case in reading.drawn:
        picture = svg(calibration_figure(case.scored, case.name), f"Calibration of {case.name}")
        correct = (case.scored["truth"] == case.scored["predicted"]).to_numpy()
        sure = probabilities_of(case.scored).max(axis=1)
        width, mass = (calibration_error(calibration(correct, sure, equal_mass=mass)) for mass in (False, True))
        words = f"{case.name}: ECE {width:.3f} (bins of equal mass: {mass:.3f}); mean confidence"
        words = f"{words} {percent(sure.mean())}, right {percent(correct.mean())}. {reading.origin_words()}"
        figures.append(figure_html(picture, words))
    words = (
        "<p>On the dashed line a confidence of 70 % is right 70 % of the time; below it the method is too sure. ECE is "
        "the mean distance from that line, weighted by how many fall into each of 15 bins; 0 is perfect.</p>"
    )
    as_trained = {case.method: case.scored for case in reading.as_trained}
    if as_trained:
        picture = svg(coverage_figure(as_trained), f"Share named right over share answered: {', '.join(as_trained)}")
        caption = (
            f"If only the {reading.unit}s were answered of which a method, as trained, is surest: the share named "
            f"right. Marks at 50 and 80 %. {reading.origin_words()}"
        )
        figures.append(figure_html(picture, caption))
    return words + grid_html(figures)


def floors_table(reading: Reading) -> str:
    """Return what needs no ear."""
    words = {"majority": "Always the most frequent class of what is scored", "chance": "Guessing evenly"}
    table = pd.DataFrame([{"what": words[name]} | scores for name, scores in reading.floors.items()])
    headers = {
        "what": "Without listening",
        "accuracy": "Accuracy",
        "balanced_accuracy": "Balanced accuracy",
        "macro_f1": "Macro-F1",
    }
    formats = {name: _three for name in ("accuracy", "balanced_accuracy", "macro_f1")}
    return table_html(table, "Any figure must be read against these.", formats, headers)


def _recalls(scored: pd.DataFrame, classes: tuple[str, ...]) -> str:
    shares = recall(confusion_of(scored))
    return ", ".join(f"{name} {percent(share)}" for name, share in zip(classes, shares, strict=True) if share == share)


def _three(value: float) -> str:
    return "n/a" if value != value else f"{value:.3f}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"

"""What a report says in plain words: what was done, what the figure is, and what it does not show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from mien.datasets.study import Study
from mien.evaluation.metrics import balanced_accuracy, classes_of, floors
from mien.evaluation.results import Results, cases, summary
from mien.evaluation.statistics import Interval, confusions_by_subject, intervals

SCORE = "balanced_accuracy"
SCORE_WORDS = "named right, every class counting the same"
HOW = {
    "none": "as trained, nothing known of the takes scored",
    "inductive": "after adapting to half of each person's takes, without labels, to score the other half",
    "transductive": "after adapting to the very takes it is scored on, without labels",
}


FULL_WIDTH = 64
"""Filters of the first stage of ResNet-18 (He et al., 2016)."""

FEW_PEOPLE = 8
"""With fewer, a bootstrap over people gives intervals that are plainly too narrow."""

ONE_SEED = "one seed; another seed moves such figures by several points"

_SHARES = {0.75: "three quarters of", 0.5: "half", 0.25: "a quarter of", 0.125: "an eighth of"}


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One method with one adaptation, in the unit that the report is about.

    Args:
        scored: its predictions.
        interval: of the score that the report is about, over people.
        per_subject: that score of each person.
    """

    method: str
    adaptation: str
    scored: pd.DataFrame
    interval: Interval
    per_subject: pd.Series

    @property
    def name(self) -> str:
        return self.method if self.adaptation == "none" else f"{self.method}, {self.adaptation}"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """An evaluation as a report reads it.

    Args:
        unit: "take" where takes were scored, else "window".
        cases: of that unit, methods in the order they were given.
        windows: predictions per window.
    """

    facts: Mapping[str, Any]
    unit: str
    cases: tuple[Case, ...]
    scores: pd.DataFrame
    windows: pd.DataFrame
    study: Study | None
    command: str | None

    @property
    def simulated(self) -> bool:
        return bool(self.facts["study"]["simulated"])

    @property
    def plan(self) -> Mapping[str, Any]:
        return self.facts["plan"]

    @property
    def leaks(self) -> bool:
        return self.plan["protocol"] == "mixed-windows"

    @property
    def disjoint_by(self) -> tuple[str, ...]:
        """Return what training and test share nothing of, in every fold."""
        first, *others = [split["disjoint_by"] for split in self.facts["splits"]]
        return tuple(name for name in first if all(name in other for other in others))

    @property
    def classes(self) -> tuple[str, ...]:
        return classes_of(self.windows)

    @property
    def floors(self) -> dict[str, dict[str, float]]:
        return floors(self.cases[0].scored["truth"])

    @property
    def n_subjects(self) -> int:
        return int(self.cases[0].scored["subject"].nunique())

    def level(self) -> str | None:
        """Return the difficulty at which the study was simulated."""
        level = (self.facts["study"]["generator"] or {}).get("level")
        return level.get("name") if isinstance(level, Mapping) else level

    def origin_words(self) -> str:
        """Return what every caption must say: simulated or not, the level, the seeds."""
        level = self.level()
        seeds = ", ".join(map(str, self.plan["seeds"]))
        kind = self.facts["study"]["origin"].capitalize() + (f", level {level}" if level else "")
        leaks = " The split leaks on purpose." if self.leaks else ""
        return f"{kind}; seed{'s' if len(self.plan['seeds']) > 1 else ''} {seeds}.{leaks}"

    def how(self, adaptation: str) -> str:
        """Return in a few words what a figure of an adaptation knew of what is scored."""
        return "trained on pieces of the very takes it is scored on" if self.leaks else HOW[adaptation]


def read(results: Results, study: Study | None, command: str | None = None) -> Reading:
    """Return an evaluation as a report reads it."""
    predictions = results.predictions
    unit = "take" if (predictions["scored_unit"] == "take").any() else "window"
    found = []
    for (method, adaptation, scored_unit), scored in cases(predictions):
        if scored_unit == unit:
            subjects, counts = confusions_by_subject(scored)
            per_subject = pd.Series(balanced_accuracy(counts), index=subjects)
            found.append(Case(method, adaptation, scored, intervals(scored)[SCORE], per_subject))
    windows = predictions[predictions["scored_unit"] == "window"]
    return Reading(results.facts, unit, tuple(found), summary(predictions), windows, study, command)


def percent(value: float) -> str:
    """Return a share as whole percent, as in '41 %'; the space does not break."""
    return f"{100 * value:.0f}\u00a0%"


def between(interval: Interval) -> str:
    """Return an interval in whole percent, as in '33 to 47 %'."""
    return f"{100 * interval.low:.0f} to {percent(interval.high)}"


def people_words(number: int) -> str:
    return "one person" if number == 1 else f"{number} people"


def heading(reading: Reading) -> str:
    """Return the page's heading."""
    what = (
        f"{len(reading.classes)} expressions" if "happiness" in reading.classes else f"{len(reading.classes)} classes"
    )
    whom = {True: ", on people never heard", False: ""}["subject" in reading.disjoint_by]
    leaking = " (leaking split)" if reading.leaks else ""
    return ("Simulated: " if reading.simulated else "") + f"{what} told from echoes{whom}{leaking}"


def lead(reading: Reading) -> str:
    """Return the headline as HTML paragraphs: the first method's figures, its adaptations', and the best other's."""
    first = [case for case in reading.cases if case.method == reading.cases[0].method]
    plain = first[0]
    n_scored = plain.scored[["subject", "row", "start_s"]].drop_duplicates().shape[0]
    unheard = " that it had never heard" if "subject" in reading.disjoint_by else ""
    sentences = [
        f"Given {n_scored:,} {reading.unit}s of {people_words(reading.n_subjects)}{unheard}, "
        f"<strong>{escape(plain.method)}</strong> named <strong>{percent(plain.interval.estimate)}</strong> right "
        f"({between(plain.interval)}{'' if few_words(reading) else ' if other people had been drawn'}). Guessing "
        f"names {percent(reading.floors['chance'][SCORE])} right.",
        *few_words(reading),
    ]
    words = [f"{percent(case.interval.estimate)} right {reading.how(case.adaptation)}" for case in first[1:]]
    if words:
        doubt = "" if len(reading.plan["seeds"]) > 1 else f" ({ONE_SEED})"
        sentences.append(f"It named {', and '.join(words)}{doubt}.")
    others = [case for case in reading.cases if case.method != plain.method]
    if others:
        best = max(others, key=lambda case: case.interval.estimate)
        sentences.append(
            f"The best of the other methods is <strong>{escape(best.name)}</strong> with "
            f"<strong>{percent(best.interval.estimate)}</strong>."
        )
    return "".join(f"<p>{sentence}</p>" for sentence in sentences)


def few_words(reading: Reading) -> list[str]:
    """Return a sentence where people are so few that drawing them anew tells little of others, else none."""
    number = reading.n_subjects
    if number >= FEW_PEOPLE:
        return []
    if number == 1:
        return ["With one person there is no interval over people: nothing here says how it would go for others."]
    return [
        f"With only {number} people the interval is too narrow: it shows the spread among these {number}, not what "
        "other people would give."
    ]


def never_right(case: Case) -> list[str]:
    """Return a sentence for the classes that a case never names, and one for those that it names but never rightly."""
    scored = case.scored
    shown = [name for name in classes_of(scored) if (scored["truth"] == name).any()]
    right = set(scored["truth"][scored["truth"] == scored["predicted"]])
    named = set(scored["predicted"])
    who = case.method if case.adaptation == "none" else f"{case.method} after {case.adaptation} adaptation"
    unnamed = [name for name in shown if name not in named]
    wrong = [name for name in shown if name in named and name not in right]
    return [f"{who} never names {' or '.join(unnamed)}."] * bool(unnamed) + [
        f"{who} names {' and '.join(wrong)}, but never where that is shown."
    ] * bool(wrong)


def banners(reading: Reading) -> str:
    """Return the warnings that stand above everything."""
    found = []
    if reading.simulated:
        level = f" at level <em>{escape(str(reading.level()))}</em>" if reading.level() else ""
        found.append(
            f'<div class="banner" role="note"><p><strong>Simulated.</strong> Every echo on this page was computed from '
            f"a model of faces and sound{level}. No person was recorded, and no figure here is an accuracy on real "
            f"faces.</p></div>"
        )
    if reading.leaks:
        found.append(
            '<div class="banner bad" role="note"><p><strong>Leaks on purpose.</strong> Windows were split at random, '
            "so overlapping pieces of one take stand in training and in test. This figure is no evidence of "
            "recognition; it shows what such a split is worth.</p></div>"
        )
    return "".join(found)


def limits(reading: Reading) -> list[str]:
    """Return what the figures do not show, a sentence or two each."""
    found = []
    if reading.simulated:
        found.append(
            "How well it works on real faces. The simulation ranks methods under stated physics; skin, hair, rooms, "
            "hands and phones are simpler here, and every expression is one recipe of action units with a personal "
            "style."
        )
    if reading.leaks:
        found.append("Recognition of anything new: training held pieces of the very takes that were scored.")
    elif "subject" not in reading.disjoint_by:
        found.append("Anything about new people: the people who are scored were also trained on.")
    found.append(
        "Felt or fleeting expressions: takes are made on request, one expression each, from rest to its height."
    )
    n_scored, n_all = reading.n_subjects, reading.facts["study"]["n_subjects"]
    found.append(
        f"A population. {people_words(n_scored).capitalize()} {'was' if n_scored == 1 else 'were'} scored"
        + (f" of {n_all}" if n_scored < n_all else "")
        + ", and the interval speaks of people like these only."
    )
    if any(case.adaptation == "transductive" for case in reading.cases):
        found.append(
            "A first use: adapted figures need takes of the person beforehand, and the transductive ones come from the "
            "very takes they were adapted to."
        )
    found += _constants(reading.study) + _narrow(reading.plan)
    if len(reading.plan["seeds"]) == 1:
        found.append("How much chance in learning matters: one seed was run; another may differ by several points.")
    return found


def _constants(study: Study | None) -> list[str]:
    """Return a sentence for each condition, of those that matter to a listener, that was the same throughout."""
    if study is None:
        return []
    names = [name for name in ("place", "device", "mask") if name in study.table and study.table[name].nunique() == 1]
    words = {"place": "Other places", "device": "Other devices", "mask": "Faces with a mask, or without"}
    return [f"{words[name]}: in all takes, {name} is '{study.table[name].iloc[0]}'." for name in names]


def _narrow(plan: Mapping[str, Any]) -> list[str]:
    """Return a sentence on networks that were made narrower than the paper's ResNet-18."""
    widths = {}
    for method, chosen in plan["methods"].items():
        options = chosen.get("options") or {}
        shape = options.get("network", options).get("shape", {})
        if shape.get("width", FULL_WIDTH) < FULL_WIDTH:
            widths[method] = shape["width"]
    if not widths:
        return []
    found = []
    for width in sorted(set(widths.values())):
        whose = " and ".join(method for method, its in widths.items() if its == width)
        share = _SHARES.get(width / FULL_WIDTH, percent(width / FULL_WIDTH) + " of")
        found.append(
            f"The paper's network: the ResNet-18 of {whose} has {share} the paper's width ({width} filters of "
            f"{FULL_WIDTH} in its first stage)."
        )
    return found


def disjoint_words(names: Sequence[str]) -> str:
    """Return in a sentence what training and test share nothing of.

    Example:
        >>> disjoint_words(("subject", "take"))
        'Training and scoring share no person and no take.'
    """
    if not names:
        return "Training and scoring share takes, and so people, places and all else: the split leaks on purpose."
    words = [{"subject": "person"}.get(name, name) for name in names]
    listed = " and no ".join([", no ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    shared = "" if "subject" in names else " They share people: this is no test on people never heard."
    return f"Training and scoring share no {listed}.{shared}"


def adaptation_words(reading: Reading) -> list[tuple[str, str]]:
    """Return for each adaptation that was scored what it saw of the people who are scored."""
    n_target = sum(split["n_unlabelled_target"] for split in reading.facts["splits"])
    extra = f" It also saw {n_target} unlabelled takes of theirs that are not scored." if n_target else ""
    seen = {
        "none": "Nothing of the takes that are scored: normaliser, early stopping and all else come from the training "
        "side.",
        "inductive": "One half of each scored person's takes, sound only; then the other half was scored, and the "
        "other way round: every take by a model that had not seen it. The halves were drawn without looking at labels."
        + extra,
        "transductive": "All takes that are scored, sound only, before they were scored. This is the setting of the "
        "FacER paper." + extra,
    }
    if "facer" in (case.method for case in reading.cases):
        bank = (
            " With them facer hears again labelled training windows, those of the bank that it keeps (at most 1,024 "
            "unless chosen otherwise), and fits its classifier to them anew; the paper uses all training windows."
        )
        seen |= {name: seen[name] + bank for name in ("inductive", "transductive")}
    if reading.leaks:
        seen["none"] = "No adaptation was run. But training itself held pieces of the takes that are scored."
    used = dict.fromkeys(case.adaptation for case in reading.cases)
    return [(name, seen[name]) for name in used]

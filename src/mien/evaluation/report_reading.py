"""An evaluation as a report reads it: cases with their intervals, which are drawn, and what all captions say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mien.datasets.study import Study
from mien.evaluation.adaptation import adaptation_named
from mien.evaluation.metrics import balanced_accuracy, classes_of, floors
from mien.evaluation.results import Results, case_name, cases, summary
from mien.evaluation.statistics import Interval, confusions_by_subject, intervals

SCORE = "balanced_accuracy"
SCORE_WORDS = "named right, every class counting the same"


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One method with one adaptation, in the unit that the report is about.

    Args:
        scored: its predictions.
        interval: of the score that the report is about, over subjects and trainings.
        per_subject: that score of each person.
    """

    method: str
    adaptation: str
    scored: pd.DataFrame
    interval: Interval
    per_subject: pd.Series

    @property
    def name(self) -> str:
        return case_name(self.method, self.adaptation)

    @property
    def labelled(self) -> bool:
        """Whether it was told what takes of the people scored show."""
        return adaptation_named(self.adaptation).kind == "calibrated"


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
    def drawn(self) -> tuple[Case, ...]:
        """Return the cases that get figures and tests: of each kind of adaptation the one that knows most."""
        latest: dict[str, str] = {}
        for word in sorted({case.adaptation for case in self.cases}, key=lambda word: adaptation_named(word).rank):
            latest[adaptation_named(word).kind] = word
        return tuple(case for case in self.cases if case.adaptation in latest.values())

    @property
    def as_trained(self) -> tuple[Case, ...]:
        """Return the cases that knew nothing of the people scored."""
        return tuple(case for case in self.cases if case.adaptation == "none")

    @property
    def floors(self) -> dict[str, dict[str, float]]:
        return floors(self.cases[0].scored["truth"])

    @property
    def n_subjects(self) -> int:
        return int(self.cases[0].scored["subject"].nunique())

    def trainings(self, method: str) -> tuple[int, bool]:
        """Return how often a method was trained on every split, and whether chance has a part in that.

        Results that say nothing of trainings had one.
        """
        known = (self.facts.get("trainings") or {}).get(method, {"n": 1, "by_chance": True})
        return int(known["n"]), bool(known["by_chance"])

    @property
    def n_trainings(self) -> int | None:
        """Return how often what learns by chance was trained on every split; None where nothing does."""
        counts = [self.trainings(method) for method in dict.fromkeys(case.method for case in self.cases)]
        return max((number for number, by_chance in counts if by_chance), default=None)

    def level(self) -> str | None:
        """Return the difficulty at which the study was simulated, and of which version of the levels it is."""
        level = (self.facts["study"]["generator"] or {}).get("level")
        if not isinstance(level, Mapping):
            return level
        return f"{level.get('name')} (levels version {level['version']})" if "version" in level else level.get("name")

    @property
    def moves_by_recipe(self) -> bool:
        """Whether heads moved with the expression by a recipe that all simulated subjects share."""
        generator = self.facts["study"]["generator"] or {}
        level, options = generator.get("level"), generator.get("options") or {}
        first = isinstance(level, Mapping) and level.get("version") == 1
        return first or options.get("head") == "recipe"

    def origin_words(self) -> str:
        """Return what every caption must say: simulated or not, the level, the seeds."""
        level = self.level()
        seeds = ", ".join(map(str, self.plan["seeds"]))
        kind = self.facts["study"]["origin"].capitalize() + (f", level {level}" if level else "")
        leaks = " The split leaks on purpose." if self.leaks else ""
        return f"{kind}; seed{'s' if len(self.plan['seeds']) > 1 else ''} {seeds}.{leaks}"

    def how(self, adaptation: str) -> str:
        """Return in a few words what a figure of an adaptation knew of what is scored."""
        return "trained on pieces of the very takes it is scored on" if self.leaks else how_words(adaptation)


def how_words(adaptation: str) -> str:
    """Return in a few words what an adaptation knew of what is scored.

    Example:
        >>> how_words("calibrated-1")
        'after calibrating to each person with a neutral clip, if there is one, and 1 labelled take per expression'
    """
    asked = adaptation_named(adaptation)
    if asked.kind == "calibrated":
        more = f", if there is one, and {takes_words(asked.n_takes or 0, 'labelled')} per expression"
        return f"after calibrating to each person with a neutral clip{more if asked.n_takes else ' alone'}"
    if asked.n_takes is not None:
        return f"after adapting to {takes_words(asked.n_takes, 'unlabelled')} of each person, to score the others"
    return {
        "none": "as trained, nothing known of the takes scored",
        "inductive": "after adapting to half of each person's takes, without labels, to score the other half",
        "transductive": "after adapting to the very takes it is scored on, without labels",
    }[asked.kind]


def takes_words(number: int, kind: str) -> str:
    return f"{number} {kind} take{'' if number == 1 else 's'}"


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

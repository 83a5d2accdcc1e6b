"""What a fitted model may learn from the people who are scored, as words and as rounds of learning and scoring."""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mien.errors import SplitError
from mien.splits import Split, adaptation_halves, calibration_takes, drawn_takes

ADAPTATIONS = ("none", "inductive", "transductive")
"""What is scored unless asked otherwise."""

KNOWN = (*ADAPTATIONS, "inductive-N", "calibrated-N")
_WORD = re.compile(r"(none|inductive|transductive)|(inductive)-([1-9]\d{0,5})|(calibrated)-(0|[1-9]\d{0,5})")


@dataclass(frozen=True, slots=True)
class Adaptation:
    """An adaptation's name, taken apart.

    Args:
        kind: none, inductive, transductive or calibrated.
        n_takes: of `inductive-N`, unlabelled takes per person; of `calibrated-N`, labelled takes per expression.
    """

    kind: str
    n_takes: int | None = None

    @property
    def rank(self) -> tuple[int, int]:
        """Return where it stands in tables: what knows less of a person first."""
        halves = self.kind == "inductive" and self.n_takes is None
        place = ("none", "inductive", "transductive", "calibrated").index(self.kind)
        return place, 10**6 if halves else self.n_takes or 0


def adaptation_named(word: str) -> Adaptation:
    """Return an adaptation.

    Raises:
        SplitError: an unknown name.

    Example:
        >>> adaptation_named("calibrated-2")
        Adaptation(kind='calibrated', n_takes=2)
    """
    found = _WORD.fullmatch(word)
    if found is None:
        raise SplitError(f"adaptation {word!r} is unknown; choose from {', '.join(KNOWN)}")
    plain, inductive, n_unlabelled, calibrated, n_labelled = found.groups()
    number = n_unlabelled or n_labelled
    return Adaptation(plain or inductive or calibrated, None if number is None else int(number))


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One model that learns from some takes of the people who are scored, and then scores others.

    Args:
        learns_from: rows, none at all where the model is scored as trained.
        scores: rows.
        labelled: whether it is told what `learns_from` show.
    """

    scores: np.ndarray
    learns_from: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    labelled: bool = False


def rounds_of(
    adaptation: str, table: pd.DataFrame, split: Split, seed: int, neutral: np.ndarray | None = None
) -> list[Round]:
    """Return the rounds that an adaptation takes on a fold; together they never score a take twice.

    `inductive` learns from one half of the takes to score the other, both ways. `inductive-N` learns from N takes of
    every person together and scores the rest; `calibrated-N` makes one model per person, from a neutral clip and N
    takes of each other expression, and scores the rest of that person's takes. `transductive` learns from what it
    scores.

    Args:
        neutral: rows of neutral clips that are neither learnt as a class nor scored; None where neutral is a class.

    Raises:
        SplitError: an unknown adaptation, or too few takes for it, the person named.
    """
    asked = adaptation_named(adaptation)
    if asked.kind == "none":
        return [Round(split.test)]
    if asked.kind == "transductive":
        return [Round(split.test, np.concatenate([split.test, split.unlabelled_target]))]
    if asked.kind == "calibrated":
        takes = calibration_takes(table, split.test, asked.n_takes or 0, seed, neutral)
        subjects = table["subject"].astype(str).to_numpy()[split.test]
        return [
            Round(np.setdiff1d(split.test[subjects == subject], learns_from), learns_from, labelled=True)
            for subject, learns_from in takes.items()
        ]
    if asked.n_takes is not None:
        seen = drawn_takes(table, split.test, asked.n_takes, seed)
        return [Round(np.setdiff1d(split.test, seen), seen)]
    first, second = adaptation_halves(table, split.test, seed)
    if not len(first) or not len(second):
        raise SplitError(f"{split.protocol}, fold {split.fold}: inductive adaptation needs two test takes; it has one")
    halves = ((first, second), (second, first))
    return [Round(scores, np.concatenate([seen, split.unlabelled_target])) for seen, scores in halves]


def can_do(recognizer: Any, adaptation: str) -> bool:
    """Return whether a recognizer can be adapted so: `adapt_features` without labels, `calibrate_features` with."""
    kind = adaptation_named(adaptation).kind
    if kind == "calibrated":
        return hasattr(recognizer, "calibrate_features") and getattr(recognizer, "calibrates", True)
    return kind == "none" or (hasattr(recognizer, "adapt_features") and getattr(recognizer, "adapts", True))

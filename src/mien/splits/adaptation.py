"""Which takes of the people who are scored a model may learn from before it scores the others."""

import numpy as np
import pandas as pd

from mien.errors import SplitError
from mien.labels import NEUTRAL
from mien.splits.deal import deal, groups, seeded
from mien.splits.guard import keys_of, missing, no_rows


def adaptation_halves(table: pd.DataFrame, test: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the test rows in two halves, to adapt on one and score the other, then the other way round.

    Each person's takes are halved at random within session, mask and place. Expressions are not looked at (an adapter
    could not know them), nor is the order of takes, which may follow the expressions.
    """
    columns = [name for name in ("subject", "session", "mask", "place") if name in table]
    strata = keys_of(table.iloc[test], columns)
    half = deal(strata, 2, seeded(seed, 0, "halves"))
    return np.sort(test[half == 0]), np.sort(test[half == 1])


def drawn_takes(table: pd.DataFrame, test: np.ndarray, n_takes: int, seed: int) -> np.ndarray:
    """Return `n_takes` of each person's test rows, drawn without looking at expressions; fewer are among more.

    Raises:
        SplitError: a person has no take left that could be scored.
    """
    found = []
    for subject, places in groups(table.iloc[test], ["subject"]):
        if len(places) <= n_takes:
            raise SplitError(
                f"inductive-{n_takes} adapts to {n_takes} takes of each person and scores the others; subject "
                f"{subject} has {len(places)} test takes: ask for fewer, or for a protocol that scores more"
            )
        found.append(test[seeded(seed, 0, f"takes of {subject}").permutation(places)[:n_takes]])
    return np.sort(np.concatenate(found))


def calibration_takes(
    table: pd.DataFrame, test: np.ndarray, n_takes: int, seed: int, neutral: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return subject -> the takes a person is asked for: one neutral clip, and `n_takes` of every other expression.

    What is drawn for few takes is among what is drawn for more. A person without a neutral clip gives the others alone.

    Args:
        table: one row per take; `expression` is "neutral" or another word.
        test: rows that are scored, all labelled.
        neutral: rows of neutral clips that are not scored; None looks for them among `test`.

    Raises:
        SplitError: a person without a neutral clip where `n_takes` is 0, or without a take left that could be scored.
    """
    subjects = table["subject"].astype(str).to_numpy()
    at_rest = (table["expression"] == NEUTRAL).to_numpy() & ~missing(table["expression"])
    clips = test[at_rest[test]] if neutral is None else np.asarray(neutral, dtype=np.int64)
    found = {}
    for subject, places in groups(table.iloc[test], ["subject"]):
        theirs = test[places]
        parts = [_drawn(clips[subjects[clips] == subject], 1, seed, f"clip of {subject}")]
        shown = theirs[~at_rest[theirs]]
        for expression, kind in groups(table.iloc[shown], ["expression"]):
            parts.append(_drawn(shown[kind], n_takes, seed, f"{expression} of {subject}"))
        chosen = np.sort(np.concatenate(parts))
        if not len(chosen):
            raise SplitError(
                f"calibrated-0 needs a neutral clip of each person; subject {subject} has none: record one "
                "(mien simulate --neutral-takes 1), or ask for calibrated-1"
            )
        if not len(np.setdiff1d(theirs, chosen)):
            raise SplitError(
                f"calibrated-{n_takes} leaves no take of subject {subject}, who has {len(theirs)} test takes, to be "
                "scored: ask for fewer"
            )
        found[subject] = chosen
    return found


def _drawn(rows: np.ndarray, n_takes: int, seed: int, purpose: str) -> np.ndarray:
    return seeded(seed, 0, purpose).permutation(rows)[:n_takes] if len(rows) else no_rows()

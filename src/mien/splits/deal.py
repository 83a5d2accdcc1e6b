"""Dealing rows and people into parts, in a seeded and stratified way."""

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from mien.splits.guard import keys_of


def natural(value: object) -> tuple:
    """Return a sort key that puts take 10 after take 9."""
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", str(value)))


def groups(table: pd.DataFrame, columns: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each combination of the columns' values and its row positions."""
    strata = keys_of(table, columns)
    for key in sorted(set(strata)):
        yield key, np.flatnonzero(strata == key)


def deal(strata: np.ndarray, n_parts: int, rng: np.random.Generator) -> np.ndarray:
    """Return (item) a part for each, dealt like cards: parts differ by one at most, in all and within each stratum."""
    part = np.zeros(len(strata), dtype=np.int64)
    order = [row for key in sorted(set(strata)) for row in rng.permutation(np.flatnonzero(strata == key))]
    part[np.array(order, dtype=np.int64)] = np.arange(len(strata)) % n_parts
    return rng.permutation(n_parts)[part]


def deal_people(table: pd.DataFrame, people: np.ndarray, n_parts: int, rng: np.random.Generator) -> np.ndarray:
    """Return (person) a part for each, stratified by sex where the table knows it."""
    sex = np.full(len(people), "", dtype=object)
    if "sex" in table:
        first = table.groupby(table["subject"].astype(str))["sex"].first()
        sex = first.reindex(people).astype(str).to_numpy(dtype=object)
    return deal(sex, n_parts, rng)


def seeded(seed: int, fold: int, purpose: str) -> np.random.Generator:
    """Return a generator of its own for each seed, fold and purpose."""
    return np.random.default_rng(np.random.SeedSequence((seed, fold, *purpose.encode())))

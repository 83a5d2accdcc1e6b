"""A split as a value, and the guard that refuses one that leaks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mien.errors import LeakError, SplitError
from mien.identifiers import IDENTIFIERS, normal
from mien.labels import UNKNOWN

TAKE_KEY = IDENTIFIERS
"""The columns that together name a take."""


def no_rows() -> np.ndarray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Row positions of one fold.

    Args:
        protocol, fold: where the split comes from.
        disjoint_by: columns of which training and test share no value; "take" stands for the take itself.
        train, validation, test: positions in the table, all labelled. Only `train` fits anything;
            `validation` says when to stop.
        unlabelled: takes without a label on the training side, free to learn from.
        unlabelled_target: takes without a label on the test side; to learn from them is adaptation.
        unit: "take", or "window" where positions count windows (`mixed-windows` only).
    """

    protocol: str
    fold: int
    disjoint_by: tuple[str, ...]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    unlabelled: np.ndarray = field(default_factory=no_rows)
    unlabelled_target: np.ndarray = field(default_factory=no_rows)
    unit: str = "take"

    @property
    def leaks(self) -> bool:
        """Whether training and test share takes on purpose."""
        return self.unit == "window"

    def sides(self) -> dict[str, np.ndarray]:
        """Return the rows of each side: what may be learned from, what stops learning, what is scored."""
        return {
            "training": np.concatenate([self.train, self.unlabelled]),
            "validation": self.validation,
            "test": np.concatenate([self.test, self.unlabelled_target]),
        }


def missing(values: pd.Series) -> np.ndarray:
    """Return (row) where a column's value is not known."""
    return (values.isna() | values.isin([UNKNOWN, ""])).to_numpy()


def keys_of(table: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Return (row) one word per combination of the columns' values."""
    words = [table[column].astype(str).to_numpy(dtype=object) for column in columns]
    return np.array([" / ".join(parts) for parts in zip(*words, strict=True)], dtype=object)


def parents_of(table: pd.DataFrame) -> dict[int, tuple[int, ...]]:
    """Return row -> rows it was made of, from the column `parents` ("sub-001_ses-01_take-0001;..."), empty without it.

    Raises:
        SplitError: a parent that is no take of the table.
    """
    if "parents" not in table:
        return {}
    names = {f"sub-{s}_ses-{v}_take-{t}": row for row, (s, v, t) in enumerate(table[list(TAKE_KEY)].to_numpy())}
    found = {}
    for row in np.flatnonzero(~missing(table["parents"])):
        words = [word.strip() for word in str(table["parents"].iloc[row]).split(";")]
        unknown = [word for word in words if word not in names]
        if unknown:
            raise SplitError(
                f"take {row} names the parent {unknown[0]!r}, which is no take of this study; "
                f"parents look like {next(iter(names))!r}"
            )
        found[int(row)] = tuple(names[word] for word in words)
    return found


def check_split(split: Split, table: pd.DataFrame, parents: Mapping[int, Iterable[int]] | None = None) -> None:
    """Refuse a split whose sides share what they must not.

    Args:
        parents: row -> rows that it was made of (mixed or synthetic samples); each must lie on the row's own side.

    Raises:
        LeakError: a row on two sides, a take, its sound or a value of `disjoint_by` in training and in test, validation
            that does not keep the outer grouping, or a row whose parents straddle the split.
        SplitError: rows that are not there, no training or test rows, unlabelled rows in training or test, or training
            with one expression only.
    """
    if split.leaks:
        if split.protocol != "mixed-windows":
            raise LeakError(f"protocol {split.protocol!r} splits windows; only 'mixed-windows' may, and is marked")
        return
    sides = split.sides()
    where = f"{split.protocol}, fold {split.fold}"
    _check_rows(split, table, where)
    owner = np.full(len(table), "", dtype=object)
    for side, rows in sides.items():
        taken = rows[owner[rows] != ""]
        if len(taken) or len(np.unique(rows)) < len(rows):
            raise LeakError(f"{where}: row {taken[0] if len(taken) else rows[0]} stands on two sides of the split")
        owner[rows] = side
    learning = np.concatenate([sides["training"], sides["validation"]])
    for column in ("take", *split.disjoint_by):
        _check_disjoint(table, column, learning, sides["test"], where)
    _check_disjoint(table, "take", sides["training"], sides["validation"], f"{where}, validation")
    if "subject" in split.disjoint_by and table["subject"].iloc[learning].nunique() > 1:
        _check_disjoint(table, "subject", split.train, split.validation, f"{where}, validation")
    for row, origins in (parents or {}).items():
        for parent in origins:
            if owner[row] and owner[parent] and owner[row] != owner[parent]:
                raise LeakError(
                    f"{where}: row {row} ({owner[row]}) was made of row {parent} ({owner[parent]}); a mixed sample and "
                    f"its parents must lie on one side: make mixed samples after the split, of training rows only"
                )


def _compared(table: pd.DataFrame) -> pd.DataFrame:
    """Return columns as they are compared: identifiers that differ in spelling alone are equal."""
    names = [name for name in table if name in TAKE_KEY]
    return table.assign(**{str(name): table[name].astype(str).map(normal) for name in names})


def _check_rows(split: Split, table: pd.DataFrame, where: str) -> None:
    rows = np.concatenate([split.train, split.validation, split.test])
    every = np.concatenate(list(split.sides().values()))
    if len(every) and (every.min() < 0 or every.max() >= len(table)):
        raise SplitError(f"{where}: rows {every.min()} to {every.max()} were asked for; the table has {len(table)}")
    for side, found in (("training", split.train), ("test", split.test)):
        if not len(found):
            raise SplitError(f"{where}: no labelled take is left for {side}")
    if missing(table["expression"].iloc[rows]).any():
        raise SplitError(f"{where}: takes without an expression stand among training, validation or test")
    if table["expression"].iloc[split.train].nunique() < 2:
        only = table["expression"].iloc[split.train[0]]
        raise SplitError(f"{where}: training has the expression {only!r} only; at least two are needed")


def _check_disjoint(table: pd.DataFrame, column: str, left: np.ndarray, right: np.ndarray, where: str) -> None:
    for columns in [[*TAKE_KEY], ["path", "start"], ["sha256"]] if column == "take" else [[column]]:
        names = [name for name in columns if name in table]
        if column == "take" and columns[0] not in table:
            continue
        keys = keys_of(_compared(table[names]), names)
        unknown = missing(table["sha256"]) if names == ["sha256"] else np.zeros(len(table), dtype=bool)
        shared = np.intersect1d(*(keys[rows[~unknown[rows]]] for rows in (left, right)))
        if len(shared):
            raise LeakError(f"{where}: {' '.join(names)} {shared[0]!r} stands on both sides ({len(shared)} such)")

"""Protocols: a study's table in, folds out."""

import difflib
import re
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from mien.errors import SplitError
from mien.identifiers import spellings, two_spellings
from mien.labels import UNKNOWN
from mien.splits.deal import deal, deal_people, groups, natural, seeded
from mien.splits.guard import TAKE_KEY, Split, check_split, keys_of, missing, no_rows, parents_of

PROTOCOLS = (
    "mixed",
    "mixed-windows",
    "leave-out:COLUMN",
    "last-takes:N",
    "transfer:COLUMN=A:B",
    "transfer-disjoint:COLUMN=A:B",
    "subjects:TRAIN/VALIDATION/TEST",
    "official",
)

Fold = tuple[np.ndarray, np.ndarray | None, np.ndarray, tuple[str, ...]]
"""Rows of training, validation (None: to be taken from training) and test, and the columns that keep them apart."""


def make_splits(
    table: pd.DataFrame,
    protocol: str,
    *,
    n_folds: int = 5,
    seed: int = 0,
    validation_fraction: float = 0.2,
    windows: np.ndarray | None = None,
) -> list[Split]:
    """Return the folds of a protocol, each passed by `check_split`.

    `mixed`: takes dealt into `n_folds` folds, stratified by expression and subject. `leave-out:subject`: people dealt
    into `n_folds` folds, stratified by sex where the table knows it; `leave-out:COLUMN`: one fold per value.
    `last-takes:N`: the last N takes of each subject, expression and mask are the test. `transfer:COLUMN=A:B`: train
    where COLUMN is A, test where it is B; `transfer-disjoint` also puts other people on each side, in two folds that
    score everyone. `subjects:3/1/1`: that many people each, rotated over at most `n_folds` folds. `official`: the
    column `split` (train, validation, test). Inner validation is `validation_fraction` of the training side: whole
    people where people are kept apart, else whole takes (also where training has one person only).

    FacER's cases: 1a is `mixed` (5 folds for its 80/20 split, 10 for its cross-validation), 1b `leave-out:place`, 1c
    `last-takes:2`, 2 `transfer:sex=male:female`, 3 and 4 `transfer:mask=open:mask` and back, with the same people on
    both sides (`transfer-disjoint` shares none).

    Args:
        table: one row per take, columns subject, session, take, expression and what the protocol names.
        windows: (window) row of each window's take; `mixed-windows` only, whose positions then count windows.

    Raises:
        SplitError: an unknown protocol or column, one subject under two spellings, too few values, people or takes, or
            a fold without training or test.
        LeakError: the table's own `parents` column crosses a fold.

    Example:
        >>> people = pd.DataFrame({"subject": list("abcd"), "session": "1", "take": "1", "expression": list("jksj")})
        >>> sorted(people.subject[split.test].item() for split in make_splits(people, "leave-out:subject", n_folds=4))
        ['a', 'b', 'c', 'd']
    """
    _check_request(table, protocol, n_folds, validation_fraction)
    name, _, argument = protocol.partition(":")
    if name == "mixed-windows" and not argument:
        return _mixed_windows(table, windows, n_folds, seed, validation_fraction)
    parts = _PROTOCOLS.get(name)
    if parts is None or bool(argument) != (name not in ("mixed", "official")):
        close = difflib.get_close_matches(protocol, PROTOCOLS, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise SplitError(f"protocol {protocol!r} is unknown; known are {', '.join(PROTOCOLS)}{hint}")
    labelled = np.flatnonzero(~missing(table["expression"]))
    if not len(labelled):
        raise SplitError("no take of this study has an expression; a protocol needs labelled takes")
    parents = parents_of(table)
    splits = []
    for fold, (train, validation, test, columns) in enumerate(parts(table, labelled, argument, n_folds, seed)):
        split = _complete(table, protocol, fold, train, validation, test, columns, seed, validation_fraction)
        check_split(split, table, parents)
        splits.append(split)
    return splits


def _check_request(table: pd.DataFrame, protocol: str, n_folds: int, fraction: float) -> None:
    absent = [name for name in (*TAKE_KEY, "expression") if name not in table]
    if absent:
        raise SplitError(f"the table has no column {', '.join(absent)}; it has {', '.join(map(str, table.columns))}")
    several = spellings(table["subject"])
    if several:
        raise SplitError(two_spellings(several[0]))
    least = 2 if protocol in ("mixed", "mixed-windows", "leave-out:subject") else 1
    if n_folds < least:
        raise SplitError(f"{n_folds} folds of {protocol} were asked for; at least {least} are needed")
    if not 0 <= fraction <= 0.5:
        raise SplitError(f"a validation fraction of {fraction:g} was asked for; 0 to 0.5 is allowed")


def _complete(
    table: pd.DataFrame,
    protocol: str,
    fold: int,
    train: np.ndarray,
    validation: np.ndarray | None,
    test: np.ndarray,
    columns: tuple[str, ...],
    seed: int,
    fraction: float,
) -> Split:
    """Return the fold with its inner validation, its unlabelled rows, and all that it is disjoint by."""
    learning = train if validation is None else np.concatenate([train, validation])
    people = table["subject"].to_numpy()
    if "subject" not in columns and not np.isin(people[learning], people[test]).any():
        columns = (*columns, "subject")
    if validation is None:
        train, validation = _inner_validation(table, train, "subject" in columns, seeded(seed, fold, "inner"), fraction)
    blank = np.flatnonzero(missing(table["expression"]))
    meets = np.array([table[column].isin(table[column].iloc[test])[blank] for column in columns], dtype=bool)
    meets = meets.reshape(len(columns), len(blank))
    on_training_side = ~meets.any(axis=0)
    on_test_side = meets.all(axis=0) & (len(columns) > 0)
    return Split(
        protocol,
        fold,
        (*columns, "take"),
        np.sort(train),
        np.sort(validation),
        np.sort(test),
        blank[on_training_side],
        blank[on_test_side],
    )


def _inner_validation(
    table: pd.DataFrame, train: np.ndarray, whole_people: bool, rng: np.random.Generator, fraction: float
) -> tuple[np.ndarray, np.ndarray]:
    if fraction == 0 or not len(train):
        return train, no_rows()
    n_parts = max(2, round(1 / fraction))
    people = np.unique(table["subject"].iloc[train].astype(str))
    if whole_people and len(people) > 1:
        part = deal_people(table, people, min(n_parts, len(people)), rng)
        chosen = np.isin(table["subject"].iloc[train].astype(str), people[part == 0])
    else:
        chosen = deal(keys_of(table.iloc[train], ["expression", "subject"]), n_parts, rng) == 0
    return train[~chosen], train[chosen]


def _mixed(table: pd.DataFrame, labelled: np.ndarray, _argument: str, n_folds: int, seed: int) -> Iterator[Fold]:
    fold = deal(keys_of(table.iloc[labelled], ["expression", "subject"]), n_folds, seeded(seed, 0, "mixed"))
    for number in range(n_folds):
        yield labelled[fold != number], None, labelled[fold == number], ()


def _mixed_windows(
    table: pd.DataFrame, windows: np.ndarray | None, n_folds: int, seed: int, fraction: float
) -> list[Split]:
    if windows is None:
        raise SplitError("mixed-windows splits windows, so it needs the row of each window's take (windows=...)")
    windows = np.asarray(windows)
    labelled = np.flatnonzero(~missing(table["expression"].iloc[windows]))
    strata = keys_of(table.iloc[windows[labelled]], ["expression", "subject"])
    fold = deal(strata, n_folds, seeded(seed, 0, "mixed"))
    splits = []
    for number in range(n_folds):
        inside = fold != number
        stop = np.zeros(inside.sum(), dtype=bool)
        if fraction:
            stop = deal(strata[inside], max(2, round(1 / fraction)), seeded(seed, number, "inner")) == 0
        train, test = labelled[inside], labelled[~inside]
        splits.append(Split("mixed-windows", number, (), train[~stop], train[stop], test, unit="window"))
    return splits


def _leave_out(table: pd.DataFrame, labelled: np.ndarray, column: str, n_folds: int, seed: int) -> Iterator[Fold]:
    values = _values(table, column, labelled)
    if missing(table[column].iloc[labelled]).any():
        n_missing = missing(table[column].iloc[labelled]).sum()
        raise SplitError(f"leave-out:{column}: {n_missing} labelled takes have no {column}; fill the column first")
    held_out = [[value] for value in values]
    if column == "subject":
        if n_folds > len(values):
            raise SplitError(f"{n_folds} folds of people were asked for; the study has {len(values)} labelled people")
        people = np.array(values)
        part = deal_people(table, people, n_folds, seeded(seed, 0, "people"))
        held_out = [list(people[part == number]) for number in range(n_folds)]
    text = table[column].astype(str).to_numpy()[labelled]
    for group in held_out:
        out = np.isin(text, group)
        yield labelled[~out], None, labelled[out], (column,)


def _last_takes(table: pd.DataFrame, labelled: np.ndarray, argument: str, _n_folds: int, _seed: int) -> Iterator[Fold]:
    if not argument.isdigit() or int(argument) < 1:
        raise SplitError(f"last-takes:{argument} was asked for; a whole number of takes is needed, as in last-takes:2")
    n_last = int(argument)
    keys = [name for name in ("subject", "expression", "mask") if name in table]
    test = []
    for key, rows in groups(table.iloc[labelled], keys):
        if len(rows) <= n_last:
            raise SplitError(f"last-takes:{n_last} leaves no training take of {key}, which has {len(rows)}")
        order = sorted(labelled[rows], key=lambda row: [natural(table[name].iloc[row]) for name in ("session", "take")])
        test.extend(order[-n_last:])
    yield np.setdiff1d(labelled, test), None, np.array(test), ()


def _transfer(table: pd.DataFrame, labelled: np.ndarray, argument: str, _n_folds: int, _seed: int) -> Iterator[Fold]:
    column, text, (source, target) = _two_values(table, labelled, argument, "transfer")
    yield labelled[text == source], None, labelled[text == target], (column,)


def _transfer_disjoint(
    table: pd.DataFrame, labelled: np.ndarray, argument: str, _n_folds: int, seed: int
) -> Iterator[Fold]:
    column, text, (source, target) = _two_values(table, labelled, argument, "transfer-disjoint")
    everyone = table["subject"].astype(str).to_numpy()[labelled]
    people = np.unique(everyone)
    if len(people) < 2:
        raise SplitError("transfer-disjoint puts other people on each side; this study has one person")
    first = np.isin(everyone, people[deal_people(table, people, 2, seeded(seed, 0, "people")) == 0])
    for learning in (first, ~first):
        yield labelled[learning & (text == source)], None, labelled[~learning & (text == target)], (column, "subject")


def _subjects(table: pd.DataFrame, labelled: np.ndarray, argument: str, n_folds: int, seed: int) -> Iterator[Fold]:
    numbers = re.fullmatch(r"(\d+)/(\d+)/(\d+)", argument)
    n_train, n_stop, n_test = map(int, numbers.groups()) if numbers else (0, 0, 0)
    if not n_train or not n_test:
        raise SplitError(f"subjects:{argument} was asked for; people in training, validation and test, as in 3/1/1")
    everyone = table["subject"].astype(str).to_numpy()[labelled]
    people = np.unique(everyone)
    if n_train + n_stop + n_test > len(people):
        raise SplitError(f"subjects:{argument} needs {n_train + n_stop + n_test} people; {len(people)} have labels")
    order = seeded(seed, 0, "people").permutation(people)
    for fold in range(min(n_folds, len(people) // n_test)):
        turned = np.roll(order, -fold * n_test)
        test, stop, train = np.split(turned[: n_test + n_stop + n_train], [n_test, n_test + n_stop])
        rows = [labelled[np.isin(everyone, group)] for group in (train, stop, test)]
        yield rows[0], rows[1] if n_stop else None, rows[2], ("subject",)


def _official(table: pd.DataFrame, labelled: np.ndarray, _argument: str, _n_folds: int, _seed: int) -> Iterator[Fold]:
    if "split" not in table:
        raise SplitError(
            "official was asked for, the corpus' own split, but this study has no column 'split'; "
            "add it to takes.tsv (train, validation, test) or choose another protocol"
        )
    words = table["split"].astype(str).to_numpy()[labelled]
    unknown = sorted(set(words) - {"train", "validation", "test", UNKNOWN, "nan"})
    if unknown:
        raise SplitError(f"column 'split' holds {unknown[0]!r}; train, validation, test and {UNKNOWN} are allowed")
    rows = {word: labelled[words == word] for word in ("train", "validation", "test")}
    yield rows["train"], rows["validation"] if len(rows["validation"]) else None, rows["test"], ()


_PROTOCOLS: dict[str, Callable[[pd.DataFrame, np.ndarray, str, int, int], Iterator[Fold]]] = {
    "mixed": _mixed,
    "leave-out": _leave_out,
    "last-takes": _last_takes,
    "transfer": _transfer,
    "transfer-disjoint": _transfer_disjoint,
    "subjects": _subjects,
    "official": _official,
}


def _values(table: pd.DataFrame, column: str, rows: np.ndarray) -> list[str]:
    """Return the two or more values of a column among `rows`, in natural order."""
    if column not in table:
        close = difflib.get_close_matches(column, list(table.columns), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise SplitError(f"column {column!r} is not there; columns are {', '.join(map(str, table.columns))}{hint}")
    found = table[column].iloc[rows]
    values = sorted(set(found[~missing(found)].astype(str)), key=natural)
    if len(values) < 2:
        has = f"the one value {values[0]!r}" if values else "no value"
        varied = [name for name in table.columns if table[name].iloc[rows].nunique() > 1]
        raise SplitError(f"column {column!r} has {has}; at least two are needed, as in {', '.join(map(str, varied))}")
    return values


def _two_values(
    table: pd.DataFrame, labelled: np.ndarray, argument: str, name: str
) -> tuple[str, np.ndarray, tuple[str, str]]:
    column, equals, pair = argument.partition("=")
    source, colon, target = pair.partition(":")
    if not (equals and colon and source and target) or source == target:
        raise SplitError(
            f"{name}:{argument} was asked for; two values of a column are needed, as in {name}:mask=open:mask"
        )
    values = _values(table, column, labelled)
    for value in (source, target):
        if value not in values:
            raise SplitError(
                f"column {column!r} has no value {value!r} among labelled takes; it has {', '.join(values)}"
            )
    return column, table[column].astype(str).to_numpy()[labelled], (source, target)

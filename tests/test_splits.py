"""Splits: every fold keeps its promise, and the guard refuses what leaks."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import LeakError, SplitError
from mien.splits import PROTOCOLS, adaptation_halves, check_split, make_splits

EXPRESSIONS = ("anger", "disgust", "fear")


def table_of(n_subjects=6, n_turns=5, masks=("open", "mask"), expressions=EXPRESSIONS) -> pd.DataFrame:
    """Return takes in the order of a collection: expressions in turn."""
    rows = []
    for subject in range(n_subjects):
        number = 0
        for mask in masks:
            for turn in range(n_turns):
                for expression in expressions:
                    number += 1
                    rows.append(
                        {
                            "subject": f"{subject + 1:03d}",
                            "session": "01",
                            "take": str(number),
                            "expression": expression,
                            "mask": mask,
                            "place": ("office", "garden", "dining-hall")[turn % 3],
                            "sex": "female" if subject % 3 == 0 else "male",
                            "path": f"{subject}-{number}.flac",
                        }
                    )
    return pd.DataFrame(rows)


TABLE = table_of()


def people(rows, table=TABLE) -> set[str]:
    return set(table["subject"].iloc[rows])


EVERY_PROTOCOL = (
    "mixed",
    "leave-out:subject",
    "leave-out:place",
    "leave-out:sex",
    "last-takes:2",
    "transfer:sex=male:female",
    "transfer:mask=open:mask",
    "transfer-disjoint:mask=mask:open",
    "subjects:3/1/2",
    "subjects:4/0/2",
)


@pytest.mark.parametrize("protocol", EVERY_PROTOCOL)
def test_each_fold_keeps_its_sides_apart_and_says_by_what(protocol):
    splits = make_splits(TABLE, protocol, n_folds=3)
    assert splits
    for split in splits:
        learning = np.concatenate([split.train, split.validation])
        assert len(split.train) and len(split.validation) and len(split.test)
        assert not set(learning) & set(split.test) and not set(split.train) & set(split.validation)
        assert "take" in split.disjoint_by and split.unit == "take" and not split.leaks
        for column in split.disjoint_by[:-1]:
            assert not set(TABLE[column].iloc[learning]) & set(TABLE[column].iloc[split.test])
        if "subject" in split.disjoint_by:
            assert not people(split.train) & people(split.validation)
        else:
            assert people(split.train) == people(split.validation)


@pytest.mark.parametrize("protocol", ["mixed", "leave-out:subject", "leave-out:place", "leave-out:sex"])
def test_folds_score_every_take_once(protocol):
    scored = np.concatenate([split.test for split in make_splits(TABLE, protocol, n_folds=3)])
    assert sorted(scored) == list(range(len(TABLE)))


def test_mixed_folds_are_stratified_by_expression_and_subject():
    for split in make_splits(TABLE, "mixed", n_folds=5):
        counts = TABLE.iloc[split.test].groupby(["expression", "subject"]).size()
        assert counts.min() == counts.max() == 2 and len(split.test) == len(TABLE) // 5


def test_people_are_dealt_evenly_by_sex():
    table = table_of(n_subjects=12)
    for split in make_splits(table, "leave-out:subject", n_folds=4):
        tested = table.iloc[split.test].drop_duplicates("subject")
        assert sorted(tested["sex"]) == ["female", "male", "male"]


def test_as_many_folds_as_people_leaves_each_alone():
    assert [len(people(split.test)) for split in make_splits(TABLE, "leave-out:subject", n_folds=6)] == [1] * 6


def test_a_column_gives_one_fold_per_value_in_natural_order():
    distance = np.where(np.arange(len(TABLE)) % 2, "10", "9")
    splits = make_splits(TABLE.assign(distance_m=distance), "leave-out:distance_m")
    assert [distance[split.test[0]] for split in splits] == ["9", "10"]


def test_last_takes_are_the_highest_numbers_not_the_last_words():
    (split,) = make_splits(TABLE, "last-takes:2")
    group = TABLE[(TABLE.subject == "001") & (TABLE.expression == "fear") & (TABLE["mask"] == "open")]
    assert list(group["take"]) == ["3", "6", "9", "12", "15"]
    assert list(TABLE["take"].iloc[[row for row in split.test if row in group.index]]) == ["12", "15"]
    assert len(split.test) == 2 * 6 * 3 * 2


def test_last_takes_needs_a_take_to_learn_from():
    with pytest.raises(SplitError, match="last-takes:5 leaves no training take"):
        make_splits(TABLE, "last-takes:5")


def test_transfer_disjoint_scores_everyone_and_meets_no_one_twice():
    first, second = make_splits(TABLE, "transfer-disjoint:mask=open:mask")
    assert people(first.test) | people(second.test) == people(np.arange(len(TABLE)))
    for split in (first, second):
        assert set(TABLE["mask"].iloc[split.test]) == {"mask"} and set(TABLE["mask"].iloc[split.train]) == {"open"}
        assert not people(split.test) & people(np.concatenate([split.train, split.validation]))


def test_transfer_says_whether_it_shares_people():
    assert make_splits(TABLE, "transfer:mask=open:mask")[0].disjoint_by == ("mask", "take")
    assert make_splits(TABLE, "transfer:sex=male:female")[0].disjoint_by == ("sex", "subject", "take")


def test_subjects_rotates_until_everyone_was_tested():
    splits = make_splits(TABLE, "subjects:3/1/2", n_folds=5)
    assert [(len(people(s.train)), len(people(s.validation)), len(people(s.test))) for s in splits] == [(3, 1, 2)] * 3
    assert set.union(*(people(split.test) for split in splits)) == people(np.arange(len(TABLE)))
    assert len(make_splits(TABLE, "subjects:3/1/2", n_folds=1)) == 1


def test_official_follows_the_column_split_or_says_that_it_is_missing():
    with pytest.raises(SplitError, match="has no column 'split'"):
        make_splits(TABLE, "official")
    words = TABLE["subject"].map(lambda s: {"001": "test", "002": "validation"}.get(s, "train"))
    (split,) = make_splits(TABLE.assign(split=words), "official")
    assert people(split.test) == {"001"} and people(split.validation) == {"002"}
    assert split.disjoint_by == ("subject", "take")
    with pytest.raises(SplitError, match="'dev'"):
        make_splits(TABLE.assign(split=words.replace("validation", "dev")), "official")


def test_unlabelled_takes_go_nowhere_else():
    table = TABLE.copy()
    blank = [0, 40, 100, 150]
    table.loc[blank, "expression"] = ["n/a", None, "n/a", np.nan]
    for split in make_splits(table, "leave-out:subject", n_folds=3):
        assert not set(blank) & set(np.concatenate([split.train, split.validation, split.test]))
        assert sorted([*split.unlabelled, *split.unlabelled_target]) == blank
        assert not people(split.unlabelled) & people(split.test)
        assert people(split.unlabelled_target) <= people(split.test)


def test_mixed_windows_leaks_and_says_so():
    windows = np.repeat(np.arange(len(TABLE)), 3)
    splits = make_splits(TABLE, "mixed-windows", windows=windows)
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(len(windows)))
    assert all(split.leaks and split.unit == "window" and split.disjoint_by == () for split in splits)
    assert set(windows[splits[0].train]) & set(windows[splits[0].test])
    with pytest.raises(SplitError, match="needs the row of each window"):
        make_splits(TABLE, "mixed-windows")


def test_no_other_protocol_may_split_windows():
    split = make_splits(TABLE, "mixed")[0]
    with pytest.raises(LeakError, match="only 'mixed-windows' may"):
        check_split(replace(split, unit="window"), TABLE)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from(["mixed", "leave-out:subject"]))
def test_a_seed_fixes_the_folds(seed, n_folds, protocol):
    once, again = (make_splits(TABLE, protocol, n_folds=n_folds, seed=seed) for _ in range(2))
    for left, right in zip(once, again, strict=True):
        assert np.array_equal(left.train, right.train) and np.array_equal(left.test, right.test)
    sizes = [len(split.test) for split in once]
    assert sum(sizes) == len(TABLE) and max(sizes) - min(sizes) <= (1 if protocol == "mixed" else 30)


def test_the_order_of_rows_does_not_decide_who_is_left_out():
    shuffled = TABLE.sample(frac=1, random_state=1).reset_index(drop=True)
    for left, right in zip(*(make_splits(t, "leave-out:subject") for t in (TABLE, shuffled)), strict=True):
        assert people(left.test) == people(right.test, shuffled)


def test_without_a_validation_fraction_everything_trains():
    split = make_splits(TABLE, "leave-out:subject", validation_fraction=0)[0]
    assert len(split.validation) == 0 and len(split.train) + len(split.test) == len(TABLE)


def test_halves_cover_the_test_takes_and_hold_every_expression():
    test = make_splits(TABLE, "leave-out:subject", n_folds=3)[0].test
    first, second = adaptation_halves(TABLE, test, seed=0)
    assert sorted([*first, *second]) == sorted(test)
    for half in (first, second):
        counts = TABLE.iloc[half].groupby(["subject", "mask"]).size()
        assert counts.min() >= 7 and set(TABLE["expression"].iloc[half]) == set(EXPRESSIONS)


def test_halves_do_not_look_at_labels():
    test = make_splits(TABLE, "leave-out:subject", n_folds=3)[0].test
    blind = TABLE.assign(expression="n/a")
    assert np.array_equal(adaptation_halves(TABLE, test, 3)[0], adaptation_halves(blind, test, 3)[0])


# The guard


def test_a_mixed_sample_whose_parents_straddle_the_split_is_refused():
    split = make_splits(TABLE, "leave-out:subject", n_folds=3)[0]
    mixed = int(split.train[0])
    check_split(split, TABLE, {mixed: [int(split.train[1]), int(split.train[2])]})
    for stranger in (split.test[0], split.validation[0]):
        with pytest.raises(LeakError, match="made of row"):
            check_split(split, TABLE, {mixed: [int(split.train[1]), int(stranger)]})
    with pytest.raises(LeakError, match="made of row"):
        check_split(split, TABLE, {int(split.test[0]): [int(split.train[0])]})


def test_parents_in_the_table_are_guarded_without_being_asked():
    parents = pd.Series("n/a", index=TABLE.index)
    parents[0] = "sub-001_ses-01_take-2; sub-001_ses-01_take-3"
    make_splits(TABLE.assign(parents=parents), "leave-out:subject", n_folds=3)
    parents[0] = "sub-001_ses-01_take-2;sub-005_ses-01_take-3"
    with pytest.raises(LeakError, match="made of row"):
        make_splits(TABLE.assign(parents=parents), "leave-out:subject", n_folds=6)
    parents[0] = "sub-999_ses-01_take-1"
    with pytest.raises(SplitError, match="no take of this study"):
        make_splits(TABLE.assign(parents=parents), "mixed")


def test_a_hand_made_split_that_shares_something_is_refused():
    split = make_splits(TABLE, "leave-out:subject", n_folds=3)[0]
    with pytest.raises(LeakError, match="two sides"):
        check_split(replace(split, test=np.append(split.test, split.train[0])), TABLE)
    with pytest.raises(LeakError, match="subject '"):
        moved = replace(split, train=np.append(split.train, split.test[0]), test=split.test[1:])
        check_split(moved, TABLE)
    with pytest.raises(LeakError, match="validation: subject"):
        moved = replace(split, train=np.append(split.train, split.validation[0]), validation=split.validation[1:])
        check_split(moved, TABLE)
    with pytest.raises(SplitError, match="rows 0 to 9999"):
        check_split(replace(split, test=np.append(split.test, 9999)), TABLE)


def test_a_take_entered_twice_is_found():
    twice = pd.concat([TABLE, TABLE.iloc[[0]]], ignore_index=True)
    split = make_splits(TABLE, "mixed")[0]
    other = split.test if 0 in split.train else split.train
    side = "test" if 0 in split.train else "train"
    with pytest.raises(LeakError, match="subject session take"):
        check_split(replace(split, **{side: np.append(other, len(TABLE))}), twice)
    renamed = twice.assign(take=[*TABLE["take"], "777"])
    with pytest.raises(LeakError, match="path"):
        check_split(replace(split, **{side: np.append(other, len(TABLE))}), renamed)


# What cannot be carried out is refused by name


@pytest.mark.parametrize(
    "protocol, message",
    [
        ("leave-out:plaice", "column 'plaice' is not there; columns are subject, .*did you mean place"),
        ("leave-out:session", "column 'session' has the one value '01'.*as in subject"),
        ("leave-one-out", "protocol 'leave-one-out' is unknown; known are mixed"),
        ("mixed:5", "is unknown"),
        ("leave-out", "is unknown.*did you mean leave-out:COLUMN"),
        ("last-takes:two", "a whole number of takes"),
        ("transfer:mask=open", "two values of a column"),
        ("transfer:mask=open:open", "two values of a column"),
        ("transfer:mask=open:scarf", "no value 'scarf'.*it has mask, open"),
        ("subjects:6/1/1", "needs 8 people; 6"),
        ("subjects:3-1-1", "as in 3/1/1"),
    ],
)
def test_a_protocol_that_cannot_be_carried_out_is_refused(protocol, message):
    with pytest.raises(SplitError, match=message):
        make_splits(TABLE, protocol, n_folds=3)


def test_requests_out_of_range_are_refused():
    with pytest.raises(SplitError, match="the study has 6"):
        make_splits(TABLE, "leave-out:subject", n_folds=7)
    with pytest.raises(SplitError, match="at least 2 are needed"):
        make_splits(TABLE, "mixed", n_folds=1)
    with pytest.raises(SplitError, match="0 to 0.5"):
        make_splits(TABLE, "mixed", validation_fraction=0.9)
    with pytest.raises(SplitError, match="no column take"):
        make_splits(TABLE.drop(columns="take"), "mixed")
    with pytest.raises(SplitError, match="no take of this study has an expression"):
        make_splits(TABLE.assign(expression="n/a"), "mixed")
    with pytest.raises(SplitError, match="the expression 'fear' only"):
        make_splits(TABLE[TABLE["expression"] == "fear"].reset_index(drop=True), "mixed")


def test_takes_without_the_column_that_is_left_out_are_named():
    place = TABLE["place"].copy()
    place[:3] = "n/a"
    with pytest.raises(SplitError, match="3 labelled takes have no place"):
        make_splits(TABLE.assign(place=place), "leave-out:place")


def test_the_list_of_protocols_is_the_one_that_works():
    names = {protocol.partition(":")[0] for protocol in (*EVERY_PROTOCOL, "mixed-windows", "official")}
    assert names == {protocol.partition(":")[0] for protocol in PROTOCOLS}

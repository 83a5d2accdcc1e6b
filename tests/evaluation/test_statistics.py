"""Intervals and tests over people: against enumeration, and by what they promise."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.evaluation.metrics import accuracy, macro_f1
from mien.evaluation.statistics import (
    cluster_bootstrap,
    confusions_by_subject,
    holm,
    intervals,
    paired_tests,
    sign_flip_p,
)


def people(n_subjects, n_takes=30, spread=0.15, seed=0):
    """Return (subject class class) counts of people who differ in how well they are recognised."""
    rng = np.random.default_rng(seed)
    right = rng.binomial(n_takes, np.clip(0.6 + spread * rng.normal(size=(n_subjects, 2)), 0.02, 0.98))
    wrong = n_takes - right
    return np.stack([np.stack([right[:, 0], wrong[:, 0]], -1), np.stack([wrong[:, 1], right[:, 1]], -1)], axis=1)


def test_the_bootstrap_agrees_with_drawing_people_one_by_one():
    counts = people(8)
    rng = np.random.default_rng(1)
    drawn = [macro_f1(counts[rng.integers(0, 8, 8)].sum(axis=0)) for _ in range(4000)]
    found = cluster_bootstrap(counts, macro_f1, n_draws=4000)
    assert found.estimate == pytest.approx(float(macro_f1(counts.sum(axis=0))))
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.01)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    inside = 0
    for seed in range(200):
        found = cluster_bootstrap(people(20, spread=0.1, seed=seed), accuracy, n_draws=500)
        inside += found.low <= 0.6 <= found.high
    # Percentile intervals over 20 people are a little narrow: 95 % nominal, about 92 % in truth.
    assert 0.85 <= inside / 200 <= 0.99


def test_more_takes_of_the_same_people_do_not_narrow_the_interval():
    few, many = (cluster_bootstrap(people(6, n_takes=n), accuracy) for n in (200, 20_000))
    assert many.high - many.low > 0.7 * (few.high - few.low)


def test_the_bootstrap_is_fixed_by_its_seed():
    assert cluster_bootstrap(people(5), accuracy, seed=3) == cluster_bootstrap(people(5), accuracy, seed=3)


def test_one_person_gives_no_width():
    found = cluster_bootstrap(people(1), accuracy)
    assert found.low == found.high == found.estimate


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1, 1, allow_nan=False), min_size=1, max_size=8))
def test_the_sign_flip_p_counts_all_flips(differences):
    values = np.array(differences)
    flips = [abs(np.dot(signs, values)) for signs in product([1, -1], repeat=len(values))]
    expected = np.mean([flip >= abs(values.sum()) - 1e-12 - 1e-12 * abs(values.sum()) for flip in flips])
    assert sign_flip_p(values) == pytest.approx(expected)


def test_the_smallest_p_is_two_in_all_flips():
    assert sign_flip_p(np.ones(10)) == 2 / 2**10
    assert sign_flip_p(np.zeros(10)) == 1.0


def test_drawn_flips_agree_with_all_flips():
    values = np.random.default_rng(0).normal(0.3, 1, 13)
    signs = np.array(list(product([1, -1], repeat=13)))
    assert sign_flip_p(values) == pytest.approx(np.mean(np.abs(signs @ values) >= abs(values.sum())), abs=0.01)


def test_without_a_difference_small_p_are_as_rare_as_they_say():
    rng = np.random.default_rng(0)
    p = np.array([sign_flip_p(rng.normal(size=8)) for _ in range(400)])
    assert np.mean(p <= 0.05) < 0.08


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_raises_p_keeps_their_order_and_starts_at_bonferroni(p_values):
    p, corrected = np.array(p_values), holm(p_values)
    assert np.all(corrected >= p) and np.all(corrected <= 1)
    assert np.all(np.diff(corrected[np.argsort(p, kind="stable")]) >= 0)
    assert corrected.min() == pytest.approx(min(1, len(p) * p.min()))


def test_paired_tests_pair_the_people_whom_both_scored():
    scores = pd.DataFrame({"a": [0.5, 0.6, 0.7, np.nan], "b": [0.4, 0.4, 0.4, 0.9]}, index=list("wxyz"))
    (row,) = paired_tests(scores, [("a", "b")]).itertuples()
    assert (row.n_subjects, row.n_better, row.p, row.p_holm) == (3, 3, 0.25, 0.25)
    assert row.difference == pytest.approx(0.2)


def test_counts_by_subject_add_up_to_all():
    table = pd.DataFrame(
        {
            "subject": ["2", "10", "2"],
            "truth": ["fear", "fear", "anger"],
            "predicted": ["fear", "anger", "anger"],
            "p_anger": 0.5,
            "p_fear": 0.5,
        }
    )
    subjects, counts = confusions_by_subject(table)
    assert subjects == ["10", "2"] and counts.sum(axis=0).tolist() == [[1, 0], [1, 1]]
    assert intervals(table)["accuracy"].estimate == pytest.approx(2 / 3)

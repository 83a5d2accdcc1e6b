"""How foreign a window is, and how much less sure an answer is for it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from mien.errors import ModelError
from mien.learning.calibration import SLOPE, fit_slope, fit_temperature, probabilities
from mien.learning.foreignness import Foreignness, believed, fit_confidence, is_unsure


def cloud(n: int = 3000, seed: int = 0, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of three classes with one covariance, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    mixing = np.diag(np.linspace(0.8, 1.2, 8))
    return rng.normal(size=(n, 8)) @ mixing + 40 * np.eye(8)[labels] + offset, labels


def test_the_squared_distance_of_training_windows_is_distributed_as_chi_squared():
    rows, labels = cloud(20_000)
    found = np.quantile(Foreignness.fit(rows, labels).squared(rows), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(found, chi2(8).ppf([0.1, 0.5, 0.9]), rtol=0.05)


def test_zero_is_typical_of_held_out_windows_and_one_in_a_hundred_is_foreign():
    held = cloud(seed=1)[0]
    made = Foreignness.fit(*cloud(), held)
    assert np.median(made(held)) == pytest.approx(0, abs=1e-3)
    assert is_unsure(np.ones(len(held)), made(held), 0.0, made).mean() == pytest.approx(0.01, abs=1e-3)


def test_no_turn_scale_or_offset_of_the_representation_changes_the_score():
    rows, labels = cloud()
    others, held = cloud(200, seed=2, offset=3.0)[0], cloud(500, seed=1)[0]
    turn, stretch = np.linalg.qr(np.random.default_rng(3).normal(size=(8, 8)))[0], 5.0
    plain = Foreignness.fit(rows, labels, held)(others)
    moved = Foreignness.fit(stretch * rows @ turn + 7, labels, stretch * held @ turn + 7)(stretch * others @ turn + 7)
    np.testing.assert_allclose(moved, plain, rtol=1e-6, atol=1e-9)


def test_far_rows_are_foreign_unsure_and_answered_as_before():
    made = Foreignness.fit(*cloud(), cloud(seed=1)[0])
    rows, labels = cloud(300, seed=2)
    logits = 6 * np.eye(3)[labels]
    near, far = (believed(logits, 1.0, place, made) for place in (rows, rows + 1000))
    assert (far[1] > made.above).all() and (near[1] > made.above).mean() < 0.05
    assert (far[0].argmax(axis=1) == near[0].argmax(axis=1)).all()
    steeper = replace(made, slope=0.8)
    assert believed(logits, 1.0, rows + 1000, steeper)[0].max() < 0.4 < 0.9 < near[0].max(axis=1).min()


def test_familiar_windows_keep_the_temperature_they_had():
    """So calibration on held-out subjects stays what it is, to the last bit, but for the foreign."""
    rows, labels = cloud(300, seed=2)
    made = replace(Foreignness.fit(*cloud(), cloud(seed=1)[0]), slope=3.0)
    logits = np.random.default_rng(0).normal(size=(300, 3))
    found, score = believed(logits, 1.7, rows, made)
    familiar = score <= made.above
    assert familiar.mean() > 0.9
    np.testing.assert_array_equal(found[familiar], probabilities(logits, 1.7)[familiar])


def test_a_slope_is_found_where_foreign_windows_are_answered_worse():
    """Logits of unit noise about 1.5 are true log odds times 1 / 1.5: what makes them true is known in closed form."""
    rng = np.random.default_rng(0)
    beyond, labels = np.maximum(rng.uniform(-1, 2, 6000), 0), rng.integers(0, 3, 6000)
    logits = 2 * (rng.normal(size=(6000, 3)) + 1.5 * np.eye(3)[labels]) * np.exp(0.5 * beyond)[:, None]
    temperature, slope = fit_slope(logits, labels, beyond)
    assert (temperature, slope) == (pytest.approx(2 / 1.5, rel=0.05), pytest.approx(0.5, abs=0.06))


def test_familiar_windows_alone_leave_the_slope_as_it_was_believed():
    labels = np.array([0, 1, 2] * 40)
    logits = 3 * np.eye(3)[labels]
    temperature, slope = fit_slope(logits, labels, np.zeros(120))
    assert slope == pytest.approx(SLOPE, abs=1e-3)
    assert temperature == pytest.approx(fit_temperature(logits, labels), rel=0.01)
    assert fit_slope(np.zeros((0, 3)), np.zeros(0, int), np.zeros(0)) == (1.0, SLOPE)


def test_where_nothing_was_held_out_nothing_is_foreign_beyond_doubt():
    rows, labels = cloud(200)
    made = Foreignness.fit(rows, labels)
    temperature, unsure_below, made = fit_confidence(np.zeros((0, 3)), np.zeros(0), np.zeros(0, int), made)
    assert (temperature, unsure_below, made.above) == (1.0, 0.0, None)
    assert not is_unsure(np.array([0.9]), made(rows[:1] + 1e6), unsure_below, made).any()


def test_a_model_without_foreignness_answers_by_its_temperature_alone():
    logits = np.array([[2.0, 0.0, 1.0]])
    found, score = believed(logits, 2.0, np.zeros((1, 8)), None)
    np.testing.assert_array_equal(found, probabilities(logits, 2.0))
    assert np.isnan(score).all() and not is_unsure(found.max(axis=1), score, 0.0, None).any()


def test_few_windows_of_many_features_have_a_distance():
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(6, 50)), np.array([0, 1] * 3)
    made = Foreignness.fit(rows, labels, rows[:2])
    assert np.isfinite(made(rows)).all() and made(rows + 100).min() > made(rows).max()
    assert np.isfinite(Foreignness.fit(np.zeros((4, 3)), np.array([0, 0, 1, 1]))(np.zeros((2, 3)))).all()


@pytest.mark.parametrize("means, axes", [((3, 7), (8, 8)), ((3, 8), (8, 7)), ((0, 8), (8, 8)), ((4, 8), (8, 8))])
def test_stored_arrays_that_do_not_fit_are_refused(means, axes):
    tensors = {"foreignness.means": np.zeros(means), "foreignness.axes": np.zeros(axes)}
    with pytest.raises(ModelError, match="foreignness"):
        Foreignness.from_state(tensors, {"typical": 1.0, "slope": 0.5, "above": None}, 8, 3)

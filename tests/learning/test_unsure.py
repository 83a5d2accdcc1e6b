"""When an answer is rather not given."""

import numpy as np
import pytest

from mien.learning.calibration import fit_threshold, match_temperature, probabilities


def answered(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (window class) probabilities of two classes that name class 0, and the truth."""
    return np.stack([confidence, 1 - confidence], axis=1), np.where(right, 0, 1)


def gained(threshold: float, confidence: np.ndarray, right: np.ndarray) -> float:
    given = confidence >= threshold
    return float(right[given].sum() - (~right[given]).sum())


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_gains_more_than_the_prior_can_hold(seed):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.5, 1, 400)
    right = rng.random(400) < rng.uniform(0, 1) * confidence
    best = fit_threshold(*answered(confidence, right))
    others = [gained(each, confidence, right) for each in np.linspace(0.5, 1, 200)]
    assert gained(best, confidence, right) >= max(others) - 10 * 0.25


def test_true_probabilities_have_the_threshold_of_a_half():
    """Of many classes, named with the probability of being right: below a half, wrong is likelier."""
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 20_000)
    found = np.concatenate([confidence[:, None], np.repeat((1 - confidence)[:, None] / 9, 9, axis=1)], axis=1)
    truth = np.where(rng.random(20_000) < confidence, 0, 1)
    assert abs(fit_threshold(found, truth) - 0.5) < 0.04


def test_few_windows_that_are_all_right_do_not_silence_or_loosen_it_for_ever():
    found, truth = answered(np.array([0.9, 0.95]), np.array([True, True]))
    assert 0.4 < fit_threshold(found, truth) <= 0.9


def test_a_model_that_is_always_wrong_is_never_sure():
    found, truth = answered(np.linspace(0.6, 0.99, 200), np.zeros(200, dtype=bool))
    assert fit_threshold(found, truth) >= 0.99 or (found.max(axis=1) < fit_threshold(found, truth)).all()


def test_without_windows_every_answer_is_given():
    assert fit_threshold(np.zeros((0, 3)), np.zeros(0, dtype=int)) == 0.0


@pytest.mark.parametrize("outlier", [1.0, 1e3, 1e6])
def test_one_window_far_off_does_not_set_the_temperature(outlier):
    """Log densities of a wild window are wild; a wrong answer counts as one, however wrong."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    logits = rng.normal(size=(300, 3)) + 3 * np.eye(3)[labels]
    calm = match_temperature(logits, labels)
    logits[0] = -outlier * np.eye(3)[labels[0]]
    assert match_temperature(logits, labels) == pytest.approx(calm, rel=0.1)


def test_confidence_means_what_it_says_where_it_was_matched():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 2000)
    logits = 5 * (rng.normal(size=(2000, 3)) + 1.5 * np.eye(3)[labels])
    found = probabilities(logits, match_temperature(logits, labels))
    assert found.max(axis=1).mean() == pytest.approx((found.argmax(axis=1) == labels).mean(), abs=1e-3)
    assert match_temperature(logits[:1], logits[:1].argmax(axis=1)) > 0


def test_all_wrong_is_as_hot_as_it_gets():
    assert match_temperature(np.eye(3)[[0, 1, 2] * 10], np.array([1, 2, 0] * 10)) == 100.0

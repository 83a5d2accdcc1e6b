"""When an answer is rather not given."""

import numpy as np
import pytest

from mien.learning.calibration import fit_threshold


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

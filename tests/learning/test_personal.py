"""Calibration to one person: the refitted layer's laws, every method's contract, others are not forgotten."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from mien.learning.personal import personal_layer, take_weights


def person(n=12, n_classes=3, n_features=5, seed=0):
    rng = np.random.default_rng(seed)
    weights, bias = rng.normal(size=(n_classes, n_features)), rng.normal(size=n_classes)
    labels = np.arange(n) % n_classes
    rows = rng.normal(size=(n, n_features)) + 2 * rng.normal(size=(n_classes, n_features))[labels]
    return weights, bias, rows, labels


def scores(layer, rows):
    return rows @ layer[0].T + layer[1]


def test_the_layer_is_where_the_slope_vanishes():
    """No small step lowers the loss that the docstring states."""
    weights, bias, rows, labels = person()
    counts, strength, temperature = np.full(len(rows), 0.5), 3.0, 1.7
    centre = rows.mean(axis=0)
    size = np.sqrt(np.mean((rows - centre) ** 2))

    def loss(layer):
        change = (layer[0] - weights) * size, layer[1] + layer[0] @ centre - bias - weights @ centre
        shares = log_softmax(scores(layer, rows) / temperature, axis=1)[np.arange(len(rows)), labels]
        squares = sum((part**2).sum() for part in change) / temperature**2
        return -(counts * shares).sum() + strength / 2 * squares

    found = personal_layer(weights, bias, rows, labels, counts, temperature, strength)
    rng = np.random.default_rng(1)
    for _ in range(20):
        step = 1e-2 * rng.normal(size=weights.shape), 1e-2 * rng.normal(size=bias.shape)
        assert loss(found) < loss((found[0] + step[0], found[1] + step[1]))


def test_from_nothing_it_is_scikit_learns_logistic_regression():
    """A layer of zeros held at strength 1 / C is ridge-penalised regression, but that the intercept is held too."""
    _, _, rows, labels = person(n=30)
    rows = rows - rows.mean(axis=0)
    rows = rows / np.sqrt(np.mean(rows**2))
    found = personal_layer(np.zeros((3, 5)), np.zeros(3), rows, labels, np.ones(30), strength=2.0)
    inner = np.concatenate([rows, np.ones((30, 1))], axis=1)
    expected = LogisticRegression(C=0.5, fit_intercept=False, tol=1e-8, max_iter=1000).fit(inner, labels).coef_
    np.testing.assert_allclose(found[0], expected[:, :-1], atol=1e-3)
    np.testing.assert_allclose(found[1], expected[:, -1], atol=1e-3)


@pytest.mark.parametrize("scale, offset", [(100.0, 0.0), (1e-3, 0.0), (1.0, 50.0)])
def test_scale_and_offset_of_the_representation_change_nothing(scale, offset):
    """The same layer on rows in other units names the same."""
    weights, bias, rows, labels = person()
    counts = np.ones(len(rows))
    plain = scores(personal_layer(weights, bias, rows, labels, counts), rows)
    other = rows * scale + offset
    layer = weights / scale, bias - weights.sum(axis=1) * offset / scale
    np.testing.assert_allclose(scores(personal_layer(*layer, other, labels, counts), other), plain, atol=1e-3)


def test_a_layer_held_fast_stays_and_a_loose_one_names_the_persons_takes():
    weights, bias, rows, labels = person()
    fast = personal_layer(weights, bias, rows, labels, np.ones(len(rows)), strength=1e9)
    np.testing.assert_allclose(fast[0], weights, atol=1e-6)
    loose = personal_layer(weights, bias, rows, labels, np.ones(len(rows)), strength=1e-3)
    assert (scores(loose, rows).argmax(axis=1) == labels).all()
    assert not (scores((weights, bias), rows).argmax(axis=1) == labels).all()


def test_a_take_of_many_windows_counts_as_one():
    weights, bias, rows, labels = person()
    once = personal_layer(weights, bias, rows, labels, take_weights(np.arange(12)))
    thrice = personal_layer(weights, bias, *(np.repeat(x, 3, axis=0) for x in (rows, labels)), np.full(36, 1 / 3))
    np.testing.assert_allclose(once[0], thrice[0], atol=1e-4)
    np.testing.assert_allclose(take_weights(np.repeat(np.arange(12), 3)), 1 / 3)


def test_one_window_is_enough():
    weights, bias, rows, labels = person()
    layer = personal_layer(weights, bias, rows[:1], labels[:1], np.ones(1))
    assert (
        np.isfinite(layer[0]).all()
        and scores(layer, rows[:1])[0, labels[0]] > scores((weights, bias), rows[:1])[0, labels[0]]
    )

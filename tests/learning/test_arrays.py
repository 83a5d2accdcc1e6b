"""Checks, normaliser, inner split."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_windows import toy_windows

from mien.learning.arrays import Normaliser, inner_split
from mien.learning.calibration import fit_temperature, probabilities


def test_normalised_training_windows_have_zero_mean_and_unit_scale():
    values = 5 * toy_windows().values + 3
    normalised = Normaliser.fit(values)(values)
    np.testing.assert_allclose(normalised.mean(axis=(0, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(axis=(0, 2, 3)), 1, atol=1e-5)


def test_normaliser_undoes_volume_and_offset():
    windows = toy_windows().values
    louder = 7 * windows - 2
    np.testing.assert_allclose(Normaliser.fit(louder)(louder), Normaliser.fit(windows)(windows), atol=1e-4)


def test_a_constant_channel_stays_finite():
    values = np.ones((4, 2, 3, 5), np.float32)
    assert not Normaliser.fit(values)(values).any()


@given(st.integers(2, 12), st.floats(0.05, 0.9), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_inner_split_holds_out_whole_groups_and_keeps_every_class(n_people, fraction, seed):
    windows = toy_windows(n_people=n_people, n_each=1)
    held = inner_split(windows.labels, windows.groups, fraction, np.random.default_rng(seed))
    assert not set(windows.groups[held]) & set(windows.groups[~held])
    assert set(windows.labels[~held]) == set(windows.labels)


def test_inner_split_of_one_person_holds_nothing_out():
    windows = toy_windows(n_people=1)
    assert not inner_split(windows.labels, windows.groups, 0.2, np.random.default_rng(0)).any()


def test_inner_split_does_not_take_a_class_away():
    labels, groups = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])
    assert not inner_split(labels, groups, 0.5, np.random.default_rng(0)).any()


def test_temperature_leaves_the_order_and_softens_what_is_wrong():
    rng = np.random.default_rng(0)
    logits = 20 * rng.normal(size=(300, 4))
    temperature = fit_temperature(logits, rng.integers(0, 4, 300))
    softened = probabilities(logits, temperature)
    assert (softened.argmax(axis=1) == logits.argmax(axis=1)).all()
    assert softened.max(axis=1).mean() < 0.5


def test_temperature_recovers_the_one_that_was_used():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 4))
    shares = probabilities(logits, 1.0)
    labels = np.array([rng.choice(4, p=share) for share in shares])
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.05)

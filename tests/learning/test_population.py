"""How people differ: the posterior's laws, another implementation, what one expression says of the others."""

import numpy as np
import pytest
from toy_windows import toy_windows

from mien.errors import ModelError
from mien.learning.methods import METHODS, with_changes
from mien.learning.population import LEAST_PEOPLE, Population, personal_densities

N_FEATURES, N_CLASSES = 6, 3


def crowd(n_people=300, n_each=3, seed=0, shared=1.5, own=0.3, noise=0.5):
    """Return rows, labels, groups: a class, a deviation shared by all classes of a person, one of each class, noise."""
    rng = np.random.default_rng(seed)
    means = 2.0 * np.random.default_rng(99).normal(size=(N_CLASSES, N_FEATURES))
    labels = np.tile(np.repeat(np.arange(N_CLASSES), n_each), n_people)
    groups = np.repeat(np.arange(n_people), N_CLASSES * n_each)
    person = shared * rng.normal(size=(n_people, 1, N_FEATURES)) + own * rng.normal(
        size=(n_people, N_CLASSES, N_FEATURES)
    )
    rows = means[labels] + person[groups, labels] + noise * rng.normal(size=(len(labels), N_FEATURES))
    return rows.astype(np.float32), labels, groups


@pytest.fixture(scope="module")
def known():
    return Population.fit(*crowd(), N_CLASSES)


def test_the_spreads_are_those_that_were_drawn(known):
    """Where all features are kept, the covariances in them are those of `crowd`."""
    back = np.linalg.inv(known.axes)
    np.testing.assert_allclose(back.T @ known.within @ back, 0.25 * np.eye(N_FEATURES), atol=0.05)
    n = len(known.within)
    own, other = known.between[:n, :n], known.between[:n, n : 2 * n]
    np.testing.assert_allclose(np.diag(back.T @ own @ back), 1.5**2 + 0.3**2, rtol=0.25)
    np.testing.assert_allclose(np.diag(back.T @ other @ back), 1.5**2, rtol=0.25)


def test_told_in_two_parts_is_told_at_once(known):
    rows, labels, _ = crowd(1, seed=1)
    once, twice = known.told(rows, labels), known.told(rows[:4], labels[:4]).told(rows[4:], labels[4:])
    np.testing.assert_allclose(once.means, twice.means, atol=1e-8)
    np.testing.assert_allclose(once.between, twice.between, atol=1e-8)


def test_the_posterior_is_what_conditioning_a_joint_gaussian_gives(known):
    """Another way: the joint covariance of deviations and rows, inverted whole; blocks of its precision."""
    rows, labels, _ = crowd(1, seed=2)
    n_all, n_inner = len(known.between), len(known.within)
    picks = np.kron(np.eye(N_CLASSES)[labels], np.eye(n_inner))
    joint = np.block(
        [
            [known.between, known.between @ picks.T],
            [picks @ known.between, picks @ known.between @ picks.T + np.kron(np.eye(len(rows)), known.within)],
        ]
    )
    precision = np.linalg.inv(joint)
    between = np.linalg.inv(precision[:n_all, :n_all])
    away = (rows @ known.axes - known.means[labels]).ravel()
    means = known.means.ravel() - between @ precision[:n_all, n_all:] @ away
    person = known.told(rows, labels)
    np.testing.assert_allclose(person.between, between, atol=1e-6)
    np.testing.assert_allclose(person.means.ravel(), means, atol=1e-6)


def test_being_told_never_makes_less_sure(known):
    person = known.told(*crowd(1, n_each=1, seed=3)[:2])
    assert np.linalg.eigvalsh(known.between - person.between).min() > -1e-8
    assert np.trace(person.between) < 0.5 * np.trace(known.between)


def test_one_class_says_where_the_others_are(known):
    """Deviations are mostly shared: told of class 0 alone, the mean of class 2 comes nearer to the person's own."""
    nearer = []
    for seed in range(20):
        rows, labels, _ = crowd(1, n_each=20, seed=100 + seed)
        own = (rows[labels == 2] @ known.axes).mean(axis=0)
        person = known.told(rows[:2], labels[:2])
        nearer.append(np.linalg.norm(person.means[2] - own) < np.linalg.norm(known.means[2] - own))
    assert np.mean(nearer) > 0.8


def test_a_calibrated_person_is_named_better_and_strangers_hardly_worse(known):
    before, after, others_before, others_after = [], [], [], []
    strangers, truth, _ = crowd(100, seed=50)
    for seed in range(20):
        rows, labels, _ = crowd(1, n_each=10, seed=200 + seed)
        taught = np.arange(len(rows)) % 10 == 0
        person = known.told(rows[taught], labels[taught])
        before.append((known.densities(rows[~taught]).argmax(axis=1) == labels[~taught]).mean())
        after.append((personal_densities(person, known, rows[~taught]).argmax(axis=1) == labels[~taught]).mean())
        others_before.append((known.densities(strangers).argmax(axis=1) == truth).mean())
        others_after.append((personal_densities(person, known, strangers).argmax(axis=1) == truth).mean())
    assert np.mean(after) > np.mean(before) + 0.05
    assert np.mean(others_after) > np.mean(others_before) - 0.03


@pytest.mark.parametrize("n_people, n_each", [(LEAST_PEOPLE - 1, 3), (LEAST_PEOPLE, 1)])
def test_too_little_to_know_how_people_differ(n_people, n_each):
    assert Population.fit(*crowd(n_people, n_each), N_CLASSES) is None


def test_people_who_lack_a_class_do_not_count():
    rows, labels, groups = crowd(LEAST_PEOPLE)
    keep = (groups > 0) | (labels > 0)
    assert Population.fit(rows, labels, groups, N_CLASSES) is not None
    assert Population.fit(rows[keep], labels[keep], groups[keep], N_CLASSES) is None


# Within a method


@pytest.fixture(scope="module", params=["mien", "facer"])
def met(request):
    """Return a method that met many people, its name, and its estimator."""
    windows = toy_windows(n_people=70, n_each=2, spread=0.8)
    quick = {"epochs": 2, "batch_size": 32} | ({"n_filters": 8} if request.param == "mien" else {})
    if request.param == "facer":
        quick |= {"width": 2, "attention_units": 4, "classifier_hidden": (16,), "adaptation_epochs": 1}
    method = METHODS[request.param]
    made = method.estimator(with_changes(method.options, quick), 0)
    return request.param, made.fit(windows.values, windows.labels, windows.groups)


def test_calibration_is_by_what_was_learnt_of_people_and_is_kept_with_the_model(met):
    name, made = met
    own, unseen = toy_windows(seed=5, n_people=1, n_each=2), toy_windows(seed=6, n_people=3)
    before = made.predict_proba(unseen.values)
    calibrated = made.calibrate(own.values, own.labels, np.arange(len(own)))
    np.testing.assert_array_equal(made.predict_proba(unseen.values), before)
    found = calibrated.predict_proba(unseen.values)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.abs(found - before).max() > 1e-3
    again = METHODS[name].estimator.from_state(made.options, 0, *calibrated.state())
    np.testing.assert_array_equal(again.predict_proba(unseen.values), found)
    assert {name.split(".")[0] for name in calibrated.state()[0]} >= {"population", "person"}
    assert calibrated.predict_proba(own.values[:0]).shape == (0, 3)


def test_calibrated_twice_is_calibrated_to_both_parts(met):
    _, made = met
    own, unseen = toy_windows(seed=5, n_people=1, n_each=2), toy_windows(seed=6, n_people=3)
    takes, half = np.arange(len(own)), np.arange(len(own)) % 2 == 0
    once = made.calibrate(own.values, own.labels, takes)
    part = made.calibrate(own.values[half], own.labels[half], takes[half])
    twice = part.calibrate(own.values[~half], own.labels[~half], takes[~half])
    np.testing.assert_allclose(twice.predict_proba(unseen.values), once.predict_proba(unseen.values), atol=1e-6)


def test_a_population_that_cannot_be_is_refused(met):
    name, made = met
    tensors, values = made.state()
    estimator = METHODS[name].estimator
    for part, change in (("within", -1.0), ("temperature", -1.0)):
        with pytest.raises(ModelError, match=f"population.*{part}"):
            estimator.from_state(
                made.options, 0, tensors | {f"population.{part}": change * tensors[f"population.{part}"]}, values
            )
    for part in ("axes", "means", "between", "within", "temperature"):
        with pytest.raises(ModelError, match="population"):
            estimator.from_state(
                made.options, 0, {k: v for k, v in tensors.items() if k != f"population.{part}"}, values
            )

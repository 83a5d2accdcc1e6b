"""One contract, run over every method: a new one joins by its row in `METHODS`."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_windows import IMAGE, toy_windows

from mien.errors import ModelError
from mien.learning.methods import METHODS, options_from_json, options_to_json, with_changes
from mien.learning.weights import n_weights

QUICK = {
    "facer": {"width": 2, "attention_units": 4, "classifier_hidden": (16,), "epochs": 16, "adaptation_epochs": 2},
    "resnet": {"width": 2, "epochs": 6},
    "xhar": {"width": 2, "epochs": 6, "adaptation_epochs": 2},
    "dann": {"width": 2, "epochs": 6, "adaptation_epochs": 2},
    "sonicface": {"n_filters": 8, "epochs": 30, "batch_size": 16},
    "svm": {},
    "linear": {},
    "mien": {"n_filters": 8, "epochs": 30, "batch_size": 16},
}
NAMES = list(METHODS)


def make(name, seed=0):
    return METHODS[name].estimator(with_changes(METHODS[name].options, QUICK.get(name, {})), seed)


@pytest.fixture(scope="module")
def fitted():
    windows = toy_windows()
    return {name: make(name).fit(windows.values, windows.labels, windows.groups) for name in NAMES}


@pytest.fixture(scope="module")
def unseen():
    return toy_windows(seed=7, n_people=3)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_probabilities(fitted, unseen, name):
    probabilities = fitted[name].predict_proba(unseen.values)
    assert probabilities.shape == (len(unseen), 3)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-9)


@pytest.mark.parametrize("name", ["svm", "linear", "mien", "sonicface"])
def test_learns_what_is_easy(fitted, unseen, name):
    assert (fitted[name].predict_proba(unseen.values).argmax(axis=1) == unseen.labels).mean() > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_order_of_windows_does_not_matter(fitted, unseen, name):
    order = np.random.default_rng(0).permutation(len(unseen))
    straight = fitted[name].predict_proba(unseen.values)
    np.testing.assert_allclose(fitted[name].predict_proba(unseen.values[order]), straight[order], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_state_brings_back_identical_probabilities(fitted, unseen, name):
    method, tensors_and_values = METHODS[name], fitted[name].state()
    options = options_from_json(type(method.options), options_to_json(fitted[name].options))
    again = method.estimator.from_state(options, 0, *tensors_and_values)
    np.testing.assert_array_equal(again.predict_proba(unseen.values), fitted[name].predict_proba(unseen.values))


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_fixes_everything_and_the_global_generator_nothing(fitted, unseen, name):
    torch.manual_seed(12345)
    np.random.seed(12345)
    windows = toy_windows()
    again = make(name).fit(windows.values, windows.labels, windows.groups)
    np.testing.assert_array_equal(again.predict_proba(unseen.values), fitted[name].predict_proba(unseen.values))


@pytest.mark.parametrize("name", NAMES)
def test_fitting_leaves_the_global_generator_alone(name):
    windows = toy_windows(n_people=2, n_each=2)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    make(name).fit(windows.values, windows.labels, windows.groups)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", NAMES)
def test_fitting_does_not_change_its_arrays(name):
    windows = toy_windows(n_people=3, n_each=2)
    before = windows.values.copy()
    make(name).fit(windows.values, windows.labels, windows.groups)
    np.testing.assert_array_equal(windows.values, before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_what_is_no_number(fitted, name, bad):
    windows = toy_windows(n_people=2, n_each=2)
    windows.values[3, 0, 0, 0] = bad
    with pytest.raises(ModelError, match="NaN or infinity.*window 3"):
        make(name).fit(windows.values, windows.labels, windows.groups)
    with pytest.raises(ModelError, match="NaN or infinity"):
        fitted[name].predict_proba(windows.values)


@pytest.mark.parametrize("name", NAMES)
def test_refuses_other_shapes(fitted, unseen, name):
    with pytest.raises(ModelError, match=r"fitted to \(2, 6, 8\)"):
        fitted[name].predict_proba(unseen.values[:, :, :, :-1])
    with pytest.raises(ModelError, match="window channel height time"):
        fitted[name].predict_proba(unseen.values[:, 0])
    with pytest.raises(ModelError, match="images"):
        fitted[name].predict_proba(unseen.values.astype(np.complex64))


@pytest.mark.parametrize("name", NAMES)
def test_refuses_a_single_class_and_unequal_lengths(name):
    windows = toy_windows(n_people=2, n_each=2)
    with pytest.raises(ModelError, match="at least two"):
        make(name).fit(windows.values, np.zeros_like(windows.labels), windows.groups)
    with pytest.raises(ModelError, match="one each"):
        make(name).fit(windows.values, windows.labels[:-1], windows.groups)


@pytest.mark.parametrize("name", NAMES)
def test_two_classes_are_enough(name):
    windows, unseen = toy_windows(n_classes=2), toy_windows(n_classes=2, seed=3)
    probabilities = make(name).fit(windows.values, windows.labels, windows.groups).predict_proba(unseen.values)
    assert probabilities.shape == (len(unseen), 2)
    if name in ("svm", "linear"):
        assert (probabilities.argmax(axis=1) == unseen.labels).mean() > 0.9


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_each", [1, 4])
def test_one_person_is_enough(name, n_each):
    windows = toy_windows(n_people=1, n_each=n_each)
    probabilities = make(name).fit(windows.values, windows.labels, windows.groups).predict_proba(windows.values)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("name", NAMES)
def test_no_windows_give_no_rows(fitted, name):
    assert fitted[name].predict_proba(np.zeros((0, *IMAGE), np.float32)).shape == (0, 3)


@pytest.mark.parametrize("name", NAMES)
def test_given_validation_windows_are_used(name):
    windows, held = toy_windows(), toy_windows(seed=5, n_people=2)
    made = make(name).fit(windows.values, windows.labels, windows.groups, validation=held)
    assert made.predict_proba(held.values).shape == (len(held), 3)


@pytest.mark.parametrize("name", [name for name in NAMES if METHODS[name].adapts])
def test_adapting_gives_a_new_one_and_leaves_the_old_as_it_was(fitted, unseen, name):
    old = fitted[name]
    before = old.predict_proba(unseen.values)
    tensors_before = {key: value.copy() for key, value in old.state()[0].items()}
    new = old.adapt(unseen.values)
    np.testing.assert_array_equal(old.predict_proba(unseen.values), before)
    for key, value in old.state()[0].items():
        np.testing.assert_array_equal(value, tensors_before[key])
    assert np.abs(new.predict_proba(unseen.values) - before).max() > 1e-6
    again = old.adapt(unseen.values)
    np.testing.assert_array_equal(again.predict_proba(unseen.values), new.predict_proba(unseen.values))


@pytest.mark.parametrize("name", [name for name in NAMES if METHODS[name].adapts])
def test_adapting_after_loading_is_adapting_before_saving(fitted, unseen, name):
    method = METHODS[name]
    again = method.estimator.from_state(fitted[name].options, 0, *fitted[name].state())
    expected = fitted[name].adapt(unseen.values).predict_proba(unseen.values)
    np.testing.assert_array_equal(again.adapt(unseen.values).predict_proba(unseen.values), expected)


@pytest.mark.parametrize("name", NAMES)
def test_windows_like_no_class_are_foreign_and_less_sure(fitted, unseen, name):
    """What is taken for foreign is put in the middle between them: of few toy people the limit is chance."""
    far = 30 * np.random.default_rng(4).normal(size=unseen.values.shape).astype(np.float32)
    score = fitted[name].assess(unseen.values)[1]
    assert np.isfinite(score).all() and abs(np.median(score)) < 1.5
    assert fitted[name].assess(far)[1].min() > np.median(score)
    steep = copy.deepcopy(fitted[name])
    base = getattr(steep, "base", steep)
    base.foreign = replace(base.foreign, slope=3.0, above=float(np.median(score)) - 1)
    found, before = steep.assess(far)[0], fitted[name].predict_proba(far)
    assert (found.argmax(axis=1) == before.argmax(axis=1)).all()
    assert (found.max(axis=1) <= before.max(axis=1) + 1e-9).all() and found.max(axis=1).mean() < 0.6


@pytest.mark.parametrize("name", NAMES)
def test_calibrating_confidence_changes_no_answer_and_is_stored(fitted, unseen, name):
    """Told labels of its own answers, half of them wrong, it is half as sure as before, and as sure after loading."""
    before = fitted[name].predict_proba(unseen.values)
    labels = np.where(np.arange(len(unseen)) % 2 == 0, before.argmax(axis=1), (before.argmax(axis=1) + 1) % 3)
    new = fitted[name].calibrate_confidence(unseen.values, labels)
    after, score = new.assess(unseen.values)
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all()
    assert abs(after.max(axis=1).mean() - 0.5) < 0.1
    np.testing.assert_array_equal(fitted[name].predict_proba(unseen.values), before)
    loaded = METHODS[name].estimator.from_state(new.options, 0, *new.state())
    for one, other in zip(loaded.assess(unseen.values), (after, score), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_from_before_foreignness_was_kept_answers_as_it_did(fitted, unseen, name):
    tensors, values = fitted[name].state()
    old = {key: value for key, value in tensors.items() if not key.startswith("foreignness.")}
    loaded = METHODS[name].estimator.from_state(fitted[name].options, 0, old, values | {"foreignness": None})
    found, score = loaded.assess(unseen.values)
    assert np.isnan(score).all() and (found.argmax(axis=1) == fitted[name].predict_proba(unseen.values).argmax(1)).all()
    with pytest.raises(ModelError, match="train it anew"):
        loaded.calibrate_confidence(unseen.values, unseen.labels)


def odd_person(seed=11, n_each=6):
    """Return windows of one person who shows class 0 as others show 1, and 1 as others show 0."""
    windows = toy_windows(seed=seed, n_people=1, n_each=n_each)
    return replace(windows, labels=np.array([1, 0, 2])[windows.labels], groups=np.arange(len(windows)))


def accuracy(made, windows):
    return (made.predict_proba(windows.values).argmax(axis=1) == windows.labels).mean()


@pytest.mark.parametrize("name", NAMES)
def test_calibrating_gives_a_new_one_and_leaves_the_old_as_it_was(fitted, unseen, name):
    old, own = fitted[name], odd_person()
    before = old.predict_proba(unseen.values)
    new = old.calibrate(own.values, own.labels, own.groups)
    np.testing.assert_array_equal(old.predict_proba(unseen.values), before)
    assert np.abs(new.predict_proba(unseen.values) - before).max() > 1e-6
    again = old.calibrate(own.values, own.labels, own.groups)
    np.testing.assert_array_equal(again.predict_proba(unseen.values), new.predict_proba(unseen.values))
    loaded = METHODS[name].estimator.from_state(new.options, 0, *new.state())
    np.testing.assert_array_equal(loaded.predict_proba(unseen.values), new.predict_proba(unseen.values))


@pytest.mark.parametrize("name", ["svm", "mien", "sonicface"])
def test_a_person_who_shows_two_classes_the_other_way_round_is_learnt(fitted, name):
    """Where all other people agree, only labels of this one's can tell; judged on other windows of theirs."""
    own = odd_person(n_each=60)
    taught, judged = own.take(own.groups % 2 == 0), own.take(own.groups % 2 == 1)
    assert accuracy(fitted[name], judged) < 0.4
    assert accuracy(fitted[name].calibrate(taught.values, taught.labels, taught.groups), judged) > 0.9


@pytest.mark.parametrize("name", [name for name in NAMES if name != "svm"])
def test_calibrating_to_one_person_forgets_no_other(fitted, unseen, name):
    """One take of each class. (The svm remembers by its support vectors, of which these toys have few.)"""
    own = toy_windows(seed=11, n_people=1, n_each=1)
    calibrated = fitted[name].calibrate(own.values, own.labels, np.arange(len(own)))
    assert accuracy(calibrated, unseen) >= accuracy(fitted[name], unseen) - 0.06


@pytest.mark.parametrize("name", NAMES)
def test_calibrating_refuses_what_cannot_teach(fitted, name):
    own = odd_person(n_each=1)
    with pytest.raises(ModelError, match="class numbers 0 to 2"):
        fitted[name].calibrate(own.values, own.labels + 1, own.groups)
    with pytest.raises(ModelError, match="at least one"):
        fitted[name].calibrate(own.values[:0], own.labels[:0], own.groups[:0])
    with pytest.raises(ModelError, match="one each"):
        fitted[name].calibrate(own.values, own.labels[:1], own.groups)
    with pytest.raises(ModelError, match=r"fitted to \(2, 6, 8\)"):
        fitted[name].calibrate(own.values[:, :, :, :-1], own.labels, own.groups)


def test_every_method_says_whether_it_adapts():
    for name, method in METHODS.items():
        assert method.adapts == hasattr(method.estimator, "adapt"), name


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_counted_as_torch_or_the_machines_arrays_have_them(fitted, name):
    estimator = fitted[name]
    if name in ("svm", "linear"):
        arrays = [estimator.seen.components.mean, estimator.seen.components.axes, *estimator.machine.values()]
        expected = sum(np.size(array) for array in arrays)
    else:
        base = getattr(estimator, "base", estimator)
        networks = [base.network, *([estimator.classifier] if name == "facer" else [])]
        expected = sum(weights.numel() for network in networks for weights in network.parameters())
    assert n_weights(estimator) == expected > 0

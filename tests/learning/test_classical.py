"""Our formulas for stored machines against scikit-learn's own; tuning over whole people."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from toy_windows import toy_windows

from mien.errors import ModelError
from mien.learning.classical import ClassicalClassifier, Components
from mien.learning.machines import LinearOptions, SvmOptions
from mien.learning.methods import with_changes
from mien.learning.tuning import inner_folds


def rows_of(n_classes, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), 40)
    rows = rng.normal(size=(len(labels), 5))
    rows[:, 0] += labels
    return rows, labels


@pytest.mark.parametrize("n_classes", [3, 4, 6])
def test_support_vector_scores_are_scikit_learns(n_classes):
    rows, labels = rows_of(n_classes)
    machine = SvmOptions().learn(rows, labels, {"penalty": 3.0, "gamma": 1.0})
    reference = SVC(C=3.0, gamma=1 / 5).fit(rows, labels)
    unseen, _ = rows_of(n_classes, seed=1)
    np.testing.assert_allclose(SvmOptions().scores(unseen, machine), reference.decision_function(unseen), atol=1e-9)


def test_two_classes_are_not_swapped():
    rows, labels = rows_of(2)
    machine = SvmOptions().learn(rows, labels, {"penalty": 3.0, "gamma": 1.0})
    reference = SVC(C=3.0, gamma=1 / 5).fit(rows, labels)
    assert (SvmOptions().scores(rows, machine).argmax(axis=1) == reference.predict(rows)).all()


@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_linear_scores_are_scikit_learns(n_classes):
    rows, labels = rows_of(n_classes)
    scores = LinearOptions().scores(rows, LinearOptions().learn(rows, labels, {"penalty": 0.1}))
    expected = LogisticRegression(C=0.1, max_iter=300).fit(rows, labels).predict_proba(rows)
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, expected, atol=1e-9)


def test_components_are_scikit_learns_whitened():
    rows, _ = rows_of(3)
    expected = PCA(4, whiten=True, svd_solver="full").fit(rows).transform(rows)
    np.testing.assert_allclose(Components.fit(rows, 4, 0)(rows), expected, atol=1e-9)


def test_inner_folds_never_split_a_person():
    windows = toy_windows()
    for learnt, judged in inner_folds(windows.labels, windows.groups, 0):
        assert not set(windows.groups[learnt]) & set(windows.groups[judged])


def test_settings_come_from_the_grid_and_temperature_is_positive():
    windows = toy_windows()
    options = with_changes(SvmOptions(), {"penalties": [2.0], "gammas": [0.5]})
    made = ClassicalClassifier(options).fit(windows.values, windows.labels, windows.groups)
    assert made.setting == {"penalty": 2.0, "gamma": 0.5} and made.temperature > 0


def test_labels_that_only_name_the_person_leave_the_classifier_unsure():
    """Calibration is over people left out: a class that is a person cannot be recognised in another."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 12)
    labels = (groups + np.tile(np.arange(12) % 3 == 0, 6)) % 3
    values = (rng.normal(size=(6, 2, 6, 8))[groups] + 0.1 * rng.normal(size=(72, 2, 6, 8))).astype(np.float32)
    made = ClassicalClassifier(SvmOptions()).fit(values, labels, groups)
    unseen = rng.normal(size=(200, 2, 6, 8)).astype(np.float32)
    assert made.predict_proba(unseen).max(axis=1).mean() < 0.6


def test_machines_that_do_not_add_up_are_refused():
    windows = toy_windows()
    made = ClassicalClassifier(SvmOptions()).fit(windows.values, windows.labels, windows.groups)
    tensors, values = made.state()
    tensors["machine.counts"] = tensors["machine.counts"] + 1
    with pytest.raises(ModelError, match="do not add up"):
        ClassicalClassifier.from_state(SvmOptions(), 0, tensors, values)


def test_a_calibrated_svm_remembers_the_others_by_its_support_vectors():
    """Forty people who overlap: calibrated to one more, the same are named right of still others, within 3 %."""
    windows, others, own = (
        toy_windows(n_people=n, n_each=2, seed=s, spread=2.0) for n, s in ((40, 0), (60, 1), (1, 2))
    )
    options = with_changes(SvmOptions(), {"penalties": [1.0], "gammas": [0.3]})
    made = ClassicalClassifier(options).fit(windows.values, windows.labels, windows.groups)
    calibrated = made.calibrate(own.values, own.labels, np.arange(len(own)))
    before, after = (
        (m.predict_proba(others.values).argmax(axis=1) == others.labels).mean() for m in (made, calibrated)
    )
    assert 0.5 < before < 0.98
    assert abs(after - before) < 0.03


def test_calibrating_to_a_class_that_was_not_taught_is_refused():
    windows = toy_windows()
    taught = windows.take(windows.labels != 1)
    made = ClassicalClassifier(LinearOptions()).fit(taught.values, taught.labels, taught.groups)
    with pytest.raises(ModelError, match=r"only \[0, 2\] were taught"):
        made.calibrate(windows.values, windows.labels, np.arange(len(windows)))

"""Metrics: against scikit-learn as the second implementation, and by what they must be."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from mien.evaluation.metrics import (
    accuracy,
    average_precision,
    balanced_accuracy,
    calibration,
    calibration_error,
    class_scores,
    confusion,
    f1,
    floors,
    macro_f1,
    macro_precision,
    precision,
    precision_recall,
    recall,
    score,
    take_predictions,
)

CLASSES = ("anger", "disgust", "fear", "happiness")
words = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(words)
def test_scores_of_counts_agree_with_scikit_learn(pairs):
    truth, predicted = zip(*pairs, strict=True)
    counts = confusion(truth, predicted, CLASSES)
    assert np.array_equal(counts, reference.confusion_matrix(truth, predicted, labels=CLASSES))
    assert accuracy(counts) == pytest.approx(reference.accuracy_score(truth, predicted))
    expected = reference.recall_score(truth, predicted, labels=sorted(set(truth)), average="macro")
    assert balanced_accuracy(counts) == pytest.approx(expected)
    assert macro_f1(counts) == pytest.approx(reference.f1_score(truth, predicted, average="macro"))
    shown = sorted(set(truth))
    expected = reference.precision_score(truth, predicted, labels=shown, average="macro", zero_division=0)
    assert macro_precision(counts) == pytest.approx(expected)


@settings(deadline=None)
@given(words)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(pairs):
    truth, predicted = zip(*pairs, strict=True)
    counts = confusion(truth, predicted, CLASSES)
    found, remembered = precision(counts), recall(counts)
    both = (found > 0) & (remembered > 0)
    found, remembered = found[both], remembered[both]
    assert f1(counts)[both] == pytest.approx(2 * found * remembered / (found + remembered))


def test_balanced_accuracy_does_not_gain_from_a_frequent_class():
    counts = np.array([[90, 0], [10, 0]])
    assert accuracy(counts) == 0.9 and balanced_accuracy(counts) == 0.5


def random_predictions(n=400, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(len(CLASSES)), size=n)
    truth = np.array([rng.choice(CLASSES, p=row) for row in probabilities])
    return truth, probabilities


def test_average_precision_is_the_sum_over_thresholds():
    truth, probabilities = random_predictions()
    for number, name in enumerate(CLASSES):
        found, remembered = precision_recall(truth, probabilities[:, number], name)
        steps = np.sum(np.diff(remembered) * found[1:])
        assert average_precision(truth, probabilities, CLASSES)[name] == pytest.approx(steps)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=60))
def test_average_precision_agrees_with_scikit_learn_where_probabilities_are_equal(pairs):
    truth, scores = np.array(pairs, dtype=int).T
    found = average_precision(np.where(truth, "fear", "anger"), scores[:, None] / 5, ["fear"])["fear"]
    if not truth.any():
        assert np.isnan(found)
    else:
        assert found == pytest.approx(reference.average_precision_score(truth, scores))


def test_scores_of_classes_are_those_of_the_counts():
    truth, probabilities = random_predictions(200)
    table = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in CLASSES])
    table = table.assign(truth=truth, predicted=np.array(CLASSES)[probabilities.argmax(axis=1)])
    scores = class_scores(table).set_index("class")
    for name in CLASSES:
        expected = reference.precision_recall_fscore_support(truth, table["predicted"], labels=[name])
        assert scores.loc[name, ["precision", "recall", "f1", "n"]].tolist() == pytest.approx(np.ravel(expected))
    assert score(table)["mean_average_precision"] == pytest.approx(scores["average_precision"].mean())
    assert score(table)["balanced_accuracy"] == pytest.approx(scores["recall"].mean())


def test_a_class_that_never_occurs_has_no_average_precision():
    truth, probabilities = random_predictions()
    assert np.isnan(average_precision(truth, probabilities, (*CLASSES[:3], "joy"))["joy"])


@pytest.mark.parametrize("equal_mass", [False, True])
def test_honest_probabilities_are_calibrated_and_boasts_are_not(equal_mass):
    truth, probabilities = random_predictions(20_000)
    correct = truth == np.array(CLASSES)[probabilities.argmax(axis=1)]
    sure = probabilities.max(axis=1)
    assert calibration_error(calibration(correct, sure, equal_mass=equal_mass)) < 0.02
    boast = np.sqrt(sure)
    expected = np.mean(boast - sure)
    assert calibration_error(calibration(correct, boast, equal_mass=equal_mass)) == pytest.approx(expected, abs=0.02)


def test_calibration_bins_hold_everything_and_equal_mass_bins_are_equal():
    truth, probabilities = random_predictions(1500)
    correct = truth == np.array(CLASSES)[probabilities.argmax(axis=1)]
    assert calibration(correct, probabilities.max(axis=1))["n"].sum() == 1500
    assert set(calibration(correct, probabilities.max(axis=1), equal_mass=True)["n"]) == {100}
    assert calibration(np.array([True]), np.array([1.0])).index.tolist() == [14]


def frame_of(rows):
    frame = pd.DataFrame(rows, columns=["row", "truth", "p_anger", "p_fear"])
    return frame.assign(predicted=np.where(frame["p_anger"] >= frame["p_fear"], "anger", "fear"))


def test_a_take_is_the_mean_of_its_windows():
    takes = take_predictions(frame_of([(3, "fear", 0.6, 0.4), (3, "fear", 0.1, 0.9), (1, "anger", 0.8, 0.2)]))
    assert takes["row"].tolist() == [1, 3] and takes["predicted"].tolist() == ["anger", "fear"]
    assert takes["p_fear"].tolist() == pytest.approx([0.2, 0.65])


def test_score_of_a_table():
    found = score(frame_of([(0, "fear", 0.0, 1.0), (1, "anger", 0.0, 1.0)]))
    assert found["accuracy"] == 0.5 and found["ece"] == 0.5 and found["macro_f1"] == pytest.approx(1 / 3)


@settings(deadline=None)
@given(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=80))
def test_floors_are_what_the_dull_methods_score(truth):
    most = max(sorted(set(truth)), key=truth.count)
    found = floors(truth)["majority"]
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, [most] * len(truth)))
    expected = reference.f1_score(
        truth, [most] * len(truth), labels=sorted(set(truth)), average="macro", zero_division=0
    )
    assert found["macro_f1"] == pytest.approx(expected)


def test_chance_is_what_guessing_scores():
    rng = np.random.default_rng(0)
    truth = rng.choice(CLASSES, p=[0.4, 0.3, 0.2, 0.1], size=200_000)
    counts = confusion(truth, rng.choice(CLASSES, size=len(truth)), CLASSES)
    expected = floors(truth)["chance"]
    for name, value in {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy, "macro_f1": macro_f1}.items():
        assert float(value(counts)) == pytest.approx(expected[name], abs=0.01)

"""Canaries of the simulator's levels: across subjects, nothing but the face may tell the expression.

One half of the subjects is trained on, the other scored. What is at chance must be so within three standard errors of
an accuracy over the scored subjects; that the same pipeline is far above chance where it should be shows that these
tests can fail.
"""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from mien.datasets.extract import one_thread
from mien.datasets.simulated import heard_features
from mien.recognizer import Recognizer
from mien.sensing.front_ends import RangeProfile
from mien.simulate.channels import keep_channels
from mien.simulate.options import SimulationOptions

N_SUBJECTS, N_TAKES, CHANCE = 24, 3, 1 / 6
METHODS = {"svm": {}, "mien": {"epochs": 15}}


@cache
def heard(level, **options):
    """Return features, expressions and subjects of simulated takes; the same subjects whatever is ablated."""
    made = SimulationOptions(
        n_subjects=N_SUBJECTS, n_takes=N_TAKES, level=level, n_facets=6000, seed=50, **dict(options)
    )
    with TemporaryDirectory() as folder:
        kept = keep_channels(Path(folder) / "channels", made, progress=False)
        (features,), table = heard_features(kept, [RangeProfile(neutral="take")], progress=False)
    return features, table["expression"].to_numpy(object), table["subject"].to_numpy(object)


def halves(subjects):
    first = subjects.astype(int) <= N_SUBJECTS // 2
    return np.flatnonzero(first), np.flatnonzero(~first)


def trained(method, features, labels, subjects):
    train, _ = halves(subjects)
    recognizer = Recognizer(method, RangeProfile(neutral="take"), options=METHODS[method])
    with one_thread():
        return recognizer.fit_features(features, labels, subjects, train)


def right_of(recognizer, features, labels, subjects):
    """Return (subject) the share of the other half's takes that are named right."""
    _, test = halves(subjects)
    with one_thread():
        found = recognizer.predict_features(features.of_rows(test))
    best = np.array(recognizer.labels)[found.filter(like="p_").to_numpy().argmax(axis=1)]
    right = best == labels[found["row"]]
    return np.array([right[subjects[found["row"]] == subject].mean() for subject in np.unique(subjects[test])])


def mean_and_error(per_subject):
    """Return the mean over subjects and its standard error, no subjects being taken for more alike than 5 points."""
    return per_subject.mean(), max(per_subject.std(ddof=1), 0.05) / np.sqrt(len(per_subject))


def across_subjects(method, level, labels=None, **options):
    features, truth, subjects = heard(level, **options)
    labels = truth if labels is None else labels(truth, subjects)
    return mean_and_error(right_of(trained(method, features, labels, subjects), features, labels, subjects))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", ["medium", "hard"])
def test_with_the_face_frozen_nothing_tells_the_expression_across_subjects(method, level):
    found, error = across_subjects(method, level, frozen_face=True)
    assert abs(found - CHANCE) < 3 * error


def test_with_the_face_frozen_the_shared_recipe_of_version_1_told_the_expression():
    found, error = across_subjects("svm", "medium", levels_version=1, frozen_face=True)
    assert found > 0.3 and found - CHANCE > 5 * error


@pytest.mark.parametrize("method", METHODS)
def test_labels_dealt_at_random_are_not_learnt_across_subjects(method):
    def dealt(labels, subjects):
        rng = np.random.default_rng(0)
        mixed = labels.copy()
        for subject in np.unique(subjects):
            theirs = np.flatnonzero(subjects == subject)
            mixed[theirs] = rng.permutation(labels[theirs])
        return mixed

    found, error = across_subjects(method, "medium", labels=dealt)
    assert abs(found - CHANCE) < 3 * error


def cost_of_another_head(method, **options):
    """Return what a trained model loses when the head of every scored take moves as with another expression, the
    standard error of that over subjects, and how far above chance it was, in standard errors."""
    features, labels, subjects = heard("medium", **options)
    recognizer = trained(method, features, labels, subjects)
    plain = right_of(recognizer, features, labels, subjects)
    exchanged = right_of(recognizer, *heard("medium", head="exchanged", **options))
    found, error = mean_and_error(plain)
    return *mean_and_error(plain - exchanged), (found - CHANCE) / error


@pytest.mark.parametrize("method", METHODS)
def test_another_takes_head_motion_costs_three_points_at_most(method):
    """Within what twelve subjects can tell; `experiments/levels` measures it."""
    cost, error, above_chance = cost_of_another_head(method)
    assert above_chance > 3  # the face is learnt
    assert cost <= 0.03 + 2 * error


def test_another_expressions_head_motion_cost_most_of_what_version_1_measured():
    cost, error, _ = cost_of_another_head("svm", levels_version=1)
    assert cost > 0.1 and cost > 3 * error

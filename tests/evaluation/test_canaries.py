"""Two canaries that always run: identity must not pass for expression, and a mixed sample must not straddle a split."""

import numpy as np
import pytest
from fake_study import FakeStudy, Nearest, fake_features, fake_table

from mien.errors import LeakError
from mien.evaluation.benchmark import evaluate
from mien.splits import check_split, make_splits


def labels_of_people(n_subjects=12, n_takes=4):
    """Return a study in which each person shows one expression only: the label depends on the subject alone."""
    table = fake_table(n_subjects, n_takes)
    expressions = sorted(set(table["expression"]))
    given = {name: expressions[number % len(expressions)] for number, name in enumerate(sorted(set(table["subject"])))}
    return table.assign(expression=table["subject"].map(given))


def accuracy_of(table, protocol, seed=0):
    features = fake_features(table, expression_gain=0.0, subject_gain=3.0, noise=0.7, n_values=32, seed=seed)
    results = evaluate(
        FakeStudy(table), {"nearest": Nearest}, protocol, n_folds=4, features={"nearest": features}, progress=False
    )
    takes = results.predictions[results.predictions["scored_unit"] == "take"]
    return float((takes["truth"] == takes["predicted"]).mean())


def test_identity_scores_high_when_people_are_mixed_and_at_chance_when_they_are_left_out():
    table = labels_of_people()
    assert accuracy_of(table, "mixed") > 0.9
    left_out = [accuracy_of(table, "leave-out:subject", seed) for seed in range(5)]
    # 12 people in 5 seeds are 60 guesses; at 1/6 they stay below 0.29 in 99 % of runs.
    assert np.mean(left_out) < 0.29


def test_a_mixed_sample_whose_parents_straddle_a_split_is_refused():
    table = fake_table()
    for split in make_splits(table, "leave-out:subject", n_folds=3):
        with pytest.raises(LeakError):
            check_split(split, table, {int(split.train[0]): (int(split.train[1]), int(split.test[0]))})


def test_windows_of_one_take_on_both_sides_are_worth_a_perfect_score():
    table = fake_table(4, 4)
    rng = np.random.default_rng(0)
    features = fake_features(table, expression_gain=0.0, noise=0.05)
    features.values[:] += rng.normal(size=(len(table), *features.values.shape[1:])).astype(np.float32)[features.row]
    study = FakeStudy(table)

    class NearestWindow(Nearest):
        def fit_features(self, known, labels, subjects, train_rows, validation_rows):
            part = known.of_rows(train_rows)
            return Memory(part.images().reshape(len(part), -1), labels[part.row])

    found = {}
    for protocol in ("mixed", "mixed-windows"):
        results = evaluate(study, {"nearest": NearestWindow}, protocol, features={"nearest": features}, progress=False)
        found[protocol] = float((results.predictions["truth"] == results.predictions["predicted"]).mean())
    assert found["mixed-windows"] > 0.95 and found["mixed"] < 0.35


class Memory:
    """The class of the nearest window ever heard."""

    def __init__(self, values, truth):
        self.values, self.truth = values, truth

    def predict_features(self, features):
        import pandas as pd

        values = features.images().reshape(len(features), -1)
        nearest = ((values[:, None] - self.values[None]) ** 2).sum(axis=-1).argmin(axis=1)
        names = sorted(set(self.truth))
        frame = pd.DataFrame({f"p_{name}": (self.truth[nearest] == name).astype(float) for name in names})
        return frame.assign(row=features.row, start_s=features.start_s)


def test_the_real_linear_method_does_not_pass_identity_for_expression():
    table = labels_of_people(12, 2)
    found = {}
    for protocol in ("mixed", "leave-out:subject"):
        right = []
        for seed in range(3):
            features = fake_features(
                table, expression_gain=0.0, subject_gain=3.0, noise=0.7, n_windows=2, n_values=32, seed=seed
            )
            results = evaluate(
                FakeStudy(table), ("linear",), protocol, n_folds=4, features={"linear": features}, progress=False
            )
            takes = results.predictions[results.predictions["scored_unit"] == "take"]
            right.append(float((takes["truth"] == takes["predicted"]).mean()))
            assert (results.timings["n_weights"] > 6).all()  # a real method says of how many numbers it is made
        found[protocol] = np.mean(right)
    # 12 people in 3 seeds are 36 guesses; at 1/6 they stay below 0.34 in 99 % of runs.
    assert found["mixed"] > 0.9 and found["leave-out:subject"] < 0.34, found

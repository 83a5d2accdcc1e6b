"""Trainings as a unit of chance: intervals and tests hold their spread, and are the old ones where there is none."""

import numpy as np
import pandas as pd
import pytest

from mien.evaluation.metrics import accuracy, balanced_accuracy
from mien.evaluation.results import compared, fold_scores, read_results, scores_of, summary, tidy, with_training
from mien.evaluation.statistics import (
    NO_DIFFERENCE,
    cluster_bootstrap,
    compare,
    interval_of_difference,
    intervals,
    sign_flip_p,
    two_level_bootstrap,
    verdicts,
)
from mien.evaluation.trainings import Spread, Tally, deviation_of_one, spread, tally

N_TAKES = 60


def tally_of(right, fold_of_subject):
    """Return the counts of (subject training) shares named right, of two classes that are shown as often."""
    n_subjects, n_trainings = right.shape
    n_folds = fold_of_subject.max() + 1
    fits = [(0, fold, training) for fold in range(n_folds) for training in range(n_trainings)]
    half = right[..., None] * N_TAKES / 2
    wrong = N_TAKES / 2 - half
    counts = np.stack(
        [np.concatenate([half, wrong], axis=-1), np.concatenate([wrong, half], axis=-1)], axis=-2
    ).reshape(-1, 2, 2)
    subject = np.repeat(np.arange(n_subjects), n_trainings)
    fit = fold_of_subject[subject] * n_trainings + np.tile(np.arange(n_trainings), n_subjects)
    names = [f"{number:03d}" for number in range(n_subjects)]
    return Tally(names, subject, fit, fits, np.repeat(np.arange(n_folds), n_trainings), counts)


def drawn_tally(rng, n_subjects=20, n_folds=5, n_trainings=3, of_people=0.05, of_trainings=0.05):
    """Return what a method counts: its people differ, and so do its trainings, each of which a fold's people share."""
    fold_of = np.arange(n_subjects) % n_folds
    shared = of_trainings * rng.normal(size=(n_folds, n_trainings))
    right = 0.6 + of_people * rng.normal(size=(n_subjects, 1)) + shared[fold_of]
    return tally_of(rng.binomial(N_TAKES, np.clip(right, 0.02, 0.98)) / N_TAKES, fold_of)


def of_first_training(found):
    kept = np.array([training for _, _, training in found.fits])[found.fit] == 0
    fits = [fit for fit in found.fits if fit[2] == 0]
    place = found.split[found.fit[kept]]
    return Tally(found.subjects, found.subject[kept], place, fits, np.arange(len(fits)), found.counts[kept])


@pytest.mark.parametrize("n_trainings", [1, 3])
def test_identical_trainings_give_the_interval_over_people_alone(n_trainings):
    rng = np.random.default_rng(0)
    right = np.repeat(rng.binomial(N_TAKES, 0.6, size=(20, 1)) / N_TAKES, n_trainings, axis=1)
    found = tally_of(right, np.arange(20) % 5)
    assert two_level_bootstrap(found, {"accuracy": accuracy})["accuracy"] == cluster_bootstrap(
        found.by_subject(), accuracy
    )
    assert np.allclose(found.without_each(accuracy), accuracy(found.by_subject()))
    same = tally_of(right[:, :1], np.arange(20) % 5)
    other = drawn_tally(rng, n_trainings=1)
    row, as_one = (compare({"a": each, "b": other}, [("a", "b")]).iloc[0] for each in (found, same))
    pd.testing.assert_series_equal(row, as_one)


def test_the_interval_widens_with_the_spread_over_trainings():
    people = np.random.default_rng(1).normal(0.6, 0.02, size=(20, 1))
    widths = []
    for size in (0.0, 0.05, 0.1):
        found = tally_of(people + size * np.array([-1.0, 0.0, 1.0]), np.zeros(20, dtype=np.int64))
        interval = two_level_bootstrap(found)["accuracy"]
        assert interval.estimate == pytest.approx(people.mean())
        widths.append(interval.high - interval.low)
    assert widths[2] > widths[1] > 2 * widths[0]


def test_the_spread_of_drawn_trainings_is_that_of_their_mean():
    found = drawn_tally(np.random.default_rng(2), n_subjects=4, n_folds=4, of_trainings=0.1)
    one = Tally(["all"], np.zeros(len(found.fit), dtype=np.int64), found.fit, found.fits, found.split, found.counts)
    drawn = accuracy(one.drawn(20_000, np.random.default_rng(0)))
    by_fold = accuracy(found.counts).reshape(4, 3)
    expected = np.sqrt((by_fold.var(axis=1, ddof=1) / 3).sum()) / 4
    assert drawn.std() == pytest.approx(expected, rel=0.03)
    jackknifed = spread(one.without_each(accuracy)[:, 0], one.split)
    assert jackknifed.standard_error == pytest.approx(expected)
    assert deviation_of_one(one, accuracy) == pytest.approx(expected * np.sqrt(3))
    assert 2 <= jackknifed.degrees_of_freedom <= 8


def test_degrees_of_freedom_add_up_where_spreads_are_alike():
    two = Spread(0.1, 4) + Spread(0.1, 4)
    assert (two.standard_error, two.degrees_of_freedom) == (pytest.approx(0.1 * np.sqrt(2)), pytest.approx(8))
    assert Spread() + Spread() == Spread() and (Spread(0.1, 4) + Spread()).degrees_of_freedom == pytest.approx(4)


def rejections(n_studies, n_folds, of_trainings=0.06):
    """Return the shares of studies without a difference in which p is below 0.05: over people alone, and with both."""
    rng = np.random.default_rng(3)
    naive, held, covered = [], [], []
    for _ in range(n_studies):
        pair = {name: drawn_tally(rng, n_folds=n_folds, of_trainings=of_trainings) for name in "ab"}
        one = [accuracy(of_first_training(each).by_subject()) for each in pair.values()]
        naive.append(sign_flip_p(one[0] - one[1]) < 0.05)
        row = compare(pair, [("a", "b")], accuracy).iloc[0]
        held.append(row["p"] < 0.05)
        covered.append(row["low"] <= 0 <= row["high"])
    return np.mean(naive), np.mean(held), np.mean(covered)


@pytest.mark.parametrize("n_folds", [1, 5])
def test_chance_in_training_passed_for_a_difference_of_methods(n_folds, monkeypatch):
    monkeypatch.setattr("mien.evaluation.statistics.N_FLIPS", 1000)
    naive, held, covered = rejections(200, n_folds)
    # Over 1,000 studies: people alone 0.53 and 0.16, with both 0.02 and 0.01.
    assert naive > 0.1 and held <= 0.05 and covered >= 0.93


def test_a_real_difference_is_still_found(monkeypatch):
    monkeypatch.setattr("mien.evaluation.statistics.N_FLIPS", 1000)
    rng = np.random.default_rng(4)
    found = []
    for _ in range(40):
        better = drawn_tally(rng, of_trainings=0.02)
        better.counts[:] = better.counts + 0.12 * N_TAKES / 2 * np.array([[1, -1], [-1, 1]])
        found.append(compare({"a": better, "b": drawn_tally(rng, of_trainings=0.02)}, [("a", "b")]).iloc[0])
    table = pd.DataFrame(found)
    assert (table["p"] < 0.05).mean() > 0.9 and verdicts(table[table["p"] < 0.05])[0] == "a"


def test_a_difference_smaller_than_the_spread_over_trainings_is_none():
    people = np.full((20, 1), 0.5)
    first = tally_of(people + 0.03 + 0.05 * np.array([-1, 0, 1]), np.zeros(20, dtype=np.int64))
    second = tally_of(people + 0.05 * np.array([-1, 0, 1]), np.zeros(20, dtype=np.int64))
    differences = accuracy(first.by_subject()) - accuracy(second.by_subject())
    assert sign_flip_p(differences) < 0.001
    table = compare({"a": first, "b": second}, [("a", "b")], accuracy)
    assert table.iloc[0]["p"] > 0.3 and table.iloc[0]["low"] < 0 < table.iloc[0]["high"]
    assert verdicts(table) == [NO_DIFFERENCE]


def test_what_goes_on_from_the_same_trainings_is_paired_by_them():
    people = np.full((20, 1), 0.5)
    trained = people + 0.05 * np.array([-1, 0, 1])
    pair = {
        "m": tally_of(trained, np.zeros(20, dtype=np.int64)),
        "m, inductive": tally_of(trained + 0.03 + 0.001 * np.array([1, 0, -1]), np.zeros(20, dtype=np.int64)),
    }
    alike = dict.fromkeys(pair, "m")
    assert compare(pair, [("m, inductive", "m")], accuracy, alike).iloc[0]["p"] < 0.01
    assert compare(pair, [("m, inductive", "m")], accuracy).iloc[0]["p"] > 0.3


def test_the_interval_of_a_difference_without_trainings_is_that_over_people():
    values = np.random.default_rng(5).normal(0.1, 0.2, 30)
    found = interval_of_difference(values)
    assert found.estimate == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(30), rel=0.1)


CLASSES = ("anger", "fear")


def predictions_of(n_trainings=3, n_subjects=6, seed=0, method="net"):
    rng = np.random.default_rng(seed)
    rows = []
    for training in range(n_trainings):
        for subject in range(n_subjects):
            for number in range(10):
                truth = CLASSES[number % 2]
                sure = rng.uniform(0.5, 1)
                named = truth if rng.random() < 0.5 + 0.1 * training else CLASSES[1 - number % 2]
                rows.append(
                    {"method": method, "protocol": "p", "fold": subject % 2, "subject": str(subject), "seed": 0}
                    | {"training": training, "adaptation": "none", "scored_unit": "take"}
                    | {"row": 10 * subject + number, "n_windows": 1, "truth": truth, "predicted": named}
                    | {f"p_{name}": sure if name == named else 1 - sure for name in CLASSES}
                )
    return pd.DataFrame(rows)


def test_every_estimate_is_the_mean_over_trainings():
    predictions = predictions_of()
    each = [summary(part.drop(columns="training")).iloc[0] for _, part in predictions.groupby("training")]
    (row,) = summary(predictions).to_dict(orient="records")
    for name in ("accuracy", "balanced_accuracy", "ece", "mean_average_precision", "accuracy_at_0.5"):
        assert row[name] == pytest.approx(np.mean([one[name] for one in each]))
        assert row[name] == pytest.approx(scores_of(predictions).get(name, row[name]))
    assert (row["n_trainings"], row["n_scored"]) == (3, 60)
    assert np.isnan(each[0]["accuracy_deviation"]) and row["accuracy_deviation"] > 0
    assert len(tidy(predictions)) == 18 and len(fold_scores(predictions)) == 2
    assert intervals(predictions)["accuracy"].low < min(one["accuracy_low"] for one in each[1:])


def test_cases_are_compared_by_name():
    both = pd.concat([predictions_of(), predictions_of(seed=1, method="other")], ignore_index=True)
    table = compared(both, [("net", "other")])
    assert table["difference"].iloc[0] == pytest.approx(
        summary(both)["balanced_accuracy"].diff().iloc[1] * -1, abs=1e-12
    )


def test_tables_from_before_there_were_trainings_are_those_of_one(tmp_path):
    old = predictions_of(1).drop(columns="training")
    for name in ("results", "predictions", "timings"):
        old.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "run.json").write_text('{"options": {}}')
    read = read_results(tmp_path)
    for table in (read.results, read.predictions, read.timings):
        assert (table["training"] == 0).all() and list(table).index("training") == list(table).index("seed") + 1
    assert with_training(read.predictions) is read.predictions
    assert balanced_accuracy(tally(old).by_subject()).shape == (6,)

"""The benchmark: nothing leaks, nothing depends on processes or interruptions, nothing is lost."""

import dataclasses
import json
import os
import signal
import time

import numpy as np
import pandas as pd
import pytest
from fake_study import AdaptiveNearest, Chancy, FakeFrontEnd, FakeStudy, Nearest, fake_features, fake_table

from mien.errors import SplitError, StudyError, WorkerLost
from mien.evaluation.benchmark import evaluate
from mien.evaluation.plan import MOST_TRAININGS, Plan, training_seed
from mien.evaluation.results import PREDICTION_COLUMNS, RESULT_COLUMNS, read_results, summary
from mien.splits import make_splits

TABLE = fake_table(6, 4)
STUDY = FakeStudy(TABLE)
FEATURES = fake_features(TABLE, subject_gain=1.0, noise=1.5)
METHODS = {"nearest": Nearest, "adaptive": AdaptiveNearest}
BOTH = {"nearest": FEATURES, "adaptive": FEATURES}


def run(**changes):
    options = {"n_folds": 3, "seeds": (0, 1), "features": BOTH, "progress": False}
    return evaluate(STUDY, METHODS, "leave-out:subject", **options | changes)


@pytest.fixture(scope="module")
def results():
    return run()


def test_results_have_the_promised_columns_and_a_row_per_person_and_case(results):
    assert tuple(results.results.columns) == RESULT_COLUMNS
    cases = 2 * (1 + 3)  # seeds x (nearest: none; adaptive: none, inductive, transductive)
    assert len(results.results) == 6 * cases * 2  # people x cases x (window, take)
    takes = results.results[results.results["scored_unit"] == "take"]
    assert set(takes["n_takes"]) == {24} and set(takes["n_windows"]) == {72}


def test_predictions_have_the_promised_columns_and_every_take_once_per_case(results):
    names = [f"p_{name}" for name in sorted(set(TABLE["expression"]))]
    assert tuple(results.predictions.columns) == (*PREDICTION_COLUMNS, *names)
    assert np.allclose(results.predictions[names].sum(axis=1), 1, atol=1e-5)
    for (_, _, unit, _), part in results.predictions.groupby(["method", "adaptation", "scored_unit", "seed"]):
        assert len(part) == len(TABLE) * (3 if unit == "window" else 1)
        assert sorted(set(part["row"])) == list(range(len(TABLE)))
        assert (part["truth"].to_numpy() == TABLE["expression"].to_numpy()[part["row"]]).all()
        assert (part["subject"].to_numpy() == TABLE["subject"].to_numpy()[part["row"]]).all()


def test_a_method_that_cannot_adapt_is_scored_without(results):
    by_method = results.predictions.groupby("method")["adaptation"].unique().map(set)
    assert by_method["nearest"] == {"none"}
    assert by_method["adaptive"] == {"none", "inductive", "transductive"}


def test_adapting_to_a_shift_of_the_person_helps(results):
    found = summary(results.predictions).query("scored_unit == 'take' and method == 'adaptive'")
    accuracy = found.set_index("adaptation")["accuracy"]
    assert accuracy["inductive"] > accuracy["none"] + 0.05 and accuracy["transductive"] > accuracy["none"] + 0.05


def test_any_number_of_processes_gives_the_same(results):
    two = run(n_jobs=2)
    pd.testing.assert_frame_equal(two.predictions, results.predictions)
    pd.testing.assert_frame_equal(two.results, results.results)


@dataclasses.dataclass(frozen=True)
class Spy(AdaptiveNearest):
    """Writes down which rows it was given to fit, to adapt to and to score."""

    log: list = dataclasses.field(default_factory=list)

    def fit_features(self, features, labels, subjects, train_rows, validation_rows):
        self.log.append(("fit", set(train_rows), set(validation_rows)))
        return super().fit_features(features, labels, subjects, train_rows, validation_rows)

    def adapt_features(self, features, rows):
        self.log.append(("adapt", set(rows)))
        return super().adapt_features(features, rows)

    def predict_features(self, features):
        self.log.append(("score", set(features.row)))
        return super().predict_features(features)


def test_each_adaptation_sees_what_it_says():
    log = []
    evaluate(
        STUDY,
        {"spy": lambda seed: Spy(seed=seed, log=log)},
        "leave-out:subject",
        n_folds=3,
        features={"spy": FEATURES},
        progress=False,
    )
    for fold in range(3):
        fit, none, adapt_a, score_b, adapt_b, score_a, adapt_all, score_all = log[fold * 8 : fold * 8 + 8]
        test = none[1]
        people = set(TABLE["subject"].iloc[sorted(test)])
        assert not people & set(TABLE["subject"].iloc[sorted(fit[1] | fit[2])])
        assert not adapt_a[1] & score_b[1] and not adapt_b[1] & score_a[1]
        assert adapt_a[1] == score_a[1] and adapt_b[1] == score_b[1] and adapt_a[1] | adapt_b[1] == test
        assert adapt_all[1] == score_all[1] == test


def test_unlabelled_takes_of_the_people_scored_are_adapted_to_and_never_scored():
    table = TABLE.copy()
    table.loc[::5, "expression"] = "n/a"
    blank = set(np.flatnonzero(table["expression"] == "n/a"))
    log = []
    found = evaluate(
        FakeStudy(table),
        {"spy": lambda seed: Spy(seed=seed, log=log)},
        "leave-out:subject",
        n_folds=3,
        features={"spy": FEATURES},
        progress=False,
    )
    assert not blank & set(found.predictions["row"])
    for event in log:
        if event[0] == "adapt":
            assert event[1] & blank
        else:
            assert not event[1] & blank


class Interrupted(Nearest):
    """Stops at the third fold, as Ctrl-C would."""

    left = 2

    def fit_features(self, *arguments):
        if type(self).left == 0:
            raise KeyboardInterrupt
        type(self).left -= 1
        return super().fit_features(*arguments)


def test_an_interrupted_run_goes_on_and_gives_the_same(tmp_path):
    options = {"n_folds": 3, "seeds": (0, 1), "features": {"nearest": FEATURES}, "progress": False}
    whole = evaluate(STUDY, {"nearest": Nearest}, "mixed", **options)
    with pytest.raises(KeyboardInterrupt):
        evaluate(STUDY, {"nearest": Interrupted}, "mixed", **options, out=tmp_path)
    assert len(list((tmp_path / "partial").glob("job-*.csv"))) == 2
    assert not (tmp_path / "results.csv").exists()
    with pytest.raises(StudyError, match="unfinished run; go on with --resume"):
        evaluate(STUDY, {"nearest": Nearest}, "mixed", **options, out=tmp_path)
    with pytest.raises(StudyError, match="other n_folds"):
        evaluate(STUDY, {"nearest": Nearest}, "mixed", **options | {"n_folds": 4}, out=tmp_path, resume=True)
    resumed = evaluate(STUDY, {"nearest": Nearest}, "mixed", **options, out=tmp_path, resume=True)
    pd.testing.assert_frame_equal(resumed.predictions, whole.predictions)
    assert not (tmp_path / "partial").exists()


CHANCY = {"chancy": Chancy, "nearest": Nearest}
OF_CHANCY = {"features": dict.fromkeys(CHANCY, FEATURES), "n_folds": 3, "progress": False}


def test_what_learns_by_chance_is_trained_several_times_on_every_split():
    found = evaluate(STUDY, CHANCY, "leave-out:subject", **OF_CHANCY)
    counts = found.timings.groupby("method")["training"].value_counts().to_dict()
    assert counts == {("chancy", 0): 6, ("chancy", 1): 6, ("chancy", 2): 6, ("nearest", 0): 6}  # fit and none
    assert found.facts["trainings"] == {
        "chancy": {"n": 3, "by_chance": True},
        "nearest": {"n": 1, "by_chance": False},
    }
    keys = ["method", "training", "fold", "row", "start_s", "scored_unit"]
    assert not found.predictions.duplicated(keys).any()
    assert set(found.predictions["training"]) == set(found.results["training"]) == {0, 1, 2}
    chancy = found.predictions[found.predictions["method"] == "chancy"]
    by_training = [part["p_fear"].to_numpy() for _, part in chancy.groupby("training")]
    assert not np.allclose(by_training[0], by_training[1]) and not np.allclose(by_training[1], by_training[2])
    table = found.summary().set_index(["method", "scored_unit"])
    assert table["n_trainings"].unstack()["take"].to_dict() == {"chancy": 3, "nearest": 1}
    assert table.loc[("chancy", "take"), "n_scored"] == len(TABLE)


def test_the_first_training_is_what_one_training_gives():
    three, one = (evaluate(STUDY, CHANCY, "leave-out:subject", **OF_CHANCY, n_trainings=n) for n in (3, 1))
    first = three.predictions[three.predictions["training"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, one.predictions)


class InterruptedChancy(Chancy):
    """Stops at the fifth fit: in the second training of the second fold."""

    left = 4

    def fit_features(self, *arguments):
        if type(self).left == 0:
            raise KeyboardInterrupt
        type(self).left -= 1
        return super().fit_features(*arguments)


def test_several_trainings_interrupted_go_on_and_give_the_same(tmp_path):
    whole = evaluate(STUDY, CHANCY, "leave-out:subject", **OF_CHANCY)
    with pytest.raises(KeyboardInterrupt):
        evaluate(STUDY, CHANCY | {"chancy": InterruptedChancy}, "leave-out:subject", **OF_CHANCY, out=tmp_path)
    assert len(list((tmp_path / "partial").glob("job-*.csv"))) == 4
    with pytest.raises(StudyError, match="other n_trainings"):
        evaluate(STUDY, CHANCY, "leave-out:subject", **OF_CHANCY, n_trainings=2, out=tmp_path, resume=True)
    resumed = evaluate(STUDY, CHANCY, "leave-out:subject", **OF_CHANCY, out=tmp_path, resume=True)
    pd.testing.assert_frame_equal(resumed.predictions, whole.predictions)
    pd.testing.assert_frame_equal(resumed.results, whole.results)


@pytest.mark.parametrize("number", [0, -1, MOST_TRAININGS + 1])
def test_trainings_out_of_bounds_are_refused(number):
    with pytest.raises(SplitError, match=f"{number} trainings of every split were asked for; 1 to {MOST_TRAININGS} "):
        Plan("mixed", n_trainings=number)


def test_few_splits_get_more_trainings():
    plan = Plan("mixed")
    assert [plan.trainings(n_splits, True) for n_splits in (1, 2, 3, 15)] == [5, 5, 3, 3]
    assert plan.trainings(1, False) == 1 and Plan("mixed", n_trainings=2).trainings(1, True) == 2
    seeds = [training_seed(seed, training) for seed in (0, 1) for training in range(4)]
    assert len(set(seeds)) == 8 and seeds[0] == 0 and seeds[4] == 1


class Killed(Nearest):
    """Its process is killed at the third fold, as the system does when memory runs out."""

    def fit_features(self, features, labels, subjects, train, validation):
        if min(set(range(len(labels))) - set(train) - set(validation)) == KILLED_AT:
            time.sleep(1)  # the other process finishes what it has
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit_features(features, labels, subjects, train, validation)


KILLED_AT = min(make_splits(TABLE, "leave-out:subject", n_folds=3, seed=0)[2].test)


def test_a_run_whose_worker_was_killed_goes_on_and_gives_the_same(tmp_path):
    options = {"n_folds": 3, "features": {"nearest": FEATURES}, "progress": False, "out": tmp_path}
    with pytest.raises(WorkerLost, match="a worker process was killed"):
        evaluate(STUDY, {"nearest": Killed}, "leave-out:subject", **options, n_jobs=2)
    assert len(list((tmp_path / "partial").glob("job-*.csv"))) == 2
    resumed = evaluate(STUDY, {"nearest": Nearest}, "leave-out:subject", **options, resume=True)
    whole = evaluate(STUDY, {"nearest": Nearest}, "leave-out:subject", **options | {"out": None})
    pd.testing.assert_frame_equal(resumed.predictions, whole.predictions)


def test_results_of_another_plan_are_not_written_over(tmp_path):
    run(out=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for resume in (False, True):
        with pytest.raises(StudyError, match=r"holds another run \(evaluate\); choose another --out"):
            run(out=tmp_path, resume=resume, n_folds=2)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_somebody_else_put_beside_waiting_jobs_stays(tmp_path):
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / "notes.txt").write_text("mine")
    run(out=tmp_path)
    assert [path.name for path in (tmp_path / "partial").iterdir()] == ["notes.txt"]


def test_a_finished_run_is_not_done_again(tmp_path):
    first = run(out=tmp_path)
    untouched = (tmp_path / "predictions.csv").stat().st_mtime_ns
    again = run(out=tmp_path, resume=True)
    assert (tmp_path / "predictions.csv").stat().st_mtime_ns == untouched
    pd.testing.assert_frame_equal(again.predictions, first.predictions)
    pd.testing.assert_frame_equal(again.results, first.results, check_exact=False, atol=1e-6)


def test_what_is_written_can_be_read_and_says_where_it_came_from(tmp_path):
    made = run(out=tmp_path)
    read = read_results(tmp_path)
    pd.testing.assert_frame_equal(read.predictions, made.predictions)
    assert read.predictions["subject"].iloc[0].startswith("00")
    facts = json.loads((tmp_path / "run.json").read_text())
    assert facts["options"]["plan"]["protocol"] == "leave-out:subject" and facts["data_digest"] == STUDY.digest
    assert facts["options"]["splits"][0]["disjoint_by"] == ["subject", "take"]
    with pytest.raises(StudyError, match="holds no finished evaluation: results.csv"):
        read_results(tmp_path / "nowhere")


def test_the_first_folds_alone_are_scored_as_among_all(results):
    first = run(first_folds=1)
    assert set(first.predictions["fold"]) == {0}
    among_all = results.predictions[results.predictions["fold"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(first.predictions.reset_index(drop=True), among_all)
    with pytest.raises(SplitError, match="first_folds=0"):
        run(first_folds=0)


def test_mixed_windows_is_marked_and_scores_windows_only():
    found = evaluate(STUDY, METHODS, "mixed-windows", n_folds=3, features=BOTH, progress=False)
    assert set(found.predictions["scored_unit"]) == {"window"} and set(found.predictions["adaptation"]) == {"none"}
    assert set(found.predictions["protocol"]) == {"mixed-windows"}
    assert found.facts["splits"][0]["unit"] == "window" and found.facts["splits"][0]["disjoint_by"] == []
    assert (found.predictions["truth"].to_numpy() == TABLE["expression"].to_numpy()[found.predictions["row"]]).all()


def test_a_class_that_training_lacks_counts_as_probability_zero():
    table = TABLE.assign(place=np.where(TABLE["expression"] == "fear", "garden", "office"))
    table.loc[table["expression"] == "anger", "place"] = ["garden", "office"] * 12
    found = evaluate(
        FakeStudy(table),
        {"nearest": Nearest},
        "transfer:place=office:garden",
        features={"nearest": FEATURES},
        progress=False,
    )
    assert (found.predictions["truth"] == "fear").any() and found.predictions["p_fear"].eq(0).all()
    assert np.isfinite(found.results["macro_f1"]).all()


def test_features_are_made_once_per_front_end(monkeypatch):
    calls = []

    def extract(study, front_end, n_jobs, progress):
        calls.append(front_end)
        return FEATURES

    monkeypatch.setattr("mien.datasets.extract.extract", extract)
    methods = {"one": Nearest, "two": Nearest, "three": lambda seed: Nearest(front_end=FakeFrontEnd(13))}
    evaluate(STUDY, methods, "mixed", n_folds=2, progress=False)
    assert calls == [FakeFrontEnd(12), FakeFrontEnd(13)]


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(SplitError, match="choose from none, inductive, transductive"):
        run(adaptations=("none", "calibrated"))
    with pytest.raises(SplitError, match="different numbers"):
        run(seeds=(1, 1))

"""What an adaptation sees and what it scores: nothing twice, of the people it says, as many takes as it says."""

import json
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from fake_study import AdaptiveNearest, FakeStudy, Nearest, fake_features, fake_table

from mien.errors import SplitError, StudyError
from mien.evaluation.adaptation import ADAPTATIONS, adaptation_named, can_do, rounds_of
from mien.evaluation.benchmark import evaluate
from mien.evaluation.report_reading import how_words, read
from mien.evaluation.representations import read_representations
from mien.evaluation.results import cases, margins, per_person, read_results, summary
from mien.splits import calibration_takes, drawn_takes, make_splits

TABLE = fake_table(6, 4)


def with_clips(table, n_takes, masks=("open",)):
    clips = fake_table(table["subject"].nunique(), n_takes, expressions=("neutral",), masks=masks)
    return pd.concat([table, clips.assign(session="02", path="clip-" + clips["path"])], ignore_index=True)


CLIPS = with_clips(TABLE, 2)
FEATURES = fake_features(TABLE, subject_gain=1.5, noise=1.5)
EVERY = ("none", "inductive-1", "inductive-5", "inductive", "transductive", "calibrated-0", "calibrated-1")


@dataclass(frozen=True)
class Personal(AdaptiveNearest):
    """Calibrating moves the mean of each expression it is shown to where training's was; a toy, but a real one."""

    log: list = field(default_factory=list, compare=False)
    calibrates: ClassVar[bool] = True

    def adapt_features(self, features, rows):
        self.log.append(("adapt", set(rows)))
        return super().adapt_features(features, rows)

    def calibrate_features(self, features, labels, rows):
        self.log.append(("calibrate", set(rows)))
        part = features.of_rows(rows)
        known = np.isin(labels[part.row], list(self.means))
        expected = np.stack([self.means[name] for name in labels[part.row[known]]])
        return replace(self, shift=(part.images().reshape(len(part), -1)[known] - expected).mean(axis=0))

    def predict_features(self, features):
        self.log.append(("score", set(features.row)))
        return super().predict_features(features)

    def represent(self, values):
        return values.reshape(len(values), -1) - self.shift


def run(methods, table=TABLE, features=FEATURES, **changes):
    options = {"n_folds": 3, "features": features and dict.fromkeys(methods, features), "progress": False}
    return evaluate(FakeStudy(table), methods, "leave-out:subject", **options | changes)


@pytest.mark.parametrize("word", EVERY)
def test_rounds_never_score_a_take_twice_nor_one_that_the_model_learnt_from(word):
    for split in make_splits(CLIPS, "leave-out:subject", n_folds=3):
        rounds = rounds_of(word, CLIPS, split, 0)
        scored = np.concatenate([each.scores for each in rounds])
        assert len(np.unique(scored)) == len(scored) and set(scored) <= set(split.test)
        for each in rounds:
            assert set(each.learns_from) <= set(split.test)
            if word != "transductive":
                assert not set(each.learns_from) & set(each.scores)


@pytest.mark.parametrize("n_takes", [1, 2, 5, 10])
def test_so_many_unlabelled_takes_of_each_person_are_drawn_and_the_rest_is_scored(n_takes):
    (split, *_) = make_splits(TABLE, "leave-out:subject", n_folds=3)
    (only,) = rounds_of(f"inductive-{n_takes}", TABLE, split, 0)
    assert set(TABLE["subject"].iloc[only.learns_from].value_counts()) == {n_takes}
    assert set(only.learns_from) | set(only.scores) == set(split.test) and not only.labelled


def test_more_takes_are_those_of_fewer_and_others():
    test = np.arange(48)
    one, two, five = (set(drawn_takes(TABLE, test, n, seed=3)) for n in (1, 2, 5))
    assert one < two < five
    few, more = (calibration_takes(TABLE, test, n, seed=3) for n in (1, 2))
    assert all(set(few[subject]) < set(more[subject]) for subject in few)


def test_drawing_unlabelled_takes_does_not_look_at_what_they_show():
    test = np.arange(48)
    blind = TABLE.assign(expression=TABLE["expression"].iloc[::-1].to_numpy())
    assert np.array_equal(drawn_takes(TABLE, test, 4, 0), drawn_takes(blind, test, 4, 0))
    assert not np.array_equal(drawn_takes(TABLE, test, 4, 0), drawn_takes(TABLE, test, 4, 1))


@pytest.mark.parametrize("n_takes", [0, 1, 2])
def test_calibration_is_one_model_per_person_of_a_clip_and_so_many_takes_of_each_expression(n_takes):
    (split, *_) = make_splits(CLIPS, "leave-out:subject", n_folds=3)
    rounds = rounds_of(f"calibrated-{n_takes}", CLIPS, split, 0)
    assert len(rounds) == 2
    for each in rounds:
        people = set(CLIPS["subject"].iloc[np.concatenate([each.learns_from, each.scores])])
        shown = CLIPS["expression"].iloc[each.learns_from].value_counts()
        assert len(people) == 1 and each.labelled
        assert shown.pop("neutral") == 1
        assert set(shown) == ({n_takes} if n_takes else set()) and len(shown) == (6 if n_takes else 0)


def test_clips_for_reference_are_neither_learnt_nor_scored_and_no_class(tmp_path):
    log = []
    features = fake_features(CLIPS)
    found = run(
        {"personal": lambda seed: Personal(seed=seed, log=log)},
        CLIPS,
        features,
        adaptations=("none", "transductive", "calibrated-1"),
        neutral="reference",
    )
    clips = set(np.flatnonzero(CLIPS["expression"] == "neutral"))
    assert "p_neutral" not in found.predictions and not set(found.predictions["row"]) & clips
    calibrated = [rows for what, rows in log if what == "calibrate"]
    assert len(calibrated) == 6 and all(len(rows & clips) == 1 for rows in calibrated)
    assert not any(rows & clips for what, rows in log if what != "calibrate")
    as_class = run({"personal": Personal}, CLIPS, features, adaptations=("none",))
    assert "p_neutral" in as_class.predictions and set(as_class.predictions["row"]) >= clips


def test_a_clip_of_the_side_that_is_scored_is_preferred():
    masks, log = ("open", "mask"), []
    table = with_clips(fake_table(4, 2, masks=masks), 1, masks)
    evaluate(
        FakeStudy(table),
        {"personal": lambda seed: Personal(seed=seed, log=log)},
        "transfer:mask=open:mask",
        features={"personal": fake_features(table)},
        adaptations=("calibrated-1",),
        neutral="reference",
        progress=False,
    )
    for what, rows in log:
        if what == "calibrate":
            assert set(table["mask"].iloc[sorted(rows)]) == {"mask"} and len(rows) == 7


class NeverLearns(Nearest):
    """What is refused is refused before anything is learnt."""

    def fit_features(self, *arguments):
        raise AssertionError("it learnt")


def test_what_cannot_be_done_is_said_before_anything_is_learnt():
    log = []
    methods = {"personal": lambda seed: Personal(seed=seed, log=log)}
    with pytest.raises(SplitError, match=r"subject 00\d has 24 test takes: ask for fewer"):
        run(methods, adaptations=("inductive-24",))
    with pytest.raises(SplitError, match=r"needs a neutral clip of each person; subject 00\d has none"):
        run(methods, adaptations=("none", "calibrated-0"))
    with pytest.raises(SplitError, match=r"leaves no take of subject 00\d"):
        run(methods, adaptations=("calibrated-4",))
    with pytest.raises(SplitError, match="'calibrated-x' is unknown; choose from none"):
        run(methods, adaptations=("calibrated-x",))
    with pytest.raises(SplitError, match="choose from class, reference"):
        run(methods, neutral="ignored")
    with pytest.raises(SplitError, match="none of nearest can do inductive-2; add none"):
        run({"nearest": NeverLearns}, adaptations=("inductive-2",))
    with pytest.raises(StudyError, match="say where with out=FOLDER"):
        run(methods, n_representations=8)
    assert not log


def test_what_cannot_be_done_is_said_before_features_are_made(monkeypatch):
    def extract(study, front_end, n_jobs, progress):
        raise AssertionError("features take long, and were made in vain")

    monkeypatch.setattr("mien.datasets.extract.extract", extract)
    for changes in ({"adaptations": ("inductive-24",)}, {"n_folds": 7}):
        with pytest.raises(SplitError):
            run({"personal": Personal}, features=None, **changes)


def test_calibrating_to_a_person_helps_where_people_differ_by_a_shift():
    found = run({"personal": Personal}, adaptations=("none", "calibrated-1", "calibrated-2"), seeds=(0, 1))
    scores = summary(found.predictions).query("scored_unit == 'take'").set_index("adaptation")["accuracy"]
    assert scores["calibrated-1"] > scores["none"] + 0.1 and scores["calibrated-2"] > scores["none"] + 0.1


def test_methods_do_what_they_can():
    assert [can_do(Nearest(), word) for word in EVERY] == [True, *[False] * 6]
    assert all(can_do(Personal(), word) for word in EVERY)
    found = run({"nearest": Nearest, "personal": Personal}, adaptations=("none", "inductive-2", "calibrated-1"))
    assert set(found.predictions.query("method == 'nearest'")["adaptation"]) == {"none"}


def test_cases_stand_in_the_order_of_what_they_know():
    words = ["calibrated-10", "calibrated-2", "transductive", "inductive", "inductive-10", "inductive-2", "none"]
    assert sorted(words, key=lambda word: adaptation_named(word).rank) == words[::-1]
    found = run({"personal": Personal}, adaptations=("calibrated-1", "inductive-2", "none"))
    assert [key[1] for key, _ in cases(found.predictions)][::2] == ["none", "inductive-2", "calibrated-1"]
    drawn = [
        case.adaptation for case in read(run({"p": Personal}, adaptations=(*ADAPTATIONS, "inductive-1")), None).drawn
    ]
    assert drawn == ["none", "inductive", "transductive"]


def test_every_adaptation_has_words():
    assert len({how_words(word) for word in EVERY}) == len(EVERY)
    assert "neutral clip alone" in how_words("calibrated-0")


def test_processor_time_is_kept_per_job_and_part_and_decides_nothing(tmp_path):
    options = {"adaptations": ("none", "inductive-2", "calibrated-1"), "seeds": (0, 1)}
    found = run({"nearest": Nearest, "personal": Personal}, **options, out=tmp_path)
    parts = found.timings.groupby(["method", "seed", "fold"])["part"].agg(list)
    assert len(parts) == 2 * 2 * 3 and (found.timings["cpu_s"] >= 0).all() and found.timings["cpu_s"].sum() > 0
    assert parts["nearest"].map(len).eq(2).all()
    assert parts["personal"].iloc[0] == ["fit", "none", "inductive-2", "calibrated-1"]
    pd.testing.assert_frame_equal(read_results(tmp_path).timings, found.timings, atol=1e-6, check_exact=False)
    pd.testing.assert_frame_equal(
        run({"nearest": Nearest, "personal": Personal}, **options).predictions, found.predictions
    )
    assert found.timings["n_weights"].isna().all()  # these do not say
    assert "timings" not in json.dumps(json.loads((tmp_path / "run.json").read_text())["options"]["plan"])


def test_representations_are_kept_of_both_sides_and_of_the_people_they_say(tmp_path):
    features = fake_features(TABLE)
    methods = {"nearest": Nearest, "personal": Personal}
    run(
        methods,
        features=features,
        adaptations=("none", "transductive", "inductive"),
        n_representations=50,
        out=tmp_path,
    )
    for adaptation in ("none", "transductive"):
        folds = list(read_representations(tmp_path, "personal", adaptation))
        assert [kept.fold for kept in folds] == [0, 1, 2]
        for kept in folds:
            assert kept.windows["side"].tolist() == ["train"] * 50 + ["test"] * 50
            of = kept.windows.groupby("side")["subject"].unique()
            assert not set(of["train"]) & set(of["test"]) and kept.values.dtype == np.float32
            truth = TABLE.iloc[kept.windows["row"]]
            assert (truth["expression"].to_numpy() == kept.windows["expression"].to_numpy()).all()
            if adaptation == "none":
                places = [
                    np.flatnonzero((features.row == row) & np.isclose(features.start_s, start))[0]
                    for row, start in zip(kept.windows["row"], kept.windows["start_s"], strict=True)
                ]
                assert np.array_equal(kept.values, features.images()[places].reshape(100, -1))
    for method, adaptation in (("nearest", "none"), ("personal", "inductive")):
        with pytest.raises(StudyError, match=f"no representations of {method}, {adaptation}"):
            next(read_representations(tmp_path, method, adaptation))


def test_margins_pair_one_case_with_every_other():
    found = run({"nearest": Nearest, "personal": Personal}, adaptations=("none", "transductive"))
    table = margins(found.predictions, "personal, transductive")
    assert table["second"].tolist() == ["nearest", "personal"] and set(table["n_subjects"]) == {6}
    people = per_person(found.predictions)
    expected = (people["personal, transductive"] - people["nearest"]).mean()
    assert table["difference"].iloc[0] == pytest.approx(expected)
    with pytest.raises(StudyError, match="no takes of 'mien' were scored; scored are nearest"):
        margins(found.predictions, "mien")

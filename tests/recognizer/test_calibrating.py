"""Calibration of a recognizer to one person: which takes teach, what is kept, what is said."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from toy_recognizers import EXPRESSIONS, echo, features, table

from mien.datasets.study import load_study
from mien.datasets.writer import StudyWriter
from mien.errors import ModelError, ProbeMismatch, RecordingError
from mien.learning.methods import METHODS
from mien.probe import Chirp
from mien.recognizer import Recognizer
from mien.sensing.features import join
from mien.sensing.front_ends import RangeProfile

LOOKS = {"neutral": 0.0, "anger": -1.0, "fear": 1.0}


def labels(**changed) -> np.ndarray:
    found = table()["expression"].to_numpy(dtype=object)
    for row, word in changed.items():
        found[int(row[1:])] = word
    return found


@pytest.mark.parametrize("method", METHODS)
def test_calibrating_gives_a_new_recognizer_that_says_so(models, method, tmp_path):
    old = models[0][method]
    before = old.predict_features(features(seed=3))
    new = old.calibrate_features(features(), labels(), [27, 30, 33])
    pd.testing.assert_frame_equal(old.predict_features(features(seed=3)), before)
    assert not new.predict_features(features(seed=3)).equals(before)
    assert (new.training.calibrated_takes, old.training.calibrated_takes) == (3, 0)
    again = Recognizer.load(new.save(tmp_path))
    pd.testing.assert_frame_equal(again.predict_features(features(seed=3)), new.predict_features(features(seed=3)))
    assert "Calibrated to one person: 3 labelled and 0 neutral takes" in (tmp_path / "MODEL_CARD.md").read_text()


def test_neutral_takes_alone_leave_the_estimator_as_it_is(models):
    old = models[0]["mien"]
    new = old.calibrate_features(features(), labels(r27="neutral"), [27])
    pd.testing.assert_frame_equal(new.predict_features(features(seed=3)), old.predict_features(features(seed=3)))
    assert (new.training.calibrated_takes, new.training.neutral_takes) == (0, 1)


@pytest.mark.parametrize(
    "rows, changed, message",
    [
        ([], {}, "no takes to calibrate to"),
        ([27, 28], {"r28": "n/a"}, "unlabelled takes"),
        ([27, 28], {"r28": None}, "unlabelled takes"),
        ([27, 28], {"r28": "anger"}, "takes of anger teach nothing; this model knows fear, happiness, sadness"),
    ],
)
def test_takes_that_cannot_calibrate_say_why(models, rows, changed, message):
    with pytest.raises(ModelError, match=message):
        models[0]["mien"].calibrate_features(features(), labels(**changed), rows)


def test_labels_of_other_rows_are_never_read(models):
    """Takes outside `rows` may be called anything."""
    old = models[0]["mien"]
    spoilt = labels(**{f"r{row}": "nonsense" for row in range(27)})
    found = old.calibrate_features(features(), spoilt, [27, 30, 33]).predict_features(features())
    expected = old.calibrate_features(features(), labels(), [27, 30, 33]).predict_features(features())
    pd.testing.assert_frame_equal(found, expected)


# From a study of takes


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    """A study of one person who sits 4 mm farther away than others: two neutral takes, then looks."""
    path = tmp_path_factory.mktemp("studies") / "one"
    with StudyWriter(path, "one", "simulated", Chirp()) as writer:
        for number, word in enumerate(["neutral", "neutral", "anger", "fear"]):
            take = echo(seed=50 + number, shown=LOOKS[word], moved_m=0.004)
            writer.add_take(take, "007", "01", f"{number + 1:04d}", word)
    return load_study(path)


def taught(neutral: str) -> Recognizer:
    """Return the method of time, taught by eight people through a front end of this neutral reference."""
    front_end = RangeProfile(neutral=neutral)
    parts = []
    for seed in range(8):
        still = echo(seed=100 + seed, shown=0.0)
        parts += [front_end.features(echo(seed=seed, shown=LOOKS[word]), still) for word in ("anger", "fear")]
    known = join([replace(part, row=np.full(len(part), row)) for row, part in enumerate(parts)])
    made = Recognizer("mien", front_end, Chirp(), {"n_filters": 8, "epochs": 5})
    made.fit_features(known, np.array(["anger", "fear"] * 8), np.repeat([*"abcdefgh"], 2), range(16))
    return made


@pytest.fixture(scope="module")
def clipped():
    return taught("clip")


def test_a_calibrated_model_keeps_the_neutral_face_and_needs_no_clip(clipped, person, tmp_path):
    with pytest.raises(RecordingError, match="needs a recording of the person's neutral face"):
        clipped.predict_proba(echo())
    made = clipped.calibrate(person, progress=False)
    look = echo(seed=60, shown=-1.0, moved_m=0.004)
    found = made.predict_proba(look)
    clips = [person.take(row).recording() for row in (0, 1)]
    kept = clipped.front_end.neutral_profile(clips)
    np.testing.assert_array_equal(made.neutral.values, kept.values)
    again = Recognizer.load(made.save(tmp_path))
    pd.testing.assert_frame_equal(again.predict_proba(look), found)
    pd.testing.assert_frame_equal(again.predict_proba(look, clips[0]), made.predict_proba(look, clips[0]))
    assert not again.predict_proba(look, clips[0]).equals(found)
    told = made.training
    assert (told.calibrated_takes, told.neutral_takes, told.calibrated_subject) == (2, 2, "007")


def test_a_clip_alone_is_the_reference_and_changes_no_weight(clipped, person):
    made = clipped.calibrate(person, [0, 1], progress=False)
    assert made.estimator is clipped.estimator and made.neutral is not None and clipped.neutral is None
    labelled = made.calibrate(person, [2, 3], progress=False)
    np.testing.assert_array_equal(labelled.neutral.values, made.neutral.values)
    both = clipped.calibrate(person, progress=False)
    look = echo(seed=60, moved_m=0.004)
    pd.testing.assert_frame_equal(labelled.predict_proba(look), both.predict_proba(look))


def test_a_model_that_has_learnt_against_clips_too_goes_over_to_one(person, tmp_path):
    known = taught("take")
    assert known.calibrate(person, [0], progress=False).neutral is None
    known.training = known.training.model_copy(update={"hears_clips": True})
    made = known.calibrate(person, [0], progress=False)
    assert (made.front_end.neutral, known.front_end.neutral) == ("clip", "take") and made.neutral is not None
    loaded = Recognizer.load(made.save(tmp_path / "made"))
    heard = person.take(2).recording()
    assert loaded.predict_proba(heard).equals(made.predict_proba(heard))
    assert not loaded.predict_proba(heard).equals(known.predict_proba(heard))
    assert known.calibrate(person, [2, 3], progress=False).front_end.neutral == "take"


def test_without_any_neutral_take_a_model_that_needs_one_says_so(clipped, person):
    with pytest.raises(ModelError, match="no neutral take to calibrate to"):
        clipped.calibrate(person, [2, 3], progress=False)
    assert taught("take").calibrate(person, [2, 3], progress=False).neutral is None


def test_a_neutral_profile_that_does_not_fit_is_refused(clipped, person, tmp_path):
    from safetensors.numpy import load_file, save_file

    from mien.files import read_json, sha256, write_json

    folder = clipped.calibrate(person, [0], progress=False).save(tmp_path)
    tensors = load_file(folder / "weights.safetensors")
    for change in ({"neutral.real": np.zeros((2, 12))}, {"neutral.imaginary": np.zeros((1, 3))}):
        save_file(tensors | change, folder / "weights.safetensors")
        digest = sha256(folder / "weights.safetensors")
        written = read_json(folder / "recognizer.json", ModelError) | {"weights_sha256": digest}
        write_json(folder / "recognizer.json", written)
        with pytest.raises(ModelError, match="the neutral profile"):
            Recognizer.load(folder)


def test_several_people_and_another_probe_are_refused(clipped, person, tmp_path):
    with StudyWriter(tmp_path / "two", "two", "simulated", Chirp()) as writer:
        for subject in ("001", "002"):
            writer.add_take(echo(), subject, "01", "0001", "fear")
    with pytest.raises(ModelError, match="2 people .001, 002. to calibrate to; one is needed"):
        clipped.calibrate(load_study(tmp_path / "two"), progress=False)
    other = Chirp(high_hz=22_000)
    with StudyWriter(tmp_path / "other", "other", "simulated", other) as writer:
        writer.add_take(echo(probe=other), "001", "01", "0001", "fear")
    with pytest.raises(ProbeMismatch):
        clipped.calibrate(load_study(tmp_path / "other"), progress=False)


def test_expressions_are_those_of_the_toys():
    assert set(labels()) == set(EXPRESSIONS)


@pytest.mark.parametrize("method", ["mien", "svm", "facer"])
def test_confidence_is_calibrated_to_further_takes_and_no_answer_changes(models, method, tmp_path):
    """Takes of which two in three are labelled otherwise than they are: nothing is as sure as it was."""
    old, told = models[0][method], np.roll(labels(), 5)
    new = old.calibrate_confidence(features(seed=3), told, range(36))
    before, after = (each.predict_features(features(seed=4)).filter(like="p_").to_numpy() for each in (old, new))
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all() and after.max(axis=1).mean() < 0.65
    loaded = Recognizer.load(new.save(tmp_path))
    pd.testing.assert_frame_equal(loaded.predict_features(features(seed=4)), new.predict_features(features(seed=4)))
    with pytest.raises(ModelError, match="takes of anger teach nothing"):
        old.calibrate_confidence(features(), labels(r3="anger"), range(36))

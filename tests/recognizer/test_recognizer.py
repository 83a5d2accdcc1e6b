"""The facade: from features to probabilities, fitted, adapted, saved and loaded."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from toy_recognizers import EXPRESSIONS, features, fitted, table

from mien.errors import ModelError
from mien.learning.methods import METHODS
from mien.probe import PureTones
from mien.recognizer import Recognizer, is_labelled, parse_options
from mien.sensing.front_ends import Doppler, RangeProfile, Spectrogram
from mien.sensing.neutral import NEUTRAL_UNTIL_S


@pytest.mark.parametrize("method", METHODS)
def test_saved_and_loaded_gives_identical_probabilities(models, method):
    made, folder = models
    again = Recognizer.load(folder / method)
    pd.testing.assert_frame_equal(
        again.predict_features(features(seed=3)), made[method].predict_features(features(seed=3))
    )
    assert again.describe() == made[method].describe()


@pytest.mark.parametrize("method", METHODS)
def test_a_model_is_three_files_and_no_pickle(models, method):
    folder = models[1] / method
    assert sorted(path.name for path in folder.iterdir()) == ["MODEL_CARD.md", "recognizer.json", "weights.safetensors"]
    header = folder.joinpath("weights.safetensors").read_bytes()
    assert json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])


@pytest.mark.parametrize("method", METHODS)
def test_saving_twice_gives_the_same_bytes(models, method, tmp_path):
    made, folder = models
    Recognizer.load(folder / method).save(tmp_path)
    for path in (folder / method).iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_rows_of_features_and_columns_of_probabilities(models):
    frame = models[0]["svm"].predict_features(features().of_rows([3, 20]))
    assert list(frame.columns) == ["row", "start_s", "p_fear", "p_happiness", "p_sadness", "foreignness"]
    assert frame["row"].tolist() == [3, 3, 20, 20] and frame["start_s"].tolist() == [0, 0.5, 0, 0.5]
    np.testing.assert_allclose(frame.filter(like="p_").sum(axis=1), 1)


def test_unlabelled_takes_never_teach():
    """Garbage in takes without a label, written in each of three ways, changes nothing."""
    takes = table()
    known = features()
    labels = takes["expression"].to_numpy(dtype=object)
    labels[[2, 5, 8]] = ["n/a", None, float("nan")]
    spoilt = known.values.copy()
    spoilt[np.isin(known.row, [2, 5, 8])] = 1e6
    first = Recognizer("svm").fit_features(known, labels, takes["subject"], range(36))
    second = Recognizer("svm").fit_features(replace(known, values=spoilt), labels, takes["subject"], range(36))
    assert first.labels == EXPRESSIONS
    pd.testing.assert_frame_equal(first.predict_features(known), second.predict_features(known))
    assert first.training.n_takes == 33


def test_only_labelled_takes_are_labelled():
    assert is_labelled(np.array(["fear", "n/a", None, np.nan, pd.NA], dtype=object)).tolist() == [True] + 4 * [False]


def test_rows_outside_training_never_teach():
    """Test takes full of NaN do not matter to fitting."""
    takes, known = table(), features()
    spoilt = known.values.copy()
    spoilt[known.row >= 27] = np.nan
    made = Recognizer("linear").fit_features(
        replace(known, values=spoilt), takes["expression"], takes["subject"], range(18), range(18, 27)
    )
    expected = Recognizer("linear").fit_features(known, takes["expression"], takes["subject"], range(18), range(18, 27))
    pd.testing.assert_frame_equal(made.predict_features(known), expected.predict_features(known))
    with pytest.raises(ModelError, match="NaN"):
        made.predict_features(replace(known, values=spoilt))


def test_validation_of_expressions_that_are_not_taught_is_left_out(capsys):
    takes = table()
    train = takes.index[takes["expression"] != "sadness"]
    made = Recognizer("linear").fit_features(features(), takes["expression"], takes["subject"], train[:12], range(27))
    assert made.labels == ("fear", "happiness")
    assert "sadness" in capsys.readouterr().err


def test_nothing_to_learn_from_is_an_error():
    takes = table()
    with pytest.raises(ModelError, match="no labelled windows"):
        Recognizer("svm").fit_features(features(), ["n/a"] * 36, takes["subject"], range(36))


def test_before_learning_nothing_can_be_asked(tmp_path):
    for ask in (lambda r: r.predict_features(features()), lambda r: r.save(tmp_path / "m")):
        with pytest.raises(ModelError, match="learnt nothing"):
            ask(Recognizer("svm"))
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if not method.adapts])
def test_methods_that_cannot_adapt_say_so(models, method):
    assert not models[0][method].adapts
    with pytest.raises(ModelError, match="cannot adapt"):
        models[0][method].adapt_features(features(), range(27, 36))


def test_adapting_gives_a_new_recognizer_that_says_so(models, tmp_path):
    old = models[0]["facer"]
    before = old.predict_features(features(seed=3))
    new = old.adapt_features(features(), range(27, 36))
    pd.testing.assert_frame_equal(old.predict_features(features(seed=3)), before)
    assert new.training.adapted_windows == 18 and old.training.adapted_windows == 0
    assert not new.predict_features(features(seed=3)).equals(before)
    again = Recognizer.load(new.save(tmp_path / "adapted"))
    pd.testing.assert_frame_equal(again.predict_features(features(seed=3)), new.predict_features(features(seed=3)))
    assert "Adapted to 18 unlabelled windows" in (tmp_path / "adapted/MODEL_CARD.md").read_text()


def test_adapting_a_loaded_model_is_adapting_the_one_that_was_saved(models):
    made, folder = models
    expected = made["facer"].adapt_features(features(), range(27, 36)).predict_features(features())
    found = Recognizer.load(folder / "facer").adapt_features(features(), range(27, 36)).predict_features(features())
    pd.testing.assert_frame_equal(found, expected)


def test_the_card_says_what_it_was_trained_on(models, tmp_path):
    made = fitted("linear")
    made.training = made.training.model_copy(update={"study": "toy", "digest": "ab12", "simulated": True})
    card = (made.save(tmp_path, scores="macro-F1 0.5, leave-out:subject") / "MODEL_CARD.md").read_text()
    for words in (
        "3 simulated people, 27 takes, 54 windows",
        "'toy'",
        "ab12",
        "never heard a real face",
        "macro-F1 0.5",
    ):
        assert words in card
    assert Recognizer.load(tmp_path).simulated


def test_the_card_says_from_when_on_answers_are_unsure(models):
    for method, made in models[0].items():
        card = (models[1] / method / "MODEL_CARD.md").read_text()
        assert (f"less sure than {made.estimator.unsure_below:.2f} are given as `unsure`" in card) == (
            made.estimator.unsure_below > 0
        )
    assert any(made.estimator.unsure_below for made in models[0].values())


def test_the_card_says_that_a_recording_is_assumed_to_begin_neutral(models):
    said = "begin with the neutral face: until its `neutral_until_s`, or for 0.15 s"
    assert f"{NEUTRAL_UNTIL_S:g} s" in said
    for method in METHODS:
        card = (models[1] / method / "MODEL_CARD.md").read_text()
        assert (said in card) == (getattr(METHODS[method].hears, "neutral", None) == "take")


def test_defaults_follow_the_method():
    assert Recognizer("facer").front_end == Spectrogram()
    assert Recognizer("mien").front_end == RangeProfile(neutral="take")
    assert Recognizer("mien", Spectrogram()).front_end == Spectrogram()
    assert parse_options("mien", ["epochs=3"]) == {"epochs": 3}


def test_a_study_of_tones_alone_needs_no_front_end_named():
    """Imported gestures ended in a message that every front end needs a chirp."""
    assert Recognizer("svm", probe=PureTones()).front_end == Doppler()
    assert Recognizer("svm").front_end != Doppler()

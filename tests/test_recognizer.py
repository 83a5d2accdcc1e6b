"""The facade: from features and recordings to probabilities, and a model's folder that can be trusted."""

import errno
import json
import os
import resource
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file, save_file

from mien.errors import MienError, ModelError, ProbeMismatch, ProbeNotFound, RecordingError, StorageError
from mien.learning.methods import METHODS
from mien.probe import Chirp
from mien.recognizer import Recognizer, is_labelled, parse_options, recordings_in
from mien.recording import Recording, write_recording
from mien.sensing.features import Axis, Features
from mien.sensing.front_ends import RangeProfile, Spectrogram
from mien.sensing.range_profile import NEUTRAL_UNTIL_S

PEOPLE, EXPRESSIONS, TAKES = 4, ("fear", "happiness", "sadness"), 3
QUICK = {
    "facer": {"width": 2, "attention_units": 4, "classifier_hidden": (16,), "epochs": 2, "adaptation_epochs": 1},
    "resnet": {"width": 2, "epochs": 2},
    "xhar": {"width": 2, "epochs": 2, "adaptation_epochs": 1},
    "dann": {"width": 2, "epochs": 2, "adaptation_epochs": 1},
    "sonicface": {"n_filters": 8, "epochs": 2},
    "svm": {},
    "linear": {},
    "mien": {"n_filters": 8, "epochs": 2},
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def table() -> pd.DataFrame:
    rows = [(f"{p:03d}", e) for p in range(PEOPLE) for e in EXPRESSIONS for _ in range(TAKES)]
    return pd.DataFrame(rows, columns=["subject", "expression"])


def features(front_end=None, seed=0, n_windows=2, shape=(1, 6, 8)) -> Features:
    """Return complex profiles, two windows a take, that tell expressions apart."""
    takes, rng = table(), np.random.default_rng(seed)
    patterns = np.random.default_rng(5).normal(size=(2, 3, *shape))
    classes = takes["expression"].map({name: n for n, name in enumerate(EXPRESSIONS)}).to_numpy()
    row = np.repeat(np.arange(len(takes)), n_windows)
    noise = 0.3 * rng.normal(size=(2, len(row), *shape))
    values = (patterns[0] + 1j * patterns[1])[classes[row]] + noise[0] + 1j * noise[1]
    axes = tuple(Axis(name, "", np.arange(n)) for name, n in zip(("microphone", "range", "time"), shape, strict=True))
    return Features(values.astype(np.complex64), axes, front_end, row, 0.5 * (np.arange(len(row)) % n_windows))


def fitted(method="svm", seed=0, **changes) -> Recognizer:
    takes = table()
    made = Recognizer(method, options=QUICK[method] | changes, seed=seed)
    return made.fit_features(features(), takes["expression"], takes["subject"], range(27), range(18, 27))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {method: fitted(method) for method in METHODS}
    folder = tmp_path_factory.mktemp("models")
    for method, recognizer in made.items():
        recognizer.save(folder / method)
    return made, folder


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
    assert list(frame.columns) == ["row", "start_s", "p_fear", "p_happiness", "p_sadness"]
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


def test_the_card_says_that_a_recording_is_assumed_to_begin_neutral(models):
    said = "begin with the neutral face: until its `neutral_until_s`, or for 0.15 s"
    assert f"{NEUTRAL_UNTIL_S:g} s" in said
    for method in METHODS:
        card = (models[1] / method / "MODEL_CARD.md").read_text()
        assert (said in card) == (METHODS[method].hears == "profile")


def test_defaults_follow_the_method():
    assert Recognizer("facer").front_end == Spectrogram()
    assert Recognizer("mien").front_end == RangeProfile(neutral="take")
    assert Recognizer("mien", Spectrogram()).front_end == Spectrogram()
    assert parse_options("mien", ["epochs=3"]) == {"epochs": 3}


# A model's folder that was damaged, or made to do harm


def copy_of(models, tmp_path, method="facer"):
    shutil.copytree(models[1] / method, tmp_path / "m")
    return tmp_path / "m"


def edit(folder, change):
    path = folder / "recognizer.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def resign(folder, tensors):
    """Write other weights with the digest that fits them."""
    from mien.files import sha256

    save_file(tensors, folder / "weights.safetensors")
    edit(folder, lambda values: values.update(weights_sha256=sha256(folder / "weights.safetensors")))


EDITS = {
    "another version": (lambda v: v.update(mien_model=2), "format 2; this mien reads format 1"),
    "no version": (lambda v: v.pop("mien_model"), "format None"),
    "unknown field": (lambda v: v.update(code="os.system"), "code: extra inputs"),
    "unknown method": (lambda v: v.update(method="evil"), "method 'evil' is unknown"),
    "unknown option": (lambda v: v["options"].update(hook=1), "option hook"),
    "huge network": (lambda v: v["options"]["network"]["shape"].update(width=10**9), "width"),
    "wider network": (lambda v: v["options"]["network"]["shape"].update(width=128), "needs"),
    "unknown front end": (lambda v: v["front_end"].update(kind="evil"), "front end 'evil' is unknown"),
    "impossible probe": (lambda v: v["probe"].update(high_hz=90_000), "90000"),
    "huge image": (lambda v: v["estimator"].update(image_shape=[60_000, 60_000, 60_000]), "at most"),
    "negative image": (lambda v: v["estimator"].update(image_shape=[-1, 6, 8]), "image_shape"),
    "another image": (lambda v: v["estimator"].update(image_shape=[2, 7, 8]), "needs"),
    "too few labels": (lambda v: v.update(labels=["fear", "sadness"]), "2 labels"),
    "a label twice": (lambda v: v.update(labels=["fear", "fear", "sadness"]), "2 of them different"),
    "no temperature": (lambda v: v["estimator"].update(temperature=0), "temperature"),
    "no estimator": (lambda v: v.pop("estimator"), "estimator: field required"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_description_is_refused(models, tmp_path, name):
    folder = copy_of(models, tmp_path)
    change, message = EDITS[name]
    edit(folder, change)
    with pytest.raises(MienError, match=message) as caught:
        Recognizer.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["weights.safetensors", "recognizer.json"])
@pytest.mark.parametrize("content", [None, b"", b"not what it says", b'{"mien_model": 1, "method": NaN}'])
def test_missing_and_broken_files_are_named(models, tmp_path, name, content):
    folder = copy_of(models, tmp_path)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=name) as caught:
        Recognizer.load(folder)
    assert "\n" not in str(caught.value)


def test_no_folder_is_named(tmp_path):
    with pytest.raises(ModelError, match="no folder"):
        Recognizer.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["weights.safetensors", "recognizer.json"])
def test_links_out_of_the_folder_are_not_followed(models, tmp_path, name):
    folder = copy_of(models, tmp_path)
    shutil.move(folder / name, tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="link out of its folder"):
        Recognizer.load(folder)


def test_swapped_weights_are_noticed(models, tmp_path):
    folder = copy_of(models, tmp_path)
    shutil.copy(models[1] / "resnet" / "weights.safetensors", folder)
    with pytest.raises(ModelError, match="not the file"):
        Recognizer.load(folder)


@pytest.mark.parametrize("method", METHODS)
def test_every_tensor_is_needed_and_checked(models, tmp_path, method):
    folder = copy_of(models, tmp_path, method)
    whole = load_file(folder / "weights.safetensors")
    some = [*whole][:: max(1, len(whole) // 5)]
    for name in some:
        resign(folder, {other: value for other, value in whole.items() if other != name})
        with pytest.raises(ModelError):
            Recognizer.load(folder)
        resign(folder, whole | {name: np.zeros((3, *whole[name].shape), whole[name].dtype)})
        with pytest.raises(ModelError):
            Recognizer.load(folder)


@pytest.mark.parametrize("method", METHODS)
def test_weights_that_are_no_numbers_are_refused(models, tmp_path, method):
    folder = copy_of(models, tmp_path, method)
    tensors = load_file(folder / "weights.safetensors")
    tensors["normaliser.mean"] = tensors["normaliser.mean"] * np.nan
    resign(folder, tensors)
    with pytest.raises(ModelError, match="no finite numbers"):
        Recognizer.load(folder)


def test_a_bank_with_labels_of_no_class_is_refused(models, tmp_path):
    folder = copy_of(models, tmp_path)
    tensors = load_file(folder / "weights.safetensors")
    tensors["bank.labels"] = tensors["bank.labels"] + 7
    resign(folder, tensors)
    with pytest.raises(ModelError, match="stored windows"):
        Recognizer.load(folder)


def test_oversized_weights_are_refused_unread(models, tmp_path, monkeypatch):
    folder = copy_of(models, tmp_path)
    monkeypatch.setattr("mien.learning.model_folder.MOST_BYTES", 1000)
    with pytest.raises(ModelError, match="at most 1000"):
        Recognizer.load(folder)


# A disk that takes no more


@pytest.fixture
def files_of_at_most():
    """Let the operating system itself refuse larger files, whoever writes them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda n_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_weights_that_the_disk_does_not_take_are_a_storage_error(models, tmp_path, files_of_at_most):
    files_of_at_most(4096)
    with pytest.raises(StorageError, match=r"weights\.safetensors: a file may not grow as large"):
        models[0]["facer"].save(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n_written", [0, 1, 2])
def test_a_disk_that_fills_up_midway_leaves_the_old_model_usable(models, tmp_path, monkeypatch, n_written):
    """New weights beside the old description, which names the old ones, were no model at all."""
    folder = copy_of(models, tmp_path, "linear")
    (folder / "run.json").write_text("{}")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    flush, flushed = os.fsync, []

    def refuse(descriptor):
        if len(flushed) == n_written:
            raise OSError(errno.ENOSPC, "No space left on device")
        flushed.append(flush(descriptor))

    other = fitted("linear", n_components=2)
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="disk is full"):
        other.save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    monkeypatch.undo()
    Recognizer.load(folder)
    other.save(folder)
    assert Recognizer.load(folder).describe() == other.describe()


class NeverRead:
    """A study that must not be touched."""

    def __getattr__(self, name):
        raise AssertionError(f"training went on to the study's {name}")


@pytest.mark.parametrize("out", ["model", "model/deeper"])
def test_a_file_in_the_models_place_is_refused_before_training(tmp_path, out):
    (tmp_path / "model").write_text("a file")
    with pytest.raises(StorageError, match="a file stands where a folder should be; choose another folder"):
        Recognizer("svm").fit(NeverRead(), checkpoints=tmp_path / out / "checkpoints")
    with pytest.raises(StorageError, match="a file stands where"):
        fitted("linear").save(tmp_path / out)


# Recordings


def echo(duration_s=1.2, probe=Chirp(), seed=0, n_channels=1) -> Recording:
    """A recording with a probe in it, a face's echo that moves, and noise."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * probe.rate_hz)) / probe.rate_hz
    delay_s = 0.002 + 1e-5 * np.clip(time_s - 0.3, 0, 1)
    sound = 0.4 * probe.at(time_s - 0.01) + 0.05 * probe.at(time_s - 0.01 - delay_s)
    samples = sound + 1e-4 * rng.standard_normal((n_channels, len(time_s)))
    return Recording(samples.astype(np.float32), probe.rate_hz, probe)


@pytest.fixture(scope="module", params=["facer", "mien"])
def listening(request):
    """A recognizer that was fitted to sounds through its own front end."""
    made = Recognizer(request.param, probe=Chirp(), options=QUICK[request.param])
    parts = [made.front_end.features(echo(seed=seed)) for seed in range(8)]
    known = replace(
        parts[0],
        values=np.concatenate([part.values for part in parts]),
        row=np.repeat(np.arange(8), [len(part) for part in parts]),
        start_s=np.concatenate([part.start_s for part in parts]),
    )
    return made.fit_features(known, np.array(["fear", "anger"] * 4), np.repeat(["a", "b", "c", "d"], 2), range(8))


def test_a_row_per_window(listening):
    frame = listening.predict_proba(replace(echo(2.0), quality=("clipped", "drift")))
    assert list(frame.columns) == ["time_s", "expression", "p_anger", "p_fear", "confidence", "quality"]
    assert len(frame) == len(listening.front_end.features(echo(2.0)))
    hop_s = listening.front_end.hop_s
    np.testing.assert_allclose(np.diff(frame["time_s"]), round(hop_s / 0.05) * 0.05, atol=1e-3)
    assert (frame["quality"] == "clipped;drift").all()
    probabilities = frame[["p_anger", "p_fear"]].to_numpy()
    np.testing.assert_allclose(frame["confidence"], probabilities.max(axis=1))
    assert (frame["expression"] == np.array(["anger", "fear"])[probabilities.argmax(axis=1)]).all()
    assert (listening.predict_proba(echo(2.0))["quality"] == "ok").all()


def test_another_probe_is_refused_naming_both(listening):
    with pytest.raises(ProbeMismatch, match="17000-20000 Hz.*expects chirp 19000-23000 Hz"):
        listening.predict_proba(echo(probe=Chirp(low_hz=17_000, high_hz=20_000)))


def test_a_recording_without_a_stated_probe_is_taken_for_the_models(listening):
    stated, silent = echo(), replace(echo(), probe=None)
    pd.testing.assert_frame_equal(listening.predict_proba(silent), listening.predict_proba(stated))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda r: replace(r, samples=r.samples[:, :4800]), "lasts 0.1 s.*record at least"),
        (lambda r: replace(r, samples=np.repeat(r.samples, 2, axis=0)), "2 channels.*trained on 1"),
        (lambda r: replace(r, rate_hz=44_100, probe=None), "44100 Hz.*record at 48000 Hz"),
    ],
)
def test_recordings_that_cannot_be_heard_say_what_to_do(listening, change, message):
    with pytest.raises(RecordingError, match=message):
        listening.predict_proba(change(echo()))


def test_a_recording_without_the_probe_is_refused(listening):
    noise = np.random.default_rng(0).standard_normal((1, 96_000)).astype(np.float32) * 0.1
    with pytest.raises(ProbeNotFound):
        listening.predict_proba(Recording(noise, 48_000))


def test_a_loaded_model_hears_the_same(listening, tmp_path):
    again = Recognizer.load(listening.save(tmp_path))
    pd.testing.assert_frame_equal(again.predict_proba(echo(seed=9)), listening.predict_proba(echo(seed=9)))


def test_recordings_of_a_file_and_of_a_folder(tmp_path):
    for name in ("b.wav", "deep/a.flac"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_recording(echo(0.5), tmp_path / name)
    (tmp_path / "notes.txt").write_text("no sound")
    assert [name for name, _ in recordings_in(tmp_path)] == ["b.wav", "deep/a.flac"]
    ((name, recording),) = recordings_in(tmp_path / "b.wav", Chirp())
    assert name == "b.wav" and recording.probe == Chirp()
    with pytest.raises(ProbeMismatch):
        list(recordings_in(tmp_path, Chirp(high_hz=22_000)))
    with pytest.raises(RecordingError, match="no sound file"):
        (tmp_path / "empty").mkdir()
        list(recordings_in(tmp_path / "empty"))

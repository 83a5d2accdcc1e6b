"""A model's folder that was damaged, or made to do harm; a disk that takes no more."""

import errno
import json
import os
import resource
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from toy_recognizers import fitted

from mien.errors import MienError, ModelError, StorageError
from mien.learning.methods import METHODS
from mien.recognizer import Recognizer


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

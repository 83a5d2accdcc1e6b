"""The one loop: interrupted and resumed is uninterrupted, bit for bit; it stops early, restores, refuses, survives."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_windows import toy_windows

from mien.errors import ModelError, StorageError
from mien.learning.arrays import Normaliser
from mien.learning.augmentation import Augmentation
from mien.learning.loop import Run, Training, batches, learning_rate, train
from mien.learning.network import build_network
from mien.learning.objectives import CrossEntropy, Prepared, labels_of
from mien.models.facer import FacerShape
from mien.models.temporal import TemporalShape

SGD = Training(epochs=6, patience=6, batch_size=16, device="cpu")
ADAMW = Training(
    epochs=6, patience=6, batch_size=16, device="cpu", optimizer="adamw", schedule="cosine", learning_rate=1e-2
)


class Interrupted(KeyboardInterrupt):
    pass


def objective(shape=None, cls=CrossEntropy, validation=True):
    windows, held = toy_windows(), toy_windows(seed=5, n_people=2)
    network = build_network(shape or FacerShape(width=2, attention_units=4), windows.values.shape[1:], 3, 0)
    normaliser = Normaliser.fit(windows.values)
    source = Prepared(windows.values, normaliser, Augmentation(noise_spread=0.1))
    made = cls(network, source, labels_of(windows))
    if validation:
        made.held, made.held_labels = Prepared(held.values, normaliser, None), labels_of(held)
    return made


class StopsInThirdEpoch(CrossEntropy):
    """Ctrl-C in the middle of the third epoch."""

    def begin_epoch(self, network):
        self.temperature += 1  # counts epochs; Eq. 3 is off here

    def loss(self, network, index, generator):
        if self.temperature > 3:
            raise Interrupted
        return super().loss(network, index, generator)


def weights(made):
    return {name: value.clone() for name, value in made.network.state_dict().items()}


@pytest.mark.parametrize("shape", [FacerShape(width=2), TemporalShape(n_filters=4)], ids=["facer", "mien"])
@pytest.mark.parametrize("options", [SGD, ADAMW], ids=["sgd", "adamw"])
def test_interrupted_and_resumed_is_uninterrupted_bit_for_bit(tmp_path, options, shape):
    whole = objective(shape)
    expected = train(whole, options, seed=3)
    broken = objective(shape, StopsInThirdEpoch)
    broken.temperature = 0
    with pytest.raises(Interrupted):
        train(broken, options, seed=3, run=Run(tmp_path))
    stored = json.loads((tmp_path / "checkpoint.json").read_text())
    assert stored["epoch"] == 3 and not stored["finished"]
    torch.rand(100)
    resumed = objective(shape)
    found = train(resumed, options, seed=3, run=Run(tmp_path, resume=True))
    assert found.history == expected.history
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[name]), name


def test_resuming_a_finished_run_trains_no_more(tmp_path):
    first = objective()
    expected = train(first, SGD, seed=3, run=Run(tmp_path))
    again = objective(cls=StopsInThirdEpoch)
    again.temperature = 99
    found = train(again, SGD, seed=3, run=Run(tmp_path, resume=True))
    assert found.history == expected.history
    assert all(torch.equal(value, weights(again)[name]) for name, value in weights(first).items())


def test_without_resume_an_old_checkpoint_is_not_used(tmp_path):
    train(objective(), SGD, seed=4, run=Run(tmp_path))
    fresh, beside = objective(), objective()
    assert train(fresh, SGD, seed=3).history == train(beside, SGD, seed=3, run=Run(tmp_path)).history


@pytest.mark.parametrize("change", ["seed", "options", "data"])
def test_a_checkpoint_of_another_run_is_refused(tmp_path, change):
    train(objective(), SGD, seed=3, run=Run(tmp_path), identity={"data": "a"})
    options = Training(epochs=7, batch_size=16, device="cpu") if change == "options" else SGD
    with pytest.raises(ModelError, match=f"another run.*{change}"):
        train(
            objective(),
            options,
            seed=4 if change == "seed" else 3,
            run=Run(tmp_path, resume=True),
            identity={"data": "b" if change == "data" else "a"},
        )


@pytest.mark.parametrize("damage", ["empty", "half", "json", "outside"])
def test_a_broken_checkpoint_is_named(tmp_path, damage):
    train(objective(), SGD, seed=3, run=Run(tmp_path))
    path, weights_path = tmp_path / "checkpoint.json", next(tmp_path.glob("*.safetensors"))
    if damage == "empty":
        weights_path.write_bytes(b"")
    elif damage == "half":
        weights_path.write_bytes(weights_path.read_bytes()[:500])
    elif damage == "json":
        path.write_text("{")
    else:
        path.write_text(path.read_text().replace(weights_path.name, "../" + weights_path.name))
    with pytest.raises(ModelError, match="checkpoint"):
        train(objective(), SGD, seed=3, run=Run(tmp_path, resume=True))


@pytest.mark.parametrize(
    "part, damage",
    [("weights.", "missing"), ("best.", "missing"), ("weights.", "shape"), ("best.", "shape"), ("optimizer.", "shape")],
)
def test_a_checkpoint_whose_tensors_do_not_fit_is_named(tmp_path, part, damage):
    train(objective(), SGD, seed=3, run=Run(tmp_path))
    path = next(tmp_path.glob("*.safetensors"))
    tensors = load_file(path)
    name = next(name for name, value in tensors.items() if name.startswith(part) and value.ndim > 1)
    tensors = {other: value for other, value in tensors.items() if other != name}
    if damage == "shape":
        tensors[name] = torch.zeros(7, 7)
    save_file(tensors, path)
    with pytest.raises(ModelError, match="does not fit") as caught:
        train(objective(), SGD, seed=3, run=Run(tmp_path, resume=True))
    assert "\n" not in str(caught.value)


def test_a_disk_that_fills_up_while_training_is_named_and_the_last_checkpoint_kept(tmp_path, monkeypatch):
    """The tensor library writes files itself, and its error for a full disk is no OSError."""

    def refuse(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    broken = objective(cls=StopsInThirdEpoch)
    broken.temperature = 0
    with pytest.raises(Interrupted):
        train(broken, SGD, seed=3, run=Run(tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(StorageError, match="disk is full"):
        train(objective(), SGD, seed=3, run=Run(tmp_path, resume=True))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_one_checkpoint_is_kept_and_holds_no_pickle(tmp_path):
    train(objective(), SGD, seed=3, run=Run(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.json", "epoch-00006.safetensors"]


def test_a_file_of_another_name_beside_checkpoints_stays(tmp_path):
    (tmp_path / "epoch-notes.safetensors").write_bytes(b"mine")
    train(objective(), SGD, seed=3, run=Run(tmp_path))
    assert (tmp_path / "epoch-notes.safetensors").read_bytes() == b"mine"


def test_best_weights_are_restored_and_training_stops_early():
    made = objective()
    state = train(made, Training(epochs=60, patience=3, batch_size=16, device="cpu"), seed=0)
    losses = [epoch["validation_loss"] for epoch in state.history]
    assert state.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == min(60, state.best_epoch + 3) and state.finished
    assert made.validation_loss(made.network) == pytest.approx(min(losses), rel=1e-6)


def test_without_validation_the_last_weights_stay():
    made = objective(validation=False)
    state = train(made, SGD, seed=0)
    assert len(state.history) == state.best_epoch == 6
    assert not made.network.training


def test_the_papers_rate_does_not_break_a_narrow_network():
    made = objective(FacerShape(width=1, attention_units=2))
    state = train(made, Training(epochs=15, patience=15, batch_size=8, learning_rate=0.1, device="cpu"), seed=0)
    assert all(np.isfinite(epoch["loss"]) for epoch in state.history)
    assert state.history[-1]["loss"] < state.history[0]["loss"]


def test_a_diverged_training_says_so():
    class Diverges(CrossEntropy):
        def loss(self, network, index, generator):
            return super().loss(network, index, generator) * torch.nan

    with pytest.raises(ModelError, match="diverged.*lower learning_rate"):
        train(objective(cls=Diverges), SGD, seed=0)


def test_rate_decays_as_stated():
    options = Training(learning_rate=0.1, rate_decay=0.01, warmup_epochs=0)
    assert [learning_rate(options, epoch) for epoch in (0, 1, 50)] == pytest.approx([0.1, 0.1 / 1.01, 0.1 / 1.5])
    warm = Training(learning_rate=0.1, rate_decay=0.0, warmup_epochs=3)
    assert [learning_rate(warm, epoch) for epoch in range(5)] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    cosine = Training(epochs=10, learning_rate=1.0, schedule="cosine", warmup_epochs=0)
    assert learning_rate(cosine, 5) == pytest.approx(0.5)


@pytest.mark.parametrize("n_windows, size, n_batches", [(10, 4, 3), (65, 64, 2), (64, 64, 1), (3, 8, 1)])
def test_batches_are_even_and_hold_every_window_once(n_windows, size, n_batches):
    made = batches(n_windows, size, torch.Generator().manual_seed(0))
    assert sorted(torch.cat(made).tolist()) == list(range(n_windows))
    lengths = [len(batch) for batch in made]
    assert len(made) == n_batches and max(lengths) - min(lengths) <= 1 and max(lengths) <= size


def test_a_bar_is_shown_only_where_asked(capsys):
    train(objective(), Training(epochs=1, device="cpu"), seed=0)
    assert capsys.readouterr() == ("", "")
    train(objective(), Training(epochs=1, device="cpu"), seed=0, run=Run(progress=True))

"""What is minimised, term by term: cross-entropy, contrast at its weight and temperature, on changed windows."""

import pytest
import torch
from toy_windows import toy_windows

from mien.learning.arrays import Normaliser
from mien.learning.augmentation import NO_AUGMENTATION, Augmentation
from mien.learning.losses import supervised_contrastive, target_to_source_contrastive
from mien.learning.methods import METHODS, with_changes
from mien.learning.network import NetworkClassifier, build_network
from mien.learning.objectives import CrossEntropy, DomainAdaptation, Prepared, infer, labels_of
from mien.models.facer import FacerShape

CPU = torch.device("cpu")
INDEX = torch.arange(12)


def generator():
    return torch.Generator().manual_seed(0)


def prepared(augmentation=None, seed=0):
    windows = toy_windows(seed=seed)
    return Prepared(windows.values, Normaliser.fit(toy_windows().values), augmentation)


def network_in_use():
    shape = FacerShape(width=2, attention_units=4)
    return build_network(shape, toy_windows().values.shape[1:], 3, 0).eval()


def adaptation():
    made = DomainAdaptation(network_in_use(), prepared(), labels_of(toy_windows()), prepared(seed=9))
    made.begin_epoch(made.network)
    return made


@pytest.mark.parametrize("weight, temperature", [(0.5, 0.1), (2.0, 0.7)])
def test_adaptation_adds_eq_9_at_its_weight_and_temperature(weight, temperature):
    made = adaptation()
    made.temperature, made.weight = temperature, 0.0
    alone = made.loss(made.network, INDEX, generator())
    made.weight = weight
    found = made.loss(made.network, INDEX, generator()) - alone
    target_index = torch.randint(len(made.target), (len(INDEX),), generator=generator())
    contrast = target_to_source_contrastive(
        made.network(made.target.plain(target_index, CPU)).projection,
        made.target_labels[target_index],
        made.network(made.source.plain(INDEX, CPU)).projection,
        made.labels[INDEX],
        temperature,
    )
    assert contrast.item() > 0.1
    torch.testing.assert_close(found, weight * contrast, rtol=1e-4, atol=1e-5)


def test_adaptation_learns_from_both_domains():
    """In use windows do not meet in batch normalisation: what reaches the target's comes through Eq. 9."""
    made = adaptation()
    made.source.values.requires_grad_(), made.target.values.requires_grad_()
    made.loss(made.network, INDEX, generator()).backward()
    assert made.source.values.grad[INDEX].any() and made.target.values.grad.any()


def test_labelled_windows_add_eq_3_at_its_weight_and_temperature():
    made = CrossEntropy(network_in_use(), prepared(), labels_of(toy_windows()), temperature=0.4)
    alone = made.loss(made.network, INDEX, generator())
    made.contrastive_weight = 1.5
    found = made.loss(made.network, INDEX, generator()) - alone
    contrast = supervised_contrastive(
        made.network(made.source.plain(INDEX, CPU)).projection, made.labels[INDEX], temperature=0.4
    )
    assert contrast.item() > 0.1
    torch.testing.assert_close(found, 1.5 * contrast, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name, value, more", [("source_contrastive_weight", 3.0, 1.0), ("noise_spread", 1.0, 0.03)])
def test_the_options_for_contrast_and_changes_reach_training(name, value, more):
    windows, losses = toy_windows(), []
    for setting in (0.0, value):
        changes = {"width": 2, "epochs": 3, name: setting}
        made = NetworkClassifier(with_changes(METHODS["resnet"].options, changes))
        losses.append(made.fit(windows.values, windows.labels, windows.groups).history[-1]["loss"])
    assert losses[1] > losses[0] + more


def test_too_certain_a_network_is_no_reason_to_stop():
    """The same answers, ten times as certain: their calibrated loss stays, their loss as it stands does not."""
    network, held = network_in_use(), prepared(seed=5)
    labels = infer(network, held)[0].argmax(dim=1)
    labels[::4] = (labels[::4] + 1) % 3
    losses = {}
    for certain in (1, 10):
        network.head.weight.data *= certain
        network.head.bias.data *= certain
        for how in ("calibrated", "loss"):
            made = CrossEntropy(network, prepared(), labels_of(toy_windows()), held, labels, how)
            losses[certain, how] = made.validation_loss(network)
        assert losses[certain, "calibrated"] < losses[certain, "loss"]
    assert losses[10, "calibrated"] == pytest.approx(losses[1, "calibrated"], rel=1e-3)
    assert abs(losses[10, "loss"] - losses[1, "loss"]) > 0.1


@pytest.mark.parametrize("method", ["resnet", "facer"])
def test_what_stops_training_is_chosen(method):
    windows, histories = toy_windows(), {}
    for early_stopping in ("calibrated", "loss"):
        changes = {"width": 2, "epochs": 2, "early_stopping": early_stopping}
        made = METHODS[method].estimator(with_changes(METHODS[method].options, changes))
        made.fit(windows.values, windows.labels, windows.groups)
        history = made.history if method == "resnet" else made.base.history
        histories[early_stopping] = [epoch["validation_loss"] for epoch in history]
    assert all(ours < plain for ours, plain in zip(*histories.values(), strict=True))


def test_windows_are_changed_in_training_and_only_where_asked():
    plain = prepared().plain(INDEX, CPU)
    changed = prepared(Augmentation()).changed(INDEX, generator(), CPU)
    assert (changed - plain).abs().amax(dim=(1, 2, 3)).min() > 1e-3
    for unchanged in (NO_AUGMENTATION, None):
        assert torch.equal(prepared(unchanged).changed(INDEX, generator(), CPU), plain)


def test_training_sees_changed_windows(monkeypatch):
    seen = []
    monkeypatch.setattr(
        Prepared, "changed", lambda self, index, draws, device: seen.append(1) or self.plain(index, device)
    )
    domains, labelled = adaptation(), CrossEntropy(network_in_use(), prepared(), labels_of(toy_windows()))
    domains.loss(domains.network, INDEX, generator())
    labelled.loss(labelled.network, INDEX, generator())
    assert len(seen) == 3

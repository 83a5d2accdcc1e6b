"""Adversarial adaptation, two implementations of it: ours and skada's. Both do what they promise, and agree in kind."""

import copy
import importlib.metadata

import numpy as np
import pytest
import torch
from torch.nn import functional
from toy_windows import toy_windows

from mien.errors import ModelError
from mien.learning import dann
from mien.learning.arrays import Normaliser
from mien.learning.calibration import fit_threshold
from mien.learning.dann import DannClassifier, DannOptions
from mien.learning.methods import with_changes
from mien.learning.network import build_network
from mien.learning.objectives import DomainAdversarial, Prepared, infer, labels_of
from mien.learning.xhar import XharClassifier, XharOptions
from mien.models.adversarial import AdversarialNetwork, DomainDiscriminator, ramp
from mien.models.facer import FacerShape

QUICK = {"width": 4, "epochs": 15, "adaptation_epochs": 15}


def turned(windows, angle_rad):
    """Return the values with their two channels turned into each other: another microphone, so to speak."""
    one, other = windows.values[:, 0], windows.values[:, 1]
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.stack([cosine * one - sine * other, sine * one + cosine * other], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def domains():
    source = toy_windows(n_people=8, n_each=8, spread=0.6)
    target = toy_windows(seed=9, n_people=4, n_each=8, spread=0.6, offset=0.5)
    return source, turned(target, 0.9), target.labels


@pytest.fixture(scope="module")
def before(domains):
    """Two fitted source-only models, shared: what the two methods fit is the same."""
    torch.set_num_threads(1)
    source, _, _ = domains
    return [
        XharClassifier(with_changes(XharOptions(), QUICK), seed).fit(source.values, source.labels, source.groups)
        for seed in range(2)
    ]


def of(kind, fitted, **changes):
    """Return an estimator of a kind with other options around what was fitted."""
    options = XharOptions() if kind is XharClassifier else DannOptions()
    made = kind(with_changes(options, QUICK | changes), fitted.seed)
    made.base, made.bank = fitted.base, fitted.bank
    return made


def accuracy(model, values, labels):
    return float((model.predict_proba(values).argmax(axis=1) == labels).mean())


KINDS = pytest.mark.parametrize("kind", [XharClassifier, DannClassifier])


@KINDS
def test_a_turned_domain_is_recognised_better_than_by_the_source_alone(domains, before, kind):
    """And better than by going on without the adversary: it is the discriminators that do it. Mean over two seeds."""
    _, values, labels = domains
    plain = np.mean([accuracy(model, values, labels) for model in before])
    without = np.mean(
        [accuracy(of(kind, model, adversarial_weight=0.0).adapt(values), values, labels) for model in before]
    )
    aligned = np.mean([accuracy(of(kind, model).adapt(values), values, labels) for model in before])
    assert plain < 0.85
    assert aligned > plain + 0.1
    assert aligned > without + 0.05


def moved(model, values):
    """Return how far adapting moves the weights, relative to them."""
    before = torch.cat([each.detach().flatten() for each in model.base.network.parameters()])
    after = torch.cat([each.detach().flatten() for each in model.adapt(values).base.network.parameters()])
    return float((after - before).norm() / before.norm())


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_both_ways_are_given_the_same_optimiser_and_move_alike_far(domains, before, optimizer):
    """At a rate that is right for AdamW, plain SGD hardly moves."""
    _, values, _ = domains
    given = {"optimizer": optimizer, "adaptation_epochs": 2, "adaptation_learning_rate": 5e-4}
    ours, skadas = (moved(of(kind, before[0], **given), values) for kind in (XharClassifier, DannClassifier))
    assert 0.3 < skadas / ours < 3
    assert (ours > 3e-3) == (optimizer == "adamw")


def test_skada_is_given_weight_decay_and_schedule(domains, before):
    _, values, _ = domains
    given = {"optimizer": "adamw", "adaptation_epochs": 2, "iterations_per_epoch": 2, "schedule": "cosine"}
    light, heavy = (of(DannClassifier, before[0], weight_decay=decay, **given).adapt(values) for decay in (0, 0.9))
    rates = [epoch["learning_rate"] for epoch in light.history]
    np.testing.assert_allclose(rates, [0.01, 0.01, 0.005, 0.005])  # skada counts every pass as an epoch
    norms = [torch.cat([each.flatten() for each in model.base.network.parameters()]).norm() for model in (light, heavy)]
    assert norms[1] < norms[0]


@KINDS
def test_adaptation_reaches_its_rate_at_once(domains, before, kind):
    _, values, _ = domains
    quick = of(kind, before[0], adaptation_epochs=1, adaptation_learning_rate=0.003, warmup_epochs=5)
    assert [epoch["learning_rate"] for epoch in quick.adapt(values).history] == [0.003]


@KINDS
def test_confidence_and_when_to_be_unsure_are_those_of_the_adapted_network(domains, before, kind):
    _, values, _ = domains
    made = of(kind, before[0], adaptation_epochs=2)
    made.base = copy.copy(made.base)
    made.base.unsure_below = 0.123
    adapted = made.adapt(values)
    _, held = adapted.bank.parts()
    found = adapted.predict_proba(held.values)
    assert adapted.unsure_below == pytest.approx(fit_threshold(found, held.labels), abs=1e-9)
    assert made.unsure_below == 0.123 != adapted.unsure_below


def adversarial(weight=1.0, n_steps=10):
    source, target = toy_windows(), toy_windows(seed=9)
    normaliser = Normaliser.fit(source.values)
    network = build_network(FacerShape(width=2, attention="none"), source.values.shape[1:], 3, 0)
    torch.manual_seed(0)
    return DomainAdversarial(
        AdversarialNetwork(network, DomainDiscriminator(16, 3, 8)),
        Prepared(source.values, normaliser, None),
        labels_of(source),
        Prepared(target.values, normaliser, None),
        n_steps,
        weight,
    )


def test_without_weight_the_loss_is_the_sources_cross_entropy():
    made = adversarial(weight=0.0)
    made.network.eval()
    index = torch.arange(12)
    expected = functional.cross_entropy(infer(made.network, made.source)[0][index], made.labels[index])
    found = made.loss(made.network, index, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_reversal_rises_from_nothing_over_the_steps():
    """At the first step the trunk does not feel the discriminators; at the last it feels them nearly whole."""
    index, felt = torch.arange(12), []
    for n_done in (0, 5, 10):
        with_them, alone = adversarial(), adversarial(weight=0.0)
        with_them.n_done = n_done
        for made in (with_them, alone):
            made.network.eval()
            made.loss(made.network, index, torch.Generator().manual_seed(0)).backward()
        weights = [made.network.network.trunk.stem[0].weight.grad for made in (with_them, alone)]
        felt.append(float((weights[0] - weights[1]).norm()))
    assert felt[0] == 0 and felt[1] / felt[2] == pytest.approx(ramp(0.5) / ramp(1.0), abs=1e-3)
    assert with_them.n_done == 11


def test_windows_of_both_domains_count_alike_for_the_discriminators():
    made = adversarial()
    made.network.eval()
    with torch.no_grad():
        for head in made.network.discriminator.heads:
            head[-1].weight.zero_()
            head[-1].bias.zero_()
    index = torch.arange(12)
    alone = functional.cross_entropy(infer(made.network, made.source)[0][index], made.labels[index])
    found = made.loss(made.network, index, torch.Generator().manual_seed(0))
    # Three discriminators that know nothing: log 2 each.
    torch.testing.assert_close(found - alone, torch.tensor(3 * np.log(2), dtype=torch.float32), rtol=1e-4, atol=1e-4)


def test_a_small_target_is_enough_for_both(domains, before):
    _, values, _ = domains
    for kind in (XharClassifier, DannClassifier):
        quick = of(kind, before[0], adaptation_epochs=1)
        assert np.isfinite(quick.adapt(values[:2]).predict_proba(values)).all()
        with pytest.raises(ModelError, match="at least two"):
            quick.adapt(values[:1])


def test_without_skada_the_extra_is_named_before_anything_is_learnt(before, monkeypatch):
    monkeypatch.setattr(dann, "find_spec", lambda name: None if name == "skada" else object())
    windows = toy_windows(n_people=2, n_each=2)
    with pytest.raises(ModelError, match=r"skada is not installed: pip install 'mien\[baselines\]'.*use xhar"):
        DannClassifier(DannOptions()).fit(windows.values, windows.labels, windows.groups)
    # What was fitted is still used.
    assert of(DannClassifier, before[0]).predict_proba(windows.values).shape == (len(windows), 3)


@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
def test_skadas_own_discriminator_would_align_nothing():
    """Why `dann` brings its own last layer. Where skada has mended it, ours can go."""
    if not importlib.metadata.version("skada").startswith("0.6."):
        pytest.skip("of skada 0.6")
    from skada.deep.modules import DomainClassifier

    rows = torch.randn(8, 5, requires_grad=True)
    said = DomainClassifier(5)(rows)
    assert torch.equal(said, torch.ones(8))
    said.sum().backward()
    assert not rows.grad.any()

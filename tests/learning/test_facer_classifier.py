"""Algorithm 1: pseudo-labels once an epoch, both domains in one batch, warm start; what adaptation does."""

import numpy as np
import pytest
import torch
from toy_windows import toy_windows

from mien.errors import ModelError
from mien.learning import facer
from mien.learning.arrays import Normaliser
from mien.learning.bank import evenly
from mien.learning.facer import FacerClassifier, FacerOptions
from mien.learning.loop import Run, Training, train
from mien.learning.methods import METHODS, options_from_json, options_to_json, with_changes
from mien.learning.network import build_network
from mien.learning.objectives import DomainAdaptation, Prepared, infer, labels_of
from mien.learning.pseudo_labels import pseudo_labels
from mien.models.facer import FacerShape

QUICK = {"width": 2, "attention_units": 4, "classifier_hidden": (16,), "epochs": 8, "adaptation_epochs": 3}


def options(**changes):
    return with_changes(METHODS["facer"].options, QUICK | changes)


@pytest.fixture(scope="module")
def fitted():
    windows = toy_windows()
    return FacerClassifier(options()).fit(windows.values, windows.labels, windows.groups)


def adaptation(n_source=40, n_target=30):
    source, target = toy_windows(), toy_windows(seed=9)
    normaliser = Normaliser.fit(source.values)
    network = build_network(FacerShape(width=2, attention_units=4), source.values.shape[1:], 3, 0)
    return DomainAdaptation(
        network,
        Prepared(source.values[:n_source], normaliser, None),
        labels_of(source)[:n_source],
        Prepared(target.values[:n_target], normaliser, None),
    )


def test_pseudo_labels_are_made_once_an_epoch_over_the_whole_target(monkeypatch):
    made, calls = adaptation(), []
    begin = DomainAdaptation.begin_epoch
    monkeypatch.setattr(DomainAdaptation, "begin_epoch", lambda self, net: (calls.append("labels"), begin(self, net)))
    batch = DomainAdaptation.loss
    monkeypatch.setattr(
        DomainAdaptation, "loss", lambda self, net, *rest: (calls.append("batch"), batch(self, net, *rest))[1]
    )
    train(made, Training(epochs=2, iterations_per_epoch=3, batch_size=20, device="cpu"), seed=0)
    assert calls == 2 * (["labels"] + 3 * 2 * ["batch"])
    assert made.target_labels.shape == (30,)


def test_pseudo_labels_are_eq_7_of_the_network_as_it_stands():
    made = adaptation()
    made.begin_epoch(made.network)
    logits, representations = infer(made.network, made.target)
    assert torch.equal(made.target_labels, pseudo_labels(representations, logits))


def test_both_domains_pass_through_the_network_in_one_batch():
    made, seen = adaptation(), []
    made.network.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    made.begin_epoch(made.network)
    seen.clear()
    made.loss(made.network, torch.arange(12), torch.Generator().manual_seed(0))
    assert seen == [24]


def test_without_weight_the_loss_is_the_sources_cross_entropy():
    made = adaptation()
    made.network.eval()
    made.begin_epoch(made.network)
    made.weight = 0.0
    index = torch.arange(12)
    expected = torch.nn.functional.cross_entropy(infer(made.network, made.source)[0][index], made.labels[index])
    found = made.loss(made.network, index, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_adaptation_starts_from_the_trained_weights(fitted):
    barely = FacerClassifier(options(adaptation_epochs=1, adaptation_learning_rate=1e-9))
    barely.__dict__.update({name: value for name, value in fitted.__dict__.items() if name != "options"})
    target = toy_windows(seed=9, n_people=2)
    found = barely.adapt(target.values).base.network.state_dict()
    for name, value in fitted.base.network.state_dict().items():
        if "running" not in name and "batches" not in name:
            torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-7)


def test_adaptation_reaches_its_rate_at_once(fitted):
    quick = FacerClassifier(options(adaptation_epochs=1, adaptation_learning_rate=0.003, warmup_epochs=5))
    quick.base, quick.bank = fitted.base, fitted.bank
    assert [epoch["learning_rate"] for epoch in quick.adapt(toy_windows(seed=9).values).history] == [0.003]


def test_adaptation_helps_where_people_differ_and_a_domain_is_shifted():
    """People who differ twice as much as those learnt from, all heard with one offset. Mean over five draws of people.

    One draw of four people tells nothing: before and after differ by less than draws do.
    """
    windows = toy_windows(n_people=8, n_each=8, spread=0.6)
    before, after = [], []
    for seed in range(5):
        target = toy_windows(seed=9 + seed, n_people=4, n_each=8, spread=1.2, offset=0.5)
        made = FacerClassifier(options(width=4, classifier_hidden=(32,), epochs=15, adaptation_epochs=15), seed)
        made.fit(windows.values, windows.labels, windows.groups)
        before.append((made.predict_proba(target.values).argmax(axis=1) == target.labels).mean())
        after.append((made.adapt(target.values).predict_proba(target.values).argmax(axis=1) == target.labels).mean())
    assert np.mean(after) > np.mean(before) > 0.6


def test_adaptation_never_sees_labels_of_the_target(fitted):
    """Its only argument is windows; equal windows give equal models."""
    target = toy_windows(seed=9, n_people=2)
    first, second = fitted.adapt(target.values), fitted.adapt(target.values.copy())
    np.testing.assert_array_equal(first.predict_proba(target.values), second.predict_proba(target.values))


def test_too_little_to_adapt_to_is_refused(fitted):
    with pytest.raises(ModelError, match="at least two"):
        fitted.adapt(toy_windows().values[:1])


def test_the_bank_is_even_and_keeps_held_out_people_apart(fitted):
    windows = toy_windows()
    small = FacerClassifier(options(bank_windows=30, epochs=1)).fit(windows.values, windows.labels, windows.groups)
    source, held = small.bank.parts()
    assert len(source) + len(held) == 30 and 0 < len(held) <= 6
    assert np.bincount(source.labels).min() >= 6
    stored = {value.tobytes() for value in held.values}
    assert not stored & {value.tobytes() for value in source.values}


def test_evenly_draws_from_every_class_and_person():
    labels, groups = np.repeat([0, 1], 50), np.array(["a"] * 45 + ["b"] * 55)
    chosen = evenly(labels, groups, 9, np.random.default_rng(0))
    assert len(set(chosen)) == 9
    cells = set(zip(labels[chosen], groups[chosen], strict=True))
    assert cells == {(0, "a"), (0, "b"), (1, "b")}
    assert evenly(labels, groups, 500, np.random.default_rng(0)).tolist() == list(range(100))


def test_adaptation_runs_with_its_own_options_and_the_networks_augmentation(fitted, monkeypatch):
    objectives = []
    monkeypatch.setattr(
        facer,
        "train",
        lambda objective, *rest, **named: (objectives.append(objective), train(objective, *rest, **named))[1],
    )
    changed = FacerClassifier(options(contrastive_weight=0.7, temperature=0.3, gain_spread=0.2))
    changed.__dict__.update({name: value for name, value in fitted.__dict__.items() if name != "options"})
    changed.adapt(toy_windows(seed=9, n_people=2).values)
    adapting, classifier = objectives
    assert (adapting.weight, adapting.temperature) == (0.7, 0.3)
    assert adapting.source.augmentation.gain_spread == adapting.target.augmentation.gain_spread == 0.2
    assert len(adapting) == len(classifier) == len(fitted.bank.parts()[0])


def test_both_stages_resume(tmp_path):
    windows = toy_windows()
    whole = FacerClassifier(options()).fit(windows.values, windows.labels, windows.groups, run=Run(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"network", "classifier"}
    again = FacerClassifier(options()).fit(
        windows.values, windows.labels, windows.groups, run=Run(tmp_path, resume=True)
    )
    np.testing.assert_array_equal(again.predict_proba(windows.values), whole.predict_proba(windows.values))


@pytest.mark.parametrize(
    "change", [{"classifier_hidden": (8,)}, {"source_contrastive_weight": 0.5}, {"width": 3}, {"attention": "none"}]
)
def test_a_checkpoint_of_other_options_is_not_resumed(tmp_path, change):
    """It was, and the model's folder stated options that had not been used; or torch said "size mismatch"."""
    windows = toy_windows(n_people=3, n_each=2)
    few = {"epochs": 1}
    FacerClassifier(options(**few)).fit(windows.values, windows.labels, windows.groups, run=Run(tmp_path))
    (name,) = change
    with pytest.raises(ModelError, match=rf"another run \(different: .*{name}"):
        FacerClassifier(options(**few, **change)).fit(
            windows.values, windows.labels, windows.groups, run=Run(tmp_path, resume=True)
        )


@pytest.mark.parametrize("changes", [{"pseudo_labels": "k-means"}, {"pseudo_labels": "confident"}])
def test_the_way_to_pseudo_labels_reaches_algorithm_1(fitted, monkeypatch, changes):
    asked = []
    monkeypatch.setattr(
        "mien.learning.objectives.pseudo_labels",
        lambda representations, logits, way, least: (
            asked.append((way, least)), pseudo_labels(representations, logits, way, least)
        )[1],
    )  # fmt: skip
    changed = FacerClassifier(options(**changes, least_confidence=0.3))
    changed.__dict__.update({name: value for name, value in fitted.__dict__.items() if name != "options"})
    target = toy_windows(seed=9, n_people=2)
    assert np.isfinite(changed.adapt(target.values).predict_proba(target.values)).all()
    assert set(asked) == {(changes["pseudo_labels"], 0.3)}


def test_without_contrast_adaptation_does_not_listen_to_pseudo_labels(fitted, monkeypatch):
    """contrastive_weight=0 is the ablation: what the target is called then changes nothing."""
    made = FacerClassifier(options(contrastive_weight=0.0))
    made.__dict__.update({name: value for name, value in fitted.__dict__.items() if name != "options"})
    target = toy_windows(seed=9, n_people=2).values
    usual = made.adapt(target).predict_proba(target)
    monkeypatch.setattr(
        "mien.learning.objectives.pseudo_labels",
        lambda representations, *rest: torch.zeros(len(representations)).long(),
    )
    np.testing.assert_array_equal(made.adapt(target).predict_proba(target), usual)


def test_a_model_without_a_word_of_its_norm_is_of_the_norm_that_there_was():
    written = options_to_json(METHODS["facer"].options)
    del written["network"]["shape"]["attention_norm"]
    assert options_from_json(FacerOptions, written).network.shape.attention_norm == "double"


@torch.no_grad()
def exchanged_answers(made, values):
    """Return the share of windows answered otherwise when what attention adds is its mean, the same for all."""
    (module,) = made.base.network.attention_of_stages().values()
    added = []
    handle = module.register_forward_hook(lambda _, inputs, out: added.append(out - inputs[0]))
    usual = made.predict_proba(values).argmax(axis=1)
    handle.remove()
    mean = torch.cat(added).mean(dim=(0, 1))
    handle = module.register_forward_hook(lambda _, inputs, out: inputs[0] + mean)
    changed = made.predict_proba(values).argmax(axis=1)
    handle.remove()
    return (changed != usual).mean()


def test_a_constant_in_place_of_attention_changes_answers_of_a_trained_model():
    """It changed none of 450: after the last stage a softmax over elements adds next to a constant."""
    windows, others = toy_windows(spread=0.6), toy_windows(seed=9, spread=1.2)
    once = {"attention_place": "after", "attention_norm": "double", "attention_batch_norm": False}
    shares = []
    for changes in ({}, once):
        made = FacerClassifier(options(width=4, attention_units=64, epochs=20, batch_size=12, **changes))
        made.fit(windows.values, windows.labels, windows.groups)
        shares.append(exchanged_answers(made, others.values))
    assert shares[0] > 0.02 > shares[1], shares


def test_a_short_training_leaves_attention_on_the_scale_that_it_was_trained_at():
    """After some ten steps torch's running variance was still mostly the 1 it starts at: asked, it added nothing."""
    windows = toy_windows()
    made = FacerClassifier(options(epochs=8)).fit(windows.values, windows.labels, windows.groups)
    network = made.base.network
    (module,) = network.attention_of_stages().values()
    added = []
    handle = module.register_forward_hook(lambda _, inputs, out: added.append(out - inputs[0]))
    made.represent(windows.values)
    network.train()
    with torch.no_grad():
        network(torch.from_numpy(made.base.normaliser(windows.values)))
    handle.remove()
    asked, trained = (each.std(dim=(0, 1)).mean() for each in (torch.cat(added[:-1]), added[-1]))
    assert 0.3 < asked / trained < 3


def test_where_attention_adds_is_known_by_window_and_place():
    windows = toy_windows()
    made = FacerClassifier(options(epochs=1)).fit(windows.values, windows.labels, windows.groups)
    maps = made.attention_map(windows.values[:5])
    assert maps.shape == (5, 2, 2) and (maps >= 0).all() and maps.std() > 0
    plain = FacerClassifier(options(epochs=1, attention="none")).fit(windows.values, windows.labels, windows.groups)
    assert plain.attention_map(windows.values[:5]) is None

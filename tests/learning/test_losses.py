"""FacER's Eq. 3 and 9 against loops, and at their limits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from mien.learning.losses import supervised_contrastive, target_to_source_contrastive


def loop_eq_3(z, labels, temperature):
    """Eq. 3 as printed, divided by the number of anchors that have a positive."""
    total, n_anchors = 0.0, 0
    for i in range(len(z)):
        positives = [p for p in range(len(z)) if p != i and labels[p] == labels[i]]
        if not positives:
            continue
        denominator = sum(math.exp(float(z[i] @ z[a]) / temperature) for a in range(len(z)) if a != i)
        inner = sum(math.log(math.exp(float(z[i] @ z[p]) / temperature) / denominator) for p in positives)
        total += -inner / len(positives)
        n_anchors += 1
    return total / n_anchors if n_anchors else 0.0


def loop_eq_9(target, pseudo, source, labels, temperature):
    """Eq. 9 as printed, divided by the number of anchors that have a positive."""
    total, n_anchors = 0.0, 0
    for i in range(len(target)):
        positives = [p for p in range(len(source)) if labels[p] == pseudo[i]]
        if not positives:
            continue
        denominator = sum(math.exp(float(target[i] @ source[a]) / temperature) for a in range(len(source)))
        inner = sum(math.log(math.exp(float(target[i] @ source[p]) / temperature) / denominator) for p in positives)
        total += -inner / len(positives)
        n_anchors += 1
    return total / n_anchors if n_anchors else 0.0


def unit_vectors(n, seed):
    return functional.normalize(torch.randn(n, 4, generator=torch.Generator().manual_seed(seed)), dim=1)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.floats(0.1, 2),
    st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_both_agree_with_loops(labels, pseudo, temperature, seed):
    source, target = unit_vectors(len(labels), seed), unit_vectors(len(pseudo), seed + 1)
    labels_tensor, pseudo_tensor = torch.tensor(labels), torch.tensor(pseudo)
    found = supervised_contrastive(source, labels_tensor, temperature).item()
    assert found == pytest.approx(loop_eq_3(source, labels, temperature), rel=1e-4, abs=1e-5)
    found = target_to_source_contrastive(target, pseudo_tensor, source, labels_tensor, temperature).item()
    assert found == pytest.approx(loop_eq_9(target, pseudo, source, labels, temperature), rel=1e-4, abs=1e-5)


def test_perfect_alignment_leaves_only_the_number_of_positives():
    """Classes on orthogonal axes, small temperature: each anchor divides its mass evenly among its n positives."""
    source, labels = torch.eye(3).repeat_interleave(4, dim=0), torch.arange(3).repeat_interleave(4)
    found = target_to_source_contrastive(source, labels, source, labels, 0.01).item()
    assert found == pytest.approx(math.log(4), rel=1e-4)
    assert supervised_contrastive(source, labels, 0.01).item() == pytest.approx(math.log(3), rel=1e-4)


def test_alignment_with_the_wrong_class_costs_one_over_temperature():
    source, labels = torch.eye(2), torch.tensor([0, 1])
    loss = target_to_source_contrastive(source, 1 - labels, source, labels, 0.05)
    assert loss.item() == pytest.approx(1 / 0.05, rel=1e-6)


def test_a_single_class_of_equal_vectors_gives_the_logarithm_of_its_size():
    source, labels = torch.ones(8, 1), torch.zeros(8, dtype=torch.long)
    assert supervised_contrastive(source, labels).item() == pytest.approx(math.log(7))
    assert target_to_source_contrastive(source[:3], labels[:3], source, labels).item() == pytest.approx(math.log(8))


def test_anchors_without_positives_are_skipped():
    source, labels = unit_vectors(6, 0), torch.tensor([0, 0, 0, 1, 1, 1])
    target, pseudo = unit_vectors(3, 1), torch.tensor([0, 1, 2])
    found = target_to_source_contrastive(target, pseudo, source, labels)
    expected = target_to_source_contrastive(target[:2], pseudo[:2], source, labels)
    torch.testing.assert_close(found, expected)


def test_without_any_positive_the_loss_is_zero_and_so_is_its_gradient():
    target = unit_vectors(3, 1).requires_grad_()
    loss = target_to_source_contrastive(target, torch.tensor([2, 2, 2]), unit_vectors(4, 0), torch.zeros(4, dtype=int))
    loss.backward()
    assert loss.item() == 0 and not target.grad.any()
    alone = unit_vectors(1, 0).requires_grad_()
    supervised_contrastive(alone, torch.tensor([0])).backward()
    assert torch.isfinite(alone.grad).all()


def test_descending_eq_9_brings_targets_to_their_class():
    source, labels = torch.eye(3), torch.arange(3)
    raw = torch.full((3, 3), 0.1).requires_grad_()
    for _ in range(200):
        loss = target_to_source_contrastive(functional.normalize(raw, dim=1), labels, source, labels)
        (gradient,) = torch.autograd.grad(loss, raw)
        raw = (raw - 0.05 * gradient).detach().requires_grad_()
    assert (functional.normalize(raw, dim=1) @ source.T).argmax(dim=1).tolist() == [0, 1, 2]


def test_gradients_are_those_of_finite_differences():
    source, labels = unit_vectors(5, 0).double(), torch.tensor([0, 0, 1, 1, 1])
    target = unit_vectors(4, 1).double().requires_grad_()
    pseudo = torch.tensor([0, 1, 1, 2])
    assert torch.autograd.gradcheck(lambda z: target_to_source_contrastive(z, pseudo, source, labels), (target,))
    assert torch.autograd.gradcheck(lambda z: supervised_contrastive(z, labels[:4]), (target,))

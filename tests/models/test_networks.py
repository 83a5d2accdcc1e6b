"""What every network promises, and what tells one from another."""

import doctest
import importlib
import os
import subprocess
import sys

import pytest
import torch
from torch.nn import functional

from mien.errors import ModelError
from mien.models.adversarial import AdversarialNetwork, DomainDiscriminator
from mien.models.blocks import ResidualBlock
from mien.models.facer import Facer, FacerShape, TwoLayerClassifier
from mien.models.sonicface import SonicFaceNetwork, SonicFaceShape
from mien.models.temporal import TemporalBlock, TemporalNetwork, TemporalShape

NETWORKS = {
    "facer": lambda: Facer((2, 12, 20), 5, FacerShape(width=4)),
    "facer with self-attention": lambda: Facer((2, 12, 20), 5, FacerShape(width=4, attention="self")),
    "resnet": lambda: Facer((2, 12, 20), 5, FacerShape(width=4, attention="none")),
    "sonicface": lambda: SonicFaceNetwork((2, 12, 20), 5, SonicFaceShape(n_filters=8)),
    "temporal": lambda: TemporalNetwork((2, 12, 20), 5, TemporalShape(n_filters=8)),
}


@pytest.mark.parametrize("module", ["adversarial", "blocks", "facer", "sonicface", "temporal"])
def test_examples(module):
    assert doctest.testmod(importlib.import_module(f"mien.models.{module}")).failed == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_windows_do_not_see_each_other_in_use(name):
    network = NETWORKS[name]().eval()
    images = torch.randn(6, 2, 12, 20)
    whole = network(images)
    torch.testing.assert_close(network(images[2:3]).logits, whole.logits[2:3], rtol=1e-4, atol=1e-5)
    order = torch.randperm(6)
    torch.testing.assert_close(network(images[order]).representation, whole.representation[order], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_learns(name):
    network = NETWORKS[name]().train()
    outputs = network(torch.randn(6, 2, 12, 20))
    (outputs.logits.square().sum() + outputs.projection.sum()).backward()
    silent = [name for name, weights in network.named_parameters() if weights.grad is None or not weights.grad.any()]
    assert not silent


@pytest.mark.parametrize("name", NETWORKS)
def test_head_is_linear_in_the_representation(name):
    network = NETWORKS[name]().eval()
    outputs = network(torch.randn(3, 2, 12, 20))
    torch.testing.assert_close(outputs.logits, network.head(outputs.representation))


def test_projections_have_unit_length():
    outputs = NETWORKS["facer"]()(torch.randn(4, 2, 12, 20))
    torch.testing.assert_close(outputs.projection.norm(dim=1), torch.ones(4))


def test_resnet_is_facer_without_its_attention():
    with_attention, without = NETWORKS["facer"](), NETWORKS["resnet"]()
    extra = set(with_attention.state_dict()) - set(without.state_dict())
    assert extra and all(name.startswith("attention.") for name in extra)


def test_classifier_has_the_papers_hidden_layers():
    classifier = TwoLayerClassifier(128, 6)
    assert [layer.out_features for layer in classifier.hidden if hasattr(layer, "out_features")] == [1024, 256]


def test_classifiers_hidden_layers_are_not_linear():
    classifier, representations = TwoLayerClassifier(16, 3, (12, 8)), torch.randn(50, 16)
    assert classifier.hidden[:2](representations).min() == 0
    assert classifier(representations).representation.min() == 0
    scores = [classifier(sign * representations).logits for sign in (-1, 0, 1)]
    assert not torch.allclose(scores[0] + scores[2], 2 * scores[1], atol=1e-3)


def test_temporal_networks_weights_are_those_of_its_layers():
    n_weights = sum(weights.numel() for weights in TemporalNetwork((2, 12, 20), 6).parameters())
    stem, block, head = 3 * 24 * 96 + 2 * 96, 2 * (3 * 96 * 96 + 2 * 96), 2 * 96 * 6 + 6
    assert n_weights == stem + 3 * block + head


def test_temporal_block_starts_from_what_it_is_given():
    block = TemporalBlock(4, dropout=0.0).eval()
    torch.nn.init.zeros_(block.inner[-1].weight)
    moments = torch.rand(2, 4, 20)
    assert torch.equal(block(moments), moments)


def test_sonicface_hears_cells_and_tones_apart():
    """The tones' convolutions see the last rows and nothing else, the cells' the others."""
    network = NETWORKS["sonicface"]().eval()
    images = torch.randn(2, 2, 12, 20)
    other = images.clone()
    other[:, :, -3:] = torch.randn(2, 2, 3, 20)
    same = (network(images).representation == network(other).representation).all(dim=0)
    assert same.tolist() == [True] * 16 + [False] * 16


def test_sonicface_refuses_windows_without_range_cells():
    with pytest.raises(ModelError, match="have 3 rows, of which 3 should be tones.*chirp-and-tones"):
        SonicFaceNetwork((2, 3, 20), 5)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_the_discriminator_learns_forwards_and_the_network_backwards(strength):
    """The gradient of the domains' loss at the representation is that without reversal, times minus the strength."""
    network = AdversarialNetwork(NETWORKS["resnet"](), DomainDiscriminator(32, 5, 8)).eval()
    images = torch.randn(4, 2, 12, 20)
    outputs = network(images)
    plain, probabilities = outputs.representation.detach().requires_grad_(), outputs.logits.detach().softmax(dim=1)
    network.discriminator(plain, probabilities).square().sum().backward()
    expected = [weights.grad.clone() for weights in network.discriminator.parameters()]
    network.zero_grad()
    outputs.representation.retain_grad()
    network.domain_logits(outputs, strength).square().sum().backward()
    torch.testing.assert_close(outputs.representation.grad, -strength * plain.grad)
    for weights, gradient in zip(network.discriminator.parameters(), expected, strict=True):
        torch.testing.assert_close(weights.grad, gradient)
    head = network.network.head.weight.grad
    assert head is None or not head.any()


def test_a_discriminator_per_class_sees_the_share_of_its_class():
    made = DomainDiscriminator(8, 3, 16)
    representation, certain = torch.randn(5, 8), torch.eye(3)[[1] * 5]
    seen = made(representation, certain)
    torch.testing.assert_close(seen[:, 1:2], made.heads[1](representation))
    for k in (0, 2):
        torch.testing.assert_close(seen[:, k : k + 1], made.heads[k](torch.zeros(5, 8)))
    assert DomainDiscriminator(8, 3, 16, "one")(representation, certain).shape == (5, 1)


OTHER_PROCESSOR = """
import torch
from mien.models.facer import Facer, FacerShape
from mien.models.sonicface import SonicFaceNetwork, SonicFaceShape
from mien.models.temporal import TemporalNetwork, TemporalShape

torch.set_num_threads(1)
networks = [((1, 6, 8), Facer((1, 6, 8), 5, FacerShape(width=width))) for width in range(1, 9)]
networks += [((1, 32, 33), Facer((1, 32, 33), 5, FacerShape(width=3)))]
networks += [((2, 6, 8), SonicFaceNetwork((2, 6, 8), 5, SonicFaceShape(n_filters=n))) for n in (1, 3)]
networks += [((1, 3, 8), TemporalNetwork((1, 3, 8), 5, TemporalShape(n_filters=n))) for n in (1, 3)]
for shape, network in networks:
    for _ in range(100):
        network(torch.randn(4, *shape)).logits.square().mean().backward()
"""
"""Every network and every kind of width, forward and backward a hundred times."""


def test_training_narrow_networks_does_not_corrupt_the_heap_of_processors_without_avx512():
    # `free(): invalid next size`: oneDNN's strided 1 x 1 convolution of 2 to 5 channels. Other processors ignore this.
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    run = subprocess.run([sys.executable, "-c", OTHER_PROCESSOR], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_shortcut_is_the_strided_convolution_that_it_stands_for():
    block = ResidualBlock(8, 4, stride=2)
    images = torch.randn(2, 8, 5, 6)
    strided = functional.conv2d(images, block.shortcut[0].weight, stride=2)
    torch.testing.assert_close(block.shortcut[0](images[..., ::2, ::2]), strided)
    with torch.no_grad():
        block.second_norm.weight.zero_()
    torch.testing.assert_close(block(images), functional.relu(block.shortcut[1](strided)))

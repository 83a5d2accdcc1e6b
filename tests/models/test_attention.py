"""External attention (FacER Eq. 8): its normalisation, a second implementation, its cost."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mien.learning.methods import METHODS
from mien.models.blocks import ExternalAttention, ResNet18Trunk, SelfAttention, as_elements, as_map, unit_length
from mien.models.facer import Facer, FacerShape


def loops(module: ExternalAttention, elements: torch.Tensor) -> np.ndarray:
    """Return Eq. 8 written out with loops over elements and units, plus the residual."""
    query_weight, query_bias = module.query.weight.detach().numpy(), module.query.bias.detach().numpy()
    keys, values = module.keys.weight.detach().numpy(), module.values.weight.detach().numpy().T
    result = []
    for sample in elements.numpy():
        queries = sample @ query_weight.T + query_bias
        n_elements, n_units = len(sample), len(keys)
        attention = np.array([[queries[n] @ keys[s] for s in range(n_units)] for n in range(n_elements)])
        for s in range(n_units):
            attention[:, s] = np.exp(attention[:, s]) / np.exp(attention[:, s]).sum()
        for n in range(n_elements):
            attention[n] /= attention[n].sum()
        result.append(sample + attention @ values)
    return np.array(result)


def test_agrees_with_loops():
    torch.manual_seed(0)
    module, elements = ExternalAttention(6, 5), torch.randn(3, 7, 6)
    np.testing.assert_allclose(module(elements).detach().numpy(), loops(module, elements), rtol=1e-5, atol=1e-6)


def test_agrees_with_einsum():
    torch.manual_seed(0)
    module, elements = ExternalAttention(6, 5), torch.randn(3, 7, 6)
    scores = torch.einsum("bnd,ed,se->bns", elements, module.query.weight, module.keys.weight)
    scores = scores + torch.einsum("d,sd->s", module.query.bias, module.keys.weight)
    over_elements = scores.exp() / scores.exp().sum(1, keepdim=True)
    attention = over_elements / over_elements.sum(2, keepdim=True)
    expected = elements + torch.einsum("bns,ds->bnd", attention, module.values.weight)
    torch.testing.assert_close(module(elements), expected)


def test_every_element_shares_out_one_among_the_units():
    module = ExternalAttention(6, 5)
    attention = module.attention(torch.randn(3, 7, 6) * 10)
    assert (attention >= 0).all()
    torch.testing.assert_close(attention.sum(dim=2), torch.ones(3, 7))


def test_an_element_far_below_the_others_shares_out_one_too():
    module = ExternalAttention(1, 1)
    for layer in (module.query, module.keys):
        torch.nn.init.ones_(layer.weight)
    torch.nn.init.zeros_(module.query.bias)
    attention = module.attention(torch.tensor([[[0.0], [-40.0], [-500.0]]]))
    assert attention.flatten().tolist() == pytest.approx([1, 1, 0])


def test_order_of_elements_does_not_matter():
    module, elements, order = ExternalAttention(6, 5), torch.randn(2, 7, 6), torch.randperm(7)
    torch.testing.assert_close(module(elements[:, order]), module(elements)[:, order])


def flops(module: torch.nn.Module, n_elements: int) -> int:
    with FlopCounterMode(display=False) as counter:
        module(torch.randn(1, n_elements, 32))
    return counter.get_total_flops()


def test_cost_is_linear_in_elements_as_the_paper_states():
    module = ExternalAttention(32, 8)
    per_element = 2 * (32 * 32 + 32 * 8 + 8 * 32)
    assert [flops(module, n) for n in (10, 100, 1000)] == [10 * per_element, 100 * per_element, 1000 * per_element]


def test_self_attention_grows_with_the_square_of_elements():
    module = SelfAttention(32)
    small, large = flops(module, 500), flops(module, 1000)
    assert 2 * small < large <= 4 * small


def test_self_attention_agrees_with_its_equation():
    torch.manual_seed(1)
    module, elements = SelfAttention(6), torch.randn(2, 5, 6)
    query, key, value = module.query(elements), module.key(elements), module.value(elements)
    expected = elements + (query @ key.mT / np.sqrt(3)).softmax(dim=2) @ value
    torch.testing.assert_close(module(elements), expected)


@pytest.mark.parametrize("image, sides", [((1, 41, 60), (2, 2)), ((2, 12, 20), (2, 3)), ((1, 224, 224), (7, 7))])
def test_resnet_keeps_enough_of_small_images(image, sides):
    trunk = ResNet18Trunk(image, width=2).eval()
    assert trunk(torch.zeros(1, *image)).shape == (1, 16, *sides)


def test_resnet_18_has_the_papers_number_of_weights():
    """torchvision's resnet18 has 11,689,512 weights, 513,000 of them in its classifier, 6,272 more for 3 channels."""
    n_weights = sum(weights.numel() for weights in ResNet18Trunk((3, 224, 224), 64).parameters())
    assert n_weights == 11_689_512 - 513_000


def test_elements_of_a_feature_map():
    feature_map = torch.arange(12.0).reshape(1, 2, 2, 3)
    assert as_elements(feature_map)[0].tolist() == [[0, 6], [1, 7], [2, 8], [3, 9], [4, 10], [5, 11]]


def test_unit_length_keeps_zero():
    vectors = unit_length(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    torch.testing.assert_close(vectors, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


def elements_attended(**changes):
    """Return (element, feature) of what attention sees of a spectrogram of 41 x 60, and the network."""
    network = Facer((1, 41, 60), 6, FacerShape(width=4, attention_units=8, **changes)).eval()
    seen = []
    network.attention.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape[1:])))
    network(torch.randn(2, 1, 41, 60))
    return seen[0], network


def test_attention_stands_where_it_is_put_and_sees_as_much_as_it_is_given():
    after, before = elements_attended()[0], elements_attended(attention_place="before")[0]
    finer = elements_attended(last_stride=1)[0]
    assert (after, before, finer) == ((4, 32), (12, 16), (12, 32))


@pytest.mark.parametrize("attention", ["external", "self"])
@pytest.mark.parametrize("place", ["after", "before"])
def test_attention_that_adds_nothing_leaves_resnet(place, attention):
    """With its values at zero the residual alone is left, wherever attention stands."""
    shape = FacerShape(width=4, attention=attention, attention_place=place)
    network = Facer((1, 41, 60), 6, shape).eval()
    plain = Facer((1, 41, 60), 6, FacerShape(width=4, attention="none")).eval()
    values = network.attention.values if attention == "external" else network.attention.value
    torch.nn.init.zeros_(values.weight)
    plain.load_state_dict({name: value for name, value in network.state_dict().items() if "attention" not in name})
    images = torch.randn(2, 1, 41, 60)
    torch.testing.assert_close(network(images).logits, plain(images).logits)


@pytest.mark.parametrize("n_units", [16, 64, 256])
def test_the_memories_have_s_rows(n_units):
    shape = FacerShape(width=4, attention_units=n_units)
    attention = Facer((1, 41, 60), 6, shape).attention
    assert attention.keys.weight.shape == (n_units, 32) and attention.values.weight.shape == (32, n_units)


def test_maps_are_the_inverse_of_elements():
    feature_map = torch.randn(2, 3, 4, 5)
    assert torch.equal(as_map(as_elements(feature_map), feature_map), feature_map)


@torch.no_grad()
def constant_in_place_of(module: ExternalAttention, elements: torch.Tensor) -> float:
    """Return how far the mean over elements moves when what attention adds is the same for every sample."""
    branch = module.branch(elements)
    return float((branch.mean(dim=1) - branch.mean(dim=(0, 1))).abs().max())


def test_a_softmax_over_elements_has_nothing_to_say_after_the_mean_over_elements():
    """Why `norm="double"` is no default after the last stage: what is averaged there does not depend on the sample."""
    torch.manual_seed(0)
    elements = 0.1 * torch.randn(8, 4, 6)
    double, units = ExternalAttention(6, 5), ExternalAttention(6, 5, "units")
    units.load_state_dict(double.state_dict())
    moved = constant_in_place_of(double, elements), constant_in_place_of(units, elements)
    assert 20 * moved[0] < moved[1]


def test_a_softmax_over_units_agrees_with_numpy():
    torch.manual_seed(0)
    module, elements = ExternalAttention(6, 5, "units"), torch.randn(3, 7, 6)
    scores = module.keys(module.query(elements)).detach().numpy().astype(np.float64)
    shares = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    expected = elements.numpy() + shares @ module.values.weight.detach().numpy().T
    np.testing.assert_allclose(module(elements).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_attention_after_every_stage_has_memories_of_its_own_at_each():
    shape = FacerShape(width=2, attention_units=8, attention_place="every", attention_norm="units")
    network = Facer((1, 41, 60), 6, shape).eval()
    seen = []
    for module in network.attention:
        module.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape[1:])))
    network(torch.randn(2, 1, 41, 60))
    assert seen == [(165, 2), (48, 4), (12, 8), (4, 16)]


def answers(logits: torch.Tensor) -> torch.Tensor:
    """Return the class of each image, all classes made equally likely: nothing was learnt here."""
    return (logits - logits.mean(dim=0)).argmax(dim=1)


@torch.no_grad()
def answers_changed(shape: FacerShape) -> float:
    """Return the share of images answered otherwise when what attention adds is its mean, the same for every image."""
    torch.manual_seed(0)
    network, images = Facer((1, 41, 60), 6, replace(shape, width=4)), 3 * torch.randn(64, 1, 4, 5)
    images = torch.nn.functional.interpolate(images, (41, 60), mode="bilinear")
    (module,) = network.attention_of_stages().values()
    torch.nn.init.normal_(module.keys.weight, std=3.0)  # as uneven as training makes them
    for _ in range(20):
        network(images)
    network.eval()
    added = []
    handle = module.register_forward_hook(lambda _, inputs, out: added.append((out - inputs[0]).mean(dim=(0, 1))))
    before = answers(network(images).logits)
    handle.remove()
    module.register_forward_hook(lambda _, inputs, out: inputs[0] + added[0])
    return float((answers(network(images).logits) != before).float().mean())


def test_a_constant_in_place_of_attention_changes_answers_of_facer_as_it_comes():
    """It changed none of 450: after the last stage a softmax over elements adds next to a constant."""
    assert answers_changed(METHODS["facer"].options.network.shape) > 0.05
    assert answers_changed(FacerShape()) == 0

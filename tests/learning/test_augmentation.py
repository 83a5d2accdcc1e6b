"""Augmentation by law: amplitudes by distance, phases kept, shifts undone."""

import pytest
import torch

from mien.learning.augmentation import NO_AUGMENTATION, Augmentation, augment, distance_gain, shifted, turned


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def only(**changes):
    return Augmentation(**({"gain_spread": 0.0, "distance_spread": 0.0} | changes))


def test_nothing_asked_nothing_changed():
    windows = torch.randn(4, 2, 5, 6)
    assert torch.equal(augment(windows, NO_AUGMENTATION, generator()), windows)


def test_gain_has_mean_one_and_the_papers_spread():
    """The paper's mean 0 is a misprint: it would mute half of all windows."""
    gains = augment(torch.ones(20_000, 1, 1, 1), only(gain_spread=0.1), generator()).flatten()
    assert gains.mean().item() == pytest.approx(1, abs=0.005)
    assert gains.std().item() == pytest.approx(0.1, abs=0.005)


def test_distance_changes_amplitude_by_the_inverse_square():
    assert distance_gain(torch.tensor([0.5, 2.0, 3.0])).tolist() == pytest.approx([4, 1 / 4, 1 / 9])
    gains = augment(torch.ones(20_000, 1, 1, 1), only(distance_spread=0.2), generator()).flatten()
    assert gains.min().item() == pytest.approx(1 / 1.2**2, rel=1e-3)
    assert gains.max().item() == pytest.approx(1 / 0.8**2, rel=1e-3)


def test_one_window_is_changed_as_a_whole():
    windows = torch.randn(6, 2, 5, 6)
    ratios = augment(windows, Augmentation(), generator()) / windows
    assert (ratios.flatten(1).std(dim=1) < 1e-5).all()
    assert ratios[:, 0, 0, 0].std() > 0.01


def test_turning_is_multiplication_by_a_phase():
    windows, phase = torch.randn(3, 4, 5, 6), torch.tensor([0.0, 1.0, -2.0])
    expected = torch.complex(windows[:, :2], windows[:, 2:]) * torch.exp(1j * phase)[:, None, None, None]
    found = turned(windows, phase)
    torch.testing.assert_close(torch.complex(found[:, :2], found[:, 2:]), expected)


def test_turning_keeps_magnitudes_and_relative_phases():
    windows = torch.randn(3, 2, 5, 6)
    changed = augment(windows, only(turn_phase=True), generator())
    before, after = torch.complex(windows[:, 0], windows[:, 1]), torch.complex(changed[:, 0], changed[:, 1])
    torch.testing.assert_close(after.abs(), before.abs())
    torch.testing.assert_close(after[:, 1:] * after[:, :-1].conj(), before[:, 1:] * before[:, :-1].conj())


def test_shift_moves_cells_and_lets_zeros_in():
    windows = torch.arange(1.0, 5.0).reshape(1, 1, 4, 1).repeat(3, 1, 1, 1)
    found = shifted(windows, torch.tensor([1, 0, -2]))[:, 0, :, 0]
    assert found.tolist() == [[0, 1, 2, 3], [1, 2, 3, 4], [3, 4, 0, 0]]


def test_shift_further_than_the_window_leaves_nothing():
    assert not shifted(torch.ones(1, 1, 4, 2), torch.tensor([4])).any()


def test_noise_has_the_level_asked_for():
    windows = 7 * torch.ones(2000, 1, 4, 4)
    noise = augment(windows, only(noise_spread=0.3), generator()) - windows
    assert noise.std().item() == pytest.approx(0.3 * 7, rel=0.02)


def test_the_generator_alone_decides():
    windows, options = torch.randn(4, 2, 5, 6), Augmentation(turn_phase=True, shift_cells=2, noise_spread=0.2)
    assert torch.equal(augment(windows, options, generator(3)), augment(windows, options, generator(3)))
    assert not torch.equal(augment(windows, options, generator(3)), augment(windows, options, generator(4)))


def test_spectrograms_keep_their_sign():
    magnitudes = torch.rand(500, 1, 4, 4)
    assert (augment(magnitudes, Augmentation(), generator()) >= 0).all()

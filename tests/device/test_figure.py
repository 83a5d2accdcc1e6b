"""The picture of a device's response."""

import numpy as np

from mien.device import analyse_sweep
from mien.device.sweep import Sweep
from mien.evaluation.figures_device import response_figure


def test_the_picture_draws_every_channel_and_the_verdict():
    sweep = 0.5 * Sweep(0, 24_000, 1.0).samples(48_000)
    sweep = sweep + 1e-4 * np.random.default_rng(0).standard_normal(len(sweep))
    report = analyse_sweep(np.array([sweep, 0 * sweep], dtype=np.float32), 48_000, (0, 24_000), 1.0, name="a phone")
    above, below = response_figure(report).axes
    assert "a phone can carry 19-23 kHz" in above.get_title()
    assert len(above.get_lines()) == 3 and len(below.get_lines()) == 3
    drawn_hz = above.get_lines()[0].get_xdata()
    assert 23.9 < drawn_hz.max() <= 24.0


def test_what_lies_far_above_the_speech_band_is_in_the_picture():
    """Where 1-4 kHz is taken out, the band of the chirps stands 40 dB above 0."""
    sweep = 0.5 * Sweep(0, 24_000, 1.0).samples(48_000)
    sweep[: len(sweep) // 4] *= 0.01
    sweep = sweep + 1e-6 * np.random.default_rng(0).standard_normal(len(sweep))
    above, _ = response_figure(analyse_sweep(sweep[None].astype(np.float32), 48_000, (0, 24_000), 1.0)).axes
    assert np.max(above.get_lines()[0].get_ydata()) < above.get_ylim()[1]

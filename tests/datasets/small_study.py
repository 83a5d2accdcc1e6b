"""Recordings to fill a study with."""

import numpy as np

from mien.probe import Chirp
from mien.recording import Recording

PROBE = Chirp()


def echo(seed=0, duration_s=0.3, n_channels=1, probe=PROBE, rate_hz=None):
    """A recording with a probe in it, an echo of it and noise; another seed, another sound."""
    rng = np.random.default_rng(seed)
    rate_hz = rate_hz or probe.rate_hz
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    delays_s = rng.uniform(0.0015, 0.003, n_channels)
    sound = [0.4 * probe.at(time_s - 0.01) + 0.1 * probe.at(time_s - 0.01 - delay_s) for delay_s in delays_s]
    noise = 1e-3 * rng.standard_normal((n_channels, len(time_s)))
    return Recording((np.array(sound) + noise).astype(np.float32), rate_hz, probe)

"""Takes as a microphone hears them: a probe, an echo of it, noise, and speech where it is asked for."""

import numpy as np

from mien.collecting.protocol import Protocol
from mien.probe import Chirp
from mien.recording import Recording

PROBE = Chirp()

QUICK = Protocol(
    name="quick", expressions=("anger", "happiness"), n_takes=2, duration_s=0.5, neutral_s=0.15, countdown_s=0, rest_s=0
)
"""Two masks, a neutral clip each: ten takes of half a second."""


def sound(n_samples, seed=0, first_sample=0, speech=0.0, probe_level=0.4):
    """Return (1 time) float32."""
    rng = np.random.default_rng(seed)
    time_s = (first_sample + np.arange(n_samples)) / PROBE.rate_hz
    heard = probe_level * PROBE.at(time_s - 0.01) + 0.25 * probe_level * PROBE.at(time_s - 0.0123)
    heard = heard + 1e-3 * rng.standard_normal(n_samples) + speech * np.sin(2 * np.pi * 300 * time_s)
    return heard[None].astype(np.float32)


def recording(seed=0, duration_s=0.5, quality=(), **options):
    return Recording(sound(round(duration_s * PROBE.rate_hz), seed, **options), PROBE.rate_hz, PROBE, {}, quality)


def silence(duration_s=0.5):
    noise = 1e-4 * np.random.default_rng(1).standard_normal((1, round(duration_s * PROBE.rate_hz)))
    return Recording(noise.astype(np.float32), PROBE.rate_hz, PROBE)

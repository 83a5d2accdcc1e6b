"""Recordings in closed form: the probe's waveform at exact delays, nothing rounded to samples."""

import numpy as np

from mien.dsp import speed_of_sound
from mien.probe import Chirp, Probe
from mien.recording import Recording

SPEED_M_S = speed_of_sound(20.0)
DIRECT_M = 0.01
LEVEL = 0.3


def recording(
    echoes=((0.35, 0.03),),
    *,
    n_samples=24_000,
    start=500.3,
    drift_ppm=0.0,
    noise=0.0,
    probe: Probe | None = None,
    direct=1.0,
    seed=0,
    moved_m=None,
    facts=None,
) -> Recording:
    """Return a direct path of level 1 and point echoes of given (distance_m, amplitude), times `LEVEL`.

    Args:
        start: the first onset of the direct path, in samples of the emitter's clock.
        moved_m: distance added to every echo as a function of time in seconds, or None.
    """
    probe = probe or Chirp()
    rng = np.random.default_rng(seed)
    emitted_s = (np.arange(n_samples) / (1 + drift_ppm * 1e-6) - start) / probe.rate_hz
    sound = direct * probe.at(emitted_s)
    for distance_m, amplitude in echoes:
        distance = distance_m if moved_m is None else distance_m + moved_m(emitted_s)
        sound = sound + amplitude * probe.at(emitted_s - (2 * distance - DIRECT_M) / SPEED_M_S)
    sound = sound + noise * rng.standard_normal(n_samples)
    return Recording((LEVEL * sound)[None].astype(np.float32), probe.rate_hz, probe, facts or {})


def noise(n_samples=48_000, seed=0, probe=None, level=0.1) -> Recording:
    """Return a recording of noise alone."""
    probe = probe or Chirp()
    sound = level * np.random.default_rng(seed).standard_normal((1, n_samples))
    return Recording(sound.astype(np.float32), probe.rate_hz, probe)


def decibels(ratio) -> np.ndarray:
    return 20 * np.log10(np.abs(ratio))

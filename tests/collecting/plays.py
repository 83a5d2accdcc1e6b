"""Takes as a microphone hears them: a probe, an echo of it, noise, and speech where it is asked for."""

import time

import numpy as np

from mien.capture import Block
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


class Microphone:
    """A source that delivers at once what a sound card would deliver in time; a context manager as a card is.

    Args:
        speech: amplitude of a 300 Hz tone beside the probe.
        gap_at: a stretch of 50 ms is lost once the stream has come so far, in samples.
        delay_s: seconds that each block takes, for tests that interrupt.
    """

    rate_hz = PROBE.rate_hz
    name = "test microphone"

    def __init__(self, speech=0.0, gap_at=None, delay_s=0.0, last_sample=None, seed=0, **sounds):
        self.seed = seed
        self.speech, self.gap_at, self.delay_s, self.sounds = speech, gap_at, delay_s, sounds
        self.position, self.last_sample, self.n_listeners = 0, last_sample, 0

    def blocks(self):
        assert self.n_listeners == 0, "one listener at a time"
        self.n_listeners += 1
        try:
            while self.last_sample is None or self.position < self.last_sample:
                time.sleep(self.delay_s)
                dropped = self.gap_at is not None and self.position >= self.gap_at
                if dropped:
                    self.position, self.gap_at = self.position + 2400, None
                heard = sound(2400, (self.seed, self.position), self.position, speech=self.speech, **self.sounds)
                first, self.position = self.position, self.position + 2400
                yield Block(heard, first, dropped)
        finally:
            self.n_listeners -= 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

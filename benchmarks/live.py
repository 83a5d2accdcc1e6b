"""Live: milliseconds from the last sample of a window to its answer on one core, beside a recording's windows."""

import numpy as np
import torch

from benchmarks import Row, least_s
from mien.probe import Chirp
from mien.recognizer import Recognizer
from mien.recording import Recording
from mien.serving.live import LiveSession

CHIRP = Chirp()
BUDGET_MS = 10.0
N_ANSWERS = 40


def run() -> list[Row]:
    """Return the rows of this part."""
    torch.set_num_threads(1)
    recognizer = Recognizer.load("builtin")
    sound = _sound(14.0)
    n_period = round(CHIRP.samples_per_period)

    # Ten seconds are heard before: the running baseline looks back as far as it ever does.
    session = LiveSession(recognizer)
    session.feed(sound[:, : 11 * CHIRP.rate_hz])
    position = 11 * CHIRP.rate_hz

    def one_by_one() -> None:
        for number in range(N_ANSWERS):
            start = (position + number * n_period) % (sound.shape[1] - n_period)
            session.feed(sound[:, start : start + n_period])

    position = position // n_period * n_period
    live_ms = 1000 * least_s(one_by_one) / N_ANSWERS
    images = np.zeros((1, *recognizer.estimator.image_shape), np.float32)
    model_ms = 1000 * least_s(lambda: [recognizer.estimator.predict_proba(images) for _ in range(10)]) / 10
    take = Recording(sound[:, : CHIRP.rate_hz], CHIRP.rate_hz, CHIRP)
    offline_ms = 1000 * least_s(lambda: recognizer.predict_proba(take))
    block = sound[:, : 10 * CHIRP.rate_hz]
    whole_s = least_s(lambda: LiveSession(recognizer).feed(block), 2)
    return [
        Row("builtin: from the last sample to the answer", live_ms, "ms", BUDGET_MS, at_most=True),
        Row("builtin: of it, the model", model_ms / live_ms, "x", 1.0, at_most=True),
        Row(
            "builtin: one live answer over one take of 1 s as a recording", live_ms / offline_ms, "x", 1.0, at_most=True
        ),
        Row("builtin: stream in blocks of 10 s, every window answered", 10.0 / whole_s, "x real time", 20.0),
    ]


def _sound(duration_s: float) -> np.ndarray:
    """Return (channel time) a direct path and a face that moves, with a little noise."""
    time_s = np.arange(round(duration_s * CHIRP.rate_hz)) / CHIRP.rate_hz
    moved_s = 6e-6 * np.sin(2 * np.pi * 0.4 * time_s)
    sound = CHIRP.at(time_s - 0.01) + 0.03 * CHIRP.at(time_s - 0.012 - moved_s)
    sound += 1e-3 * np.random.default_rng(0).standard_normal(len(sound))
    return (0.3 * sound)[None].astype(np.float32)

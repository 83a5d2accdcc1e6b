"""Learning: seconds of training per 1,000 windows and epoch, and milliseconds per window in use, on one core."""

import time

import numpy as np
import torch

from benchmarks import Row, least_s
from mien.learning.methods import METHODS, with_changes

IMAGES = {"spectrogram": (1, 41, 60), "profile": (2, 12, 20)}
"""What the methods' own front ends make of one microphone: 0.25 s of spectrogram, 1 s of range profile."""

N_WINDOWS, N_CLASSES, N_PEOPLE = 1000, 6, 10


def windows(image: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return noise with a class's pattern in it: (window channel height time), labels and people."""
    rng = np.random.default_rng(0)
    labels = np.arange(N_WINDOWS) % N_CLASSES
    values = rng.normal(size=(N_CLASSES, *image))[labels] + 2 * rng.normal(size=(N_WINDOWS, *image))
    return values.astype(np.float32), labels, np.arange(N_WINDOWS) * N_PEOPLE // N_WINDOWS


def seconds_to_fit(method: str, **changes: object) -> tuple[float, object]:
    """Return processor seconds of one fit, and what was fitted."""
    known = METHODS[method]
    estimator = known.estimator(with_changes(known.options, changes), 0)
    started_s = time.process_time()
    estimator.fit(*windows(IMAGES[known.hears]))
    return time.process_time() - started_s, estimator


def run() -> list[Row]:
    """Return the rows of this part."""
    torch.set_num_threads(1)
    rows = []
    for method, known in METHODS.items():
        values = windows(IMAGES[known.hears])[0]
        if method in ("svm", "linear"):
            spent_s, estimator = seconds_to_fit(method)
            rows.append(Row(f"{method}: training with its tuning, per 1,000 windows", spent_s, "s"))
        else:
            one_s, _ = seconds_to_fit(method, epochs=1, validation_fraction=0.0)
            three_s, estimator = seconds_to_fit(method, epochs=3, validation_fraction=0.0)
            epoch_s = (three_s - one_s) / 2
            rows.append(Row(f"{method}: training, per 1,000 windows and epoch", epoch_s, "s"))
        used_s = least_s(lambda e=estimator, v=values: e.predict_proba(v[:64]), 3)
        rows.append(Row(f"{method}: inference, per window", 1000 * used_s / 64, "ms"))
    return rows

"""Recognizers fitted to toy profiles in seconds, and a recording that has a probe in it."""

import numpy as np
import pandas as pd

from mien.probe import Chirp
from mien.recognizer import Recognizer
from mien.recording import Recording
from mien.sensing.features import Axis, Features

PEOPLE, EXPRESSIONS, TAKES = 4, ("fear", "happiness", "sadness"), 3
QUICK = {
    "facer": {"width": 2, "attention_units": 4, "classifier_hidden": (16,), "epochs": 2, "adaptation_epochs": 1},
    "resnet": {"width": 2, "epochs": 2},
    "xhar": {"width": 2, "epochs": 2, "adaptation_epochs": 1},
    "dann": {"width": 2, "epochs": 2, "adaptation_epochs": 1},
    "sonicface": {"n_filters": 8, "epochs": 2},
    "svm": {},
    "linear": {},
    "mien": {"n_filters": 8, "epochs": 2},
}


def table() -> pd.DataFrame:
    rows = [(f"{p:03d}", e) for p in range(PEOPLE) for e in EXPRESSIONS for _ in range(TAKES)]
    return pd.DataFrame(rows, columns=["subject", "expression"])


def features(front_end=None, seed=0, n_windows=2, shape=(1, 6, 8)) -> Features:
    """Return complex profiles, two windows a take, that tell expressions apart."""
    takes, rng = table(), np.random.default_rng(seed)
    patterns = np.random.default_rng(5).normal(size=(2, 3, *shape))
    classes = takes["expression"].map({name: n for n, name in enumerate(EXPRESSIONS)}).to_numpy()
    row = np.repeat(np.arange(len(takes)), n_windows)
    noise = 0.3 * rng.normal(size=(2, len(row), *shape))
    values = (patterns[0] + 1j * patterns[1])[classes[row]] + noise[0] + 1j * noise[1]
    axes = tuple(Axis(name, "", np.arange(n)) for name, n in zip(("microphone", "range", "time"), shape, strict=True))
    return Features(values.astype(np.complex64), axes, front_end, row, 0.5 * (np.arange(len(row)) % n_windows))


def fitted(method="svm", seed=0, **changes) -> Recognizer:
    takes = table()
    made = Recognizer(method, options=QUICK[method] | changes, seed=seed)
    return made.fit_features(features(), takes["expression"], takes["subject"], range(27), range(18, 27))


def echo(
    duration_s=1.2, probe=Chirp(), seed=0, n_channels=1, noise=1e-4, drift_ppm=0.0, shown=None, moved_m=0.0
) -> Recording:
    """A recording with a probe in it, a face's echo that moves, and noise.

    Args:
        shown: how the face moves: -1, 0 or 1; None recedes. moved_m: where it is at rest.
    """
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * probe.rate_hz)) / probe.rate_hz / (1 + drift_ppm * 1e-6)
    delay_s = 0.002 + moved_m / 170 + (1.0 if shown is None else shown) * 1e-5 * np.clip(time_s - 0.3, 0, 1)
    sound = 0.4 * probe.at(time_s - 0.01) + 0.05 * probe.at(time_s - 0.01 - delay_s)
    samples = sound + noise * rng.standard_normal((n_channels, len(time_s)))
    return Recording(samples.astype(np.float32), probe.rate_hz, probe)

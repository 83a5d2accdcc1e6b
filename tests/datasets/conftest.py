"""A small study, written once; tests that change it take a copy."""

import shutil

import numpy as np
import pytest

from mien.datasets.writer import StudyWriter
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


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "study"
    with StudyWriter(path, "small", "simulated", PROBE, {"level": "none"}) as writer:
        for subject in ("001", "002"):
            writer.add_participant(subject, sex="f" if subject == "001" else "m", age=30 if subject == "001" else None)
            for number, expression in enumerate(("anger", "happiness", "neutral")):
                writer.add_take(
                    echo(int(subject) * 10 + number),
                    subject,
                    "01",
                    f"{number + 1:04d}",
                    expression,
                    mask="open",
                    place="office",
                    AU12=1.0 if expression == "happiness" else None,
                    neutral_until_s=0.15,
                )
    return path


@pytest.fixture
def study_path(written, tmp_path):
    return shutil.copytree(written, tmp_path / "study")

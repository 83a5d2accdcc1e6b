"""A small study, written once; tests that change it take a copy."""

import shutil

import pytest
from small_study import PROBE, echo

from mien.datasets.writer import StudyWriter


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

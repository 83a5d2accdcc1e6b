import os
import signal
import subprocess
import sys
import time

import pytest

from mien.datasets.simulated import simulate_study
from mien.datasets.study import load_study
from mien.errors import StudyError
from mien.simulate.options import SimulationOptions

SMALL = SimulationOptions(n_subjects=2, n_takes=2, duration_s=0.3, expressions=("fear", "happiness"), seed=3)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return load_study(simulate_study(tmp_path_factory.mktemp("one") / "study", SMALL, progress=False))


def test_a_simulated_study_says_so_and_how(study):
    assert study.origin == "simulated" and study.is_simulated and study.probe == SMALL.probe
    assert study.generator["level"]["name"] == "medium" and study.generator["level"]["clutter_db"] == -30
    assert study.generator["seed"] == 3 and study.generator["options"]["n_takes"] == 2
    assert len(study) == 8 and set(study.table.subject) == {"001", "002"}
    assert set(study.table.sex) <= {"male", "female"}  # drawn one by one
    assert (study.table.quality == "ok").all()


def test_recordings_carry_the_facts_of_the_table(study):
    for row in range(len(study)):
        recording = study.recording(row)
        assert recording.samples.shape == (1, 14_400) and recording.rate_hz == 48_000
        assert recording.facts["neutral_until_s"] >= 0.15
        assert recording.facts["place"] == study.table.place[row]


def test_two_processes_write_the_same_study_to_the_last_byte(study, tmp_path):
    other = load_study(simulate_study(tmp_path / "study", SMALL, n_jobs=2, progress=False))
    assert other.digest == study.digest
    for path in sorted(study.path.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (other.path / path.relative_to(study.path)).read_bytes(), path


def test_a_killed_simulation_is_resumed_to_the_same_study(study, tmp_path):
    path = tmp_path / "study"
    program = (
        "from mien.datasets.simulated import simulate_study; from mien.simulate.options import SimulationOptions\n"
        f"simulate_study({str(path)!r}, SimulationOptions(n_subjects=2, n_takes=2, duration_s=0.3, "
        "expressions=('fear', 'happiness'), seed=3), progress=False)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if (path / "takes.tsv").exists() and (path / "takes.tsv").read_text().count("\n") >= 3:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    process.wait()
    if process.returncode == -signal.SIGKILL:
        assert 2 <= len(load_study(path)) < len(study)
    assert load_study(simulate_study(path, SMALL, resume=True, progress=False)).digest == study.digest


def test_a_study_is_not_written_over(study):
    with pytest.raises(StudyError, match="--resume"):
        simulate_study(study.path, SMALL, progress=False)


def test_a_study_is_not_resumed_with_other_options(study):
    other = SimulationOptions(n_subjects=3, n_takes=2, duration_s=0.3, expressions=("fear", "happiness"), seed=3)
    with pytest.raises(StudyError, match="cannot be resumed"):
        simulate_study(study.path, other, resume=True, progress=False)


def test_resuming_a_whole_study_changes_nothing(study):
    before = {path: path.stat().st_mtime_ns for path in study.path.rglob("*.flac")}
    assert load_study(simulate_study(study.path, SMALL, resume=True, progress=False)).digest == study.digest
    assert {path: path.stat().st_mtime_ns for path in study.path.rglob("*.flac")} == before

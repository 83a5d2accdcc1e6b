"""What stands in a file's place, or unfolds to far more than its size: refused on one line, within bounds.

Memory and patience are limited while each of them is read (`hostile.guarded`): a reader without a bound fails here
instead of hanging or being killed.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

import mien
from hostile import IRREGULAR, guarded
from mien.capture.sources import file_source
from mien.collecting.protocol import Protocol, read_protocol
from mien.collecting.record import new_record, read_record, record_path, write_record
from mien.datasets.check import check_path, check_study
from mien.datasets.gestures import import_gestures
from mien.datasets.study import load_study
from mien.datasets.writer import StudyWriter
from mien.errors import MienError
from mien.evaluation.plan import open_partial
from mien.evaluation.representations import read_representations
from mien.evaluation.results import read_results
from mien.learning.checkpoint import load_checkpoint
from mien.probe import Chirp
from mien.recognizer import Recognizer
from mien.recording import Recording, read_recording, write_recording
from mien.simulate.channels import keep_channels
from mien.simulate.faces import read_face
from mien.simulate.options import SimulationOptions

ONE_LINE = 2_000


def echo(seed: int = 0, duration_s: float = 0.3) -> Recording:
    noise = 1e-3 * np.random.default_rng(seed).standard_normal(round(duration_s * 48_000))
    return Recording((0.4 * Chirp().emit(len(noise)) + noise)[None].astype(np.float32), 48_000, Chirp())


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """One file of every kind that is read, each in its place."""
    folder = tmp_path_factory.mktemp("whole")
    with StudyWriter(folder / "study", "small", "collected", Chirp()) as writer:
        for number, expression in enumerate(("anger", "fear"), start=1):
            writer.add_participant("001")
            writer.add_take(echo(number), "001", "01", f"{number:04d}", expression)
    write_recording(echo(), folder / "take.wav")
    shutil.copytree(Path(mien.__file__).parent / "builtin", folder / "model")
    (folder / "protocol.json").write_text(Protocol().model_dump_json())
    (folder / "protocol.toml").write_text("n_takes = 2\n")
    write_record(record_path(folder, "001", "01"), new_record(Protocol(), "001", "01", 0))
    (folder / "rows.txt").write_text("1 " * 1_200 + "\n")
    for name in ("labels.csv", "iq_baseband_2100hz.npz", "channels.json", "checkpoint.json", "run.json", "plan.json"):
        (folder / name).write_text("{}")
    for name in ("0/p1-sss-0-1-lab-none-24.wav", "FaceXModel/generic_neutral_mesh.obj", "data/3dobjs/base.obj"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("x")
    for name in ("results.csv", "predictions.csv", "partial/plan.json", "representations/0000-none.npz"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    return folder


def gestures(source):
    return lambda folder: import_gestures(folder, folder / "imported", source=source, progress=False)


READERS = {
    "take.wav": lambda folder: read_recording(folder / "take.wav"),
    "take.json": lambda folder: read_recording(folder / "take.wav"),
    "study/study.json": lambda folder: load_study(folder / "study"),
    "study/takes.tsv": lambda folder: load_study(folder / "study"),
    "study/participants.tsv": lambda folder: load_study(folder / "study"),
    "study/sub-001/ses-01/sub-001_ses-01_take-0001_echo.flac": lambda folder: load_study(folder / "study").recording(0),
    "study/sub-001/ses-01/sub-001_ses-01_take-0001_echo.json": lambda folder: load_study(folder / "study").recording(0),
    "model/recognizer.json": lambda folder: Recognizer.load(folder / "model"),
    "model/weights.safetensors": lambda folder: Recognizer.load(folder / "model"),
    "protocol.json": lambda folder: read_protocol(folder / "protocol.json"),
    "protocol.toml": lambda folder: read_protocol(folder / "protocol.toml"),
    "sub-001/ses-01/sub-001_ses-01_session.json": lambda folder: read_record(
        record_path(folder, "001", "01"), None, None
    ),
    "rows.txt": lambda folder: list(file_source(folder / "rows.txt").blocks),
    "labels.csv": gestures("baseband"),
    "iq_baseband_2100hz.npz": gestures("baseband"),
    "0/p1-sss-0-1-lab-none-24.wav": gestures("raw"),
    "FaceXModel/generic_neutral_mesh.obj": lambda folder: read_face(folder),
    "data/3dobjs/base.obj": lambda folder: read_face(folder / "data"),
    "channels.json": lambda folder: keep_channels(folder, SimulationOptions(n_subjects=1), progress=False),
    "checkpoint.json": lambda folder: load_checkpoint(folder, {}, None, None),
    "run.json": read_results,
    "results.csv": read_results,
    "partial/plan.json": lambda folder: open_partial(folder, {}, resume=True),
    "representations/0000-none.npz": lambda folder: list(read_representations(folder, "facer")),
}


@pytest.mark.parametrize("name", READERS)
def test_a_named_pipe_a_device_or_a_link_to_itself_in_a_files_place_is_refused(whole, tmp_path, name):
    for number, (kind, place) in enumerate(IRREGULAR.items()):
        folder = shutil.copytree(whole, tmp_path / str(number))
        (folder / name).unlink()
        place(folder / name)
        with guarded(), pytest.raises(MienError) as caught:
            READERS[name](folder)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < ONE_LINE, kind
        if name.startswith("study"):
            with guarded():
                assert "error" in {fault.severity for fault in check_study(folder / "study", progress=False)}, kind
        elif name.startswith("take"):
            with guarded():
                assert "error" in {fault.severity for fault in check_path(folder / "take.wav")}, kind

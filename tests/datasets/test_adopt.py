"""Recordings that no row lists: entered, or left where they are and named."""

import json
import shutil

import pytest
from small_study import PROBE, echo

from mien.datasets.adopt import adopt
from mien.datasets.check import check_study
from mien.datasets.study import load_study
from mien.datasets.writer import StudyWriter
from mien.errors import StudyError
from mien.recording import Recording, write_recording


def drop_row(path, number):
    lines = (path / "takes.tsv").read_text().splitlines(keepends=True)
    (path / "takes.tsv").write_text("".join(line for place, line in enumerate(lines) if place != number))


@pytest.fixture
def known(tmp_path):
    """A study whose sidecars say what its rows say."""
    path = tmp_path / "study"
    with StudyWriter(path, "small", "simulated", PROBE, {"level": "none"}) as writer:
        for number, expression in enumerate(("anger", "happiness")):
            facts = {
                "subject": "001",
                "session": "01",
                "expression": expression,
                "mask": "open",
                "AU12": 1.0,
                "gain": [3],
            }
            recording = Recording(echo(number).samples, 48_000, PROBE, facts)
            writer.add_take(recording, "001", "01", f"{number + 1:04d}", expression, mask="open", AU12=1.0)
    return path


def test_an_adopted_recording_has_the_row_that_it_had(known):
    table = known / "takes.tsv"
    rows = table.read_text()
    drop_row(known, 2)
    assert list(adopt(known).entered.values()) == ["subject 001, session 01, take 0002"]
    assert table.read_text() == rows and adopt(known).entered == {}
    assert (known / "participants.tsv").read_text() == "subject\n001\n"


def test_an_unlabelled_recording_is_adopted_without_a_label(study_path):
    drop_row(study_path, 1)
    adopt(study_path)
    assert list(load_study(study_path).table["expression"])[-1] == "n/a"


@pytest.mark.parametrize("name", ["noise.flac", "sub-001_ses-01_take-0009_echo.flac"])
def test_what_cannot_be_a_take_is_left_and_named(study_path, name):
    (study_path / name).write_bytes(b"fLaC no sound")
    before = (study_path / "takes.tsv").read_bytes()
    made = adopt(study_path)
    assert list(made.left) == [name] and made.entered == {}
    assert (study_path / name).read_bytes() == b"fLaC no sound" and (study_path / "takes.tsv").read_bytes() == before


def test_a_recording_that_does_not_say_whose_it_is_is_left(study_path):
    write_recording(echo(50), study_path / "a.flac")
    shutil.copy(sorted(study_path.rglob("sub-001*.flac"))[0], study_path / "unlisted.flac")
    write_recording(echo(51), study_path / "sub-1_ses-01_take-0009_echo.flac")
    write_recording(echo(52), study_path / "sub-002_ses-01_take-0009_echo.flac")
    sidecar = study_path / "sub-002_ses-01_take-0009_echo.json"
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"facts": {"subject": "003"}}))
    made = adopt(study_path)
    assert made.entered == {}
    assert "does not say whose take it is" in made.left["a.flac"]
    assert "is the same sound as subject 001, session 01, take 0001" in made.left["unlisted.flac"]
    assert "has subject '001', and '1' is the same" in made.left["sub-1_ses-01_take-0009_echo.flac"]
    assert "its sidecar says subject 003" in made.left["sub-002_ses-01_take-0009_echo.flac"]


def test_adopting_moves_what_lies_beside_the_sound_too(known):
    drop_row(known, 2)
    stem = "sub-001/ses-01/sub-001_ses-01_take-0002"
    (known / f"{stem}_video.mp4").write_bytes(b"film")
    with StudyWriter(known, "small", "simulated", PROBE, {"level": "none"}, resume=True) as writer:
        writer.make_room("001", "01", "0002")
        writer.add_take(echo(9), "001", "01", "0002", "fear")
    assert list(adopt(known).entered.values()) == ["subject 001, session 01, take 0002-2"]
    assert (known / f"{stem}-2_video.mp4").read_bytes() == b"film" and not (known / "unlisted").exists()
    assert not (known / f"{stem}_video.mp4").exists() and check_study(known, progress=False) == []


def test_a_study_that_refers_to_media_elsewhere_has_nothing_to_adopt(study_path):
    header = json.loads((study_path / "study.json").read_text()) | {"media": "given"}
    (study_path / "study.json").write_text(json.dumps(header))
    with pytest.raises(StudyError, match="nothing in it to adopt"):
        adopt(study_path)

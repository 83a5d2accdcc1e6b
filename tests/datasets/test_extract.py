"""Features of a study: in order, the same by any number of processes, and named where a take fails."""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from small_study import PROBE, echo
from threadpoolctl import threadpool_limits

from mien.datasets.extract import extract, neutral_row
from mien.datasets.study import load_study
from mien.datasets.writer import StudyWriter
from mien.errors import StudyError
from mien.sensing.features import Axis, Features
from mien.sensing.front_ends import Spectrogram


@dataclass(frozen=True)
class Level:
    """A front end that measures the level of each 0.1 s, relative to the neutral clip where one is asked for."""

    kind: ClassVar[str] = "level"
    neutral: str = "none"

    def features(self, recording, neutral=None):
        n_windows = recording.n_samples // 4_800
        frames = recording.samples[:, : n_windows * 4_800].reshape(recording.n_channels, n_windows, 4_800)
        level = np.sqrt((frames.astype(np.float64) ** 2).mean(axis=2)).T.astype(np.float32)
        if neutral is not None:
            level = np.full_like(level, int(neutral.facts["subject"]) * 100 + int(neutral.facts["take"]))
        axis = Axis("microphone", "", np.arange(recording.n_channels))
        zeros = np.zeros(n_windows, dtype=np.int64)
        return Features(level, (axis,), self, zeros, 0.1 * np.arange(n_windows))


def test_windows_know_their_take(written):
    study = load_study(written)
    found = extract(study, Level(), progress=False)
    assert found.row.tolist() == [row for row in range(6) for _ in range(3)]
    assert found.start_s.tolist() == pytest.approx([0.0, 0.1, 0.2] * 6)
    one = Level().features(study.recording(4))
    assert np.array_equal(found.of_rows([4]).values, one.values)


def test_rows_are_taken_in_the_order_asked_for(written):
    found = extract(load_study(written), Level(), rows=[5, 0], progress=False)
    assert found.row.tolist() == [5, 5, 5, 0, 0, 0]


def test_several_processes_give_the_same(written):
    study = load_study(written)
    one, two = extract(study, Level(), progress=False), extract(study, Level(), n_jobs=2, progress=True)
    assert np.array_equal(one.values, two.values) and np.array_equal(one.row, two.row)


def test_features_are_bit_for_bit_the_same_in_workers_with_other_numbers_of_threads(tmp_path):
    """The last bits of BLAS follow its threads; training made several points of macro-F1 of them."""
    with StudyWriter(tmp_path / "study", "n", "collected", PROBE) as writer:
        for number in range(4):
            writer.add_take(echo(number, 2.0), "001", "01", f"{number}", "fear")
    study = load_study(tmp_path / "study")
    found = [extract(study, Spectrogram(), n_jobs=2, progress=False).values]
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads):
            found.append(extract(study, Spectrogram(), progress=False).values)
    assert all(np.array_equal(found[0], other) for other in found[1:])


def test_a_neutral_take_of_the_same_person_is_given(written):
    found = extract(load_study(written), Level(neutral="clip"), progress=False)
    assert found.values[:, 0].tolist() == [103.0] * 9 + [203.0] * 9


def test_the_neutral_take_is_of_the_same_session_and_mask_where_there_is_one(tmp_path):
    with StudyWriter(tmp_path / "study", "n", "collected", PROBE) as writer:
        for number, (session, mask, expression) in enumerate(
            [("01", "open", "neutral"), ("01", "mask", "neutral"), ("02", "open", "neutral"), ("02", "open", "fear"),
             ("01", "mask", "fear"), ("02", "mask", "fear"), ("01", "open", "neutral"), ("03", "mask", "fear")]
        ):  # fmt: skip
            writer.add_take(echo(number), "001", session, f"{number}", expression, mask=mask)
    study = load_study(tmp_path / "study")
    assert [neutral_row(study, row) for row in range(8)] == [6, 0, 0, 2, 1, 2, 0, 1]


def test_a_person_without_a_neutral_take_is_named(tmp_path):
    with StudyWriter(tmp_path / "study", "n", "collected", PROBE) as writer:
        writer.add_take(echo(), "001", "01", "0001", "fear")
    with pytest.raises(StudyError, match="subject 001 .* has no neutral take"):
        extract(load_study(tmp_path / "study"), Level(neutral="clip"), progress=False)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_take_that_cannot_be_read_is_named(study_path, n_jobs):
    study = load_study(study_path)
    (study_path / study.table["path"][4]).write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(StudyError, match="subject 002, session 01, take 0002: .* is empty"):
            extract(study, Level(), n_jobs=n_jobs, progress=False)


def test_takes_of_different_channels_are_not_joined(study_path):
    with StudyWriter(study_path, "small", "simulated", PROBE, {"level": "none"}, resume=True) as writer:
        writer.add_take(echo(n_channels=2), "003", "01", "0001", "fear")
    with pytest.raises(StudyError, match=r"subject 003.*\(2,\).*\(1,\)"):
        extract(load_study(study_path), Level(), progress=False)


def test_no_rows_are_refused(written):
    with pytest.raises(StudyError, match="of no takes"):
        extract(load_study(written), Level(), rows=[], progress=False)


def test_workers_started_in_another_folder_find_a_relative_study(written, tmp_path, monkeypatch):
    """Worker processes are kept from earlier work and stand where that began: "study/... does not exist"."""
    monkeypatch.chdir(tmp_path)
    extract(load_study(written), Level(), n_jobs=2, progress=False)
    monkeypatch.chdir(written.parent)
    assert len(extract(load_study(written.name), Level(), n_jobs=2, progress=False)) == 18


def test_a_take_a_few_milliseconds_short_of_a_window_is_not_lost(tmp_path):
    """Without it the whole study is refused for one take that its recorder cut."""
    front_end = Spectrogram(window_s=0.25)
    with StudyWriter(tmp_path / "study", "short", "collected", PROBE) as writer:
        for take, duration_s in (("0001", 0.25), ("0002", 0.24)):
            writer.add_take(echo(1, duration_s), "001", "01", take, "fear")
    assert extract(load_study(tmp_path / "study"), front_end, progress=False).row.tolist() == [0, 1]

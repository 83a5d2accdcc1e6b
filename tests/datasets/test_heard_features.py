from dataclasses import replace

import numpy as np
import pytest

from mien.datasets.extract import extract
from mien.datasets.simulated import heard_features, simulate_study
from mien.datasets.study import load_study
from mien.errors import StudyError
from mien.sensing.front_ends import RangeProfile, Spectrogram
from mien.simulate.channels import keep_channels
from mien.simulate.options import SimulationOptions

SMALL = SimulationOptions(
    n_subjects=2, n_takes=1, n_neutral_takes=2, duration_s=0.3, expressions=("fear", "happiness"), seed=3
)
ENDS = (RangeProfile(window_s=0.3, neutral="take"), RangeProfile(window_s=0.3, neutral="clip"), Spectrogram())


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return keep_channels(tmp_path_factory.mktemp("kept"), SMALL, progress=False)


def test_features_without_files_are_those_of_the_study_with_the_same_options(kept, tmp_path):
    study = load_study(simulate_study(tmp_path / "study", SMALL, progress=False))
    heard, table = heard_features(kept, ENDS, progress=False)
    assert table.subject.tolist() == study.table.subject.tolist()
    assert table.expression.tolist() == study.table.expression.tolist()
    assert np.allclose(table.AU12, study.table.AU12.astype(float))
    for front_end, features in zip(ENDS[::2], heard[::2], strict=True):
        stored = extract(study, front_end, progress=False)
        assert np.array_equal(features.row, stored.row)
        assert np.abs(features.start_s - stored.start_s).max() < 1e-6
        # Files are high-passed and rounded to 24 bit.
        assert np.abs(features.values - stored.values).max() < 1e-2 * np.abs(stored.values).max()


def test_each_take_is_heard_against_another_neutral_clip_of_the_same_person(kept):
    (features,), table = heard_features(kept, [ENDS[1]], progress=False)
    size = np.sqrt(np.mean(np.abs(features.values) ** 2, axis=(1, 2, 3)))
    neutral = (table.expression == "neutral").to_numpy()
    # Against itself a neutral take would all but vanish; against the other it is a placement of the phone away.
    (itself,), _ = heard_features(kept, ENDS[:1], progress=False)
    at_rest = np.sqrt(np.mean(np.abs(itself.values[neutral]) ** 2, axis=(1, 2, 3)))
    assert neutral.sum() == 4 and (size[neutral] > 2 * at_rest).all()


def test_some_people_are_those_of_all(kept):
    (everyone,), _ = heard_features(kept, ENDS[:1], progress=False)
    (second,), table = heard_features(kept, ENDS[:1], people=[1], n_jobs=2, progress=False)
    assert table.subject.unique().tolist() == ["002"]
    assert np.array_equal(second.values, everyone.values[len(table) :])


def test_another_draw_is_another_recording_of_the_same_take(kept):
    (first,), _ = heard_features(kept, ENDS[:1], people=[0], progress=False)
    (other,), _ = heard_features(kept, ENDS[:1], people=[0], draw=1, progress=False)
    apart = np.linalg.norm(first.values - other.values) / np.linalg.norm(first.values)
    assert 0 < apart < 0.5


def test_people_and_clips_that_are_not_there_are_refused(kept, tmp_path):
    with pytest.raises(StudyError, match=r"people \[2\] were asked for; .* holds 0 to 1"):
        heard_features(kept, ENDS, people=[0, 2], progress=False)
    lively = keep_channels(tmp_path, replace(SMALL, n_subjects=1, n_neutral_takes=0), progress=False)
    with pytest.raises(StudyError, match="no neutral take"):
        heard_features(lively, ENDS[1:2], progress=False)

"""Varied faces: as far from the model as asked, smooth, and the same for the same person."""

import numpy as np
import pytest
from standin import ball_face, ball_stage

from mien.errors import StudyError
from mien.simulate.options import SimulationOptions, plan_takes
from mien.simulate.own_face import own_face
from mien.simulate.stage import Stage
from mien.simulate.take import play
from mien.simulate.variety import vary_face


def rms(vectors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.sum(vectors**2, axis=-1))))


def test_shape_and_units_depart_as_far_as_asked() -> None:
    face = own_face(8000)
    smile = face.unit_names.index("AU12_L")
    moving = np.linalg.norm(face.unit_fields[smile], axis=1) > 1e-3
    shapes, shares = [], []
    for seed in range(30):
        varied = vary_face(face, np.random.default_rng(seed), shape_noise_m=0.002, field_noise=0.3)
        shapes.append(rms(varied.neutral - face.neutral))
        change = varied.unit_fields[smile, moving] - face.unit_fields[smile, moving]
        shares.append(rms(change) / rms(face.unit_fields[smile, moving]))
    assert np.sqrt(np.mean(np.square(shapes))) == pytest.approx(0.002, rel=0.1)
    assert np.sqrt(np.mean(np.square(shares))) == pytest.approx(0.3, rel=0.15)


def test_what_a_unit_leaves_alone_stays_alone_and_neighbours_stay_together() -> None:
    face = own_face(8000)
    varied = vary_face(face, np.random.default_rng(1), shape_noise_m=0.003, field_noise=0.5)
    assert ((face.unit_fields == 0).all(axis=2) == (varied.unit_fields == 0).all(axis=2)).all()
    edges = np.unique(np.sort(face.triangles[:, :2], axis=1), axis=0)
    shift = varied.neutral - face.neutral
    steps = np.linalg.norm(shift[edges[:, 0]] - shift[edges[:, 1]], axis=1)
    lengths = np.linalg.norm(face.neutral[edges[:, 0]] - face.neutral[edges[:, 1]], axis=1)
    assert (steps / np.maximum(lengths, 1e-3)).max() < 0.6  # no facet is turned inside out
    assert varied.jaw is face.jaw


def test_nothing_is_varied_unless_asked() -> None:
    face = ball_face()
    same = vary_face(face, np.random.default_rng(0))
    np.testing.assert_array_equal(same.neutral, face.neutral)
    np.testing.assert_array_equal(same.unit_fields, face.unit_fields)
    stage = ball_stage(n_subjects=2)
    assert stage.face_of(1) is stage.face


def test_each_person_has_one_face_of_their_own_in_every_take() -> None:
    options = SimulationOptions(
        n_subjects=2, n_takes=2, duration_s=0.3, expressions=("fear",), shape_noise_mm=2.0, field_noise=0.2
    )
    stage, again = Stage(options, ball_face()), Stage(options, ball_face())
    assert not np.allclose(stage.face_of(0).neutral, stage.face_of(1).neutral)
    np.testing.assert_array_equal(stage.face_of(0).neutral, again.face_of(0).neutral)
    plain = ball_stage(n_subjects=2, n_takes=2, duration_s=0.3, expressions=("fear",))
    plan = plan_takes(options, 1)[1]
    varied, common, repeated = play(stage, plan), play(plain, plan), play(again, plan)
    np.testing.assert_array_equal(varied.face_channel, repeated.face_channel)
    np.testing.assert_array_equal(varied.performance.intensities, common.performance.intensities)
    assert not np.allclose(varied.face_channel, common.face_channel, rtol=0.05)


def test_identity_spread_scales_people_and_nothing_else() -> None:
    wide, plain = ball_stage(n_subjects=3, identity_spread=1.5), ball_stage(n_subjects=3)
    for k in range(3):
        np.testing.assert_allclose(wide.person(k).identity, 1.5 * plain.person(k).identity)
        np.testing.assert_array_equal(wide.person(k).unit_gains, plain.person(k).unit_gains)
        assert wide.person(k).placement == plain.person(k).placement


def test_options_at_their_default_are_not_written_so_that_older_studies_are_known_again() -> None:
    assert not {"face", "identity_spread", "shape_noise_mm", "field_noise"} & set(SimulationOptions().to_json())
    written = SimulationOptions(face="makehuman", shape_noise_mm=2.0).to_json()
    assert written["face"] == "makehuman" and written["shape_noise_mm"] == 2.0 and "field_noise" not in written


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"face": "other"}, "face 'other' is unknown; known are own, makehuman"),
        ({"face": "makehuman", "face_folder": "kit"}, "give one of them"),
        ({"identity_spread": -1.0}, "identity_spread is -1.0"),
        ({"shape_noise_mm": 11.0}, "shape_noise_mm is 11.0"),
        ({"field_noise": 2}, "field_noise is 2"),
    ],
)
def test_options_out_of_range_are_named(wrong: dict, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        SimulationOptions(**wrong)

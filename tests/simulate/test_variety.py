"""Varied faces: as far from the model as asked, smooth, and the same for the same person."""

import numpy as np
import pytest
from standin import ball_face, ball_stage

from mien.errors import StudyError
from mien.simulate.options import SimulationOptions, plan_takes
from mien.simulate.own_face import own_face
from mien.simulate.stage import Stage
from mien.simulate.take import play
from mien.simulate.variety import AMPLITUDE, REACH, vary_face, vary_units


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
    stage = ball_stage(n_subjects=2, levels_version=1)
    assert stage.face_of(1) is stage.face


def test_units_are_as_large_as_scans_say_they_may_be_and_their_peaks_stay() -> None:
    face, ratios = ball_face(), []
    size = np.linalg.norm(face.unit_fields, axis=2)
    for seed in range(200):
        varied = vary_units(face, np.random.default_rng(seed))
        theirs = np.linalg.norm(varied.unit_fields, axis=2)
        np.testing.assert_array_equal(theirs.argmax(axis=1), size.argmax(axis=1))
        np.testing.assert_array_equal(theirs > 0, size > 0)
        ratios.append(theirs.max(axis=1) / size.max(axis=1))
    bare = [name.rsplit("_", 1)[0] for name in face.unit_names]
    lids = np.array([name == "AU43" for name in bare])
    found = np.array(ratios)
    assert (found[:, lids] == 1).all()
    low, high = found[:, ~lids].min(), found[:, ~lids].max()
    assert AMPLITUDE[0] <= low < 0.72 and 2.1 < high <= AMPLITUDE[1]
    # Both sides of a unit alike, units of their own.
    assert found[:, 0] == pytest.approx(found[:, 1])
    assert abs(np.corrcoef(found[:, 0], found[:, 2])[0, 1]) < 0.2
    assert found[:, 0].mean() == pytest.approx(
        (AMPLITUDE[1] - AMPLITUDE[0]) / np.log(AMPLITUDE[1] / AMPLITUDE[0]), rel=0.08
    )


def test_a_units_reach_over_the_skin_is_a_subjects_own() -> None:
    face = ball_face()
    size = np.linalg.norm(face.unit_fields[0], axis=1) / np.linalg.norm(face.unit_fields[0], axis=1).max()
    half = np.argmin(np.abs(size - 0.5))
    halves = []
    for seed in range(200):
        theirs = np.linalg.norm(vary_units(face, np.random.default_rng(seed)).unit_fields[0], axis=1)
        halves.append(np.log(theirs[half] / theirs.max()) / np.log(size[half]))
    assert REACH[0] <= min(halves) < 0.75 and 1.3 < max(halves) <= REACH[1]


def test_a_jaw_drops_as_far_as_its_unit_is_large() -> None:
    face = own_face(8000)
    angles = [vary_units(face, np.random.default_rng(seed)).jaw.radians_per_unit["AU26"] for seed in range(40)]
    ratios = np.array(angles) / face.jaw.radians_per_unit["AU26"]
    assert AMPLITUDE[0] <= ratios.min() < 0.85 and 1.8 < ratios.max() <= AMPLITUDE[1]


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
        (
            {"face": "makehuman", "n_facets": 24_000},
            "24000 was asked for, and face 'makehuman', whose facets",
        ),
        (
            {"face_folder": "kit", "n_facets": 24_000},
            "24000 was asked for, and the face in kit, whose facets",
        ),
        ({"release": True, "duration_s": 1.0}, "let go again in takes of 2 s or more"),
        ({"identity_spread": -1.0}, "identity_spread is -1.0"),
        ({"shape_noise_mm": 11.0}, "shape_noise_mm is 11.0"),
        ({"field_noise": 2}, "field_noise is 2"),
    ],
)
def test_options_out_of_range_are_named(wrong: dict, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        SimulationOptions(**wrong)

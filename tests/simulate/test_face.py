"""The face as a value: linear in identity and action units, a hinge that turns, and errors that name what is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from mien.simulate.face import FaceModel, Hinge
from mien.simulate.own_face import own_face
from mien.simulate.recipes import RECIPES, unit_weights


@pytest.fixture(scope="module")
def face() -> FaceModel:
    return own_face(8000)


def test_shape_is_linear_in_identity(face: FaceModel) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, face.n_modes))
    together = face.shape(first) + face.shape(second) - face.neutral
    np.testing.assert_allclose(face.shape(first + second), together, atol=1e-12)
    np.testing.assert_array_equal(face.shape(np.zeros(3)), face.neutral)


def test_pose_is_linear_without_the_jaw(face: FaceModel) -> None:
    stiff = replace(face, jaw=None)
    one, two = {"AU12_L": 0.4, "AU1": 0.7}, {"AU12_L": 0.3, "AU4": 0.2}
    both = {"AU12_L": 0.7, "AU1": 0.7, "AU4": 0.2}
    together = stiff.pose_units(face.neutral, one) + stiff.pose_units(face.neutral, two) - face.neutral
    np.testing.assert_allclose(stiff.pose_units(face.neutral, both), together, atol=1e-12)


def test_frames_are_poses_one_after_another(face: FaceModel) -> None:
    intensities = np.random.default_rng(2).uniform(size=(5, len(face.unit_names)))
    shape = face.shape(np.random.default_rng(3).normal(size=face.n_modes))
    frames = face.pose_frames(shape, intensities)
    assert frames.shape == (5, len(face.neutral), 3) and frames.dtype == np.float64
    for frame, intensity in zip(frames, intensities, strict=True):
        np.testing.assert_allclose(frame, face.pose_units(shape, intensity), atol=1e-12)


def test_a_name_without_a_side_moves_both(face: FaceModel) -> None:
    both = face.pose_units(face.neutral, {"AU12": 1.0})
    np.testing.assert_array_equal(both, face.pose_units(face.neutral, {"AU12_L": 1.0, "AU12_R": 1.0}))


def test_posing_leaves_the_model_alone(face: FaceModel) -> None:
    before = face.neutral.copy()
    face.pose_units(face.neutral, {"AU27": 1.0})
    np.testing.assert_array_equal(face.neutral, before)


def test_hinge_turns_by_the_right_hand_rule() -> None:
    hinge = Hinge(np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0]), np.array([1.0, 0.5]), {})
    points = np.array([[[2.0, 0.0, 2.0], [0.0, 0.0, 2.0]]])
    quarter = hinge.turn(points, np.array([np.pi / 2]))[0]
    np.testing.assert_allclose(quarter[0], [2.0, -1.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(quarter[1], [0.0, -0.5, 1.5], atol=1e-12)


def test_hinge_agrees_with_scipy_about_any_axis() -> None:
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(4)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    points, centre = rng.normal(size=(2, 6, 3)), rng.normal(size=3)
    hinge = Hinge(centre, axis, np.ones(6), {})
    turned = hinge.turn(points, np.array([0.7, -0.2]))
    for frame, before, angle_rad in zip(turned, points, (0.7, -0.2), strict=True):
        expected = Rotation.from_rotvec(angle_rad * axis).apply(before - centre) + centre
        np.testing.assert_allclose(frame, expected, atol=1e-12)


def test_unknown_unit_is_named_with_those_there_are(face: FaceModel) -> None:
    with pytest.raises(ValueError, match="no unit 'AU99'.*AU1_L"):
        face.pose_units(face.neutral, {"AU99": 1.0})


def test_wrong_shapes_are_refused(face: FaceModel) -> None:
    with pytest.raises(ValueError, match="has .* modes"):
        face.shape(np.zeros(face.n_modes + 1))
    with pytest.raises(ValueError, match=r"expected \(time, "):
        face.pose_frames(face.neutral, np.zeros((4, 2)))
    with pytest.raises(ValueError, match="reflectivity has shape"):
        replace(face, reflectivity=face.reflectivity[1:])
    with pytest.raises(ValueError, match="lacks the landmarks chin"):
        replace(face, landmarks={name: point for name, point in face.landmarks.items() if name != "chin"})
    with pytest.raises(ValueError, match="name points outside"):
        replace(face, triangles=face.triangles + len(face.neutral))


def test_recipes_are_those_of_the_levels() -> None:
    """Part of the levels' version: a change here is a new version."""
    assert RECIPES == {
        "neutral": (),
        "anger": (4, 5, 7, 23),
        "disgust": (9, 10, 15, 17),
        "fear": (1, 2, 4, 5, 20, 26),
        "happiness": (6, 12),
        "sadness": (1, 4, 15, 17),
        "surprise": (1, 2, 5, 26),
    }
    assert unit_weights("surprise") == {1: 1.0, 2: 1.0, 5: 1.0, 26: 1.0}
    with pytest.raises(ValueError, match="'joy' has no recipe"):
        unit_weights("joy")

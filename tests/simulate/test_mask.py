import numpy as np
import pytest
from standin import ball_face

from mien.simulate.mask import cut_mask, passing
from mien.simulate.own_face import own_face
from mien.simulate.people import MaskFit
from mien.simulate.scatter import scatter_frames

FREQUENCIES_HZ = np.arange(18_750.0, 23_251.0, 250.0)
FIT = MaskFit(loss_db=6.0, gap_m=0.006, follows=0.5)


@pytest.fixture(scope="module", params=["ball", "own"])
def face(request):
    return ball_face() if request.param == "ball" else own_face(8000)


def test_what_passes_and_what_returns_add_to_one(face):
    mask = cut_mask(face)
    assert mask.cloth_reflectivity(FIT).max() + passing(FIT) == pytest.approx(1.0, abs=0.01)


def test_only_the_lower_face_is_covered_and_loses_twice_the_loss(face):
    mask = cut_mask(face)
    heights = face.neutral[face.triangles].mean(axis=1)[:, 1]
    eyes = face.neutral[face.landmarks["eye_left"], 1]
    assert heights[mask.covered].max() < eyes
    for name in ("mouth_left", "mouth_right", "lip_upper", "subnasale"):
        around = np.any(face.triangles == face.landmarks[name], axis=1)
        assert mask.covered[around].all(), name
    lost = mask.face_reflectivity(face.reflectivity, FIT)
    assert np.allclose(lost[mask.covered], face.reflectivity[mask.covered] * 10 ** (-12 / 20))
    assert np.array_equal(lost[~mask.covered], face.reflectivity[~mask.covered])


def test_the_cloth_hangs_before_the_skin_by_the_gap(face):
    mask = cut_mask(face)
    cloth = mask.hang(face.neutral, face.neutral[None], FIT)[0]
    used = np.unique(mask.triangles)
    skin = (mask.skin @ face.neutral)[used, 2]
    assert (cloth[used, 2] - skin).min() >= FIT.gap_m - 1e-12
    edges = np.linalg.norm(np.diff(cloth[mask.triangles][:, [0, 1, 2, 0]], axis=1), axis=2)
    assert np.percentile(edges, 99) < 0.010


def test_the_cloth_faces_the_phone(face):
    mask = cut_mask(face)
    corners = mask.hang(face.neutral, face.neutral[None], FIT)[0][mask.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normals[:, 2] > 0).all()


def test_the_cloth_takes_up_a_share_of_a_rigid_motion_of_the_skin(face):
    mask = cut_mask(face)
    moved = mask.hang(face.neutral, face.neutral[None] + [0.0, 0.0, 0.004], FIT)
    still = mask.hang(face.neutral, face.neutral[None], FIT)
    used = np.unique(mask.triangles)
    assert np.allclose((moved - still)[0, used], [0, 0, 0.5 * 0.004])


def test_a_mask_lowers_the_echo_of_the_lower_face(face):
    """By 12 dB where the cloth's own echo is left out; the upper face is as before."""
    mask = cut_mask(face)
    device = face.neutral[face.landmarks["nose_tip"]] + [0.0, -0.11, 0.3]
    lower = np.where(mask.covered, face.reflectivity, 0.0)
    before = scatter_frames(face.neutral, face.triangles, lower, device, device, FREQUENCIES_HZ)
    behind = mask.face_reflectivity(lower, FIT)
    after = scatter_frames(face.neutral, face.triangles, behind, device, device, FREQUENCIES_HZ)
    assert np.allclose(after, before * 10 ** (-12 / 20))
    cloth = mask.hang(face.neutral, face.neutral[None], FIT)
    own = scatter_frames(cloth, mask.triangles, mask.cloth_reflectivity(FIT), device, device, FREQUENCIES_HZ)[0]
    assert np.sqrt(np.mean(np.abs(own) ** 2)) < np.sqrt(np.mean(np.abs(before) ** 2)) * 1.5

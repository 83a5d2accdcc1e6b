"""The reader of the ICT-FaceKit, on a folder in its format: an egg in the kit's numbering, written by this test."""

from pathlib import Path

import numpy as np
import pytest

from mien.errors import MienError
from mien.simulate.face import FaceModel
from mien.simulate.ict import _LANDMARKS, read_ict
from mien.simulate.makehuman import makehuman_face
from mien.simulate.own_face import own_face
from mien.simulate.recipes import RECIPES

SIDED = "browInnerUp browOuterUp browDown eyeWide cheekSquint eyeSquint noseSneer mouthUpperUp mouthSmile mouthDimple"
SIDED += " mouthFrown mouthStretch mouthPress mouthLowerDown eyeBlink"
MIDDLE = "mouthShrugLower mouthRollLower mouthRollUpper jawOpen"
N_ROWS, N_COLUMNS = 76, 148  # 11,248 vertices: the kit's face, head and neck


def egg_cm() -> np.ndarray:
    rise, turn = np.meshgrid(
        np.linspace(-0.45 * np.pi, 0.45 * np.pi, N_ROWS), np.linspace(-3.0, 3.0, N_COLUMNS), indexing="ij"
    )
    vertices = [7 * np.cos(rise) * np.sin(turn), 12 * np.sin(rise), 9 * np.cos(rise) * np.cos(turn)]
    return np.stack([axis.ravel() for axis in vertices], axis=1)


def squares() -> list[str]:
    """Return the kit's polygons, four corners each, as position/texture/normal."""
    index = np.arange(N_ROWS * N_COLUMNS).reshape(N_ROWS, N_COLUMNS) + 1
    corners = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
    return ["f " + " ".join(f"{corner}/1/{corner}" for corner in square) for square in corners.tolist()]


def write_obj(path: Path, vertices: np.ndarray, polygons: list[str]) -> None:
    lines = ["# a comment", "mtllib some.mtl", *(f"v {x:.7f} {y:.7f} {z:.7f}" for x, y, z in vertices), "vt 0 0"]
    path.write_text("\n".join([*lines, *polygons]) + "\n")


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit") / "FaceXModel"
    folder.mkdir()
    neutral = egg_cm()
    write_obj(folder / "generic_neutral_mesh.obj", neutral, squares())
    write_obj(folder / "identity000.obj", neutral * (1.1, 1, 1), [])
    write_obj(folder / "identity001.obj", neutral + (0, 0, 0.5), [])
    names = [f"{name}_{side}" for name in SIDED.split() for side in "LR"] + MIDDLE.split()
    for k, name in enumerate(names):
        write_obj(folder / f"{name}.obj", neutral + np.array([0, 0, 0.01 * (k + 1)]), [])
    return folder.parent


def test_it_reads_points_in_metres_and_squares_as_two_facets(kit: Path) -> None:
    face = read_ict(kit)
    np.testing.assert_allclose(face.neutral, egg_cm() / 100, atol=1e-8)
    assert len(face.triangles) == 2 * (N_ROWS - 1) * (N_COLUMNS - 1)
    corners = face.neutral[face.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.einsum("ij,ij->i", normals, corners.mean(axis=1)) > 0).all()


def test_identities_are_differences_from_the_neutral_face(kit: Path) -> None:
    face = read_ict(kit / "FaceXModel")
    assert face.n_modes == 2
    np.testing.assert_allclose(face.shape(np.array([0.0, 2.0])), face.neutral + (0, 0, 0.01), atol=1e-8)
    np.testing.assert_allclose(face.shape(np.array([1.0])), face.neutral * (1.1, 1, 1), atol=1e-8)


def test_shapes_become_action_units_that_every_recipe_finds(kit: Path) -> None:
    face = read_ict(kit)
    for units in RECIPES.values():
        face.intensities({f"AU{unit}": 1.0 for unit in units})
    raised = face.pose_units(face.neutral, {"AU1_R": 0.5}) - face.neutral  # browInnerUp_R is the second shape: 0.02 cm
    np.testing.assert_allclose(raised, np.broadcast_to((0, 0, 0.5 * 2e-4), raised.shape), atol=1e-8)
    dropped, stretched = (face.pose_units(face.neutral, {unit: 1.0}) - face.neutral for unit in ("AU26", "AU27"))
    np.testing.assert_allclose(dropped, 0.45 * stretched, atol=1e-8)


def test_parts_and_reflectivity_follow_the_kits_numbering(kit: Path) -> None:
    face = read_ict(kit)
    assert face.part_names[:2] == ("face", "head")
    inside = (face.triangles <= 9408).all(axis=1)
    np.testing.assert_array_equal(face.part == 0, inside)
    lowest = face.neutral[face.triangles].mean(axis=1)[:, 1].argmin()
    assert face.reflectivity[lowest] == 0.0 and face.reflectivity.max() == 1.0
    assert face.landmarks["nose_tip"] == 4857


MULTI_PIE_68 = """1225 1888 1052 367 1719 1722 2199 1447 966 3661 4390 3927 3924 2608 3272 4088 3443 268 493 1914 2044
1401 3615 4240 4114 2734 2509 978 4527 4942 4857 1140 2075 1147 4269 3360 1507 1542 1537 1528 1518 1511 3742 3751 3756
3721 3725 3732 5708 5695 2081 0 4275 6200 6213 6346 6461 5518 5957 5841 5702 5711 5533 6216 6207 6470 5517 5966"""
"""The vertices of the 68 landmarks, from the kit's README."""


def mirrored(number: int) -> int:
    """Return which of the 68 landmarks, numbered from 0, is the mirror image of one."""
    eyes = dict(zip(range(36, 42), (45, 44, 43, 42, 47, 46), strict=True))
    mouth = dict(zip((48, 49, 50, 51, 55, 56, 57), (54, 53, 52, 51, 59, 58, 57), strict=True))
    pairs = {n: 16 - n for n in range(17)} | {n: 43 - n for n in range(17, 27)} | {n: n for n in range(27, 31)}
    pairs |= {n: 66 - n for n in range(31, 36)} | eyes | mouth
    return (pairs | {other: one for one, other in pairs.items()})[number]


def test_the_eye_on_the_right_is_the_mirror_of_the_left_and_so_is_every_landmark() -> None:
    order = [int(word) for word in MULTI_PIE_68.split()]
    for name, vertex in _LANDMARKS.items():
        other = name.replace("left", "right") if "left" in name else name.replace("right", "left")
        assert order[mirrored(order.index(vertex))] == _LANDMARKS[other], name


@pytest.mark.parametrize("face", [own_face(6000), makehuman_face()], ids=["own", "makehuman"])
def test_landmarks_of_the_faces_that_ship_are_mirror_images(face: FaceModel) -> None:
    for name, point in face.landmarks.items():
        other = name.replace("left", "right") if "left" in name else name.replace("right", "left")
        image = face.neutral[face.landmarks[other]] * (-1, 1, 1)
        assert np.linalg.norm(face.neutral[point] - image) < 0.003, name


def test_a_missing_file_is_named(kit: Path, tmp_path: Path) -> None:
    with pytest.raises(MienError, match="generic_neutral_mesh.obj is missing"):
        read_ict(tmp_path)
    smile = kit / "FaceXModel" / "mouthSmile_L.obj"
    text = smile.read_text()
    smile.unlink()
    with pytest.raises(MienError, match="mouthSmile_L.obj is missing"):
        read_ict(kit)
    smile.write_text(text.replace("v ", "# ", 1))
    with pytest.raises(MienError, match="has 11247 vertices, the neutral mesh 11248"):
        read_ict(kit)
    smile.write_text(text)


def test_another_mesh_is_refused(tmp_path: Path) -> None:
    write_obj(tmp_path / "generic_neutral_mesh.obj", egg_cm()[:100], [])
    with pytest.raises(MienError, match="has 100 vertices"):
        read_ict(tmp_path)

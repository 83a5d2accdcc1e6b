"""The second face: read from files in MakeHuman's format, and, as it ships, sound as a mesh and as a face."""

import gzip
import os
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from standin import ball_face

from mien.errors import MienError
from mien.simulate import makehuman
from mien.simulate.face import FaceModel
from mien.simulate.faces import face_for, read_face
from mien.simulate.makehuman import PART_NAMES, makehuman_face
from mien.simulate.makehuman_files import N_VERTICES, STEP_M, read_head, shipped_head, write_head
from mien.simulate.options import PlannedTake, SimulationOptions
from mien.simulate.recipes import RECIPES
from mien.simulate.scatter import channel_frequencies, scatter_frames
from mien.simulate.stage import Stage
from mien.simulate.take import play

DATA = Path(os.environ.get("MIEN_DATA", Path(__file__).parents[3] / "shared" / "data")) / "makehuman"
N_ROWS = 103
ORIGIN_DM = np.array([0.0, 7.22, 0.50])  # between the ears of the average face, in the mesh's decimetres


# the reader, on an egg in the format of the files


def egg_dm() -> np.ndarray:
    rise, turn = np.meshgrid(
        np.linspace(-0.45 * np.pi, 0.45 * np.pi, N_ROWS), np.linspace(-3.0, 3.0, N_VERTICES // N_ROWS), indexing="ij"
    )
    vertices = [0.7 * np.cos(rise) * np.sin(turn), 1.2 * np.sin(rise), 0.9 * np.cos(rise) * np.cos(turn)]
    return np.round(np.stack([axis.ravel() for axis in vertices], axis=1) + ORIGIN_DM, 4)


def write_target(path: Path, move: tuple[float, float, float], vertices: range, packed: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    x, y, z = move
    text = "# a comment\n" + "".join(f"{vertex} {x} {y} {z}\n" for vertex in vertices)
    if packed:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    n_columns = N_VERTICES // N_ROWS
    index = np.arange(N_ROWS * n_columns).reshape(N_ROWS, n_columns) + 1
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
    lines = [f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in egg_dm()] + ["g joint-mouth", "f 1/1 2/2 3/3 4/4", "g body"]
    lines += ["f " + " ".join(f"{corner}/{corner}" for corner in quad) for quad in quads.tolist()]
    data = tmp_path / "data"
    (data / "3dobjs").mkdir(parents=True)
    (data / "3dobjs" / "base.obj").write_text("# a comment\n" + "\n".join(lines) + "\n")
    everywhere = range(N_VERTICES)
    for race, left in (("african", 0.3), ("asian", 0.0), ("caucasian", -0.3)):
        for sex, up in (("male", 0.02), ("female", -0.02)):
            macros = data / "targets" / "macrodetails"
            write_target(macros / f"{race}-{sex}-young.target", (0, up, 0), everywhere, packed=True)
            write_target(macros / f"{race}-{sex}-old.target", (left, up, 0), everywhere)
    for sex in ("male", "female"):
        built = data / "targets" / "macrodetails" / f"universal-{sex}-young-averagemuscle-averageweight.target"
        write_target(built, (0, 0, 0), range(0), packed=True)
    nose = range(9_560, 9_600)  # in the middle of a row, at the front
    write_target(data / "targets" / "nose" / "nose-scale-depth-decr.target", (0, 0, -0.06), nose, packed=True)
    write_target(data / "targets" / "nose" / "nose-scale-depth-incr.target", (0, 0, 0.10), nose, packed=True)
    write_target(data / "targets" / "head" / "head-oval.target", (0.05, 0, 0), nose)
    for side, one in (("l", range(9_560, 9_580)), ("r", range(9_580, 9_600))):
        write_target(data / "targets" / "cheek" / f"{side}-cheek-volume-decr.target", (0, 0, -0.4), one)
        write_target(data / "targets" / "cheek" / f"{side}-cheek-volume-incr.target", (0, 0, 0.4), one)
    for name in ("jawOpen", "mouthSmileLeft"):
        write_target(data / "targets" / "faceunits" / f"{name}.target", (0, -0.25, 0), nose)
    return data


def test_points_are_metres_from_between_the_ears_and_quads_stay_quads(folder: Path) -> None:
    head = read_head(folder)
    expected = 0.1 * (egg_dm() - ORIGIN_DM)[head.vertices]
    np.testing.assert_allclose(STEP_M * head.points, expected, atol=0.51 * STEP_M)
    corners = STEP_M * head.points[head.quads]
    normals = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    assert (np.einsum("ij,ij->i", normals, corners.mean(axis=1)) > 0).all()
    assert corners.mean(axis=1)[:, 2].min() > -0.036 and (head.groups == 0).all()


def test_a_slider_is_half_the_difference_of_its_ends_and_both_sides_of_a_pair_move(folder: Path) -> None:
    head = read_head(folder)
    moved = {
        name: STEP_M * 1e3 * mode[np.isin(head.vertices, range(9_560, 9_600))].astype(float)
        for name, mode in zip(head.mode_names, head.modes, strict=True)
    }
    assert {"sex", "age", "nose-scale-depth-incr", "head-oval", "cheek-volume-incr"} <= set(moved)
    np.testing.assert_allclose(moved["nose-scale-depth-incr"][:, 2], 8.0 / 5, atol=0.011)
    np.testing.assert_allclose(moved["head-oval"][:, 0], 5.0 / 5, atol=0.011)
    np.testing.assert_allclose(moved["cheek-volume-incr"][:, 2], 4.0, atol=0.011)  # 40 / 5 mm is more than a face has
    assert np.abs(moved["sex"]).max() < 0.011  # who is taller has the head elsewhere, not another face


def test_expressions_are_read_under_their_names(folder: Path) -> None:
    head = read_head(folder)
    assert head.shape_names == ("jawOpen", "mouthSmileLeft")
    dropped = head.shapes[0][np.isin(head.vertices, range(9_560, 9_600))]
    np.testing.assert_array_equal(dropped, np.broadcast_to((0, -2500, 0), dropped.shape))


def test_a_head_is_written_and_read_again(folder: Path, tmp_path: Path) -> None:
    head = read_head(folder)
    write_head(tmp_path / "head.npz", head)
    with np.load(tmp_path / "head.npz", allow_pickle=False) as arrays:
        for entry in fields(head):
            np.testing.assert_array_equal(arrays[entry.name], np.asarray(getattr(head, entry.name)))


def test_what_is_missing_or_foreign_is_named(folder: Path) -> None:
    jaw = folder / "targets" / "faceunits" / "jawOpen.target"
    jaw.write_text("99999 0 0 0\n")
    with pytest.raises(MienError, match="jawOpen.target is no target of a mesh of 19158 vertices"):
        read_head(folder)
    jaw.unlink()
    (folder / "targets" / "macrodetails" / "asian-male-young.target.gz").unlink()
    with pytest.raises(MienError, match="asian-male-young.target.gz is missing"):
        read_head(folder)
    base = folder / "3dobjs" / "base.obj"
    base.write_text("v 0 0 0\n")
    with pytest.raises(MienError, match="base.obj is not the base mesh hm08"):
        read_head(folder)
    with pytest.raises(MienError, match="holds no face model.*3dobjs/base.obj"):
        read_face(folder / "targets")
    with pytest.raises(MienError, match="has neither mpfb2/3dobjs/base.obj nor"):
        read_head(folder / "targets")


def test_a_folder_of_makehuman_is_told_from_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.simulate.faces.read_makehuman", lambda _: replace(ball_face(), name="it"))
    assert read_face(folder).name == "it"
    assert face_for(SimulationOptions(face_folder=str(folder))).name == "it"
    assert face_for(SimulationOptions(face="makehuman")).name == "makehuman"


@pytest.mark.skipif(not DATA.exists(), reason="MakeHuman's files are not here")
def test_what_ships_is_what_its_files_hold() -> None:
    head, shipped = read_head(DATA), shipped_head()
    for entry in fields(head):
        np.testing.assert_array_equal(np.asarray(getattr(shipped, entry.name)), np.asarray(getattr(head, entry.name)))


# the face that ships


@pytest.fixture(scope="module")
def face() -> FaceModel:
    return makehuman_face()


def motion_mm(face: FaceModel, unit: str) -> np.ndarray:
    return 1e3 * (face.pose_units(face.neutral, {unit: 1.0}) - face.neutral)


def test_facets_are_small_and_agree_on_the_outside(face: FaceModel) -> None:
    edges = np.concatenate([face.triangles[:, [k, (k + 1) % 3]] for k in range(3)])
    assert len(np.unique(edges, axis=0)) == len(edges)
    lengths_mm = 1e3 * np.linalg.norm(face.neutral[edges[:, 0]] - face.neutral[edges[:, 1]], axis=1)
    assert lengths_mm.max() < 8.0 and lengths_mm.mean() < 5.0
    assert 8_000 < len(face.triangles) < 20_000
    for landmark in ("nose_tip", "chin", "forehead", "brow_left", "lip_upper"):
        touching = (face.triangles == face.landmarks[landmark]).any(axis=1)
        a, b, c = face.neutral[face.triangles[touching]].transpose(1, 0, 2)
        assert np.cross(b - a, c - a).sum(axis=0)[2] > 0


def test_proportions_are_an_adults(face: FaceModel) -> None:
    mm = {name: 1e3 * face.neutral[point] for name, point in face.landmarks.items()}
    assert 44 < mm["mouth_left"][0] - mm["mouth_right"][0] < 58
    assert 54 < mm["eye_left"][0] - mm["eye_right"][0] < 70
    assert 55 < mm["eye_left"][1] - mm["lip_upper"][1] < 75
    assert 130 < mm["ear_left"][0] - mm["ear_right"][0] < 155
    for left in ("mouth", "eye", "brow", "ear"):
        np.testing.assert_allclose(mm[f"{left}_left"] * (-1, 1, 1), mm[f"{left}_right"], atol=0.2)


# unit: landmark that moves, direction (left up forward) in which it moves, how far in mm, landmark that stays
ANATOMY = {
    "AU1": ("brow_left", (0, 1, 0), (2.0, 7.0), "chin"),
    "AU2": ("brow_left", (0, 1, 0), (1.5, 7.0), "mouth_left"),
    "AU4": ("brow_left", (-1, -1, 0), (2.0, 7.0), "lip_lower"),
    "AU10": ("lip_upper", (0, 1, 0), (2.0, 8.0), "chin"),
    "AU12": ("mouth_left", (1, 1, -1), (8.0, 13.0), "brow_left"),
    "AU14": ("mouth_left", (1, 0, -1), (2.0, 6.0), "brow_left"),
    "AU15": ("mouth_left", (0, -1, 0), (5.0, 9.0), "brow_left"),
    "AU17": ("lip_lower", (0, 1, 1), (3.0, 7.0), "eye_left"),
    "AU20": ("mouth_left", (1, 0, -1), (5.0, 11.0), "brow_left"),
    "AU23": ("mouth_left", (-1, 0, 1), (1.0, 5.0), "brow_left"),
    "AU25": ("lip_lower", (0, -1, 0), (2.0, 6.0), "nose_tip"),
    "AU26": ("chin", (0, -1, -1), (12.0, 22.0), "brow_left"),
    "AU27": ("chin", (0, -1, -1), (28.0, 48.0), "brow_left"),
}
"""As for the own face, but for what this one does otherwise: the mentalis lifts the lip rather than the chin."""


@pytest.mark.parametrize("unit", ANATOMY)
def test_units_move_what_anatomy_says_and_leave_the_rest(face: FaceModel, unit: str) -> None:
    moved, direction, (least_mm, most_mm), still = ANATOMY[unit]
    motion = motion_mm(face, unit)
    found = motion[face.landmarks[moved]]
    assert least_mm < np.linalg.norm(found) < most_mm
    for component, sign in zip(found, direction, strict=True):
        assert sign == 0 or component * sign > 0
    assert np.linalg.norm(motion[face.landmarks[still]]) < 0.05


def test_every_recipe_is_found_and_no_side_moves_the_other(face: FaceModel) -> None:
    for units in RECIPES.values():
        face.intensities({f"AU{unit}": 1.0 for unit in units})
    for unit in ("AU1", "AU2", "AU12", "AU15"):
        left = motion_mm(face, f"{unit}_L")
        assert np.linalg.norm(left[face.neutral[:, 0] < -0.02], axis=1).max() < 0.5
        assert np.linalg.norm(left, axis=1).max() > 4.0


def test_people_differ_as_people_and_no_mode_is_grotesque(face: FaceModel) -> None:
    amplitude_mm = 1e3 * np.linalg.norm(face.identity_modes, axis=2).max(axis=1)
    assert face.n_modes > 80 and amplitude_mm.max() < 12.0
    rng = np.random.default_rng(0)
    people = [face.shape(rng.normal(size=face.n_modes)) for _ in range(6)]
    for first in range(6):
        for second in range(first):
            apart_mm = 1e3 * np.linalg.norm(people[first] - people[second], axis=1)
            assert 2.0 < np.sqrt(np.mean(apart_mm**2)) < 30.0


def test_reflectivity_is_skin_hair_mouth_and_nothing_where_the_mesh_ends(face: FaceModel) -> None:
    assert face.reflectivity.min() > 0.0 and face.reflectivity.max() == 1.0
    for landmark in ("nose_tip", "chin", "brow_left", "forehead"):
        touching = (face.triangles == face.landmarks[landmark]).any(axis=1)
        assert face.reflectivity[touching].min() > 0.85
    assert face.reflectivity[face.part == PART_NAMES.index("hair")].max() < 0.7
    edges = np.sort(np.concatenate([face.triangles[:, [k, (k + 1) % 3]] for k in range(3)]), axis=1)
    lines, counts = np.unique(edges, axis=0, return_counts=True)
    on_rim = np.isin(face.triangles, lines[counts == 1]).any(axis=1)
    skin = np.isin(face.part, [PART_NAMES.index("skin"), PART_NAMES.index("hair")])  # eyeballs and teeth lie loose
    assert face.reflectivity[on_rim & skin].max() < 0.1


def echo(face: FaceModel, points: np.ndarray) -> np.ndarray:
    """Return (freq) the channel to a phone 30 cm before the skin and 11 cm below the nose."""
    phone = np.array([0.0, -0.022 - 0.11, 0.11 + 0.30])
    frequencies_hz = channel_frequencies((19_000, 23_000))
    return scatter_frames(
        points, face.triangles, face.reflectivity, phone - (0.005, 0, 0), phone + (0.005, 0, 0), frequencies_hz
    )


def relative_db(found: np.ndarray, reference: np.ndarray) -> float:
    return float(20 * np.log10(np.linalg.norm(found - reference) / np.linalg.norm(reference)))


def test_echo_converges_with_the_mesh(face: FaceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(makehuman, "_LONGEST_EDGE_M", 0.0045)
    fine = makehuman_face.__wrapped__()
    assert len(fine.triangles) > 2 * len(face.triangles)
    assert relative_db(echo(face, face.neutral), echo(fine, fine.neutral)) < -18.0


@pytest.mark.parametrize("expression", [name for name, units in RECIPES.items() if units])
def test_every_expression_is_heard(face: FaceModel, expression: str) -> None:
    posed = face.pose_units(face.neutral, {f"AU{unit}": 1.0 for unit in RECIPES[expression]})
    assert relative_db(echo(face, posed), echo(face, face.neutral)) > -25.0


def test_a_mask_hangs_on_it(face: FaceModel) -> None:
    stage = Stage(SimulationOptions(face="makehuman", masks=("open", "mask"), duration_s=0.2), face)
    bare, masked = (play(stage, PlannedTake(0, 0, "surprise", mask, "office")) for mask in ("open", "mask"))
    assert np.isfinite(masked.face_channel).all()
    assert -15.0 < relative_db(masked.face_channel, bare.face_channel) < 3.0

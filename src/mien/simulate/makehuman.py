"""A second face, by other hands than the simulator's own: MakeHuman's base mesh with its expressions, as a `FaceModel`.

It differs from the own face in everything that a recogniser could learn by heart: a modelled mesh with ears, eyeballs
and teeth, identity by sex, descent, age and the sliders of a character editor, expressions made by eye after the
shapes of ARKit, a jaw that moves along straight lines. Nothing of it was measured; it is no more real than the own
face, but what holds on both leans on neither.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from mien.simulate.face import FaceModel
from mien.simulate.makehuman_files import GROUPS, STEP_M, MakeHumanHead, read_head, shipped_head
from mien.simulate.refine import Refined, halve_long_edges

PART_NAMES = ("skin", "hair", "eye", "mouth")
_LONGEST_EDGE_M = 0.008  # which leaves a mean of 4 mm

_SIDED: dict[str, dict[str, float]] = {  # action unit: shapes of one side and their weights
    "AU1": {"browInnerUp": 1.0},  # one shape for both sides, of which each takes its half; 5 mm
    "AU2": {"browOuterUp": 0.9},  # 6 mm
    "AU4": {"browDown": 0.8},  # 6 mm
    "AU5": {"eyeWide": 0.8},  # 3 mm
    "AU6": {"cheekSquint": 0.6},  # 5 mm
    "AU7": {"eyeSquint": 0.7},  # 3 mm
    "AU9": {"noseSneer": 1.0},  # 5 mm
    "AU10": {"mouthUpperUp": 0.9},  # 5 mm
    "AU12": {"mouthSmile": 0.6},  # 11 mm at the corner of the mouth; in full it moves 19
    "AU14": {"mouthDimple": 0.6},  # 5 mm
    "AU15": {"mouthFrown": 1.0},  # 7 mm
    "AU20": {"mouthStretch": 0.9},  # 8 mm
    "AU43": {"eyeBlink": 0.75},  # a narrow strip of eyeball stays, as with the own face
}
_MIDDLE: dict[str, dict[str, float]] = {
    "AU17": {"mouthShrugLower": 0.8, "mouthShrugUpper": 0.3},
    "AU23": {"mouthRollLower": 0.3, "mouthRollUpper": 0.3, "mouthPucker": 0.25},
    "AU24": {"mouthPressLeft": 0.5, "mouthPressRight": 0.5, "mouthRollLower": 0.3, "mouthRollUpper": 0.3},
    "AU25": {"mouthLowerDownLeft": 0.8, "mouthLowerDownRight": 0.8},
    "AU26": {"jawOpen": 0.4},  # 15 mm at the lower lip
    "AU27": {"jawOpen": 0.9},
}
"""Units at full intensity, weighted to the orders of size that `own_units` names; no weight was set by an echo."""

_LANDMARKS_MM = {  # x, y of each landmark on the average face; the foremost skin there is taken
    "nose_tip": (0.0, -23.0),
    "subnasale": (0.0, -35.0),
    "chin": (0.0, -82.0),
    "lip_upper": (0.0, -46.5),
    "lip_lower": (0.0, -60.5),
    "mouth_left": (24.5, -54.0),
    "mouth_right": (-24.5, -54.0),
    "eye_left": (29.0, 13.5),
    "eye_right": (-29.0, 13.5),
    "brow_left": (28.0, 31.0),
    "brow_right": (-28.0, 31.0),
    "forehead": (0.0, 60.0),
}
_HAIR_REFLECTIVITY = 0.35
_MOUTH_REFLECTIVITY = 0.6  # as in the own face
_DEEPEST_M = 0.03  # of the mouth behind the lips, and
_MOUTH_HALF_WIDTH_M = 0.028  # from side to side: the cheeks' pockets are left out
_LIPS_M = 0.004
_MOUTH_FLOOR_M = (0.0, -0.080, 0.058)


@lru_cache(maxsize=1)
def makehuman_face() -> FaceModel:
    """Return MakeHuman's average head with its identities and action units, from the data that ship with the package.

    Reflectivity falls to 0 at the neck and behind the ears, where the mesh ends. The origin lies between the ears.
    Its 13 thousand facets give a channel that differs from that of 43 thousand by -22 dB.

    Returns:
        The same value each time; treat its arrays as constant.

    Example:
        >>> face = makehuman_face()
        >>> dropped = face.pose_units(face.neutral, {"AU26": 1.0}) - face.neutral
        >>> f"the jaw drops the chin by {-1000 * dropped[face.landmarks['chin'], 1]:.0f} mm"
        'the jaw drops the chin by 11 mm'
    """
    return _face(shipped_head())


def read_makehuman(folder: Path | str) -> FaceModel:
    """Return the same face from MakeHuman's own files; `makehuman_files.read_head` says which.

    Raises:
        MienError: the folder lacks a file, or a file is not what it should be.
    """
    return _face(read_head(folder))


def _face(head: MakeHumanHead) -> FaceModel:
    points = STEP_M * head.points.astype(float)
    triangles, quad_of = _triangles(points, head.quads.astype(int))
    group = head.groups[quad_of]
    depth = _depth_in_mouth(points, triangles, group)
    sides = (depth > 0) & (np.abs(points[triangles].mean(axis=1)[:, 0]) > _MOUTH_HALF_WIDTH_M) & (group == 0)
    kept = (depth < _DEEPEST_M) & ~sides
    mesh = halve_long_edges(points, triangles[kept], _LONGEST_EDGE_M)
    depth, group = depth[kept][mesh.origins], group[kept][mesh.origins]
    part = _parts(mesh, depth, group)
    reflectivity = _reflectivity(mesh, part, depth)
    heard = reflectivity > 0
    vertices, inverse = np.unique(mesh.triangles[heard], return_inverse=True)
    unit_names, unit_fields = _units(head, points)
    return FaceModel(
        name="makehuman",
        neutral=mesh.points[vertices],
        identity_modes=_spread(mesh, STEP_M * head.modes.astype(float), vertices),
        unit_names=unit_names,
        unit_fields=_spread(mesh, unit_fields, vertices),
        triangles=inverse.reshape(-1, 3).astype(np.int32),
        landmarks=_landmarks(mesh.points[vertices]),
        part=part[heard],
        part_names=PART_NAMES,
        reflectivity=reflectivity[heard],
        jaw=None,
    )


def _spread(mesh: Refined, fields: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Return (field point xyz), in one piece of memory: it is multiplied with for every take."""
    return np.ascontiguousarray(mesh.spread(fields.transpose(1, 0, 2))[vertices].transpose(1, 0, 2))


def _triangles(points: np.ndarray, quads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (facet 3), each square cut along its shorter diagonal, and the square of each."""
    a, b, c, d = quads.T
    first = np.linalg.norm(points[a] - points[c], axis=1) <= np.linalg.norm(points[b] - points[d], axis=1)
    one = np.where(first, (a, b, c), (a, b, d)).T
    two = np.where(first, (a, c, d), (b, c, d)).T
    return np.concatenate([one, two]), np.tile(np.arange(len(quads)), 2)


def _depth_in_mouth(points: np.ndarray, triangles: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return (facet) how far a facet of the mouth or the teeth lies behind the foremost skin; 0 outside the mouth.

    The mouth is all that hangs together with its floor without coming within `_LIPS_M` of what is in front of it.
    """
    centre = points[triangles].mean(axis=1)
    front = (group == 0) & (centre[:, 1] < 0.0) & (centre[:, 1] > -0.11)
    behind = np.zeros(len(triangles))
    near = np.flatnonzero(front | (group >= GROUPS.index("helper-upper-teeth")))
    tree = cKDTree(centre[front, :2])
    for facet, others in zip(near, tree.query_ball_point(centre[near, :2], 0.004), strict=True):
        behind[facet] = max((centre[front, 2][others] - centre[facet, 2]).max(initial=0.0), 0.0)
    hidden = np.flatnonzero(front & (behind > _LIPS_M))
    which = np.repeat(np.arange(len(hidden)), 3)
    joins = csr_matrix((np.ones(len(which)), (which, triangles[hidden].ravel())), shape=(len(hidden), len(points)))
    _, component = connected_components(joins @ joins.T, directed=False)
    floor = np.argmin(np.linalg.norm(centre[hidden] - _MOUTH_FLOOR_M, axis=1))
    mouth = group >= GROUPS.index("helper-upper-teeth")
    mouth[hidden[component == component[floor]]] = True
    return np.where(mouth, np.maximum(behind, 1e-6), 0.0)


def _hairiness(centre: np.ndarray) -> np.ndarray:
    """Return (facet) 0 on bare skin and 1 in the hair: above a line that falls from the forehead to the ears."""
    line = 0.078 - 0.9 * np.clip(0.078 - centre[:, 2], 0.0, 0.09)
    ear = (np.abs(centre[:, 0]) > 0.068) & (np.abs(centre[:, 1]) < 0.045) & (centre[:, 2] < 0.015)
    return np.where(ear, 0.0, _smooth(centre[:, 1] - line, -0.005, 0.005))


def _parts(mesh: Refined, depth: np.ndarray, group: np.ndarray) -> np.ndarray:
    centre = mesh.points[mesh.triangles].mean(axis=1)
    part = np.where(_hairiness(centre) > 0.5, PART_NAMES.index("hair"), 0)
    part[(group == 1) | (group == 2)] = PART_NAMES.index("eye")
    part[depth > 0] = PART_NAMES.index("mouth")
    return part.astype(np.int8)


def _reflectivity(mesh: Refined, part: np.ndarray, depth: np.ndarray) -> np.ndarray:
    centre = mesh.points[mesh.triangles].mean(axis=1)
    skin = 1.0 + (_HAIR_REFLECTIVITY - 1.0) * _hairiness(centre)
    mouth = _MOUTH_REFLECTIVITY * _smooth(-depth, -_DEEPEST_M, -0.5 * _DEEPEST_M)
    below = _smooth(centre[:, 1], -0.138, -0.098)  # the collar takes over from the neck
    behind = _smooth(centre[:, 2], -0.028, 0.012)
    return np.where(part == PART_NAMES.index("mouth"), mouth, skin) * below * behind


def _units(head: MakeHumanHead, points: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the units' names and (unit point xyz) displacements at full intensity."""
    shapes = dict(zip(head.shape_names, STEP_M * head.shapes.astype(float), strict=True))
    left = _smooth(points[:, 0], -0.009, 0.009)[:, None]
    fields: dict[str, np.ndarray] = {}
    for unit, weights in _SIDED.items():
        for side, half in (("Left", left), ("Right", 1.0 - left)):
            fields[f"{unit}_{side[0]}"] = np.sum(
                [
                    weight * (shapes[name + side] if name + side in shapes else half * shapes[name])
                    for name, weight in weights.items()
                ],
                axis=0,
            )
    for unit, weights in _MIDDLE.items():
        fields[unit] = np.sum([weight * shapes[name] for name, weight in weights.items()], axis=0)
    return tuple(fields), np.stack(list(fields.values()))


def _landmarks(points: np.ndarray) -> dict[str, int]:
    points = 1e3 * points
    found = {}
    for name, (x, y) in _LANDMARKS_MM.items():
        off = np.hypot(points[:, 0] - x, points[:, 1] - y) - 0.1 * points[:, 2]
        found[name] = int(np.argmin(np.where(points[:, 2] > 30.0, off, np.inf)))
    for name, x in (("ear_left", 72.0), ("ear_right", -72.0)):
        found[name] = int(np.argmin(np.linalg.norm(points - (x, 0.0, 0.0), axis=1)))
    return found


def _smooth(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rise from 0 at `low` to 1 at `high` with a continuous derivative."""
    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)

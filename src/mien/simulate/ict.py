"""Reader of the ICT-FaceKit: a face model from scans, which the user has downloaded, as a `FaceModel`.

The kit's folder `FaceXModel` holds Wavefront OBJ meshes of one topology, in centimetres, y up and z forward: the
neutral face, 100 identities one standard deviation from it, and 53 expressions named as in ARKit.

References:
    Li et al., Learning Formation of Physically-Based Face Attributes, CVPR 2020; the kit's README has the ranges of
    vertices, the 68 landmarks and the action unit of each expression.
"""

import os
from pathlib import Path

import numpy as np

from mien.errors import MienError
from mien.files import read_bytes
from mien.simulate.face import FaceModel

MOST_IDENTITIES = 1_000

_METRES = 0.01  # the kit's unit is a centimetre

_PARTS = (  # name, first and last vertex; what else the kit has (teeth, lashes, tears) is left out
    ("face", 0, 9408),
    ("head", 9409, 11247),
    ("mouth", 11248, 13293),
    ("eye", 21451, 24590),
)

_UNITS: dict[str, dict[str, float]] = {  # action unit: shapes and their weights, {side} being L and R
    "AU1": {"browInnerUp_{side}": 1.0},
    "AU2": {"browOuterUp_{side}": 1.0},
    "AU4": {"browDown_{side}": 1.0},
    "AU5": {"eyeWide_{side}": 1.0},
    "AU6": {"cheekSquint_{side}": 1.0},
    "AU7": {"eyeSquint_{side}": 1.0},
    "AU9": {"noseSneer_{side}": 1.0},
    "AU10": {"mouthUpperUp_{side}": 1.0},  # the README's AU11; its AU10 has no sides
    "AU12": {"mouthSmile_{side}": 1.0},
    "AU14": {"mouthDimple_{side}": 1.0},
    "AU15": {"mouthFrown_{side}": 1.0},
    "AU17": {"mouthShrugLower": 1.0},
    "AU20": {"mouthStretch_{side}": 1.0},
    "AU23": {"mouthRollLower": 0.5, "mouthRollUpper": 0.5},  # chosen: half of AU28, the lips sucked in
    "AU24": {"mouthPress_L": 1.0, "mouthPress_R": 1.0},
    "AU25": {"mouthLowerDown_L": 0.5, "mouthLowerDown_R": 0.5},  # chosen
    "AU26": {"jawOpen": 0.45},  # chosen: the ratio of the own face's angles
    "AU27": {"jawOpen": 1.0},
    "AU43": {"eyeBlink_{side}": 1.0},
}

_LANDMARKS = {  # of the 68 in the README
    "nose_tip": 4857,
    "subnasale": 1147,
    "chin": 966,
    "lip_upper": 0,
    "lip_lower": 5518,
    "mouth_left": 6213,
    "mouth_right": 5708,
    "eye_left": 3756,
    "eye_right": 1542,
    "brow_left": 4114,
    "brow_right": 1914,
    "ear_left": 3443,
    "ear_right": 1225,
}

_HAIR_REFLECTIVITY = 0.35
_COLLAR_M = 0.05  # reflectivity falls to 0 over this height above the lower end of the neck


def read_ict(folder: Path | str) -> FaceModel:
    """Return the face model in an ICT-FaceKit folder.

    The jaw has no hinge here: its turning is part of the kit's `jawOpen`, along straight lines.

    Args:
        folder: the kit, or its `FaceXModel`. At least one identity is needed; all that follow it in number are read.

    Raises:
        MienError: the folder lacks a file, or a file has another mesh than the neutral one.
    """
    folder = Path(folder)
    if (folder / "FaceXModel").is_dir():
        folder = folder / "FaceXModel"
    neutral_path = folder / "generic_neutral_mesh.obj"
    everything = _read_vertices(neutral_path)
    if len(everything) <= _PARTS[1][2]:
        raise MienError(
            f"{neutral_path} has {len(everything)} vertices; the face, head and neck of an ICT-FaceKit need "
            f"{_PARTS[1][2] + 1}. Name the kit's folder FaceXModel"
        )
    triangles = _read_triangles(neutral_path, len(everything))
    part = _part_of_vertex(len(everything))
    triangles = triangles[(part[triangles] >= 0).all(axis=1)]
    kept, inverse = np.unique(triangles, return_inverse=True)
    facets = inverse.reshape(triangles.shape).astype(np.int32)
    facet_part = part[triangles].max(axis=1).astype(np.int8)
    points = everything[kept]
    unit_names, unit_fields = _read_units(folder, everything, kept)
    landmarks = _landmarks(points, kept)
    return FaceModel(
        name="ict-facekit",
        neutral=points,
        identity_modes=_read_identities(folder, everything, kept),
        unit_names=unit_names,
        unit_fields=unit_fields,
        triangles=facets,
        landmarks=landmarks,
        part=facet_part,
        part_names=tuple(name for name, _, _ in _PARTS),
        reflectivity=_reflectivity(points[facets].mean(axis=1), facet_part, points[landmarks["eye_left"], 1]),
        jaw=None,
    )


def _read_lines(path: Path, kind: str) -> list[list[str]]:
    if not os.path.lexists(path):
        raise MienError(
            f"{path} is missing; an ICT-FaceKit folder has generic_neutral_mesh.obj, identity000.obj and on, and "
            "the expressions browDown_L.obj ... noseSneer_R.obj"
        )
    text = read_bytes(path, MienError).decode("ascii", errors="replace")
    return [line.split()[1:] for line in text.splitlines() if line.startswith(kind + " ")]


def _read_vertices(path: Path) -> np.ndarray:
    """Return (vertex xyz) in metres."""
    rows = _read_lines(path, "v")
    try:
        vertices = _METRES * np.array([row[:3] for row in rows], dtype=float).reshape(-1, 3)
    except ValueError:
        raise MienError(f"{path} has a vertex that is not three numbers; download the kit again") from None
    if not np.isfinite(vertices).all():
        raise MienError(f"{path} has a vertex that is not a finite number; download the kit again")
    return vertices


def _read_triangles(path: Path, n_vertices: int) -> np.ndarray:
    """Return (facet 3) vertices, numbered from 0; polygons are cut into fans."""
    triangles = []
    try:
        for row in _read_lines(path, "f"):
            corners = [int(corner.split("/")[0]) - 1 for corner in row]
            triangles += [(corners[0], corners[k], corners[k + 1]) for k in range(1, len(corners) - 1)]
        found = np.array(triangles, dtype=np.int64).reshape(-1, 3)
    except (ValueError, OverflowError):
        raise MienError(f"{path} has a face whose corners are no numbers; download the kit again") from None
    if found.size and not 0 <= found.min() <= found.max() < n_vertices:
        raise MienError(f"{path} has a face with corners beyond its {n_vertices} vertices; download the kit again")
    return found


def _displacement(path: Path, neutral: np.ndarray, kept: np.ndarray) -> np.ndarray:
    vertices = _read_vertices(path)
    if vertices.shape != neutral.shape:
        raise MienError(f"{path} has {len(vertices)} vertices, the neutral mesh {len(neutral)}; both must agree")
    return (vertices - neutral)[kept]


def _read_identities(folder: Path, neutral: np.ndarray, kept: np.ndarray) -> np.ndarray:
    paths = [folder / "identity000.obj"]
    while os.path.lexists(following := folder / f"identity{len(paths):03d}.obj"):
        paths.append(following)
        if len(paths) > MOST_IDENTITIES:
            raise MienError(
                f"{folder} holds more than {MOST_IDENTITIES} identities; the kit has 100: download it again"
            )
    return np.stack([_displacement(path, neutral, kept) for path in paths])


def _read_units(folder: Path, neutral: np.ndarray, kept: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    wanted: dict[str, dict[str, float]] = {}
    for unit, shapes in _UNITS.items():
        if any("{side}" in shape for shape in shapes):
            for side in "LR":
                wanted[f"{unit}_{side}"] = {shape.format(side=side): weight for shape, weight in shapes.items()}
        else:
            wanted[unit] = shapes
    names = sorted({shape for shapes in wanted.values() for shape in shapes})
    read = {name: _displacement(folder / f"{name}.obj", neutral, kept) for name in names}
    fields = [sum(weight * read[shape] for shape, weight in shapes.items()) for shapes in wanted.values()]
    return tuple(wanted), np.stack(fields)


def _part_of_vertex(n_vertices: int) -> np.ndarray:
    """Return (vertex) the position of its part in `_PARTS`, -1 for what is left out."""
    part = np.full(n_vertices, -1)
    for k, (_, first, last) in enumerate(_PARTS):
        part[first : last + 1] = k
    return part


def _landmarks(points: np.ndarray, kept: np.ndarray) -> dict[str, int]:
    """Return the point of each landmark. The forehead, which the 68 lack, is taken 3 cm above the brows."""
    found = {name: int(np.searchsorted(kept, vertex)) for name, vertex in _LANDMARKS.items()}
    between = 0.5 * (points[found["brow_left"]] + points[found["brow_right"]])
    front = points[:, 2] > points[found["ear_left"], 2]
    off = np.hypot(points[:, 0] - between[0], points[:, 1] - between[1] - 0.03)
    found["forehead"] = int(np.argmin(np.where(front, off, np.inf)))
    return found


def _reflectivity(centre: np.ndarray, part: np.ndarray, eye_height_m: float) -> np.ndarray:
    """Return (facet) 1 on skin, hair where the head rises above the eyes, 0 at the lower end of the neck."""
    hair = (part == 1) & (centre[:, 1] > eye_height_m)
    share = np.clip((centre[:, 1] - centre[:, 1].min()) / _COLLAR_M, 0.0, 1.0)
    return np.where(hair, _HAIR_REFLECTIVITY, 1.0) * share * share * (3.0 - 2.0 * share)

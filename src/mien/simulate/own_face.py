"""The simulator's own parametric face, computed from anatomy: nothing is downloaded."""

from functools import lru_cache

import numpy as np

from mien.simulate.face import FaceModel
from mien.simulate.own_fields import HeadFields, smooth_step
from mien.simulate.own_identity import identity_modes
from mien.simulate.own_mesh import HeadMesh, mesh_head
from mien.simulate.own_surface import EYE_CENTRE_MM, lid_opening
from mien.simulate.own_units import action_units, jaw_hinge

PART_NAMES = ("skin", "hair", "eye", "mouth", "neck")
_HAIR_REFLECTIVITY = 0.35
_MOUTH_REFLECTIVITY = 0.6  # chosen: teeth reflect, the gaps between them and the throat do not

_LANDMARKS_MM = {  # x, y of each landmark; the foremost skin there is taken
    "nose_tip": (0.0, -11.5),
    "subnasale": (0.0, -23.0),
    "chin": (0.0, -76.0),
    "lip_upper": (0.0, -41.0),
    "lip_lower": (0.0, -50.5),
    "mouth_left": (26.0, -45.5),
    "mouth_right": (-26.0, -45.5),
    "eye_left": (32.0, 22.0),
    "eye_right": (-32.0, 22.0),
    "brow_left": (28.0, 41.0),
    "brow_right": (-28.0, 41.0),
    "forehead": (0.0, 70.0),
    "sellion": (0.0, 28.0),
    "menton": (0.0, -86.0),
    "ala_left": (17.5, -15.5),
    "ala_right": (-17.5, -15.5),
}


@lru_cache(maxsize=4)
def own_face(n_facets: int = 8000) -> FaceModel:
    """Return the simulator's own face.

    It is the front of a head, from the hair to the neck and from ear to ear, with lips that part, lids that close and
    a jaw that turns. Reflectivity falls to 0 at the rim, so that the cut makes no echo of its own. The origin lies
    between the ear canals; y = 0 is the Frankfort plane.

    Args:
        n_facets: about how many triangles, 4,000 to 60,000. Edges on the face are about 5 mm with 8,000 and 3 mm with
            24,000.

    Returns:
        The same value each time; treat its arrays as constant.

    Raises:
        ValueError: a number of facets that cannot show a face, or would take too long.

    Example:
        >>> face = own_face(8000)
        >>> dropped = face.pose_units(face.neutral, {"AU26": 1.0}) - face.neutral
        >>> f"the jaw drops the chin by {-1000 * dropped[face.landmarks['chin'], 1]:.0f} mm"
        'the jaw drops the chin by 13 mm'
    """
    if not 4000 <= n_facets <= 60000:
        raise ValueError(f"own_face: asked for {n_facets} facets; 4000 to 60000 can be made, 8000 is the default")
    mesh = mesh_head(n_facets)
    fields = HeadFields(mesh)
    unit_names, unit_fields = action_units(fields)
    _, modes = identity_modes(fields)
    part = _parts(mesh)
    return FaceModel(
        name=f"own-{n_facets}",
        neutral=1e-3 * mesh.points,
        identity_modes=1e-3 * modes,
        unit_names=unit_names,
        unit_fields=1e-3 * unit_fields,
        triangles=mesh.triangles,
        landmarks=_landmarks(mesh),
        part=part,
        part_names=PART_NAMES,
        reflectivity=_reflectivity(mesh, part),
        jaw=jaw_hinge(fields),
    )


def _landmarks(mesh: HeadMesh) -> dict[str, int]:
    skin = mesh.points[:, 2] > 30.0
    found = {}
    for name, (x, y) in _LANDMARKS_MM.items():
        off = np.hypot(mesh.points[:, 0] - x, mesh.points[:, 1] - y) - 0.02 * mesh.points[:, 2]
        found[name] = int(np.argmin(np.where(skin & (mesh.depth == 0), off, np.inf)))
    for name, x in (("ear_left", 72.0), ("ear_right", -72.0)):
        found[name] = int(np.argmin(np.linalg.norm(mesh.points - (x, 0.0, 0.0), axis=1)))
    return found


def _parts(mesh: HeadMesh) -> np.ndarray:
    centre = mesh.points[mesh.triangles].mean(axis=1)
    part = np.zeros(len(mesh.triangles), dtype=np.int8)
    part[_hairiness(centre) > 0.5] = PART_NAMES.index("hair")
    eye = (lid_opening(centre) < 0) & (centre[:, 2] > EYE_CENTRE_MM[2]) & (np.abs(centre[:, 1] - EYE_CENTRE_MM[1]) < 8)
    part[eye] = PART_NAMES.index("eye")
    part[(centre[:, 1] < -88.0) & (centre[:, 2] < 75.0)] = PART_NAMES.index("neck")
    part[mesh.pocket] = PART_NAMES.index("mouth")
    return part


def _hairiness(centre: np.ndarray) -> np.ndarray:
    """Return (facet) 0 on bare skin and 1 in the hair: above the hairline, which comes down before the ears."""
    x, y, z = np.abs(centre[:, 0]), centre[:, 1], centre[:, 2]
    above = smooth_step(y, 84.0, 100.0)
    beside = smooth_step(x, 58.0, 68.0) * smooth_step(y, 0.0, 14.0) * smooth_step(-z, -38.0, -22.0)
    return np.maximum(above, beside)


def _reflectivity(mesh: HeadMesh, part: np.ndarray) -> np.ndarray:
    """Return (facet) reflectivity; it falls to 0 over 30 to 60 mm before the mesh ends, on every side."""
    centre = mesh.points[mesh.triangles].mean(axis=1)
    skin = 1.0 + (_HAIR_REFLECTIVITY - 1.0) * _hairiness(centre)
    skin = np.where(part == PART_NAMES.index("mouth"), _MOUTH_REFLECTIVITY, skin)
    azimuth_deg = np.degrees(np.arctan2(np.abs(centre[:, 0]), centre[:, 2]))
    elevation_deg = np.degrees(np.arctan2(centre[:, 1] - 55.0, np.hypot(centre[:, 0], centre[:, 2])))
    beside = smooth_step(-azimuth_deg, -86.0, -58.0)
    above = smooth_step(-elevation_deg, -37.0, -16.0)
    below = smooth_step(centre[:, 1], -122.0, -86.0)  # the collar takes over from the neck
    return skin * beside * above * below

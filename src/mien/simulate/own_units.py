"""FACS action units of the own face: how far the skin moves, and where, at full intensity (E).

Every number is millimetres on an adult face. Directions, places and which skin bulges are those of the FACS manual
(Ekman, Friesen and Hager, 2002). Amplitudes are marked: "S" of the order of size given by stereo-photographic
measurements of maximal movements (such as Trotman et al. 1998; Sforza et al. 2010), "J" by jaw kinematics (such as
Travers et al. 2000: some 40 to 50 mm between the incisors at most, to which rotation and gliding both contribute), no
value copied; "C" chosen to look right beside the manual's pictures.
"""

import numpy as np

from mien.simulate.face import Hinge
from mien.simulate.own_fields import HeadFields, Pull, smooth_step
from mien.simulate.own_surface import MOUTH_HALF_WIDTH_MM, seam_height

_SIDED: dict[int, tuple[Pull, ...]] = {
    # frontalis, medial: inner brow 6 mm up (S), skin gathers on the forehead (C)
    1: (
        Pull((14, 38), (25, 27), (-0.5, 6.0, 0.3)),
        Pull((15, 60), (24, 14), out=1.2),
        Pull((26, 30), (20, 12), (0, 1.8, 0)),
    ),
    # frontalis, lateral: outer brow 6 mm up (S)
    2: (
        Pull((43, 39), (28, 27), (0.5, 6.0, -1.0)),
        Pull((42, 60), (24, 14), out=1.0),
        Pull((36, 30), (16, 12), (0, 2.0, 0)),
    ),
    # corrugator and procerus: brow 4.5 mm down, 3.5 mm together (C), bulge between the brows (C)
    4: (
        Pull((20, 39), (28, 22), (-3.5, -4.5, 0.8)),
        Pull((9, 36), (13, 16), out=2.5),
        Pull((30, 56), (26, 16), out=-0.6),
    ),
    # levator palpebrae: upper lid, below
    5: (Pull((33, 32), (15, 7), out=-1.0),),
    # orbicularis oculi, orbital: cheek 5 mm up and 3 mm out (S), skin drawn in beside the eye (C)
    6: (
        Pull((38, -4), (28, 26), (-0.8, 4.5, 0.5), out=2.6),
        Pull((50, 20), (14, 18), (-2.0, 0, 0.5), out=0.8),
        Pull((33, 9), (20, 9), out=1.2),
        Pull((40, 38), (20, 12), (0, -1.2, 0)),
    ),
    # orbicularis oculi, palpebral: lids, below
    7: (Pull((33, 12), (18, 8), (-0.6, 0.5, 0), out=0.8),),
    # levator labii superioris alaeque nasi: wing of the nose 4 mm up (C), wrinkles beside the bridge, brow down
    9: (
        Pull((13, -14), (18, 26), (0.3, 4.2, -0.5)),
        Pull((9, 12), (12, 16), out=1.8),
        Pull((14, 38), (18, 16), (-1.0, -2.8, 0.4)),
        Pull((12, -36), (22, 14), (0.3, 3.0, 0.3), lip="upper"),
        Pull((24, -4), (20, 18), (-0.8, 2.5, 0), out=1.4),
    ),
    # levator labii superioris: middle of the upper lip's half 5 mm up (S), fold beside the nose pushed out (C)
    10: (
        Pull((11, -40), (25, 20), (0.6, 5.0, 0.6), lip="upper"),
        Pull((24, -18), (18, 20), (0.4, 2.2, 0), out=2.0),
        Pull((14, -16), (10, 12), (0.8, 1.5, 0)),
    ),
    # zygomaticus major: lip corner 10 mm up, out and back (S), cheek 4 mm out (S), fold deepens (C)
    12: (
        Pull((27, -45), (30, 28), (6.5, 6.5, -4.5)),
        Pull((40, -14), (25, 24), (1.0, 2.0, 0), out=3.6),
        Pull((35, -30), (10, 17), out=-1.8),
        Pull((9, -40), (24, 14), (0, 1.2, -2.0)),  # the stretched lips lie back against the teeth (C)
        Pull((9, -52), (24, 14), (0, 0.6, -1.8)),
    ),
    # buccinator: corner 4 mm in and 3 mm sideways, skin bulges around it (C)
    14: (
        Pull((28, -46), (19, 17), (1.5, 0.5, -3.0), out=-1.5),
        Pull((36, -46), (11, 17), out=2.0),
    ),
    # depressor anguli oris: corner 7 mm down (S), pouch below it (C)
    15: (
        Pull((27, -46), (24, 24), (1.5, -7.0, -1.0)),
        Pull((30, -62), (16, 13), out=1.6),
    ),
    # risorius and platysma: corner 7 mm sideways (S), lips flatten, chin skin stretched (C)
    20: (
        Pull((28, -47), (30, 22), (7.0, -1.5, -4.5)),
        Pull((10, -46), (24, 18), (0, 0, -2.0)),
        Pull((18, -68), (26, 16), (2.0, -1.0, 0)),
    ),
    43: (),
}

_MIDDLE: dict[int, tuple[Pull, ...]] = {
    # mentalis: chin boss 4 mm up and 2 mm out, lower lip 4 mm up and pushed out (S, C); the upper lip rides on it
    17: (
        Pull((0, -74), (26, 20), (0, 4.5, 0.5), out=1.5),
        Pull((0, -54), (24, 14), (0, 2.5, 1.8)),
        Pull((0, -42), (24, 12), (0, 1.5, 0.5)),
    ),
    # orbicularis oris, tightened: mouth 3 mm narrower on each side, red of the lips rolled in (C)
    23: (
        Pull((27, -45), (22, 18), (-3.0, 0, 0.8)),
        Pull((0, -40), (24, 8), (0, -1.0, -1.5), lip="upper"),
        Pull((0, -51), (24, 8), (0, 1.0, -1.5), lip="lower"),
        Pull((0, -34), (26, 8), out=0.9),
        Pull((0, -59), (24, 8), out=0.9),
    ),
    # orbicularis oris, pressed: red of the lips 3 mm thinner, skin above and below bulges (C)
    24: (
        Pull((0, -41), (25, 9), (0, -1.6, -2.4), lip="upper"),
        Pull((0, -50), (25, 9), (0, 1.6, -2.6), lip="lower"),
        Pull((0, -33), (28, 9), (0, -0.8, 0), out=1.2),
        Pull((0, -60), (26, 9), (0, 0.8, 0), out=1.2),
    ),
    # depressor labii: 5 mm between the lips without the jaw (C)
    25: (
        Pull((0, -44), (26, 14), (0, 1.6, 0.2), lip="upper"),
        Pull((0, -48), (26, 18), (0, -3.6, 0.2), lip="lower"),
    ),
    # the jaw turns; the upper lip is drawn down a little and the corners inwards (C)
    26: (
        Pull((27, -46), (22, 20), (-1.5, 0, 0.3)),
        Pull((0, -40), (26, 14), (0, -0.8, 0), lip="upper"),
    ),
    27: (
        Pull((27, -46), (26, 26), (-3.5, 0, 0.6)),
        Pull((0, -40), (32, 18), (0, 0.5, -0.5), lip="upper"),
        Pull((46, -30), (26, 34), out=-2.5),
    ),
}

_LIDS: dict[int, tuple[float, float, float]] = {
    5: (2.5, -0.3, 0.0),  # upper lid 2.5 mm up: white shows above the iris (FACS)
    6: (0.0, 1.2, 0.0),
    7: (-0.7, 0.8, 0.0),
    1: (0.6, 0.0, 0.0),
    2: (0.6, 0.0, 0.0),
    9: (-0.4, 0.6, 0.0),
    43: (0.0, 0.0, 0.75),  # 8 mm (S); a narrow strip of eyeball keeps its facets
}

_JAW_RADIANS = {"AU26": np.radians(9.0), "AU27": np.radians(20.0)}  # 13 and 30 mm at the chin (J)
_JAW_POINT_MM = (0.0, -2.0, 12.0)  # the condyles lie about 12 mm in front of the tragi


def action_units(fields: HeadFields) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the units' names and (unit point xyz) displacements at full intensity, mm."""
    names: list[str] = []
    displacements: list[np.ndarray] = []
    for unit, pulls in sorted((_SIDED | _MIDDLE).items()):
        field = fields.slide(pulls)
        if unit in _SIDED:
            left = fields.one_side(field + _lids(fields, unit))
            names += [f"AU{unit}_L", f"AU{unit}_R"]
            displacements += [left, fields.mirrored(left)]
        else:
            left = fields.one_side(field)
            names.append(f"AU{unit}")
            displacements.append(left + fields.mirrored(left))
    return tuple(names), np.stack(displacements)


def _lids(fields: HeadFields, unit: int) -> np.ndarray:
    return fields.lid(*_LIDS[unit]) if unit in _LIDS else np.zeros_like(fields.points)


def jaw_hinge(fields: HeadFields) -> Hinge:
    """Return the jaw's joint, in metres.

    The chin, the lower teeth and the body of the mandible turn as one; the cheeks are blended by the angle under
    which the joint sees them, the lips by the side of the mouth they are on, the throat by height.
    """
    points = fields.points
    x = np.abs(points[:, 0])
    arm = points - np.array(_JAW_POINT_MM)
    elevation_deg = np.degrees(np.arctan2(arm[:, 1], np.maximum(arm[:, 2], 1.0)))
    cheek = smooth_step(-elevation_deg, 16.0, 40.0)
    # towards the corners the lips share the rotation, so that the open mouth is round
    towards_corner = np.minimum(x / MOUTH_HALF_WIDTH_MM, 1.0) ** 4
    from_seam = np.maximum(1.0 - np.abs(points[:, 1] - seam_height(x)) / 16.0, 0.0)
    shared = 0.5 * towards_corner * from_seam
    mouth = fields.below_lips * (1.0 - shared) + (1.0 - fields.below_lips) * shared
    weights = mouth + (cheek - mouth) * smooth_step(x, 20.0, 44.0)
    weights = weights * smooth_step(points[:, 1], -122.0, -90.0) * smooth_step(points[:, 2], -25.0, 45.0)
    return Hinge(1e-3 * np.array(_JAW_POINT_MM), np.array([1.0, 0.0, 0.0]), weights, dict(_JAW_RADIANS))

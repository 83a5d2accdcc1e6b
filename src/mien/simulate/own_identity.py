"""Identity of the own face: how heads differ, one standard deviation at a time.

Millimetres throughout this file. Standard deviations marked F are of the order of size given by anthropometry such as
Farkas, Anthropometry of the Head and Face (1994), for adults of both sexes; no value was looked up. The others are
chosen. A distance across the face of standard deviation s moves each side by s / 2, or slightly less where other modes
widen the same distance.
"""

import numpy as np

from mien.simulate.own_fields import HeadFields, Pull, smooth_step

_SYMMETRIC: dict[str, tuple[Pull, ...]] = {
    "brow ridge": (Pull((22, 40), (30, 14), out=2.0),),
    "brow height": (Pull((28, 40), (32, 18), (0, 2.0, 0)),),
    "eye spacing": (Pull((32, 22), (26, 26), (1.5, 0, 0)),),  # F: ex-ex 4
    "eye depth": (Pull((31, 21), (24, 20), (0, 0, -2.0)),),
    "eye opening": (Pull((32, 28), (18, 9), (0, 0.6, 0)), Pull((32, 16), (18, 9), (0, -0.5, 0))),  # F: 1.2
    "eye tilt": (Pull((45, 22), (14, 14), (0, 1.2, 0)), Pull((18, 21), (10, 12), (0, -0.8, 0))),
    "nose length": (Pull((0, -16), (34, 30), (0, -3.3, 0)),),  # F: n-sn 3.4
    "nose width": (Pull((14, -15), (13, 16), (1.4, 0, 0)),),  # F: al-al 2.5
    "nose protrusion": (Pull((0, -12), (17, 34), (0, 0, 1.9)),),  # F: sn-prn 1.9
    "nose tip angle": (Pull((0, -10), (13, 14), (0, 2.2, 0.4)),),
    "nose tip fullness": (Pull((5, -12), (10, 10), out=0.9),),
    "nose bridge height": (Pull((0, 16), (13, 24), (0, 0, 1.8)),),
    "nose bridge width": (Pull((9, 14), (10, 24), out=0.9),),
    "nose hump": (Pull((0, 6), (9, 13), (0, 0, 1.2)),),
    "nose root depth": (Pull((0, 29), (16, 12), (0, 0, -1.5)),),
    "cheekbone width": (Pull((66, 4), (34, 34), (2.6, 0, 0)),),  # F: zy-zy 5
    "cheekbone prominence": (Pull((44, 0), (24, 22), out=2.0),),
    "cheek fullness": (Pull((46, -32), (30, 30), out=2.6),),
    "midface depth": (Pull((0, -22), (46, 40), (0, 0, 2.4)),),
    "mouth width": (Pull((26, -45), (24, 18), (1.6, 0, 0)),),  # F: ch-ch 3.4
    "mouth height": (Pull((0, -45), (40, 24), (0, 1.8, 0)),),
    "upper lip thickness": (Pull((0, -39), (26, 8), (0, 0.6, 0.9), lip="upper"),),
    "lower lip thickness": (Pull((0, -52), (26, 9), (0, -0.6, 1.0), lip="lower"),),
    "philtrum depth": (Pull((0, -30), (5, 9), out=-0.6), Pull((6, -30), (5, 9), out=0.4)),
    "lip protrusion": (Pull((0, -45), (34, 22), (0, 0, 1.8)),),
    "mentolabial fold": (Pull((0, -62), (24, 9), out=-1.1),),
    "chin protrusion": (Pull((0, -76), (34, 28), (0, 0, 3.0)),),
    "chin height": (Pull((0, -84), (50, 34), (0, -3.0, 0)),),  # F: sto-gn 3.3
    "chin width": (Pull((18, -76), (24, 22), (2.2, 0, 0), out=0.6),),
    "chin cleft": (Pull((0, -74), (6, 14), out=-0.6), Pull((9, -74), (9, 14), out=0.6)),
    "jaw width": (Pull((52, -52), (30, 36), (2.9, 0, 0)),),  # F: go-go 5.8
    "jaw angle": (Pull((48, -60), (28, 24), (0, -3.5, 0)),),
    "temple fullness": (Pull((66, 36), (26, 28), out=1.6),),
    "fold beside the nose": (Pull((27, -30), (7, 17), out=-0.8), Pull((35, -26), (9, 18), out=0.6)),
    "pouch under the eye": (Pull((30, 9), (17, 7), out=0.9),),
    "throat": (Pull((0, -98), (40, 22), (0, -2.5, 1.5)),),
}

_ASYMMETRIC: dict[str, tuple[Pull, ...]] = {  # chosen: about a millimetre to one side
    "nose to one side": (Pull((0, -10), (22, 34), (1.2, 0, 0)),),
    "chin to one side": (Pull((0, -74), (44, 36), (1.3, 0, 0)),),
    "mouth tilted": (Pull((24, -45), (26, 20), (0, 0.8, 0)),),
    "eye higher": (Pull((32, 22), (26, 24), (0, 0.7, 0)),),
    "cheek fuller": (Pull((44, -14), (30, 38), out=1.0),),
    "brow higher": (Pull((28, 40), (30, 18), (0, 0.9, 0)),),
    "jaw wider": (Pull((50, -54), (32, 36), (1.2, 0, 0)),),
}

_N_SMOOTH = 10
_SMOOTH_MM = 0.45  # each, so that together they are worth 1.4 mm: chosen, what measured proportions leave unexplained


def identity_modes(fields: HeadFields) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the modes' names and (mode point xyz) displacements by one standard deviation, mm."""
    modes = _proportions(fields)
    for name, pulls in _SYMMETRIC.items():
        left = fields.one_side(_sum(fields, pulls))
        modes[name] = left + fields.mirrored(left)
    for name, pulls in _ASYMMETRIC.items():
        if pulls[0].at[0] == 0:
            modes[name] = _sum(fields, pulls)
        else:
            left = fields.one_side(_sum(fields, pulls))
            modes[name] = left - fields.mirrored(left)
    for k in range(_N_SMOOTH):
        modes[f"smooth {k + 1}"] = _smooth_mode(fields, k)
    return tuple(modes), np.stack(list(modes.values()))


def _sum(fields: HeadFields, pulls: tuple[Pull, ...]) -> np.ndarray:
    return np.sum([fields.pull(pull) for pull in pulls], axis=0)


def _proportions(fields: HeadFields) -> dict[str, np.ndarray]:
    """Return the modes that stretch the whole head."""
    x, y, z = fields.points.T
    zero = np.zeros_like(x)
    lower_face = np.clip((y - 30.0) / 115.0, -1.2, 0.0)
    forehead = smooth_step(y, 42.0, 120.0)
    neck = smooth_step(-y, 84.0, 116.0)
    return {
        "size": 0.02 * fields.points,  # chosen: 2 % in every direction
        "head width": np.stack([2.6 * np.clip(x / 72.0, -1, 1), zero, zero], axis=1),  # F: eu-eu 5.5
        "head length": np.stack([zero, zero, 4.0 * z / 100.0], axis=1),  # F: g-op 7, of which 4 in front of the ears
        "face height": np.stack([zero, 5.5 * lower_face, zero], axis=1),  # F: n-gn 6
        "forehead height": np.stack([zero, 5.0 * forehead, zero], axis=1),  # F: tr-n 6
        "forehead slope": np.stack([zero, zero, -4.5 * forehead], axis=1),
        "neck girth": np.stack([4.0 * neck * x / 55.0, zero, 4.0 * neck * np.clip(z / 50.0, 0, 1)], axis=1),
    }


def _smooth_mode(fields: HeadFields, k: int) -> np.ndarray:
    """Return a random relief away from the head's axis: six plane waves of 60 to 150 mm, the same on both sides.

    Each has its own fixed seed, so that modes do not depend on the mesh nor on each other.
    """
    rng = np.random.default_rng((20240, k))
    points = fields.points.copy()
    points[:, 0] = np.sqrt(points[:, 0] ** 2 + 100.0)
    relief = np.zeros(len(points))
    for _ in range(6):
        direction = rng.normal(size=3)
        wave = 2 * np.pi / rng.uniform(60.0, 150.0) * direction / np.linalg.norm(direction)
        relief += np.cos(points @ wave + rng.uniform(0, 2 * np.pi))
    outwards = fields.points * (1.0, 0.0, 1.0) + (0.0, 0.0, 20.0)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    return (_SMOOTH_MM / np.sqrt(3.0)) * relief[:, None] * outwards

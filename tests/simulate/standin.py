"""A face for tests that need one but do not care which: the front of an ellipsoid, with bumps for action units."""

import numpy as np

from mien.simulate.face import FaceModel
from mien.simulate.options import SimulationOptions
from mien.simulate.stage import Stage

HALF_AXES_M = np.array([0.070, 0.100, 0.090])
N_SIDE = 61
_MARKS = {
    "nose_tip": (0, 0), "subnasale": (0, -0.15), "chin": (0, -0.75), "lip_upper": (0, -0.3), "lip_lower": (0, -0.45),
    "mouth_left": (0.35, -0.4), "mouth_right": (-0.35, -0.4), "eye_left": (0.45, 0.3), "eye_right": (-0.45, 0.3),
    "brow_left": (0.45, 0.5), "brow_right": (-0.45, 0.5), "forehead": (0, 0.7),
    "ear_left": (1, 0), "ear_right": (-1, 0),
}  # fmt: skip
_UNITS = {1: (0.2, 0.5), 2: (0.5, 0.5), 4: (0.2, 0.45), 5: (0.4, 0.35), 6: (0.5, 0), 7: (0.4, 0.25), 9: (0.15, 0),
          10: (0.2, -0.25), 12: (0.4, -0.35), 15: (0.4, -0.5), 17: (0.1, -0.75), 20: (0.5, -0.4), 23: (0.2, -0.4),
          43: (0.4, 0.3)}  # fmt: skip


def ball_face() -> FaceModel:
    u, v = np.meshgrid(np.linspace(-1, 1, N_SIDE), np.linspace(-1, 1, N_SIDE))
    # Square to disc, so that the grid covers the front evenly.
    x, y = u * np.sqrt(1 - v**2 / 2), v * np.sqrt(1 - u**2 / 2)
    radius = np.hypot(x, y)
    polar = radius * np.pi / 2
    ratio = np.sin(polar) / np.maximum(radius, 1e-12)
    unit = np.stack([x * ratio, y * ratio, np.cos(polar)], axis=-1).reshape(-1, 3)
    points = unit * HALF_AXES_M
    corner = (np.arange(N_SIDE - 1)[:, None] * N_SIDE + np.arange(N_SIDE - 1)).ravel()
    triangles = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + N_SIDE + 1], axis=1),
            np.stack([corner, corner + N_SIDE + 1, corner + N_SIDE], axis=1),
        ]
    ).astype(np.int32)
    radius = np.hypot(unit[triangles].mean(axis=1)[:, 0], unit[triangles].mean(axis=1)[:, 1])
    names, fields = [], []
    for number, (a, b) in _UNITS.items():
        for side, sign in (("L", 1), ("R", -1)):
            bump = np.exp(-((unit[:, 0] - sign * a) ** 2 + (unit[:, 1] - b) ** 2) / 0.03)
            names.append(f"AU{number}_{side}")
            fields.append(0.004 * bump[:, None] * np.array([0.3 * sign, 0.5, 0.8]))
    names.append("AU26")
    fields.append(
        0.01 * np.exp(-(unit[:, 0] ** 2 + (unit[:, 1] + 0.7) ** 2) / 0.05)[:, None] * np.array([0, -1.0, -0.2])
    )
    hair = unit[triangles].mean(axis=1)[:, 1] > 0.8
    return FaceModel(
        name="ball",
        neutral=points,
        identity_modes=np.stack([0.03 * points, points * [0.03, 0, 0], points * [0, 0.03, 0]]),
        unit_names=tuple(names),
        unit_fields=np.stack(fields),
        triangles=triangles,
        landmarks={n: int(np.argmin((unit[:, 0] - a) ** 2 + (unit[:, 1] - b) ** 2)) for n, (a, b) in _MARKS.items()},
        part=hair.astype(np.int8),
        part_names=("skin", "hair"),
        reflectivity=np.where(hair, 0.35, 1.0) * np.clip((0.97 - radius) / 0.2, 0, 1),
        jaw=None,
    )


def ball_stage(**options) -> Stage:
    return Stage(SimulationOptions(**options), ball_face())

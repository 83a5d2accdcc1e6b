"""Faces beyond a face model's own family: random smooth relief, and action units that act a little differently.

A recogniser trained on one face model learns how that model's skin moves. What varies here varies between models too,
so that training on it leans less on any of them; how much between real faces is not known.
"""

from dataclasses import replace

import numpy as np

from mien.simulate.face import FaceModel

_N_WAVES = 16
_WAVELENGTHS_M = (0.05, 0.15)  # chosen: from half a cheek to a face


def vary_face(
    face: FaceModel, rng: np.random.Generator, *, shape_noise_m: float = 0.0, field_noise: float = 0.0
) -> FaceModel:
    """Return a face model whose neutral face and action units are another's, varied.

    With g smooth random functions of the place x on the face, of variance 1 and independent of each other, each
    point's neutral position gains ``shape_noise_m g(x) / sqrt(3)`` along each axis, and each unit's displacement D
    becomes ``D + field_noise G(x) D``, G being a 3 x 3 matrix of ``g / sqrt(3)``. The jaw keeps its hinge.

    Args:
        shape_noise_m: root mean square of what the neutral face gains.
        field_noise: root mean square of what an action unit gains, as a share of its displacement.
    """
    waves = _waves(face.neutral, rng)
    shift = waves @ rng.standard_normal((_N_WAVES, 3)) / np.sqrt(3)
    n_units = len(face.unit_names)
    turns = rng.standard_normal((n_units, _N_WAVES, 9)) / np.sqrt(3)
    fields = np.empty_like(face.unit_fields)
    for unit, (field, weights) in enumerate(zip(face.unit_fields, turns, strict=True)):
        moving = np.flatnonzero(field.any(axis=1))
        matrices = (waves[moving] @ weights).reshape(-1, 3, 3)
        fields[unit] = field
        fields[unit, moving] += field_noise * np.einsum("pij,pj->pi", matrices, field[moving])
    return replace(face, neutral=face.neutral + shape_noise_m * shift, unit_fields=fields)


def _waves(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (point wave) plane waves; their sum with standard normal weights has variance 1."""
    directions = rng.standard_normal((_N_WAVES, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    numbers = 2 * np.pi / rng.uniform(*_WAVELENGTHS_M, _N_WAVES)
    phases = rng.uniform(0.0, 2 * np.pi, _N_WAVES)
    return np.sqrt(2 / _N_WAVES) * np.cos(points @ (directions * numbers[:, None]).T + phases)

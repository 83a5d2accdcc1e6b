"""Faces beyond a face model's own family: random smooth relief, and action units that act a little differently.

A recogniser trained on one face model learns how that model's skin moves. What varies here varies between models too,
so that training on it leans less on any of them; how much between real faces is not known.

How large an action unit is, nobody knows within a factor of two: the fields of ICT-FaceKit's scanned faces are 1.1 to
2.3 times as large as those of the two faces that ship, which agree with each other (AU9 10.3 mm against 4.9 and 4.8,
AU17 11.3 against 4.7 and 5.6, AU12 15.8 against 10.3 and 11.2, AU10 8.8 against 5.0 and 5.4). `vary_units` draws it.
"""

from dataclasses import replace

import numpy as np

from mien.simulate.face import FaceModel
from mien.simulate.people import EYES_CLOSED

_N_WAVES = 16
_WAVELENGTHS_M = (0.05, 0.15)  # chosen: from half a cheek to a face


AMPLITUDE = (0.7, 2.2)
"""Between which each subject's action units are larger than the face model's, uniform in the logarithm."""

REACH = (0.7, 1.4)
"""Between which the exponent of a unit's reach over the skin lies, uniform in the logarithm."""


def vary_units(face: FaceModel, rng: np.random.Generator) -> FaceModel:
    """Return a face model whose action units are as large as, and reach as far as, one subject's.

    With m(x) = |D(x)| / max |D|, a unit's displacement D becomes ``a m(x)^(r - 1) D(x)``: a in `AMPLITUDE` scales it,
    r in `REACH` below 1 lets it reach farther over the skin and above 1 less far; its peak stays where it is. Both
    sides of a unit are alike (asymmetry is the person's, `people.ASYMMETRY`); the jaw's angle is scaled by a.
    """
    bare = [name.removesuffix("_L").removesuffix("_R") for name in face.unit_names]
    units = list(dict.fromkeys(bare))
    low, high = np.log(np.array([AMPLITUDE, REACH])).T
    drawn = {unit: np.exp(rng.uniform(low, high)) for unit in units}
    fields = face.unit_fields.copy()
    for number, unit in enumerate(bare):
        if unit == EYES_CLOSED:
            continue
        amplitude, reach = drawn[unit]
        size = np.linalg.norm(fields[number], axis=1)
        moving = size > 0
        if moving.any():
            fields[number, moving] *= (amplitude * (size[moving] / size.max()) ** (reach - 1))[:, None]
    jaw = face.jaw
    if jaw is not None:
        angles = {name: angle * drawn[name][0] for name, angle in jaw.radians_per_unit.items()}
        jaw = replace(jaw, radians_per_unit=angles)
    return replace(face, unit_fields=fields, jaw=jaw)


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

"""The average head as the zero of one smooth function: solids blended into each other, then relief.

Millimetres throughout this file: x to the person's left, y up, z forward. The origin is the midpoint between the
tragi (ear canals) and y = 0 is the Frankfort plane, through the tragi and the lower rims of the orbits.

The solids below were placed to meet distances between landmarks of the order of size given by anthropometry such as
Farkas, Anthropometry of the Head and Face (1994), men and women averaged; no value was looked up.
`tests/simulate/test_own_face.py` measures them.

References:
    Bourke and Blinn's blended implicit surfaces; Quilez, "Smooth minimum" for the polynomial blend.
"""

from collections.abc import Sequence

import numpy as np

EYE_CENTRE_MM = (32.0, 22.0, 73.0)  # adults' pupils are about 64 mm apart
EYE_RADIUS_MM = 12.0  # the adult eyeball is 24 mm across
SEAM_Y_MM = -45.0  # stomion, where the lips meet
MOUTH_HALF_WIDTH_MM = 26.0  # ch-ch 50 to 54 mm


def seam_height(x: np.ndarray) -> np.ndarray:
    """Return the height of the line where the lips meet, over the distance from the midline."""
    across = np.abs(x) / MOUTH_HALF_WIDTH_MM
    return SEAM_Y_MM + 0.8 * np.cos(2.2 * np.pi * np.minimum(across, 1.0)) * (1.0 - 0.5 * across) - 0.8


def head_distance(points: np.ndarray) -> np.ndarray:
    """Return (point) roughly the distance outside the skin, negative inside.

    Args:
        points: (point xyz) millimetres.
    """
    x = np.sqrt(points[:, 0] ** 2 + 2.0**2)  # one side stands for both; rounded so that none creases the midline
    p = np.stack([x, points[:, 1], points[:, 2]], axis=1)
    distance = _skull_and_jaw(p)
    distance = _orbits(p, distance)
    distance = _nose(p, distance)
    distance = distance - _relief(points, x) - _lips(points)
    return _eyes(p, distance)


def _skull_and_jaw(p: np.ndarray) -> np.ndarray:
    distance = _ellipsoid(p, (0, 46, 2), (75, 88, 98))
    distance = _union(distance, _ellipsoid(p, (0, -14, 40), (58, 62, 55)), 22)
    distance = _union(distance, _cone(p, (40, 1, 66), 16, (54, 5, 28), 12), 14)  # cheekbone and arch
    distance = _union(distance, _cone(p, (13, -71, 78), 14, (39, -54, 24), 11), 16)  # body of the mandible
    distance = _union(distance, _cone(p, (39, -54, 24), 11, (54, -5, 6), 13), 16)  # its ramus
    distance = _union(distance, _ellipsoid(p, (34, -30, 42), (23, 36, 38)), 14)  # muscles and fat of the cheek
    distance = _union(distance, _ellipsoid(p, (0, -42, 68), (37, 34, 34)), 16)  # teeth and gums behind the lips
    distance = _union(distance, _ellipsoid(p, (0, -72, 85), (21, 15, 16)), 12)  # chin
    distance = _union(distance, _ellipsoid(p, (0, -2, 6), (66, 52, 62)), 18)  # chewing muscles before the ears
    return _union(distance, _cone(p, (0, -70, -3), 47, (0, -240, -66), 56), 18)  # neck


def _orbits(p: np.ndarray, distance: np.ndarray) -> np.ndarray:
    hollow = _ellipsoid(p, (30.0, 19.0, 99.0), (19, 13, 20))
    return _cut(distance, hollow, 12)


def _eyes(p: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Lids are a shell over the eyeball, with an almond-shaped opening and a crease above it."""
    centre = np.array(EYE_CENTRE_MM)
    arm = p - centre
    opening = lid_opening(p)
    lid = 2.2 * _step(opening, -0.12, 0.28)
    shell = np.linalg.norm(arm, axis=1) - (EYE_RADIUS_MM + lid)
    return _union(distance, shell, 4.0)


def lid_opening(points: np.ndarray) -> np.ndarray:
    """Return (point) below 0 in the opening between the lids, above 0 on them; 0 on the margin.

    The opening is 30 mm long and 10.5 mm high, about an adult's.
    """
    across = (np.abs(points[:, 0]) - EYE_CENTRE_MM[0] + 0.6) / 15.0
    up = points[:, 1] - EYE_CENTRE_MM[1] - 1.0 * across
    height = np.where(up > 0, 5.8, 4.7) * np.maximum(1.0 - across**2, 0.02) ** 0.8
    return np.maximum(np.abs(up) / height - 1.0, np.abs(across) * 1.25 - 1.15)


def _nose(p: np.ndarray, distance: np.ndarray) -> np.ndarray:
    bridge = _cone(p, (0, 27, 88), 7.5, (0, -9, 109.3), 8.0)
    wall = _cone(p, (0, 8, 86), 10.0, (0, -12, 97), 14.0)
    bridge = _union(bridge, wall, 8)
    tip = _ellipsoid(p, (0, -11.5, 112), (9.5, 8.5, 10.2))
    ala = _ellipsoid(p, (11.2, -15.5, 103), (6.2, 6.8, 9.5))
    columella = _cone(p, (0, -15.5, 113), 4.5, (0, -20, 103), 4.8)
    nose = _union(_union(_union(bridge, tip, 7), ala, 3.5), columella, 4)
    nostril = _ellipsoid(p, (6.5, -21.5, 107.5), (3.0, 4.0, 5.5))
    return _cut(_union(distance, nose, 7), nostril, 2.5)


def _relief(points: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return (point) skin raised over the solids, mm."""
    y, z = points[:, 1], points[:, 2]
    front = _step(z, 40.0, 70.0)
    brow = 3.2 * np.exp(-(((y - 40.5 - 2.0 * np.sin((x - 10) / 12)) / 6.0) ** 2) - ((x - 24) / 17.0) ** 4)
    glabella = 1.2 * _hill(points[:, 0], 12, y - 42, 8)
    temple = -3.0 * _hill(x - 68, 16, y - 32, 20) * _step(z, 20.0, 50.0)
    malar = 2.0 * _hill(x - 44, 12, y + 1, 10)
    hollow_cheek = -2.5 * _hill(x - 44, 12, y + 34, 14)
    apple = 2.0 * _hill(x - 34, 11, y + 14, 12)
    tear_trough = -1.2 * np.exp(-(((y - 6 + 0.3 * (x - 20)) / 4.0) ** 2) - ((x - 22) / 8.0) ** 2)
    along = np.clip((-y - 16) / 28.0, 0.0, 1.3)
    fold_x = 20.0 + 14.0 * along
    fold = np.exp(-(((y + 30) / 14.0) ** 4))
    nasolabial = fold * (-1.1 * np.exp(-(((x - fold_x) / 3.4) ** 2)) + 1.2 * np.exp(-(((x - fold_x - 6) / 5.0) ** 2)))
    philtrum = np.exp(-(((y + 30) / 6.5) ** 4)) * (
        0.9 * np.exp(-(((x - 5.0) / 2.2) ** 2)) - 1.0 * np.exp(-((points[:, 0] / 2.6) ** 2))
    )
    mentolabial = -3.6 * np.exp(-((points[:, 0] / 20.0) ** 4) - ((y + 62.0) / 4.5) ** 2)
    return (
        front * (brow + glabella + malar + hollow_cheek + apple + tear_trough + nasolabial + philtrum + mentolabial)
        + temple
    )


def _lips(points: np.ndarray) -> np.ndarray:
    x, y = points[:, 0], points[:, 1]
    above = y - seam_height(x)
    taper = np.sqrt(np.maximum(1.0 - (x / 27.0) ** 2, 0.0))
    bow = 1.0 - 0.18 * np.exp(-((x / 4.0) ** 2))
    upper = 3.4 * taper * np.exp(-(((above - 3.8 * taper * bow) / (3.4 * taper + 0.6)) ** 2))
    lower = 4.4 * taper**1.3 * np.exp(-(((above + 4.6 * taper) / (4.2 * taper + 0.8)) ** 2))
    seam = -2.6 * taper**0.5 * np.exp(-((above / 1.5) ** 2))
    corner = -2.0 * _hill(np.abs(x) - 27.5, 4.0, above + 0.5, 4.0)
    return (upper + lower + seam + corner) * _step(points[:, 2], 50.0, 70.0)


def _ellipsoid(p: np.ndarray, centre: Sequence[float], radii: Sequence[float]) -> np.ndarray:
    arm = (p - np.asarray(centre)) / np.asarray(radii)
    reach = np.sqrt(np.einsum("ij,ij->i", arm, arm)) + 1e-12
    slope = arm / np.asarray(radii)
    return reach * (reach - 1.0) / (np.sqrt(np.einsum("ij,ij->i", slope, slope)) + 1e-12)


def _cone(
    p: np.ndarray, start: Sequence[float], start_radius: float, end: Sequence[float], end_radius: float
) -> np.ndarray:
    """Distance to a rod with round ends whose radius changes along it."""
    axis = np.asarray(end, dtype=float) - np.asarray(start)
    arm = p - np.asarray(start)
    along = np.clip(arm @ axis / (axis @ axis), 0.0, 1.0)
    return np.linalg.norm(arm - along[:, None] * axis, axis=1) - (start_radius + along * (end_radius - start_radius))


def _union(first: np.ndarray, second: np.ndarray, blend_mm: float) -> np.ndarray:
    overlap = np.maximum(blend_mm - np.abs(first - second), 0.0) / blend_mm
    return np.minimum(first, second) - overlap**3 * blend_mm / 6.0


def _cut(solid: np.ndarray, hollow: np.ndarray, blend_mm: float) -> np.ndarray:
    return -_union(-solid, hollow, blend_mm)


def _hill(x: np.ndarray, width: float, y: np.ndarray, height: float) -> np.ndarray:
    return np.exp(-((x / width) ** 2) - (y / height) ** 2)


def _step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def surface_normals(points: np.ndarray, step_mm: float = 0.3) -> np.ndarray:
    """Return (point xyz) unit outward normals of the head at points on or near its skin."""
    gradient = np.stack(
        [head_distance(points + shift) - head_distance(points - shift) for shift in step_mm * np.eye(3)], axis=1
    )
    return gradient / np.linalg.norm(gradient, axis=1, keepdims=True)


def fall_onto_head(points: np.ndarray, n_steps: int = 2) -> np.ndarray:
    """Return the points of the head's surface below or above points near it, by Newton's method."""
    for _ in range(n_steps):
        distance = head_distance(points)
        step_mm = 0.1
        gradient = np.stack(
            [(head_distance(points + shift) - distance) / step_mm for shift in step_mm * np.eye(3)], axis=1
        )
        points = points - (distance / np.einsum("ij,ij->i", gradient, gradient))[:, None] * gradient
    return points

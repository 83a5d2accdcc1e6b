"""Surfaces and measures that the laws of scattering are tested on."""

from itertools import product

import numpy as np

from mien.simulate.scatter import channel_frequencies

FREQUENCIES_HZ = channel_frequencies((19_000, 23_000))
SPEED_M_S = 343.0
APART = np.array([0.005, 0.0, 0.0])


def device(distance_m: float, x: float = 0.0, y: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return source and receiver 1 cm apart at z = distance."""
    middle = np.array([x, y, distance_m])
    return middle - APART, middle + APART


def error_db(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the energy of the complex difference against the expected energy."""
    return float(10 * np.log10(np.sum(np.abs(found - expected) ** 2) / np.sum(np.abs(expected) ** 2) + 1e-30))


def level_db(found: np.ndarray, expected: np.ndarray) -> float:
    """Return found against expected energy."""
    return float(10 * np.log10(np.sum(np.abs(found) ** 2) / np.sum(np.abs(expected) ** 2)))


def plate(width_m: float, edge_m: float, height_m: float = 0.0, x: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return a square of triangles in the plane z = height, facing +z."""
    n = round(width_m / edge_m)
    along = np.linspace(-width_m / 2, width_m / 2, n + 1)
    points = np.array([(column + x, row, height_m) for row, column in product(along, along)])
    corner = np.array([row * (n + 1) + column for row, column in product(range(n), range(n))])
    lower = np.stack([corner, corner + 1, corner + n + 2], axis=1)
    upper = np.stack([corner, corner + n + 2, corner + n + 1], axis=1)
    return points, np.concatenate([lower, upper])


def sphere(radius_m: float, n_per_edge: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a geodesic sphere about the origin: each face of an icosahedron cut into n x n triangles."""
    golden = (1 + 5**0.5) / 2
    corners = np.array([(0, a, b * golden) for a, b in product((-1, 1), (-1, 1))])
    corners = np.concatenate([corners, np.roll(corners, 1, axis=1), np.roll(corners, 2, axis=1)])
    apart = np.linalg.norm(corners[:, None] - corners, axis=-1)
    faces = [
        (i, j, k) if np.linalg.det(corners[[i, j, k]]) > 0 else (i, k, j)
        for i, j, k in product(range(12), repeat=3)
        if i < j < k and max(apart[i, j], apart[j, k], apart[k, i]) < 2.1
    ]
    grid = [(a, b) for a in range(n_per_edge + 1) for b in range(n_per_edge + 1 - a)]
    place = {ab: i for i, ab in enumerate(grid)}
    steps = np.array(grid) / n_per_edge
    down = [(place[a, b], place[a + 1, b], place[a, b + 1]) for a, b in grid if a + b < n_per_edge]
    up = [(place[a + 1, b], place[a + 1, b + 1], place[a, b + 1]) for a, b in grid if a + b < n_per_edge - 1]
    points, triangles = [], []
    for n, (i, j, k) in enumerate(faces):
        rise, run = corners[j] - corners[i], corners[k] - corners[i]
        points.append(corners[i] + steps[:, :1] * rise + steps[:, 1:] * run)
        triangles.append(np.array(down + up) + n * len(grid))
    together = np.concatenate(points)
    together *= radius_m / np.linalg.norm(together, axis=1, keepdims=True)
    # points on the icosahedron's edges belong to two faces: one number each, so that normals are shared
    _, first, number = np.unique(np.round(together / radius_m, 7), axis=0, return_index=True, return_inverse=True)
    return together[first], number.reshape(-1)[np.concatenate(triangles)]


def longest_edge_m(points: np.ndarray, triangles: np.ndarray) -> float:
    corners = points[triangles]
    return float(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1).max())


def joined(*surfaces: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return several surfaces as one."""
    offsets = np.cumsum([0] + [len(points) for points, _ in surfaces])
    triangles = [triangles + offset for (_, triangles), offset in zip(surfaces, offsets, strict=False)]
    return np.concatenate([points for points, _ in surfaces]), np.concatenate(triangles)

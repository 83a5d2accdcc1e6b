"""Refining a mesh for sound: edges that are too long are halved, on the curved surface, until none is."""

from dataclasses import dataclass

import numpy as np

_MOST_ROUNDS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """A refined mesh.

    Args:
        points: (point xyz); the first are those of the mesh before.
        triangles: (facet 3).
        parents: for each round (new point 2), the points between which each new one lies.
        origins: (facet) the facet of the mesh before in which each lies.
    """

    points: np.ndarray
    triangles: np.ndarray
    parents: tuple[np.ndarray, ...]
    origins: np.ndarray

    def spread(self, field: np.ndarray) -> np.ndarray:
        """Return (point ...) a field of the mesh before on the refined mesh: new points take their parents' mean."""
        for pairs in self.parents:
            field = np.concatenate([field, field[pairs].mean(axis=1)])
        return field


def halve_long_edges(points: np.ndarray, triangles: np.ndarray, longest: float) -> Refined:
    """Halve all edges longer than `longest` until there are none; neighbours stay joined.

    New points lie on the cubic that leaves both ends of their edge at right angles to the surface's normals there,
    so that a coarse mesh of a round surface becomes a fine one of a round surface.

    Args:
        points: (point xyz).
        triangles: (facet 3), counter-clockwise seen from outside.

    Example:
        >>> square = np.array([[0.0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]])
        >>> halve_long_edges(square, np.array([[0, 1, 2], [0, 2, 3]]), 2.5).triangles.tolist()
        [[4, 1, 2], [4, 3, 0], [4, 0, 1], [4, 2, 3]]

    References:
        Vlachos et al., Curved PN triangles, I3D 2001, for the cubic.
    """
    parents, origins = [], np.arange(len(triangles))
    for _ in range(_MOST_ROUNDS):
        corners = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=2)  # (facet edge end)
        edges, edge_of = np.unique(np.sort(corners.reshape(-1, 2), axis=1), axis=0, return_inverse=True)
        long = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) > longest
        if not long.any():
            break
        middle = np.full(len(edges), -1)
        middle[long] = len(points) + np.arange(long.sum())
        points = np.concatenate([points, _between(points, _normals(points, triangles), edges[long])])
        triangles, sources = _split(triangles, middle[edge_of.reshape(triangles.shape)], points)
        origins = origins[sources]
        parents.append(edges[long])
    return Refined(points, triangles, tuple(parents), origins)


def _between(points: np.ndarray, normals: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return (edge xyz) the middle of each edge, on the curved surface."""
    first, second = points[edges[:, 0]], points[edges[:, 1]]
    middle = (first + second) / 2
    for end, other, normal in ((first, second, normals[edges[:, 0]]), (second, first, normals[edges[:, 1]])):
        middle -= np.einsum("ij,ij->i", other - end, normal)[:, None] * normal / 8
    return middle


def _normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    corners = points[triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, triangles[:, k], across)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)


def _split(triangles: np.ndarray, middle: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (facet 3) and the facet from which each comes.

    Args:
        triangles: (facet 3).
        middle: (facet 3) the new point on the edge from each corner to the next, -1 for none.
    """
    n_halved = (middle >= 0).sum(axis=1)
    # Turn each facet so that the halved edges come first.
    first = np.where(n_halved == 1, np.argmax(middle >= 0, axis=1), (np.argmax(middle < 0, axis=1) + 1) % 3)
    order = (first[:, None] + np.arange(3)) % 3
    a, b, c = np.take_along_axis(triangles, order, axis=1).T
    ab, bc, ca = np.take_along_axis(middle, order, axis=1).T
    shorter = np.linalg.norm(points[a] - points[bc], axis=1) < np.linalg.norm(points[ab] - points[c], axis=1)
    pieces = (
        (n_halved == 0, (a, b, c)),
        (n_halved == 1, (ab, c, a)),
        (n_halved == 1, (ab, b, c)),
        (n_halved >= 2, (ab, b, bc)),
        ((n_halved == 2) & shorter, (a, ab, bc)),
        ((n_halved == 2) & shorter, (a, bc, c)),
        ((n_halved == 2) & ~shorter, (a, ab, c)),
        ((n_halved == 2) & ~shorter, (ab, bc, c)),
        (n_halved == 3, (a, ab, ca)),
        (n_halved == 3, (ca, bc, c)),
        (n_halved == 3, (ab, bc, ca)),
    )
    made = np.concatenate([np.stack(corners, axis=1)[chosen] for chosen, corners in pieces])
    return made, np.concatenate([np.flatnonzero(chosen) for chosen, _ in pieces])

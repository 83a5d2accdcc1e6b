"""Refining: no edge too long, nothing torn, flat stays flat and a sphere stays a sphere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.simulate.refine import halve_long_edges


def octahedron(n_rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a sphere of radius 1 from an octahedron whose facets are quartered."""
    points = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float)
    triangles = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    for _ in range(n_rounds):
        corners = points[triangles]
        shortest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).min()
        mesh = halve_long_edges(points, triangles, 0.9 * shortest)
        points = mesh.points / np.linalg.norm(mesh.points, axis=1, keepdims=True)
        triangles = mesh.triangles
    return points, triangles


def areas(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    corners = points[triangles]
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), longest=st.floats(0.15, 2.0))
def test_a_plane_is_covered_once_by_facets_that_are_small_enough(seed: int, longest: float) -> None:
    rng = np.random.default_rng(seed)
    side = np.linspace(0, 1, 4)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    inner = ((grid > 0) & (grid < 1)).all(axis=1)
    grid[inner] += rng.uniform(-0.1, 0.1, (inner.sum(), 2))
    points = np.column_stack([grid, 0.3 * grid[:, 0]])  # a slanting plane
    corner = (np.arange(3)[:, None] * 4 + np.arange(3)).ravel()
    triangles = np.concatenate(
        [np.stack([corner, corner + 1, corner + 5], 1), np.stack([corner, corner + 5, corner + 4], 1)]
    )
    mesh = halve_long_edges(points, triangles, longest)
    found = areas(mesh.points, mesh.triangles)
    assert (found[:, 2] > 0).all()
    assert found[:, 2].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(mesh.points[:, 2], 0.3 * mesh.points[:, 0], atol=1e-12)
    sides = mesh.points[mesh.triangles] - np.roll(mesh.points[mesh.triangles], 1, axis=1)
    assert np.linalg.norm(sides, axis=2).max() <= longest
    before = areas(points, triangles)[:, 2]
    np.testing.assert_allclose(np.bincount(mesh.origins, found[:, 2], len(before)), before)


def test_a_closed_surface_stays_closed() -> None:
    points, triangles = octahedron(1)
    points = points * (1.0, 2.0, 0.5)  # edges of all lengths: every way of splitting a facet comes up
    mesh = halve_long_edges(points, triangles, 0.5)
    edges = np.concatenate([mesh.triangles[:, [k, (k + 1) % 3]] for k in range(3)])
    assert len(np.unique(edges, axis=0)) == len(edges)  # each is run through once
    assert {tuple(edge) for edge in edges.tolist()} == {tuple(edge) for edge in edges[:, ::-1].tolist()}  # and back


def test_a_coarse_sphere_becomes_a_finer_one_not_a_finer_polyhedron() -> None:
    points, triangles = octahedron(2)
    mesh = halve_long_edges(points, triangles, 0.3)
    new = np.linalg.norm(mesh.points[len(points) :], axis=1)
    flat = np.linalg.norm(points[mesh.parents[0]].mean(axis=1), axis=1)
    assert 1.0 - flat.min() > 0.04 and np.abs(new - 1.0).max() < (1.0 - flat.min()) / 3


def test_a_linear_field_stays_linear_on_a_plane() -> None:
    points = np.array([[0.0, 0, 0], [3, 0, 0], [0, 3, 0]])
    mesh = halve_long_edges(points, np.array([[0, 1, 2]]), 0.4)
    slope = np.array([[1.0, 2], [0, -1], [4, 4]])
    np.testing.assert_allclose(mesh.spread(points @ slope), mesh.points @ slope, atol=1e-12)


def test_a_fine_mesh_is_left_alone() -> None:
    points, triangles = octahedron(1)
    mesh = halve_long_edges(points, triangles, 3.0)
    assert mesh.parents == () and mesh.points is points
    np.testing.assert_array_equal(mesh.triangles, triangles)

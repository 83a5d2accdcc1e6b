"""Scattering against solutions that owe nothing to it: partial waves, the image, quadrature."""

import numpy as np
import pytest
from scatter_shapes import FREQUENCIES_HZ, SPEED_M_S, device, error_db, level_db, longest_edge_m, plate, sphere
from scipy.special import eval_legendre, spherical_jn, spherical_yn

from mien.simulate.scatter import scatter_frames

WAVE_PER_M = 2 * np.pi * FREQUENCIES_HZ / SPEED_M_S


def outgoing(order: np.ndarray, argument: np.ndarray, derivative: bool = False) -> np.ndarray:
    """Return the spherical Hankel function of the second kind, outgoing for exp(+j w t)."""
    return spherical_jn(order, argument, derivative) - 1j * spherical_yn(order, argument, derivative)


def rigid_sphere(radius_m: float, source: np.ndarray, receiver: np.ndarray) -> np.ndarray:
    """Return (freq) what a rigid sphere about the origin scatters of ``exp(-jkr) / r``.

    The incident wave is -jk sum (2n + 1) j_n(k r) h_n(k r_s) P_n; the scattered one cancels its radial derivative on
    the sphere. Reference: Bowman, Senior and Uslenghi, "Electromagnetic and acoustic scattering by simple shapes"
    (1969), section 10.3.
    """
    source_m, receiver_m = np.linalg.norm(source), np.linalg.norm(receiver)
    order = np.arange(int(WAVE_PER_M.max() * radius_m) + 25)[:, None]
    reflected = spherical_jn(order, WAVE_PER_M * radius_m, True) / outgoing(order, WAVE_PER_M * radius_m, True)
    travelled = outgoing(order, WAVE_PER_M * source_m) * outgoing(order, WAVE_PER_M * receiver_m)
    angle = eval_legendre(order, source @ receiver / (source_m * receiver_m))
    return 1j * WAVE_PER_M * np.sum((2 * order + 1) * reflected * travelled * angle, axis=0)


def scattered_by_sphere(radius_m: float, n_per_edge: int, visible: bool = True) -> tuple[np.ndarray, np.ndarray, float]:
    points, triangles = sphere(radius_m, n_per_edge)
    source, receiver = device(0.3 + radius_m)
    found = scatter_frames(
        points, triangles, np.ones(len(triangles)), source, receiver, FREQUENCIES_HZ, visible=visible
    )
    return found, rigid_sphere(radius_m, source, receiver), longest_edge_m(points, triangles)


@pytest.mark.parametrize("visible", [True, False])
@pytest.mark.parametrize(
    ("radius_m", "n_per_edge", "worst_db", "worst_level_db"),
    [(0.08, 16, -29.0, 0.05), (0.08, 20, -30.0, 0.05), (0.05, 11, -24.0, 0.1), (0.03, 10, -20.0, 0.1)],
)
def test_a_rigid_sphere_scatters_as_partial_waves_say(radius_m, n_per_edge, worst_db, worst_level_db, visible):
    found, expected, edge_m = scattered_by_sphere(radius_m, n_per_edge, visible)
    assert 0.003 < edge_m < 0.0067
    assert error_db(found, expected) < worst_db
    assert abs(level_db(found, expected)) < worst_level_db


def test_a_plate_scatters_as_numerical_integration_says_and_less_than_the_image():
    source, receiver = device(0.3)
    points, triangles = plate(0.2, 0.004)
    found = scatter_frames(points, triangles, np.ones(len(triangles)), source, receiver, FREQUENCIES_HZ)
    # Rayleigh's integral over a rigid plane: twice the incident pressure times Green's function's normal derivative
    step_m = 0.001
    along = np.arange(-0.1 + step_m / 2, 0.1, step_m)
    x, y = (axis.ravel() for axis in np.meshgrid(along, along))
    to_source = np.sqrt((x - source[0]) ** 2 + y**2 + source[2] ** 2)
    to_receiver = np.sqrt((x - receiver[0]) ** 2 + y**2 + receiver[2] ** 2)
    expected = np.array(
        [
            np.sum(
                (1j * k + 1 / to_receiver)
                * receiver[2]
                / to_receiver
                * np.exp(-1j * k * (to_source + to_receiver))
                / (to_source * to_receiver)
            )
            for k in WAVE_PER_M
        ]
    ) * (step_m**2 / (2 * np.pi))
    image_m = np.hypot(0.6, 0.01)
    image = np.exp(-1j * WAVE_PER_M * image_m) / image_m
    assert error_db(found, expected) < -38.0
    assert level_db(found, expected) == pytest.approx(0.0, abs=0.02)
    # the edges' waves swing it from -2.9 to +1.0 dB within the band; the integral above has -1.23 dB in energy
    assert level_db(found, image) == pytest.approx(level_db(expected, image), abs=0.02)
    assert level_db(found, image) == pytest.approx(-1.23, abs=0.05)


def test_a_large_plate_tapered_at_its_edges_is_the_image():
    source, receiver = device(0.3)
    points, triangles = plate(0.8, 0.01)
    away = np.linalg.norm(points[triangles].mean(axis=1)[:, :2], axis=1)
    taper = np.clip((0.39 - away) / 0.25, 0, 1)
    taper = taper**2 * (3 - 2 * taper)
    found = scatter_frames(points, triangles, taper, source, receiver, FREQUENCIES_HZ)
    image_m = np.hypot(0.6, 0.01)
    assert error_db(found, np.exp(-1j * WAVE_PER_M * image_m) / image_m) < -35.0


def mean_over_facet(corners: np.ndarray, rises_m: np.ndarray, source: np.ndarray, receiver: np.ndarray) -> np.ndarray:
    """Return (freq) the mean carrier over one curved facet, by the midpoint rule on 14 x 14 small triangles."""
    n = 14
    cells = [(i + 1 / 3, j + 1 / 3) for i in range(n) for j in range(n - i)]
    cells += [(i + 2 / 3, j + 2 / 3) for i in range(n - 1) for j in range(n - 1 - i)]
    second, third = np.array(cells).T / n
    shares = np.stack([1 - second - third, second, third])
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    height = sum(4 * shares[i] * shares[(i + 1) % 3] * rises_m[i] for i in range(3))
    places = shares.T @ corners + height[:, None] * normal / np.linalg.norm(normal)
    range_m = np.linalg.norm(places - source, axis=1) + np.linalg.norm(places - receiver, axis=1)
    return np.exp(-1j * WAVE_PER_M[:, None] * range_m).mean(axis=1)


def plain_sum(points: np.ndarray, triangles: np.ndarray, source: np.ndarray, receiver: np.ndarray) -> np.ndarray:
    """Return the Kirchhoff sum with the phase of every frequency integrated over every facet, one by one."""
    corners = points[triangles]
    doubles = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(points)
    np.add.at(normals, triangles.ravel(), np.repeat(doubles, 3, axis=0))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    total = np.zeros(len(FREQUENCIES_HZ), dtype=complex)
    for triangle, corner, double in zip(triangles, corners, doubles, strict=True):
        center = corner.mean(axis=0)
        reach_t, reach_r = np.linalg.norm(source - center), np.linalg.norm(receiver - center)
        facing_t, facing_r = double @ (source - center) / reach_t, double @ (receiver - center) / reach_r
        if facing_t <= 0 or facing_r <= 0:
            continue
        turned, moved = (np.roll(values, -1, axis=0) - values for values in (normals[triangle], corner))
        carrier = mean_over_facet(corner, (turned * moved).sum(axis=1) / 8, source, receiver)
        total += (facing_t + facing_r) / 4 / (reach_t * reach_r) * carrier
    return 1j * WAVE_PER_M / (2 * np.pi) * total


@pytest.mark.parametrize(("n_per_edge", "worst_db"), [(9, -40.0), (14, -50.0)])
def test_the_compiled_sum_agrees_with_a_plain_one(n_per_edge, worst_db):
    points, triangles = sphere(0.06, n_per_edge)
    points = points * [1.0, 1.3, 0.8] + [0.01, -0.02, 0.0]
    source, receiver = device(0.33, y=-0.1)
    found = scatter_frames(points, triangles, np.ones(len(triangles)), source, receiver, FREQUENCIES_HZ, visible=False)
    assert error_db(found, plain_sum(points, triangles, source, receiver)) < worst_db


@pytest.mark.parametrize(("size", "worst_db"), [(1.0, -27.0), (0.6, -45.0)])
def test_one_slanting_facet_agrees_with_its_integral(size, worst_db):
    corners = size * np.array([[0.0, 0.0, 0.0], [0.009, 0.0, 0.003], [0.003, 0.008, -0.004]])
    source, receiver = device(0.3, x=0.1, y=-0.1)
    found = scatter_frames(corners, np.array([[0, 1, 2]]), np.ones(1), source, receiver, FREQUENCIES_HZ)
    assert error_db(found, plain_sum(corners, np.array([[0, 1, 2]]), source, receiver)) < worst_db


def test_finer_meshes_converge():
    found = [scattered_by_sphere(0.08, n_per_edge)[0] for n_per_edge in (8, 12, 17, 34, 60)]
    at_13_mm, at_9_mm, at_6_mm, at_3_mm = (error_db(response, found[-1]) for response in found[:-1])
    assert at_3_mm < at_6_mm + 3 < at_9_mm - 10
    assert at_9_mm < at_13_mm - 5
    assert at_6_mm < -40

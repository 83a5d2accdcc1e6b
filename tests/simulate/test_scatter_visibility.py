"""What hides what: screens, shadows, edges that move."""

import numpy as np
import pytest
from scatter_shapes import FREQUENCIES_HZ, device, error_db, joined, plate, sphere

from mien.simulate.scatter import scatter_frames
from mien.simulate.visibility import facet_visibility, image_pixels

PLATE = plate(0.08, 0.004)
N_PLATE = len(PLATE[1])


def behind_screen(screen: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the plate behind a screen that swallows all sound: points, triangles, reflectivity."""
    points, triangles = joined(PLATE, screen)
    return points, triangles, (np.arange(len(triangles)) < N_PLATE).astype(float)


def test_a_screen_hides_what_lies_behind_it():
    screened = behind_screen(plate(0.08, 0.004, height_m=0.1))
    source, receiver = device(0.3)
    hidden = scatter_frames(*screened, source, receiver, FREQUENCIES_HZ)
    through = scatter_frames(*screened, source, receiver, FREQUENCIES_HZ, visible=False)
    alone = scatter_frames(*PLATE, np.ones(N_PLATE), source, receiver, FREQUENCIES_HZ)
    assert error_db(through, alone) < -60
    assert np.abs(hidden).max() < 1e-3 * np.abs(alone).max()


def test_a_screen_beside_the_line_of_sight_hides_nothing():
    screened = behind_screen(plate(0.04, 0.004, height_m=0.1, x=0.12))
    source, receiver = device(0.3)
    alone = scatter_frames(*PLATE, np.ones(N_PLATE), source, receiver, FREQUENCIES_HZ)
    assert error_db(scatter_frames(*screened, source, receiver, FREQUENCIES_HZ), alone) < -60


@pytest.mark.parametrize("hidden_end", ["source", "receiver"])
def test_far_ends_each_need_a_free_view(hidden_end):
    screened = behind_screen(plate(0.04, 0.004, height_m=0.2, x=0.1))
    free, shut = np.array([-0.1, 0.0, 0.3]), np.array([0.15, 0.0, 0.3])
    ends = (shut, free) if hidden_end == "source" else (free, shut)
    alone = scatter_frames(*PLATE, np.ones(N_PLATE), *ends, FREQUENCIES_HZ)
    free_only = scatter_frames(*PLATE, np.ones(N_PLATE), free, free, FREQUENCIES_HZ)
    assert np.abs(scatter_frames(*screened, *ends, FREQUENCIES_HZ)).max() < 0.2 * np.abs(alone).max()
    assert error_db(scatter_frames(*screened, free, free, FREQUENCIES_HZ), free_only) < -40


def test_the_shadow_has_the_size_that_perspective_gives_it():
    # a screen 10 cm before the plate and 20 cm from the eye casts a shadow 1.5 times its width
    points, triangles, _ = behind_screen(plate(0.04, 0.004, height_m=0.1))
    seen = facet_visibility(points, triangles, np.array([0.0, 0.0, 0.3]))
    assert seen[N_PLATE:] == pytest.approx(1.0)
    assert 1 - seen[:N_PLATE].mean() == pytest.approx(0.06**2 / 0.08**2, abs=0.02)


def test_a_shadow_moves_without_steps():
    source, receiver = device(0.3)
    offsets_m = np.arange(0, 0.004, 1e-4)
    points, triangles, reflectivity = behind_screen(plate(0.06, 0.004, height_m=0.1, x=0.04))
    frames = np.repeat(points[None], len(offsets_m), axis=0)
    frames[:, len(PLATE[0]) :, 0] += offsets_m[:, None]
    pressure = scatter_frames(frames, triangles, reflectivity, source, receiver, FREQUENCIES_HZ)
    # what a cubic of the offset cannot follow is the noise of the moving edge
    smooth = np.polynomial.polynomial.polyvander(offsets_m / offsets_m.max(), 3)
    fit = smooth @ np.linalg.lstsq(smooth, pressure, rcond=None)[0]
    assert error_db(pressure, fit) < -36


def test_a_convex_surface_hides_only_its_far_side():
    points, triangles = sphere(0.08, 20)
    eye = np.array([0.03, -0.1, 0.36])
    centers = points[triangles].mean(axis=1)
    corners = points[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    cosines = np.einsum("fx,fx->f", normals, eye - centers) / np.linalg.norm(eye - centers, axis=1)
    seen = facet_visibility(points, triangles, eye)
    assert np.all(seen[cosines < 0] == 0)
    # towards the horizon, where a facet hardly scatters, a pixel's depth is no longer its neighbour's
    assert np.all(seen[cosines > 0.15] > 0.99)
    assert seen[cosines > 0].mean() > 0.98


@pytest.mark.parametrize("eye", [[0.0, 0.0, 0.4], [0.0, 0.4, 0.0], [0.0, -0.4, 1e-9], [0.3, 0.2, -0.3]])
def test_a_sphere_shows_the_same_share_from_everywhere(eye):
    points, triangles = sphere(0.08, 16)
    seen = facet_visibility(points, triangles, np.array(eye))
    distance_m = np.linalg.norm(eye)
    # the cap above the horizon: (1 - a / d) / 2 of the sphere
    assert seen.mean() == pytest.approx((1 - 0.08 / distance_m) / 2, abs=0.02)


def test_a_surface_beside_or_behind_the_eye_is_refused():
    points, triangles = plate(0.04, 0.004)
    with pytest.raises(ValueError, match="lies behind"):
        facet_visibility(points, triangles, np.array([0.0, 0.01, 0.0]))


def test_the_image_grows_with_the_mesh_within_limits():
    assert [image_pixels(n) for n in (1, 8_000, 24_000, 10**7)] == [32, 89, 155, 256]

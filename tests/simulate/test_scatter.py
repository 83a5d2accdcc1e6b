"""Laws that scattering obeys whatever the surface: delay, spreading, reciprocity, superposition, scale, motion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scatter_shapes import FREQUENCIES_HZ, SPEED_M_S, device, error_db, joined, plate, sphere

from mien.probe import Chirp, PureTones
from mien.simulate.scatter import ONE_VIEW_M, channel_frequencies, scatter_frames

WAVE_PER_M = 2 * np.pi * FREQUENCIES_HZ / SPEED_M_S


def scatter(surface, source, receiver, **options) -> np.ndarray:
    points, triangles = surface
    return scatter_frames(points, triangles, np.ones(len(triangles)), source, receiver, FREQUENCIES_HZ, **options)


def bumpy(n_per_edge: int = 14) -> tuple[np.ndarray, np.ndarray]:
    """Return a head-sized surface with a nose that hides part of it from below."""
    points, triangles = sphere(1.0, n_per_edge)
    x, y, z = points.T
    nose = 0.45 * np.exp(-((x / 0.2) ** 2) - ((y + 0.1) / 0.25) ** 2) * (z > 0)
    return points * (1 + nose)[:, None] * [0.07, 0.09, 0.07], triangles


def one_facet(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.array([[-1, -1, 0], [1, -1, 0], [0, 2, 0]]) * 5e-5 + place, np.array([[0, 1, 2]])


points_in_front = st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(-0.5, -0.2)).map(np.array)


@settings(deadline=None, max_examples=30)
@given(place=points_in_front, apart_m=st.floats(0.001, 0.2))
def test_one_facet_is_a_point_with_its_delay_and_spreading(place, apart_m):
    source, receiver = np.array([-apart_m / 2, 0.0, 0.0]), np.array([apart_m / 2, 0.0, 0.0])
    pressure = scatter(one_facet(place), source, receiver)
    to_source, to_receiver = np.linalg.norm(place - source), np.linalg.norm(place - receiver)
    carrier = pressure / (1j * WAVE_PER_M)
    phase = np.unwrap(np.angle(carrier))
    delay_s = -np.polyfit(2 * np.pi * FREQUENCIES_HZ, phase, 1)[0]
    # frequencies 250 Hz apart tell delays apart up to 4 ms
    wrong_s = delay_s - (to_source + to_receiver) / SPEED_M_S
    assert abs((wrong_s + 0.002) % 0.004 - 0.002) * 48_000 < 0.05
    cosines = (-place[2]) * (1 / to_source + 1 / to_receiver)
    area = 3 * 5e-5**2
    assert np.abs(pressure) == pytest.approx(
        WAVE_PER_M / (2 * np.pi) * area * cosines / 2 / (to_source * to_receiver), rel=1e-3
    )


def test_pressure_falls_with_both_distances():
    near, far = (np.abs(scatter(one_facet(np.zeros(3)), *device(z)))[0] for z in (0.3, 0.6))
    assert near / far == pytest.approx(4.0, rel=1e-3)


@pytest.mark.parametrize("apart_m", [0.01, 0.15])
def test_source_and_receiver_may_be_exchanged(apart_m):
    here, there = np.array([-apart_m / 2, -0.1, 0.35]), np.array([apart_m / 2, -0.08, 0.36])
    there_and_back = scatter(bumpy(), here, there), scatter(bumpy(), there, here)
    assert error_db(*there_and_back) < -200


@pytest.mark.parametrize(("visible", "worst_db"), [(False, -60.0), (True, -40.0)])
def test_surfaces_that_do_not_hide_one_another_add(visible, worst_db):
    first = sphere(0.04, 8)
    second = (first[0] + [0.12, 0.03, -0.05], first[1])
    source, receiver = device(0.3)
    together = scatter(joined(first, second), source, receiver, visible=visible)
    apart = sum(scatter(surface, source, receiver, visible=visible) for surface in (first, second))
    assert error_db(together, apart) < worst_db


def test_a_facet_of_half_the_reflectivity_gives_half_the_pressure():
    points, triangles = bumpy()
    source, receiver = device(0.35)
    part = np.random.default_rng(3).random(len(triangles))
    whole, one, other = (
        scatter_frames(points, triangles, amplitude, source, receiver, FREQUENCIES_HZ)
        for amplitude in (np.ones(len(triangles)), part, 1 - part)
    )
    assert error_db(one + other, whole) < -60


@pytest.mark.parametrize("factor", [0.5, 1.7])
def test_everything_twice_as_large_at_half_the_frequency_is_half_as_loud(factor):
    points, triangles = bumpy()
    source, receiver = np.array([0.002, -0.1, 0.35]), np.array([-0.002, -0.1, 0.35])
    one = np.ones(len(triangles))
    original = scatter_frames(points, triangles, one, source, receiver, FREQUENCIES_HZ, visible=False)
    scaled = scatter_frames(
        points * factor, triangles, one, source * factor, receiver * factor, FREQUENCIES_HZ / factor, visible=False
    )
    assert error_db(scaled * factor, original) < -80


def test_turning_the_whole_scene_changes_nothing():
    points, triangles = bumpy()
    source, receiver = device(0.35, y=-0.1)
    angle = 0.7
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    spin = np.array([[np.cos(2), 0, np.sin(2)], [0, 1, 0], [-np.sin(2), 0, np.cos(2)]])
    turned = scatter((points @ (spin @ turn).T, triangles), spin @ turn @ source, spin @ turn @ receiver)
    assert error_db(turned, scatter((points, triangles), source, receiver)) < -40


@pytest.mark.parametrize("speed_towards_m_s", [0.05, -0.05])
def test_an_approaching_surface_advances_the_phase_at_the_doppler_rate(speed_towards_m_s):
    points, triangles = sphere(0.08, 16)
    source, receiver = device(0.38)
    time_s = np.arange(20) * 0.005
    frames = points + np.array([0, 0, 1]) * (speed_towards_m_s * time_s)[:, None, None]
    pressure = scatter((frames, triangles), source, receiver)
    rate_hz = np.polyfit(time_s, np.unwrap(np.angle(pressure), axis=0), 1)[0] / (2 * np.pi)
    assert rate_hz == pytest.approx(2 * speed_towards_m_s / SPEED_M_S * FREQUENCIES_HZ, rel=0.01)


def test_the_rim_of_an_open_mesh_makes_a_false_echo_unless_it_is_tapered():
    points, triangles = sphere(0.08, 24)
    source, receiver = device(0.38)
    whole = scatter((points, triangles), source, receiver)
    polar_deg = np.degrees(np.arccos(points[triangles].mean(axis=1)[:, 2] / 0.08))
    taper = 0.5 + 0.5 * np.cos(np.pi * np.clip((polar_deg - 25) / 30, 0, 1))
    cut = (polar_deg < 55).astype(float)
    tapered, untapered = (
        scatter_frames(points, triangles, amplitude, source, receiver, FREQUENCIES_HZ) for amplitude in (taper, cut)
    )
    assert error_db(tapered, whole) < -20
    assert error_db(untapered, whole) > error_db(tapered, whole) + 10


def test_each_frame_is_computed_by_itself():
    (head, _), (fist, _) = bumpy(), sphere(0.03, 6)
    triangles = joined(bumpy(), sphere(0.03, 6))[1]
    source, receiver = device(0.35, y=-0.1)
    # in the last frame the echoes spread over many more delay bins than in the first
    frames = np.stack([np.concatenate([head, fist + away]) for away in ([0.1, 0, 0], [0.1, 0, 0.01], [0.1, 0, -0.6])])
    together = scatter((frames, triangles), source, receiver)
    assert together.shape == (3, len(FREQUENCIES_HZ))
    for frame, response in zip(frames, together, strict=True):
        assert error_db(scatter((frame, triangles), source, receiver), response) < -200


def test_several_receivers_are_heard_as_if_each_were_alone():
    points, triangles = bumpy()
    source = np.array([0.0, -0.1, 0.35])
    receivers = source + [[0.01, 0, 0], [0.0, 0.14, 0], [0.0, 0.0, 0.02], [0.1, 0.1, 0.0]]
    frames = np.stack([points, points + 0.001])
    together = scatter((frames, triangles), source, receivers)
    assert together.shape == (2, 4, len(FREQUENCIES_HZ))
    for i, receiver in enumerate(receivers):
        assert error_db(scatter((frames, triangles), source, receiver), together[:, i]) < -200


def test_one_view_for_both_ends_is_near_enough_to_two():
    surface, source = bumpy(24), np.array([0.0, -0.1, 0.35])
    as_one, as_two = (scatter(surface, source, source + [ONE_VIEW_M + tiny_m, 0, 0]) for tiny_m in (-1e-9, 1e-9))
    assert error_db(as_one, as_two) < -25


@pytest.mark.parametrize("width_hz", [0.0, 1_000.0, 10_000.0])
def test_any_band_agrees_with_its_frequencies_computed_one_by_one(width_hz):
    points, triangles = bumpy(24)
    source, receiver = device(0.35, y=-0.1)
    frequencies_hz = np.unique([12_000 - width_hz / 2, 12_000 - width_hz / 9, 12_000 + width_hz / 2])
    one = np.ones(len(triangles))
    together = scatter_frames(points, triangles, one, source, receiver, frequencies_hz)
    alone = [scatter_frames(points, triangles, one, source, receiver, [hz])[0] for hz in frequencies_hz]
    assert error_db(together, np.array(alone)) < -40


@pytest.mark.parametrize("stretch", [1, 2, 4, 8])
def test_a_slanting_facet_stretched_over_wavelengths_stays_faint(stretch):
    corners = np.array([[0.0, 0.0, 0.0], [0.01 * stretch, 0.0, 0.012 * stretch], [0.0, 0.01, 0.0]])
    source, receiver = device(0.4)
    # the mean edge, by which a mesh is judged, counts small facets too, if they scatter ever so little
    fine = plate(0.02, 0.001, x=0.3)
    _, triangles = surface = joined((corners, np.array([[0, 1, 2]])), fine)
    alone = np.where(np.arange(len(triangles)) == 0, 1.0, 1e-9)
    found = scatter_frames(surface[0], triangles, alone, source, receiver, FREQUENCIES_HZ, visible=False)
    double = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    reach_m = np.array([0.0, 0.0, 0.4]) - corners.mean(axis=0)
    flat = WAVE_PER_M / (2 * np.pi) * (double @ reach_m) / 2 / np.linalg.norm(reach_m) ** 3
    assert np.all(np.abs(found) < 0.4 * flat)


def test_channel_frequencies_enclose_the_band_of_a_probe():
    assert channel_frequencies(Chirp().band_hz).tolist() == list(range(18_750, 23_251, 250))
    assert channel_frequencies(PureTones().band_hz).tolist() == [18_750, 19_000, 19_250]
    assert channel_frequencies((17_000, 20_100), step_hz=500)[-1] >= 20_100 + 400


SQUARE, CORNERS = plate(0.02, 0.005)
SOUND = {"source": np.array([0, 0, 0.3]), "receiver": np.array([0.01, 0, 0.3]), "frequencies_hz": np.array([20_000.0])}
SURFACE = {"vertices": SQUARE, "triangles": CORNERS, "reflectivity": np.ones(len(CORNERS))}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"vertices": SQUARE[:, :2]}, r"vertices have shape \(25, 2\)"),
        ({"vertices": np.zeros((0, 25, 3))}, r"vertices have shape \(0, 25, 3\)"),
        ({"vertices": np.where(SQUARE == SQUARE[3], np.nan, SQUARE)}, "NaN or infinity"),
        ({"vertices": SQUARE * 1000}, "check that it is in metres"),
        ({"vertices": SQUARE + [0.007, 0, 0.3]}, "lies behind"),
        ({"vertices": SQUARE * 0.3 + [0, 0, 0.292]}, "8.0 mm from source or receiver"),
        ({"triangles": CORNERS.astype(float)}, "triangles are float64"),
        ({"triangles": CORNERS[:, :2]}, r"shape \(32, 2\)"),
        ({"triangles": CORNERS + 1}, "there are 0 to 24"),
        ({"reflectivity": np.ones(3)}, r"reflectivity has shape \(3,\) for 32 facets"),
        ({"reflectivity": np.ones(32, dtype=complex)}, "reflectivity is complex128"),
        ({"source": np.zeros((2, 3))}, r"source has shape \(2, 3\)"),
        ({"source": np.array([0, 0, np.inf])}, "source .* holds NaN or infinity"),
        ({"receiver": np.zeros(2)}, r"receiver has shape \(2,\); \(xyz\) or \(receiver xyz\)"),
        ({"frequencies_hz": np.array([])}, r"frequencies_hz has shape \(0,\)"),
        ({"frequencies_hz": np.array([0.0, 20_000.0])}, "positive and finite"),
        ({"speed_m_s": -343.0}, "speed_m_s is -343.0"),
    ],
)
def test_what_cannot_be_computed_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        scatter_frames(**(SURFACE | SOUND | wrong))


@pytest.mark.parametrize("band_hz", [(0, 1000), (20_000, 19_000), (19_000, np.inf)])
def test_a_band_that_is_none_is_refused(band_hz):
    with pytest.raises(ValueError, match="a band"):
        channel_frequencies(band_hz)

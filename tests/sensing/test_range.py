"""Laws of compression, gate and direct path: distances, phases, resolution, superposition, two ways to the same cut."""

import numpy as np
import pytest
from closed_form import LEVEL, SPEED_M_S, decibels, recording
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.probe import Chirp
from mien.recording import Recording
from mien.sensing.arrivals import first_peak
from mien.sensing.direct_path import direct_part, remove_direct_path
from mien.sensing.echoes import echo_quality, find_echoes, gated_waveforms, periods
from mien.sensing.period_grid import baseband, frame_spectra, period_grid, undo_drift
from mien.sensing.range_gate import RangeGate, compress, gate_echoes, waveforms
from mien.sensing.synchronise import synchronise

CHIRP = Chirp()
GATE = RangeGate()
GRID = period_grid(CHIRP)
FINE_M = np.arange(0.25, 0.5, 0.0002)


def spectrum(*echoes, grid=GRID, gate=GATE):
    """Return the (freq) spectrum of point echoes (distance_m, amplitude) after a direct path at time zero."""
    delays_s = [gate.delay_s(distance_m) for distance_m, _ in echoes]
    turns = np.exp(-2j * np.pi * grid.freq_hz * np.array(delays_s)[:, None])
    return (np.array([amplitude for _, amplitude in echoes])[:, None] * turns * grid.sweep * grid.gain).sum(axis=0)


def profile(echoes, distances_m=FINE_M, taper="matched"):
    return compress(echoes.cleaned, echoes.grid, GATE.delay_s(distances_m), taper)


@given(st.floats(0.27, 0.48), st.floats(0, 2400), st.floats(-200, 200))
@settings(max_examples=25, deadline=None)
def test_an_echo_appears_at_its_distance_within_a_millimetre_and_at_its_level(distance_m, start, drift_ppm):
    found = find_echoes(recording(((distance_m, 0.03),), start=start, drift_ppm=drift_ppm))
    magnitudes = np.abs(profile(found))[0]
    assert np.abs(FINE_M[magnitudes.argmax(axis=1)] - distance_m).max() < 1e-3
    assert np.abs(decibels(magnitudes.max(axis=1) / (0.03 * LEVEL))).max() < 0.25


@given(st.floats(-0.01, 0.01))
@settings(max_examples=25, deadline=None)
def test_the_phase_turns_by_four_pi_d_over_the_wavelength(moved_m):
    before, after = (find_echoes(recording(((0.35 + d, 0.03),))) for d in (0.0, moved_m))
    at_s = np.array([GATE.delay_s(0.35)])
    turned = compress(after.cleaned, GRID, at_s)[0, 2, 0] / compress(before.cleaned, GRID, at_s)[0, 2, 0]
    expected = np.exp(-4j * np.pi * moved_m * CHIRP.center_hz / SPEED_M_S)
    assert abs(np.angle(turned / expected)) < 0.03


def test_an_echo_that_moves_is_followed_in_phase_from_chirp_to_chirp():
    # 2 cm/s is 1 mm per period: 44 degrees.
    found = find_echoes(recording(((0.35, 0.03),), n_samples=48_000, start=0.0, moved_m=lambda time_s: 0.02 * time_s))
    column = compress(found.cleaned, GRID, (float(GATE.delay_s(0.36)),), "matched")[0, :, 0]
    turned = np.unwrap(np.angle(column))
    expected = -4 * np.pi * 0.001 * CHIRP.center_hz / SPEED_M_S
    assert np.polyfit(np.arange(20), turned, 1)[0] == pytest.approx(expected, rel=0.02)


def half_width_m(taper, drop_db):
    distances_m = np.arange(0.25, 0.45, 1e-4)
    magnitudes = np.abs(compress(spectrum((0.35, 1.0)), GRID, GATE.delay_s(distances_m), taper))
    return np.ptp(distances_m[magnitudes > magnitudes.max() * 10 ** (-drop_db / 20)])


def test_a_range_cell_is_as_wide_as_the_band_allows():
    cell_m = CHIRP.range_cell_m(SPEED_M_S)
    assert half_width_m("flat", 3.92) == pytest.approx(cell_m, rel=0.05)
    # The faded ends narrow the band, so the matched pulse is a little wider.
    assert half_width_m("matched", 3.92) == pytest.approx(1.12 * cell_m, rel=0.06)
    assert half_width_m("hann", 6.02) == pytest.approx(2 * cell_m, rel=0.06)


@pytest.mark.parametrize("taper", ["matched", "flat"])
def test_two_echoes_6_cm_apart_separate(taper):
    # How deep the dip between two echoes is depends on their phases; over all of them it is this deep.
    turns = np.exp(2j * np.pi * np.arange(8) / 8)
    profiles = [compress(spectrum((0.32, 1.0), (0.38, turn)), GRID, GATE.delay_s(FINE_M), taper) for turn in turns]
    power = np.mean(np.abs(profiles) ** 2, axis=0)
    middle, left, right = (power[np.abs(FINE_M - at_m) < 0.01] for at_m in (0.35, 0.32, 0.38))
    assert middle.min() < 0.5 * min(left.max(), right.max())


@pytest.mark.parametrize("taper,near_db,far_db", [("matched", -20, -35), ("flat", -20, -29), ("hann", -40, -65)])
def test_sidelobes_fall_as_the_tapers_promise(taper, near_db, far_db):
    for from_m, most_db in ((0.5, near_db), (0.75, far_db)):
        distances_m = np.arange(from_m, 1.5, 1e-3)
        side = np.abs(compress(spectrum((0.35, 1.0)), GRID, GATE.delay_s(distances_m), taper))
        assert decibels(side.max()) < most_db


def test_compression_is_linear_and_shifts_with_its_echo():
    one, two = spectrum((0.30, 1.0)), spectrum((0.41, 0.5j))
    delays_s = GATE.delay_s(FINE_M)
    np.testing.assert_allclose(
        compress(2 * one - two, GRID, delays_s),
        2 * compress(one, GRID, delays_s) - compress(two, GRID, delays_s),
        atol=1e-9,
    )
    shift_s = 0.0002
    shifted = one * np.exp(-2j * np.pi * GRID.freq_hz * shift_s)
    turned = compress(one, GRID, delays_s - shift_s) * np.exp(-2j * np.pi * CHIRP.center_hz * shift_s)
    np.testing.assert_allclose(compress(shifted, GRID, delays_s), turned, atol=1e-9)


def test_spectra_and_waveforms_hold_the_same_energy():
    echo = spectrum((0.33, 1.0), (0.4, -0.3))
    sound = waveforms(echo, GRID)
    np.testing.assert_allclose(2 * np.sum(np.abs(echo) ** 2) / GRID.n_time, np.sum(sound**2), rtol=1e-9)


def test_the_gate_leaves_out_clutter_and_keeps_the_face():
    far = gate_echoes(spectrum((1.0, 1.0)), GRID, GATE)
    face = gate_echoes(spectrum((0.35, 1.0)), GRID, GATE)
    size = np.linalg.norm(spectrum((0.35, 1.0)))
    assert decibels(np.linalg.norm(far) / size) < -30
    assert abs(decibels(np.linalg.norm(face) / size)) < 0.5
    assert decibels(np.linalg.norm(gate_echoes(spectrum((0.1, 1.0)), GRID, GATE)) / size) < -20


def dechirped_gate(sound, gate):
    """Return (... time) periods gated by their beat frequency: times the conjugate sweep, band-passed, times the sweep.

    The paper's own way (FacER Eq. 4), written without anything of what is tested but the probe.
    """
    chirp, rate_hz = CHIRP, CHIRP.rate_hz
    time_s = np.arange(sound.shape[-1]) / rate_hz
    phase = 2 * np.pi * (chirp.low_hz * time_s + chirp.slope_hz_per_s * time_s**2 / 2)
    spectrum = np.fft.fft(sound)
    spectrum[..., sound.shape[-1] // 2 :] = 0
    beat = np.fft.ifft(2 * spectrum) * np.exp(-1j * phase)
    # A later echo beats at a negative frequency: -slope * delay.
    distance_m = (-np.fft.fftfreq(len(time_s), 1 / rate_hz) / chirp.slope_hz_per_s * SPEED_M_S + 0.01) / 2
    edge_m = chirp.range_cell_m(SPEED_M_S)
    rise = np.clip((distance_m - gate.near_m) / edge_m + 1, 0, 1)
    fall = np.clip((gate.far_m - distance_m) / edge_m + 1, 0, 1)
    kept = np.fft.ifft(np.fft.fft(beat) * np.sin(np.pi / 2 * rise) ** 2 * np.sin(np.pi / 2 * fall) ** 2)
    return np.real(kept * np.exp(1j * phase))


def test_gating_the_beat_frequency_is_the_same_cut():
    echo = spectrum((0.31, 0.6), (0.42, 1.0), (0.9, 2.0), (1.5, 1.0))
    ours = waveforms(gate_echoes(echo, GRID, GATE), GRID)
    theirs = dechirped_gate(waveforms(echo, GRID), GATE)
    inside = slice(int(0.006 * 48_000), int(0.022 * 48_000))
    assert decibels(np.linalg.norm((ours - theirs)[inside]) / np.linalg.norm(ours[inside])) < -20


@given(st.floats(0.25, 0.5), st.floats(0, 6.28))
@settings(max_examples=25, deadline=None)
def test_the_direct_path_goes_and_the_face_stays(distance_m, phase):
    face = spectrum((distance_m, 0.03 * np.exp(1j * phase)))
    direct = spectrum((0.005, 1.0), (0.04, 0.3))
    cleaned, cancellation_db = remove_direct_path((direct + face)[None, None].repeat(5, axis=1), GRID, GATE)
    delays_s = GATE.delay_s(np.array([distance_m]))
    left = compress(cleaned[0, 0], GRID, delays_s)[0] / compress(face, GRID, delays_s)[0]
    assert abs(decibels(left)) < 0.5
    assert cancellation_db > 30


@pytest.mark.parametrize("nearest_m, farthest_m, most_db", [(0.005, 0.04, -61), (0.04, 0.10, -52)])
def test_an_arrival_in_the_zone_leaves_as_little_in_the_gate_as_stated(nearest_m, farthest_m, most_db):
    for distance_m in np.arange(nearest_m, farthest_m, 0.005):
        arrival = spectrum((distance_m, 1.0))
        left = arrival - direct_part(arrival[None, None], GRID, GATE)[0, 0]
        assert decibels(np.abs(compress(left, GRID, GATE.delay_s(FINE_M))).max()) < most_db


def test_the_direct_path_is_removed_though_it_trembles_from_period_to_period():
    rng = np.random.default_rng(0)
    delay_s = rng.normal(0, 0.1 / 48_000, 20)
    gain = 1 + 0.05 * rng.standard_normal(20)
    direct = gain[:, None] * spectrum((0.005, 1.0)) * np.exp(-2j * np.pi * GRID.freq_hz * delay_s[:, None])
    face = spectrum((0.35, 0.03))
    cleaned, cancellation_db = remove_direct_path((direct + face)[None], GRID, GATE)
    assert cancellation_db > 30
    assert decibels(np.linalg.norm(cleaned[0] - face, axis=-1).max() / np.linalg.norm(face)) < -3
    echo = compress(cleaned[0], GRID, GATE.delay_s(np.array([0.35])))[:, 0]
    np.testing.assert_allclose(np.abs(decibels(echo / 0.03)), 0, atol=0.5)


@pytest.mark.parametrize("start", [300.0, 1280.0, 1300.0, 1500.0, 1910.0, 2350.0])
def test_a_period_that_the_ends_cut_holds_the_same_face(start):
    # Symptom once: the direct path, cut within its sweep, rang as loud as the face in the first or last column.
    cleaned = find_echoes(recording(start=start)).cleaned[0]
    difference = np.linalg.norm(cleaned - cleaned[5], axis=1).max() / np.linalg.norm(cleaned[5])
    assert decibels(difference) < -25


def test_a_fixed_scale_of_nine_tenths_leaves_what_least_squares_does_not():
    direct = spectrum((0.005, 1.0))
    late = direct * np.exp(-2j * np.pi * GRID.freq_hz / 48_000)
    assert decibels(np.linalg.norm(direct - 0.9 * direct) / np.linalg.norm(direct)) == pytest.approx(-20)
    assert decibels(np.linalg.norm(late - 0.9 * direct) / np.linalg.norm(direct)) > 4
    assert remove_direct_path(late[None, None], GRID, GATE, direct[None])[1] > 25


def test_a_recording_of_the_direct_path_alone_serves_as_reference():
    found = find_echoes(recording(noise=0.001), reference=recording(()))
    assert found.cancellation_db > 30
    magnitudes = np.abs(profile(found))[0]
    np.testing.assert_allclose(decibels(magnitudes.max(axis=1) / (0.03 * LEVEL)), 0, atol=0.5)


def test_a_device_that_colours_the_sound_is_cancelled_too():
    flat = recording()
    coloured = np.convolve(flat.samples[0], [1, 0.6, -0.3, 0.2, 0.1])[: flat.n_samples].astype(np.float32)
    found = find_echoes(Recording(coloured[None], 48_000, flat.probe))
    assert found.cancellation_db > 30
    peaks_m = FINE_M[np.abs(profile(found))[0].argmax(axis=1)]
    assert np.abs(peaks_m - 0.35).max() < 5e-3


def test_periods_are_the_sweep_itself():
    cut = periods(recording((), start=1234.56, drift_ppm=80))
    expected = LEVEL * CHIRP.at(np.arange(2400) / 48_000)
    # The band-pass takes the sweep's faint ends beyond 200 Hz outside its band.
    assert decibels(np.linalg.norm(cut[0, 2] - expected) / np.linalg.norm(expected)) < -32
    gated = gated_waveforms(find_echoes(recording()), GATE)
    assert gated.shape == (1, 10, 2400)
    assert np.abs(gated[0, 0]).max() == pytest.approx(0.03 * LEVEL, rel=0.3)


@given(st.floats(-300, 300))
@settings(max_examples=20, deadline=None)
def test_a_drifted_period_is_given_the_emitters_clock(drift_ppm):
    stretch = 1 + drift_ppm * 1e-6
    sound = CHIRP.at((np.arange(4800) / stretch - 700) / 48_000)[None]
    frames = frame_spectra(baseband(sound, GRID), np.array([700 * stretch]), GRID)
    mended = np.fft.fft(undo_drift(frames, drift_ppm, GRID))[0, 0]
    inside = (GRID.freq_hz > 19_000) & (GRID.freq_hz < 23_000)
    error = np.linalg.norm((mended - GRID.sweep)[inside]) / np.linalg.norm(GRID.sweep[inside])
    assert decibels(error) < -55


@pytest.mark.parametrize(
    "rate_hz,probe", [(44_100, Chirp(17_000, 20_000, rate_hz=44_100)), (48_000, Chirp(period_s=0.0333))]
)
def test_distances_hold_for_other_probes(rate_hz, probe):
    found = find_echoes(recording(((0.40, 0.05),), probe=probe, n_samples=rate_hz))
    magnitudes = np.abs(compress(found.cleaned, found.grid, GATE.delay_s(FINE_M)))[0]
    assert np.abs(FINE_M[magnitudes.argmax(axis=1)] - 0.40).max() < 2e-3


@pytest.mark.parametrize("noise", [0.003, 0.01, 0.03])
def test_quality_states_the_echo_to_noise_ratio_of_theory(noise):
    quality = echo_quality(recording(((0.35, 0.1),), noise=noise, n_samples=96_000))
    quieter = echo_quality(recording(((0.35, 0.1),), noise=noise / 2, n_samples=96_000))
    assert quieter.snr_db - quality.snr_db == pytest.approx(6.02, abs=0.5)
    # The matched filter's noise: sigma^2 over half the sweep's energy; the echo fills the gate with its pulse.
    theory_db = 10 * np.log10(0.1**2 * np.sum(CHIRP.sweep() ** 2) / 2 / noise**2)
    mean_over_gate_db = 10 * np.log10(
        np.mean(np.abs(compress(spectrum((0.35, 1.0)), GRID, GATE.delay_s(GATE.cells_m(GRID, 1)))) ** 2)
    )
    assert quality.snr_db == pytest.approx(theory_db + mean_over_gate_db, abs=1.5)
    assert quality.cancellation_db > 20
    assert quality.n_periods == 40
    assert abs(quality.drift_ppm) < 0.5


def test_walls_are_not_noise():
    still = echo_quality(recording(noise=0.01))
    walls = echo_quality(recording(((0.35, 0.03), (1.1, 0.3), (1.9, 0.2)), noise=0.01))
    assert walls.snr_db == pytest.approx(still.snr_db, abs=1.5)


def test_a_gate_that_cannot_be_is_refused():
    for near_m, far_m in ((0.5, 0.25), (0.3, 0.3), (0.001, 0.2)):
        with pytest.raises(ValueError, match="near_m must be below far_m"):
            RangeGate(near_m, far_m)
    with pytest.raises(ValueError, match="taper 'boxcar' is unknown; known are matched, flat, hann"):
        compress(spectrum((0.3, 1.0)), GRID, (0.0,), "boxcar")


def test_a_weak_early_peak_is_a_sidelobe_and_a_strong_one_the_direct_path():
    profile = np.full(200, 0.001)
    profile[[40, 100]] = 0.1, 1.0
    assert first_peak(profile, 80) == 100
    profile[40] = 0.3
    assert first_peak(profile, 80) == 40
    assert first_peak(profile, 50) == 100
    assert first_peak(np.roll(profile, -50), 80) == -10


def test_synchronise_and_find_echoes_agree():
    take = recording(noise=0.01)
    assert find_echoes(take).sync == synchronise(take)

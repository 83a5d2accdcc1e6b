"""Doppler's law, and what the front end must not depend on."""

import numpy as np
import pytest

from mien.errors import ProbeMismatch, ProbeNotFound, RecordingError
from mien.probe import Chirp, PureTones
from mien.recording import Recording
from mien.sensing.doppler import Doppler, baseband

PROBE = PureTones((19_000.0,), rate_hz=44_100)
SOUND_M_S = 343.0


def recorded(distance_m, *, probe=PROBE, echo=0.02, noise=1e-4, gain=0.25, pace=1.0, seed=0) -> Recording:
    """Return the tone heard directly, and from a reflector whose distance (time) is given sample by sample."""
    time_s = np.arange(len(distance_m)) / probe.rate_hz * pace
    sound = probe.at(time_s) + echo * probe.at(time_s - 2 * distance_m / SOUND_M_S)
    sound = gain * sound + noise * np.random.default_rng(seed).standard_normal(len(sound))
    return Recording(sound[None].astype(np.float32), probe.rate_hz, probe)


def moving(speed_m_s: float, duration_s: float = 1.0, rate_hz: int = 44_100) -> np.ndarray:
    return 0.5 - speed_m_s * np.arange(round(duration_s * rate_hz)) / rate_hz


@pytest.mark.parametrize("speed_m_s", [0.6, -0.6, 0.25])
def test_a_reflector_at_constant_speed_shifts_the_tone_by_2_v_f_over_c(speed_m_s):
    features = Doppler(align="take", step_hz=1.0).features(recorded(moving(speed_m_s)))
    shift_hz = features.axis("freq").values
    profile = features.values[0, 0].mean(axis=1)
    expected_hz = PROBE.doppler_hz(speed_m_s, SOUND_M_S)[0]
    assert shift_hz[np.argmax(profile)] == pytest.approx(expected_hz, abs=1.5)


def test_the_carrier_is_taken_off_and_what_stands_still_leaves_nothing():
    still = baseband(recorded(moving(0.0), noise=0.0), 19_000, 130)
    assert np.abs(still.samples).max() < 1e-5
    alone = baseband(recorded(moving(0.5), noise=0.0, echo=0.02), 19_000, 130)
    middle = np.abs(alone.samples[0, 50:-50])
    assert middle.mean() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("pace", [1.0, 1 + 250e-6, 1 - 120e-6])
def test_another_clock_is_followed(pace):
    found = baseband(recorded(moving(0.0), pace=pace), 19_000, 130)
    assert found.offset_hz == pytest.approx(19_000 * (pace - 1), abs=0.02)
    assert np.abs(found.samples).mean() < 5e-3


def test_volume_does_not_change_the_levels():
    loud, soft = (Doppler().features(recorded(moving(0.4), gain=g, noise=4e-4 * g)) for g in (0.5, 0.05))
    np.testing.assert_allclose(loud.values, soft.values, atol=0.02)


def test_the_complex_values_are_linear_in_the_echo_and_keep_its_phase():
    near, far = moving(0.4), moving(0.4) + SOUND_M_S / 19_000 / 4
    front_end = Doppler(values="complex", align="take")
    one, other = (front_end.features(recorded(distance, noise=0.0)).values for distance in (near, far))
    assert one.dtype == np.complex64
    assert np.angle(np.vdot(one, other)) == pytest.approx(np.pi, abs=0.05) or np.angle(
        np.vdot(one, other)
    ) == pytest.approx(-np.pi, abs=0.05)
    np.testing.assert_allclose(np.abs(one), np.abs(other), atol=0.05 * np.abs(one).max())


def test_an_active_crop_is_the_same_wherever_the_gesture_stands():
    stroke = 0.12 * np.sin(np.linspace(0, 2 * np.pi, 44_100)) ** 2
    before, after = np.zeros(22_050), np.zeros(44_100)
    early = recorded(0.4 + np.concatenate([before, stroke, after]))
    late = recorded(0.4 + np.concatenate([after, stroke, before]))
    one, other = (Doppler().features(recording) for recording in (early, late))
    assert other.start_s[0] - one.start_s[0] == pytest.approx(0.5, abs=0.05)
    assert np.corrcoef(one.values.ravel(), other.values.ravel())[0, 1] > 0.9


def test_windows_and_microphones_and_tones_have_their_places():
    probe = PureTones((17_000.0, 19_000.0), rate_hz=48_000)
    one = recorded(moving(0.4, 2.0, 48_000), probe=probe)
    both = Recording(np.concatenate([one.samples, one.samples]), probe.rate_hz, probe)
    features = Doppler(window_s=0.5, hop_s=0.25, n_columns=10).features(both)
    assert features.values.shape == (7, 4, 53, 10)
    np.testing.assert_allclose(features.start_s, 0.25 * np.arange(7))
    shift_hz = features.axis("freq").values
    peaks_hz = shift_hz[features.values.mean(axis=(0, 3)).argmax(axis=1)]
    np.testing.assert_allclose(peaks_hz, [v for v in probe.doppler_hz(0.4, SOUND_M_S) for _ in range(2)], atol=5)


def test_another_probe_a_missing_tone_and_too_short_a_take_are_refused():
    noise = np.random.default_rng(0).standard_normal((1, 44_100)).astype(np.float32) * 0.1
    with pytest.raises(ProbeMismatch, match="needs pure tones; the recording was made with chirp"):
        Doppler().features(Recording(noise, 48_000, Chirp()))
    with pytest.raises(ProbeNotFound, match="no tone at 19000 Hz"):
        Doppler().features(Recording(noise, 44_100, PROBE))
    with pytest.raises(ProbeNotFound):
        Doppler().features(Recording(0 * noise, 44_100, PROBE))
    with pytest.raises(RecordingError, match="1 s are needed"):
        Doppler(window_s=1.0).features(recorded(moving(0.1, 0.5)))
    with pytest.raises(ProbeMismatch, match="cannot be heard in a recording at 38100 Hz"):
        baseband(Recording(noise, 38_100, PureTones((19_000.0,), rate_hz=38_100)), 19_000, 130)


@pytest.mark.parametrize("options", [{"step_hz": 0}, {"window_s": -1.0}, {"align": "somewhere"}, {"values": "power"}])
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ValueError):
        Doppler(**options)

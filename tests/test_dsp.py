"""Filters without phase error, fractional delay and resampling, each against a closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.dsp import analytic, band_pass, fractional_delay, high_pass, resample, speed_of_sound

RATE_HZ = 48_000
TIME_S = np.arange(9600) / RATE_HZ
MIDDLE = slice(2000, -2000)


@given(st.floats(19_000, 23_000), st.floats(0, 6.28))
@settings(max_examples=40, deadline=None)
def test_band_pass_turns_no_phase_and_changes_no_level(tone_hz, phase_rad):
    tone = np.cos(2 * np.pi * tone_hz * TIME_S + phase_rad)
    passed = band_pass(tone, RATE_HZ, 19_000, 23_000)[MIDDLE]
    reference = np.exp(1j * (2 * np.pi * tone_hz * TIME_S + phase_rad))[MIDDLE]
    hann = np.hanning(passed.size)
    gain = 2 * np.sum(hann * passed * reference.conj()) / hann.sum()
    assert abs(np.angle(gain)) < np.deg2rad(0.05)
    assert abs(abs(gain) - 1) < 1e-3


@given(st.floats(100, 18_500) | st.floats(23_500, 23_990))
@settings(max_examples=40, deadline=None)
def test_band_pass_removes_what_lies_outside(tone_hz):
    passed = band_pass(np.cos(2 * np.pi * tone_hz * TIME_S), RATE_HZ, 19_000, 23_000)[MIDDLE]
    assert np.abs(passed).max() < 0.01


def test_band_pass_is_symmetric_in_time():
    sound = np.random.default_rng(0).standard_normal(4800)
    there, back = (band_pass(sound[::step], RATE_HZ, 19_000, 23_000)[::step] for step in (1, -1))
    np.testing.assert_allclose(there, back, atol=1e-3)


def test_filters_are_linear():
    first, second = np.random.default_rng(0).standard_normal((2, 4800))
    for filtered in (
        lambda sound: band_pass(sound, RATE_HZ, 19_000, 23_000),
        lambda sound: high_pass(sound, RATE_HZ, 15_000),
        lambda sound: fractional_delay(sound, 3.7),
        lambda sound: resample(sound, 1.0002),
        analytic,
    ):
        np.testing.assert_allclose(filtered(2 * first - second), 2 * filtered(first) - filtered(second), atol=1e-9)


def test_high_pass_leaves_no_speech_and_all_of_the_probe():
    speech, probe = np.cos(2 * np.pi * 3000 * TIME_S), np.cos(2 * np.pi * 19_000 * TIME_S)
    assert np.abs(high_pass(speech, RATE_HZ, 15_000)[MIDDLE]).max() < 1e-3
    np.testing.assert_allclose(high_pass(speech + probe, RATE_HZ, 15_000)[MIDDLE], probe[MIDDLE], atol=2e-3)


@pytest.mark.parametrize("band_hz", [(23_000, 19_000), (19_000, 25_000), (-1, 19_000)])
def test_a_band_that_cannot_be_is_refused_with_its_limits(band_hz):
    with pytest.raises(ValueError, match="between 0 and 24000 Hz"):
        band_pass(TIME_S, RATE_HZ, *band_hz)


@pytest.mark.parametrize("n_samples", [9600, 9601])
def test_analytic_signal_keeps_the_real_part_and_has_no_negative_frequencies(n_samples):
    sound = np.random.default_rng(0).standard_normal(n_samples)
    spectrum = np.fft.fft(analytic(sound))
    np.testing.assert_allclose(analytic(sound).real, sound, atol=1e-12)
    assert np.abs(spectrum[n_samples // 2 + 1 :]).max() < 1e-9
    np.testing.assert_allclose(np.sum(np.abs(spectrum) ** 2) / n_samples, np.sum(np.abs(analytic(sound)) ** 2))


@given(st.floats(-40, 40))
@settings(max_examples=40, deadline=None)
def test_a_delayed_burst_is_the_burst_at_a_later_time(delay_samples):
    def burst(sample):
        return np.exp(-(((sample - 1000) / 60) ** 2)) * np.cos(0.42 * np.pi * 2 * sample)

    sample = np.arange(2000)
    delayed = fractional_delay(burst(sample), delay_samples)
    np.testing.assert_allclose(delayed, burst(sample - delay_samples), atol=1e-9)


@given(st.floats(0, 20), st.floats(0, 20))
@settings(max_examples=40, deadline=None)
def test_delays_add(first, second):
    sound = np.zeros(600)
    sound[200:400] = np.hanning(200) * np.random.default_rng(0).standard_normal(200)
    sound = band_pass(sound, RATE_HZ, 3000, 9000, 2000)
    twice = fractional_delay(fractional_delay(sound, first), second)
    np.testing.assert_allclose(twice[50:-50], fractional_delay(sound, first + second)[50:-50], atol=1e-3)


@given(st.floats(-300, 300))
@settings(max_examples=20, deadline=None)
def test_resampling_corrects_a_clock(drift_ppm):
    sample = np.arange(6000)
    recorded = np.cos(2 * np.pi * 21_000 / RATE_HZ * sample / (1 + drift_ppm * 1e-6))
    corrected = resample(recorded, 1 / (1 + drift_ppm * 1e-6))[500:5500]
    np.testing.assert_allclose(corrected, np.cos(2 * np.pi * 21_000 / RATE_HZ * sample[500:5500]), atol=2e-4)


def test_resampling_to_a_lower_rate_lets_nothing_fold_back():
    tone = np.cos(2 * np.pi * 21_000 * TIME_S)
    assert np.abs(resample(tone, 0.5)[300:-300]).max() < 1e-3


@pytest.mark.parametrize("ratio", [0.0, -1.0, np.nan, np.inf])
def test_resampling_by_no_ratio_is_refused(ratio):
    with pytest.raises(ValueError, match="positive number"):
        resample(TIME_S, ratio)


def test_speed_of_sound_against_the_table():
    for temperature_c, speed_m_s in ((0, 331.3), (10, 337.3), (20, 343.2), (30, 349.0)):
        assert speed_of_sound(temperature_c) == pytest.approx(speed_m_s, abs=0.15)
    with pytest.raises(ValueError, match="above -273.15"):
        speed_of_sound(-300)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import ProbeError
from mien.probe import Chirp, Composite, PureTones
from mien.simulate.render import (
    Clock,
    _render_anywhere,
    frame_period_s,
    harmonics,
    interpolation_matrix,
    record,
    render_part,
)

CHIRP = Chirp()
ONSETS_S = np.arange(24) * 0.05


def still(part, response, n_frames=24, step_s=0.05):
    lines = harmonics(part)
    values = np.broadcast_to(response(lines.frequencies_hz), (n_frames, 1, len(lines.frequencies_hz)))
    return values, np.arange(n_frames) * step_s


def error_db(found, expected):
    return 10 * np.log10(np.mean((found - expected) ** 2) / np.mean(expected**2))


def test_without_a_channel_the_probe_itself_is_heard():
    responses, onsets_s = still(CHIRP, np.ones_like)
    assert error_db(render_part(responses, CHIRP, onsets_s, Clock(48_000, 48_000))[0], CHIRP.emit(48_000)) < -60


@settings(max_examples=25, deadline=None)
@given(delay_s=st.floats(0, 0.02), start_s=st.floats(0, 0.0499), rate_hz=st.sampled_from([48_000, 96_000]))
def test_a_delay_delays_to_a_fraction_of_a_sample(delay_s, start_s, rate_hz):
    chirp = Chirp(rate_hz=rate_hz)
    responses, onsets_s = still(chirp, lambda f: 0.5 * np.exp(-2j * np.pi * f * delay_s))
    clock = Clock(rate_hz, rate_hz // 2, start_s)
    expected = 0.5 * chirp.at(clock.times_s() - delay_s)
    assert error_db(render_part(responses, chirp, onsets_s, clock)[0], expected) < -55


def test_the_two_ways_of_sampling_agree():
    responses, onsets_s = still(CHIRP, lambda f: np.exp(-2j * np.pi * f * 0.0019) + 0.3)
    clock = Clock(48_000, 40_000, 0.0123)
    lines = harmonics(CHIRP)
    anywhere = _render_anywhere(2 * responses * lines.coefficients, lines, clock)
    assert error_db(anywhere, render_part(responses, CHIRP, onsets_s, clock)) < -80


@pytest.mark.parametrize("drift_ppm", [-250.0, 20.0, 250.0])
def test_a_fast_clock_takes_more_samples_per_period(drift_ppm):
    responses, onsets_s = still(CHIRP, np.ones_like)
    clock = Clock(48_000, 48_000, 0.01, drift_ppm)
    heard = render_part(responses, CHIRP, onsets_s, clock)[0]
    n = np.arange(48_000)
    assert error_db(heard, CHIRP.at(0.01 + n / (48_000 * (1 + drift_ppm * 1e-6)))) < -55


def test_a_period_that_is_no_whole_number_of_samples_is_rendered():
    chirp = Chirp(low_hz=15_000, high_hz=19_000, period_s=0.0333, rate_hz=44_100)
    responses, onsets_s = still(chirp, np.ones_like, 40, chirp.period_s)
    heard = render_part(responses, chirp, onsets_s, Clock(44_100, 44_100))[0]
    assert error_db(heard, chirp.emit(44_100)) < -55


def test_a_changing_channel_changes_where_the_chirp_starts_anew():
    lines = harmonics(CHIRP)
    gains = np.arange(1.0, 25.0)
    responses = np.broadcast_to(gains[:, None, None], (24, 1, len(lines.frequencies_hz)))
    heard = render_part(responses, CHIRP, ONSETS_S, Clock(48_000, 48_000))[0].reshape(20, 2400)
    expected = CHIRP.emit(2400)
    for gain, period in zip(gains, heard, strict=False):
        assert error_db(period, gain * expected) < -60


def test_tones_are_heard_as_they_are_and_drawn_smoothly_between():
    tones = PureTones((19_000.0, 20_500.0))
    responses, onsets_s = still(tones, lambda f: np.exp(-2j * np.pi * f * 0.002), 130, 0.01)
    clock = Clock(48_000, 48_000, 0.004, 30.0)
    heard = render_part(responses, tones, onsets_s, clock)[0]
    assert error_db(heard, tones.at(clock.times_s() - 0.002)) < -100


def test_an_approaching_reflector_raises_a_tone():
    tone, speed_m_s = PureTones((20_000.0,)), 0.2
    onsets_s = np.arange(130) * 0.01
    delays_s = 2 * (0.5 - speed_m_s * onsets_s) / 343.0
    responses = np.exp(-2j * np.pi * 20_000 * delays_s)[:, None, None]
    heard = render_part(responses, tone, onsets_s, Clock(48_000, 48_000))[0]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(48_000), 480_000))
    found_hz = np.argmax(spectrum) * 0.1
    assert found_hz - 20_000 == pytest.approx(2 * speed_m_s * 20_000 / 343, abs=0.2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(1.6e-3, 3.6e-3), st.floats(-1, 1)), min_size=1, max_size=6))
def test_point_reflectors_are_interpolated_to_their_exact_phases(reflectors):
    """Within the grid any echo between the two delays is met to -50 dB of the reflectors' summed amplitudes."""
    grid_hz = np.arange(18_750.0, 23_251.0, 250.0)
    wanted_hz = harmonics(CHIRP).frequencies_hz
    wanted_hz = wanted_hz[(wanted_hz >= grid_hz[0]) & (wanted_hz <= grid_hz[-1])]
    matrix = interpolation_matrix(grid_hz, wanted_hz, 1.6e-3, 3.6e-3)

    def channel(frequencies_hz):
        return sum(a * np.exp(-2j * np.pi * frequencies_hz * delay_s) for delay_s, a in reflectors)

    largest = sum(abs(a) for _, a in reflectors)
    assert np.abs(matrix @ channel(grid_hz) - channel(wanted_hz)).max() <= 10 ** (-50 / 20) * largest + 1e-12


def test_a_converter_rounds_to_24_bits_and_clips():
    sound = np.array([[0.3, 1.7, -3.0, 1e-8, 2.0**-23]])
    recorded = record(sound)
    assert recorded.dtype == np.float32
    assert recorded[0, 1] == np.float32(1 - 2.0**-23) and recorded[0, 2] == -1 and recorded[0, 3] == 0
    assert recorded[0, 4] == 2.0**-23
    assert abs(recorded[0, 0] - 0.3) <= 2.0**-24


def test_the_channel_is_computed_once_per_chirp_and_every_10_ms_for_tones_alone():
    both = Composite((Chirp(low_hz=15_000, high_hz=18_000), PureTones((20_000.0,))))
    assert (frame_period_s(CHIRP), frame_period_s(PureTones()), frame_period_s(both)) == (0.05, 0.01, 0.05)


def test_a_probe_of_another_kind_is_refused():
    class Hum:
        kind = "hum"

    with pytest.raises(ProbeError, match="chirps and pure tones, alone or together; hum"):
        harmonics(Hum())

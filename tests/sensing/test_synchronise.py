"""Where a probe starts and how clocks drift, against recordings in closed form; what is said when there is none."""

import numpy as np
import pytest
from closed_form import noise, recording
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import ProbeError, ProbeMismatch, ProbeNotFound, RecordingError
from mien.probe import Chirp, Composite, PureTones
from mien.recording import Recording
from mien.sensing.echoes import periods
from mien.sensing.period_grid import chirp_of
from mien.sensing.synchronise import choose_periods, synchronise

PERIOD = 2400


def start_error(found, start, drift_ppm=0.0, period=PERIOD):
    """Return how far the found start lies from the true one, in samples, whichever period is named."""
    error = found.start_sample - start * (1 + drift_ppm * 1e-6)
    return (error + period / 2) % (period * (1 + drift_ppm * 1e-6)) - period / 2


@given(st.floats(0, PERIOD), st.floats(-300, 300), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_start_and_drift_are_found_wherever_the_recording_begins(start, drift_ppm, seed):
    found = synchronise(recording(start=start, drift_ppm=drift_ppm, noise=0.003, seed=seed, n_samples=48_000))
    assert abs(start_error(found, start, drift_ppm)) <= 0.02
    assert abs(found.drift_ppm - drift_ppm) < 0.5
    assert found.n_periods == 20


def test_a_drift_of_100_ppm_is_found_within_2_ppm_in_much_noise():
    found = synchronise(recording(drift_ppm=100, noise=1.0, n_samples=48_000))
    assert abs(found.drift_ppm - 100) < 2
    assert abs(start_error(found, 500.3, 100)) < 0.2


def test_a_probe_below_the_noise_of_one_period_is_found_in_many():
    found = synchronise(recording(noise=6.0, drift_ppm=-50, n_samples=96_000))
    assert found.peak_to_floor > 8
    assert abs(found.drift_ppm + 50) < 2
    with pytest.raises(ProbeNotFound):
        synchronise(recording(noise=12.0, n_samples=4800))


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_noise_alone_is_not_a_probe(seed):
    with pytest.raises(ProbeNotFound, match=r"correlation peak \d\.\dx the floor, need 8x"):
        synchronise(noise(seed=seed))


def test_shifting_the_recording_shifts_the_start():
    whole = recording(start=700.0, noise=0.01, n_samples=48_000)
    for cut in (1, 77, 650):
        later = Recording(whole.samples[:, cut:], 48_000, whole.probe)
        assert synchronise(later).start_sample == pytest.approx(synchronise(whole).start_sample - cut, abs=0.01)


def test_volume_changes_nothing():
    loud = recording(noise=0.01)
    quiet = Recording(loud.samples * np.float32(2.0**-10), 48_000, loud.probe)
    assert synchronise(quiet) == synchronise(loud)


@pytest.mark.parametrize("n_periods", [1, 2, 5, 20])
@pytest.mark.parametrize("start", [0.0, 300.5, 1290.0, 1800.25, 2399.5])
def test_a_take_of_n_periods_yields_n_columns_wherever_it_begins(n_periods, start):
    take = recording(start=start, n_samples=n_periods * PERIOD)
    found = synchronise(take)
    cut = periods(take, found)
    assert found.n_periods == n_periods
    assert cut.shape == (1, n_periods, PERIOD)
    # Nothing moves in this take, so a period that the ends cut must look like the others.
    size = np.linalg.norm(cut[0, n_periods // 2])
    tolerance = 0.05 if n_periods > 1 else 1
    assert np.linalg.norm(cut - cut[:, n_periods // 2, None], axis=-1).max() < tolerance * size


@given(st.floats(0, 2399.9), st.integers(1, 200), st.floats(100, 2400))
def test_columns_lie_within_a_period_of_the_recording(start, n_periods, needed):
    first, found = choose_periods(start, PERIOD, n_periods * PERIOD, needed)
    assert found == n_periods
    assert first in (-1, 0)
    assert start + first * PERIOD > -PERIOD
    assert start + (first + found) * PERIOD < (n_periods + 1) * PERIOD


def test_the_direct_path_is_found_before_a_louder_face():
    found = synchronise(recording(((0.35, 2.5),), n_samples=48_000))
    assert abs(start_error(found, 500.3)) < 0.1


def test_a_face_without_direct_path_is_the_first_arrival_then():
    found = synchronise(recording(((0.35, 1.0),), direct=0.0))
    delay = (2 * 0.35 - 0.01) / 343.2 * 48_000
    assert abs(start_error(found, 500.3 + delay)) < 0.2


def test_a_clock_whose_rate_wanders_is_followed():
    chirp, n_samples = Chirp(), 48_000 * 30
    sample = np.arange(n_samples)
    wander = 1.0 * np.sin(np.pi * sample / n_samples)
    sound = chirp.at((sample - wander - 400) / 48_000)[None].astype(np.float32)
    found = synchronise(Recording(sound, 48_000, chirp))
    truth = 400 + PERIOD * np.arange(found.n_periods)
    truth = truth + np.interp(truth, sample, wander)
    error = found.starts_sample - PERIOD * found.first_period - truth
    assert np.ptp(error) < 0.05


@pytest.mark.parametrize(
    "probe",
    [
        Chirp(17_000, 20_000),
        Chirp(16_000, 18_000, sweep_s=0.02),
        Chirp(period_s=0.0333, sweep_s=0.02),
        Chirp(sweep_s=0.05),
        Chirp(18_000, 21_000, rate_hz=44_100),
        Chirp(18_000, 40_000, rate_hz=96_000),
        Chirp(20_000, 24_000),
    ],
    ids=lambda probe: f"{probe.low_hz:g}-{probe.high_hz:g} Hz, {probe.period_s:g} s, {probe.rate_hz} Hz",
)
def test_any_chirp_is_found(probe):
    found = synchronise(recording(((0.4, 0.02),), probe=probe, drift_ppm=40, n_samples=probe.rate_hz, noise=0.003))
    assert abs(start_error(found, 500.3, 40, probe.samples_per_period)) < 0.05
    assert abs(found.drift_ppm - 40) < 1


def test_a_chirp_is_heard_apart_from_a_tone_beside_it():
    probe = Composite((Chirp(20_000, 23_000), PureTones((19_000.0,))))
    assert abs(start_error(synchronise(recording(probe=probe, noise=0.003)), 500.3)) < 0.02


def test_all_microphones_follow_one_timing():
    near, far = recording(start=500.0), recording(start=520.0)
    both = Recording(np.concatenate([near.samples * np.float32(0.1), far.samples]), 48_000, near.probe)
    found = synchronise(both)
    assert found.channel == 1
    assert abs(start_error(found, 520.0)) < 0.02


def test_a_recording_at_another_rate_is_refused_with_both_rates_and_the_remedy():
    wrong = Recording(np.zeros((1, 44_100), np.float32), 44_100, Chirp())
    with pytest.raises(ProbeMismatch, match=r"44100 Hz.*48000 Hz.*cut at 22.05 kHz.*Chirp\(high_hz=21000\)"):
        synchronise(wrong)


def test_the_other_borders_say_what_was_found():
    with pytest.raises(RecordingError, match=r"lasts 0.03 s, less than one period.*0.05 s are needed"):
        synchronise(recording(n_samples=1440))
    with pytest.raises(ProbeNotFound, match="all 48000 samples are zero"):
        synchronise(Recording(np.zeros((1, 48_000), np.float32), 48_000, Chirp()))
    broken = recording()
    broken.samples[0, 100:105] = np.nan
    with pytest.raises(RecordingError, match="5 of 24000 samples are not finite"):
        synchronise(broken)
    with pytest.raises(ProbeError, match="does not say which probe"):
        synchronise(Recording(broken.samples, 48_000))
    with pytest.raises(ProbeError, match="a chirp is needed"):
        synchronise(Recording(broken.samples, 48_000, PureTones((19_000.0,))))


@given(st.integers(0, 47_999), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_click_in_silence_is_not_a_probe(sample, seed):
    clicks = np.zeros((1, 48_000), np.float32)
    clicks[0, [sample, np.random.default_rng(seed).integers(48_000)]] = 0.5, -0.3
    with pytest.raises(ProbeNotFound):
        synchronise(Recording(clicks, 48_000, Chirp()))


def test_a_band_that_a_codec_cut_off_is_suspected():
    rng = np.random.default_rng(0)
    low = np.cumsum(rng.standard_normal(48_000)) * 1e-3
    low = np.fft.irfft(np.fft.rfft(low) * (np.arange(24_001) < 16_000)).astype(np.float32)
    with pytest.raises(ProbeNotFound, match="resampled or compressed"):
        synchronise(Recording(low[None], 48_000, Chirp()))


def test_a_recording_of_two_chirps_is_synchronised_to_the_first():
    low, high = Chirp(14_000, 17_000), Chirp()
    for parts in ((low, high), (high, low)):
        made = recording(probe=Composite(parts), noise=0.003, n_samples=48_000)
        assert chirp_of(made) == parts[0]
        assert abs(start_error(synchronise(made), 500.3)) < 0.05


def test_a_second_devices_chirp_is_said_to_be_possible():
    mine = recording(noise=0.003, n_samples=48_000)
    other = 0.9 * recording(probe=Chirp(period_s=0.04), start=900.0, n_samples=48_000).samples
    with pytest.raises(ProbeMismatch, match="any other emitter nearby"):
        synchronise(Recording(mine.samples + other, 48_000, Chirp()))

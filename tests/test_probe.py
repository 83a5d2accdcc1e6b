"""The probe: every derived quantity against the paper's figures, every sample against the closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import ProbeError
from mien.probe import Chirp, Composite, Probe, PureTones, at_rate, describe, probe_from_json, probe_to_json

PROBES = [
    Chirp(),
    Chirp(low_hz=16_000, high_hz=20_000, rate_hz=44_100),
    PureTones((19_000.0,)),
    PureTones((17_500.0, 18_000.0), rate_hz=44_100),
    Composite((PureTones((18_000.0,)), Chirp())),
]


def test_chirp_has_the_papers_quantities():
    chirp = Chirp()
    assert chirp.range_cell_m() == pytest.approx(0.0425)  # FacER Eq. 5
    assert chirp.sample_range_m() == pytest.approx(0.00354, abs=5e-6)
    assert chirp.beat_hz(0.25) == pytest.approx(235.3, abs=0.1)  # FacER section IV-A-2: 235 Hz
    assert chirp.beat_hz(0.50) == pytest.approx(470.6, abs=0.1)  # and 470 Hz
    assert chirp.samples_per_period == 2400
    assert chirp.samples_per_sweep == 1200


@given(st.floats(0.01, 3.0))
def test_distance_is_the_inverse_of_beat(distance_m):
    chirp = Chirp()
    assert chirp.distance_m(chirp.beat_hz(distance_m)) == pytest.approx(distance_m)


@pytest.mark.parametrize("probe", PROBES, ids=describe)
def test_samples_are_the_closed_form(probe: Probe):
    emitted = probe.emit(5_000)
    assert emitted == pytest.approx(probe.at(np.arange(5_000) / probe.rate_hz), abs=1e-7)
    assert np.abs(emitted).max() <= 1.0


@pytest.mark.parametrize("rate_hz", [48_000, 96_000, 50_001, 192_000])
def test_a_period_that_is_no_whole_number_of_samples_does_not_drift(rate_hz):
    """After an hour of emission the waveform still stands where the closed form puts it."""
    chirp = Chirp(rate_hz=rate_hz)
    n_samples = rate_hz + 7
    late = chirp.emit(n_samples)[-2000:]
    time_s = np.arange(n_samples - 2000, n_samples, dtype=np.longdouble) / rate_hz
    wrapped = time_s - np.floor(time_s / np.longdouble(chirp.period_s) + np.longdouble(1e-13)) * np.longdouble(0.05)
    assert late == pytest.approx(chirp.at(np.abs(wrapped).astype(float)), abs=1e-6)


def test_frequency_sweeps_linearly_through_the_band():
    chirp = Chirp(fade_s=0.0)
    time_s = np.linspace(0.001, 0.024, 50)
    step_s = 1e-7
    # The slope of the phase, from quadrature copies of the closed form a quarter of a carrier period apart.
    phase = 2 * np.pi * (chirp.low_hz * time_s + chirp.slope_hz_per_s * time_s**2 / 2)
    measured = np.cos(phase) * 2 * np.pi * (chirp.low_hz + chirp.slope_hz_per_s * time_s)
    differences = (chirp.at(time_s + step_s) - chirp.at(time_s - step_s)) / (2 * step_s)
    assert differences == pytest.approx(measured, rel=1e-3, abs=20.0)


def test_energy_stays_in_the_band():
    spectrum = np.abs(np.fft.rfft(Chirp().sweep(), 2**16)) ** 2
    frequency_hz = np.fft.rfftfreq(2**16, 1 / 48_000)
    inside = (frequency_hz > 18_800) & (frequency_hz < 23_200)
    assert 10 * np.log10(spectrum[~inside].sum() / spectrum.sum()) < -30


def test_fades_take_the_click_away():
    audible = np.fft.rfftfreq(2**16, 1 / 48_000) < 15_000
    faded = np.abs(np.fft.rfft(Chirp().sweep(), 2**16))[audible].max()
    abrupt = np.abs(np.fft.rfft(Chirp(fade_s=0.0).sweep(), 2**16))[audible].max()
    assert faded < abrupt / 30


@pytest.mark.parametrize("probe", PROBES, ids=describe)
def test_json_goes_there_and_back(probe):
    assert probe_from_json(probe_to_json(probe)) == probe


def test_a_band_above_half_the_rate_is_refused_with_the_remedy():
    with pytest.raises(ProbeError, match=r"44100 Hz, which carries only up to 22050 Hz.*at least 46000 Hz"):
        at_rate(Chirp(), 44_100)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Chirp(low_hz=23_000, high_hz=19_000), "no band"),
        (lambda: Chirp(sweep_s=0.1), "does not fit"),
        (lambda: Chirp(fade_s=0.02), "do not fit"),
        (lambda: Chirp(low_hz=float("nan")), "positive number"),
        (lambda: Chirp(rate_hz=48_000.5), "whole number"),
        (lambda: PureTones(()), "at least one"),
        (lambda: PureTones((19_000.0, 18_000.0)), "must rise"),
        (lambda: PureTones((23_000.0,), rate_hz=44_100), "carries only"),
        (lambda: Composite((Chirp(),)), "at least two"),
        (lambda: Composite((Chirp(), PureTones((20_000.0,)))), "heard apart"),
        (lambda: Composite((Chirp(), PureTones((18_000.0,), rate_hz=44_100))), "one rate"),
        (lambda: probe_from_json({"kind": "siren"}), "unknown"),
        (lambda: probe_from_json({"kind": "chirp", "lowest": 1}), "no field lowest"),
        (lambda: probe_from_json({"kind": "chirp", "low_hz": "19000"}), "positive number"),
        (lambda: probe_from_json([]), "an object"),
        (lambda: probe_from_json({"kind": "composite"}), "one field"),
    ],
)
def test_what_cannot_be_emitted_is_refused(build, message):
    with pytest.raises(ProbeError, match=message):
        build()


def test_parts_of_a_composite_are_heard_apart():
    """A band-pass to one part's band gives back that part, at its share of the level, 40 dB above the other."""
    composite = Composite((PureTones((18_000.0,)), Chirp()))
    n_samples = 48_000
    spectrum = np.fft.rfft(composite.emit(n_samples))
    frequency_hz = np.fft.rfftfreq(n_samples, 1 / 48_000)
    tone = np.fft.irfft(np.where(abs(frequency_hz - 18_000) < 100, spectrum, 0), n_samples)
    assert tone == pytest.approx(composite.part("pure-tones").emit(n_samples) / 2, abs=0.005)
    with pytest.raises(ProbeError, match="one part of kind 'coded-tones'"):
        composite.part("coded-tones")


def test_doppler_and_wavelength_of_tones():
    tones = PureTones((20_000.0,))
    assert tones.wavelength_m() == (pytest.approx(0.017),)
    assert tones.doppler_hz(0.34) == (pytest.approx(40.0),)


def test_a_composite_of_two_chirps_is_used_by_the_number_of_its_part():
    low, high = Chirp(14_000, 17_000), Chirp()
    both = Composite((low, high))
    assert (both.part("chirp", 0), both.part("chirp", 1)) == (low, high)
    for asked in (("chirp",), ("chirp", 2)):
        with pytest.raises(ProbeError, match=r"part\('chirp', 0\) to part\('chirp', 1\) are there"):
            both.part(*asked)
    with pytest.raises(ProbeError, match="there is none"):
        both.part("pure-tones")

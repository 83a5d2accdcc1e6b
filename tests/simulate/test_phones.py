import numpy as np
import pytest

from mien.errors import StudyError
from mien.probe import Chirp
from mien.simulate.phones import FLOOR_DB, MEASURED, PHONES, phone_named
from mien.simulate.render import Clock, harmonics, render_part

# Decibels relative to 1-4 kHz at 18-19, 20-21 and 22-23 kHz.
MEASUREMENTS = {
    "iphone-5c": (-6, -11, -37),
    "iphone-6s": (-15, -23, -48),
    "galaxy-s4": (-11, -11, -26),
    "galaxy-s5": (-24, -24, -36),
}
BANDS_HZ = np.array([18_500.0, 20_500.0, 22_500.0])


def test_the_measured_phones_are_as_measured():
    for name, levels_db in MEASUREMENTS.items():
        assert np.allclose(PHONES[name].magnitude_db(BANDS_HZ), levels_db)
    nexus_db = PHONES["nexus-6p"].magnitude_db(np.arange(1000.0, 23_000.0, 100.0))
    assert np.abs(nexus_db).max() <= 5


def test_the_reference_is_flat():
    assert np.array_equal(PHONES["reference"].response(BANDS_HZ), np.ones(3))


@pytest.mark.parametrize("name", MEASURED)
def test_a_response_is_minimum_phase(name):
    """It is causal, and no other causal response of the same magnitude gives its energy out earlier."""
    rate_hz, n = 96_000, 4096
    frequencies_hz = np.fft.rfftfreq(n, 1 / rate_hz)
    response = PHONES[name].response(frequencies_hz)
    impulse = np.fft.irfft(response)
    before = np.sum(impulse[n // 2 :] ** 2) / np.sum(impulse**2)
    assert 10 * np.log10(before) < -50
    # The cepstrum of a minimum-phase response is one-sided.
    cepstrum = np.fft.irfft(np.log(np.abs(response)) + 1j * np.unwrap(np.angle(response)))
    assert np.sum(cepstrum[n // 2 + 1 :] ** 2) < 1e-3 * np.sum(cepstrum[1 : n // 2] ** 2)


@pytest.mark.parametrize("name", MEASURED)
def test_the_response_is_recovered_from_a_rendered_sweep(name):
    sweep = Chirp(low_hz=17_000, high_hz=23_500, sweep_s=0.04)
    lines = harmonics(sweep)
    response = PHONES[name].response(lines.frequencies_hz)
    onsets_s = np.arange(4) * sweep.period_s
    clock = Clock(48_000, 4800)
    heard = render_part(np.broadcast_to(response, (4, 1, len(response))), sweep, onsets_s, clock)[0]
    emitted = sweep.emit(4800)
    frequencies_hz = np.fft.rfftfreq(4800, 1 / 48_000)
    inside = (frequencies_hz > 18_000) & (frequencies_hz < 23_000) & (np.arange(len(frequencies_hz)) % 2 == 0)
    ratio_db = 20 * np.log10(np.abs(np.fft.rfft(heard)[inside] / np.fft.rfft(emitted)[inside]))
    assert np.abs(ratio_db - PHONES[name].magnitude_db(frequencies_hz[inside])).max() < 0.3


def test_beyond_the_last_band_the_slope_goes_on_to_a_floor():
    phone = PHONES["iphone-6s"]
    assert phone.magnitude_db(np.array([23_000.0]))[0] == pytest.approx(-48 - 6.25)
    assert phone.magnitude_db(np.array([40_000.0]))[0] == FLOOR_DB


def test_every_device_has_a_direct_path_of_its_own():
    taps = [PHONES[name].direct_taps() for name in PHONES]
    assert len({tuple(delays_s) for delays_s, _ in taps}) == len(PHONES)
    for (delays_s, amplitudes), (again_s, _) in zip(taps, [PHONES[name].direct_taps() for name in PHONES], strict=True):
        assert np.array_equal(delays_s, again_s)
        assert (delays_s > 0).all() and delays_s.max() <= 0.3e-3 and np.abs(amplitudes).max() < 0.2


def test_an_unknown_phone_is_refused():
    with pytest.raises(StudyError, match="device 'brick' is unknown; known are reference, iphone-5c"):
        phone_named("brick")

"""Recordings of other probes are refused by name; with the probe itself every level, phone and clipping passes."""

import numpy as np
import pytest
from closed_form import recording
from scipy.signal import resample_poly

from mien.errors import ProbeMismatch
from mien.probe import Chirp, Composite, PureTones
from mien.recording import Recording
from mien.sensing.quality import heard_quality
from mien.sensing.synchronise import synchronise
from mien.simulate.generate import simulate_takes
from mien.simulate.options import SimulationOptions
from mien.simulate.phones import MEASURED, PHONES

EXPECTED = r"expected chirp 19000-23000 Hz, 25 ms every 50 ms, 48000 Hz"
OTHERS = [
    (Chirp(18_000, 22_000), "goes on below 19000 Hz"),
    (Chirp(17_000, 23_000), r"takes 16\.\d ms for these 4000 Hz"),
    (Chirp(20_000, 23_900), "goes on above 23000 Hz"),
    (Chirp(sweep_s=0.02), r"takes (19\.[5-9]|20\.[0-5]) ms for these 4000 Hz"),
    (Chirp(period_s=0.04), "repeat every 40 ms"),
    (Chirp(period_s=0.1), "repeat every 100 ms"),
]


@pytest.mark.parametrize("noise", [0.003, 0.3])
@pytest.mark.parametrize(("other", "found"), OTHERS, ids=lambda value: value if isinstance(value, str) else "")
def test_another_probe_is_named(other, found, noise):
    sound = recording(probe=other, noise=noise, n_samples=48_000).samples
    with pytest.raises(ProbeMismatch, match=rf"{found}.*{EXPECTED}"):
        synchronise(Recording(sound, 48_000, Chirp()))
    synchronise(Recording(sound, 48_000, other))


@pytest.mark.parametrize("device", ["iphone-5c", "galaxy-s5"])
@pytest.mark.parametrize(("other", "_found"), OTHERS, ids=lambda value: value if isinstance(value, str) else "")
def test_another_probe_is_refused_through_a_phone(other, _found, device):
    take = next(simulate_takes(SimulationOptions(1, "hard", 1, device=device, probe=other, n_facets=6000)))
    with pytest.raises(ProbeMismatch, match=EXPECTED):
        synchronise(Recording(take.samples, 48_000, Chirp()))


@pytest.mark.parametrize(
    ("level", "device"),
    [("easy", None), ("medium", None), *((level, name) for level in ("hard", "wild") for name in PHONES)],
)
def test_every_level_and_phone_passes_in_noise_clipped_and_short(level, device):
    options = SimulationOptions(1, level, 1, expressions=("anger",), device=device, clock_spread_ppm=150, n_facets=6000)
    take = next(simulate_takes(options))
    sound, rng = take.samples, np.random.default_rng(0)
    in_band_0_db = sound.std() * np.sqrt(24_000 / 4_000)
    peak = np.abs(sound).max()
    for heard in (
        sound,
        sound + in_band_0_db * rng.standard_normal(sound.shape),
        np.clip(sound, -0.3 * peak, 0.3 * peak),
        np.clip(sound, -0.05 * peak, 0.05 * peak),
        sound[:, :7200],
    ):
        synchronise(Recording(heard.astype(np.float32), 48_000, Chirp()))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("drift_ppm", [-300, 300])
def test_drift_and_noise_far_above_the_probe_leave_it_open(drift_ppm, seed):
    synchronise(recording(drift_ppm=drift_ppm, noise=4.0, n_samples=96_000, seed=seed, start=400.7 * seed))


@pytest.mark.parametrize("tone_hz", [18_600.0, 23_400.0])
def test_the_tone_of_a_composite_is_no_other_band(tone_hz):
    probe = Composite((Chirp(), PureTones((tone_hz,))))
    synchronise(recording(probe=probe, noise=0.003, n_samples=48_000))


def test_a_strange_tone_and_a_notch_at_the_bands_end_pass():
    sound = recording(n_samples=48_000).samples.astype(np.float64)
    beacon = sound + 0.2 * np.sin(2 * np.pi * 18_500 / 48_000 * np.arange(48_000))
    spectrum, freq_hz = np.fft.rfft(sound), np.arange(24_001)
    notched = np.fft.irfft(spectrum * (1 - 0.9 * np.exp(-(((freq_hz - 19_300) / 300) ** 2))))
    dull = np.fft.irfft(spectrum * 10 ** (-np.interp(freq_hz, (19_000, 22_000, 23_000), (0, 6, 37)) / 20))
    for heard in (beacon, notched, dull, np.diff(sound, n=3)):
        synchronise(Recording(heard.astype(np.float32), 48_000, Chirp()))


@pytest.mark.parametrize("phone", MEASURED)
def test_other_probes_pass_as_themselves_through_phones(phone):
    for other, _ in OTHERS[:3]:
        options = SimulationOptions(1, "wild", 1, expressions=("fear",), device=phone, probe=other, n_facets=6000)
        take = next(simulate_takes(options))
        synchronise(Recording(take.samples, 48_000, other))


@pytest.mark.parametrize("device", ["reference", "iphone-6s", "galaxy-s5"])
@pytest.mark.parametrize("window", [("kaiser", 5.0), ("kaiser", 12.0)])
def test_a_sweep_that_went_through_44100_hz_is_resampled_and_no_other_probe(device, window):
    """Its images above 23 kHz looked like a sweep that goes on."""
    take = next(simulate_takes(SimulationOptions(1, "hard", 1, device=device, n_facets=6000)))
    sound = resample_poly(take.samples.astype(np.float64), 147, 160, axis=1, window=window)
    sound = resample_poly(sound, 160, 147, axis=1, window=window).astype(np.float32)
    assert "resampled" in heard_quality(Recording(sound, 48_000, Chirp()))
    assert "resampled" not in heard_quality(Recording(take.samples, 48_000, Chirp()))


@pytest.mark.parametrize("edge_hz", [20_000, 21_000])
@pytest.mark.parametrize("seed", range(4))
def test_a_band_that_a_coder_ends_is_no_other_slope(edge_hz, seed):
    sound = recording(noise=0.001, n_samples=48_000, seed=seed).samples
    spectrum = np.fft.rfft(sound)
    spectrum[:, edge_hz:] *= 1e-4
    synchronise(Recording(np.fft.irfft(spectrum).astype(np.float32), 48_000, Chirp()))

"""The device check against devices whose response, noise and faults are known."""

import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import fftconvolve, firwin, firwin2, resample_poly

from mien.device import PROBLEMS, analyse_sweep, probe_from_file
from mien.device.sweep import Sweep
from mien.errors import DeviceError, RecordingError

RATE_HZ = 48_000
SWEEP_S = 2.0
GAINS_DB = {
    0: -6,
    900: 0,
    4500: 0,
    13500: -3,
    15500: -3,
    16500: -9,
    18500: -9,
    19500: -20,
    21500: -20,
    22500: -40,
    24000: -40,
}


@lru_cache(maxsize=1)
def device_filter() -> np.ndarray:
    gains = [10 ** (gain_db / 20) for gain_db in GAINS_DB.values()]
    return firwin2(1001, list(GAINS_DB), gains, fs=RATE_HZ)


def heard(n_sweeps=3, *, noise_db=-70.0, gap_s=0.0, lead_s=0.0, taps=None, seed=0, sweep_s=SWEEP_S) -> np.ndarray:
    """Return (time): sweeps of half amplitude through a known device, in white noise of an RMS in dB of full scale."""
    rng = np.random.default_rng(seed)
    one = 0.5 * Sweep(0, 24_000, sweep_s).samples(RATE_HZ)
    whole = np.concatenate([np.concatenate([one, np.zeros(round(gap_s * RATE_HZ))]) for _ in range(n_sweeps)])
    whole = fftconvolve(whole, device_filter() if taps is None else taps)[500 : 500 + len(whole)]
    whole = np.concatenate([np.zeros(round(lead_s * RATE_HZ)), whole])
    whole = whole + 10 ** (noise_db / 20) * rng.standard_normal(len(whole))
    return np.round(whole * 32_767) / 32_768


def analyse(*channels: np.ndarray, sweep_s=SWEEP_S, rate_hz=RATE_HZ):
    return analyse_sweep(np.array(channels, dtype=np.float32), rate_hz, (0, 24_000), sweep_s)


def truth_db(low_hz: float) -> float:
    """Return the filter's mean power in a band over its mean power at 1-4 kHz, from its taps alone."""
    power = np.abs(np.fft.rfft(device_filter(), 48_000)) ** 2
    return 10 * np.log10(power[int(low_hz) : int(low_hz) + 1001].mean() / power[1_000:4_001].mean())


@pytest.mark.parametrize("layout", [{}, {"gap_s": 0.37}, {"lead_s": 1.234}, {"n_sweeps": 1, "lead_s": 0.7}])
def test_a_known_response_is_recovered_wherever_the_sweeps_stand(layout):
    report = analyse(heard(**layout))
    channel = report.channels[0]
    assert channel.n_sweeps == layout.get("n_sweeps", 3)
    for band in channel.bands[:-1]:
        assert band.response_db == pytest.approx(truth_db(band.low_hz), abs=1.0), band
    assert channel.problems == ()
    assert (channel.usable.low_hz, channel.usable.high_hz) == (14_000, 22_000)
    assert channel.starts_s[0] == pytest.approx(layout.get("lead_s", 0.0), abs=1e-3)


@pytest.mark.parametrize("sweep_s", [0.25, 0.5, 8.0])
def test_sweeps_of_other_lengths_say_the_same(sweep_s):
    channel = analyse(heard(2, sweep_s=sweep_s, noise_db=-80), sweep_s=sweep_s).channels[0]
    for band in channel.bands[:-1]:
        assert band.response_db == pytest.approx(truth_db(band.low_hz), abs=1.5), band
    assert channel.problems == ()


def test_a_recording_started_a_little_late_still_counts():
    late = heard(1)[round(0.02 * SWEEP_S * RATE_HZ) :]
    channel = analyse(late).channels[0]
    assert channel.n_sweeps == 1 and channel.problems == ()
    assert channel.bands[2].response_db == pytest.approx(truth_db(16_000), abs=1.0)


def test_the_last_kilohertz_ends_at_half_the_rate_and_is_measured():
    band = analyse(heard(taps=np.eye(1, 1001, 500)[0])).channels[0].bands[-1]
    assert (band.low_hz, band.high_hz) == (23_000, 24_000)
    assert band.response_db == pytest.approx(0.0, abs=0.5)


def test_the_noise_after_compression_is_the_theory_s():
    """A flat device: energy of the band's share of the sweep over the density of white noise, at the pulse's peak."""
    rms = 10 ** (-50 / 20)
    bands = analyse(heard(noise_db=-50, taps=np.eye(1, 1001, 500)[0])).channels[0].bands
    effective_hz = (
        1_000 - 200
    )  # sine-squared edges of 200 Hz: integral of the window is 800 Hz, of its square 850 - 100
    squared_hz = 1_000 - 2 * 200 + 2 * 200 * 3 / 8
    seconds_per_hz = SWEEP_S / 24_000
    # pulse: 2 * integral of A^2/4 T/B W df; noise: 4 * integral of N0/2 A^2/4 T/B W^2 df, N0 = 2 rms^2 / rate
    pulse = (0.5 * seconds_per_hz * 0.5 * effective_hz) ** 2
    noise = rms**2 / RATE_HZ * seconds_per_hz * squared_hz
    expected_db = 10 * np.log10(pulse / noise)
    assert np.median([band.snr_db for band in bands[:-1]]) == pytest.approx(expected_db, abs=1.5)


def test_ten_decibels_more_noise_are_ten_decibels_less_ratio():
    quiet, loud = (analyse(heard(noise_db=level)).channels[0].bands for level in (-60, -50))
    for one, other in zip(quiet[:8], loud[:8], strict=True):
        assert one.snr_db - other.snr_db == pytest.approx(10.0, abs=1.5)


def test_noise_takes_the_upper_bands_and_is_named_when_it_takes_all():
    report = analyse(heard(noise_db=-12))
    assert report.channels[0].usable.high_hz < 22_000
    deaf = analyse(heard(noise_db=5))
    assert "low-snr" in deaf.channels[0].problems or "no-sweep" in deaf.channels[0].problems
    assert deaf.recommended is None and deaf.to_json()["reason"]


@pytest.mark.parametrize("limit", [1.0, 0.3])
def test_clipping_is_named_at_and_below_full_scale(limit):
    loud = heard() * 2.6 * limit
    clipped = analyse(np.clip(loud, -limit, limit * 32_767 / 32_768), heard())
    assert "clipped" in clipped.channels[0].problems
    assert clipped.channels[1].problems == ()
    assert clipped.recommended.channel == 1


def test_a_clean_constant_sweep_is_not_taken_for_clipped():
    assert analyse(heard(noise_db=-200, taps=np.eye(1, 1001, 500)[0])).channels[0].problems == ()


def test_silence_speech_like_noise_and_a_wrong_description_are_no_sweep():
    rng = np.random.default_rng(0)
    hiss = 0.1 * rng.standard_normal(6 * RATE_HZ)
    for report in (analyse(np.zeros(6 * RATE_HZ)), analyse(hiss), analyse(heard(), sweep_s=2.5)):
        assert "no-sweep" in report.channels[0].problems
        assert report.channels[0].usable is None and report.recommended is None
        assert [band.response_db for band in report.channels[0].bands] == [None] * 10
        assert "no sweep was found" in report.reason


def steep_low_pass() -> np.ndarray:
    """Return taps at 48000 x 147 Hz that pass 21.2 kHz and stop 22.05 kHz, as good converters do."""
    return firwin(120_001, 21_600, fs=RATE_HZ * 147, window=("kaiser", 9.0))


def test_a_missing_sweep_among_others_is_named():
    whole = heard(4)
    whole[2 * round(SWEEP_S * RATE_HZ) : 3 * round(SWEEP_S * RATE_HZ)] *= 1e-4
    channel = analyse(whole).channels[0]
    assert channel.n_sweeps == 3 and "no-sweep" in channel.problems
    assert "due at 4.0 s" in channel.details[channel.problems.index("no-sweep")]
    assert channel.usable is not None


def test_a_silent_channel_beside_a_good_one_is_named():
    report = analyse(heard(), np.zeros(3 * round(SWEEP_S * RATE_HZ)))
    assert report.channels[0].problems == () and report.channels[1].problems == ("no-sweep",)
    assert report.recommended.channel == 0


def test_a_trip_through_44100_hz_is_named_resampled():
    flat = np.eye(1, 1001, 500)[0]
    for window in (("kaiser", 5.0), ("kaiser", 14.0), steep_low_pass()):
        low, high = (window, window * 160 / 147) if isinstance(window, np.ndarray) else (window, window)
        once = resample_poly(resample_poly(heard(taps=flat), 147, 160, window=low), 160, 147, window=high)
        channel = analyse(once + 1e-4 * np.random.default_rng(1).standard_normal(len(once))).channels[0]
        assert "resampled" in channel.problems
        assert "44100 Hz" in channel.details[channel.problems.index("resampled")]


@pytest.mark.parametrize("pace", [160 / 147, 147 / 160])
def test_a_recording_labelled_with_a_wrong_rate_is_named_resampled(pace):
    up, down = (147, 160) if pace > 1 else (160, 147)
    channel = analyse(resample_poly(heard(), up, down)).channels[0]
    assert "resampled" in channel.problems and channel.usable is None


def test_a_slightly_wrong_pace_is_named_and_clock_drift_is_not():
    time = np.arange(round(3 * SWEEP_S * RATE_HZ))
    for wrong, named in ((1.004, True), (1.0002, False)):
        channel = analyse(np.interp(time * wrong, time, heard())).channels[0]
        assert ("resampled" in channel.problems) is named, wrong


def test_a_ramp_of_gain_is_named_gain_control():
    whole = heard(4)
    ramp = 10 ** (np.linspace(0, -9, len(whole)) / 20)
    channel = analyse(whole * ramp).channels[0]
    assert channel.problems == ("gain-control",)
    assert "between 4 sweeps" in channel.details[0]


def test_gain_that_settles_within_the_first_sweep_is_named():
    whole = heard(3)
    settle = np.interp(np.arange(len(whole)), [0, SWEEP_S * RATE_HZ], [3.0, 1.0])
    assert "gain-control" in analyse(whole * settle / 3).channels[0].problems


def test_held_samples_and_lost_samples_are_named_dropout():
    held = heard()
    held[70_000:70_480] = held[70_000]
    zeros = heard()
    zeros[150_000:150_200] = 0
    lost = np.delete(heard(), np.arange(60_000, 60_256))
    repeated = np.insert(heard(1), 50_000, heard(1)[49_744:50_000])
    for broken in (held, zeros, lost, repeated):
        assert "dropout" in analyse(broken).channels[0].problems


def test_a_recording_at_44100_hz_says_what_it_cannot_carry():
    report = analyse(resample_poly(heard(taps=np.eye(1, 1001, 500)[0]), 147, 160), rate_hz=44_100)
    bands = report.channels[0].bands
    assert [band.response_db is None for band in bands] == [False] * 8 + [True] * 2
    assert not report.carries_probe
    assert report.recommended.high_hz <= 22_000


def test_recommendations_prefer_the_paper_s_band_then_what_is_not_heard_then_warn():
    flat = analyse(heard(taps=np.eye(1, 1001, 500)[0]))
    assert (flat.recommended.low_hz, flat.recommended.high_hz) == (19_000, 23_000) and flat.carries_probe
    weak = analyse(heard())
    assert (weak.recommended.low_hz, weak.recommended.high_hz) == (18_000, 22_000) and not weak.carries_probe
    assert "22-23 kHz" in weak.recommended.reason and "cannot carry 19-23 kHz" in weak.verdict
    low = analyse(heard(taps=firwin2(1001, [0, 16_700, 17_000, 24_000], [1, 1, 1e-3, 1e-3], fs=RATE_HZ)))
    assert low.recommended.high_hz <= 17_000 and "audible" in low.recommended.reason


def test_the_report_is_plain_json_in_the_documented_shape():
    report = analyse(heard(), np.zeros(3 * round(SWEEP_S * RATE_HZ)))
    read = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert len(read["channels"]) == 2
    assert [band["low_hz"] for band in read["channels"][0]["bands"]] == list(range(14_000, 24_000, 1_000))
    assert set(read["channels"][0]["bands"][0]) == {"low_hz", "high_hz", "response_db", "snr_db"}
    assert set(read["channels"][0]["usable"]) == {"low_hz", "high_hz"} and read["channels"][1]["usable"] is None
    assert set(read["recommended"]) == {"low_hz", "high_hz", "channel", "reason"}
    assert all(word in PROBLEMS for channel in read["channels"] for word in channel["problems"])
    rows = report.table()
    assert len(rows) == 11 and {len(row) for row in rows} == {5}
    assert any("no-sweep" in line for line in report.lines())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((24_000, 0), 4.0), "must rise"),
        (((10_000, 24_000), 4.0), "covers 1-4 kHz"),
        (((0, 24_000), 0.01), "0.1 to 60 s"),
    ],
)
def test_a_sweep_that_cannot_be_judged_is_refused(arguments, words):
    with pytest.raises(DeviceError, match=words):
        analyse_sweep(np.zeros((1, 1000), np.float32), RATE_HZ, *arguments)


def test_a_recording_shorter_than_the_sweep_says_so(tmp_path):
    soundfile.write(tmp_path / "short.wav", heard(1)[:RATE_HZ], RATE_HZ)
    report = probe_from_file(tmp_path / "short.wav")
    assert report.channels[0].problems == ("no-sweep",) and "shorter than" in report.reason


def test_a_file_that_is_no_sound_is_refused(tmp_path):
    (tmp_path / "words.wav").write_text("hello")
    with pytest.raises(RecordingError):
        probe_from_file(tmp_path / "words.wav")


# Measured phones: band -> dB relative to 1-4 kHz, for the first channel.
PHONES = {
    "iphone5c_up.flac": ({18: -6, 20: -11, 22: -37}, False),
    "iphone6s_down.flac": ({18: -15, 20: -23}, False),
    "iphone6s_up_onhand.flac": ({}, False),
    "nexus6p_mic_onhand.flac": ({18: 0, 20: 0, 22: -3}, True),
    "s4_mic_onhand.flac": ({18: -11, 20: -11, 22: -26}, True),
}


def phone(name: str) -> Path:
    root = Path(os.environ.get("MIEN_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    path = root / "phone_sweeps" / name
    if not path.exists():
        pytest.skip(f"recorded phones are not here ({path.parent.name}/{name}); set MIEN_DATA")
    return path


@pytest.mark.parametrize("name", PHONES)
def test_recorded_phones_read_as_measured(name):
    report = probe_from_file(phone(name))
    levels, carries = PHONES[name]
    bands = {band.low_hz // 1000: band for band in report.channels[0].bands}
    for kilohertz, level_db in levels.items():
        assert bands[kilohertz].response_db == pytest.approx(level_db, abs=1.5)
    assert report.carries_probe is carries
    best = report.recommended
    assert (best.low_hz, best.high_hz) == (19_000, 23_000) if carries else best.high_hz - best.low_hz >= 2_000
    assert all(channel.n_sweeps == 4 for channel in report.channels)
    assert ("clipped" in report.channels[0].problems) is name.startswith("s4")
    assert not {word for channel in report.channels for word in channel.problems} - {"clipped"}


@pytest.mark.parametrize("filled_with", ["zeros", "noise", "the others cut away"])
@pytest.mark.parametrize("slot", range(4))
def test_a_phone_s_steep_end_is_no_resampling_whichever_sweep_is_missing(slot, filled_with):
    samples, rate_hz = soundfile.read(phone("iphone5c_up.flac"), dtype="float32", always_2d=True)
    begin, end = 4 * slot * rate_hz, 4 * (slot + 1) * rate_hz
    if filled_with == "the others cut away":
        samples = samples[max(begin - 20, 0) : end]
    else:
        noise = np.random.default_rng(slot).standard_normal((end - begin, 1)).astype(np.float32)
        samples[begin:end] = 0.0005 * noise * (filled_with == "noise")
    report = analyse_sweep(samples.T, rate_hz, (0, 24_000), 4.0)
    assert "resampled" not in report.channels[0].problems
    assert ("no-sweep" in report.channels[0].problems) == (filled_with != "the others cut away")


def test_an_end_band_far_down_is_no_gain_control():
    """A kilohertz that is 40 dB below and has a level of its own in each sweep tilted the line through all bands."""
    rng, parts = np.random.default_rng(4), heard(3, noise_db=-90).reshape(3, -1)
    time_hz = np.arange(parts.shape[1]) / parts.shape[1] * 24_000
    steps = np.array([1.0, 10 ** (-12 / 20), 1.0])[:, None] ** (time_hz > 21_500)
    changed = (parts * steps).ravel() + 1e-7 * rng.standard_normal(parts.size)
    assert "gain-control" not in analyse(changed).channels[0].problems


def test_of_two_channels_the_less_clipped_is_recommended_and_the_verdict_says_how_much():
    flat = np.eye(1, 1001, 500)[0]
    quiet, loud = np.clip(heard(taps=flat), -0.49, 0.49) / 0.49, np.clip(4 * heard(taps=flat), -1, 1)
    report = analyse(loud, quiet)
    shares = [channel.clipped_share for channel in report.channels]
    assert shares[0] > 0.2 > shares[1] > 0.01 and report.recommended.channel == 1
    assert f"{100 * shares[0]:.0f} % of channel 0" in report.verdict and "full scale" in report.verdict


def test_a_report_beside_its_recording_is_not_taken_for_a_sidecar(tmp_path):
    """As `mien probe --from x.wav --json > x.json` puts it there, empty at first."""
    file = tmp_path / "x.wav"
    soundfile.write(file, heard(), RATE_HZ, subtype="PCM_16")
    for text in ("", json.dumps(probe_from_file(file, sweep_s=SWEEP_S).to_json())):
        file.with_suffix(".json").write_text(text)
        assert probe_from_file(file, sweep_s=SWEEP_S).channels[0].n_sweeps == 3

"""What is played: without a seam, at its level, faded, and known part by part."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.capture import CheckEmission, check_emission, looped
from mien.capture.emission import STEP_DB, samples_until_repeated
from mien.errors import ProbeError
from mien.probe import Chirp, PureTones, sonicface_probe


@pytest.mark.parametrize(
    "probe", [Chirp(), sonicface_probe(), PureTones((19_000.0,)), Chirp(rate_hz=44_100, high_hz=22e3)]
)
def test_a_loop_has_no_seam(probe):
    sound = looped(probe, 1.0, level=0.5)
    assert sound.dtype == np.float32 and len(sound) % samples_until_repeated(probe) == 0
    assert np.allclose(np.concatenate([sound, sound]), 0.5 * probe.emit(2 * len(sound)), atol=1e-6)
    assert len(sound) / probe.rate_hz == pytest.approx(1.0, abs=probe.period_s)


def test_a_loop_for_playing_once_rises():
    sound, faded = looped(Chirp(), 2.0), looped(Chirp(), 2.0, fade_s=0.5)
    assert np.abs(faded[:2400]).max() < 0.05 * np.abs(sound[:2400]).max()
    assert np.array_equal(faded[24_000:], sound[24_000:])


@given(period_ms=st.integers(26, 200), rate_hz=st.sampled_from([48_000, 96_000]))
@settings(max_examples=30, deadline=None)
def test_any_period_of_whole_milliseconds_repeats(period_ms, rate_hz):
    probe = Chirp(period_s=period_ms / 1000, rate_hz=rate_hz)
    unit = samples_until_repeated(probe)
    assert unit == period_ms * rate_hz // 1000
    assert np.allclose(probe.emit(unit + 500)[unit:], probe.emit(500), atol=1e-9)


@pytest.mark.parametrize("level", [0.0, 1.01, float("nan"), -0.3])
def test_a_level_out_of_range_is_refused(level):
    with pytest.raises(ProbeError, match="level"):
        looped(Chirp(), 1.0, level=level)
    with pytest.raises(ProbeError, match="level"):
        CheckEmission(level=level)


def test_a_period_that_never_fits_the_rate_is_refused_with_one_that_does():
    with pytest.raises(ProbeError, match="choose a period"):
        looped(Chirp(period_s=0.1300001), 1.0)


def test_the_check_lasts_long_enough_for_adaptive_processing_and_stays_at_its_level():
    emission = CheckEmission()
    sound = emission.samples()
    assert emission.duration_s >= 15 and len(sound) == round(emission.duration_s * 48_000)
    assert np.abs(sound).max() == pytest.approx(emission.level, abs=1e-3)
    with pytest.raises(ProbeError, match="15 s at least"):
        CheckEmission(chirps_s=2.0)


def test_every_part_sounds_as_it_says_and_silence_is_silent():
    emission = CheckEmission()
    sound = emission.samples()
    for number, part in enumerate(emission.parts):
        piece = sound[round(part.start_s * 48_000) : round(part.end_s * 48_000)]
        rises = number == 2  # the first chirps rise to their level
        assert np.abs(piece).max() == pytest.approx(part.level, rel=0.02), part
        assert rises or np.abs(piece[:1200]).max() <= part.level * 1.001
    soft, loud = sorted({part.level for part in emission.parts if part.kind == "chirps"})
    assert 20 * np.log10(soft / loud) == pytest.approx(STEP_DB)


def test_nothing_begins_abruptly():
    """The steepest step in the first millisecond of each part is far below what its full level would make."""
    emission = CheckEmission()
    sound = emission.samples()
    for part in emission.parts:
        start = round(part.start_s * 48_000)
        assert np.abs(sound[start : start + 12]).max() <= 0.05 * max(part.level, 1e-9) + 1e-9, part


def test_each_chirp_is_where_and_as_loud_as_it_is_said_to_be():
    emission = CheckEmission()
    sound, (onsets_s, amplitudes) = emission.samples(), emission.chirps()
    for onset_s, amplitude in list(zip(onsets_s, amplitudes, strict=True))[::17]:
        start = round(onset_s * 48_000)
        assert np.allclose(sound[start : start + 1200], amplitude * emission.probe.sweep(), atol=1e-6)


def test_a_browser_gets_the_same_samples_as_little_endian_floats():
    emission = check_emission(44_100)
    assert np.array_equal(np.frombuffer(emission.pcm(), "<f4"), emission.samples())
    told = emission.to_json()
    assert told["n_samples"] == len(emission.samples()) and told["rate_hz"] == 44_100
    assert [part["kind"] for part in told["parts"]].count("sweep") == 3


@pytest.mark.parametrize(("rate_hz", "band_hz"), [(96_000, (19e3, 23e3)), (44_100, (17e3, 21e3))])
def test_the_check_s_chirp_fits_the_rate(rate_hz, band_hz):
    assert check_emission(rate_hz).probe.band_hz == band_hz


def test_a_rate_that_carries_no_near_ultrasound_is_refused():
    with pytest.raises(ProbeError, match="34000 Hz at least"):
        check_emission(16_000)

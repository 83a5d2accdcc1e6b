"""The live check against devices whose way, noise and processing are known."""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from air import Air, EchoCanceller, GainControl, NoiseSuppressor, drifting, plain_taps, whole_blocks
from mien.capture import CheckEmission, check_emission
from mien.device import LIVE_PROBLEMS, analyse_check
from mien.device.live_report import NAMES, REMEDIES
from mien.device.timing import align_sweeps
from mien.dsp import band_pass
from mien.errors import DeviceError
from mien.evaluation.figures_device import live_figure

RATE_HZ = 48_000
EMISSION = CheckEmission()


@lru_cache(maxsize=1)
def played() -> np.ndarray:
    return whole_blocks(np.concatenate([EMISSION.samples(), np.zeros(RATE_HZ // 2)]))


def heard(*processing, gain=0.5, top_hz=24_000.0, **options) -> np.ndarray:
    return Air(plain_taps(gain, top_hz), processing=processing, **options).hear(played())


def check(samples: np.ndarray, rate_hz=RATE_HZ, **options):
    return analyse_check(np.atleast_2d(samples).astype(np.float32), rate_hz, EMISSION, **options)


def said(report, word: str) -> str:
    return next(entry.said for entry in report.checks if entry.word == word)


@lru_cache(maxsize=1)
def plain_report():
    return check(np.array([heard(), 0.1 * heard(noise=3e-3)]), started_s=0.0, name="a laptop", facts={"card": "x"})


def test_a_device_that_only_passes_sound_on_is_ready():
    report = plain_report()
    assert report.problems == () and report.state == "ready" and report.advice == ()
    assert [entry.found for entry in report.checks] == [False] * len(NAMES)
    assert report.channel == 0
    assert report.direct_gain_db == pytest.approx(-6.0, abs=0.5)
    assert report.direct_path_db == pytest.approx(-6.0 + 20 * np.log10(EMISSION.level), abs=0.5)
    assert abs(report.drift_ppm) < 0.5
    assert report.latency_s == pytest.approx(96 / RATE_HZ, abs=2e-4)
    assert (report.probe.low_hz, report.probe.high_hz) == (19_000, 23_000)


def test_the_direct_path_s_ratio_to_the_noise_is_the_theory_s():
    """A chirp's compression gathers its energy E: amplitude over the envelope of noise is sqrt(E / 2) / deviation."""
    energy = float(np.sum(EMISSION.probe.sweep() ** 2))
    expected_db = 20 * np.log10(0.5 * EMISSION.level * np.sqrt(energy / 2) / 3e-4)
    assert plain_report().direct_to_noise_db == pytest.approx(expected_db, abs=1.5)


def test_the_answer_is_plain_words_and_plain_json():
    report = plain_report()
    read = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert set(read) >= {"channels", "recommended", "verdict", "checks", "probe", "drift_ppm", "latency_s", "course"}
    assert [entry["word"] for entry in read["checks"]] == list(NAMES)
    assert len(read["course"]["gain_db"]) == 240 and len(read["response"]["frequency_hz"]) > 50
    assert read["probe"]["kind"] == "chirp" and read["facts"] == {"card": "x"}
    lines = report.lines()
    assert lines[0] == "usable band: 14-24 kHz" and lines[-1].startswith("a laptop: this device can be used")
    for name in NAMES.values():
        assert any(line.startswith(f"{name}: ") for line in lines), name
    assert len(report.table()) == 11
    assert set(NAMES) | {"no-sweep"} == set(LIVE_PROBLEMS) == set(REMEDIES)


def test_the_document_tells_of_every_word_and_every_field():
    text = (Path(__file__).parents[2] / "docs" / "device.md").read_text(encoding="utf-8")
    read = plain_report().to_json()
    nested = {*read["checks"][0], *read["response"], *read["course"], "ready", "mend", "unusable"}
    missing = [word for word in {*read, *nested, *LIVE_PROBLEMS} if f"`{word}`" not in text]
    assert not missing and f"{EMISSION.duration_s:.0f} s are played" in text


def test_the_picture_shows_response_noise_and_course():
    figure = live_figure(plain_report())
    above, _, course = figure.axes
    assert len(above.get_lines()) == 3 and len(course.get_lines()) == 2
    assert "a laptop: this device can be used" in figure.get_suptitle()


@pytest.mark.parametrize(
    ("processing", "words"),
    [
        ((GainControl,), {"gain-control"}),
        ((EchoCanceller,), {"echo-cancellation"}),
        ((NoiseSuppressor,), {"noise-suppression"}),
        ((NoiseSuppressor, GainControl), {"noise-suppression", "gain-control"}),
        ((EchoCanceller, NoiseSuppressor), {"noise-suppression", "echo-cancellation"}),
    ],
    ids=lambda value: "+".join(sorted(getattr(each, "__name__", str(each)) for each in value)),
)
def test_processing_is_named_and_told_apart(processing, words):
    report = check(heard(*(make() for make in processing)))
    assert set(report.problems) == words
    assert all(REMEDIES[word] in report.advice for word in words)
    assert report.state == ("mend" if words == {"gain-control"} else "unusable")


def test_a_canceller_that_takes_most_out_at_first_is_named_too():
    """One that had learnt before: above 10 kHz the first sweep is 30 dB softer than what follows."""
    whole, end = heard(), round(3.1 * RATE_HZ)
    whole[:end] -= 0.97 * band_pass(whole, RATE_HZ, 10_000, 23_900)[:end]
    report = check(resample_poly(resample_poly(whole, 147, 160), 160, 147) + 1e-5 * np.cos(np.arange(len(whole))))
    assert report.problems == ("echo-cancellation",) and report.state == "unusable"
    assert "comes back: 30 dB" in said(report, "echo-cancellation")
    assert "cannot be told: the level moves by" in said(report, "gain-control")
    assert "cannot be told" in said(report, "resampled"), "what a canceller does to a sweep looks like resampling"


def test_chirps_that_come_back_unsteady_spoil_whatever_the_cause():
    whole = heard()
    period = np.arange(len(whole)) // 2_400
    chirps = (period >= 3 * 20) & (period < 9 * 20)
    report = check(np.where(chirps & (period % 3 == 0), 0.6, 1.0) * whole)
    assert report.problems == ("no-probe",) and report.state == "unusable"
    assert "4 dB apart; why cannot be told" in said(report, "no-probe")
    steadier = np.where(chirps & (period % 3 == 0), 0.8, 1.0)
    assert check(steadier * whole).problems == ()


def test_a_clipped_recording_is_not_taken_for_gain_control():
    assert check(heard(peak=0.05)).problems == ("clipped",)


@pytest.mark.parametrize("ppm", [150.0, -90.0])
def test_clocks_that_drift_are_measured(ppm):
    report = check(drifting(heard(), ppm))
    assert report.problems == ("drift",) and report.state == "mend"
    assert report.drift_ppm == pytest.approx(ppm, abs=2.0)


def test_lost_samples_are_found_where_they_were_lost():
    whole = heard()
    lost = np.delete(whole, np.arange(6 * RATE_HZ, 6 * RATE_HZ + 960))
    report = check(lost)
    assert report.problems == ("dropout",)
    assert "20.0 ms missing, the first at 6.0" in said(report, "dropout")
    periods = check(np.delete(whole, np.arange(6 * RATE_HZ, 6 * RATE_HZ + 3 * 2_400)))
    assert "dropout" in periods.problems, "three whole periods leave the chirps in step"
    assert "2 times" in said(check(whole, n_lost=2), "dropout")


def test_sweeps_that_a_gap_moved_from_their_places_are_lost_samples_and_not_ready():
    report = check(np.delete(heard(), np.arange(6 * RATE_HZ, 7 * RATE_HZ)), n_lost=3)
    assert report.problems == ("dropout",) and report.state == "mend"
    assert said(report, "dropout") == (
        "the sound system lost samples 3 times; the sweeps are not as far apart as they were played"
    )


def test_a_way_through_44100_hz_is_named_resampled():
    once = resample_poly(resample_poly(heard(), 147, 160), 160, 147)
    report = check(once + 1e-4 * np.random.default_rng(1).standard_normal(len(once)))
    assert "resampled" in report.problems


def test_a_telephone_s_bandwidth_and_a_name_tell_bluetooth():
    narrow = resample_poly(resample_poly(heard(), 1, 3), 3, 1)[: len(played())]
    report = check(narrow + 1e-4 * np.random.default_rng(1).standard_normal(len(narrow)))
    assert "bluetooth" in report.problems and report.state == "unusable" and report.probe is None
    for name in ("AirPods Pro", "bluez_sink.00_1B.a2dp", "Headset (WH-1000XM4 Hands-Free AG Audio)"):
        assert "bluetooth" in check(heard()[: 5 * RATE_HZ], name=name).problems, name


def test_a_device_that_ends_at_18_khz_gets_a_lower_probe_and_hears_that_the_paper_s_is_lost():
    report = check(heard(top_hz=18_000.0))
    assert "no-probe" in report.problems
    assert report.probe.high_hz <= 19_000 and report.state == "mend" and report.direct_path_db is None
    assert abs(report.drift_ppm) < 20, "the sweeps tell it where the chirps do not"


def test_a_microphone_that_hears_nothing_of_it_is_unusable_and_says_what_to_do():
    noise = 1e-3 * np.random.default_rng(0).standard_normal(len(played()))
    for samples in (noise, np.zeros(len(played()))):
        report = check(samples)
        assert report.problems == ("no-sweep",) and report.state == "unusable" and report.probe is None
        assert report.drift_ppm is None and report.latency_s is None
        assert any("allow the microphone" in line for line in report.advice)
        assert json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize("cut_s", [-2.0, 0.7, 2.0])
def test_a_recording_may_begin_before_or_after_what_is_played(cut_s):
    whole = heard()
    pad = 3e-4 * np.random.default_rng(2).standard_normal(int(max(-cut_s, 0) * RATE_HZ))
    report = check(np.concatenate([pad, whole[int(max(cut_s, 0) * RATE_HZ) :]]))
    assert set(report.problems) <= {"no-sweep"} and report.response.channels[0].n_sweeps >= 2
    assert report.direct_gain_db == pytest.approx(-6.0, abs=0.5)


def test_sweeps_are_known_again_by_their_places():
    class Found:
        rate_hz, starts = RATE_HZ, np.array([12.0, 20.5]) * RATE_HZ

        def __len__(self):
            return 2

    start_s, which = align_sweeps(Found(), EMISSION)
    assert start_s == pytest.approx(2.5) and which.tolist() == [1, 2]


def test_a_browser_at_44100_hz_is_judged_by_an_emission_of_its_own():
    emission = check_emission(44_100)
    sound = emission.samples() * 0.5 + 1e-4 * np.random.default_rng(0).standard_normal(len(emission.samples()))
    report = analyse_check(sound[None].astype(np.float32), 44_100, emission)
    assert set(report.problems) <= {"low-snr"} and report.probe.high_hz <= 22_000
    assert report.direct_gain_db == pytest.approx(-6.0, abs=0.5)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "words"),
    [
        (np.zeros(100), RATE_HZ, "channel time"),
        (np.zeros((1, 0)), RATE_HZ, "channel time"),
        (np.full((1, 2 * RATE_HZ), np.nan), RATE_HZ, "no numbers"),
        (np.zeros((1, 100)), 4_000, "8000"),
    ],
)
def test_what_cannot_be_judged_is_refused(samples, rate_hz, words):
    with pytest.raises(DeviceError, match=words):
        analyse_check(samples, rate_hz, EMISSION)


def test_a_recording_of_a_second_says_that_it_is_too_short():
    report = check(heard()[:RATE_HZ])
    assert report.problems == ("no-sweep",) and "shorter than" in report.verdict


def test_the_facts_that_a_page_knows_are_kept():
    assert replace(plain_report(), facts={"settings": {"echoCancellation": False}}).to_json()["facts"]["settings"]

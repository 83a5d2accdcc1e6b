"""The front end of `sonicface`: the law of a tone's phase, and what it must not depend on."""

import numpy as np
import pytest
from closed_form import SPEED_M_S, noise, recording
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import ProbeMismatch, ProbeNotFound, RecordingError
from mien.probe import Chirp, Composite, PureTones, sonicface_probe
from mien.recording import Recording
from mien.sensing.echoes import find_echoes
from mien.sensing.features import join
from mien.sensing.front_ends import ChirpAndTones, RangeProfile, front_end_from_json, front_end_to_json, parse_front_end
from mien.sensing.tone_envelopes import tone_envelopes

PROBE = sonicface_probe()
TONES_HZ = np.array(PROBE.part("pure-tones").tones_hz)


def step_m(time_s):
    """Still for 0.3 s, 2 mm away within 0.3 s, still again."""
    return 0.002 * np.clip((time_s - 0.3) / 0.3, 0, 1)


def take(**changes):
    return recording(**{"probe": PROBE, "n_samples": 48_000, "moved_m": step_m} | changes)


def tones(features):
    return features.values[0, 0, -len(TONES_HZ) :]


def test_a_tones_phase_turns_by_4_pi_d_f_over_c():
    """The echo's change since rest is a exp(-j phi) (exp(-j turn) - 1), with the turn of each tone by its own law."""
    amplitude, distance_m = 0.03, 0.35
    made = take(echoes=((distance_m, amplitude),))
    found = tone_envelopes(made, PROBE.part("pure-tones"), find_echoes(made))[0]
    change = found[-5:-1].mean(axis=0) / found[:4].mean(axis=0) - 1
    delay_s = (2 * distance_m - 0.01) / SPEED_M_S
    turn_rad = 4 * np.pi * 0.002 * TONES_HZ / SPEED_M_S
    expected = amplitude * np.exp(-2j * np.pi * TONES_HZ * delay_s) * (np.exp(-1j * turn_rad) - 1)
    np.testing.assert_allclose(change, expected, rtol=0.05)  # at rest the echo stands in what it is divided by


def test_a_tone_of_a_moving_reflector_turns_at_the_doppler_frequency():
    speed_m_s = 0.02
    made = take(moved_m=lambda time_s: -speed_m_s * np.clip(time_s, 0, None))
    envelopes = tone_envelopes(made, PROBE.part("pure-tones"), find_echoes(made))[0]
    envelopes = envelopes / envelopes.mean(axis=0)
    step = np.diff(envelopes[2:-2], axis=0)  # the direct path does not change, so steps are the echo's alone
    turn_rad = np.unwrap(np.angle(step), axis=0)
    shift_hz = np.polyfit(np.arange(len(step)) * 0.05, turn_rad, 1)[0] / (2 * np.pi)
    expected_hz = [2 * speed_m_s * tone_hz / SPEED_M_S for tone_hz in TONES_HZ]
    np.testing.assert_allclose(shift_hz, expected_hz, rtol=0.02)


def test_cells_are_those_of_the_range_profile():
    made = take(noise=0.003)
    cells = ChirpAndTones().features(made).values[:, :, : -len(TONES_HZ)]
    np.testing.assert_array_equal(cells, RangeProfile(neutral="take").features(made).values)


def test_tones_are_of_the_neutral_faces_size_as_cells_are():
    """A face twice as strong changes both twice as much: against its own size both stay the same."""
    weak, strong = (ChirpAndTones().features(take(echoes=((0.35, a),))) for a in (0.01, 0.02))
    np.testing.assert_allclose(np.abs(tones(weak)), np.abs(tones(strong)), rtol=0.03, atol=0.02)


def test_what_stands_still_leaves_nothing():
    still = tones(ChirpAndTones().features(take(moved_m=None)))
    assert np.abs(still[:, :-1]).max() < 1e-3 and np.abs(still).max() < 0.03  # the last is cut by the end
    assert np.abs(tones(ChirpAndTones().features(take()))[:, -1]).min() > 1


@given(st.floats(0, 2399), st.floats(-250, 250))
@settings(max_examples=8, deadline=None)
def test_neither_trigger_nor_clock_matters(start, drift_ppm):
    truth = tones(ChirpAndTones().features(take(n_samples=52_800, start=0.0)))
    other = tones(ChirpAndTones().features(take(n_samples=52_800, start=start, drift_ppm=drift_ppm)))
    for moment in (slice(0, 3), slice(16, 19)):
        np.testing.assert_allclose(other[:, moment], truth[:, moment], atol=0.05 * np.abs(truth).max())


def test_volume_does_not_matter():
    loud = take(noise=0.003)
    quiet = Recording(loud.samples * np.float32(0.125), 48_000, loud.probe)
    one, other = (ChirpAndTones().features(each).values for each in (loud, quiet))
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_speech_does_not_reach_the_tones():
    """Sound below 8 kHz as loud as the probe."""
    made = take()
    time_s = np.arange(made.n_samples) / 48_000
    speech = 0.1 * sum(np.sin(2 * np.pi * f_hz * time_s) for f_hz in (310.0, 2_700.0, 7_900.0))
    beside = Recording(made.samples + speech.astype(np.float32), 48_000, PROBE)
    np.testing.assert_allclose(
        tones(ChirpAndTones().features(beside)), tones(ChirpAndTones().features(made)), atol=0.01
    )


def test_shapes_axes_windows_and_json():
    front_end = ChirpAndTones(window_s=0.5, hop_s=0.25)
    found = front_end.features(take(noise=0.003))
    n_rows = len(RangeProfile().features(take()).axis("range")) + len(TONES_HZ)
    assert found.values.shape == (3, 1, n_rows, 10) and found.values.dtype == np.complex64
    assert [axis.name for axis in found.axes] == ["microphone", "band", "time"]
    np.testing.assert_allclose(np.diff(found.start_s), 0.25, atol=1e-4)
    assert found.images().shape == (3, 2, n_rows, 10)
    assert len(join([found, found])) == 6
    assert front_end_from_json(front_end_to_json(front_end)) == front_end
    assert parse_front_end("chirp-and-tones:neutral=clip,window_s=0.5").neutral == "clip"


def test_two_microphones_are_each_heard_and_a_silent_one_stays_silent():
    one, two = (take(echoes=((distance_m, 0.03),)) for distance_m in (0.31, 0.43))
    both = ChirpAndTones().features(Recording(np.concatenate([one.samples, two.samples]), 48_000, PROBE)).values
    assert both.shape[1] == 2 and np.abs(both[:, 0] - both[:, 1]).max() > 0.1
    silent = ChirpAndTones().features(Recording(np.concatenate([one.samples, 0 * one.samples]), 48_000, PROBE)).values
    assert np.isfinite(silent).all() and not silent[:, 1].any()


def test_a_clip_of_the_neutral_face_is_the_takes_own_start_where_they_are_alike():
    clip = take(moved_m=None)
    against_clip = ChirpAndTones(neutral="clip").features(take(), clip)
    np.testing.assert_allclose(against_clip.values, ChirpAndTones().features(take()).values, atol=0.15)
    with pytest.raises(RecordingError, match="needs a recording of the person's neutral face"):
        ChirpAndTones(neutral="clip").features(take())
    pair = Recording(np.concatenate([clip.samples] * 2), 48_000, PROBE)
    with pytest.raises(RecordingError, match="the neutral clip has 2 channels"):
        ChirpAndTones(neutral="clip").features(take(), pair)


@pytest.mark.parametrize("probe", [Chirp(), PureTones((19_000.0,)), Composite((Chirp(), Chirp(15_000, 17_000)))])
def test_another_probe_is_refused_naming_both(probe):
    with pytest.raises(ProbeMismatch, match=r"made with (chirp|tones).*sonicface_probe\(\)"):
        ChirpAndTones().features(Recording(recording(probe=probe).samples, 48_000, probe))


def test_a_tone_that_is_not_there_is_named():
    """A chirp alone, said to have been emitted with tones."""
    alone = recording(n_samples=48_000, noise=0.003)
    with pytest.raises(ProbeNotFound, match="no tone at 1[678]000 Hz"):
        ChirpAndTones().features(Recording(alone.samples, 48_000, PROBE))
    with pytest.raises(ProbeNotFound):
        ChirpAndTones().features(noise(probe=PROBE))


@pytest.mark.parametrize("options", [{"neutral": "none"}, {"window_s": 0}, {"near_m": 0.6}, {"taper": "round"}])
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ValueError):
        ChirpAndTones(**options)


def test_short_takes_are_refused():
    with pytest.raises(RecordingError, match="holds 5 periods"):
        ChirpAndTones().features(take(n_samples=12_000))


def test_a_kept_neutral_profile_is_its_clip_and_a_running_one_begins_as_the_takes_own():
    clip, front_end = take(moved_m=None), ChirpAndTones(neutral="clip")
    kept = front_end.neutral_profile([clip])
    assert kept.values.shape == (1, len(front_end.features(take(), clip).axis("band")))
    np.testing.assert_array_equal(front_end.features(take(), kept).values, front_end.features(take(), clip).values)
    long = take(n_samples=144_000)
    running, own = (ChirpAndTones(neutral=how).features(long) for how in ("running", "take"))
    np.testing.assert_allclose(running.values[0], own.values[0], atol=1e-5)
    # A face that stays where it went is at rest there by and by.
    assert np.abs(running.values[-1, 0, -len(TONES_HZ) :]).max() < 0.1
    assert np.abs(own.values[-1, 0, -len(TONES_HZ) :]).max() > 1

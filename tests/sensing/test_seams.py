"""Samples lost or doubled within a recording, and a probe that begins or ends within it: found, undone, and said."""

from dataclasses import replace

import numpy as np
import pytest
from closed_form import recording
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.datasets.simulated import simulate_study
from mien.datasets.study import load_study
from mien.probe import Chirp, sonicface_probe
from mien.recording import Recording
from mien.sensing.echoes import echo_quality, find_echoes
from mien.sensing.front_ends import ChirpAndTones, RangeProfile, Spectrogram
from mien.sensing.quality import heard_quality
from mien.sensing.seams import completed
from mien.sensing.synchronise import synchronise
from mien.simulate.options import SimulationOptions

SIZES = (1, 2, 5, 7, 16, 48, 300, 1200)
AT = 21_000


def moving(**changes) -> Recording:
    """Two seconds of a face that turns to and fro."""
    return recording(
        **{"n_samples": 96_000, "noise": 0.001, "moved_m": lambda time_s: 0.002 * np.sin(3 * time_s)} | changes
    )


def lost(whole: Recording, n_samples: int, at=AT) -> Recording:
    return replace(whole, samples=np.delete(whole.samples, slice(at, at + n_samples), axis=1))


def doubled(whole: Recording, n_samples: int, at=AT) -> Recording:
    parts = [whole.samples[:, :at], whole.samples[:, at - n_samples :]]
    return replace(whole, samples=np.concatenate(parts, axis=1))


def late(whole: Recording, n_samples: int) -> Recording:
    quiet = 1e-4 * np.random.default_rng(3).standard_normal((whole.n_channels, n_samples))
    return replace(whole, samples=np.concatenate([quiet.astype(np.float32), whole.samples], axis=1))


def profile(made: Recording) -> np.ndarray:
    return RangeProfile().profile(made)[0][0]


@pytest.mark.parametrize("n_samples", SIZES)
@pytest.mark.parametrize("drift_ppm", [0.0, 150.0])
@pytest.mark.parametrize("change, sign", [(lost, -1), (doubled, 1)])
def test_samples_lost_or_doubled_within_a_take_are_found(change, sign, n_samples, drift_ppm):
    sync = synchronise(change(moving(drift_ppm=drift_ppm), n_samples))
    assert len(sync.jumps) == 1
    (jump,) = sync.jumps
    # Half a period lost is half a period doubled: the sweeps do not tell.
    period = 2400 * (1 + 1e-6 * drift_ppm)
    error = (jump.n_samples - sign * n_samples + period / 2) % period - period / 2
    assert abs(error) < 0.05
    assert abs(jump.at_sample - AT) < 2400 + n_samples
    assert abs(sync.drift_ppm - drift_ppm) < 2


@pytest.mark.parametrize("n_samples", SIZES)
@pytest.mark.parametrize("change", [lost, doubled])
def test_a_face_is_the_same_behind_lost_samples(change, n_samples):
    """Periods before and behind the seam are those of the whole recording, to a hundredth of the face's echo."""
    whole, found = profile(moving()), profile(change(moving(), n_samples))
    for part, other in ((whole[:7], found[:7]), (whole[-20:], found[-20:])):
        assert np.linalg.norm(part - other) < 0.03 * np.linalg.norm(part)


@pytest.mark.parametrize("front_end", [RangeProfile(window_s=0.25, hop_s=0.1, neutral="take"), Spectrogram()])
def test_windows_beside_a_seam_are_as_in_the_whole_recording_and_those_that_hold_it_are_broken(front_end):
    whole, found = front_end.features(moving()), front_end.features(lost(moving(), 5))
    seam_s, length_s = AT / 48_000, front_end.window_s
    before, behind = found.start_s + length_s < seam_s - 0.06, found.start_s > seam_s + 0.06
    assert before.any() and behind.any() and not found.broken[before | behind].any()
    holds = (found.start_s < seam_s - 0.06) & (found.start_s + length_s > seam_s + 0.06)
    assert holds.any() and found.broken[holds].all()
    assert not whole.broken.any() and whole.quality == () and found.quality == ("dropout",)
    kept = before | behind
    error = np.linalg.norm(whole.values[kept] - found.values[kept]) / np.linalg.norm(whole.values[kept])
    assert error < 0.05


@pytest.mark.parametrize("late_ms", [50, 73, 120, 200, 730])
@pytest.mark.parametrize("start", [0.0, 700.0, 1900.0])
def test_the_neutral_is_taken_from_where_the_probe_begins(late_ms, start):
    """A face that rests for 0.3 s, recorded from too early on: windows are those of a recording that begins in time."""
    whole = moving(start=start, moved_m=lambda time_s: 0.002 * np.clip((time_s - 0.3) / 0.3, 0, 1))
    front_end = RangeProfile(neutral="take", hop_s=0.05)
    found, expected = front_end.features(late(whole, 48 * late_ms)), front_end.features(whole)
    late_s = 0.001 * late_ms
    assert late_s - 0.01 <= found.start_s[0] <= late_s + 0.051
    assert not found.broken.any() and found.quality == ("dropout",)
    _, mine, theirs = np.intersect1d(
        np.round(found.start_s - late_s, 3), np.round(expected.start_s, 3), return_indices=True
    )
    assert len(mine) >= len(expected) - 2
    apart = np.linalg.norm(found.values[mine] - expected.values[theirs])
    assert apart < 0.05 * np.linalg.norm(expected.values[theirs])


def test_a_take_too_short_to_leave_its_silence_out_is_broken():
    front_end = RangeProfile(window_s=1.0, neutral="take")
    found = front_end.features(late(moving(n_samples=48_000), 9600))
    assert not found.broken.any()
    cut = late(moving(n_samples=38_400), 9600)
    found = front_end.features(cut)
    assert found.broken.all() and len(found) == 1 and np.isfinite(found.values).all()


def test_a_silence_within_a_take_is_a_dropout_and_the_rest_is_not_touched_by_it():
    whole = moving()
    silent = replace(whole, samples=whole.samples.copy())
    silent.samples[:, AT : AT + 9600] = 0
    found = echo_quality(silent)
    assert found.n_jumps == 0 and 4 <= found.n_spoilt <= 6
    assert heard_quality(silent) == ("dropout",)
    before, after = profile(whole), profile(silent)
    assert np.linalg.norm(before[-20:] - after[-20:]) < 0.02 * np.linalg.norm(before[-20:])


def test_two_jumps_in_one_take_are_two():
    sync = synchronise(doubled(lost(moving(), 7, at=60_000), 48, at=30_000))
    np.testing.assert_allclose([jump.n_samples for jump in sync.jumps], [48, -7], atol=0.05)


@given(
    st.floats(0, 2400), st.floats(-300, 300), st.floats(0, 0.1), st.floats(0, 0.15), st.floats(0, 0.3),
    st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_whole_recordings_are_never_called_a_dropout(start, drift_ppm, noise, speed_m_s, echo, seed):
    made = recording(
        echoes=((0.35, echo), (0.6, 0.02)), start=start, drift_ppm=drift_ppm, noise=noise, n_samples=48_000, seed=seed,
        moved_m=lambda time_s: speed_m_s * time_s,
    )  # fmt: skip
    sync = synchronise(made)
    assert sync.jumps == () and sync.spoilt == ()


@pytest.mark.parametrize("level", ["easy", "medium", "hard", "wild"])
def test_simulated_takes_of_every_level_are_whole(level, tmp_path):
    options = SimulationOptions(n_subjects=1, n_takes=1, level=level, duration_s=1.0, n_facets=6000, seed=11)
    simulate_study(tmp_path / "study", options, n_jobs=1, progress=False)
    study = load_study(tmp_path / "study")
    for row in range(len(study)):
        sync = synchronise(study.recording(row))
        assert sync.jumps == () and sync.spoilt == ()


def test_an_arrival_that_moves_is_no_jump():
    """Without a direct path there is nothing that time could be told by."""
    made = recording(
        echoes=((0.3, 1.0),), direct=0.0, n_samples=96_000, moved_m=lambda time_s: 0.05 * np.sin(6 * time_s)
    )
    assert synchronise(made).jumps == ()


def test_tones_beside_a_chirp_go_on_behind_lost_samples():
    whole = moving(probe=sonicface_probe())
    front_end = ChirpAndTones(window_s=0.5, neutral="take")
    for change in (lost(whole, 37), doubled(whole, 300)):
        found, expected = front_end.features(change), front_end.features(whole)
        apart = np.linalg.norm(found.values[-1] - expected.values[-1])
        assert apart < 0.05 * np.linalg.norm(expected.values[-1])


def test_two_microphones_jump_together():
    whole = moving()
    both = replace(whole, samples=np.concatenate([0.3 * whole.samples, whole.samples]))
    found = find_echoes(lost(both, 16))
    assert found.sync.channel == 1 and len(found.sync.jumps) == 1
    np.testing.assert_allclose(found.raw[0], 0.3 * found.raw[1], rtol=1e-3, atol=1e-3 * np.abs(found.raw).max())


def test_a_chirp_whose_period_is_no_whole_number_of_samples_jumps_too():
    probe = Chirp(period_s=0.0433, sweep_s=0.02, fade_s=0.002)
    sync = synchronise(lost(moving(probe=probe), 48))
    assert [round(jump.n_samples) for jump in sync.jumps] == [-48]


def test_nothing_whole_is_left_as_it_is():
    values = np.arange(3.0)[None]
    np.testing.assert_array_equal(completed(values, [0, 1, 2]), values)

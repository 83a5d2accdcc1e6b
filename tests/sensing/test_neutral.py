"""The face at rest: kept clips, and a baseline that runs along and knows no future."""

from dataclasses import replace

import numpy as np
import pytest
from closed_form import recording

from mien.errors import RecordingError
from mien.sensing.neutral import running_references
from mien.sensing.range_profile import RangeProfile

RUNNING = RangeProfile(neutral="running", hop_s=0.25)


def looks(time_s: np.ndarray) -> np.ndarray:
    """A face that is 1 mm nearer for a second at 3 s and again at 6 s, and at rest otherwise."""
    shown = ((time_s > 3.2) & (time_s < 4.2)) | ((time_s > 6.2) & (time_s < 7.2))
    return -0.001 * shown


@pytest.fixture(scope="module")
def stream():
    return recording(n_samples=9 * 48_000, moved_m=looks)


def size_of(features) -> np.ndarray:
    return np.sqrt((np.abs(features.values) ** 2).mean(axis=(1, 2, 3)))


def test_a_take_from_its_start_is_as_against_its_own_beginning():
    take = recording(n_samples=50_000, moved_m=lambda time_s: 0.002 * np.clip(time_s - 0.3, 0, 0.4))
    running, own = (RangeProfile(neutral=word).features(take).values for word in ("running", "take"))
    np.testing.assert_array_equal(running[0], own[0])


def test_rest_is_nothing_and_a_look_is_what_it_is_against_a_clip(stream):
    """Within a stream the baseline stays with the face at rest, though looks come and go."""
    clip = recording(n_samples=48_000)
    running = RUNNING.features(stream)
    expected = replace(RUNNING, neutral="clip").features(stream, clip)
    sizes, start_s = size_of(running), running.start_s
    rest = (start_s < 2) | ((start_s > 4.3) & (start_s < 5)) | (start_s > 7.3)
    look = ((start_s > 3.2) & (start_s < 3.25)) | ((start_s > 6.2) & (start_s < 6.25)) | (np.abs(start_s - 3.5) < 0.3)
    assert rest.sum() > 5 and look.sum() > 1
    assert sizes[rest].max() < 0.02 < 0.2 < sizes[look].min()
    away = np.abs(running.values - expected.values).max() / np.abs(expected.values).max()
    assert away < 0.1


def test_no_window_hears_what_comes_after_it(stream):
    """Cut off after a window, a stream gives that window the same features: up to filters' ends."""
    short = replace(stream, samples=stream.samples[:, : 5 * 48_000])
    whole, cut = RUNNING.features(stream), RUNNING.features(short)
    n = len(cut) - 1
    np.testing.assert_allclose(cut.values[:n], whole.values[:n], atol=0.02)


def test_references_hang_on_the_past_alone():
    """The law itself, on profiles: later periods may be anything."""
    rng = np.random.default_rng(0)
    profile = rng.normal(size=(2, 60, 4)) + 1j * rng.normal(size=(2, 60, 4))
    first = np.array([0, 10, 20, 30])
    spoilt = profile.copy()
    spoilt[:, 33:] = 1e6
    found = running_references(profile, first, 3, 25)
    np.testing.assert_array_equal(running_references(spoilt, first, 3, 25), found)
    spoilt[:, 23:33] *= 2
    assert (running_references(spoilt, first, 3, 25) != found).any(axis=(0, 2)).tolist() == [False, False, False, True]
    forgotten = profile.copy()
    forgotten[:, :5] = 1e6
    np.testing.assert_array_equal(running_references(forgotten, first, 3, 25)[:, 3], found[:, 3])


def test_a_baseline_settles_where_rest_is_calmer_than_looks():
    """Rest half of the time, trembling looks the other half: the baseline is rest."""
    rng = np.random.default_rng(1)
    rest, look = np.ones((1, 4)), 5 + np.ones((1, 4))
    parts = [
        np.repeat(rest[:, None], 20, axis=1),
        np.repeat(look[:, None], 20, axis=1) + rng.normal(size=(1, 20, 4)),
    ]
    profile = np.concatenate(parts * 3, axis=1)
    found = running_references(profile, np.array([110]), 3, 100)
    np.testing.assert_allclose(found[:, 0], rest)


def test_a_kept_neutral_profile_is_its_clip():
    clip, take = recording(n_samples=48_000), recording(n_samples=60_000, moved_m=lambda s: 0.001 * np.sin(s))
    front_end = RangeProfile(neutral="clip")
    kept = front_end.neutral_profile([clip])
    np.testing.assert_array_equal(front_end.features(take, kept).values, front_end.features(take, clip).values)
    both = front_end.neutral_profile([clip, take])
    np.testing.assert_allclose(both.values, (kept.values + front_end.neutral_profile([take]).values) / 2)


def test_a_kept_profile_that_does_not_fit_is_refused():
    clip = recording(n_samples=48_000)
    kept = RangeProfile(neutral="clip", far_m=0.4).neutral_profile([clip])
    with pytest.raises(RecordingError, match="1 channels of .* cells, the recording 1 of"):
        RangeProfile(neutral="clip").features(clip, kept)
    with pytest.raises(RecordingError, match="0 neutral clips"):
        RangeProfile(neutral="clip").neutral_profile([])

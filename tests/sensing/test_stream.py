"""Periods of a stream are those of the recording; a probe that comes, goes or jumps is found again."""

import numpy as np
import pytest
from closed_form import recording

from mien.probe import Chirp
from mien.sensing.range_gate import RangeGate, compress
from mien.sensing.range_profile import RangeProfile
from mien.sensing.stream import LAST_TRY, NoProbe, PeriodStream

RATE_HZ, GATE = 48_000, RangeGate()
NOISE = (0.01 * np.random.default_rng(0).standard_normal((1, 3 * RATE_HZ))).astype(np.float32)


def heard(samples: np.ndarray, n_block: int = 960):
    stream = PeriodStream(Chirp(), GATE, len(samples))
    found = []
    for start in range(0, samples.shape[1], n_block):
        found += stream.push(samples[:, start : start + n_block])
    return stream, found


@pytest.mark.parametrize(("start", "drift_ppm"), [(500.3, 0.0), (2390.0, 60.0), (20.0, -270.0)])
def test_periods_are_those_of_the_recording(start, drift_ppm):
    """Profiles to 1 % of their root mean square, onsets to 0.02 sample, the clock to 0.1 ppm, future or no future."""
    whole = recording(
        n_samples=4 * RATE_HZ, start=start, drift_ppm=drift_ppm, noise=0.002, moved_m=lambda s: 0.002 * np.sin(3 * s)
    )
    expected, distance_m, echoes = RangeProfile().profile(whole)
    stream, found = heard(whole.samples)
    ends = np.array([period.end_sample for period in found])
    onsets = echoes.sync.starts_sample + Chirp().samples_per_period
    place = np.abs(onsets[:, None] - ends).argmin(axis=0)
    profile = np.array([compress(period.cleaned[0], stream.grid, GATE.delay_s(distance_m)) for period in found])
    away = np.sqrt(np.mean(np.abs(profile - expected[0, place]) ** 2) / np.mean(np.abs(expected) ** 2))
    assert len(found) >= 78 and away < 0.01
    assert np.abs(onsets[place] - ends).max() < 0.02 and abs(stream.drift_ppm - drift_ppm) < 0.1


def test_blocks_of_any_size_give_the_same_bits():
    whole = recording(n_samples=2 * RATE_HZ, noise=0.002).samples
    _, large = heard(whole, 10**6)
    _, small = heard(whole, 37)
    assert [period.end_sample for period in small] == [period.end_sample for period in large]
    for one, other in zip(small, large, strict=True):
        np.testing.assert_array_equal(one.cleaned, other.cleaned)


def test_that_there_is_no_probe_is_said_of_every_period_whatever_the_blocks():
    ends = [[one.end_sample for one in heard(NOISE, n_block)[1]] for n_block in (37, 960, 10**6)]
    assert ends[0] == ends[1] == ends[2] == [2_400 * number for number in range(10, 61)]


def test_a_probe_that_begins_after_a_search_did_is_not_looked_for_for_ever():
    """The search finds it from before it began; what follows is not there, and the same search would find it again."""
    _, found = heard(np.concatenate([NOISE, recording(n_samples=3 * RATE_HZ, noise=1e-3).samples], axis=1))
    periods = [one for one in found if not isinstance(one, NoProbe)]
    assert periods[0].end_sample < 3.3 * RATE_HZ and periods[-1].end_sample > 5.9 * RATE_HZ


def test_a_probe_that_pauses_is_found_again():
    part = recording(n_samples=2 * RATE_HZ, noise=1e-3).samples
    stream, found = heard(np.concatenate([part, 0.001 * NOISE, part], axis=1))
    assert [one for one in found if isinstance(one, NoProbe)]
    starts = [one.end_sample for one in found if not isinstance(one, NoProbe) and not one.continues]
    assert len(starts) == 2 and 5 * RATE_HZ < starts[1] < 5.3 * RATE_HZ
    assert stream.following and stream.problem == ""


def test_what_is_held_does_not_grow():
    part = recording(n_samples=2 * RATE_HZ, noise=1e-3).samples
    stream = PeriodStream(Chirp(), GATE)
    held = stream._held
    for _ in range(20):
        stream.push(part)
    assert stream._held is held and held.shape[1] < 3 * LAST_TRY * Chirp().samples_per_period

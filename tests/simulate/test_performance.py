from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standin import ball_face

from mien.labels import ALL_EXPRESSIONS, EXPRESSIONS
from mien.simulate.levels import LEVELS
from mien.simulate.people import make_person
from mien.simulate.performance import (
    HEAD_MOTION,
    LARGEST_INTENSITY,
    NEUTRAL_S,
    REPETITION,
    Take,
    hand_motion,
    perform,
    smooth_noise,
)
from mien.simulate.recipes import RECIPES

FACE = ball_face()
NAMES = FACE.unit_names
TIME_S = np.arange(22) * 0.05 - 0.02

# At the apex: towards the phone (m), up and to the left (degrees).
HEAD_TABLE = {
    "neutral": (0.0, 0.0, 0.0),
    "anger": (0.008, -3.0, 0.0),
    "disgust": (-0.008, 0.0, 4.0),
    "fear": (-0.012, 0.0, 0.0),
    "happiness": (0.004, 3.0, 0.0),
    "sadness": (0.0, -6.0, 0.0),
    "surprise": (-0.008, 4.0, 0.0),
}


def performed(expression="happiness", level="medium", seed=0, time_s=TIME_S, duration_s=1.0, release=False):
    rng = np.random.default_rng(seed)
    person = make_person("1", "female", FACE, LEVELS[level], rng)
    return perform(Take(expression, duration_s, release), person, NAMES, LEVELS[level], time_s, rng), person


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ALL_EXPRESSIONS), st.sampled_from(list(LEVELS)), st.integers(0, 10_000))
def test_a_take_begins_at_rest_and_stays_within_the_face(expression, level, seed):
    found, _ = performed(expression, level, seed)
    assert NEUTRAL_S <= found.neutral_until_s
    resting = found.time_s <= found.neutral_until_s
    assert resting.sum() >= 3
    assert not found.intensities[resting].any()
    assert not found.towards_m[resting].any()
    assert np.ptp(found.attitude_deg[resting], axis=0).max() == 0
    assert 0 <= found.intensities.min() and found.intensities.max() <= LARGEST_INTENSITY


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_expressions_own_units_move_and_no_others(expression):
    found, _ = performed(expression, seed=4)
    moved = {number for number, intensity in found.apex.items() if intensity > 0}
    assert moved == set(RECIPES[expression])


def test_the_hold_stays_at_the_apex():
    found, _ = performed("anger", time_s=np.arange(100) * 0.05, duration_s=5.0)
    held = found.intensities[20:]
    for number in RECIPES["anger"]:
        columns = [k for k, name in enumerate(NAMES) if name.split("_")[0] == f"AU{number}"]
        assert held[:, columns].mean() == pytest.approx(found.apex[number], rel=0.03)
    trembling = held[:, columns].mean(axis=1)
    assert 0 < trembling.std() / trembling.mean() < 0.06


def test_onset_takes_about_a_third_of_a_second_and_is_smooth():
    time_s = np.arange(1000) * 0.001
    found, _ = performed("surprise", time_s=time_s)
    course = found.towards_m / found.towards_m[-1]
    first, last = time_s[course > 0.001][0], time_s[course > 0.999][0]
    assert 0.15 < last - first < 0.5
    assert (np.diff(course) >= 0).all() and np.diff(course).max() < 0.02


def test_takes_of_one_expression_differ_by_the_repetition():
    rng = np.random.default_rng(0)
    level = LEVELS["easy"]
    assert REPETITION == 0.15
    person = make_person("1", "male", FACE, level, rng)
    apexes = [perform(Take("sadness", 1.0), person, NAMES, level, TIME_S, rng).apex for _ in range(400)]
    assert np.std(np.log([apex[1] for apex in apexes])) == pytest.approx(REPETITION, rel=0.1)


def test_the_head_moves_with_the_expression_as_far_as_the_level_says():
    for expression in EXPRESSIONS:
        assert not performed(expression, "easy")[0].towards_m.any()
        nominal, twice = (
            np.mean([performed(expression, level, seed)[0].towards_m[-1] for seed in range(150)])
            for level in ("hard", "medium")
        )
        assert nominal == pytest.approx(HEAD_MOTION[expression].towards_m, abs=0.0012)
        assert twice == pytest.approx(2 * HEAD_MOTION[expression].towards_m, abs=0.0024)


def test_the_nominal_motion_of_the_head_is_that_of_the_levels_version():
    found = {name: (motion.towards_m, motion.up_deg, motion.left_deg) for name, motion in HEAD_MOTION.items()}
    assert found == HEAD_TABLE


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("level, times", [("easy", 0), ("medium", 2), ("hard", 1), ("wild", 1)])
def test_at_the_apex_the_head_is_turned_and_moved_as_the_table_says(expression, level, times):
    rng = np.random.default_rng(5)
    drawn = make_person("1", "male", FACE, LEVELS[level], rng)
    person = replace(drawn, head_gains={expression: np.ones(3)})
    takes = [perform(Take(expression, 1.0), person, NAMES, LEVELS[level], TIME_S, rng) for _ in range(100)]
    turned_deg = np.mean([take.attitude_deg[-1] - take.attitude_deg[0] for take in takes], axis=0)
    towards_m, up_deg, left_deg = HEAD_TABLE[expression]
    # Repetition makes the mean of a log-normal, 1.01, known here to about 0.015.
    assert turned_deg == pytest.approx([times * up_deg, times * left_deg, 0], rel=0.06, abs=1e-9)
    assert np.mean([take.towards_m[-1] for take in takes]) == pytest.approx(times * towards_m, rel=0.06, abs=1e-9)


def test_between_takes_the_phone_is_placed_anew():
    rng = np.random.default_rng(1)
    level = LEVELS["wild"]
    person = make_person("1", "male", FACE, level, rng)
    takes = [perform(Take("neutral", 1.0), person, NAMES, level, TIME_S, rng) for _ in range(300)]
    assert np.std([take.shift_m.mean(axis=0) for take in takes], axis=0) == pytest.approx(0.010, rel=0.15)
    assert np.std([take.attitude_deg[0] for take in takes], axis=0) == pytest.approx(3.0, rel=0.15)


def test_the_hand_trembles_as_much_as_the_level_says():
    rng = np.random.default_rng(2)
    motions = np.stack([hand_motion(np.arange(200) * 0.05, 0.0003, rng) for _ in range(300)])
    assert np.sqrt(np.mean(motions**2)) == pytest.approx(0.0003, rel=0.05)
    assert not hand_motion(TIME_S, 0.0, rng).any()


def test_smooth_noise_forgets_itself_after_its_time():
    rng = np.random.default_rng(3)
    time_s = np.arange(3) * 0.1
    draws = np.stack([smooth_noise(time_s, 0.1, rng) for _ in range(20_000)])
    covariance = np.cov(draws.T)
    assert covariance[0, 0] == pytest.approx(1.0, abs=0.05)
    assert covariance[0, 1] == pytest.approx(np.exp(-0.5), abs=0.05)
    assert covariance[0, 2] == pytest.approx(np.exp(-2.0), abs=0.05)


def test_blinks_come_as_a_poisson_process_and_close_both_eyes():
    takes = [performed("neutral", seed=seed, time_s=np.arange(500) * 0.01, duration_s=5.0)[0] for seed in range(300)]
    assert np.mean([take.n_blinks for take in takes]) == pytest.approx(0.25 * (5 - 0.175), rel=0.15)
    lids = [k for k, name in enumerate(NAMES) if name.startswith("AU43")]
    blinking = next(take for take in takes if take.n_blinks == 1)
    assert blinking.intensities[:, lids].max() > 0.95
    assert np.array_equal(blinking.intensities[:, lids[0]], blinking.intensities[:, lids[1]])


def test_an_expression_is_let_go_where_asked():
    time_s = np.arange(60) * 0.05
    held, _ = performed("fear", time_s=time_s, duration_s=3.0)
    let_go, _ = performed("fear", time_s=time_s, duration_s=3.0, release=True)
    assert held.intensities[-1].sum() > 3
    assert let_go.intensities[-1].sum() < 0.1
    assert np.array_equal(held.intensities[:40], let_go.intensities[:40])

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standin import ball_face

from mien.labels import ALL_EXPRESSIONS, EXPRESSIONS
from mien.simulate.levels import LEVELS, LEVELS_1
from mien.simulate.people import make_person
from mien.simulate.performance import (
    APEX_RANGE,
    HEAD_LEAD_S,
    LARGEST_INTENSITY,
    NEUTRAL_S,
    ONSET_RANGE_S,
    PARTIAL,
    REPETITION,
    Take,
    hand_motion,
    perform,
    smooth_noise,
)
from mien.simulate.recipes import EXCHANGED, HEAD_MOTION, RECIPES

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


LATE_S = np.array([0.0, 1.2])
"""Before any head moves, and when all have arrived."""


def performed(
    expression="happiness", level="medium", seed=0, time_s=TIME_S, duration_s=1.0, release=False, levels=LEVELS, **how
):
    rng = np.random.default_rng(seed)
    person = make_person("1", "female", FACE, levels[level], rng)
    return perform(Take(expression, duration_s, release, **how), person, NAMES, levels[level], time_s, rng), person


def apexes(expression, level="hard", n_subjects=400, **how):
    """Return (subject axis) the head's motion at the end of one take of each of many subjects."""
    takes = [performed(expression, level, seed, duration_s=1.2, time_s=LATE_S, **how)[0] for seed in range(n_subjects)]
    return np.stack([np.r_[take.head_m[-1], take.attitude_deg[-1] - take.attitude_deg[0]] for take in takes])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ALL_EXPRESSIONS), st.sampled_from(list(LEVELS)), st.integers(0, 10_000))
def test_a_take_begins_with_the_face_at_rest_and_stays_within_it(expression, level, seed):
    found, _ = performed(expression, level, seed)
    assert NEUTRAL_S <= found.neutral_until_s
    resting = found.time_s <= found.neutral_until_s
    assert resting.sum() >= 3
    assert not found.intensities[resting].any()
    still = found.time_s <= found.neutral_until_s - HEAD_LEAD_S
    assert not found.head_m[still].any() and np.ptp(found.attitude_deg[still], axis=0).max() == 0
    assert 0 <= found.intensities.min() and found.intensities.max() <= LARGEST_INTENSITY


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_expressions_own_units_move_and_no_others(expression):
    found, _ = performed(expression, seed=4, levels=LEVELS_1)
    moved = {number for number, intensity in found.apex.items() if intensity > 0}
    assert moved == set(RECIPES[expression])


def test_some_takes_leave_one_unit_of_the_recipe_out():
    whole = set(RECIPES["sadness"])
    moved = [
        {number for number, intensity in performed("sadness", seed=seed)[0].apex.items() if intensity > 0}
        for seed in range(600)
    ]
    partial = [units for units in moved if units != whole]
    assert all(units < whole and len(units) == len(whole) - 1 for units in partial)
    assert len(partial) / len(moved) == pytest.approx(PARTIAL, abs=0.04)
    assert len({frozenset(units) for units in partial}) == len(whole)


def test_people_do_not_all_make_a_full_expression():
    rng = np.random.default_rng(0)
    level = LEVELS["easy"]
    person = make_person("1", "male", FACE, level, rng)
    takes = [perform(Take("happiness", 1.0), person, NAMES, level, TIME_S, rng) for _ in range(800)]
    found = np.array([take.apex[12] for take in takes if take.apex[12] > 0 and take.apex[6] > 0])
    gain = np.mean([person.unit_gains[k] for k, name in enumerate(NAMES) if name.startswith("AU12")])
    # Uniform, times the log-normal of a repetition.
    low, high = APEX_RANGE
    assert found.mean() / gain == pytest.approx((low + high) / 2 * np.exp(REPETITION**2 / 2), rel=0.05)
    spread = np.hypot((high - low) / np.sqrt(12), REPETITION * (low + high) / 2)
    assert found.std() / gain == pytest.approx(spread, rel=0.12)


@pytest.mark.parametrize("expression", ["neutral", "fear", "sadness"])
def test_onset_takes_as_long_whatever_the_expression(expression):
    time_s = np.arange(0, 1.2, 0.005)
    lasts_s = []
    for seed in range(200):
        head = performed(expression, "hard", seed, time_s=time_s, duration_s=1.2)[0].head_m[:, 2]
        course = head / head[-1]
        lasts_s.append(time_s[course > 0.999][0] - time_s[course > 0.001][0])
    # The ends of a minimum-jerk course lie below a thousandth: 0.84 of the onset is seen.
    assert min(lasts_s) > 0.75 * ONSET_RANGE_S[0] and max(lasts_s) < ONSET_RANGE_S[1]
    assert np.mean(lasts_s) == pytest.approx(0.84 * np.mean(ONSET_RANGE_S), rel=0.1)


@pytest.mark.parametrize("level", LEVELS)
def test_the_heads_motion_is_drawn_alike_for_every_expression(level):
    """One zero-mean Gaussian for all: neither mean, nor spread, nor a correlation of axes tells the expression."""
    spread = np.repeat([LEVELS[level].head_shift_m, LEVELS[level].head_turn_deg], 3)
    for expression in ALL_EXPRESSIONS:
        found = apexes(expression, level)
        assert found.std(axis=0) == pytest.approx(spread, rel=0.15)
        assert (np.abs(found.mean(axis=0)) <= 4 * spread / 20 + 1e-12).all()
        if level != "easy":
            assert np.abs(np.corrcoef(found.T) - np.eye(6)).max() < 0.2


def test_half_of_the_heads_variance_is_the_subjects_habit():
    rng = np.random.default_rng(1)
    level = LEVELS["medium"]
    between, within = [], []
    for _ in range(200):
        person = make_person("1", "male", FACE, level, rng)
        takes = [perform(Take("anger", 1.2), person, NAMES, level, LATE_S, rng).head_m[-1] for _ in range(8)]
        between.append(np.mean(takes, axis=0))
        within.append(np.var(takes, axis=0, ddof=1))
    anew = np.mean(within)
    habit = np.var(between) - anew / 8
    assert anew == pytest.approx(level.head_shift_m**2 / 2, rel=0.1)
    assert habit == pytest.approx(level.head_shift_m**2 / 2, rel=0.2)


def test_the_head_starts_before_or_after_the_face():
    time_s = np.arange(0, 1.2, 0.002)
    leads = []
    for seed in range(100):
        take = performed("happiness", "hard", seed, time_s=time_s, duration_s=1.2)[0]
        eyelids = np.array([name.startswith("AU43") for name in NAMES])
        face = take.intensities[:, ~eyelids].any(axis=1)
        leads.append(time_s[np.abs(take.head_m[:, 0]) > 0][0] - time_s[face][0])
    assert -HEAD_LEAD_S - 0.002 <= min(leads) < -0.05 and 0.05 < max(leads) <= HEAD_LEAD_S + 0.002


def test_an_ablation_of_head_or_face_leaves_all_else_as_it_was():
    plain, _ = performed("fear", "hard")
    still, _ = performed("fear", "hard", head="still")
    frozen, _ = performed("fear", "hard", frozen=True)
    other, _ = performed("fear", "hard", head="exchanged")
    recipe, _ = performed("fear", "hard", head="recipe")
    assert not still.head_m.any() and np.ptp(still.attitude_deg, axis=0).max() == 0
    eyelids = np.array([name.startswith("AU43") for name in NAMES])
    assert not frozen.intensities[:, ~eyelids].any() and plain.intensities[:, ~eyelids].any()
    assert not any(frozen.apex.values())
    for changed in (still, other, recipe):
        np.testing.assert_array_equal(changed.intensities, plain.intensities)
        np.testing.assert_array_equal(changed.shift_m, plain.shift_m)
        assert changed.apex == plain.apex
    np.testing.assert_array_equal(frozen.head_m, plain.head_m)
    np.testing.assert_array_equal(frozen.intensities[:, eyelids], plain.intensities[:, eyelids])
    assert not np.array_equal(other.head_m, plain.head_m)
    assert recipe.head_m[-1, 2] < 0 and not recipe.head_m[:, :2].any()


def test_an_exchanged_head_moves_as_with_another_expression():
    assert all(EXCHANGED[word] != word for word in EXPRESSIONS) and set(EXCHANGED) == set(ALL_EXPRESSIONS)
    for levels, how in ((LEVELS_1, {}), (LEVELS, {"head": "recipe"})):
        shown = apexes("sadness", "medium", 100, levels=levels, **how)
        assert shown[:, 3].mean() == pytest.approx(2 * HEAD_MOTION["sadness"].up_deg, rel=0.15)
    exchanged = apexes("sadness", "medium", 100, levels=LEVELS_1, head="exchanged")
    assert exchanged[:, 3].mean() == pytest.approx(2 * HEAD_MOTION[EXCHANGED["sadness"]].up_deg, abs=1.0)
    assert not apexes("sadness", "medium", 3, levels=LEVELS_1, head="still").any()


def test_the_hold_stays_at_the_apex():
    found, _ = performed("anger", time_s=np.arange(100) * 0.05, duration_s=5.0)
    held = found.intensities[20:]
    for number in RECIPES["anger"]:
        columns = [k for k, name in enumerate(NAMES) if name.split("_")[0] == f"AU{number}"]
        assert held[:, columns].mean() == pytest.approx(found.apex[number], rel=0.03)
    trembling = held[:, columns].mean(axis=1)
    assert 0 < trembling.std() / trembling.mean() < 0.06


def test_in_version_1_onset_takes_about_a_third_of_a_second_and_is_smooth():
    time_s = np.arange(1000) * 0.001
    found, _ = performed("surprise", time_s=time_s, levels=LEVELS_1)
    course = found.head_m[:, 2] / found.head_m[-1, 2]
    first, last = time_s[course > 0.001][0], time_s[course > 0.999][0]
    assert 0.15 < last - first < 0.5
    assert (np.diff(course) >= 0).all() and np.diff(course).max() < 0.02


def test_takes_of_one_expression_differ_by_the_repetition():
    rng = np.random.default_rng(0)
    level = LEVELS_1["easy"]
    assert REPETITION == 0.15
    person = make_person("1", "male", FACE, level, rng)
    apexes = [perform(Take("sadness", 1.0), person, NAMES, level, TIME_S, rng).apex for _ in range(400)]
    assert np.std(np.log([apex[1] for apex in apexes])) == pytest.approx(REPETITION, rel=0.1)


def test_in_version_1_the_head_moves_with_the_expression_as_far_as_the_level_says():
    for expression in EXPRESSIONS:
        assert not performed(expression, "easy", levels=LEVELS_1)[0].head_m.any()
        nominal, twice = (
            np.mean([performed(expression, level, seed, levels=LEVELS_1)[0].head_m[-1, 2] for seed in range(150)])
            for level in ("hard", "medium")
        )
        assert nominal == pytest.approx(HEAD_MOTION[expression].towards_m, abs=0.0012)
        assert twice == pytest.approx(2 * HEAD_MOTION[expression].towards_m, abs=0.0024)


def test_the_shared_recipe_of_the_head_is_that_of_version_1():
    found = {name: (motion.towards_m, motion.up_deg, motion.left_deg) for name, motion in HEAD_MOTION.items()}
    assert found == HEAD_TABLE


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("level, times", [("easy", 0), ("medium", 2), ("hard", 1), ("wild", 1)])
def test_in_version_1_at_the_apex_the_head_is_turned_and_moved_as_the_table_says(expression, level, times):
    rng = np.random.default_rng(5)
    drawn = make_person("1", "male", FACE, LEVELS_1[level], rng)
    person = replace(drawn, head_gains={expression: np.ones(3)})
    takes = [perform(Take(expression, 1.0), person, NAMES, LEVELS_1[level], TIME_S, rng) for _ in range(100)]
    turned_deg = np.mean([take.attitude_deg[-1] - take.attitude_deg[0] for take in takes], axis=0)
    towards_m, up_deg, left_deg = HEAD_TABLE[expression]
    # Repetition makes the mean of a log-normal, 1.01, known here to about 0.015.
    assert turned_deg == pytest.approx([times * up_deg, times * left_deg, 0], rel=0.06, abs=1e-9)
    assert np.mean([take.head_m[-1, 2] for take in takes]) == pytest.approx(times * towards_m, rel=0.06, abs=1e-9)


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
    assert held.intensities[-1].sum() > 1.5
    assert let_go.intensities[-1].sum() < 0.1
    assert np.array_equal(held.intensities[:40], let_go.intensities[:40])

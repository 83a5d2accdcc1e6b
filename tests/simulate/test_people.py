from dataclasses import astuple

import numpy as np
import pytest
from standin import ball_face

from mien.simulate.levels import LEVELS
from mien.simulate.people import ASYMMETRY, HEAD_VARIATION, SEX_SHIFT, draw_sexes, make_person
from mien.simulate.phones import MEASURED

FACE = ball_face()

# Mean and standard deviation between people, metres and degrees. Distances are uniform: width / sqrt(12).
NOMINAL = {"distance_m": (0.30, 0.003), "drop_m": (0.11, 0.003), "side_m": (0.0, 0.003)} | {
    name: (0.0, 1.0) for name in ("pitch_deg", "turn_deg", "roll_deg")
}
OWN = {
    "distance_m": (0.345, 0.15 / np.sqrt(12)),
    "drop_m": (0.11, 0.024),
    "side_m": (0.0, 0.012),
    "pitch_deg": (0.0, 4.0),
    "turn_deg": (0.0, 3.0),
    "roll_deg": (0.0, 2.0),
}
PLACEMENTS = {"easy": NOMINAL, "medium": NOMINAL, "hard": OWN, "wild": OWN}


def crowd(level, n=600, seed=0):
    rng = np.random.default_rng(seed)
    return [make_person(str(k), ("male", "female")[k % 2], FACE, LEVELS[level], rng) for k in range(n)]


def test_men_and_women_together_are_standard_normal():
    identity = np.stack([person.identity for person in crowd("medium", 4000)])
    assert np.abs(identity.mean(axis=0)).max() < 0.06
    assert np.abs(np.cov(identity.T) - np.eye(FACE.n_modes)).max() < 0.08


def test_men_and_women_are_two_distributions_and_mens_faces_are_larger():
    people = crowd("medium", 4000)
    identity = np.stack([person.identity for person in people])
    apart = identity[::2].mean(axis=0) - identity[1::2].mean(axis=0)
    assert np.linalg.norm(apart) == pytest.approx(2 * SEX_SHIFT, rel=0.1)
    men, women = (FACE.shape(identity[k::2].mean(axis=0)) for k in range(2))
    assert np.ptp(men, axis=0).prod() > 1.05 * np.ptp(women, axis=0).prod()


def test_men_and_women_differ_in_style():
    left = [k for k, name in enumerate(FACE.unit_names) if not name.endswith("_R")]
    style = np.stack([np.log(person.unit_gains[left]) for person in crowd("medium", 4000)]) / 0.15
    assert np.linalg.norm(style[::2].mean(axis=0) - style[1::2].mean(axis=0)) == pytest.approx(2 * SEX_SHIFT, rel=0.1)


@pytest.mark.parametrize("level", ["easy", "medium", "hard"])
def test_style_and_asymmetry_have_their_spread(level):
    gains = np.log(np.stack([person.unit_gains for person in crowd(level, 2000)]))
    left = [k for k, name in enumerate(FACE.unit_names) if name.endswith("_L")]
    right = [k + 1 for k in left]
    style, lean = (gains[:, left] + gains[:, right]) / 2, gains[:, left] - gains[:, right]
    assert style.std() == pytest.approx(LEVELS[level].style_spread, rel=0.05)
    assert lean.std() == pytest.approx(ASYMMETRY, rel=0.05)


def test_heads_vary_by_a_third():
    gains = np.stack([person.head_gains["fear"] for person in crowd("medium", 2000)])
    assert gains.mean() == pytest.approx(1.0, abs=0.02)
    assert 0.30 < HEAD_VARIATION < 0.40
    assert gains.std() == pytest.approx(HEAD_VARIATION, rel=0.05)


def test_the_nominal_position_differs_by_millimetres_and_the_own_one_by_centimetres():
    nominal = np.array([p.placement.distance_m for p in crowd("medium")])
    assert nominal.mean() == pytest.approx(0.30, abs=0.001)
    assert nominal.std() == pytest.approx(0.003, rel=0.1)
    distances = np.array([p.placement.distance_m for p in crowd("hard")])
    assert 0.27 <= distances.min() < 0.275 and 0.415 < distances.max() <= 0.42


@pytest.mark.parametrize("level", PLACEMENTS)
def test_placements_have_the_means_and_spreads_of_the_levels_version(level):
    people = crowd(level, 4000)
    for name, (mean, deviation) in PLACEMENTS[level].items():
        found = np.array([getattr(person.placement, name) for person in people])
        assert found.mean() == pytest.approx(mean, abs=0.06 * deviation), name
        assert found.std() == pytest.approx(deviation, rel=0.05), name


def test_everybody_is_placed_by_a_draw_of_their_own():
    placed = np.array([astuple(person.placement) for person in crowd("wild", 2000)])
    assert np.abs(np.corrcoef(placed.T) - np.eye(6)).max() < 0.1


def test_phones_differ_where_the_level_says_so():
    assert {person.phone for person in crowd("medium", 20)} == {"reference"}
    assert {person.phone for person in crowd("wild", 200)} == set(MEASURED)


def test_the_same_generator_makes_the_same_person():
    one, two = (make_person("1", "male", FACE, LEVELS["hard"], np.random.default_rng(3)) for _ in range(2))
    assert one.placement == two.placement and one.mask == two.mask and one.phone == two.phone
    assert np.array_equal(one.identity, two.identity) and np.array_equal(one.unit_gains, two.unit_gains)


def test_sexes_are_counted():
    rng = np.random.default_rng(0)
    assert sorted(draw_sexes(20, (16, 4), rng)) == ["female"] * 4 + ["male"] * 16
    assert sorted(draw_sexes(5, None, rng)) == ["female"] * 2 + ["male"] * 3

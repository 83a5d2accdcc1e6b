from dataclasses import astuple

import numpy as np
import pytest
from standin import ball_face, ball_stage

from mien.simulate.levels import LEVELS
from mien.simulate.people import ASYMMETRY, BLENDING, HEAD_VARIATION, SEX_SHIFT, draw_sexes, make_person
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


def test_a_subject_is_what_seed_and_index_say_at_any_level():
    easy, wild = (make_person("1", None, FACE, LEVELS[level], np.random.default_rng(7)) for level in ("easy", "wild"))
    assert easy.sex == wild.sex and easy.mask == wild.mask and easy.breath_hz == wild.breath_hz
    assert easy.hair_reflectivity == wild.hair_reflectivity
    np.testing.assert_array_equal(easy.identity, wild.identity)
    np.testing.assert_array_equal(easy.blending, wild.blending)
    for name in easy.head_habits:
        np.testing.assert_array_equal(easy.head_habits[name], wild.head_habits[name])
    left = [k for k, name in enumerate(FACE.unit_names) if name.endswith("_L")]
    style = [np.log(p.unit_gains[left]) + np.log(p.unit_gains[[k + 1 for k in left]]) for p in (easy, wild)]
    np.testing.assert_allclose(style[0] / LEVELS["easy"].style_spread, style[1] / LEVELS["wild"].style_spread)


@pytest.mark.parametrize("level", LEVELS)
def test_a_subject_does_not_depend_on_how_many_are_simulated(level):
    few, many = (ball_stage(level=level, n_subjects=n, seed=5) for n in (3, 11))
    for index in range(3):
        one, other = few.person(index), many.person(index)
        assert one.sex == other.sex and one.phone == other.phone and one.placement == other.placement
        np.testing.assert_array_equal(one.identity, other.identity)
        np.testing.assert_array_equal(few.face_of(index).unit_fields, many.face_of(index).unit_fields)


def test_sexes_are_drawn_one_by_one_unless_they_are_counted_out():
    stage = ball_stage(n_subjects=300)
    assert 110 < sum(stage.person(index).sex == "male" for index in range(300)) < 190
    counted = ball_stage(n_subjects=5, sex_counts=(4, 1))
    assert sorted(counted.person(index).sex for index in range(5)) == ["female"] + ["male"] * 4


def test_units_blend_with_others_and_eyelids_with_nobody():
    people = crowd("medium", 300)
    alone, both = (FACE.intensities(units)[None] for units in ({"AU26": 1.0}, {"AU12": 1.0, "AU26": 1.0}))
    for person in people[:5]:
        np.testing.assert_array_equal(person.blended(alone), alone)
    column = FACE.unit_names.index("AU26")
    changes = np.array([person.blended(both)[0, column] - 1 for person in people])
    assert changes.std() == pytest.approx(BLENDING, rel=0.15) and abs(changes.mean()) < 0.02
    lids = np.array([name.startswith("AU43") for name in FACE.unit_names])
    everything = np.ones((1, len(FACE.unit_names)))
    assert all((person.blended(everything)[0, lids] == 1).all() for person in people[:20])


def test_sexes_are_counted():
    rng = np.random.default_rng(0)
    assert sorted(draw_sexes(20, (16, 4), rng)) == ["female"] * 4 + ["male"] * 16
    assert sorted(draw_sexes(5, None, rng)) == ["female"] * 2 + ["male"] * 3

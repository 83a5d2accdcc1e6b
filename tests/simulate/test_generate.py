import re
from collections import Counter

import numpy as np
import pytest
from standin import ball_face, ball_stage

from mien.errors import MienError, ProbeError, StudyError
from mien.probe import Chirp, PureTones
from mien.simulate.generate import simulate_takes
from mien.simulate.options import SimulationOptions, plan_takes
from mien.simulate.stage import stage_for

SMALL = SimulationOptions(n_subjects=2, n_takes=1, duration_s=0.3, expressions=("fear", "happiness"), seed=7)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_subjects": 0}, "n_subjects is 0; a whole number from 1 to"),
        ({"n_takes": 2.5}, "n_takes is 2.5; a whole number"),
        ({"n_takes": True}, "n_takes is True"),
        ({"level": "extreme"}, "level 'extreme' is unknown; known are easy, medium, hard, wild"),
        ({"duration_s": 0.1}, "duration_s is 0.1; a number from 0.2 to 600"),
        ({"duration_s": float("nan")}, "duration_s is nan"),
        ({"expressions": ("joy",)}, "expressions: 'joy' unknown; known are anger"),
        ({"expressions": ("neutral",)}, "expressions: 'neutral' unknown"),
        ({"expressions": ("fear", "fear")}, "names a word twice"),
        ({"expressions": ()}, "a tuple of at least one word"),
        ({"masks": ("closed",)}, "masks: 'closed' unknown; known are open, mask"),
        ({"places": ("moon",)}, "place 'moon' is unknown; known are office"),
        ({"places": ["office"]}, "a tuple of at least one word"),
        ({"device": "brick"}, "device 'brick' is unknown"),
        ({"n_facets": 100}, "n_facets is 100"),
        ({"n_microphones": 3}, "n_microphones is 3; a whole number from 1 to 2"),
        ({"sex_counts": (16, 4)}, "add up to 20; n_subjects is 12"),
        ({"sex_counts": (12,)}, "two whole numbers (men, women)"),
        ({"n_takes": 0}, "nothing to simulate"),
        ({"seed": -1}, "seed is -1"),
        ({"input_gain_db": 100.0}, "input_gain_db is 100"),
    ],
)
def test_an_option_out_of_range_is_refused_with_what_is_allowed(wrong, message):
    with pytest.raises(StudyError, match=re.escape(message)):
        SimulationOptions(**wrong)


def test_a_probe_that_cannot_be_rendered_is_refused():
    class Hum:
        kind = "hum"

    with pytest.raises(ProbeError, match="hum"):
        SimulationOptions(probe=Hum())


def test_the_plan_holds_every_take_once_and_confounds_nothing_with_the_place():
    options = SimulationOptions(n_subjects=3, n_takes=9, masks=("open", "mask"), n_neutral_takes=3)
    for subject in range(3):
        plans = plan_takes(options, subject)
        assert len(plans) == options.n_takes_per_subject == (9 * 6 + 3) * 2
        assert len({plan.take for plan in plans}) == len(plans)
        assert Counter((p.expression, p.mask) for p in plans)["fear", "mask"] == 9
        places = Counter((p.expression, p.mask, p.place) for p in plans)
        assert set(places.values()) == {3, 1}
        assert {count for (expression, *_), count in places.items() if expression != "neutral"} == {3}


def test_takes_come_in_the_order_of_the_plan_whoever_makes_them():
    alone = list(simulate_takes(SMALL))
    together = list(simulate_takes(SMALL, n_jobs=2))
    assert [take.plan for take in alone] == [plan for k in range(2) for plan in plan_takes(SMALL, k)]
    for one, other in zip(alone, together, strict=True):
        assert one.plan == other.plan and one.columns == other.columns
        assert np.array_equal(one.samples, other.samples)


def test_takes_that_are_done_are_left_out_and_change_no_other():
    whole = list(simulate_takes(SMALL))
    rest = list(simulate_takes(SMALL, done={("001", "01", "0001"), ("002", "01", "0002")}))
    assert [take.plan for take in rest] == [whole[1].plan, whole[2].plan]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(rest, whole[1:3], strict=True))


@pytest.mark.parametrize(
    "probe", [Chirp(low_hz=15_000, high_hz=18_000, rate_hz=44_100), PureTones((18_500.0, 20_000.0))]
)
def test_other_probes_are_heard_over_the_same_performances(probe):
    options = SimulationOptions(n_subjects=1, n_takes=1, duration_s=0.3, expressions=("fear",), probe=probe, seed=7)
    take = next(simulate_takes(options))
    assert take.samples.shape == (1, round(0.3 * probe.rate_hz))
    assert 0.15 < np.abs(take.samples).max() < 0.5


def test_options_are_plain_values():
    values = SimulationOptions(masks=("open", "mask")).to_json()
    assert values["masks"] == ["open", "mask"] and values["probe"]["kind"] == "chirp" and values["device"] is None


def test_a_face_kit_is_read_where_its_folder_is_named(tmp_path, monkeypatch):
    options = SimulationOptions(face_folder=str(tmp_path / "kit"))
    with pytest.raises(MienError, match="kit"):
        stage_for(options)
    (tmp_path / "kit" / "FaceXModel").mkdir(parents=True)
    (tmp_path / "kit" / "FaceXModel" / "generic_neutral_mesh.obj").touch()
    monkeypatch.setattr("mien.simulate.faces.read_ict", lambda folder: ball_face())
    stage = stage_for(options)
    assert stage.face_facts()["name"] == "ball" and options.to_json()["face_folder"] == "kit"
    assert stage.face_facts() == ball_stage().face_facts()
    stage_for.cache_clear()

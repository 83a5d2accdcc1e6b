"""The plan of FacER's reproduction: what is asked for can be done, and the paper's values have a place to stand."""

import dataclasses
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from mien.errors import StudyError
from mien.learning.methods import METHODS, method_named, with_changes
from mien.reproduce.facer.paper import PAPER
from mien.reproduce.facer.plan import ADAPTING_RATES, BENCH, CASES, RATES, SCALES, SMALL, scale_named
from mien.reproduce.facer.reproduce import available
from mien.reproduce.facer.variants import variants
from mien.sensing.windows import windows_of
from mien.simulate.options import plan_takes
from mien.splits import make_splits

TUNING = Path(__file__).parents[2] / "experiments" / "reproduce_facer" / "tuning.csv"
SCALE = pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)


def test_the_paper_states_values_of_cases_and_methods_that_are_run():
    names = {case.name for case in CASES}
    for case, method in PAPER:
        assert case in names and method in METHODS
    for stated in PAPER.values():
        values = [stated.accuracy, stated.precision, stated.recall, stated.f1, *stated.per_class.values()]
        assert all(value is None or 0.7 < value < 1 for value in values) and stated.where


@SCALE
def test_every_option_is_one_of_its_method(scale):
    for method, changes in scale.options.items():
        with_changes(method_named(method).options, changes)
    for each in variants(scale):
        with_changes(method_named(each.method).options, each.changes)


@SCALE
def test_one_width_for_every_method_that_has_one(scale):
    facer, *others = (
        with_changes(method_named(m).options, scale.options[m]).network for m in ("facer", "xhar", "dann")
    )
    resnet = with_changes(method_named("resnet").options, scale.options["resnet"])
    assert {each.shape.width for each in (facer, *others)} == {resnet.shape.width}
    assert {each.training.epochs for each in others} == {resnet.training.epochs}
    assert facer.training.epochs <= resnet.training.epochs  # a pass of its attention takes longer


@SCALE
def test_variants_differ_in_one_thing_from_how_the_method_stands(scale):
    found = variants(scale)
    assert len({each.title for each in found}) == len(found)
    assert Counter(each.method for each in found if each.usual) == {"facer": 1, "mien": 1, "svm": 1}
    usual = {each.method: each for each in found if each.usual}
    for each in found:
        base = usual[each.method]
        differs = (each.ear != base.ear, dict(each.changes) != dict(base.changes), each.protocol != base.protocol)
        assert sum(differs) == (not each.usual), each.title


@SCALE
def test_no_window_shows_the_neutral_face_before_the_expression(scale):
    heard = scale.spectrogram
    first = windows_of(round(scale.duration_s / 0.05), 0.05, heard.window_s, heard.hop_s, heard.from_s).first
    assert len(first) >= 2 and first[0] * 0.05 == pytest.approx(0.2)


@SCALE
def test_windows_of_the_leaking_case_overlap(scale):
    case = next(case for case in CASES if case.leaks)
    for name in scale.named(case):
        heard = scale.ear(name, case).front_end
        assert heard.hop_s <= heard.window_s / 2 and heard.from_s == pytest.approx(0.2)
    assert all(scale.ear("facer", case) == scale.ear("facer") for case in CASES if not case.leaks)


@SCALE
def test_calibration_leaves_takes_to_score(scale):
    asked = {how for case in CASES for how in scale.adaptations(case) if how.startswith("calibrated")}
    assert asked == {f"calibrated-{n_takes}" for n_takes in scale.labelled}
    assert 0 < min(scale.labelled) <= max(scale.labelled) < scale.n_takes


def test_rates_are_those_that_tuning_found_best():
    table = pd.read_csv(TUNING)
    best = table.sort_values("accuracy", kind="stable").groupby(["tuned", "method"])["rate"].last()
    learnt = best["learning"].to_dict()
    assert RATES == learnt | {name: learnt["resnet"] for name in ("xhar", "dann")}
    assert ADAPTING_RATES == best["adapting"].to_dict()
    for scale in (SMALL, BENCH):
        assert {name: options["learning_rate"] for name, options in scale.options.items()} == RATES
        adapting = {name: options.get("adaptation_learning_rate") for name, options in scale.options.items()}
        assert {name: rate for name, rate in adapting.items() if rate is not None} == ADAPTING_RATES


def test_every_case_can_be_split_and_keeps_its_word():
    scale = SMALL
    options = dataclasses.replace(scale.simulation(0), n_neutral_takes=0)
    sexes = ["male"] * scale.sex_counts[0] + ["female"] * scale.sex_counts[1]
    table = pd.DataFrame(
        [
            {"subject": plan.subject, "session": plan.session, "take": plan.take, "expression": plan.expression}
            | {"place": plan.place, "mask": plan.mask, "sex": sexes[person]}
            for person in range(options.n_subjects)
            for plan in plan_takes(options, person)
        ]
    )
    for case in CASES:
        part = table[table["mask"].isin(case.masks)].reset_index(drop=True)
        n_folds = scale.n_folds.get(case.name, case.n_folds)
        splits = make_splits(part, case.protocol, n_folds=n_folds, windows=part.index.to_numpy())
        assert splits and any(split.leaks for split in splits) == case.leaks
        strangers = all("subject" in split.disjoint_by for split in splits)
        assert strangers == (case.name == "2" or case.name.endswith("-people"))


def test_an_unknown_scale_is_refused_by_name():
    with pytest.raises(StudyError, match="'huge' is unknown; known are small, bench, paper"):
        scale_named("huge")


def test_dann_is_left_out_where_skada_is_not_installed(monkeypatch):
    monkeypatch.setattr("mien.reproduce.facer.reproduce.find_spec", lambda name: None)
    scale, words = available(SCALES["small"])
    assert "dann" not in scale.methods and "mien[baselines]" in words

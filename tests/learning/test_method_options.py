"""Options by name: validated, round trip, errors that name what is allowed."""

import doctest
import importlib
import json
import re
import warnings
from pathlib import Path

import pytest

from mien.errors import ModelError
from mien.learning.methods import (
    METHODS,
    method_named,
    option_names,
    options_from_json,
    options_to_json,
    parse_options,
    with_changes,
)
from mien.sensing.front_ends import parse_front_end


@pytest.mark.parametrize(
    "module",
    [
        "arrays",
        "augmentation",
        "bank",
        "calibration",
        "loop",
        "losses",
        "machines",
        "methods",
        "pseudo_labels",
        "weights",
    ],
)
def test_examples(module):
    found = doctest.testmod(importlib.import_module(f"mien.learning.{module}"))
    assert found.failed == 0 and found.attempted > 0 or module == "arrays"


@pytest.mark.parametrize("name", METHODS)
def test_options_survive_json(name):
    options = METHODS[name].options
    values = json.loads(json.dumps(options_to_json(options)))
    assert options_from_json(type(options), values) == options


@pytest.mark.parametrize("name", METHODS)
def test_no_two_options_share_a_name_but_the_temperature(name):
    names = option_names(METHODS[name].options)
    assert {each for each in names if names.count(each) > 1} <= {"temperature"}


def test_changes_reach_nested_fields_and_leave_the_defaults():
    changed = with_changes(METHODS["facer"].options, {"width": 64, "temperature": 0.2, "classifier_hidden": [32]})
    assert changed.network.shape.width == 64 and changed.classifier_hidden == (32,)
    assert changed.network.temperature == changed.adapting.temperature == 0.2
    assert METHODS["facer"].options.network.shape.width == 16


def test_lists_become_tuples_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert with_changes(METHODS["svm"].options, {"penalties": [1, 2]}).penalties == (1.0, 2.0)


@pytest.mark.parametrize(
    "method, changes, message",
    [
        ("facer", {"widht": 8}, "widht is unknown here; known are width"),
        ("facer", {"width": 0}, "shape.width is 0.*greater than or equal to 1"),
        ("facer", {"attention": "most"}, "'external', 'self' or 'none'"),
        ("mien", {"dropout": 2}, "shape.dropout is 2.*less than 1"),
        ("mien", {"width": 8}, "width is unknown"),
        ("svm", {"penalties": []}, "penalties"),
        ("resnet", {"epochs": "many"}, "training.epochs is 'many'"),
        ("resnet", {"learning_rate": float("nan")}, "learning_rate"),
    ],
)
def test_what_is_not_allowed_is_named(method, changes, message):
    with pytest.raises(ModelError, match=message):
        with_changes(METHODS[method].options, changes)


def test_texts_become_options():
    assert parse_options("svm", ["penalties=[1, 10]", "n_components=8"]) == {"penalties": [1, 10], "n_components": 8}
    with pytest.raises(ModelError, match="no value.*epochs=20"):
        parse_options("facer", ["epochs"])
    with pytest.raises(ModelError, match="unknown here"):
        parse_options("svm", ["epochs=2"])


def test_unknown_methods_are_refused_with_those_known():
    with pytest.raises(ModelError, match="known are facer, resnet, xhar"):
        method_named("alexnet")


def test_the_page_of_methods_names_them_all_and_no_option_that_is_none():
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
    assert {name for name in METHODS if f"`{name}`" not in page} == set()
    fronts = re.findall(r"(?:spectrogram|range-profile):[\w=,.-]+", page)
    assert len(fronts) >= 6 and all(parse_front_end(text) for text in fronts)
    known = {name for method in METHODS.values() for name in option_names(method.options)}
    shown = re.findall(r"[` ]([a-z_]+)=[\w.-]+`", re.sub(r"(?:spectrogram|range-profile):[\w=,.-]+", "", page))
    assert len(shown) >= 10 and set(shown) <= known

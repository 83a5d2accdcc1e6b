"""The cross-generator experiment, very small: who is scored was never trained on, and it goes on where it stopped."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "cross_generator" / "run.py"
N_TRAINED = 3


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("cross_generator", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in (("N_TAKES", 1), ("N_VALIDATION", 1)):
        monkeypatch.setattr(module, name, value)
    groups = {"": (1000, N_TRAINED), "-tested": (2000, 1), "-varied": (3000, 1)}
    monkeypatch.setattr(module, "GROUPS", groups)
    return module


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def test_every_generator_is_scored_on_both_before_and_after_calibration(script: ModuleType, work: Path) -> None:
    found = script.run("easy", [0], ["svm"], work, 1)
    assert len(found) == 2 * 2 * 4 * 2 * 6  # front ends, sources, targets, stages, expressions
    before, after = (found[found["stage"] == stage].reset_index(drop=True) for stage in ("before", "after"))
    pd.testing.assert_series_equal(before["predicted"], after["predicted"])
    pd.testing.assert_series_equal(before["foreignness"], after["foreignness"])
    assert not before["confidence"].equals(after["confidence"])
    assert set(found["subject"]) == {f"{face}-{who}-001" for face in script.GENERATORS for who in ("tested", "varied")}

    again = script.run("easy", [0], ["svm"], work, 1)  # read, not computed
    pd.testing.assert_frame_equal(again, found)
    table = script.summarised(found)
    assert len(table) == 2 * 2 * 4 * 2 and (table["n_subjects"] == 1).all()
    np.testing.assert_allclose(table["too_sure"], table["confidence"] - table["accuracy"])
    familiar = table[table["target"] == table["source"] + "-tested"]
    np.testing.assert_allclose(familiar["auc"], 0.5)
    lines = script.as_markdown(table).splitlines()
    assert len(lines) == 2 + 16 and len({line.count("|") for line in lines}) == 1


def test_trained_on_tested_and_varied_are_different_people(script: ModuleType) -> None:
    seeds = [script.options_of("own", group, "medium").seed for group in script.GROUPS]
    assert len(set(seeds)) == 3
    varied, plain = (script.options_of("own", group, "medium") for group in ("-varied", "-tested"))
    assert (varied.field_noise, plain.field_noise) == (script.VARIED["field_noise"], 0.0)


def test_joined_features_keep_to_their_own_rows(script: ModuleType, work: Path) -> None:
    parts = [script.heard("own", group, "easy", work, 1)["stored clip"] for group in ("-tested", "-varied")]
    features, table = script.joined(parts)
    assert len(features) == len(table) == 2 * 6 and "neutral" not in set(table["expression"])
    for k, (part, rows) in enumerate(parts):
        here = features.of_rows(np.arange(6 * k, 6 * (k + 1)))
        np.testing.assert_array_equal(here.values, part.values)
        assert table["subject"].iloc[6 * k : 6 * (k + 1)].tolist() == rows["subject"].tolist()

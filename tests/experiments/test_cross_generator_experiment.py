"""The cross-generator experiment, very small: who is scored was never learnt from, and it goes on where it stopped."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "cross_generator" / "run.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("cross_generator", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "N_TRAINED", 3)
    monkeypatch.setattr(module, "N_TESTED", 1)
    monkeypatch.setattr(module, "N_VALIDATION", 1)
    sources = {"own": (("own", False, 3),), "half of each": (("own", False, 2), ("makehuman", False, 1))}
    monkeypatch.setattr(module, "SOURCES", sources)
    return module


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def test_every_source_is_scored_on_both_faces_with_and_without_labels(script: ModuleType, work: Path) -> None:
    found = script.run_seed("easy", 0, ["svm"], work, 1)
    for adaptation, n_takes in (("none", 12), ("calibrated-1", 6)):
        counts = found[found["adaptation"] == adaptation].groupby(["source", "target", "subject"]).size()
        assert len(counts) == 4 and set(counts) == {n_takes}
    assert set(found["subject"]) == {"own-2000-001", "makehuman-2000-001"}
    probabilities = found.filter(like="p_")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    best = np.array([name.removeprefix("p_") for name in probabilities])[probabilities.to_numpy().argmax(axis=1)]
    assert (best == found["predicted"]).all()

    again = script.run_seed("easy", 0, ["svm"], work, 1)  # read, not computed
    pd.testing.assert_frame_equal(again, found)
    table = script.summarised(found)
    assert len(table) == 8 and (table["n_subjects"] == 1).all()
    lines = script.as_markdown(table).splitlines()
    assert len(lines) == 2 + 4 and len({line.count("|") for line in lines}) == 1


def test_those_learnt_from_and_those_scored_on_are_different_people(script: ModuleType) -> None:
    for face in ("own", "makehuman"):
        trained = {
            script.options_of(face, varied, False, "medium", seed).seed for varied in (0, 1) for seed in range(3)
        }
        tested = {script.options_of(face, False, True, "medium", seed).seed for seed in range(3)}
        assert not trained & tested
    varied, plain = (script.options_of("own", varied, False, "medium", 0) for varied in (True, False))
    assert (varied.field_noise, plain.field_noise) == (script.VARIED["field_noise"], 0.0)


def test_half_of_each_is_the_first_people_of_each(script: ModuleType, work: Path) -> None:
    whole = script.heard(script.options_of("own", False, False, "easy", 0), work, 1)
    features, table = script.first_people(whole, 2)
    assert table["subject"].nunique() == 2 and table["subject"].iloc[-1] == "own-1000-002"
    np.testing.assert_array_equal(features.row, np.arange(24))
    np.testing.assert_array_equal(features.values, whole[0].values[:24])


def test_joined_features_keep_to_their_own_rows(script: ModuleType, work: Path) -> None:
    parts = [script.heard(script.options_of(face, False, True, "easy", 0), work, 1) for face in script.FACES]
    features, table = script.joined(parts)
    assert len(features) == len(table) == 2 * 12
    for k, (part, rows) in enumerate(parts):
        here = features.of_rows(np.arange(12 * k, 12 * (k + 1)))
        np.testing.assert_array_equal(here.values, part.values)
        assert table["subject"].iloc[12 * k : 12 * (k + 1)].tolist() == rows["subject"].tolist()

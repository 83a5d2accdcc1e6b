"""The experiment on subjects left out, very small: both neutral references, collected, tests that hold trainings."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from mien.evaluation.statistics import NO_DIFFERENCE

SCRIPT = Path(__file__).parents[2] / "experiments" / "unseen_people" / "run.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("unseen_people", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "N_SUBJECTS", 4)
    monkeypatch.setattr(module, "N_TAKES", 2)
    monkeypatch.setattr(module, "N_FOLDS", 2)
    monkeypatch.setattr(module, "CALIBRATED", ("none",))
    return module


def test_levels_run_apart_are_collected_by_one_call(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored clip and own beginning stand side by side, nothing neutral is scored, and the last call trains nothing."""
    kept = {name: case for name, case in script.CASES.items() if name in ("svm, stored clip", "svm, own beginning")}
    monkeypatch.setattr(script, "CASES", {name: script.Case("svm", ear=case.ear) for name, case in kept.items()})
    same = ["--seeds", "0", "--cases", "svm", "--jobs", "1", "--work", str(tmp_path / "work")]
    for level in ("easy", "medium"):
        script.main(["--levels", level, "--out", str(tmp_path / level), *same])
    monkeypatch.setattr("mien.evaluation.benchmark.run_job", None)
    script.main(["--levels", "easy", "medium", "--out", str(tmp_path / "all"), *same])

    subjects, tests = (pd.read_csv(tmp_path / "all" / f"{name}.csv") for name in ("results", "tests"))
    assert set(subjects["method"]) == set(kept) and set(subjects["level"]) == {"easy", "medium"}
    assert (subjects.groupby(["method", "level"])["subject"].nunique() == 4).all()
    parts = [pd.read_csv(tmp_path / level / "results.csv") for level in ("easy", "medium")]
    pd.testing.assert_frame_equal(subjects, pd.concat(parts, ignore_index=True))
    assert list(zip(tests["first"], tests["second"], strict=True)) == [("svm, own beginning", "svm, stored clip")] * 2
    assert set(tests["ahead"]) == {NO_DIFFERENCE}, "four subjects show no difference"
    windows = pd.read_csv(tmp_path / "work" / "easy-0" / "svm-stored-clip" / "predictions.csv")
    assert "neutral" not in set(windows["truth"]) and "p_neutral" not in windows
    lines = (tmp_path / "all" / "table.md").read_text().splitlines()
    assert len(lines) == 2 + 4 and len({line.count("|") for line in lines}) == 1


def test_tests_hold_the_spread_over_trainings(script: ModuleType) -> None:
    """Two cases that differ by less than their trainings do are no difference, however many subjects there are."""
    rng = np.random.default_rng(0)
    rows = [
        (method, subject, training, "fear", "fear" if rng.random() < right else "anger")
        for method, by_training in (("facer", (0.2, 0.6, 0.8)), ("resnet", (0.4, 0.3, 0.6)))
        for training, right in enumerate(by_training)
        for subject in range(20)
        for _ in range(20)
    ]
    table = pd.DataFrame(rows, columns=["method", "subject", "training", "truth", "predicted"])
    table = table.assign(adaptation="none", scored_unit="take", seed=0, fold=0, p_fear=0.5, p_anger=0.5)
    (test,) = script.differences(table).itertuples()
    (without,) = script.differences(table.assign(training=0)).itertuples()
    assert test.ahead == NO_DIFFERENCE and test.low < 0 < test.high
    assert without.ahead == "facer", "the same answers as of one training"


def test_a_case_is_named_by_its_name_or_the_word_before_its_comma(script: ModuleType) -> None:
    assert list(script.cases_named(["facer", "temporal"])) == [
        "temporal, stored clip",
        "temporal, own beginning",
        "facer",
    ]
    assert script.cases_named(["mien"]) == script.cases_named(["temporal"])
    assert list(script.cases_named(None)) == list(script.CASES)
    with pytest.raises(SystemExit, match=r"nobody unknown; known are svm, stored clip; "):
        script.cases_named(["nobody"])


def test_what_is_tested_is_scored(script: ModuleType) -> None:
    names = {
        f"{name}" if adaptation == "none" else f"{name}, {adaptation}"
        for name, case in script.CASES.items()
        for adaptation in case.adaptations
    }
    assert {name for pair in script.PAIRS for name in pair} <= names

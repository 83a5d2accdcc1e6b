"""The experiment at large, very small: who is scored was never learnt from, and it goes on where it stopped."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "at_large"
NAMES = ("people", "run", "tables", "limits")


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in NAMES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    modules = {name: importlib.import_module(name) for name in NAMES}
    people, run = modules["people"], modules["run"]
    small = {"duration_s": 1.0, "expressions": ("fear", "happiness")}
    for module in modules.values():
        for name, options in (
            ("LEARNT", replace(people.LEARNT, n_subjects=4, n_takes=2, **small)),
            ("SCORED", replace(people.SCORED, n_subjects=2, n_takes=3, **small)),
        ):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, options)
    monkeypatch.setattr(run, "N_COMPARED", 3)
    monkeypatch.setattr(run, "N_HELD", 1)
    monkeypatch.setattr(run, "RATES", (1e-3, 1e-2))
    changes = {"n_filters": 4, "n_blocks": 1, "epochs": 3, "precision": "32-true"}
    case = replace(run.CASES["mien"], options=changes, n_people=3, adaptations=("none", "calibrated-1"))
    for module in (run, modules["tables"]):
        monkeypatch.setattr(module, "CASES", {"mien": case})
    yield modules
    for name in NAMES:
        sys.modules.pop(name, None)


def test_people_are_apart_and_the_tables_say_what_was_spent(scripts, tmp_path, monkeypatch, capsys):
    run, tables = scripts["run"], scripts["tables"]
    this = run.material(run.CASES["mien"], tmp_path, "medium", 1)
    subject = this.table["subject"].to_numpy()
    assert set(subject[this.split.train]) == {"001", "002", "003"} and set(subject[this.split.validation]) == {"004"}
    assert set(subject[this.split.test]) == {"s001", "s002"}
    assert "neutral" not in set(this.table["expression"].iloc[this.split.train])
    for seed in (0, 1):
        run.score("mien", "medium", seed, tmp_path, 1)
    with pytest.raises(run.StudyError, match="was made with other n_people"):
        run.refuse_others(run.folder_of(tmp_path, "medium", "mien", 0) / "model" / "fit.json", {"n_people": 4})
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "cases").rglob("*.csv"))
    run.score("mien", "medium", 0, tmp_path, 1)
    assert before == sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "cases").rglob("*.csv"))
    monkeypatch.setattr(sys, "argv", ["tables.py", "--work", str(tmp_path), "--out", str(tmp_path / "out")])
    tables.main()
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert set(summary["method"]) >= {"mien", "mien, stored clip", "mien, seeds together"}
    assert set(summary["adaptation"]) == {"none", "calibrated-1"} and set(summary["n_subjects"]) == {2}
    assert (pd.read_csv(tmp_path / "out" / "timings.csv")["core_minutes"] > 0).all()
    assert len(pd.read_csv(tmp_path / "out" / "tuning.csv")) == 2
    assert "| medium | mien | none |" in capsys.readouterr().out


def test_accuracy_over_people_resamples_people(scripts):
    found = scripts["limits"].over_people(pd.Series(list("aabb")).to_numpy(), pd.Series([1, 1, 0, 0]).to_numpy())
    assert (found["accuracy"], found["low"], found["high"], found["n_people"]) == (0.5, 0.0, 1.0, 2)

"""The benchmark's table and its file; what it measures is not judged here."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture
def program(monkeypatch):
    monkeypatch.syspath_prepend(str(CHECKOUT))
    return importlib.import_module("benchmarks.__main__")


def test_a_goal_is_reached_from_above_or_from_below(program):
    row = program.Row
    assert row("speed", 1_200.0, "frames/s", 1_000.0).reached is True
    assert row("speed", 900.0, "frames/s", 1_000.0).reached is False
    assert row("memory", 900.0, "MB", 1_000.0, at_most=True).reached is True
    assert row("share", 0.5, "").reached is None


def test_every_part_has_a_run(program):
    assert "simulate" in program.parts()
    assert all(callable(importlib.import_module(name).run) for name in program.parts().values())


def test_a_part_is_printed_and_written(program, tmp_path, monkeypatch, capsys):
    part = importlib.import_module("benchmarks.simulate")
    monkeypatch.setattr(part, "run", lambda: [program.Row("slow thing", np.float64(3.0), "frames/s", 1_000.0)])
    assert program.main(["simulate", "--out", str(tmp_path / "figures.json")]) == 0
    assert "slow thing" in (table := capsys.readouterr().out) and "MISSED" in table
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["rows"][0] | {"value": 3.0, "reached": False, "part": "simulate"} == written["rows"][0]
    assert written["machine"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_an_unknown_part_is_wrong_usage(program, capsys):
    with pytest.raises(SystemExit) as stopped:
        program.main(["nothing"])
    assert stopped.value.code == 2
    assert "no part 'nothing'; known are" in capsys.readouterr().err

"""The gestures' experiment from end to end on a tiny pack."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd

SCRIPT = Path(__file__).parents[2] / "experiments" / "gestures" / "run.py"


def tiny_pack(folder: Path) -> Path:
    """Write a pack of four people, two rooms and two digits: a hand that approaches, and one that leaves."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    rows, pairs = ["index,file,user,environment,digit"], []
    for index in range(48):
        user, room, digit, number = index % 4, ("lab", "out")[index // 4 % 2], index // 8 % 2, index // 16
        turns = np.cumsum((1 - 2 * digit) * (50 + 5 * user) * np.hanning(2_520)) / 2_100
        values = 1 + 0.03 * np.exp(2j * np.pi * turns) + 1e-3 * rng.standard_normal((2_520, 2)) @ [1, 1j]
        pairs.append(np.round(np.stack([values.real, values.imag], axis=1) * 20_000).astype(np.int16))
        rows.append(f"{index},x/{digit}/p{user}-sss-0-1-{room}-none-{number}.wav,p{user},{room},{digit}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    arrays = {
        "iq": np.concatenate(pairs),
        "offset": 2_520 * np.arange(49),
        "scale": np.full(48, 1 / 20_000, np.float32),
    }
    np.savez(folder / "iq_baseband_2100hz.npz", **arrays, fs=np.float32(2_100), carrier_hz=np.float32(19_000))
    return folder


def test_the_experiment_tells_approach_from_retreat_and_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    pack = tiny_pack(tmp_path / "pack")
    arguments = [str(SCRIPT), str(pack), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "results")]
    monkeypatch.setattr(sys, "argv", [*arguments, "--methods", "linear"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    summary = pd.read_csv(tmp_path / "results" / "summary.csv")
    assert summary["protocol"].nunique() == 3 and (summary["accuracy"] > 0.9).all()
    plans = json.loads((tmp_path / "results" / "run.json").read_text())["options"]["plans"]
    assert str(tmp_path) not in json.dumps(plans)
    first = capsys.readouterr().out
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert capsys.readouterr().out == first
    assert len(list((tmp_path / "work" / "reports").rglob("report.html"))) == 3

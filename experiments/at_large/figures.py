"""Pictures of what was found at large: people learnt from, noise, and the confusions that stay.

    python experiments/at_large/figures.py [--out FOLDER]

Reads the tables that `tables.py` and `limits.py` have written, and draws into the same folder.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from run import N_COMPARED

from mien.evaluation.figures import confusion_figure
from mien.evaluation.figures_curves import curves_figure
from mien.evaluation.results import read_table
from mien.labels import EXPRESSIONS
from mien.simulate.levels import LEVELS as SIMULATED

LEVELS = ("medium", "hard")
GOALS = {"goal at medium": 0.9, "goal at hard": 0.8}
CHANCE = {"chance": 1 / len(EXPRESSIONS)}


def people_curve(summary: pd.DataFrame) -> Figure:
    """Return accuracy over the number of people learnt from, as many steps each."""
    unlabelled = summary[(summary["adaptation"] == "none") & (summary["scored_unit"] == "take")]
    found = unlabelled["method"].str.fullmatch(r"mien(, \d+ people, as many steps)?")
    points = unlabelled[found].assign(
        x=unlabelled["method"].map(n_people), line="mien, " + unlabelled["level"] + ", three seeds"
    )
    return curves_figure(
        as_points(points), "simulated people learnt from", "takes named right", logarithmic=True, goals=GOALS
    )


def n_people(method: str) -> int:
    """Return how many people a case learns from."""
    stated = re.search(r"(\d+) people", method)
    return int(stated.group(1)) if stated else N_COMPARED


def noise_curve(limits: pd.DataFrame) -> Figure:
    """Return accuracy over the level of the face's echo above noise."""
    points = limits[limits["what"] == "noise"].assign(line="mien, learnt at medium, seed 0")
    points["x"] = points["value"].astype(float)
    label = f"simulated: echo above noise (dB); medium has {SIMULATED['medium'].echo_to_noise_db:g}"
    return curves_figure(as_points(points), label, "takes named right", floors=CHANCE)


def as_points(table: pd.DataFrame) -> pd.DataFrame:
    names = {"accuracy": "estimate", "accuracy_low": "low", "accuracy_high": "high"}
    return table.rename(columns=names)[["line", "x", "estimate", "low", "high"]]


def confusion_map(confusions: pd.DataFrame, level: str) -> Figure:
    """Return who is taken for whom, as shares of the takes of all seeds."""
    here = confusions[
        (confusions["level"] == level) & (confusions["method"] == "mien") & (confusions["adaptation"] == "none")
    ]
    counts = here.pivot(index="truth", columns="predicted", values="n_takes").reindex(EXPRESSIONS, columns=EXPRESSIONS)
    return confusion_figure(np.nan_to_num(counts.to_numpy(dtype=float)), EXPRESSIONS, f"mien, {level}, simulated")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    out = parser.parse_args().out
    confusions, limits = read_table(out / "confusions.csv"), pd.read_csv(out / "limits.csv")
    drawn = {"people": people_curve(read_table(out / "summary.csv")), "noise": noise_curve(limits)}
    drawn |= {f"confusions-{level}": confusion_map(confusions, level) for level in LEVELS}
    for name, figure in drawn.items():
        figure.savefig(out / f"{name}.png", dpi=130)


if __name__ == "__main__":
    main()

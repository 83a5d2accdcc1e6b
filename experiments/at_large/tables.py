"""From predictions to what is committed: scores with intervals over people, paired tests, time spent, learning rates.

python experiments/at_large/tables.py [--work FOLDER] [--out FOLDER]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from people import HEARING, LEARNT, SCORED
from run import CASES, N_HELD, RATES, WIDTH

from mien.evaluation.metrics import predicted_classes
from mien.evaluation.results import read_table, summary, tidy, write_table
from mien.evaluation.statistics import paired_tests
from mien.files import write_text
from mien.provenance import write_run

AGAINST = ("xhar", "resnet", "facer", "sonicface")
"""Methods that ours is held against, person by person, as scored without labels."""
LABELLED = ("calibrated-1", "calibrated-4")
"""With so many labelled takes of each expression ours is held against `sonicface`, which comes nearest."""


def predictions(work: Path) -> pd.DataFrame:
    """Return everything that was scored, one row per take, the mean of `mien`'s seeds as a case of its own."""
    found = pd.concat([read_table(path) for path in sorted((work / "cases").glob("*/*.csv")) if _is_scored(path)])
    found["method"] = found["method"] + _against(found["hearing"])
    found["level"] = found["level"].astype(str)
    return pd.concat([found, _together(found).assign(training=0)], ignore_index=True)


def _is_scored(path: Path) -> bool:
    return path.stem in HEARING


def _against(hearing: pd.Series) -> np.ndarray:
    return np.where(hearing == "clip", ", stored clip", "")


def _together(found: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of the probabilities of all seeds, where several were run."""
    ours = found[found["method"].str.startswith("mien")]
    keys = ["level", "method", "adaptation", "subject", "session", "take", "row", "truth", "hearing"]
    names = [name for name in found.columns if name.startswith("p_")]
    groups = ours.groupby(keys, sort=False)
    joined = groups[names].mean().assign(n_seeds=groups["seed"].nunique()).reset_index()
    joined = joined[joined["n_seeds"] > 1].drop(columns="n_seeds")
    if joined.empty:
        return joined
    whole = joined.assign(seed=0, fold=0, scored_unit="take", protocol="at-large:" + joined["level"], n_windows=1)
    whole["start_s"] = 0.0
    whole["predicted"] = predicted_classes(whole[names])
    return whole.assign(method=whole["method"] + ", seeds together")


def scores(found: pd.DataFrame) -> pd.DataFrame:
    """Return one row per level, method and adaptation, with the accuracy of each seed."""
    parts = []
    for level, here in found.groupby("level", sort=False):
        table = summary(here)
        right = here.assign(right=here["truth"] == here["predicted"])
        seeds = right.groupby(["method", "adaptation", "seed"])["right"].mean()
        table["seeds"] = [
            " ".join(f"{value:.3f}" for value in seeds[row.method, row.adaptation]) for row in table.itertuples()
        ]
        parts.append(table.assign(level=level))
    return pd.concat(parts, ignore_index=True)


def tests(found: pd.DataFrame) -> pd.DataFrame:
    """Return our margin over each other method that learnt from as many people, person by person over all seeds, and
    that of `facer` over `resnet`."""
    parts = []
    for level, here in found.groupby("level", sort=False):
        case = here["method"] + " | " + here["adaptation"]
        right = (here["truth"] == here["predicted"]).groupby([here["subject"], case]).mean().unstack()
        others = [name for name in right.columns if name.split(" | ")[0] in AGAINST]
        ours = [name for name in ("mien | none", "mien, stored clip | none") if name in right.columns]
        pairs = [(mine, other) for mine in ours for other in others if "calibrated" not in other]
        names = [mine.split(" | ")[0] for mine in ours]
        pairs += [(f"{mine} | {how}", f"sonicface | {how}") for mine in names for how in LABELLED]
        pairs += [("facer | none", "resnet | none")]
        scored = [pair for pair in pairs if set(pair) <= set(right.columns)]
        parts.append(paired_tests(right, scored).assign(level=level))
    return pd.concat(parts, ignore_index=True)


def timings(work: Path) -> pd.DataFrame:
    """Return the minutes of one core that fitting took, and how many weights came of it."""
    rows = []
    for path in sorted((work / "cases").glob("*/model/fit.json")):
        fit = json.loads(path.read_text())
        level = path.parent.parent.name.split("-")[0]
        described = json.loads((path.parent / "recognizer.json").read_text())
        rows.append(
            {"level": level, "case": fit["case"], "seed": fit["seed"], "core_minutes": fit["cpu_s"] / 60}
            | {"n_windows": described.get("training", {}).get("n_windows"), "epochs": fit["options"].get("epochs")}
            | {"adapting_minutes": _adapting_s(path.parent.parent) / 60}
        )
    return pd.DataFrame(rows)


def _adapting_s(folder: Path) -> float:
    """Return the seconds of one core that all adaptations of a case took, scoring included."""
    tables = [read_table(path) for path in folder.glob("timings-*.csv")]
    return sum(float(table.loc[~table["part"].isin(["fit", "none"]), "cpu_s"].sum()) for table in tables)


def tuning(work: Path) -> pd.DataFrame:
    """Return what every learning rate that was tried had on the people held out."""
    found = [json.loads(path.read_text()) for path in sorted((work / "tuning").glob("*.json"))]
    return pd.DataFrame(
        [{"case": each["case"], "epochs": each["epochs"]} | row for each in found for row in each["tried"]]
    )


def confusions(found: pd.DataFrame) -> pd.DataFrame:
    """Return how often each expression was taken for each, over all seeds: level, method, adaptation, truth, predicted,
    n_takes."""
    keys = ["level", "method", "adaptation", "truth", "predicted"]
    shown = found[found["adaptation"].isin(["none", "transductive", "calibrated-1"])]
    return shown.groupby(keys, observed=True).size().rename("n_takes").reset_index()


def as_markdown(table: pd.DataFrame) -> str:
    lines = ["| level | method | adaptation | accuracy | 95 % over people | seeds | macro-F1 | ECE |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in table.itertuples():
        lines.append(
            f"| {row.level} | {row.method} | {row.adaptation} | {row.accuracy:.3f} | "
            f"{row.accuracy_low:.3f}-{row.accuracy_high:.3f} | {row.seeds} | {row.macro_f1:.3f} | {row.ece:.3f} |"
        )
    return "\n".join(lines) + "\n"


def described() -> dict[str, Any]:
    return {
        "learnt": LEARNT.to_json(),
        "scored": SCORED.to_json(),
        "held_out_people": N_HELD,
        "width": WIDTH,
        "rates": list(RATES),
        "cases": {
            name: {"method": case.method, "hears": list(case.hears), "n_people": case.n_people}
            | {"options": dict(case.options), "adaptations": list(case.adaptations)}
            for name, case in CASES.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("out/at_large"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    chosen = parser.parse_args()
    found = predictions(chosen.work)
    table = scores(found)
    per_person = pd.concat([tidy(here).assign(level=level) for level, here in found.groupby("level", sort=False)])
    write_table(chosen.out / "results.csv", per_person)
    write_table(chosen.out / "summary.csv", table)
    write_table(chosen.out / "tests.csv", tests(found))
    write_table(chosen.out / "confusions.csv", confusions(found))
    write_table(chosen.out / "timings.csv", timings(chosen.work))
    write_table(chosen.out / "tuning.csv", tuning(chosen.work))
    write_text(chosen.out / "table.md", as_markdown(table))
    write_run(chosen.out, "experiments/at_large/run.py", described(), seed=None, data_digest=None)
    print(as_markdown(table))


if __name__ == "__main__":
    main()

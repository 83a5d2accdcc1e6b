"""The learning rates of the scales "bench" and "small": the same three for every network, on people in no table.

    python experiments/reproduce_facer/tune.py [--work FOLDER] [--out FOLDER] [--jobs N]

20 simulated people of seed 1000, split once into 12 to learn from, 3 to stop by, 5 to be scored on: rates of learning
by accuracy over their takes, then rates of adaptation by accuracy when adapted to those takes without labels. xhar and
dann learn as resnet does, and take its rate. `plan.RATES` and `plan.ADAPTING_RATES` say what was chosen, and a test
holds them against the table written here. Beside it, learning that is stopped by the loss as it stands, not calibrated
first (`Training.early_stopping`).
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mien.evaluation.benchmark import evaluate
from mien.evaluation.results import write_table
from mien.learning.methods import METHODS
from mien.provenance import write_run
from mien.reproduce.cohort import Cohort
from mien.reproduce.facer.plan import ADAPTING_RATES, BENCH, CASES, RATES, factory_of
from mien.reproduce.facer.run import cohort_of

SEED = 1000
LEARNING, ADAPTING = (1e-3, 3e-3, 1e-2), (1e-4, 5e-4, 2e-3)
LEARNT_ALIKE = ("xhar", "dann")
STOPPED: dict[str, dict[str, Any]] = {"learning": {}, "learning, stopped by loss": {"early_stopping": "loss"}}


def tried(
    cohort: Cohort, work: Path, n_jobs: int, rates: Mapping[str, Mapping[str, Any]], adaptation: str
) -> pd.DataFrame:
    """Return method, rate and accuracy over takes.

    Args:
        rates: title -> method, what is tuned, its rate and the options that are tried.
    """
    ears = {title: BENCH.ear(each["method"], CASES[0]) for title, each in rates.items()}
    found = evaluate(
        cohort.study,
        {title: factory_of(each["method"], ears[title], each["options"]) for title, each in rates.items()},
        "subjects:{}/{}/{}".format(*BENCH.screened),
        n_folds=1,
        seeds=(SEED,),
        adaptations=(adaptation,),
        options={title: each["options"] for title, each in rates.items()},
        features={title: cohort.heard[ears[title]] for title in rates},
        neutral="reference",
        n_jobs=n_jobs,
        out=work / adaptation,
        resume=True,
    )
    takes = found.results[found.results["scored_unit"] == "take"]
    accuracy = takes.groupby("method")["accuracy"].mean()  # of people, who all have as many takes
    cpu_s = found.timings.groupby("method")["cpu_s"].sum()
    return pd.DataFrame(
        {
            "method": each["method"],
            "tuned": each["tuned"],
            "rate": each["rate"],
            "accuracy": accuracy[title],
            "cpu_s": cpu_s[title],
        }
        for title, each in rates.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("out/reproduce_facer"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    cohort = cohort_of(BENCH, SEED, chosen.work, chosen.jobs)
    cohort = cohort.part((cohort.study.table["mask"] == "open").to_numpy())
    learnt = {
        f"{method} at {rate:g}, {tuned}": {
            "method": method,
            "tuned": tuned,
            "rate": rate,
            "options": {**BENCH.options[method], "learning_rate": rate, **more},
        }
        for tuned, more in STOPPED.items()
        for method in RATES
        if method not in LEARNT_ALIKE
        for rate in LEARNING
    }
    first = tried(cohort, chosen.work, chosen.jobs, learnt, "none")
    best = first[first["tuned"] == "learning"]
    best = best.sort_values("accuracy", kind="stable").groupby("method")["rate"].last()
    adapted = {
        f"{method} adapted at {rate:g}": {
            "method": method,
            "tuned": "adapting",
            "rate": rate,
            "options": {
                **BENCH.options[method],
                "learning_rate": float(best["resnet" if method in LEARNT_ALIKE else method]),
                "adaptation_learning_rate": rate,
            },
        }
        for method in ADAPTING_RATES
        for rate in ADAPTING
    }
    found = pd.concat([first, tried(cohort, chosen.work, chosen.jobs, adapted, "transductive")], ignore_index=True)
    write_table(chosen.out / "tuning.csv", found)
    print(found.to_string(index=False))
    options = {"scale": "bench", "methods": sorted(METHODS), "learning": LEARNING, "adapting": ADAPTING}
    write_run(
        chosen.out / "tuning",
        "experiments/reproduce_facer/tune.py",
        options,
        seed=SEED,
        data_digest=cohort.study.digest,
    )


if __name__ == "__main__":
    main()

"""Where physics stops `mien`: other noise, other levels, finer faces, and an oracle that is told the action units.

    python experiments/at_large/limits.py [--work FOLDER] [--out FOLDER] [--jobs N]

The recognizers are those that `run.py` fitted (seed 0); nothing is learnt here but the oracle, which is a logistic
regression on the true action units of the same people.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from people import HEARING, SCORED, heard
from run import CASES, N_HELD, folder_of
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mien.datasets.simulated import heard_features
from mien.evaluation.results import write_table
from mien.evaluation.statistics import cluster_bootstrap
from mien.labels import EXPRESSIONS, NEUTRAL
from mien.probe import Chirp
from mien.progress import talk
from mien.provenance import write_run
from mien.recognizer import Recognizer
from mien.sensing.features import Features
from mien.simulate.channels import keep_channels
from mien.simulate.options import SimulationOptions

CASE = "mien"
NOISE_DB = (5.0, 15.0, 25.0, 35.0, 45.0, 55.0)
FINER = 24_000


def model(work: Path, level: str) -> Recognizer:
    return Recognizer.load(folder_of(work, level, CASE, 0) / "model")


def scored(recognizer: Recognizer, features: Features, table: pd.DataFrame) -> dict[str, Any]:
    """Return accuracy over takes with its interval over people, neutral takes left aside."""
    shown = np.flatnonzero((table["expression"] != NEUTRAL).to_numpy())
    found = recognizer.predict_features(features.of_rows(shown))
    named = np.array(recognizer.labels)[found.filter(like="p_").to_numpy().argmax(axis=1)]
    takes = table.iloc[found["row"].to_numpy()]
    return over_people(takes["subject"].to_numpy(), takes["expression"].to_numpy() == named)


def over_people(subjects: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    people = np.unique(subjects)
    counts = np.array([[right[subjects == who].sum(), (subjects == who).sum()] for who in people])
    interval = cluster_bootstrap(counts, lambda sums: sums[..., 0] / sums[..., 1])
    return {"accuracy": interval.estimate, "low": interval.low, "high": interval.high, "n_people": len(people)}


def listened(work: Path, name: str, options: SimulationOptions, n_jobs: int, **heard_with: Any) -> tuple[Features, Any]:
    kept = keep_channels(work / name, options, n_jobs=n_jobs)
    front_end, _ = HEARING["take"]
    (features,), table = heard_features(kept, [front_end], probe=Chirp(), n_jobs=n_jobs, **heard_with)
    return features, table


def by_noise(work: Path, n_jobs: int) -> Iterator[dict[str, Any]]:
    recognizer = model(work, "medium")
    for noise_db in NOISE_DB:
        options = replace(SCORED, level="medium")
        features, table = listened(work, "medium-scored", options, n_jobs, echo_to_noise_db=noise_db)
        yield {"what": "noise", "value": noise_db, "learnt": "medium"} | scored(recognizer, features, table)


def by_level(work: Path, n_jobs: int) -> Iterator[dict[str, Any]]:
    for learnt in ("medium", "hard"):
        recognizer = model(work, learnt)
        for level in ("easy", "medium", "hard", "wild"):
            features, table = listened(work, f"{level}-scored", replace(SCORED, level=level), n_jobs)
            yield {"what": "level", "value": level, "learnt": learnt} | scored(recognizer, features, table)


def by_facets(work: Path, n_jobs: int) -> Iterator[dict[str, Any]]:
    options = replace(SCORED, n_subjects=25, n_takes=4)
    for n_facets in (options.n_facets, FINER):
        name = f"medium-scored-{n_facets}"
        features, table = listened(work, name, replace(options, n_facets=n_facets), n_jobs)
        yield {"what": "facets", "value": n_facets, "learnt": "medium"} | scored(model(work, "medium"), features, table)


def by_oracle(work: Path, n_jobs: int) -> Iterator[dict[str, Any]]:
    for level in ("medium", "hard"):
        _, learnt = heard(work, level, "learnt", "take", CASES[CASE].n_people + N_HELD, n_jobs)
        _, others = heard(work, level, "scored", "take", SCORED.n_subjects, n_jobs)
        units = [name for name in learnt.columns if name.startswith("AU")]
        learnt, others = (table[table["expression"].isin(EXPRESSIONS)] for table in (learnt, others))
        oracle = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        oracle.fit(learnt[units].astype(float), learnt["expression"])
        right = (oracle.predict(others[units].astype(float)) == others["expression"]).to_numpy()
        found = over_people(others["subject"].to_numpy(), right)
        yield {"what": "true action units", "value": "oracle", "learnt": level} | found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("out/at_large"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    rows = []
    for part in (by_oracle, by_noise, by_level, by_facets):
        for row in part(chosen.work, chosen.jobs):
            talk.print(row, highlight=False)
            rows.append(row)
    write_table(chosen.out / "limits.csv", pd.DataFrame(rows))
    options = {"case": CASE, "noise_db": list(NOISE_DB), "scored": SCORED.to_json()}
    write_run(chosen.out / "limits", "experiments/at_large/limits.py", options, seed=0, data_digest=None)


if __name__ == "__main__":
    main()

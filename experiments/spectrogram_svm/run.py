"""Why a support vector machine on `facer`'s spectrograms is ahead of a residual network on them.

    python experiments/spectrogram_svm/run.py [--folds 0 1 2 3] [--seeds 0 1 2] [--work FOLDER] [--out FOLDER]

Simulated: 20 tuning subjects of seed 1000, who are in no other table (`medium`, levels version 2, six expressions x 10
takes of 1 s). Each fold scores five subjects; of the other 15, three stop networks and 12 teach them. What is changed,
one thing each: who teaches (`svm` on 12 or 15; the network refitted on all 15 for all its passes, with nobody to stop
it), and what is seen (the 64 whitened principal components that `svm` sees, turned back into an image). The network has
the rate and passes of the reproduction's scale "bench". An interrupted run goes on where it stopped.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from mien.evaluation.results import write_table
from mien.learning.arrays import Normaliser, Windows
from mien.learning.classical import Components, as_rows
from mien.learning.methods import METHODS, with_changes
from mien.provenance import write_run
from mien.reproduce.cohort import Ear, listen
from mien.reproduce.facer.plan import BENCH, WIDEST
from mien.simulate.channels import keep_channels
from mien.simulate.options import SimulationOptions

SIMULATED = {"n_subjects": 20, "n_takes": 10, "level": "medium", "seed": 1000}
N_FOLDS, N_STOPPING, N_COMPONENTS = 4, 3, 64
CASES = ("svm, 15 people", "svm, 12 people", "resnet", "resnet, refitted on 15", "resnet, whitened components")


def heard(work: Path) -> dict[str, np.ndarray]:
    """Return windows with their subject, label and take; made once."""
    path = work / "windows.npz"
    if not path.exists():
        kept = keep_channels(work / "channels", SimulationOptions(probe=WIDEST, **SIMULATED), n_jobs=1)
        ear = Ear(BENCH.spectrogram)
        cohort = listen(kept, [ear], n_jobs=1)
        features, table = cohort.heard[ear], cohort.study.table
        columns = {
            name: table[of].to_numpy()[features.row].astype(str)
            for name, of in (("subject", "subject"), ("label", "expression"))
        }
        np.savez(path, values=features.values, take=features.row, **columns)
    with np.load(path) as stored:
        return dict(stored)


def sides(subjects: np.ndarray, fold: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return masks of the windows that teach, that stop, that are scored."""
    people = np.random.default_rng(5).permutation(np.unique(subjects))
    scored = people[fold::N_FOLDS]
    others = [each for each in people if each not in scored]
    return tuple(np.isin(subjects, part) for part in (others[N_STOPPING:], others[:N_STOPPING], scored))


def whitened(values: np.ndarray, teaching: np.ndarray) -> np.ndarray:
    """Return windows by their whitened components, turned back into images: as many numbers, no more to be seen."""
    normaliser = Normaliser.fit(values[teaching])
    rows = as_rows(normaliser(values))
    components = Components.fit(rows[teaching], N_COMPONENTS, 0)
    axes = components.axes / np.linalg.norm(components.axes, axis=1, keepdims=True)
    return (components(rows) @ axes).reshape(values.shape).astype(np.float32)


def fitted(case: str, windows: Windows, teaching: np.ndarray, stopping: np.ndarray, seed: int):
    """Return an estimator fitted as a case says."""
    if case.startswith("svm"):
        chosen = teaching | stopping if "15" in case else teaching
        part = windows.take(chosen)
        return METHODS["svm"].estimator(METHODS["svm"].options, seed).fit(part.values, part.labels, part.groups)
    refitted = "refitted" in case
    changes = BENCH.options["resnet"] | ({"validation_fraction": 0.0} if refitted else {})
    estimator = METHODS["resnet"].estimator(with_changes(METHODS["resnet"].options, changes), seed)
    part = windows.take(teaching | stopping if refitted else teaching)
    held = None if refitted else windows.take(stopping)
    return estimator.fit(part.values, part.labels, part.groups, validation=held)


def by_take(probabilities: np.ndarray, takes: np.ndarray) -> np.ndarray:
    """Return (take class) sums of log-probabilities over a take's windows."""
    numbers = np.unique(takes, return_inverse=True)[1]
    sums = np.zeros((numbers.max() + 1, probabilities.shape[1]))
    np.add.at(sums, numbers, np.log(np.maximum(probabilities, 1e-9)))
    return sums


def scored(data: dict[str, np.ndarray], case: str, fold: int, seed: int) -> tuple[dict[str, object], np.ndarray]:
    """Return a row of the table, and the sums of log-probabilities of the scored takes."""
    teaching, stopping, asked = sides(data["subject"], fold)
    labels = np.unique(data["label"], return_inverse=True)[1]
    values = whitened(data["values"], teaching) if "whitened" in case else data["values"]
    made = fitted(case, Windows(values, labels, data["subject"]), teaching, stopping, seed)
    probabilities, truth = made.predict_proba(values[asked]), labels[asked]
    sums = by_take(probabilities, data["take"][asked])
    truth_of_takes = truth[np.unique(data["take"][asked], return_index=True)[1]]
    row = {
        "case": case,
        "fold": fold,
        "seed": seed,
        "take_accuracy": float((sums.argmax(axis=1) == truth_of_takes).mean()),
        "window_accuracy": float((probabilities.argmax(axis=1) == truth).mean()),
        "taught_accuracy": float((made.predict_proba(values[teaching]).argmax(axis=1) == labels[teaching]).mean()),
        "best_epoch": best_epoch(getattr(made, "history", [])),
    }
    return row, np.column_stack([truth_of_takes, sums])


def best_epoch(history: list[dict[str, float | None]]) -> int:
    """Return the pass whose weights were kept, from 1; 0 where nothing was held out."""
    losses = [epoch.get("validation_loss") for epoch in history]
    return 1 + int(np.argmin(losses)) if losses and None not in losses else 0


def write_results(out: Path, rows: pd.DataFrame, work: Path) -> None:
    """Write every score, and per case the mean, its range over trainings, and the trainings' answers taken together."""
    write_table(out / "scores.csv", rows)
    summary = []
    for case, found in rows.groupby("case", sort=False):
        of_seeds = found.groupby("seed")["take_accuracy"].mean()
        right = []
        for fold, group in found.groupby("fold"):
            kept = [np.load(work / f"{case}-{fold}-{seed}.npy") for seed in group["seed"]]
            right.append((np.mean(kept, axis=0)[:, 1:].argmax(axis=1) == kept[0][:, 0]).mean())
        row = {"case": case, "folds": found["fold"].nunique(), "trainings": found["seed"].nunique()}
        row |= {"take_accuracy": of_seeds.mean(), "lowest": of_seeds.min(), "highest": of_seeds.max()}
        row |= {"trainings_together": np.mean(right), "taught_accuracy": found["taught_accuracy"].mean()}
        summary.append(row | {"best_epoch": found["best_epoch"].mean()})
    write_table(out / "summary.csv", pd.DataFrame(summary))
    options = SIMULATED | {"folds": sorted(set(rows["fold"])), "seeds": sorted(set(rows["seed"])), "cases": CASES}
    write_run(out, "experiments/spectrogram_svm/run.py", options, seed=SIMULATED["seed"], data_digest=None)


def main() -> None:
    here = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here.add_argument("--folds", type=int, nargs="+", default=list(range(N_FOLDS)))
    here.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    here.add_argument("--work", type=Path, default=Path("spectrogram-svm"))
    here.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    asked = here.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    data, path = heard(asked.work), asked.work / "scores.csv"
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    for fold, seed, case in product(asked.folds, asked.seeds, CASES):
        known = any((row["case"], row["fold"], row["seed"]) == (case, fold, seed) for row in rows)
        if known or (case.startswith("svm") and seed != asked.seeds[0]):
            continue
        row, sums = scored(data, case, fold, seed)
        np.save(asked.work / f"{case}-{fold}-{seed}.npy", sums)
        rows.append(row)
        write_table(path, pd.DataFrame(rows))
        print(case, fold, seed, *(f"{row[name]:.3f}" for name in list(row)[3:]), flush=True)
    write_results(asked.out, pd.DataFrame(rows), asked.work)


if __name__ == "__main__":
    main()

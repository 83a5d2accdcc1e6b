"""From one generator of faces to another, all simulated: learnt on the own face, scored on MakeHuman's, and back.

    python experiments/cross_generator/run.py [--level medium] [--seeds 0 1 2] [--work FOLDER] [--out FOLDER]

Two generators share levels, recipes of action units and acoustics; mesh, identities and how the skin moves are by
other hands. Trained are the methods on 120 people of one generator, on as many whose faces are varied beyond it, and
on 60 of each; scored on 30 others of each generator, without labels and with one labelled take per expression. A seed
makes its own people and its own learning. Methods stand at their defaults; how far faces are varied was set before the
first run and nothing is chosen by the scores. An interrupted run goes on where it stopped.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien.datasets.simulated import heard_features
from mien.evaluation.results import read_table, summary, write_table
from mien.files import write_text
from mien.progress import talk
from mien.provenance import write_run
from mien.recognizer import Recognizer
from mien.sensing.features import Features, join
from mien.sensing.front_ends import RangeProfile
from mien.simulate.channels import keep_channels
from mien.simulate.options import FACES, SimulationOptions

FRONT_END = RangeProfile(neutral="take")
METHODS = ("svm", "mien")
OPTIONS = {"mien": {"early_stopping": "loss"}}
"""What the committed results were made with, when that was the default."""
N_TRAINED, N_TESTED, N_TAKES = 120, 30, 2
N_VALIDATION = 24
"""People of those trained on who say when to stop."""

VARIED: dict[str, Any] = {"identity_spread": 1.3, "shape_noise_mm": 2.0, "field_noise": 0.4}
"""Identities a third wider, 2 mm of relief, action units that depart by four tenths of their displacement."""

SOURCES: dict[str, tuple[tuple[str, bool, int], ...]] = {  # face, varied, people
    "own": (("own", False, N_TRAINED),),
    "own, varied": (("own", True, N_TRAINED),),
    "makehuman": (("makehuman", False, N_TRAINED),),
    "makehuman, varied": (("makehuman", True, N_TRAINED),),
    "half of each": (("own", False, N_TRAINED // 2), ("makehuman", False, N_TRAINED // 2)),
}

Heard = tuple[Features, pd.DataFrame]


def options_of(face: str, varied: bool, tested: bool, level: str, seed: int) -> SimulationOptions:
    plain = SimulationOptions(
        n_subjects=N_TESTED if tested else N_TRAINED,
        n_takes=N_TAKES,
        level=level,
        face=face,
        seed=(2000 if tested else 1000) + seed,
    )
    return replace(plain, **VARIED) if varied else plain


def heard(options: SimulationOptions, work: Path, n_jobs: int) -> Heard:
    varied = "-varied" if options.field_noise else ""
    kept = keep_channels(work / f"{options.level}-{options.face}{varied}-{options.seed}", options, n_jobs=n_jobs)
    (features,), table = heard_features(kept, [FRONT_END], n_jobs=n_jobs)
    return features, table.assign(subject=f"{options.face}-{options.seed}-" + table["subject"])


def first_people(heard: Heard, n_people: int) -> Heard:
    features, table = heard
    rows = table["subject"].isin(table["subject"].unique()[:n_people]).to_numpy()
    return features.of_rows(np.flatnonzero(rows)), table[rows]  # the first people's rows are the first rows


def joined(parts: Sequence[Heard]) -> Heard:
    tables = [table for _, table in parts]
    firsts = np.cumsum([0, *map(len, tables)])
    moved = [replace(part, row=part.row + first) for (part, _), first in zip(parts, firsts, strict=False)]
    return join(moved), pd.concat(tables, ignore_index=True)


def learnt(method: str, source: Heard, seed: int) -> Recognizer:
    features, table = source
    people = table["subject"].unique()
    held = np.random.default_rng(seed).choice(people, N_VALIDATION, replace=False)
    validation = table["subject"].isin(held).to_numpy()
    recognizer = Recognizer(method, front_end=FRONT_END, options=OPTIONS.get(method), seed=seed)
    return recognizer.fit_features(
        features,
        table["expression"].to_numpy(),
        table["subject"].to_numpy(),
        np.flatnonzero(~validation),
        np.flatnonzero(validation),
    )


def named(recognizer: Recognizer, features: Features, table: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Return one row per take; a take is one window here."""
    found = recognizer.predict_features(features.of_rows(rows))
    about = table.iloc[found["row"]].reset_index(drop=True)
    probabilities = found.filter(like="p_")
    best = probabilities.to_numpy().argmax(axis=1)
    truth = pd.DataFrame(
        {
            "subject": about["subject"],
            "take": about["take"],
            "truth": about["expression"],
            "predicted": np.array(recognizer.labels, dtype=object)[best],
        }
    )
    return pd.concat([truth, probabilities], axis=1)


def scored(recognizer: Recognizer, target: Heard) -> pd.DataFrame:
    """Return predictions of all takes without labels, and of each person's last ones after learning their first."""
    features, table = target
    rows = np.arange(len(table))
    parts = [named(recognizer, features, table, rows).assign(adaptation="none")]
    nth = table.groupby(["subject", "expression"]).cumcount().to_numpy()
    for subject in table["subject"].unique():
        theirs = (table["subject"] == subject).to_numpy()
        labels = table["expression"].to_numpy()
        personal = recognizer.calibrate_features(features, labels, rows[theirs & (nth == 0)])
        after = named(personal, features, table, rows[theirs & (nth > 0)])
        parts.append(after.assign(adaptation="calibrated-1"))
    return pd.concat(parts, ignore_index=True)


def run_seed(level: str, seed: int, methods: Sequence[str], work: Path, n_jobs: int) -> pd.DataFrame:
    """Return the predictions of one seed; what was learnt and scored before is read."""
    heard_once: dict[tuple[str, bool, bool], Heard] = {}

    def of(face: str, varied: bool, tested: bool) -> Heard:
        key = (face, varied, tested)
        if key not in heard_once:
            heard_once[key] = heard(options_of(*key, level, seed), work, n_jobs)
        return heard_once[key]

    parts = []
    for source, makers in SOURCES.items():
        for method in methods:
            path = work / f"predictions-{level}-{seed}-{method}-{source.replace(', ', '-').replace(' ', '-')}.csv"
            if not path.exists():
                began_s = time.process_time()
                trained = joined([first_people(of(face, varied, False), n) for face, varied, n in makers])
                recognizer = learnt(method, trained, seed)
                found = [
                    scored(recognizer, of(face, False, True)).assign(
                        learner=method, source=source, target=face, seed=seed, scored_unit="take"
                    )
                    for face in FACES
                ]
                write_table(path, pd.concat(found, ignore_index=True))
                spent_s = time.process_time() - began_s
                talk.print(f"{level}, seed {seed}: {method} on {source}, {spent_s:.0f} s", highlight=False)
            parts.append(read_table(path))
    return pd.concat(parts, ignore_index=True)


def as_markdown(table: pd.DataFrame) -> str:
    lines = ["| learnt on | method | labelled takes per expression | own: accuracy | 95 % over people | three seeds |"]
    lines[0] += " makehuman: accuracy | 95 % over people | three seeds |"
    lines += ["|---" * 9 + "|"]
    for (source, learner, adaptation), part in table.groupby(["source", "learner", "adaptation"], sort=False):
        cells = []
        for face in FACES:
            row = part[part["target"] == face].iloc[0]
            cells += [f"{row.accuracy:.3f}", f"{row.accuracy_low:.3f}-{row.accuracy_high:.3f}", row.seeds]
        n_labelled = "1" if adaptation == "calibrated-1" else "none"
        lines.append(f"| {source} | {learner} | {n_labelled} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def summarised(predictions: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (learner, source, target), part in predictions.groupby(["learner", "source", "target"], sort=False):
        table = summary(part.assign(method=learner))
        right = (part["truth"] == part["predicted"]).groupby([part["adaptation"], part["seed"]]).mean()
        table["seeds"] = [" ".join(f"{value:.3f}" for value in right[word]) for word in table["adaptation"]]
        rows.append(table.assign(learner=learner, source=source, target=target))
    found = pd.concat(rows, ignore_index=True)
    order = {name: place for place, name in enumerate(SOURCES)}
    found = found.sort_values(
        ["adaptation", "source", "learner"], key=lambda c: c.map(order) if c.name == "source" else c
    )
    columns = ["source", "learner", "adaptation", "target", "accuracy", "accuracy_low", "accuracy_high", "macro_f1"]
    return found[[*columns, "ece", "n_subjects", "n_scored", "seeds"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", default="medium")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--work", type=Path, default=Path("out/cross_generator"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    parts = [run_seed(chosen.level, seed, chosen.methods, chosen.work, chosen.jobs) for seed in chosen.seeds]
    predictions = pd.concat(parts, ignore_index=True)
    found = summarised(predictions)
    write_table(chosen.out / "summary.csv", found)
    by_person = predictions.assign(accuracy=predictions["truth"] == predictions["predicted"])
    keys = ["learner", "source", "target", "adaptation", "seed", "subject"]
    write_table(chosen.out / "results.csv", by_person.groupby(keys, sort=False)["accuracy"].mean().reset_index())
    write_text(chosen.out / "table.md", as_markdown(found))
    options = {
        "level": chosen.level,
        "seeds": chosen.seeds,
        "methods": {name: asdict(Recognizer(name, options=OPTIONS.get(name)).options) for name in chosen.methods},
        "front_end": asdict(FRONT_END),
        "sources": SOURCES,
        "varied": VARIED,
        "people": {"trained": N_TRAINED, "of them for early stopping": N_VALIDATION, "tested": N_TESTED},
        "study": options_of("own", False, False, chosen.level, 0).to_json(),
    }
    write_run(chosen.out, "experiments/cross_generator/run.py", options, seed=None, data_digest=None)
    print(as_markdown(found))


if __name__ == "__main__":
    main()

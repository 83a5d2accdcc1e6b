"""From one generator of faces to another, all simulated: accuracy, and whether confidence follows it.

    python experiments/cross_generator/run.py [--level medium] [--seeds 0 1 2] [--work FOLDER] [--out FOLDER]

Two generators share levels, recipes of action units and acoustics; mesh, identities and how the skin moves are by
other hands. Methods are trained on 120 subjects of one generator, 24 of them for validation. Their confidence is then
calibrated on the validation subjects and on 30 others whose faces are varied beyond that generator; nothing of the
other generator is used. Scored are 30 further subjects of it, the same number of the other generator, plain and
varied, before and after that calibration. Subjects are the same for every seed; a seed draws who validates, and the
learning. Methods stand at their defaults but for `EPOCHS`; how far faces are varied was set before the first run.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from mien.datasets.simulated import heard_features
from mien.evaluation.metrics import calibration, calibration_error
from mien.evaluation.results import read_table, write_table
from mien.files import write_text
from mien.labels import NEUTRAL
from mien.learning.foreignness import is_unsure
from mien.progress import talk
from mien.provenance import write_run
from mien.recognizer import Recognizer
from mien.sensing.features import Features, join
from mien.sensing.front_ends import RangeProfile
from mien.simulate.channels import keep_channels
from mien.simulate.options import SimulationOptions

FRONT_ENDS = {"stored clip": RangeProfile(neutral="clip"), "own beginning": RangeProfile(neutral="take")}
METHODS = ("svm", "mien")
EPOCHS = 12
"""Of `mien`, whose default is 60, for time."""

OPTIONS: dict[str, dict[str, Any]] = {"mien": {"epochs": EPOCHS}}
N_TRAINED, N_OTHERS, N_TAKES, N_VALIDATION = 120, 30, 2, 24

VARIED: dict[str, Any] = {"identity_spread": 1.3, "shape_noise_mm": 2.0, "field_noise": 0.4}
"""Identities a third wider, 2 mm of relief, action units that depart by four tenths of their displacement."""

GENERATORS = ("own", "makehuman")
GROUPS = {"": (1000, N_TRAINED), "-tested": (2000, N_OTHERS), "-varied": (3000, N_OTHERS)}  # seed, subjects

Heard = tuple[Features, pd.DataFrame]


def options_of(generator: str, group: str, level: str) -> SimulationOptions:
    seed, n_subjects = GROUPS[group]
    plain = SimulationOptions(
        n_subjects=n_subjects, n_takes=N_TAKES, level=level, face=generator, seed=seed, n_neutral_takes=1
    )
    return replace(plain, **VARIED) if group == "-varied" else plain


def heard(generator: str, group: str, level: str, work: Path, n_jobs: int) -> dict[str, Heard]:
    """Return the looks of a group of subjects by front end; their neutral takes are left out."""
    kept = keep_channels(work / f"{level}-{generator}{group}", options_of(generator, group, level), n_jobs=n_jobs)
    found, table = heard_features(kept, list(FRONT_ENDS.values()), n_jobs=n_jobs)
    looks = np.flatnonzero((table["expression"] != NEUTRAL).to_numpy())
    place = np.zeros(len(table), dtype=np.int64)
    place[looks] = np.arange(len(looks))
    table = table.iloc[looks].reset_index(drop=True)
    table = table.assign(subject=f"{generator}{group}-" + table["subject"])
    parts = (part.of_rows(looks) for part in found)
    return {name: (replace(part, row=place[part.row]), table) for name, part in zip(FRONT_ENDS, parts, strict=True)}


def joined(parts: Sequence[Heard]) -> Heard:
    firsts = np.cumsum([0, *(len(table) for _, table in parts)])
    moved = [replace(part, row=part.row + first) for (part, _), first in zip(parts, firsts, strict=False)]
    return join(moved), pd.concat([table for _, table in parts], ignore_index=True)


def trained(method: str, front_end: str, source: Heard, seed: int) -> tuple[Recognizer, np.ndarray]:
    """Return a recognizer and the rows of its validation subjects, on whom `svm`, which needs none, is not trained."""
    features, table = source
    held = np.random.default_rng(seed).choice(table["subject"].unique(), N_VALIDATION, replace=False)
    validation = table["subject"].isin(held).to_numpy()
    recognizer = Recognizer(method, front_end=FRONT_ENDS[front_end], options=OPTIONS.get(method), seed=seed)
    labels, subjects = table["expression"].to_numpy(), table["subject"].to_numpy()
    rows, others = np.flatnonzero(~validation), np.flatnonzero(validation)
    # What `svm` is given for validation joins what it is trained on: its confidence could not be calibrated on that.
    judges = others if method in OPTIONS else others[:0]
    return recognizer.fit_features(features, labels, subjects, rows, judges), others


def answered(recognizer: Recognizer, target: Heard) -> pd.DataFrame:
    """Return a row per take; a take is one window here."""
    features, table = target
    found = recognizer.predict_features(features)
    about = table.iloc[found["row"]].reset_index(drop=True)
    shares = found.filter(like="p_").to_numpy()
    estimator = recognizer.estimator
    return pd.DataFrame(
        {
            "subject": about["subject"],
            "take": about["take"],
            "truth": about["expression"],
            "predicted": np.array(recognizer.labels, dtype=object)[shares.argmax(axis=1)],
            "confidence": shares.max(axis=1).round(6),
            "foreignness": found["foreignness"].round(6),
            "unsure": is_unsure(
                shares.max(axis=1), found["foreignness"].to_numpy(), estimator.unsure_below, estimator.foreign
            ),
        }
    )


def run_one(method: str, front_end: str, source: str, seed: int, people: dict[str, Heard]) -> pd.DataFrame:
    """Return the answers of one model before and after its confidence is calibrated to varied faces as well."""
    features, table = people[source]
    model, validation = trained(method, front_end, people[source], seed)
    known = features.of_rows(validation), table
    calibrating = joined([known, people[f"{source}-varied"]])
    rows = np.unique(calibrating[0].row)
    calibrated = model.calibrate_confidence(calibrating[0], calibrating[1]["expression"].to_numpy(), rows)
    other = GENERATORS[1 - GENERATORS.index(source)]
    parts = []
    for name in (f"{source}-tested", f"{source}-varied", f"{other}-tested", f"{other}-varied"):
        for stage, made in (("before", model), ("after", calibrated)):
            parts.append(answered(made, people[name]).assign(target=name, stage=stage))
    keys = {"method": method, "front_end": front_end, "source": source, "seed": seed}
    return pd.concat(parts, ignore_index=True).assign(**keys)


def run(level: str, seeds: Sequence[int], methods: Sequence[str], work: Path, n_jobs: int) -> pd.DataFrame:
    """Return all answers; what was computed before is read."""
    by_group: dict[str, dict[str, Heard]] = {}
    parts = []
    for seed in seeds:
        for front_end in FRONT_ENDS:
            for method in methods:
                for source in GENERATORS:
                    path = work / f"answers-{level}-{seed}-{method}-{front_end.replace(' ', '-')}-{source}.csv"
                    if not path.exists():
                        if not by_group:
                            names = [(generator, group) for generator in GENERATORS for group in GROUPS]
                            by_group = {"".join(name): heard(*name, level, work, n_jobs) for name in names}
                        began_s = time.process_time()
                        people = {name: ways[front_end] for name, ways in by_group.items()}
                        write_table(path, run_one(method, front_end, source, seed, people))
                        spent_s = time.process_time() - began_s
                        talk.print(f"{path.stem}: {spent_s:.0f} s", highlight=False)
                    parts.append(read_table(path))
    return pd.concat(parts, ignore_index=True)


KEYS = ["front_end", "method", "source", "target", "stage"]


def summarised(answers: pd.DataFrame) -> pd.DataFrame:
    """Return accuracy, confidence and their difference of every case, over seeds; the AUC of foreignness against the
    subjects of the generator trained on."""
    answers = answers.assign(right=answers["truth"] == answers["predicted"])
    rows = []
    for key, part in answers.groupby(KEYS, sort=False):
        case = dict(zip(KEYS, key, strict=True))
        alike = answers[(answers[["front_end", "method", "source"]] == [*key[:3]]).all(axis=1)]
        familiar = alike[(alike["target"] == f"{case['source']}-tested") & (alike["stage"] == case["stage"])]
        accuracies = part.groupby("seed")["right"].mean()
        answered = part[~part["unsure"]]
        rows.append(
            case
            | {
                "accuracy": part["right"].mean(),
                "seeds": " ".join(f"{value:.3f}" for value in accuracies),
                "confidence": part["confidence"].mean(),
                "too_sure": part["confidence"].mean() - part["right"].mean(),
                "ece": calibration_error(calibration(part["right"].to_numpy(), part["confidence"].to_numpy())),
                "unsure": part["unsure"].mean(),
                "accuracy_where_sure": answered["right"].mean() if len(answered) else np.nan,
                "auc": np.mean([_auc(familiar, part, seed) for seed in accuracies.index]),
                "n_subjects": part["subject"].nunique(),
                "n_scored": len(part),
            }
        )
    return pd.DataFrame(rows)


def _auc(familiar: pd.DataFrame, others: pd.DataFrame, seed: int) -> float:
    near, far = (each[each["seed"] == seed]["foreignness"].to_numpy() for each in (familiar, others))
    return float(roc_auc_score(np.repeat([0, 1], [len(near), len(far)]), np.concatenate([near, far])))


def as_markdown(table: pd.DataFrame) -> str:
    head = "| neutral | method | trained on | scored on | accuracy (three seeds) | mean confidence before, after |"
    lines = [head + " minus accuracy | ECE before, after | `unsure` before, after | AUC |", "|---" * 10 + "|"]
    for key, part in table.groupby(KEYS[:-1], sort=False):
        before, after = (part[part["stage"] == stage].iloc[0] for stage in ("before", "after"))
        cells = [*key, f"{before.accuracy:.3f} ({before.seeds})", f"{before.confidence:.3f}, {after.confidence:.3f}"]
        cells += [f"{before.too_sure:+.3f}, {after.too_sure:+.3f}", f"{before.ece:.3f}, {after.ece:.3f}"]
        lines.append(f"| {' | '.join(cells)} | {before.unsure:.2f}, {after.unsure:.2f} | {before.auc:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", default="medium")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--work", type=Path, default=Path("out/cross_generator"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    answers = run(chosen.level, chosen.seeds, chosen.methods, chosen.work, chosen.jobs)
    found = summarised(answers)
    write_table(chosen.out / "summary.csv", found.round(4))
    by_subject = answers.assign(accuracy=answers["truth"] == answers["predicted"])
    numbers = ["accuracy", "confidence", "foreignness", "unsure"]
    by_subject = by_subject.groupby([*KEYS, "seed", "subject"], sort=False)[numbers].mean().round(4)
    write_table(chosen.out / "results.csv", by_subject.reset_index())
    write_text(chosen.out / "table.md", as_markdown(found))
    options = {
        "level": chosen.level,
        "seeds": chosen.seeds,
        "methods": {name: asdict(Recognizer(name, options=OPTIONS.get(name)).options) for name in chosen.methods},
        "front_ends": {name: asdict(front_end) for name, front_end in FRONT_ENDS.items()},
        "varied": VARIED,
        "subjects": {"trained": N_TRAINED, "of them for validation": N_VALIDATION, "of every other group": N_OTHERS},
        "study": options_of("own", "", chosen.level).to_json(),
    }
    write_run(chosen.out, "experiments/cross_generator/run.py", options, seed=None, data_digest=None)
    print(as_markdown(found))


if __name__ == "__main__":
    main()

"""Fit the model that comes with the package, score it, and put it into `src/mien/builtin`.

    python experiments/builtin/run.py [--work FOLDER] [--out FOLDER] [--jobs N]

Simulated, levels version 2. It is used where nobody has chosen the level, the face or the moment, so it learns from all
that the simulator has: three families of faces (`FAMILIES`), four levels, every family and level with subjects of its
own; each take against its own beginning and against a stored neutral clip, and windows that begin anywhere in an
expression (`slid`), as a stream has them. Further subjects of the same families stop the training; their takes and
those of one more family, which is never trained on, calibrate the confidence. Scored are others: of two families that
were trained on and of one that neither training nor calibration had. The learning rate and the network's other
settings are those that `experiments/at_large` found on version 1. An interrupted run goes on where it stopped.
"""

import argparse
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from slide import slid

import mien
from mien.datasets.extract import one_thread
from mien.datasets.simulated import heard_features
from mien.evaluation.job import run_job
from mien.evaluation.plan import Job
from mien.evaluation.results import read_table, summary, write_table
from mien.files import write_atomically, write_json, write_text
from mien.labels import EXPRESSIONS, NEUTRAL
from mien.learning.loop import Run
from mien.progress import talk
from mien.provenance import write_run
from mien.recognizer import Recognizer
from mien.sensing.features import Features, join
from mien.sensing.front_ends import RangeProfile, front_end_to_json
from mien.simulate.channels import keep_channels
from mien.simulate.options import SimulationOptions
from mien.splits import Split

SEED, LEVELS = 0, ("easy", "medium", "hard", "wild")
LARGEST_BYTES = 5_000_000
N_SLIDES = 2
"""Slid copies of every window, beside the two that begin with the take."""

VARIED: dict[str, Any] = {"identity_spread": 1.3, "shape_noise_mm": 2.0, "field_noise": 0.4}
FAR: dict[str, Any] = {"identity_spread": 1.5, "shape_noise_mm": 3.0, "field_noise": 0.8}

_KEPT = ("values", "row", "start_s")

HEARING = {"clip": RangeProfile(neutral="clip"), "take": RangeProfile(neutral="take")}
"""Against a stored neutral clip, and against each take's own beginning; one sound serves both."""

OPTIONS: dict[str, Any] = {
    "batch_size": 128,
    "learning_rate": 3e-3,
    "weight_decay": 1e-2,
    "noise_spread": 0.1,
    "shift_cells": 0,
    "warmup_epochs": 1,
    "precision": "bf16-mixed",
    "epochs": 8,
    "patience": 8,
}


@dataclass(frozen=True, slots=True)
class Family:
    """Simulated subjects of one kind of face, as many at each level, none at two.

    Args:
        options: of the simulation.
        seed: the first of four, one a level: no two families or levels share a subject.
        n_subjects: at a level, see `at`. n_takes, n_neutral_takes: of each expression, of neutral.
    """

    options: dict[str, Any]
    seed: int
    n_subjects: int
    n_takes: int = 3
    n_neutral_takes: int = 1

    def at(self, level: str) -> int:
        """Return how many subjects there are at a level: half as many at the ends of the range, where many are."""
        return self.n_subjects // 2 if self.n_subjects > 100 and level in ("easy", "wild") else self.n_subjects

    def simulation(self, level: str) -> SimulationOptions:
        return SimulationOptions(
            n_subjects=self.at(level), n_takes=self.n_takes, n_neutral_takes=self.n_neutral_takes, level=level,
            seed=self.seed + LEVELS.index(level), **self.options,
        )  # fmt: skip


OWN, MAKEHUMAN = {"face": "own"}, {"face": "makehuman"}

FAMILIES = {
    "own": Family(OWN, 10_000, 150),
    "own, varied": Family(OWN | VARIED, 10_100, 150),
    "makehuman": Family(MAKEHUMAN, 10_200, 150),
}
"""What is trained on: 130 subjects of each at `medium` and `hard`, 55 at `easy` and `wild`; `N_VALIDATION` more of each
family and level stop the training."""

N_VALIDATION = 20

CALIBRATING = {"makehuman, far": Family(MAKEHUMAN | FAR, 10_300, 20)}
"""What calibrates the confidence, beside the validation subjects: faces that lie beyond those trained on."""

SCORED = {
    "own": Family(OWN, 20_000, 20, 6, 2),
    "makehuman": Family(MAKEHUMAN, 20_100, 20, 6, 2),
    "own, far": Family(OWN | FAR, 20_200, 20, 6, 2),
}
"""Subjects that neither training nor calibration had, the last of a family that they had not either."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Features of subjects by each of `HEARING`, the table of their takes, and the weakest part of the probe's band in
    the takes of the first of them."""

    features: dict[str, Features]
    table: pd.DataFrame
    weakest_band_db: float

    @property
    def shown(self) -> np.ndarray:
        """Return (take) whether an expression is shown."""
        return (self.table["expression"] != NEUTRAL).to_numpy()


def heard(name: str, family: Family, level: str, work: Path, n_jobs: int) -> Heard:
    """Return what is heard of a family at a level, from files where they are there already."""
    folder = work / f"{name.replace(', ', '-')}-{family.seed}-{level}"
    path = folder / "heard.npz"
    options = family.simulation(level)
    wanted = {"options": options.to_json(), "front_ends": {k: front_end_to_json(end) for k, end in HEARING.items()}}
    if not path.is_file() or json.loads((folder / "heard.json").read_text()) != json.loads(json.dumps(wanted)):
        kept = keep_channels(folder / "channels", options, n_jobs=n_jobs)
        made, table = heard_features(kept, list(HEARING.values()), n_jobs=n_jobs)
        write_table(folder / "takes.csv", table)
        write_json(folder / "heard.json", wanted)
        write_atomically(path, partial(_write, dict(zip(HEARING, made, strict=True))))
    table = pd.read_csv(folder / "takes.csv", dtype=dict.fromkeys(("subject", "session", "take"), str), na_filter=False)
    table["subject"] = f"{name}-{level}-" + table["subject"]
    # Axes are not stored: the first subject's have them.
    kept = keep_channels(folder / "channels", options, n_jobs=n_jobs, progress=False)
    first, _ = heard_features(kept, list(HEARING.values()), people=[0], progress=False)
    with np.load(path, allow_pickle=False) as arrays:
        features = {
            key: replace(
                one,
                broken=np.zeros(0, dtype=bool),
                weakest_db=np.zeros(0),
                **{name: arrays[f"{key}.{name}"] for name in _KEPT},
            )
            for key, one in zip(HEARING, first, strict=True)
        }
    return Heard(features, table, min(float(one.weakest_db.min()) for one in first))


def _write(features: dict[str, Features], path: Path) -> None:
    arrays = {f"{key}.{name}": getattr(one, name) for key, one in features.items() for name in _KEPT}
    with path.open("wb") as file:
        np.savez(file, **arrays)


def joined(
    parts: Iterable[Heard], keys: tuple[str, ...], rng: np.random.Generator | None = None
) -> tuple[Features, pd.DataFrame]:
    """Return features of several families heard in several ways, slid too where a generator is given; one table."""
    found, tables, n_rows = [], [], 0
    for part in parts:
        here = [part.features[key] for key in keys]
        if rng is not None:
            here += [slid(part.features["clip"], rng) for _ in range(N_SLIDES)]
        found += [replace(one, row=one.row + n_rows) for one in here]
        tables.append(part.table)
        n_rows += len(part.table)
    return join(found), pd.concat(tables, ignore_index=True)


def is_validation(part: Heard) -> np.ndarray:
    """Return (take) whether it is one of the last subjects', who are not trained on."""
    number = part.table["subject"].str.rsplit("-", n=1).str[-1].astype(int).to_numpy()
    return number > number.max() - N_VALIDATION


def fitted(parts: list[Heard], folder: Path) -> Recognizer:
    """Return the trained recognizer, from its folder where it is there already."""
    if (folder / "recognizer.json").is_file():
        return Recognizer.load(folder)
    features, table = joined(parts, tuple(HEARING), np.random.default_rng(SEED))
    shown = (table["expression"] != NEUTRAL).to_numpy()
    validation = np.concatenate([is_validation(part) for part in parts])
    recognizer = Recognizer("mien", HEARING["take"], options=OPTIONS, seed=SEED)
    started = time.process_time()
    with one_thread():
        recognizer.fit_features(
            features, table["expression"].to_numpy(object), table["subject"].to_numpy(object),
            np.flatnonzero(shown & ~validation), np.flatnonzero(shown & validation),
            run=Run(folder / "checkpoints", resume=True, progress=True),
        )  # fmt: skip
    told = {"study": "simulated, levels version 2: experiments/builtin", "simulated": True, "hears_clips": True}
    recognizer.training = recognizer.training.model_copy(update=told)
    recognizer.save(folder)
    write_json(folder / "fit.json", {"cpu_s": time.process_time() - started, "options": OPTIONS})
    return recognizer


def calibrated(recognizer: Recognizer, trained: list[Heard], calibrating: list[Heard]) -> Recognizer:
    """Return the recognizer as sure as it is right on the validation subjects and on faces beyond those trained on."""
    features, table = joined([*trained, *calibrating], tuple(HEARING))
    held = np.concatenate(
        [is_validation(part) for part in trained] + [np.full(len(part.table), True) for part in calibrating]
    )
    rows = np.flatnonzero(held & (table["expression"] != NEUTRAL).to_numpy())
    return recognizer.calibrate_confidence(features, table["expression"].to_numpy(object), rows)


def scores(recognizer: Recognizer, folder: Path, parts: dict[tuple[str, str], Heard]) -> pd.DataFrame:
    """Return predictions over takes of the subjects scored: without labels, and with few labelled takes of each."""
    path = folder / "predictions.csv"
    if path.is_file():
        return read_table(path)
    found = []
    for (family, level), part in parts.items():
        rows, nothing = np.flatnonzero(part.shown), np.array([], dtype=np.int64)
        split = Split(f"builtin:{family}, {level}", 0, ("subject",), nothing, nothing, rows)
        job = Job("builtin", SEED, split, ("none", "calibrated-1", "calibrated-2"), np.flatnonzero(~part.shown))
        for hearing, features in part.features.items():
            made = run_job(job, lambda _: Known(recognizer), features, part.table).predictions
            made = made[made["scored_unit"] == "take"]
            found.append(made.assign(family=family, level=level, hearing=hearing))
    write_table(path, pd.concat(found, ignore_index=True))
    return read_table(path)


class Known:
    """A recognizer that is trained already, where a job would have it fitted."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer

    def fit_features(self, *_: Any) -> Recognizer:
        return self.recognizer


def summarised(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return a row per level, family, neutral reference and number of labelled takes."""
    parts = []
    for (family, level, hearing), part in predictions.groupby(["family", "level", "hearing"], sort=False):
        confidence = part.filter(like="p_").max(axis=1).groupby(part["adaptation"]).mean()
        table = summary(part)
        table = table.assign(confidence=table["adaptation"].map(confidence))
        parts.append(table.assign(family=family, level=level, hearing=hearing))
    columns = ["level", "family", "hearing", "adaptation", "accuracy", "accuracy_low", "accuracy_high", "confidence"]
    return pd.concat(parts, ignore_index=True)[[*columns, "ece", "n_subjects", "n_scored"]]


def as_markdown(table: pd.DataFrame) -> str:
    against = {"clip": "stored clip", "take": "own beginning"}
    told = {"none": "none", "calibrated-1": "1", "calibrated-2": "2"}
    lines = ["| level | faces | neutral reference | labelled takes per expression | accuracy | 95 % over subjects |"]
    lines[0] += " mean confidence | ECE |"
    lines.append("|---" * 8 + "|")
    for row in table.itertuples():
        lines.append(
            f"| {row.level} | {row.family} | {against[row.hearing]} | {told[row.adaptation]} | {row.accuracy:.3f} | "
            f"{row.accuracy_low:.3f}-{row.accuracy_high:.3f} | {row.confidence:.3f} | {row.ece:.3f} |"
        )
    return "\n".join(lines) + "\n"


def scores_told(table: pd.DataFrame) -> str:
    """Return what the model card says of the scores."""
    own = SCORED["own"]
    return (
        f"Simulated, levels version 2, training seed {SEED}. Scored: {own.n_subjects} simulated subjects of each level "
        f"and family who were not trained on, {own.n_takes} takes of 1 s of each expression; the family `own, far` was "
        f"neither trained on nor calibrated with. Chance is {1 / len(EXPRESSIONS):.3f}. Another training seed or "
        "processor moves these figures by a few points. On real faces nothing was measured. How it does on streams of "
        "sound: `experiments/live/results`.\n\n" + as_markdown(table)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("out/builtin"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()

    def parts(families: dict[str, Family]) -> dict[tuple[str, str], Heard]:
        return {
            (name, level): heard(name, family, level, chosen.work, chosen.jobs)
            for name, family in families.items()
            for level in LEVELS
        }

    trained, calibrating, tested = parts(FAMILIES), parts(CALIBRATING), parts(SCORED)
    folder = chosen.work / "model"
    recognizer = calibrated(fitted(list(trained.values()), folder), list(trained.values()), list(calibrating.values()))
    weakest_band_db = round(min(part.weakest_band_db for part in trained.values()), 1)
    recognizer.training = recognizer.training.model_copy(update={"weakest_band_db": weakest_band_db})
    table = summarised(scores(recognizer, chosen.work, tested))
    write_table(chosen.out / "summary.csv", table)
    write_text(chosen.out / "table.md", as_markdown(table))
    place = Path(mien.__file__).parent / "builtin"
    recognizer.save(place, scores=scores_told(table))
    options = {
        "options": OPTIONS,
        "levels": LEVELS,
        "front_ends": {key: front_end_to_json(end) for key, end in HEARING.items()},
        "validation_subjects": N_VALIDATION,
        "slides": N_SLIDES,
        "fitted": json.loads((folder / "fit.json").read_text()),
    } | {
        name: {
            family: {level: made.simulation(level).to_json() for level in LEVELS} for family, made in families.items()
        }
        for name, families in (("trained", FAMILIES), ("calibrating", CALIBRATING), ("scored", SCORED))
    }
    write_run(chosen.out, "experiments/builtin/run.py", options, seed=SEED, data_digest=None)
    write_text(place / "run.json", (chosen.out / "run.json").read_text())
    size = sum(path.stat().st_size for path in place.iterdir())
    if size > LARGEST_BYTES:
        raise SystemExit(f"{place} has {size} bytes; at most {LARGEST_BYTES} may ship: choose a smaller network")
    talk.print(f"{place}: {size} bytes", highlight=False)
    print(as_markdown(table))


if __name__ == "__main__":
    main()

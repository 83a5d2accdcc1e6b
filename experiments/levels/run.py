"""What tells the expression: every method at every level by versions 1 and 2 of the levels, and face and head apart.

    python experiments/levels/run.py [--methods ...] [--seeds 0 1 2] [--work FOLDER] [--out FOLDER] [--jobs N]

Simulated. At each level of each version every method is trained on the same 48 subjects (8 more stop the training) and
scored on the same 20 others, with three training seeds; the subjects stay the same. At `medium` and `hard` the trained
models are also scored on ablations of the scored takes, which change one thing and leave all else as it was: the face
frozen (the head alone moves), the head still (the face alone moves), and the head moving as with another expression.
What keeps its accuracy with the face frozen has not learnt the face. Networks have the rates and passes of the
reproduction's scale "bench". Nothing is chosen by the scores. An interrupted run goes on where it stopped.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien.datasets.extract import one_thread
from mien.datasets.simulated import heard_features
from mien.evaluation.results import read_table, write_table
from mien.files import write_text
from mien.labels import NEUTRAL
from mien.learning.methods import method_named
from mien.probe import Probe
from mien.progress import talk
from mien.provenance import write_run
from mien.recognizer import Recognizer
from mien.reproduce.facer.plan import BENCH, WIDEST
from mien.sensing.features import Features, FrontEnd
from mien.sensing.front_ends import RangeProfile, front_end_to_json
from mien.simulate.channels import keep_channels
from mien.simulate.options import SimulationOptions

LEVELS, VERSIONS, ABLATED = ("easy", "medium", "hard", "wild"), (1, 2), ("medium", "hard")

TRAINED = {"n_subjects": 56, "n_takes": 3, "n_neutral_takes": 1, "probe": WIDEST, "seed": 3000}
SCORED = {"n_subjects": 20, "n_takes": 3, "n_neutral_takes": 2, "probe": WIDEST, "seed": 4000}
N_VALIDATION = 8

ABLATIONS: dict[str, dict[str, Any]] = {
    "as simulated": {},
    "head alone": {"frozen_face": True},
    "face alone": {"head": "still"},
    "another head": {"head": "exchanged"},
}
"""What the scored takes are: face and head, the head with a frozen face, the face with a still head, the face with the
head's motion of another expression."""

_CLIP, _OWN = RangeProfile(neutral="clip"), RangeProfile(neutral="take")

METHODS: dict[str, tuple[str, FrontEnd]] = {
    "temporal, stored clip": ("mien", _CLIP),
    "temporal, own beginning": ("mien", _OWN),
    "svm, stored clip": ("svm", _CLIP),
    "svm, own beginning": ("svm", _OWN),
    "linear, own beginning": ("linear", _OWN),
    "sonicface, own beginning": ("sonicface", method_named("sonicface").hears),
    "facer": ("facer", BENCH.spectrogram),
    "resnet": ("resnet", BENCH.spectrogram),
    "svm, spectrograms": ("svm", BENCH.spectrogram),
}
"""Method and what it gets. `xhar` and `dann` are `resnet` until they adapt, which nothing does here."""

DETERMINISTIC = ("svm", "linear")


def probe_of(name: str) -> Probe:
    return method_named(METHODS[name][0]).probe


class Heard:
    """The features of one simulation for some methods, and the table of its takes; each probe sounds once."""

    def __init__(self, options: SimulationOptions, methods: list[str], work: Path, n_jobs: int) -> None:
        changed = "-".join(word for word in (options.head, "frozen" * options.frozen_face) if word)
        kept = keep_channels(
            work / f"{options.level}-v{options.levels_version}-{options.seed}-{changed}", options, n_jobs=n_jobs
        )
        self.features: dict[str, Features] = {}
        for probe in {probe_of(name) for name in methods}:
            names = [name for name in methods if probe_of(name) == probe]
            made, self.table = heard_features(kept, [METHODS[name][1] for name in names], probe=probe, n_jobs=n_jobs)
            self.features |= dict(zip(names, made, strict=True))

    @property
    def shown(self) -> np.ndarray:
        """Return rows of takes that show an expression."""
        return np.flatnonzero(self.table["expression"] != NEUTRAL)


def used(name: str, seeds: list[int]) -> list[int]:
    """Return the training seeds of a method: one where nothing is drawn."""
    return seeds[:1] if METHODS[name][0] in DETERMINISTIC else seeds


def fitted(name: str, trained: Heard, seed: int) -> Recognizer:
    method, front_end = METHODS[name]
    subject = trained.table["subject"].astype(int).to_numpy()[trained.shown]
    validation = subject > TRAINED["n_subjects"] - N_VALIDATION
    recognizer = Recognizer(method, front_end, options=BENCH.options.get(method), seed=seed)
    with one_thread():
        return recognizer.fit_features(
            trained.features[name],
            trained.table["expression"].to_numpy(object),
            trained.table["subject"].to_numpy(object),
            trained.shown[~validation],
            trained.shown[validation],
        )


def scored(name: str, recognizer: Recognizer, heard: Heard) -> pd.DataFrame:
    """Return (subject) the share of takes named right; a take is the mean of its windows."""
    with one_thread():
        found = recognizer.predict_features(heard.features[name].of_rows(heard.shown))
    takes = found.filter(like="p_").groupby(found["row"]).mean()
    best = np.array(recognizer.labels)[takes.to_numpy().argmax(axis=1)]
    about = heard.table.iloc[takes.index]
    right = best == about["expression"].to_numpy()
    return (
        pd.DataFrame({"subject": about["subject"].to_numpy(), "accuracy": right})
        .groupby("subject")
        .mean()
        .reset_index()
    )


def rows(
    level: str, version: int, names: list[str], seeds: list[int], work: Path, n_jobs: int
) -> Iterator[pd.DataFrame]:
    """Yield the scores of every method at a level of a version; what was scored before is read."""
    folder = work / f"scores-{level}-v{version}"
    path = {
        (name, seed): folder / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}.csv"
        for name in names
        for seed in seeds
    }
    wanting = [name for name in names if any(not path[name, seed].exists() for seed in used(name, seeds))]
    if wanting:
        base = SimulationOptions(level=level, levels_version=version, **TRAINED)
        trained = Heard(base, wanting, work, n_jobs)
        wanted = ABLATIONS if level in ABLATED else {"as simulated": {}}
        tested = {
            words: Heard(
                SimulationOptions(level=level, levels_version=version, **SCORED, **change), wanting, work, n_jobs
            )
            for words, change in wanted.items()
        }
    for (name, seed), each in path.items():
        if seed not in used(name, seeds):
            continue
        if not each.exists():
            recognizer = fitted(name, trained, seed)
            parts = [scored(name, recognizer, heard).assign(takes=words) for words, heard in tested.items()]
            told = {"level": level, "version": version, "method": name, "seed": seed}
            write_table(each, pd.concat(parts, ignore_index=True).assign(**told))
            talk.print(f"{level}, version {version}: {name}, seed {seed}", highlight=False)
        yield read_table(each)


def interval(part: pd.DataFrame, n_draws: int = 2000) -> tuple[float, float]:
    """Return the 95 % interval when subjects and training seeds are both drawn with replacement."""
    table = part.pivot(index="seed", columns="subject", values="accuracy").to_numpy()
    rng = np.random.default_rng(0)
    means = [
        table[
            np.ix_(rng.integers(len(table), size=len(table)), rng.integers(table.shape[1], size=table.shape[1]))
        ].mean()
        for _ in range(n_draws)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def summarised(found: pd.DataFrame) -> pd.DataFrame:
    keys = ["takes", "level", "version", "method"]
    lines = []
    for key, part in found.groupby(keys, sort=False):
        low, high = interval(part)
        by_seed = part.groupby("seed")["accuracy"].mean()
        told = {
            "accuracy": part["accuracy"].mean(),
            "low": low,
            "high": high,
            "seeds": " ".join(f"{x:.3f}" for x in by_seed),
        }
        lines.append(dict(zip(keys, key, strict=True)) | told)
    return pd.DataFrame(lines)


def as_markdown(table: pd.DataFrame) -> str:
    """Return accuracy at each level by both versions, then the ablations."""
    cell = {
        tuple(row[:4]): f"{row.accuracy:.3f} ({row.low:.2f}-{row.high:.2f})" for row in table.itertuples(index=False)
    }
    methods = list(dict.fromkeys(table["method"]))

    def line(method: str, columns: list[tuple[str, str, int]]) -> str:
        return f"| {method} | " + " | ".join(cell.get((*column, method), "") for column in columns) + " |"

    columns = [("as simulated", level, version) for level in LEVELS for version in VERSIONS]
    lines = ["| method | " + " | ".join(f"{level}, version {version}" for _, level, version in columns) + " |"]
    lines += ["|---" * (len(columns) + 1) + "|", *(line(method, columns) for method in methods), ""]
    for level in ABLATED:
        columns = [(words, level, version) for version in VERSIONS for words in ABLATIONS]
        lines += [f"| {level} | " + " | ".join(f"version {version}: {words}" for words, _, version in columns) + " |"]
        lines += ["|---" * (len(columns) + 1) + "|", *(line(method, columns) for method in methods), ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--levels", nargs="+", default=list(LEVELS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of the training")
    parser.add_argument("--work", type=Path, default=Path("out/levels"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    parts = [
        part
        for level in chosen.levels
        for version in VERSIONS
        for part in rows(level, version, chosen.methods, chosen.seeds, chosen.work, chosen.jobs)
    ]
    found = pd.concat(parts, ignore_index=True)
    table = summarised(found)
    write_table(chosen.out / "results.csv", found)
    write_table(chosen.out / "summary.csv", table)
    write_text(chosen.out / "table.md", as_markdown(table))
    options = {
        "levels": chosen.levels,
        "seeds": chosen.seeds,
        "methods": {
            name: {"method": method, "front_end": front_end_to_json(end), "options": BENCH.options.get(method, {})}
            for name, (method, end) in METHODS.items()
        },
        "trained": SimulationOptions(**TRAINED).to_json(),
        "scored": SimulationOptions(**SCORED).to_json(),
        "validation_subjects": N_VALIDATION,
        "ablations": ABLATIONS,
    }
    write_run(chosen.out, "experiments/levels/run.py", options, seed=None, data_digest=None)
    print(as_markdown(table))


if __name__ == "__main__":
    main()

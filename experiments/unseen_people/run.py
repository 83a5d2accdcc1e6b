"""A study of twenty people, each left out: every method on people never heard, at two levels.

    python experiments/unseen_people/run.py [--levels medium hard] [--seeds 0 1 2] [--checks]
        [--work FOLDER] [--out FOLDER]

20 simulated people, 6 expressions x 10 takes x 1 s, people left out in 5 folds. A seed makes its own people, its own
folds and its own learning. Every method hears the same takes, in its own way; networks have the passes and the rates of
the reproduction's scale "bench" (`experiments/reproduce_facer/tune.py`: three rates each, on other people, at
`medium`), support vector machines tune themselves within every fold. Nothing is chosen by the scores, but that networks
stop by the calibrated loss was noticed on these takes. An interrupted run goes on where it stopped.

`--checks` asks besides whether longer adaptation or more passes change what is found; what is committed of it is

    python experiments/unseen_people/run.py --levels medium --checks --out experiments/unseen_people/checks
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import pandas as pd

from mien.evaluation.benchmark import evaluate
from mien.evaluation.results import Results, write_table
from mien.evaluation.statistics import paired_tests
from mien.files import write_text
from mien.learning.methods import method_named
from mien.progress import talk
from mien.provenance import write_run
from mien.recognizer import Recognizer
from mien.reproduce.cohort import Cohort, Ear, listen
from mien.reproduce.facer.plan import BENCH, WIDEST
from mien.sensing.features import Features
from mien.sensing.front_ends import front_end_to_json
from mien.simulate.channels import keep_channels
from mien.simulate.options import SimulationOptions

ADAPTED = ("none", "inductive", "transductive")
CALIBRATED = ("none", "calibrated-1", "calibrated-4")
SPECTROGRAM = Ear(BENCH.spectrogram)


class AdaptedToLearnt(Recognizer):
    """Adapts to the windows that it learnt, whoever else is given: what adapting has but for new people."""

    def fit_features(
        self, features: Features, labels: Any, subjects: Any, train_rows: Any, *rest: Any, **how: Any
    ) -> Self:
        self.learnt_rows = train_rows
        return super().fit_features(features, labels, subjects, train_rows, *rest, **how)

    def adapt_features(self, features: Features, rows: Any, *, seed: int | None = None) -> Recognizer:
        return super().adapt_features(features, self.learnt_rows, seed=seed)


@dataclass(frozen=True, slots=True)
class Case:
    """One method, what it hears and what it learns of the people who are left out.

    Args:
        ear: None for the method's own.
        recognizer: what it is made of.
    """

    method: str
    adaptations: tuple[str, ...]
    ear: Ear | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    recognizer: type[Recognizer] = Recognizer

    def hears(self) -> Ear:
        known = method_named(self.method)
        return self.ear or Ear(known.hears, known.probe)


MORE = {"bank_windows": 8192, "adaptation_epochs": 20}
"""Adaptation with all windows that were learnt, and ten times the passes."""

CASES: dict[str, Case] = {
    name: Case(name, ADAPTED if method_named(name).adapts else ("none",), SPECTROGRAM, BENCH.options[name])
    for name in ("facer", "resnet", "xhar")
} | {
    "svm, spectrograms": Case("svm", ("none",), SPECTROGRAM),
    "svm": Case("svm", CALIBRATED),
    "linear": Case("linear", ("none",)),
    "sonicface": Case("sonicface", CALIBRATED, options=BENCH.options["sonicface"]),
    "mien": Case("mien", CALIBRATED, options=BENCH.options["mien"]),
}
"""`facer`, `resnet`, `xhar` hear quarter seconds after the onset, three a take; the others hear the take at once."""

ALONE = {**MORE, "contrastive_weight": 0.0}

CHECKS: dict[str, Case] = {
    "facer, adapted longer": Case("facer", ("none", "inductive"), SPECTROGRAM, {**BENCH.options["facer"], **MORE}),
    "facer, learnt on": Case(
        "facer", ("none", "transductive"), SPECTROGRAM, {**BENCH.options["facer"], **ALONE}, AdaptedToLearnt
    ),
    "xhar, adapted longer": Case("xhar", ("none", "inductive"), SPECTROGRAM, {**BENCH.options["xhar"], **MORE}),
} | {
    f"{name}, five times the passes": Case(
        name, ("none",), CASES[name].ear, {**BENCH.options[name], "epochs": 5 * BENCH.options[name]["epochs"]}
    )
    for name in ("facer", "resnet", "sonicface", "mien")
}
"""Whether the budget decides who is ahead, at the rates of the shorter one. "Learnt on" has the passes of adapting
longer, without Eq. 9 and without anybody new."""

GAINS = (
    ("facer, adapted longer | inductive", "facer | none"),
    ("facer, learnt on | transductive", "facer | none"),
    ("facer, adapted longer | inductive", "facer, learnt on | transductive"),
    ("xhar, adapted longer | inductive", "resnet | none"),
    ("xhar, adapted longer | inductive", "facer, adapted longer | inductive"),
)


def cohort(cases: Mapping[str, Case], level: str, seed: int, work: Path, n_jobs: int) -> Cohort:
    """Return the people of a seed as every case hears them, without their neutral clips."""
    options = SimulationOptions(n_subjects=20, n_takes=10, level=level, probe=WIDEST, seed=seed)
    kept = keep_channels(work / f"{level}-{seed}" / "channels", options, n_jobs=n_jobs)
    return listen(kept, [case.hears() for case in cases.values()], n_jobs=n_jobs)


def predictions_of(cases: Mapping[str, Case], level: str, seed: int, work: Path, n_jobs: int) -> pd.DataFrame:
    """Return the predictions of every case on one simulated study."""
    found, parts = cohort(cases, level, seed, work, n_jobs), []
    for name, case in cases.items():
        talk.print(f"{level}, seed {seed}: {name}", highlight=False)
        out = work / f"{level}-{seed}" / name.replace(", ", "-")
        ear = case.hears()
        results = evaluate(
            found.study,
            {name: partial(case.recognizer, case.method, ear.front_end, ear.probe, case.options)},
            "leave-out:subject",
            n_folds=5,
            seeds=(seed,),
            adaptations=case.adaptations,
            options={name: case.options},
            features={name: found.heard[ear]},
            n_jobs=n_jobs,
            out=out,
            resume=out.is_dir(),
        )
        # People of different seeds are different people: the bootstrap over people must know.
        people = f"{seed}-" + results.predictions["subject"].astype(str)
        parts.append(results.predictions.assign(subject=people))
    return pd.concat(parts, ignore_index=True)


def margins(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return by how much `mien` is ahead of each other method, and what adapting longer gains: person by person, over
    takes and without labels. Cases that answer alike, since they differ in adapting alone, count once."""
    takes = predictions[(predictions["scored_unit"] == "take") & ~predictions["adaptation"].str.startswith("calib")]
    case = takes["method"] + " | " + takes["adaptation"]
    right = (takes["truth"] == takes["predicted"]).groupby([takes["subject"], case]).mean().unstack()
    gains = [pair for pair in GAINS if set(pair) <= set(right.columns)]
    others = right.T.drop_duplicates().index.drop("mien | none")
    return paired_tests(right, [("mien | none", other) for other in others] + gains)


def scored(level: str, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return a row per method and adaptation, over takes, with the accuracy of each seed."""
    summary = Results(pd.DataFrame(), predictions, {}).summary()
    summary = summary[summary["scored_unit"] == "take"]
    takes = predictions[predictions["scored_unit"] == "take"]
    right = takes.assign(right=takes["truth"] == takes["predicted"])
    by_seed = right.groupby(["method", "adaptation", "seed"])["right"].mean()
    seeds = [" ".join(f"{value:.3f}" for value in by_seed[row.method, row.adaptation]) for row in summary.itertuples()]
    return summary.assign(seeds=seeds, level=level)


def as_markdown(found: pd.DataFrame) -> str:
    lines = ["| level | method | told of new people | accuracy, takes of 1 s | 95 % over people | seeds | macro-F1 |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for row in found.itertuples():
        lines.append(
            f"| {row.level} | {row.method} | {row.adaptation} | {row.accuracy:.3f} | "
            f"{row.accuracy_low:.3f}-{row.accuracy_high:.3f} | {row.seeds} | {row.macro_f1:.3f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--levels", nargs="+", default=["medium", "hard"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--checks", action="store_true", help="also adapt longer and learn for five times the passes")
    parser.add_argument("--work", type=Path, default=Path("out/unseen_people"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    cases = CASES | (CHECKS if chosen.checks else {})
    tables, tests, people = [], [], []
    for level in chosen.levels:
        found = [predictions_of(cases, level, seed, chosen.work, chosen.jobs) for seed in chosen.seeds]
        predictions = pd.concat(found, ignore_index=True)
        tables.append(scored(level, predictions))
        tests.append(margins(predictions).assign(level=level))
        takes = predictions[predictions["scored_unit"] == "take"]
        keys = [takes[name] for name in ("method", "adaptation", "subject")]
        right = (takes["truth"] == takes["predicted"]).groupby(keys).mean()
        people.append(right.rename("accuracy").reset_index().assign(level=level))
    write_table(chosen.out / "results.csv", pd.concat(people, ignore_index=True))
    write_table(chosen.out / "summary.csv", pd.concat(tables, ignore_index=True))
    write_table(chosen.out / "tests.csv", pd.concat(tests, ignore_index=True))
    write_text(chosen.out / "table.md", as_markdown(pd.concat(tables)))
    options = {
        "levels": chosen.levels,
        "seeds": chosen.seeds,
        "cases": {
            name: {"method": case.method, "front_end": front_end_to_json(case.hears().front_end)}
            | {"options": dict(case.options), "adaptations": list(case.adaptations)}
            | {"recognizer": case.recognizer.__name__}
            for name, case in cases.items()
        },
        "study": SimulationOptions(n_subjects=20, n_takes=10, probe=WIDEST).to_json(),
    }
    write_run(chosen.out, "experiments/unseen_people/run.py", options, seed=None, data_digest=None)
    print(as_markdown(pd.concat(tables)))


if __name__ == "__main__":
    main()

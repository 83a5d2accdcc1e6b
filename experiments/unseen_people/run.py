"""A study of twenty subjects, each left out: every method on subjects it was not trained on, at two levels.

    python experiments/unseen_people/run.py [--levels medium hard] [--seeds 0 1 2] [--cases NAME ...]
        [--first-folds N] [--work FOLDER] [--out FOLDER] [--jobs N]

20 simulated subjects (levels version 2), 6 expressions x 10 takes x 1 s, subjects left out in 5 folds. A seed makes its
own subjects, its own folds and its own training; networks are trained three times on every split. Every method gets the
same takes through its own front end; `svm` and `temporal` (the method called `mien` elsewhere) once against a stored
neutral clip of the subject and once against the take's own beginning, which is neutral because the simulator says so.
The clip is neither trained on nor scored. Networks have the passes and the rates of the reproduction's scale "bench"
(`experiments/reproduce_facer/tune.py`: three rates each, on other subjects, at `medium` of version 1), support vector
machines tune themselves within every fold. Nothing is chosen by the scores.

Every case of every level and seed is resumed where it stopped. Two processes may work side by side in one `--work` on
different levels or seeds, each with an `--out` of its own; a last call with all of them collects what is finished.
`--cases` takes a case's name or the word before its comma.

Whether longer adaptation or more passes change what is found (`--checks`) was asked at version 1 alone; those results
stay in `checks` as version 1's.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from mien.evaluation.benchmark import evaluate
from mien.evaluation.metrics import accuracy
from mien.evaluation.results import case_name, compared, summary, write_table
from mien.evaluation.statistics import verdicts
from mien.files import write_text
from mien.labels import NEUTRAL
from mien.learning.methods import PROFILE, method_named
from mien.progress import talk
from mien.provenance import write_run
from mien.recognizer import Recognizer
from mien.reproduce.cohort import Cohort, Ear, listen
from mien.reproduce.facer.plan import BENCH, WIDEST
from mien.sensing.front_ends import front_end_to_json
from mien.simulate.channels import keep_channels
from mien.simulate.options import SimulationOptions

ADAPTED = ("none", "inductive", "transductive")
CALIBRATED = ("none", "calibrated-1", "calibrated-4")
N_SUBJECTS, N_TAKES, N_FOLDS, N_TRAININGS = 20, 10, 5, 3
SPECTROGRAM = Ear(BENCH.spectrogram)
CLIP, BEGINNING = Ear(replace(PROFILE, neutral="clip")), Ear(PROFILE)


@dataclass(frozen=True, slots=True)
class Case:
    """One method, its input and what it is given of the held-out subjects.

    Args:
        ear: None for the method's own.
    """

    method: str
    adaptations: tuple[str, ...] = ("none",)
    ear: Ear | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def input(self) -> Ear:
        known = method_named(self.method)
        return self.ear or Ear(known.hears, known.probe)


CASES: dict[str, Case] = {
    "svm, stored clip": Case("svm", CALIBRATED, CLIP),
    "svm, own beginning": Case("svm", CALIBRATED, BEGINNING),
    "temporal, stored clip": Case("mien", CALIBRATED, CLIP, BENCH.options["mien"]),
    "temporal, own beginning": Case("mien", CALIBRATED, BEGINNING, BENCH.options["mien"]),
    "linear, own beginning": Case("linear"),
    "svm, spectrogram": Case("svm", ear=SPECTROGRAM),
    "facer": Case("facer", ADAPTED, SPECTROGRAM, BENCH.options["facer"]),
    "resnet": Case("resnet", ear=SPECTROGRAM, options=BENCH.options["resnet"]),
    "xhar": Case("xhar", ADAPTED, SPECTROGRAM, BENCH.options["xhar"]),
    "sonicface": Case("sonicface", CALIBRATED, options=BENCH.options["sonicface"]),
}
"""`facer`, `resnet`, `xhar` get quarter seconds after the onset, three per take; the others get the take at once."""

PAIRS: tuple[tuple[str, str], ...] = (
    *(
        ("temporal, stored clip", other)
        for other in ("svm, stored clip", "svm, spectrogram", "facer", "resnet", "sonicface")
    ),
    ("temporal, own beginning", "svm, own beginning"),
    ("temporal, own beginning", "temporal, stored clip"),
    ("svm, own beginning", "svm, stored clip"),
    ("svm, own beginning", "linear, own beginning"),
    ("facer", "svm, spectrogram"),
    ("facer", "resnet"),
    *((method + ", " + adaptation, method) for method in ("facer", "xhar") for adaptation in ADAPTED[1:]),
)
"""What is tested, all at once by Holm; `xhar` without adaptation answers as `resnet` does, and counts once."""


def cases_named(names: Sequence[str] | None) -> dict[str, Case]:
    """Return the cases of some names, or of some words before the comma; all for None."""
    if names is None:
        return CASES
    known = {name: case for name, case in CASES.items() if {name, name.split(",")[0], case.method} & set(names)}
    unknown = set(names) - {word for name, case in CASES.items() for word in (name, name.split(",")[0], case.method)}
    if unknown:
        raise SystemExit(f"--cases: {', '.join(sorted(unknown))} unknown; known are {'; '.join(CASES)}")
    return known


def study_options(level: str, seed: int) -> SimulationOptions:
    """Return what is simulated: a neutral clip first, then every expression."""
    return SimulationOptions(
        n_subjects=N_SUBJECTS, n_takes=N_TAKES, n_neutral_takes=1, level=level, probe=WIDEST, seed=seed
    )


def cohort(cases: Mapping[str, Case], level: str, seed: int, work: Path, n_jobs: int) -> Cohort:
    """Return the subjects of a seed through every front end; the neutral clips served those and are left out."""
    kept = keep_channels(work / f"{level}-{seed}" / "channels", study_options(level, seed), n_jobs=n_jobs)
    return listen(kept, [case.input for case in cases.values()], n_jobs=n_jobs).without(NEUTRAL)


def predictions_of(
    cases: Mapping[str, Case], level: str, seed: int, work: Path, n_jobs: int, first_folds: int | None = None
) -> pd.DataFrame:
    """Return the predictions of every case on one simulated study."""
    subjects, parts = cohort(cases, level, seed, work, n_jobs), []
    for name, case in cases.items():
        talk.print(f"{level}, seed {seed}: {name}", highlight=False)
        out = work / f"{level}-{seed}" / name.replace(", ", "-").replace(" ", "-")
        results = evaluate(
            subjects.study,
            {name: partial(Recognizer, case.method, case.input.front_end, case.input.probe, case.options)},
            "leave-out:subject",
            n_folds=N_FOLDS,
            seeds=(seed,),
            adaptations=case.adaptations,
            options={name: case.options},
            features={name: subjects.heard[case.input]},
            first_folds=first_folds,
            n_trainings=N_TRAININGS,
            n_jobs=n_jobs,
            out=out,
            resume=out.is_dir(),
        )
        # Subjects of different seeds are different subjects: the bootstrap over subjects must know.
        names = f"{seed}-" + results.predictions["subject"].astype(str)
        parts.append(results.predictions.assign(subject=names))
    return pd.concat(parts, ignore_index=True)


def differences(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the tests of `PAIRS` over subjects and trainings, by each subject's accuracy over takes."""
    scored = predictions[["method", "adaptation"]].drop_duplicates()
    names = {case_name(row.method, row.adaptation) for row in scored.itertuples()}
    table = compared(predictions, [pair for pair in PAIRS if set(pair) <= names], statistic=accuracy)
    return table.assign(ahead=verdicts(table))


def scored(level: str, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return a row per method and adaptation, over takes, with the accuracy of each seed."""
    table = summary(predictions)
    table = table[table["scored_unit"] == "take"]
    takes = predictions[predictions["scored_unit"] == "take"]
    right = takes.assign(right=takes["truth"] == takes["predicted"])
    by_seed = right.groupby(["method", "adaptation", "seed"])["right"].mean()
    seeds = [" ".join(f"{value:.3f}" for value in by_seed[row.method, row.adaptation]) for row in table.itertuples()]
    return table.assign(seeds=seeds, level=level)


def by_subject(level: str, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy over takes of every subject by every training."""
    takes = predictions[predictions["scored_unit"] == "take"]
    keys = ["method", "adaptation", "subject", "training"]
    right = (takes["truth"] == takes["predicted"]).groupby([takes[name] for name in keys], sort=False).mean()
    return right.rename("accuracy").reset_index().assign(level=level)


def as_markdown(table: pd.DataFrame) -> str:
    """Return the table for people; a deviation is of one training of every split to the next, in points."""
    lines = ["| level | method | adaptation | accuracy, takes of 1 s | 95 % over subjects and trainings | seeds |"]
    lines[0] += " trainings | deviation over trainings | macro-F1 |"
    lines += ["|---" * 9 + "|"]
    for row in table.itertuples():
        deviation = "-" if pd.isna(row.accuracy_deviation) else f"{100 * row.accuracy_deviation:.1f}"
        lines.append(
            f"| {row.level} | {row.method} | {row.adaptation} | {row.accuracy:.3f} | "
            f"{row.accuracy_low:.3f}-{row.accuracy_high:.3f} | {row.seeds} | {row.n_trainings} | {deviation} | "
            f"{row.macro_f1:.3f} |"
        )
    return "\n".join(lines) + "\n"


def facts(chosen: argparse.Namespace, cases: Mapping[str, Case]) -> dict[str, Any]:
    """Return what was run, for run.json."""
    return {
        "levels": chosen.levels,
        "seeds": chosen.seeds,
        "first_folds": chosen.first_folds,
        "n_folds": N_FOLDS,
        "n_trainings": N_TRAININGS,
        "cases": {
            name: {"method": case.method, "front_end": front_end_to_json(case.input.front_end)}
            | {"options": dict(case.options), "adaptations": list(case.adaptations)}
            for name, case in cases.items()
        },
        "study": {
            name: value
            for name, value in study_options(chosen.levels[0], chosen.seeds[0]).to_json().items()
            if name not in ("level", "seed")
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--levels", nargs="+", default=["medium", "hard"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="a case's name, or the word before its comma")
    parser.add_argument("--first-folds", type=int, help="score only so many of the five folds of each seed")
    parser.add_argument("--work", type=Path, default=Path("out/unseen_people"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args(arguments)
    cases = cases_named(chosen.cases)
    subjects, tables, tests = [], [], []
    for level in chosen.levels:
        studies = [
            predictions_of(cases, level, seed, chosen.work, chosen.jobs, chosen.first_folds) for seed in chosen.seeds
        ]
        predictions = pd.concat(studies, ignore_index=True)
        subjects.append(by_subject(level, predictions))
        tables.append(scored(level, predictions))
        tests.append(differences(predictions).assign(level=level))
    write_table(chosen.out / "results.csv", pd.concat(subjects, ignore_index=True))
    write_table(chosen.out / "summary.csv", pd.concat(tables, ignore_index=True))
    write_table(chosen.out / "tests.csv", pd.concat(tests, ignore_index=True))
    write_text(chosen.out / "table.md", as_markdown(pd.concat(tables)))
    script = "experiments/unseen_people/run.py"
    write_run(chosen.out, script, facts(chosen, cases), seed=None, data_digest=None)
    print(as_markdown(pd.concat(tables)))


if __name__ == "__main__":
    main()

"""People never heard, simulated: a second of range profiles against neutral, or quarter seconds of spectrogram?

    python experiments/unseen_people/run.py [--levels medium hard] [--seeds 0 1 2] [--work FOLDER] [--out FOLDER]

20 people, 6 expressions x 10 takes x 1 s, people left out in 5 folds. A seed makes its own people, its own folds and
its own learning. Every method hears the same takes and stands at its defaults, but that the network on spectrograms,
with four windows per take, makes a quarter of the epochs: as many steps as on profiles. Nothing is chosen by the
scores. An interrupted run goes on where it stopped.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from mien.datasets.simulated import simulate_study
from mien.datasets.study import Study, load_study
from mien.evaluation.benchmark import evaluate
from mien.evaluation.results import Results, write_table
from mien.files import write_text
from mien.progress import talk
from mien.provenance import write_run
from mien.sensing.front_ends import RangeProfile, Spectrogram
from mien.simulate.options import SimulationOptions

FRONT_ENDS = {"profile": RangeProfile(neutral="take"), "spectrogram": Spectrogram(hop_s=0.25)}
"""One window of 1 s per take, or four of 0.25 s that do not overlap."""

CASES = (("svm", "profile"), ("mien", "profile"), ("svm", "spectrogram"), ("mien", "spectrogram"))
"""`mien` is the small temporal network; on spectrograms its channels are frequencies."""

OPTIONS = {("mien", "spectrogram"): {"epochs": 15, "patience": 5}}
"""A quarter of the default 60 and 20."""


def score(study: Study, method: str, features: str, seed: int, work: Path, n_jobs: int) -> Results:
    out = work / f"{study.name}-{method}-{features}"
    return evaluate(
        study,
        [method],
        "leave-out:subject",
        n_folds=5,
        seeds=(seed,),
        adaptations=("none",),
        front_ends={method: FRONT_ENDS[features]},
        options={method: OPTIONS[method, features]} if (method, features) in OPTIONS else None,
        n_jobs=n_jobs,
        out=out,
        resume=out.is_dir(),
    )


def predictions_of(level: str, seed: int, work: Path, n_jobs: int) -> pd.DataFrame:
    """Return the predictions of every case on one simulated study."""
    path = work / f"{level}-{seed}"
    options = SimulationOptions(n_subjects=20, n_takes=10, level=level, seed=seed)
    study = load_study(simulate_study(path, options, n_jobs=n_jobs, resume=path.is_dir()))
    parts = []
    for method, features in CASES:
        talk.print(f"{level}, seed {seed}: {method} on {features}", highlight=False)
        found = score(study, method, features, seed, work, n_jobs).predictions
        # People of different seeds are different people: the bootstrap over people must know.
        named = found.assign(method=f"{method} {features}", subject=f"{seed}-" + found["subject"].astype(str))
        parts.append(named)
    return pd.concat(parts, ignore_index=True)


def as_markdown(found: pd.DataFrame) -> str:
    units = {"take": "a take of 1 s", "window": "one window"}
    lines = ["| level | method, features | scored | accuracy | 95 % over people | seeds | macro-F1 |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for row in found.itertuples():
        lines.append(
            f"| {row.level} | {row.method} | {units[row.scored_unit]} | {row.accuracy:.3f} | "
            f"{row.accuracy_low:.3f}-{row.accuracy_high:.3f} | {row.seeds} | {row.macro_f1:.3f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--levels", nargs="+", default=["medium", "hard"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path("out/unseen_people"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    summaries, tables = [], []
    for level in chosen.levels:
        predictions = pd.concat([predictions_of(level, seed, chosen.work, chosen.jobs) for seed in chosen.seeds])
        results = Results(pd.DataFrame(), predictions, {})
        by_seed = (
            predictions.assign(right=predictions["truth"] == predictions["predicted"])
            .groupby(["method", "scored_unit", "seed"])["right"]
            .mean()
        )
        tables.append(by_seed.rename("accuracy").reset_index().assign(level=level))
        summary = results.summary()
        summary["seeds"] = [
            " ".join(f"{value:.3f}" for value in by_seed[row.method, row.scored_unit]) for row in summary.itertuples()
        ]
        summaries.append(summary.assign(level=level))
    found = pd.concat(summaries, ignore_index=True)
    write_table(chosen.out / "results.csv", pd.concat(tables, ignore_index=True))
    write_table(chosen.out / "summary.csv", found)
    write_text(chosen.out / "table.md", as_markdown(found))
    options = {
        "levels": chosen.levels,
        "seeds": chosen.seeds,
        "front_ends": {name: asdict(front_end) for name, front_end in FRONT_ENDS.items()},
        "changed": {" ".join(case): changes for case, changes in OPTIONS.items()},
        "study": SimulationOptions(n_subjects=20, n_takes=10).to_json(),
    }
    write_run(chosen.out, "experiments/unseen_people/run.py", options, seed=None, data_digest=None)
    print(as_markdown(found))


if __name__ == "__main__":
    main()

"""Ten digits drawn in the air under a 19 kHz tone: real echoes, eight people, two rooms.

    python experiments/gestures/run.py PACK [--out FOLDER] [--work FOLDER] [--methods svm mien ...]

PACK is the folder with `labels.csv` and `iq_baseband_2100hz.npz`. The recordings become a study (300 MB in the work
folder), every protocol is evaluated with three seeds, and `--out` gets results.csv, summary.csv, run.json and one
report per protocol. An interrupted run goes on where it stopped.

The front end is `Doppler()` and every method stands at its defaults, but that networks are stopped by the loss as it
stands, and that the residual ones are made narrower and trained for half as long to fit a CPU. Within a fold nothing
sees the test people: networks stop early on people of the training side. The front end's setting was looked at on these
same people beforehand, as `docs/results.md` tells in full.
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from mien.datasets.extract import extract
from mien.datasets.gestures import import_gestures
from mien.datasets.study import Study
from mien.evaluation.benchmark import evaluate
from mien.evaluation.report import write_report
from mien.evaluation.results import Results, write_table
from mien.files import write_text
from mien.progress import talk
from mien.provenance import write_run
from mien.sensing.doppler import Doppler
from mien.sensing.front_ends import front_end_to_json

PROTOCOLS = ("leave-out:subject", "transfer:place=lab:out", "transfer:place=out:lab")
METHODS = ("svm", "linear", "mien", "resnet", "facer")
STOPPED = {"early_stopping": "loss"}
"""What the committed results were made with, when that was the default."""
OPTIONS = {"mien": STOPPED} | {name: {"width": 8, "epochs": 20} | STOPPED for name in ("resnet", "facer")}
SEEDS = (0, 1, 2)
TO_BEAT = {"leave-out:subject": 0.605, "transfer:place=lab:out": 0.455, "transfer:place=out:lab": 0.521}
"""Accuracy of a Doppler spectrogram, principal components and a support vector machine on the same pack."""

IN_WORDS = {
    "leave-out:subject": "each person left out",
    "transfer:place=lab:out": "lab to out",
    "transfer:place=out:lab": "out to lab",
}


def run_protocol(study: Study, methods: list[str], protocol: str, work: Path, n_jobs: int) -> Results:
    """Evaluate methods by one protocol, resuming what an earlier run left."""
    front_end = Doppler()
    features = extract(study, front_end, n_jobs=n_jobs)
    parts = []
    for method in methods:
        talk.print(f"{method} by {protocol}", highlight=False)
        out = work / protocol.replace(":", "-").replace("=", "-") / method
        found = evaluate(
            study,
            [method],
            protocol,
            n_folds=study.table["subject"].nunique(),
            seeds=SEEDS,
            front_ends={method: front_end},
            options={method: OPTIONS[method]} if method in OPTIONS else None,
            features={method: features},
            n_jobs=n_jobs,
            out=out,
            resume=out.is_dir(),
        )
        parts.append(found)
    return joined(parts)


def joined(parts: list[Results]) -> Results:
    """Return the results of several methods by one protocol as one."""
    results = pd.concat([part.results for part in parts], ignore_index=True)
    results = results[results["scored_unit"] == "take"]  # a take is one window here: the other rows would say the same
    predictions = pd.concat([part.predictions for part in parts], ignore_index=True)
    facts = dict(parts[0].facts)
    plan = dict(facts["plan"])
    plan["methods"] = {name: value for part in parts for name, value in part.facts["plan"]["methods"].items()}
    return Results(results, predictions, facts | {"plan": plan})


def summary_of(found: dict[str, Results]) -> pd.DataFrame:
    """Return one row per protocol, method and adaptation: scores over takes with intervals over people."""
    parts = []
    for protocol, results in found.items():
        table = results.summary()
        table = table[table["scored_unit"] == "take"].drop(columns="scored_unit")
        table.insert(0, "protocol", protocol)
        per_seed = results.results[results.results["scored_unit"] == "take"]
        correct = per_seed["accuracy"] * per_seed["n_takes"]
        sums = per_seed.assign(correct=correct).groupby(["method", "adaptation", "seed"])[["correct", "n_takes"]].sum()
        spread = (sums["correct"] / sums["n_takes"]).groupby(["method", "adaptation"]).std(ddof=0)
        table["accuracy_sd_seeds"] = [spread[key] for key in zip(table["method"], table["adaptation"], strict=True)]
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def as_markdown(summary: pd.DataFrame) -> str:
    """Return the table for the documentation: accuracy over takes, 95 % interval over people."""
    protocols = [protocol for protocol in PROTOCOLS if protocol in set(summary["protocol"])]
    lines = ["| method | adaptation | " + " | ".join(IN_WORDS[protocol] for protocol in protocols) + " |"]
    lines += ["|---|---|" + "---|" * len(protocols)]
    lines += ["| to beat | | " + " | ".join(f"{TO_BEAT[protocol]:.3f}" for protocol in protocols) + " |"]
    for method, adaptation in dict.fromkeys(zip(summary["method"], summary["adaptation"], strict=True)):
        here = summary[(summary["method"] == method) & (summary["adaptation"] == adaptation)].set_index("protocol")
        cells = []
        for protocol in protocols:
            row = here.loc[protocol]
            cells.append(
                f"{row['accuracy']:.3f} ({row['accuracy_low']:.2f}-{row['accuracy_high']:.2f}), "
                f"F1 {row['macro_f1']:.3f}, seeds ±{row['accuracy_sd_seeds']:.3f}"
            )
        lines.append(f"| {method} | {adaptation} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path, help="folder with labels.csv and iq_baseband_2100hz.npz")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument(
        "--work", type=Path, default=Path("out/gestures"), help="folder for the study and unfinished jobs"
    )
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    study = import_gestures(options.pack, options.work / "study", resume=(options.work / "study").is_dir())
    found = {p: run_protocol(study, options.methods, p, options.work, options.jobs) for p in PROTOCOLS}
    options.out.mkdir(parents=True, exist_ok=True)
    for protocol, results in found.items():
        page = options.work / "reports" / protocol.replace(":", "-").replace("=", "-")
        page.mkdir(parents=True, exist_ok=True)
        write_report(results, study, page, command="python experiments/gestures/run.py PACK")
    write_table(options.out / "results.csv", pd.concat([r.results for r in found.values()], ignore_index=True))
    summary = summary_of(found)
    write_table(options.out / "summary.csv", summary)
    write_text(options.out / "table.md", as_markdown(summary))
    plans = {protocol: results.facts["plan"] for protocol, results in found.items()}
    resolved = {
        "front_end": front_end_to_json(Doppler()),
        "methods": options.methods,
        "plans": json.loads(json.dumps(plans)),
    }
    write_run(options.out, "experiments/gestures/run.py", resolved, seed=SEEDS[0], data_digest=study.digest)
    print(as_markdown(summary))


if __name__ == "__main__":
    main()

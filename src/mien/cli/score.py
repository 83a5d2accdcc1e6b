"""The commands that score methods: the demo, an evaluation, a paper run again."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import FrontEnd, Jobs, Json, Options, Resume, Seed, SkipBad
from mien.terminal import (
    numbers,
    options_of,
    parsed_front_end,
    print_json,
    refuse_finished,
    say,
    show,
    show_scores,
    usable_takes,
)

SHOWN = {
    "The paper's cases, and ours (simulated; chance 0.167)": "beside",
    "Takes named right, every method in every case": "every",
    "One thing changed": "ablations",
    "Seconds of one core over all cases": "time",
}
"""Title -> table of a reproduction, as the terminal shows them."""


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the study, the results and report.html.")] = Path(
        "demo"
    ),
    seed: Seed = 0,
    jobs: Jobs = 2,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Simulate a small study, train FacER, score it on people it has never heard, write report.html.

    Under 3 minutes on 2 cores.

    Example: mien demo --out demo
    """
    from mien.demo import run_demo

    refuse_finished(out, "results.csv", "a finished evaluation", "evaluate", resume)
    results = run_demo(out, seed=seed, n_jobs=jobs, resume=resume)
    show_scores(results, as_json)
    say(f"report: {out / 'report.html'}")


def evaluate(
    arguments: Annotated[
        list[str], typer.Argument(metavar="METHOD... STUDY", help="Methods, then the study's folder.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for results.csv, predictions.csv, report.html, run.json.")],
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol", help="mixed, leave-out:COLUMN, last-takes:N, transfer:COLUMN=A:B, subjects:3/1/1, ..."
        ),
    ] = "leave-out:subject",
    folds: Annotated[int, typer.Option("--folds", min=2, help="Folds of mixed and leave-out:subject.")] = 5,
    seeds: Annotated[str, typer.Option("--seeds", help="Comma-separated seeds, each a whole evaluation.")] = "0",
    trainings: Annotated[
        int | None,
        typer.Option(
            "--trainings",
            min=1,
            help="Trainings of every network on every split: 3 unless given, 5 where there are fewer than 3 splits. "
            "svm and linear are fitted once.",
        ),
    ] = None,
    adaptations: Annotated[
        str,
        typer.Option(
            "--adaptations",
            help="Comma-separated: none, inductive, inductive-N (N unlabelled takes per person), transductive, "
            "calibrated-N (a neutral clip and N labelled takes per expression).",
        ),
    ] = "none,inductive,transductive",
    neutral: Annotated[
        str, typer.Option("--neutral", help="What neutral takes are: a class, or only a reference to calibrate with.")
    ] = "class",
    front_end: FrontEnd = None,
    option: Options = None,
    jobs: Jobs = 2,
    skip_bad: SkipBad = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Score methods by a protocol and write a report.

    Takes that the study's table marks as no-probe are left out and named.

    Example: mien evaluate svm linear study --protocol leave-out:subject --folds 2 --out results
    """
    from mien.datasets.study import load_study
    from mien.evaluation.benchmark import evaluate as run
    from mien.evaluation.report import report_from_folder
    from mien.recognizer import Recognizer, parse_options

    if len(arguments) < 2:
        raise typer.BadParameter("at least one method and the study are needed", param_hint="METHOD... STUDY")
    *methods, study = arguments
    refuse_finished(out, "results.csv", "a finished evaluation", "evaluate", resume)
    loaded = load_study(Path(study))
    chosen = parsed_front_end(front_end)
    changes = {method: parse_options(method, options_of(method, methods, option or [])) for method in methods}
    hearing = [Recognizer(method, chosen, loaded.probe, changes[method]).front_end for method in methods]
    loaded = usable_takes(loaded, list(dict.fromkeys(hearing)), skip_bad, jobs)
    results = run(
        loaded,
        tuple(methods),
        protocol,
        n_folds=folds,
        seeds=numbers(seeds, "--seeds"),
        n_trainings=trainings,
        adaptations=tuple(adaptations.split(",")),
        neutral=neutral,
        front_ends=dict.fromkeys(methods, chosen) if chosen else {},
        options=changes if option else {},
        n_jobs=jobs,
        out=out,
        resume=resume,
    )
    report_from_folder(out, loaded)
    show_scores(results, as_json)
    say(f"report: {out / 'report.html'}")


def reproduce(
    paper: Annotated[str, typer.Argument(metavar="PAPER", help="Which: facer.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for report.html, the tables, arrays and run.json.")],
    scale: Annotated[
        str,
        typer.Option(
            "--scale",
            help="small: minutes on 2 cores; bench: an hour, 3 seeds; paper: takes of 5 s, full width, for a GPU.",
        ),
    ] = "small",
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="Comma-separated, instead of the scale's; each makes its own people.")
    ] = None,
    jobs: Jobs = 2,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Run a paper's whole evaluation on simulated people: its cases, baselines, tables and figures beside ours.

    Example: mien reproduce facer --scale small --out facer
    """
    from mien.reproduce.facer import reproduce_facer
    from mien.reproduce.facer.tables import as_text

    if paper != "facer":
        raise typer.BadParameter(f"{paper!r}; known is: facer", param_hint="PAPER")
    refuse_finished(out, "run.json", "a finished reproduction", "reproduce facer", resume)
    chosen = None if seeds is None else numbers(seeds, "--seeds")
    made = reproduce_facer(out, scale, seeds=chosen, n_jobs=jobs, resume=resume)
    if as_json:
        print_json(json.loads(made.tables["scores"].to_json(orient="records")))
    else:
        for title, name in SHOWN.items():
            show("\n".join([f"{title}\n", *as_text(made.tables[name]), ""]))
    say(f"report: {out / 'report.html'}")

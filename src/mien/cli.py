"""The command line: a thin skin over the library. Results go to standard output, talk to standard error.

Exit codes: 0 done, 1 an error stated on one line, 2 wrong usage, 130 interrupted.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.errors import MienError
from mien.progress import talk
from mien.terminal import (
    numbers,
    options_of,
    parsed_front_end,
    print_json,
    print_table,
    refuse_finished,
    say,
    show_model,
    show_scores,
    show_study,
)

INTERRUPTED = 130

app = typer.Typer(
    name="mien",
    help="Facial expressions from sound: check a device, simulate or import a study, train, score, recognise.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Every random choice follows from it.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Processes to use; results do not depend on it.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")]
FrontEnd = Annotated[
    str | None,
    typer.Option("--front-end", metavar="KIND[:NAME=VALUE,...]", help="Features, e.g. range-profile:window_s=0.5"),
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option", metavar="NAME=VALUE", help="Of the method, e.g. epochs=20 or facer.epochs=20; repeatable."
    ),
]
StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="The study's folder.")]
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="The model's folder.")]
OutModel = Annotated[Path, typer.Option("--out", help="Folder of the model to write.")]


def main() -> None:
    """Run the command line; every `MienError` becomes one line and exit code 1."""
    try:
        app()
    except MienError as error:
        talk.print(f"mien: {' '.join(str(error).split())}", style="red", highlight=False, markup=False)
        sys.exit(1)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            say("mien: interrupted; what was finished is kept" + _way_on())
        raise


@app.command()
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

    results = run_demo(out, seed=seed, n_jobs=jobs, resume=resume)
    show_scores(results, as_json)
    say(f"report: {out / 'report.html'}")


@app.command()
def probe(
    source: Annotated[Path, typer.Option("--from", metavar="FILE", help="A recording of a sweep, WAV or FLAC.")],
    sweep_hz: Annotated[
        tuple[float, float],
        typer.Option("--sweep-hz", metavar="LOW HIGH", help="First and last frequency of the sweep."),
    ] = (0.0, 24_000.0),
    sweep_s: Annotated[float, typer.Option("--sweep-s", min=0.01, help="Length of one sweep in seconds.")] = 4.0,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Write the response as a picture, .png or .svg.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say from a recorded sweep what a device can do: response and signal-to-noise per kHz, faults, the band to use.

    Example: mien probe --from sweep.wav --sweep-hz 0 24000 --sweep-s 4
    """
    from mien.device import probe_from_file

    report = probe_from_file(source, sweep_hz, sweep_s)
    if picture is not None:
        from mien.evaluation.figures_device import response_figure
        from mien.files import write_atomically

        figure = response_figure(report)
        write_atomically(picture, lambda path: figure.savefig(path, dpi=150))
    if as_json:
        print_json(report.to_json())
        return
    print_table(report.table())
    print("\n".join(report.lines()))
    if report.recommended is not None and len(report.channels) > 1:
        print(f"use channel {report.recommended.channel}")


@app.command()
def simulate(
    study: StudyPath,
    subjects: Annotated[int, typer.Option("--subjects", min=1, help="People.")] = 12,
    level: Annotated[str, typer.Option("--level", help="Difficulty: easy, medium, hard or wild.")] = "medium",
    takes: Annotated[int, typer.Option("--takes", min=1, help="Takes per expression, person and mask.")] = 10,
    duration_s: Annotated[float, typer.Option("--duration-s", help="Length of a take in seconds.")] = 1.0,
    mask: Annotated[str, typer.Option("--mask", help="open, mask or both.")] = "open",
    places: Annotated[str, typer.Option("--places", help="Comma-separated places.")] = "office,dining-hall,garden",
    neutral_takes: Annotated[
        int, typer.Option("--neutral-takes", min=0, help="Neutral takes per person and mask.")
    ] = 0,
    microphones: Annotated[int, typer.Option("--microphones", min=1, max=2)] = 1,
    device: Annotated[
        str | None, typer.Option("--device", help="A phone's name, 'reference', or nothing for what the level says.")
    ] = None,
    facets: Annotated[int, typer.Option("--facets", help="Facets of the face, 6000 to 60000.")] = 8_000,
    face_folder: Annotated[
        Path | None, typer.Option("--face-folder", help="An ICT-FaceKit folder, for its faces instead of our own.")
    ] = None,
    men: Annotated[int | None, typer.Option("--men", min=0, help="How many are men; half when not given.")] = None,
    band_hz: Annotated[tuple[float, float], typer.Option("--band-hz", metavar="LOW HIGH", help="The chirp's band.")] = (
        19_000.0,
        23_000.0,
    ),
    seed: Seed = 0,
    jobs: Jobs = 2,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Simulate a study of echoes: faces, echoes, sound, in the same format as a collected one.

    Example: mien simulate study --subjects 4 --takes 4 --level easy
    """
    from mien.datasets.simulated import simulate_study
    from mien.probe import Chirp
    from mien.simulate.options import SimulationOptions

    masks = {"open": ("open",), "mask": ("mask",), "both": ("open", "mask")}.get(mask)
    if masks is None:
        raise typer.BadParameter(f"{mask!r}; choose open, mask or both", param_hint="--mask")
    options = SimulationOptions(
        n_subjects=subjects,
        level=level,
        n_takes=takes,
        duration_s=duration_s,
        masks=masks,
        places=tuple(places.split(",")),
        n_neutral_takes=neutral_takes,
        n_microphones=microphones,
        device=device,
        n_facets=facets,
        face_folder=None if face_folder is None else str(face_folder),
        sex_counts=None if men is None else (men, subjects - men),
        probe=Chirp(low_hz=band_hz[0], high_hz=band_hz[1]),
        seed=seed,
    )
    simulate_study(study, options, n_jobs=jobs, resume=resume)
    show_study(study, as_json)


@app.command(name="import")
def import_(
    kind: Annotated[str, typer.Argument(help="What is imported: gestures.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Its folder.")],
    study: StudyPath,
    source: Annotated[
        str, typer.Option("--source", help="gestures: baseband (all clips) or raw (the WAV files).")
    ] = "baseband",
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Bring a corpus into a study. gestures: real recordings of in-air digits under a 19 kHz tone.

    Example: mien import gestures gesture_pack gestures
    """
    from mien.datasets.gestures import import_gestures

    if kind != "gestures":
        raise typer.BadParameter(f"{kind!r}; known is: gestures", param_hint="KIND")
    if source not in ("baseband", "raw"):
        raise typer.BadParameter(f"{source!r}; choose baseband or raw", param_hint="--source")
    import_gestures(path, study, source="raw" if source == "raw" else "baseband", resume=resume)
    show_study(study, as_json)


@app.command()
def check(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A study's folder, or one recording.")],
    jobs: Jobs = 2,
    as_json: Json = False,
) -> None:
    """Name every fault of a study or a recording; change nothing. Exits 1 when there is an error.

    Example: mien check study
    """
    from mien.datasets.check import check_path

    faults = check_path(path, n_jobs=jobs)
    if as_json:
        print_json([{"severity": f.severity, "path": str(f.path), "message": f.message} for f in faults])
    else:
        for fault in faults:
            print(f"{fault.severity}: {fault.path}: {fault.message}")
    n_errors = sum(fault.severity == "error" for fault in faults)
    say(f"{path}: {n_errors} errors, {len(faults) - n_errors} warnings")
    if n_errors:
        raise typer.Exit(1)


@app.command()
def train(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="facer, resnet, svm, linear or mien.")],
    study: StudyPath,
    out: OutModel,
    front_end: FrontEnd = None,
    option: Options = None,
    seed: Seed = 0,
    jobs: Jobs = 2,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train one recognizer on all labelled takes of a study.

    Example: mien train facer study --out model --option width=8 --option epochs=2 --option adaptation_epochs=1
    """
    from mien.datasets.study import load_study
    from mien.provenance import write_run
    from mien.recognizer import Recognizer, parse_options

    if not resume:
        refuse_finished(out, "recognizer.json", "a model")
    loaded = load_study(study)
    recognizer = Recognizer(
        method, parsed_front_end(front_end), loaded.probe, parse_options(method, option or []), seed
    )
    recognizer.fit(loaded, checkpoints=out / "checkpoints", resume=resume, n_jobs=jobs).save(out)
    write_run(out, "train", recognizer.describe(), seed=seed, data_digest=loaded.digest)
    show_model(out, recognizer.describe(), as_json)


@app.command()
def adapt(
    model: ModelPath, study: StudyPath, out: OutModel, seed: Seed = 0, jobs: Jobs = 2, as_json: Json = False
) -> None:
    """Adapt a facer model to unlabelled takes of new people; labels in the study are not read.

    Example: mien adapt model study --out adapted
    """
    from mien.datasets.study import load_study
    from mien.provenance import write_run
    from mien.recognizer import Recognizer

    refuse_finished(out, "recognizer.json", "a model")
    loaded = load_study(study)
    adapted = Recognizer.load(model).adapt(loaded, seed=seed, n_jobs=jobs)
    adapted.save(out)
    write_run(out, "adapt", adapted.describe(), seed=seed, data_digest=loaded.digest)
    show_model(out, adapted.describe(), as_json)


@app.command()
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
    adaptations: Annotated[
        str, typer.Option("--adaptations", help="Comma-separated: none, inductive, transductive.")
    ] = "none,inductive,transductive",
    front_end: FrontEnd = None,
    option: Options = None,
    jobs: Jobs = 2,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Score methods by a protocol and write a report.

    Example: mien evaluate svm linear study --protocol leave-out:subject --folds 2 --out results
    """
    from mien.datasets.study import load_study
    from mien.evaluation.benchmark import evaluate as run
    from mien.evaluation.report import report_from_folder
    from mien.recognizer import parse_options

    if len(arguments) < 2:
        raise typer.BadParameter("at least one method and the study are needed", param_hint="METHOD... STUDY")
    *methods, study = arguments
    if not resume:
        refuse_finished(out, "results.csv", "a finished evaluation")
    loaded = load_study(Path(study))
    chosen = parsed_front_end(front_end)
    changes = {method: parse_options(method, options_of(method, methods, option or [])) for method in methods}
    results = run(
        loaded,
        tuple(methods),
        protocol,
        n_folds=folds,
        seeds=numbers(seeds, "--seeds"),
        adaptations=tuple(adaptations.split(",")),
        front_ends=dict.fromkeys(methods, chosen) if chosen else {},
        options=changes if option else {},
        n_jobs=jobs,
        out=out,
        resume=resume,
    )
    report_from_folder(out, loaded)
    show_scores(results, as_json)
    say(f"report: {out / 'report.html'}")


@app.command()
def recognize(
    model: ModelPath,
    file: Annotated[Path, typer.Argument(metavar="INPUT", help="A recording, WAV or FLAC, or a folder of them.")],
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV on standard output.")] = False,
) -> None:
    """Recognise the expressions in a recording: a row per window with its probabilities, confidence and quality.

    Example: mien recognize model study/sub-001/ses-01/sub-001_ses-01_take-0001_echo.flac --csv
    """
    import pandas as pd

    from mien.recognizer import Recognizer, recordings_in

    recognizer = Recognizer.load(model)
    heard = recordings_in(file, recognizer.probe)
    rows = pd.concat([recognizer.predict_proba(recording).assign(file=name) for name, recording in heard])
    if not file.is_dir():
        rows = rows.drop(columns="file")
    if as_json:
        print_json(json.loads(rows.to_json(orient="records")))
    elif as_csv:
        print(rows.to_csv(index=False, float_format="%.4f"), end="")
    else:
        print(rows.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    if recognizer.simulated:
        say("trained on simulated people only: on real faces these probabilities are untested")


@app.command()
def version() -> None:
    """Print the version.

    Example: mien version
    """
    import mien

    print(mien.__version__)


def _way_on() -> str:
    """Return how an interrupted command goes on, where it can."""
    commands: dict[str, Any] = getattr(typer.main.get_command(app), "commands", {})
    command = commands.get(sys.argv[1] if len(sys.argv) > 1 else "")
    resumes = command is not None and any("--resume" in option.opts for option in command.params)
    return ", and the same command with --resume goes on from it" if resumes else ""

"""The commands about one model: train it, adapt it, calibrate it, let it recognise."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import FrontEnd, Jobs, Json, ModelPath, Options, OutModel, Resume, Seed, SkipBad, StudyPath
from mien.errors import MienError, RecordingError, StorageError
from mien.terminal import parsed_front_end, print_json, refuse_finished, say, show, show_model, usable_takes

if TYPE_CHECKING:
    import pandas as pd

    from mien.recognizer import Recognizer

HOP_S = 0.05
"""From one answer of a stream to the next."""


def train(
    method: Annotated[
        str, typer.Argument(metavar="METHOD", help="facer, resnet, xhar, dann, sonicface, svm, linear or mien.")
    ],
    study: StudyPath,
    out: OutModel,
    front_end: FrontEnd = None,
    option: Options = None,
    seed: Seed = 0,
    jobs: Jobs = 2,
    skip_bad: SkipBad = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train one recognizer on all labelled takes of a study.

    Takes that its table marks as no-probe are left out and named.

    Example: mien train facer study --out model --option width=8 --option epochs=2 --option adaptation_epochs=1
    """
    from mien.datasets.study import load_study
    from mien.provenance import write_run
    from mien.recognizer import Recognizer, parse_options

    refuse_finished(out, "recognizer.json", "a model", "train", resume)
    loaded = load_study(study)
    recognizer = Recognizer(
        method, parsed_front_end(front_end), loaded.probe, parse_options(method, option or []), seed
    )
    loaded = usable_takes(loaded, [recognizer.front_end], skip_bad, jobs)
    if (out / "recognizer.json").exists():
        recognizer = _finished(out, recognizer, loaded.digest)
        show_model(out, recognizer.describe(), as_json)
        return
    recognizer.fit(loaded, checkpoints=out / "checkpoints", resume=resume, n_jobs=jobs).save(out)
    write_run(out, "train", recognizer.describe(), seed=seed, data_digest=loaded.digest)
    show_model(out, recognizer.describe(), as_json)


def _finished(out: Path, asked: "Recognizer", digest: str) -> "Recognizer":
    """Return the model that is there, where it is the one asked for.

    Raises:
        StorageError: it is another, and would be written over.
    """
    from mien.recognizer import Recognizer

    found = Recognizer.load(out)
    wanted, there = asked.describe(), found.describe()
    others = [name for name in ("method", "options", "front_end", "probe", "seed") if wanted[name] != there[name]]
    if found.training.digest != digest:
        others.append("study")
    if others:
        raise StorageError(f"{out} holds a finished model of another {others[0]}; choose another --out, or delete it")
    return found


def adapt(
    model: ModelPath,
    study: StudyPath,
    out: OutModel,
    seed: Seed = 0,
    jobs: Jobs = 2,
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Adapt a facer, xhar or dann model to unlabelled takes of new people; labels in the study are not read.

    Example: mien adapt model study --out adapted
    """
    from mien.datasets.study import load_study
    from mien.provenance import write_run
    from mien.recognizer import Recognizer

    refuse_finished(out, "recognizer.json", "a model", "adapt")
    recognizer = Recognizer.load(model)
    loaded = usable_takes(load_study(study), [recognizer.front_end], skip_bad, jobs)
    adapted = recognizer.adapt(loaded, seed=seed, n_jobs=jobs)
    adapted.save(out)
    write_run(out, "adapt", adapted.describe(), seed=seed, data_digest=loaded.digest)
    show_model(out, adapted.describe(), as_json)


def calibrate(
    model: ModelPath,
    study: StudyPath,
    out: OutModel,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Whose takes; needed where the study has several people.")
    ] = None,
    jobs: Jobs = 2,
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Calibrate a model to one person: their neutral clip, and 1, 2 or 4 labelled takes of each expression.

    It takes seconds. The study's takes of other people and those without a label are left out.

    Example: mien calibrate model study --subject 001 --out mine
    """
    import numpy as np

    from mien.datasets.study import load_study
    from mien.identifiers import normal
    from mien.provenance import write_run
    from mien.recognizer import Recognizer, is_labelled

    refuse_finished(out, "recognizer.json", "a model", "calibrate")
    recognizer = Recognizer.load(model)
    loaded = usable_takes(load_study(study), [recognizer.front_end], skip_bad, jobs)
    labelled = is_labelled(loaded.table["expression"].to_numpy(dtype=object))
    same = [subject is None or normal(other) == normal(subject) for other in loaded.table["subject"].astype(str)]
    theirs = np.array(same, dtype=bool)
    if subject is not None and not theirs.any():
        known = ", ".join(sorted(loaded.table["subject"].astype(str).unique()))
        raise typer.BadParameter(f"{subject!r}; {study} holds {known}", param_hint="--subject")
    calibrated = recognizer.calibrate(loaded, np.flatnonzero(labelled & theirs), n_jobs=jobs)
    calibrated.save(out)
    write_run(out, "calibrate", calibrated.describe(), seed=calibrated.seed, data_digest=loaded.digest)
    told = calibrated.training
    say(f"calibrated to {told.calibrated_takes} labelled and {told.neutral_takes} neutral takes of one person")
    if told.neutral_takes and not calibrated.uses_neutral:
        say("this model has no use for a neutral clip: those takes changed nothing in it")
    show_model(out, calibrated.describe(), as_json)


def recognize(
    model: ModelPath,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[INPUT]",
            help="A recording (FLAC, WAV, RF64, W64, AIFF, CAF), or a folder of them; - for WAV or text rows on "
            "standard input; a file or folder of text rows (.txt, .csv) of the FacER app. None with --live.",
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Listen to a sound card, emitting the model's probe.")] = False,
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="With --live: a part of the sound card's name.")
    ] = None,
    neutral: Annotated[
        Path | None,
        typer.Option("--neutral", metavar="FILE", help="A recording of the person's face at rest, WAV or FLAC."),
    ] = None,
    channel: Annotated[
        int | None,
        typer.Option("--channel", min=0, help="Of several, from 0; without it the one with the stronger probe."),
    ] = None,
    hop_s: Annotated[
        float | None,
        typer.Option("--hop", metavar="SECONDS", min=0.01, help=f"Of a stream: between answers; {HOP_S} by default."),
    ] = None,
    duration_s: Annotated[
        float | None, typer.Option("--seconds", min=1.0, help="With --live: stop after so long, not at Ctrl-C.")
    ] = None,
    lsl: Annotated[
        bool, typer.Option("--lsl", help="Of a stream: send the answers over the Lab Streaming Layer as well.")
    ] = False,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV on standard output.")] = False,
) -> None:
    """Recognise expressions in a recording, or as they happen: probabilities, confidence and quality of each window.

    MODEL is a folder, or the word builtin for the model that comes with the package. Recordings give a row per window,
    a stream a line per change of the answer; with --csv or --json (one object a line) every window. What a stream is
    heard against is the face at rest in the last seconds, or --neutral. A file of a folder that cannot be read is
    named, the others are answered, and the exit code is 1.

    Example: mien recognize model study/sub-001/ses-01/sub-001_ses-01_take-0001_echo.flac --csv

    Example: mien recognize builtin --live --device usb

    Example: arecord -f S16_LE -r 48000 -t wav | mien recognize builtin - --csv
    """
    from mien.cli.live import is_stream, recognize_live, recognize_stream
    from mien.recognizer import Recognizer

    if live != (file is None):
        raise typer.BadParameter("name an INPUT or ask for --live, one of them", param_hint="INPUT")
    _refuse_idle_options(file, live, device, duration_s, lsl, hop_s, channel)
    if as_json and as_csv:
        raise typer.BadParameter("ask for one of them", param_hint="--json, --csv")
    recognizer = Recognizer.load(model)
    form = "json" if as_json else "csv" if as_csv else "words"
    hop_s = HOP_S if hop_s is None else hop_s
    if file is None:
        _say_what_it_is(recognizer, model)
        recognize_live(recognizer, device, neutral, hop_s, lsl, form, duration_s)
        return
    if is_stream(file):
        failed = recognize_stream(recognizer, file, neutral, hop_s, lsl, form, channel)
    else:
        failed = _recognize_recordings(recognizer, file, neutral, form, channel)
    _say_what_it_is(recognizer, model)
    if failed:
        raise RecordingError(f"{len(failed)} files of {file} could not be recognised: {', '.join(failed)}")


def _refuse_idle_options(
    file: Path | None,
    live: bool,
    device: str | None,
    duration_s: float | None,
    lsl: bool,
    hop_s: float | None,
    channel: int | None,
) -> None:
    """Refuse options that would change nothing.

    Raises:
        typer.BadParameter: naming them.
    """
    from mien.cli.live import is_stream

    of_a_card = {"--device": device is not None, "--seconds": duration_s is not None}
    of_a_stream = {"--lsl": lsl, "--hop": hop_s is not None}
    if idle := [name for name, given in of_a_card.items() if given and not live]:
        raise typer.BadParameter("this is for --live", param_hint=", ".join(idle))
    if live and channel is not None:
        raise typer.BadParameter(
            "this is for an INPUT; a card is opened with the model's channels", param_hint="--channel"
        )
    if file is not None and not is_stream(file) and (idle := [name for name, given in of_a_stream.items() if given]):
        raise typer.BadParameter("this is for a stream, and INPUT is a recording", param_hint=", ".join(idle))


def _recognize_recordings(
    recognizer: "Recognizer", file: Path, neutral: Path | None, form: str, channel: int | None
) -> list[str]:
    """Print a row per window of a recording, or of all in a folder that can be read; return which cannot."""
    import pandas as pd

    from mien.labels import NEUTRAL
    from mien.recognizer.builtin import ASSUMED, NO_NEUTRAL
    from mien.recognizer.hearing import assumes_neutral, fitting, sounds_in
    from mien.recording import read_recording

    clip = None if neutral is None else read_recording(neutral, recognizer.probe)
    if clip is not None and getattr(recognizer.front_end, "neutral", None) != "clip":
        say("this model hears a recording against its own beginning: --neutral is of no use to it, but for a stream")
    for note in () if clip is None else clip.notes:
        say(f"{neutral}: {note}")
    n_microphones = recognizer.training.n_microphones
    parts, failed, assumed = [], [], False
    for path in sounds_in(file):
        name = str(path.relative_to(file)) if file.is_dir() else path.name
        try:
            recording = read_recording(path, recognizer.probe)
            heard = fitting(recording, recognizer.probe, n_microphones, recognizer.front_end, channel)
            parts.append(recognizer.predict_proba(heard, clip).assign(file=name))
        except MienError as error:
            if not file.is_dir():
                raise
            say(f"{name}: {' '.join(str(error).split())}")
            failed.append(name)
            continue
        assumed = assumed or assumes_neutral(recognizer.front_end, recording)
        for note in heard.notes:
            say(f"{name}: {note}")
    if parts:
        rows = pd.concat(parts)
        _print_rows(rows if file.is_dir() else rows.drop(columns="file"), form)
    if NEUTRAL not in recognizer.labels:
        say(NO_NEUTRAL)
    if assumed:
        say(ASSUMED)
    return failed


def _print_rows(rows: "pd.DataFrame", form: str) -> None:
    if form == "json":
        print_json(json.loads(rows.to_json(orient="records")))
    elif form == "csv":
        show(rows.to_csv(index=False, float_format="%.4f"), end="")
    else:
        show(rows.to_string(index=False, na_rep="n/a", float_format=lambda value: f"{value:.2f}"))


def _say_what_it_is(recognizer: "Recognizer", model: Path) -> None:
    from mien.recognizer.builtin import SIMULATED, offer

    if recognizer.simulated:
        say(SIMULATED)
    if recognizer.calibrates and not recognizer.training.calibrated_takes:
        say(offer(model))

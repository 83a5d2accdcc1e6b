"""How the command line reads its options and shows its results.

Whatever a command prints passes `say`, `show` or `print_json`: names and cells come from files of other people, and
what would act on a terminal is printed as an escape sequence.
"""

import io
import json
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import typer

from mien.errors import StorageError, escaped
from mien.files import read_json, refuse_unwritable
from mien.progress import talk


def say(text: str) -> None:
    """Say something to a person, on standard error."""
    talk.print(text, highlight=False, markup=False)


def speak_safely() -> None:
    """Let also what Python itself says, warnings and tracebacks, act on no terminal, and no encoding fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    as_formatted = warnings.formatwarning
    warnings.formatwarning = lambda *told: escaped(as_formatted(*told), keep="\n\t")
    sys.excepthook = lambda *error: say("".join(traceback.format_exception(*error)))


def show(text: str, end: str = "\n") -> None:
    """Print a result, on standard output, at once."""
    print(escaped(text, keep="\n\t"), end=end, flush=True)


def print_json(values: Any) -> None:
    """Print a result for machines, on standard output; JSON escapes what does not print."""
    show(json.dumps(values, indent=1))


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Print rows of text, the first one the header, right-aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        show("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def usable_takes(study: Any, front_ends: list[Any], skip_bad: bool, n_jobs: int) -> Any:
    """Return a study without the takes that cannot be used, and say which and what remains."""
    from mien.datasets.selection import usable

    kept, said = usable(study, front_ends, skip_bad=skip_bad, n_jobs=n_jobs)
    for line in said:
        say(line)
    return kept


def show_study(path: Path, as_json: bool) -> None:
    """Show what a study holds."""
    from mien.datasets.study import load_study

    study = load_study(path)
    table = study.table
    facts = {
        "path": str(path),
        "origin": study.origin,
        "subjects": int(table["subject"].nunique()),
        "takes": len(table),
    }
    print_json(facts) if as_json else say(", ".join(f"{name}: {value}" for name, value in facts.items()))


def show_model(path: Path, description: dict[str, Any], as_json: bool) -> None:
    """Show what a model is."""
    if as_json:
        print_json({"path": str(path)} | description)
    else:
        say(f"model: {path} ({path / 'MODEL_CARD.md'} says what it is)")


def show_scores(results: Any, as_json: bool) -> None:
    """Show the scores of an evaluation."""
    scores = results.summary()
    if as_json:
        print_json(scores.to_dict(orient="records"))
        return
    between = [f"{row.accuracy_low:.2f}-{row.accuracy_high:.2f}" for row in scores.itertuples()]
    shown = scores[["method", "adaptation", "scored_unit", "accuracy"]].assign(interval=between)
    shown = shown.join(scores[["macro_f1", "ece", "n_subjects", "n_trainings", "n_scored"]])
    show(shown.to_string(index=False, float_format=lambda value: f"{value:.3f}"))


WRITTEN = ("model.safetensors", "MODEL_CARD.md", "results.csv", "predictions.csv", "report.html")
"""What commands write into --out: where no run.json says that it is theirs, it is somebody's, and stays."""


def refuse_finished(out: Path, holds: str, what: str, command: str, resume: bool = False) -> None:
    """Refuse to write over what an earlier command finished, or where nothing can be written.

    Args:
        holds: the file that says so, and what to call it.
        command: who writes now; what another command wrote is never written over.
        resume: a run of the same command is gone on with.

    Raises:
        StorageError: naming what is there.
    """
    if os.path.exists(out) and not os.path.isdir(out):
        raise StorageError(f"{out} is a file; choose another --out")
    if (out / "takes.tsv").exists():
        raise StorageError(f"{out} is a study; choose another --out")
    refuse_unwritable(out)
    if not resume and (out / holds).exists():
        raise StorageError(f"{out} holds {what}; choose another --out, or delete it")
    if (out / "run.json").is_file():
        other = read_json(out / "run.json", StorageError).get("command")
        if other != command:
            whose = f"what `mien {other}` wrote" if isinstance(other, str) else "a run.json that is not mien's"
            raise StorageError(f"{out} holds {whose}; choose another --out, or delete it")
    elif not resume and (there := [name for name in WRITTEN if os.path.lexists(out / name)]):
        raise StorageError(f"{out} holds a {there[0]} already; choose another --out, or delete it")


def parsed_front_end(text: str | None) -> Any:
    """Return the front end that an option names, or None for the method's own."""
    from mien.sensing.front_ends import parse_front_end

    return None if text is None else parse_front_end(text)


def options_of(method: str, methods: list[str], texts: list[str]) -> list[str]:
    """Return the options meant for a method: NAME=VALUE for every method, METHOD.NAME=VALUE for one."""
    chosen = []
    for text in texts:
        owner, dot, rest = text.partition("=")[0].partition(".")
        if not dot:
            chosen.append(text)
        elif owner not in methods:
            raise typer.BadParameter(f"{text!r}; {owner!r} is none of {', '.join(methods)}", param_hint="--option")
        elif owner == method:
            chosen.append(text[len(owner) + 1 :])
    return chosen


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Return the whole numbers that an option lists."""
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r}; whole numbers with commas are needed", param_hint=option) from None

"""The command line: a thin skin over the library. Results go to standard output, talk to standard error.

Exit codes: 0 done, 1 an error stated on one line, 2 wrong usage, 130 interrupted.
"""

import sys
from typing import Any

import typer

from mien.cli.collect import collect
from mien.cli.device import probe
from mien.cli.model import adapt, calibrate, recognize, train
from mien.cli.score import demo, evaluate, reproduce
from mien.cli.serve import serve
from mien.cli.study import check, import_, simulate
from mien.errors import MienError
from mien.progress import talk
from mien.terminal import say

INTERRUPTED = 130

app = typer.Typer(
    name="mien",
    help="Facial expressions from sound: check a device, collect or simulate a study, train, score, recognise.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version() -> None:
    """Print the version.

    Example: mien version
    """
    import mien

    print(mien.__version__)


# The order of the flow, which is the order of the help.
for command in (
    demo,
    probe,
    collect,
    simulate,
    import_,
    check,
    train,
    adapt,
    calibrate,
    evaluate,
    recognize,
    serve,
    reproduce,
    version,
):
    app.command(name=command.__name__.rstrip("_"))(command)


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


def _way_on() -> str:
    """Return how an interrupted command goes on, where it can."""
    commands: dict[str, Any] = getattr(typer.main.get_command(app), "commands", {})
    command = commands.get(sys.argv[1] if len(sys.argv) > 1 else "")
    resumes = command is not None and any("--resume" in option.opts for option in command.params)
    return ", and the same command with --resume goes on from it" if resumes else ""

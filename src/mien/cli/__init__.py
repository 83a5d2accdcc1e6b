"""The command line: a thin skin over the library. Results go to standard output, talk to standard error.

Exit codes: 0 done, 1 an error stated on one line, 2 wrong usage, 130 interrupted.
"""

import errno
import os
import sys
from io import StringIO
from typing import Any, NoReturn

import typer

from mien.cli.collect import collect
from mien.cli.device import probe
from mien.cli.model import adapt, calibrate, recognize, train
from mien.cli.score import demo, evaluate, reproduce
from mien.cli.serve import serve
from mien.cli.study import check, import_, simulate
from mien.errors import MienError, WorkerLost
from mien.files import FULL
from mien.progress import talk
from mien.terminal import say, show, speak_safely

INTERRUPTED = 130

USAGE: Any = typer.BadParameter.__mro__[2]
"""What every error of usage is: click's `ClickException`, or typer's own copy of it."""

REFUSED = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM)
"""What the system says of a path that only the person who named it can change."""

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

    show(mien.__version__)


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
    """Run the command line; every `MienError`, and a disk that is full, becomes one line and exit code 1."""
    # Python puts the working folder before its own library in every process that joblib starts, unless told not to: a
    # study's `signal.py` would be run in place of Python's.
    os.environ["PYTHONSAFEPATH"] = "1"
    speak_safely()
    try:
        _run()
    except WorkerLost as error:
        _fail(f"{error}{_way_on()}")
    except MienError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno in FULL:
            _fail(f"{error.filename or 'what was to be shown or kept'} cannot be written: {FULL[error.errno]}")
        if error.errno not in REFUSED or error.filename is None:
            raise
        _fail(f"{error.filename} cannot be used: {error.strerror}; name another")
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            say("mien: interrupted; what was finished is kept" + _way_on())
        raise


def _run() -> NoReturn:
    """Run the command that was asked for. Wrong usage is said as all else is: typer would print words as they came."""
    try:
        code = app(standalone_mode=False)
    except USAGE as error:
        told = StringIO()
        error.show(told)
        say(told.getvalue().rstrip("\n"))
        code = error.exit_code
    except typer.Abort:
        say("Aborted!")
        code = 1
    sys.exit(code or 0)


def _fail(message: str) -> NoReturn:
    talk.print(f"mien: {' '.join(message.split())}", style="red", highlight=False, markup=False)
    sys.exit(1)


def _way_on() -> str:
    """Return how an interrupted command goes on, where it can."""
    commands: dict[str, Any] = getattr(typer.main.get_command(app), "commands", {})
    command = commands.get(sys.argv[1] if len(sys.argv) > 1 else "")
    resumes = command is not None and any("--resume" in option.opts for option in command.params)
    return ", and the same command with --resume goes on from it" if resumes else ""

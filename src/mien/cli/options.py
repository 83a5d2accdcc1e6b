"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
SkipBad = Annotated[
    bool,
    typer.Option("--skip-bad", help="Leave takes out that cannot be used, and name them, instead of stopping at one."),
]
StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="The study's folder.")]
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="The model's folder, or builtin.")]
OutModel = Annotated[Path, typer.Option("--out", help="Folder of the model to write.")]

"""The command about a device: can it do this?"""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import Json
from mien.terminal import print_json, print_table


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

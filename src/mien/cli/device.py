"""The command about a device: can it do this?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import Json
from mien.terminal import print_json, print_table, show

if TYPE_CHECKING:
    from mien.device import DeviceReport, LiveReport


def probe(
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="NAME", help="A part of the sound card's name, or microphone/loudspeaker."),
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Play nothing: judge a recording of a sweep.")
    ] = None,
    sweep_hz: Annotated[
        tuple[float, float],
        typer.Option("--sweep-hz", metavar="LOW HIGH", help="With --from: first and last frequency of the sweep."),
    ] = (0.0, 24_000.0),
    sweep_s: Annotated[
        float, typer.Option("--sweep-s", min=0.01, help="With --from: length of one sweep in seconds.")
    ] = 4.0,
    level: Annotated[
        float, typer.Option("--level", min=0.001, max=1.0, help="Peak of what is played, full scale 1.")
    ] = 0.3,
    microphones: Annotated[int, typer.Option("--microphones", min=1, help="How many to listen to.")] = 1,
    list_: Annotated[bool, typer.Option("--list", help="Play nothing: list the sound cards.")] = False,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="FILE", help="Keep what was recorded, .flac or .wav, and a .json beside it."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Write the response as a picture, .png or .svg.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a device can do: play sweeps and chirps for 21 s, listen, and answer with the band and probe to use.

    Response and signal-to-noise per kHz, gain control, echo cancellation, noise suppression, resampling, clipping, lost
    samples, clock drift, Bluetooth. The sweeps are heard; the chirps, by most adults, are not.

    Example: mien probe --from sweep.wav --sweep-hz 0 24000 --sweep-s 4

    Example: mien probe --device usb --picture response.png
    """
    if list_:
        _show_cards(as_json)
        return
    if picture is not None and picture.exists():
        from mien.errors import StorageError

        raise StorageError(f"--picture writes {picture}, which exists already; name another file, or remove it")
    if source is None:
        _probe_live(device, level, microphones, keep, picture, as_json)
        return
    if device is not None or keep is not None:
        raise typer.BadParameter("a recording is judged as it is; leave --device and --keep away", param_hint="--from")
    from mien.device import probe_from_file

    report = probe_from_file(source, sweep_hz, sweep_s)
    _draw(report, picture)
    if as_json:
        print_json(report.to_json())
        return
    print_table(report.table())
    show("\n".join(report.lines()))
    if report.recommended is not None and len(report.channels) > 1:
        show(f"use channel {report.recommended.channel}")


def _probe_live(
    device: str | None, level: float, microphones: int, keep: Path | None, picture: Path | None, as_json: bool
) -> None:
    from mien.capture import check_emission
    from mien.device.card_check import check_card

    if keep is not None:
        _refuse_to_keep(keep)
    emission = check_emission(level=level)
    checked = check_card(device, n_microphones=microphones, emission=emission)
    if keep is not None:
        from mien.recording import Recording, write_recording

        recording = Recording(checked.samples, emission.rate_hz, facts={"card": checked.report.name})
        write_recording(recording, keep, keep_audible=True)
    _draw(checked.report, picture)
    if as_json:
        print_json(checked.report.to_json())
        return
    print_table(checked.report.table())
    show("\n".join(checked.report.lines()))


def _refuse_to_keep(path: Path) -> None:
    """Raise a RecordingError for another kind of file, or a StorageError where one of the two to write is there."""
    from mien.errors import StorageError
    from mien.sound_files import sidecar_path, subtype_of

    subtype_of(path, None)
    for each in (path, sidecar_path(path)):
        if each.exists():
            raise StorageError(
                f"--keep writes {path} and beside it {sidecar_path(path).name}, but {each} exists already; name "
                "another file, or remove it"
            )


def _draw(report: "DeviceReport | LiveReport", picture: Path | None) -> None:
    if picture is None:
        return
    from mien.device import LiveReport
    from mien.evaluation.figures_device import live_figure, response_figure
    from mien.files import write_atomically

    figure = live_figure(report) if isinstance(report, LiveReport) else response_figure(report)
    write_atomically(picture, lambda path: figure.savefig(path, dpi=150))


def _show_cards(as_json: bool) -> None:
    from dataclasses import asdict

    from mien.capture import list_cards
    from mien.errors import DeviceError

    cards = list_cards()
    if as_json:
        print_json([asdict(card) for card in cards])
        return
    if not cards:
        raise DeviceError("no sound card was found; connect one, or start the sound system")
    rows: list[tuple[str, ...]] = [("number", "name", "system", "microphones", "loudspeakers", "default")]
    for card in cards:
        default = " ".join(
            word for word, yes in (("in", card.is_default_input), ("out", card.is_default_output)) if yes
        )
        rows.append((str(card.index), card.name, card.host, str(card.n_inputs), str(card.n_outputs), default))
    print_table(rows)

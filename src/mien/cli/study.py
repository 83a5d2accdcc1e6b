"""The commands about studies: simulate one, import one, check one."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import Jobs, Json, Resume, Seed, StudyPath
from mien.errors import LONGEST_MESSAGE, escaped, shortened
from mien.terminal import print_json, say, show, show_study


def simulate(
    study: StudyPath,
    subjects: Annotated[int, typer.Option("--subjects", min=1, help="People.")] = 12,
    level: Annotated[str, typer.Option("--level", help="Difficulty: easy, medium, hard or wild.")] = "medium",
    levels_version: Annotated[
        int, typer.Option("--levels-version", help="2, or 1: there the head's motion tells the expression.")
    ] = 2,
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
    facets: Annotated[
        int | None, typer.Option("--facets", help="Facets of the own face, 6000 to 60000; 8000 when not given.")
    ] = None,
    face: Annotated[str, typer.Option("--face", help="own or makehuman.")] = "own",
    face_folder: Annotated[
        Path | None, typer.Option("--face-folder", help="A folder of ICT-FaceKit or of MakeHuman, for its faces.")
    ] = None,
    shape_noise_mm: Annotated[
        float, typer.Option("--shape-noise-mm", help="Random relief on each face, beyond the model's own variety.")
    ] = 0.0,
    field_noise: Annotated[
        float, typer.Option("--field-noise", help="How differently each person's action units move, as a share.")
    ] = 0.0,
    head: Annotated[
        str,
        typer.Option("--head", help="Ablation of the head's motion: level (none), recipe, still or exchanged."),
    ] = "level",
    frozen_face: Annotated[bool, typer.Option("--frozen-face", help="Ablation: no action unit moves.")] = False,
    men: Annotated[int | None, typer.Option("--men", min=0, help="How many are men; drawn when not given.")] = None,
    band_hz: Annotated[tuple[float, float], typer.Option("--band-hz", metavar="LOW HIGH", help="The chirp's band.")] = (
        19_000.0,
        23_000.0,
    ),
    tones: Annotated[
        bool, typer.Option("--tones", help="Emit pure tones at 16, 17 and 18 kHz with the chirp, as sonicface needs.")
    ] = False,
    seed: Seed = 0,
    jobs: Jobs = 2,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Simulate a study of echoes: faces, echoes, sound, in the same format as a collected one.

    Example: mien simulate study --subjects 4 --takes 4 --level easy
    """
    from mien.datasets.simulated import simulate_study
    from mien.probe import Chirp, sonicface_probe
    from mien.simulate.options import N_FACETS, SimulationOptions

    masks = {"open": ("open",), "mask": ("mask",), "both": ("open", "mask")}.get(mask)
    if masks is None:
        raise typer.BadParameter(f"{mask!r}; choose open, mask or both", param_hint="--mask")
    if facets is not None and (face_folder is not None or face != "own"):
        raise typer.BadParameter("this is for the own face; others have their own facets", param_hint="--facets")
    chirp = Chirp(low_hz=band_hz[0], high_hz=band_hz[1])
    options = SimulationOptions(
        n_subjects=subjects,
        level=level,
        levels_version=levels_version,
        n_takes=takes,
        duration_s=duration_s,
        masks=masks,
        places=tuple(places.split(",")),
        n_neutral_takes=neutral_takes,
        n_microphones=microphones,
        device=device,
        n_facets=N_FACETS if facets is None else facets,
        face=face,
        face_folder=None if face_folder is None else str(face_folder),
        shape_noise_mm=shape_noise_mm,
        field_noise=field_noise,
        head=head,
        frozen_face=frozen_face,
        sex_counts=None if men is None else (men, subjects - men),
        probe=sonicface_probe(chirp) if tones else chirp,
        seed=seed,
    )
    simulate_study(study, options, n_jobs=jobs, resume=resume)
    show_study(study, as_json)


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


def check(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A study's folder, or one recording.")],
    jobs: Jobs = 2,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="First enter recordings that takes.tsv does not list, from unlisted/ too.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Write a mended copy beside a table that a spreadsheet changed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Name every fault of a study or a recording; change nothing unless asked to. Exits 1 when there is an error.

    Example: mien check study
    """
    from mien.datasets.check import check_path

    if adopt:
        _adopt(path)
    if repair:
        _repair(path)
    faults = check_path(path, n_jobs=jobs)
    if as_json:
        print_json([{"severity": f.severity, "path": str(f.path), "message": f.message} for f in faults])
    else:
        for fault in faults:
            show(escaped(f"{fault.severity}: {fault.path}: {shortened(fault.message, LONGEST_MESSAGE)}"))
    n_errors = sum(fault.severity == "error" for fault in faults)
    say(f"{path}: {n_errors} errors, {len(faults) - n_errors} warnings")
    if n_errors:
        raise typer.Exit(1)


def _adopt(path: Path) -> None:
    from mien.datasets.adopt import adopt

    made = adopt(path)
    for name, take in made.entered.items():
        say(f"{name} is entered as {take}")
    for name, why in made.left.items():
        say(f"{name} is left where it is: it {why}")
    say(f"{path}: {len(made.entered)} recordings entered, {len(made.left)} left")


def _repair(path: Path) -> None:
    from mien.datasets.repair import repair
    from mien.datasets.spreadsheet import diagnose

    copies = repair(path)
    for table, copy in copies.items():
        left = diagnose(copy, ()).findings
        is_now = f"mended but for {len(left)} faults, to mend by hand: it {left[0]}" if left else "as it should be"
        say(f"{copy} is {table.name} {is_now}: look through it, then put it in the place of {table.name}")
    if not copies:
        say(f"{path}: nothing in its tables can be mended with certainty")

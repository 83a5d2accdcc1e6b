"""The command that collects a study at the terminal."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import Json, Resume, StudyPath
from mien.errors import StudyError
from mien.terminal import print_json, say

if TYPE_CHECKING:
    from mien.collecting.keys import Keys
    from mien.collecting.protocol import Protocol
    from mien.collecting.session import Collection

AGREED = ("yes", "y")


def collect(
    study: StudyPath,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Who, e.g. 001; the next free number when not given.")
    ] = None,
    session: Annotated[str, typer.Option("--session", help="Which session of theirs.")] = "01",
    protocol: Annotated[
        Path | None,
        typer.Option("--protocol", metavar="FILE", help="What is collected, .json or .toml; FacER's when not given."),
    ] = None,
    place: Annotated[str | None, typer.Option("--place", help="Where, in place of the protocol's places.")] = None,
    about: Annotated[
        list[str] | None, typer.Option("--about", metavar="NAME=VALUE", help="Of the person, e.g. age=30; repeatable.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="A part of the sound card's name; the system's default if not given.")
    ] = None,
    channels: Annotated[int, typer.Option("--channels", min=1, max=8, help="Microphones to record.")] = 1,
    camera: Annotated[
        int | None, typer.Option("--camera", min=0, help="A camera's number: landmarks of the face are stored.")
    ] = None,
    keep_video: Annotated[bool, typer.Option("--keep-video", help="Store what the camera films, too.")] = False,
    keep_audible: Annotated[
        bool, typer.Option("--keep-audible", help="Store sound below the probe's band, speech too.")
    ] = False,
    hands_free: Annotated[
        bool, typer.Option("--hands-free", help="Go on after ten seconds where a key is waited for.")
    ] = False,
    forget: Annotated[
        str | None,
        typer.Option("--forget", metavar="SUBJECT", help="Remove a person whole, after asking, and do nothing else."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The random order follows from it; 0.")] = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Collect a study: takes of a person's expressions, asked for one by one, recorded through a sound card.

    FacER's protocol unless --protocol says another: six expressions, 10 takes of 5 s each, open and with a mask, in
    random order, with rests. A take is whole or absent; after whatever stopped it, --resume goes on.

    Example: mien collect study --subject 001 --place office --about age=30 --device usb
    """
    if forget is not None:
        _forget(study, forget, as_json)
        return
    if keep_video and camera is None:
        raise typer.BadParameter("needs --camera N", param_hint="--keep-video")
    from mien.collecting.session import Collection

    subject = _who(study, session, resume) if subject is None else subject
    with Collection(
        study,
        _protocol(protocol, place),
        subject,
        session=session,
        seed=seed,
        resume=resume,
        keep_audible=keep_audible,
        about=_facts(about or []),
        camera="off" if camera is None else "video" if keep_video else "landmarks",
    ) as collection:
        if collection.next_prompt() is not None:
            _guide(collection, device, channels, camera, keep_video, hands_free)
        _say_how_far(collection, as_json)


def _guide(
    collection: "Collection",
    device: str | None,
    channels: int,
    camera: int | None,
    keep_video: bool,
    hands_free: bool,
) -> None:
    import mien.capture
    from mien.collecting.camera import Camera
    from mien.collecting.guide import Guide, refuse_other_rate
    from mien.collecting.keys import Keys
    from mien.collecting.screen import Screen

    rules, keys = collection.protocol, Keys()
    # What is missing shows before anybody is asked for anything.
    eye = None if camera is None else Camera(camera, keep_video)
    emitted = mien.capture.looped(rules.emitted, 1.0, level=rules.level)
    card = mien.capture.SoundCard(emitted, rules.emitted.rate_hz, device=device, n_input_channels=channels)
    refuse_other_rate(card, collection)
    _agree(collection, keys)
    collection.device = card.name
    with ExitStack() as stack:
        if eye is not None:
            stack.enter_context(eye)
        stack.enter_context(card)
        say(f"{card.name} now plays {rules.emitted.band_hz[0] / 1000:g} to {rules.emitted.band_hz[1] / 1000:g} kHz")
        stack.enter_context(keys)
        screen = stack.enter_context(Screen())
        Guide(collection, card, keys, screen, need_keys=keys.need, camera=eye, hands_free=hands_free).run()


def _agree(collection: "Collection", keys: "Keys") -> None:
    """Have the person agree, unless they did before, to the same words."""
    if collection.consented is not None:
        return
    say(f"\n{collection.consent_text}\n\nType yes to agree, anything else to stop:")
    if keys.line().lower() not in AGREED:
        raise StudyError("not agreed to: nothing was recorded and nothing is stored of the person")
    collection.accept_consent()


def _protocol(path: Path | None, place: str | None) -> "Protocol | None":
    """Return what the options ask for, or None where they leave it to the study."""
    from mien.collecting.protocol import Protocol, protocol_from_json, read_protocol

    chosen = None if path is None else read_protocol(path)
    if place is None:
        return chosen
    return protocol_from_json((chosen or Protocol()).to_json() | {"places": [place]}, f"--place {place}")


def _who(study: Path, session: str, resume: bool) -> str:
    """Return who is meant where no one was named."""
    from mien.collecting.people import next_subject, unfinished

    if not resume:
        return next_subject(study)
    open_ones = [subject for subject, begun in unfinished(study) if begun == session]
    if len(open_ones) > 1:
        raise StudyError(f"session {session} of {', '.join(open_ones)} is unfinished; say whose with --subject")
    return open_ones[0] if open_ones else next_subject(study)


def _facts(texts: list[str]) -> dict[str, Any]:
    pairs = [text.partition("=") for text in texts]
    wrong = [text for text, (_, equals, value) in zip(texts, pairs, strict=True) if not equals or not value]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r}; NAME=VALUE is needed", param_hint="--about")
    return {name: value for name, _, value in pairs}


def _forget(study: Path, subject: str, as_json: bool) -> None:
    """Remove a person, after asking: it is the one command that deletes recordings."""
    from mien.collecting.keys import Keys
    from mien.datasets.forget import belongings, forget

    theirs = belongings(study, subject)
    named = " and ".join(theirs.spellings) or subject
    say(
        f"{study}: {theirs.n_takes} takes and {theirs.n_files} files of subject {named} would be deleted for good, "
        "with all that is known of them.\nType yes to delete them, anything else to stop:"
    )
    if Keys().line().lower() not in AGREED:
        raise StudyError(f"not agreed to: nothing of subject {subject} was deleted")
    n_takes = forget(study, subject)
    print_json({"path": str(study), "forgotten": subject, "takes": n_takes}) if as_json else say(
        f"{study}: subject {subject} is forgotten, with {n_takes} takes"
    )


def _say_how_far(collection: "Collection", as_json: bool) -> None:
    done = collection.progress
    facts = {
        "path": str(collection.study),
        "subject": collection.subject,
        "session": collection.session,
        "takes": done.n_stored,
        "skipped": done.n_skipped,
        "left": done.n_left,
    }
    print_json(facts) if as_json else say(", ".join(f"{name}: {value}" for name, value in facts.items()))
    if done.n_left:
        say("stopped; the same command with --resume goes on")

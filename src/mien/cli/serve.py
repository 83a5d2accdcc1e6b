"""The command that serves the page."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import Json
from mien.terminal import print_json, say

if TYPE_CHECKING:
    from mien.serving.certificate import Certificate
    from mien.serving.tokens import Sessions


def serve(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="The model's folder, or builtin; none: no recognition.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 is every network of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="0 takes any that is free.")] = 8000,
    https: Annotated[
        bool, typer.Option("--https", help="Serve over TLS with a certificate made on first use; phones need it.")
    ] = False,
    collect: Annotated[
        Path | None, typer.Option("--collect", metavar="STUDY", help="Offer guided collection into this study.")
    ] = None,
    protocol: Annotated[
        Path | None, typer.Option("--protocol", metavar="FILE", help="What is collected, .json or .toml; else FacER's.")
    ] = None,
    keep_audible: Annotated[
        bool, typer.Option("--keep-audible", help="Store what can be heard, speech too. It is written into the study.")
    ] = False,
    calibrated: Annotated[
        Path | None,
        typer.Option("--calibrated", metavar="DIR", help="Keep calibrated models here, of who agrees; else none."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve the page: check a device, collect, recognise live, calibrate, in a phone's or a laptop's browser.

    On this machine alone unless --host says otherwise; then a link with a token, shown here, is the only way in.

    Example: mien serve builtin --host 0.0.0.0 --https
    """
    from mien.serving.addresses import is_loopback, served_names
    from mien.serving.doors import listening_socket

    settings = _settings(model, collect, protocol, keep_audible, calibrated)
    local, names = is_loopback(host), served_names(host)
    certificate = _certificate(names) if https else None
    with listening_socket(host, port) as listening:
        port = listening.getsockname()[1]
        _run(settings, listening, names, certificate, local=local, port=port, as_json=as_json)


def _settings(
    model: str | None, collect: Path | None, protocol: Path | None, keep_audible: bool, calibrated: Path | None
) -> Any:
    """Return what is served, the model loaded and the protocol read."""
    from mien.collecting.protocol import read_protocol
    from mien.serving.settings import Settings

    if (protocol is not None or keep_audible) and collect is None:
        raise typer.BadParameter("it says how to collect, and nothing is collected; add --collect STUDY")
    recognizer, note, spent_s = (None, "", 0.0) if model is None else _loaded(model)
    return Settings(
        model=recognizer,
        model_name=model or "",
        model_note=note,
        answer_s=spent_s,
        study=collect,
        protocol=None if protocol is None else read_protocol(protocol),
        keep_audible=keep_audible,
        calibrated_folder=calibrated,
    )


def _loaded(model: str) -> tuple[Any, str, float]:
    """Return a model, what a person must know of it, and how long one answer takes."""
    import torch

    from mien.recognizer import Recognizer
    from mien.recognizer.builtin import SIMULATED
    from mien.serving.live import answer_s, slowness

    # Clients share the cores among them; threads within one answer would only wait for each other.
    torch.set_num_threads(1)
    recognizer = Recognizer.load(model)
    spent_s = answer_s(recognizer)
    if slow := slowness(spent_s):
        say(f"model {model}: {slow}")
    return recognizer, SIMULATED if recognizer.simulated else "", spent_s


def _certificate(names: list[str]) -> "Certificate":
    from datetime import UTC, datetime

    from mien.serving.certificate import certificate_for

    return certificate_for(names, datetime.now(UTC))


def _run(
    settings: Any,
    listening: Any,
    names: list[str],
    certificate: "Certificate | None",
    *,
    local: bool,
    port: int,
    as_json: bool,
) -> None:
    """Serve until interrupted."""
    from dataclasses import replace

    try:
        from mien.serving.app import make_app, offered
    except ImportError as problem:
        if "fastapi" not in str(problem) and "starlette" not in str(problem):
            raise
        from mien.errors import MienError

        raise MienError("serving needs the package fastapi: pip install 'mien[live]'") from None
    from mien.serving.server import server_of

    https = certificate is not None
    settings = replace(settings, https=https, needs_token=not local, names=tuple(names))
    app = make_app(settings)
    sessions: Sessions = app.state.sessions
    server = server_of(app, listening, settings.limits, certificate)
    name = "localhost" if local else _shown(names[0])
    address = f"{'https' if https else 'http'}://{name}:{port}/"
    link = _link(address, sessions)
    if as_json:
        found = certificate.fingerprint if certificate else None
        print_json({"link": link, "address": address, "views": offered(settings), "fingerprint": found})
    _introduce(settings, link, certificate, local=local)
    if not local:
        sessions.on_token_used = lambda: _offer_again(_link(address, sessions))
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    kept = [str(folder) for folder in (settings.study, settings.calibrated_folder) if folder is not None]
    say(f"stopped; nothing is kept but what is in {' and '.join(kept)}" if kept else "stopped; nothing is kept")


def _shown(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _link(address: str, sessions: "Sessions") -> str:
    return f"{address}?token={sessions.new_token()}" if sessions.needs_token else address


def _introduce(settings: Any, link: str, certificate: "Certificate | None", *, local: bool) -> None:
    """Say what is served and how to get there."""
    if settings.model is None:
        say("no model was named, so nothing is recognised: mien serve builtin takes the one that comes along")
    elif settings.model_note:
        say(f"model {settings.model_name}: {settings.model_note}")
    if not local:
        _show_code(link)
    say(f"open {link}")
    if not local:
        say("the link lets one browser in; when it has, another is shown. Whoever has it gets in: do not pass it on")
    if certificate is not None:
        kind = "a new certificate" if certificate.made else "the certificate"
        say(f"the browser will ask whether to trust {kind}; its SHA-256 fingerprint is\n{certificate.fingerprint}")
    elif not local:
        say("browsers give a page the microphone over https only: add --https, or open it on this machine")
    say("Ctrl-C stops it")


def _offer_again(link: str) -> None:
    say("a browser has come in; for another one:")
    _show_code(link)
    say(link)


def _show_code(link: str) -> None:
    """Draw a link as a QR code, where the package is there and the screen is one."""
    if not sys.stderr.isatty():
        return
    try:
        import segno
    except ImportError:
        say("a QR code of the link would stand here: pip install 'mien[live]'")
        return
    segno.make(link, error="l", micro=False).terminal(out=sys.stderr, border=2, compact=True)

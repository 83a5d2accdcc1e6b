"""The server: the page, what it plays, and /ws."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, RedirectResponse, Response

from mien import __version__
from mien.errors import ModelError
from mien.serving import messages as said
from mien.serving.calibrate_view import CalibrateView
from mien.serving.check_view import CheckView
from mien.serving.collect_view import CollectView, collection_of, collection_told
from mien.serving.connection import Connection, Pools
from mien.serving.doors import STREAMS
from mien.serving.emissions import Sound, sounds_of
from mien.serving.kept_calibrations import FOLDER
from mien.serving.limits import PerAddress
from mien.serving.live_view import QUICK_S, LiveView
from mien.serving.page_files import InPieces, page_files
from mien.serving.security import Guard
from mien.serving.settings import Settings
from mien.serving.tokens import Session, Sessions
from mien.serving.views import NotOffered, View, refuse_high_rate, refuse_other_rate


def make_app(settings: Settings, clock: Callable[[], float] = time.monotonic) -> FastAPI:
    """Return the server as an application.

    Args:
        settings: what it serves.
        clock: seconds that only rise.

    Returns:
        An application; `state.sessions` has its `Sessions`, which makes tokens for links.

    Raises:
        ModelError: the page is not installed. ProbeError: a probe that cannot be repeated.
    """
    files, sounds = page_files(settings.page), sounds_of(settings)
    sessions = Sessions(
        needs_token=settings.needs_token,
        clock=clock,
        memory_s=settings.limits.memory_s,
        most=settings.limits.sessions,
    )
    pools = Pools(
        ThreadPoolExecutor(settings.workers or os.cpu_count() or 1, "mien-recognise"),
        ThreadPoolExecutor(2, "mien-slow"),
    )

    running: set[asyncio.Task[None]] = set()
    begun = PerAddress(settings.limits.connects_per_s, settings.limits.connects_burst)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        for stream in sessions.streams():
            stream.close(said.CloseReason.STOPPING, "the server is being stopped")
        if running:
            await asyncio.wait(running, timeout=5.0)
        pools.quick.shutdown(wait=False, cancel_futures=True)
        pools.slow.shutdown(wait=False, cancel_futures=True)

    # No pages of documentation: theirs load scripts from elsewhere.
    app = FastAPI(title="mien", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, names=settings.names, https=settings.https)  # type: ignore[arg-type]
    app.state.sessions = sessions

    @app.get("/")
    async def index(request: Request, token: str | None = None) -> Response:
        if token is not None:
            answer: Response = RedirectResponse("/", status_code=303, headers={"cache-control": "no-store"})
            cookie = sessions.exchange(token[:200])
        else:
            answer = _file("index.html")
            known = sessions.needs_token or sessions.find(request.cookies.get(_cookie_name(request)))
            # Who is led here by another site comes without their cookie, and must keep it. Browsers that do not say
            # where a request comes from get theirs from /ws, with which the page's own cookie is sent.
            own = request.headers.get("sec-fetch-site") in ("none", "same-origin")
            cookie = sessions.open() if own and not known else None
        if cookie is not None:
            _set_cookie(answer, request, cookie)
        return answer

    def _set_cookie(answer: Response, request: Request | WebSocket, cookie: str) -> None:
        answer.set_cookie(
            _cookie_name(request),
            cookie,
            max_age=int(settings.limits.memory_s),
            path="/",
            secure=settings.https,
            httponly=True,
            samesite="strict",
        )

    def _file(name: str) -> Response:
        file = files.get(name)
        if file is None:
            return Response("there is no such file here", status_code=404, media_type="text/plain")
        return InPieces(file.content, media_type=file.media_type, headers={"cache-control": "no-cache"})

    @app.get("/emission/{name}")
    async def emission(name: str) -> Response:
        for sound in sounds.values():
            if name == f"{sound.name}.f32":
                return InPieces(sound.pcm, media_type="application/octet-stream", headers={"cache-control": "no-cache"})
            if name == f"{sound.name}.wav":
                return InPieces(sound.wav, media_type="audio/wav", headers={"cache-control": "no-cache"})
        return Response("there is no such sound here", status_code=404, media_type="text/plain")

    @app.get("/results/check.json")
    async def check_result(request: Request) -> Response:
        session = sessions.find(request.cookies.get(_cookie_name(request)))
        report = None if session is None else session.memory.get("check")
        if report is None:
            return JSONResponse({"error": "no device check was made in this session"}, status_code=404)
        named = 'attachment; filename="mien-check.json"'
        return JSONResponse(report, headers={"content-disposition": named, "cache-control": "no-store"})

    @app.websocket("/ws")
    async def stream(socket: WebSocket) -> None:
        cookie = socket.cookies.get(_cookie_name(socket))
        known, made = sessions.find(cookie), None
        session = known
        if session is None and not sessions.needs_token:
            made = sessions.open()
            session = sessions.find(made)
        headers = []
        if made is not None:
            carrier = Response()
            _set_cookie(carrier, socket, made)
            headers = [(name, value) for name, value in carrier.raw_headers if name == b"set-cookie"]
        await socket.accept(headers=headers)
        if session is None:
            return await _turned_away(
                socket, said.CloseReason.NO_TOKEN, "this browser is not known here; open the link that the server shows"
            )
        if session.stream is None and sessions.n_streams >= settings.limits.clients:
            most = settings.limits.clients
            return await _turned_away(
                socket, said.CloseReason.FULL, f"{most} clients are connected, the most there may be"
            )
        if not may_begin(socket, known):
            return await _turned_away(
                socket, said.CloseReason.TOO_FAST, "too many connections from your address; wait a minute"
            )
        connection = Connection(socket, session, welcome, make_view, pools, settings.limits, clock)
        former = sessions.begin_stream(session, connection)
        socket.scope.get(STREAMS, lambda: None)()
        # In a task of its own, which lets go of what it holds even where this one is cancelled at every step.
        task = asyncio.create_task(_served(connection, former, lambda: sessions.end_stream(session, connection)))
        running.add(task)
        task.add_done_callback(running.discard)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            connection.close(said.CloseReason.STOPPING, "the server is being stopped")
            raise

    @app.get("/{name:path}")
    async def file(name: str) -> Response:
        return _file(name)

    def may_begin(socket: WebSocket, known: Session | None) -> bool:
        """Count the streams that a browser begins, or an address whose browsers were not known."""
        peer = socket.client.host if socket.client else ""
        return begun.of(peer if known is None else known.cookie_hash).take(1.0, clock())

    def welcome(session: Session) -> said.Welcome:
        return said.Welcome(
            server=f"mien {__version__}",
            views=offered(settings),
            model=_model_told(settings),
            collection=collection_told(settings),
            limits=settings.limits.told(),
            resumed=session.n_streams > 1,
            calibrated="calibrated" in session.memory,
            collecting=session.memory.get("collecting"),
            keeps_calibrations=settings.calibrated_folder is not None,
            calibration_kept=FOLDER in session.memory,
        )

    def make_view(start: Any, memory: dict[str, Any]) -> View:
        return _view(settings, sounds, start, memory)

    return app


def _cookie_name(request: Request | WebSocket) -> str:
    # Browsers send cookies to every port of a host: two servers on one machine must not take each other's.
    return f"mien-{request.url.port or 0}"


async def _served(connection: Connection, former: Connection | None, ended: Callable[[], None]) -> None:
    """Run a connection in place of a former one of the same browser."""
    try:
        if former is not None:
            former.close(said.CloseReason.REPLACED, "this browser opened another connection, perhaps in another tab")
            # What it holds (a study is written by one at a time) must be free before it is wanted again.
            await former.left.wait()
        await connection.run()
    finally:
        ended()


async def _turned_away(socket: WebSocket, reason: said.CloseReason, message: str) -> None:
    """Close a socket that got no connection, telling why: of a refused handshake a page learns nothing."""
    async with asyncio.timeout(2.0):
        await socket.send_text(said.Closing(reason=reason, message=message).model_dump_json())
        await socket.close(said.CLOSE_CODES[reason], reason.value)


def offered(settings: Settings) -> list[said.View]:
    """Return the views that a server offers."""
    views: list[said.View] = ["check"]
    if settings.study is not None:
        views.append("collect")
    if settings.model is not None:
        views.append("live")
        if settings.model.calibrates:
            views.append("calibrate")
    return views


def _model_told(settings: Settings) -> said.Model | None:
    model = settings.model
    if model is None:
        return None
    return said.Model(
        name=settings.model_name,
        method=model.method,
        expressions=list(model.labels),
        simulated=model.simulated,
        calibrates=model.calibrates,
        note=settings.model_note,
    )


def _view(settings: Settings, sounds: dict[str, Sound], start: Any, memory: dict[str, Any]) -> View:
    """Return the view that a message starts.

    Raises:
        NotOffered, RecordingError: not offered here, or at this rate. Others as of what the view opens.
    """
    view = start.type.removeprefix("start-")
    if view not in offered(settings):
        views = ", ".join(offered(settings))
        raise NotOffered(f"{view} was asked for; this server offers {views}: start it with a model, or with --collect")
    told, functions, model = sounds[view].told, settings.functions, settings.model
    if isinstance(start, said.StartCheck):
        refuse_high_rate(start.audio)
        return CheckView(start, told, functions.analyse, memory)
    refuse_other_rate(start.audio, told)
    if isinstance(start, said.StartCollect):
        return CollectView(start, told, collection_of(settings, start, memory), memory)
    if model is None:
        raise ModelError("there is no model to recognise with; start the server with one")
    if isinstance(start, said.StartCalibrate):
        folder = settings.calibrated_folder
        return CalibrateView(start, told, model, functions.calibrate, functions.judge, memory, folder)
    known = memory.get("calibrated")
    recognizer = model if known is None else known
    session, is_quick = functions.live(recognizer, start.hop_s), settings.answer_s <= QUICK_S
    return LiveView(start, told, session, recognizer, known is not None, is_quick)

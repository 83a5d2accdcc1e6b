"""A server that speaks the protocol from a script: what the page says is checked against the models of its messages."""

import json
import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from mien.serving import messages
from mien.serving.audio_frames import AudioFrame, parse_frame

PAGE = Path(messages.__file__).parent / "page"
EXPRESSIONS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
RATE_HZ = 48_000
MODEL = messages.Model(
    name="builtin",
    method="mien",
    expressions=EXPRESSIONS,
    simulated=True,
    calibrates=True,
    note="Learnt from simulated people only.",
)
COLLECTION = messages.Collection(
    study="pilot",
    protocol="facer",
    consent="Your face is heard, not seen.\n\n"
    "The echoes of a sound that most adults do not hear are stored under a number, not under your name. "
    "You may stop at any time, and ask later that all of it be removed.",
    expressions=EXPRESSIONS,
    n_takes=122,
    duration_s=5.0,
    masks=["open", "mask"],
    places=["desk", "sofa"],
    keep_audible=False,
)
BANDS = [(14, -1.0, 48.0), (15, -2.0, 47.0), (16, -2.5, 45.0), (17, -4.0, 44.0), (18, -6.0, 41.0), (19, -8.0, 38.0)]
BANDS += [(20, -10.0, 35.0), (21, -14.0, 30.0), (22, -19.0, 24.0), (23, -31.0, 11.0)]


def chirp_period() -> np.ndarray:
    """Return 50 ms of something within the band, for playing."""
    time_s = np.arange(2400) / RATE_HZ
    sweep = np.sin(2 * np.pi * (19_000 * time_s + 80_000 * time_s**2)) * (time_s < 0.025)
    return (0.3 * sweep).astype("<f4")


CHECKS = {
    "low-snr": ("signal-to-noise", "38 dB in the weakest kilohertz of the band"),
    "no-probe": ("the probe's chirps", "heard, 31 dB over the noise"),
    "gain-control": ("gain control", "the level held within 0.2 dB, steps came back whole"),
    "echo-cancellation": ("echo cancellation", "the direct path did not fade"),
    "noise-suppression": ("noise suppression", "the noise stayed the same while chirps played"),
    "resampled": ("resampling", "none: the response goes on to 24 kHz"),
    "clipped": ("clipping", "none"),
    "dropout": ("lost samples", "none"),
    "drift": ("clock drift", "4 ppm"),
    "bluetooth": ("Bluetooth", "cannot be told: the sweeps were not heard"),
}


def check_result(problems: list[str]) -> messages.CheckResult:
    """Return the result of a check that found these problems, as `LiveReport.to_json` says it."""
    bands = [{"low_hz": 1000 * k, "high_hz": 1000 * k + 1000, "response_db": r, "snr_db": s} for k, r, s in BANDS]
    best = {"low_hz": 19_000, "high_hz": 23_000, "channel": 0, "reason": "the paper's own"}
    verdict = "this device can be used with a chirp of 19-23 kHz"
    if problems:
        verdict = f"this device cannot be used as it is: {', '.join(CHECKS[word][0] for word in problems)}"
    checks = []
    for word, (name, said) in CHECKS.items():
        found = None if word == "bluetooth" else word in problems
        remedy = "turn it off, in the browser or in the system's sound settings" if found else None
        checks.append({"word": word, "name": name, "found": found, "said": said, "remedy": remedy})
    frequency_hz = np.arange(100, 24_000, 100)
    response_db = -(((frequency_hz - 4000) / 4300) ** 2) * (frequency_hz > 4000) + 2 * np.sin(frequency_hz / 700)
    return messages.CheckResult(
        ok=not problems,
        state="unusable" if problems else "ready",
        verdict=verdict,
        lines=["usable band: 14-23 kHz", "direct path: -21 dB of full scale", "recommended: the paper's own"],
        problems=problems,
        report={
            "channels": [{"bands": bands, "problems": problems}],
            "channel": 0,
            "state": "unusable" if problems else "ready",
            "checks": checks,
            "response": {"frequency_hz": frequency_hz.tolist(), "response_db": response_db.tolist()},
            "recommended": None if problems else best,
        },
    )


class FakeServer:
    """What the page said and how much sound it sent; what is answered can be changed by the fields.

    Args:
        address: of the page.
        said: messages of the page, parsed. frames: sound, in order.
        predictions: (expression, probabilities, quality) in turn, one per 50 ms of sound. lost: numbers of those that
            are dropped.
        take_s, rest_s, countdown_s: of the prompts. n_prompts: how many.
        problems: of the check.
        refuse: a reason with which every connection is closed after its hello.
        slow_calibration: when set, calibration ends when it is released.
    """

    def __init__(self) -> None:
        self.address = ""
        self.said: list[Any] = []
        self.frames: list[AudioFrame] = []
        self.welcome: dict[str, Any] = {}
        self.predictions: list[tuple[str, dict[str, float], list[str]]] = []
        self.lost: range = range(0)
        self.take_s, self.rest_s, self.countdown_s, self.neutral_s, self.n_prompts = 0.3, 0.0, 0.2, 0.0, 3
        self.changes: tuple[str, ...] = ()
        self.check_s = 0.5
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.refuse: str | None = None
        self.error_at_start: messages.Error | None = None
        self.advice = ""
        self.hold_calibration = False
        self.calibration_problem = ""
        self.error_at_forget: messages.Error | None = None
        self.requests: list[str] = []
        self.n_connections = 0
        self.open: list[ServerConnection] = []
        self._done = 0
        self.lock = threading.Lock()

    def said_types(self) -> list[str]:
        """Return what the page said, by type, without the farewell that may follow at any time."""
        return [message.type for message in self.said]

    def last(self, kind: str) -> Any:
        """Return the last message of a type."""
        return [message for message in self.said if message.type == kind][-1]

    def drop(self) -> None:
        """Cut every connection without a word, as a network does."""
        for connection in list(self.open):
            connection.socket.close()

    def close(self, reason: str, told: str = "") -> None:
        """Close every connection with a reason."""
        for connection in list(self.open):
            self._close(connection, reason, told)

    def _close(self, connection: ServerConnection, reason: str, told: str) -> None:
        why = messages.CloseReason(reason)
        connection.send(messages.Closing(reason=why, message=told).model_dump_json())
        connection.close(messages.CLOSE_CODES[why], reason)

    def page(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request for a file; None goes on to the WebSocket."""
        path = request.path.split("?")[0]
        self.requests.append(path)
        if path == "/ws":
            return None
        if path.startswith("/emission/"):
            return _response(np.tile(chirp_period(), 20).tobytes(), "application/octet-stream")
        file = PAGE / (path.lstrip("/") or "index.html")
        if not file.is_file():
            return Response(HTTPStatus.NOT_FOUND.value, "Not Found", Headers(), b"")
        kind = "text/javascript" if file.suffix == ".js" else mimetypes.guess_type(file.name)[0] or "text/plain"
        return _response(file.read_bytes(), kind)

    def serve(self, connection: ServerConnection) -> None:
        """Serve one connection until it ends."""
        self.n_connections += 1
        self.open.append(connection)
        try:
            _Conversation(self, connection).run()
        except (ConnectionClosed, OSError):
            pass
        finally:
            self.open.remove(connection)


class _Conversation:
    """One connection's state: the view that runs and the sound since it began."""

    def __init__(self, server: FakeServer, connection: ServerConnection) -> None:
        self.server, self.connection = server, connection
        self.view = ""
        self.heard = 0
        self.take: int | None = None
        self.in_take = 0

    def say(self, message: Any) -> None:
        self.connection.send(message.model_dump_json())

    def run(self) -> None:
        for content in self.connection:
            if isinstance(content, str):
                message = messages.parse_client(content)
                self.server.said.append(message)
                self.answer(message)
            else:
                frame = parse_frame(content)
                self.server.frames.append(frame)
                self.hear(frame)

    def answer(self, message: Any) -> None:
        kind = message.type
        if kind == "hello":
            self.hello()
        elif kind.startswith("start-"):
            self.start(kind.removeprefix("start-"), message)
        elif kind == "take-begin":
            self.take, self.in_take = message.number, 0
        elif kind in ("take-cancel", "skip", "redo"):
            self.server._done += {"take-cancel": 0, "skip": 1, "redo": -1}[kind]
            self.take = None
            self.prompt()
        elif kind == "finish":
            self.finish()
        elif kind == "forget":
            self.say(self.server.error_at_forget or messages.Forgotten())
        elif kind == "stop":
            self.view = ""
            self.say(messages.Stopped())

    def hello(self) -> None:
        server = self.server
        if server.refuse:
            server._close(self.connection, server.refuse, "")
            return
        limits = messages.LimitsTold(samples_per_frame=24_000, session_s=14_400.0, silence_s=600.0)
        welcome = {
            "server": "mien 0.1.0",
            "views": ["check", "collect", "live", "calibrate"],
            "model": MODEL,
            "collection": COLLECTION,
            "limits": limits,
        }
        self.say(messages.Welcome(**(welcome | server.welcome)))

    def start(self, view: str, message: Any) -> None:
        server = self.server
        if server.error_at_start:
            self.say(server.error_at_start)
            return
        self.view, self.heard, self.take = view, 0, None
        emission = messages.Emission(
            url=f"/emission/{view}.f32",
            wav_url=f"/emission/{view}.wav",
            rate_hz=RATE_HZ,
            n_samples=48_000,
            loop=True,
            fade_s=0.1,
            level=0.3,
            description="19 to 23 kHz, a chirp every 50 ms",
        )
        self.say(
            messages.Started(
                view=view,
                emission=emission,
                duration_s=server.check_s if view == "check" else None,
                window_s=1.0 if view == "live" else None,
                hop_s=0.05 if view == "live" else None,
                profile_m=[0.05, 0.8] if view == "live" else [],
                expressions=EXPRESSIONS,
                subject=(message.subject or "001") if view == "collect" else None,
                warnings=server.warnings,
            )
        )
        if view in ("collect", "calibrate"):
            self.prompt()

    def prompt(self) -> None:
        server = self.server
        if server._done >= server.n_prompts:
            self.finish()
            return
        names = (["neutral"] if self.view == "calibrate" else []) + EXPRESSIONS[::-1]
        self.say(
            messages.Prompt(
                number=server._done + 1,
                expression=names[server._done % len(names)],
                mask=("open", "mask")[server._done % 2] if self.view == "collect" else None,
                place="desk" if self.view == "collect" else None,
                duration_s=server.take_s,
                countdown_s=server.countdown_s,
                neutral_s=server.neutral_s,
                changes=list(server.changes) if server._done == 0 else [],
                rest_s=server.rest_s,
                can_redo=server._done > 0,
                progress=self.progress(),
            )
        )

    def progress(self) -> messages.Progress:
        return messages.Progress(n_done=self.server._done, n_prompts=self.server.n_prompts)

    def finish(self) -> None:
        if self.view == "collect":
            self.say(messages.Collected(subject="001", progress=self.progress()))
            return
        self.say(messages.Calibrating())
        if not self.server.hold_calibration:
            asked, problem = self.server.last("start-calibrate").keep, self.server.calibration_problem
            self.say(messages.Calibrated(n_takes=6, n_neutral=1, kept=asked and not problem, problem=problem))

    def hear(self, frame: AudioFrame) -> None:
        before, self.heard = self.heard, self.heard + frame.samples.size
        hop = RATE_HZ // 20
        if self.view == "check":
            self.check()
        elif self.view == "live":
            for number in range(before // hop, self.heard // hop):
                if number not in self.server.lost:
                    self.say(self.prediction(number, frame))
        elif self.take is not None:
            self.in_take += frame.samples.size
            if self.in_take >= self.server.take_s * RATE_HZ:
                self.take_done()

    def check(self) -> None:
        heard_s, whole_s = self.heard / RATE_HZ, self.server.check_s
        if heard_s >= whole_s:
            self.view = ""
            self.say(check_result(self.server.problems))
        elif self.heard % (RATE_HZ // 10) < 960:
            self.say(messages.CheckProgress(heard_s=heard_s, duration_s=whole_s))

    def take_done(self) -> None:
        server, number = self.server, self.take
        self.take = None
        quality = ["low-snr"] if server.advice else []
        self.say(
            messages.TakeDone(
                number=number or 1,
                expression="happiness",
                kept=not server.advice,
                quality=quality,
                advice=server.advice,
            )
        )
        server._done += not server.advice
        server.advice = ""
        self.prompt()

    def prediction(self, number: int, frame: AudioFrame) -> messages.Prediction:
        flat = {name: 1 / len(EXPRESSIONS) for name in EXPRESSIONS}
        script = self.server.predictions or [("unsure", flat, [])]
        expression, probabilities, quality = script[number % len(script)]
        cells = np.arange(48)
        profile = np.exp(-(((cells - 9) / 2.2) ** 2)) + 0.45 * np.exp(-(((cells - 20 - number % 2) / 4) ** 2)) + 0.04
        return messages.Prediction(
            time_s=0.05 * (number + 1),
            captured_s=frame.captured_s,
            expression=expression,
            probabilities=probabilities,
            confidence=max(probabilities.values()),
            quality=quality,
            profile=[min(1.0, float(value)) for value in profile],
            n_dropped_windows=sum(lost < number for lost in self.server.lost),
        )


def _response(body: bytes, kind: str) -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Content-Security-Policy": POLICY})
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(HTTPStatus.OK.value, "OK", headers, body)


@contextmanager
def fake_server() -> Iterator[FakeServer]:
    """Serve the page on a free port of this machine."""
    fake = FakeServer()
    with serve(fake.serve, "localhost", 0, process_request=fake.page, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.socket.getsockname()[1]
        fake.address = f"http://localhost:{port}/"
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join(5)


if __name__ == "__main__":
    with fake_server() as running:
        print(json.dumps({"address": running.address}))
        threading.Event().wait()

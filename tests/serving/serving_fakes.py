"""A server without a model's weight: what recognises, calibrates and analyses are small stand-ins."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from mien.probe import Chirp
from mien.serving.audio_frames import pack_frame
from mien.serving.messages import PROTOCOL_VERSION, parse_server
from mien.serving.settings import Functions, Settings

EXPRESSIONS = ("fear", "happiness")
AUDIO = {"rate_hz": 48_000, "echo_cancellation": False, "noise_suppression": False, "gain_control": False}
BLOCK = 2_400


@dataclass(frozen=True)
class FakeRecognizer:
    """What the server asks of a recognizer."""

    labels: tuple = EXPRESSIONS
    probe: Chirp = field(default_factory=Chirp)
    method: str = "fake"
    simulated: bool = True
    calibrates: bool = True
    uses_neutral: bool = True
    front_end: object = field(default_factory=lambda: SimpleNamespace(window_s=0.5))
    knows: str = "everybody"

    def save(self, folder):
        (folder / "recognizer.json").write_text(self.knows)


@dataclass(frozen=True)
class FakePrediction:
    """What the server asks of a prediction."""

    time_s: float
    expression: str
    probabilities: dict
    confidence: float
    quality: tuple
    profile: tuple
    foreignness: float | None = None
    is_foreign: bool = False


class FakeLive:
    """Answers every 50 ms; the louder the sound, the more it is happiness."""

    window_s, hop_s, distance_m, problem = 0.5, 0.05, np.array([0.1, 0.6]), ""
    n_missing = 0

    def __init__(self, recognizer=None, hop_s=0.05):
        self.n_dropped_windows, self._heard, self.n_fed = 0, 0, 0

    def feed(self, samples, *, dropped=False, n_lost=0, most_answers=None):
        assert samples.shape[0] == 1 and samples.dtype == np.float32
        self.n_fed += 1
        before, self._heard = self._heard + n_lost, self._heard + n_lost + samples.shape[1]
        self.n_dropped_windows += n_lost // BLOCK
        ends = [n * BLOCK for n in range(before // BLOCK + 1, self._heard // BLOCK + 1)]
        self.n_dropped_windows += max(0, len(ends) - most_answers)
        happy = min(1.0, float(np.abs(samples).max()))
        shares = {"fear": 1 - happy, "happiness": happy}
        word = max(shares, key=shares.get)
        quality = ("dropout",) if dropped else ()
        return [
            FakePrediction(end / 48_000, word, shares, max(shares.values()), quality, (0.0, 1.0))
            for end in ends[-most_answers:]
        ]


def fake_calibrate(recognizer, takes):
    return FakeRecognizer(knows=" ".join(word for word, _ in takes))


class FakeReport:
    state, verdict, problems = "mend", "usable, but see to it", ("drift",)

    def __init__(self, samples):
        self.n_samples = samples.shape[1]

    def to_json(self):
        return {"n_samples": self.n_samples, "problems": ["drift"]}

    def lines(self):
        return ["clock drift: 400 ppm"]


FAKES = Functions(
    live=FakeLive,
    calibrate=fake_calibrate,
    judge=lambda take: (take.quality, "sound was lost" if take.quality else ""),
    analyse=lambda samples, audio, n_lost: FakeReport(samples),
)


def page(folder):
    """Return a folder with a page in it."""
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text("<!doctype html><title>mien</title>")
    (folder / "app.js").write_text("export {};")
    (folder / "faces").mkdir(exist_ok=True)
    (folder / "faces" / "fear.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return folder


def settings(tmp_path, **changes):
    """Return a server's settings with the stand-ins."""
    made = {"model": FakeRecognizer(), "model_name": "fake", "workers": 2, "functions": FAKES}
    made["names"] = ("testserver", "localhost", "127.0.0.1")
    return Settings(**(made | {"page": page(tmp_path / "page")} | changes))


class Client:
    """A client over a test socket: says messages, sends sound, reads answers."""

    def __init__(self, socket):
        self.socket, self.sequence, self.captured_s = socket, 0, 100.0

    def say(self, kind, **values):
        self.socket.send_json({"type": kind} | values)

    def hear(self, *kinds):
        """Return the next message; with kinds, the next of one of them."""
        while True:
            message = parse_server(self.socket.receive_text())
            if not kinds or message.type in kinds:
                return message

    def hello(self):
        self.say("hello", version=PROTOCOL_VERSION)
        return self.hear("welcome")

    def start(self, view, **values):
        self.say(f"start-{view}", audio=AUDIO, **values)
        return self.hear("started", "error")

    def sound(self, samples, skip=0):
        """Send samples as one frame, after `skip` frames that were lost."""
        samples = np.asarray(samples, np.float32)
        self.sequence += 1 + skip
        self.captured_s += (1 + skip) * len(samples) / 48_000
        self.socket.send_bytes(pack_frame(self.sequence, self.captured_s, samples))

    def seconds(self, duration_s, level=0.1):
        """Send so much sound in frames of 100 ms."""
        for _ in range(round(10 * duration_s)):
            self.sound(np.full(4_800, level))

    def closing(self):
        """Return why the server closes, having read all before it."""
        return self.hear("closing")

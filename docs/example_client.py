"""A client of `mien serve` in a page of Python: sends a WAV file as if it were recorded now, prints what is recognised.

python docs/example_client.py recording.wav [ws://localhost:8000/ws]

It knows nothing of mien but docs/protocol.md. For a server on a network, open its link once (any HTTP client that keeps
cookies will do) and give the cookie with the handshake: `connect(url, additional_headers={"Cookie": ...})`.
"""

import json
import struct
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import soundfile
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect

FRAME = 960


def send_sound(connection: ClientConnection, samples: np.ndarray, rate_hz: int, pace: float = 1.0) -> None:
    """Send samples in frames of 20 ms, at the pace of time (0: as fast as may be), then say stop."""
    started_s = time.monotonic()
    for sequence, first in enumerate(range(0, len(samples), FRAME)):
        part = samples[first : first + FRAME].astype("<f4")
        captured_s = (first + len(part)) / rate_hz
        time.sleep(max(0.0, pace * captured_s - (time.monotonic() - started_s)))
        connection.send(struct.pack("<4sId", b"mien", sequence, captured_s) + part.tobytes())
    connection.send(json.dumps({"type": "stop"}))


def predictions(url: str, samples: np.ndarray, rate_hz: int, pace: float = 1.0) -> Iterator[dict]:
    """Yield every prediction that a server makes of the sound.

    Raises:
        SystemExit: what is wrong, in a sentence: no server, sound it cannot take, or too little for one answer.
    """
    try:
        connection = connect(url)
    except (OSError, InvalidURI, InvalidHandshake) as problem:
        raise SystemExit(f"{url} does not answer: {problem}; start mien serve builtin first") from None
    n_answers, window_s = 0, 0.0
    with connection:
        connection.send(json.dumps({"type": "hello", "version": 1, "client": "example"}))
        connection.send(json.dumps({"type": "start-live", "audio": {"rate_hz": rate_hz}, "hop_s": 0.05}))
        sender: threading.Thread | None = None
        try:
            for text in connection:
                message = json.loads(text)
                if message["type"] == "started":
                    window_s = message["window_s"] or 0.0
                    arguments = (connection, samples, rate_hz, pace)
                    sender = threading.Thread(target=send_sound, args=arguments, daemon=True)
                    sender.start()
                elif message["type"] == "prediction":
                    n_answers += 1
                    yield message
                elif message["type"] in ("error", "closing"):
                    raise SystemExit(f"{message['type']}: {message['message']}")
                elif message["type"] == "stopped":
                    break
        except ConnectionClosed as closed:
            raise SystemExit(f"closed: {closed}") from None
    if not n_answers:
        long_s = len(samples) / rate_hz
        raise SystemExit(
            f"no answer came: the sound is {long_s:.2f} s long, and each answer hears {window_s:.2f} s and needs "
            "a little more around them; record for longer"
        )


def main() -> None:
    if len(sys.argv) not in (2, 3):
        raise SystemExit("usage: python docs/example_client.py recording.wav [ws://localhost:8000/ws]")
    try:
        samples, rate_hz = soundfile.read(sys.argv[1], dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as problem:
        raise SystemExit(f"{sys.argv[1]} cannot be read: {problem}") from None
    url = sys.argv[2] if len(sys.argv) > 2 else "ws://localhost:8000/ws"
    for said in predictions(url, samples[:, 0], rate_hz):
        quality = " ".join(said["quality"]) or "ok"
        print(f"{said['time_s']:7.2f} s  {said['expression']:10}  {said['confidence']:.2f}  {quality}")


if __name__ == "__main__":
    main()

"""Serving: many live clients at once on this machine: `python -m benchmarks.serving --clients 20 --seconds 600`.

One process serves, on loopback, as `mien serve MODEL` does; another is the clients, who send a simulated take over and
over in real time, in frames of 20 ms. For each answer it is written down how long after the last sample of its window
it came. Every window must be answered, or reported as dropped: what is neither is `lost`.
"""

import argparse
import asyncio
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import Row

FRAME = 960
RATE_HZ = 48_000
SETTLE_S = 3.0
"""Answers of the first seconds count as windows, but not in the latencies: all clients begin at once."""


def take() -> np.ndarray:
    """Return 10 s of the probe with an echo that moves, (time) float32, which repeat without a seam."""
    from mien.probe import Chirp

    probe, time_s = Chirp(), np.arange(10 * RATE_HZ) / RATE_HZ
    delay_s = 0.002 + 2e-5 * np.sin(2 * np.pi * 0.5 * time_s)
    sound = 0.3 * probe.at(time_s - 0.01) + 0.03 * probe.at(time_s - 0.01 - delay_s)
    return (sound + 1e-4 * np.random.default_rng(0).standard_normal(len(time_s))).astype(np.float32)


class Client:
    """One client and what it saw."""

    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self.n_answered = self.n_dropped = self.n_lost = 0
        """`n_lost`: windows between two answers that were not reported as dropped."""
        self.last_s = float("nan")
        self.window_s = self.hop_s = float("nan")
        self.closed = ""

    async def run(self, url: str, sound: np.ndarray, duration_s: float, offset_s: float) -> None:
        """Connect, speak for a while, and read all answers."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed

        await asyncio.sleep(offset_s)
        try:
            async with connect(url, max_queue=None, open_timeout=120, compression=None) as socket:
                await socket.send(json.dumps({"type": "hello", "version": 1}))
                await socket.send(json.dumps({"type": "start-live", "audio": {"rate_hz": RATE_HZ}}))
                sender: asyncio.Task[None] | None = None
                async for text in socket:
                    message = json.loads(text)
                    if message["type"] == "started":
                        self.window_s, self.hop_s = message["window_s"], message["hop_s"]
                        sender = asyncio.create_task(self._send(socket, sound, duration_s))
                    elif message["type"] == "prediction":
                        self._heard(message)
                    elif message["type"] == "stopped":
                        break
                    elif message["type"] in ("error", "closing"):
                        self.closed = message["message"]
                if sender is not None:
                    await sender
        except (ConnectionClosed, OSError) as problem:
            self.closed = self.closed or repr(problem)

    async def _send(self, socket: object, sound: np.ndarray, duration_s: float) -> None:
        began_s = time.monotonic()
        for number in range(round(duration_s * RATE_HZ / FRAME)):
            due_s = began_s + (number + 1) * FRAME / RATE_HZ
            await asyncio.sleep(due_s - time.monotonic())
            start = number * FRAME % len(sound)
            # The capture time is when the last sample was due: a client that is late itself counts against the server.
            header = struct.pack("<4sId", b"mien", number, due_s)
            await socket.send(header + sound[start : start + FRAME].tobytes())  # type: ignore[attr-defined]
        # What is still being answered is waited for.
        await asyncio.sleep(2.0)
        await socket.send(json.dumps({"type": "stop"}))  # type: ignore[attr-defined]

    def _heard(self, message: dict) -> None:
        if self.n_answered:
            # After a gap the rhythm begins anew, a part of a hop later: that part is no window.
            n_skipped = int((message["time_s"] - self.last_s) / self.hop_s + 0.25) - 1
            self.n_lost += n_skipped - (message["n_dropped_windows"] - self.n_dropped)
        self.n_answered += 1
        self.n_dropped, self.last_s = message["n_dropped_windows"], message["time_s"]
        if message["time_s"] > SETTLE_S:
            self.latencies_s.append(time.monotonic() - message["captured_s"])


async def clients(url: str, n_clients: int, duration_s: float) -> list[Client]:
    """Return what so many clients saw, who begin within one second."""
    sound, made = take(), [Client() for _ in range(n_clients)]
    await asyncio.gather(
        *(client.run(url, sound, duration_s, number / n_clients) for number, client in enumerate(made))
    )
    return made


def resident_mb(pid: int) -> float:
    """Return the memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def processor_s(pid: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def figures(made: Sequence[Client], memory_mb: Sequence[float]) -> dict[str, float | int | str | None]:
    """Return the figures of a run: latencies in milliseconds over all answers of all clients."""
    all_s = np.concatenate([client.latencies_s for client in made]) if made else np.zeros(0)
    p50, p95, p99 = np.percentile(all_s, [50, 95, 99]) * 1000 if len(all_s) else (float("nan"),) * 3
    return {
        "clients": len(made),
        "answered": sum(client.n_answered for client in made),
        "dropped": sum(client.n_dropped for client in made),
        "lost": sum(client.n_lost for client in made),
        "closed": sum(bool(client.closed) for client in made),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "p99_ms": round(float(p99), 1),
        "memory_at_begin_mb": round(memory_mb[0], 1),
        "memory_at_end_mb": round(memory_mb[-1], 1),
        "memory_most_mb": round(max(memory_mb), 1),
    }


async def measured(url: str, pid: int, n_clients: int, duration_s: float) -> dict[str, float | int | str | None]:
    """Return the figures of so many clients at a server."""
    memory_mb, before_s = [resident_mb(pid)], processor_s(pid)

    async def watch() -> None:
        while True:
            await asyncio.sleep(min(1.0, duration_s / 10))
            memory_mb.append(resident_mb(pid))

    watching = asyncio.create_task(watch())
    made = await clients(url, n_clients, duration_s)
    watching.cancel()
    for reason in sorted({client.closed for client in made if client.closed}):
        print(f"closed: {reason}", file=sys.stderr)
    share = (processor_s(pid) - before_s) / (n_clients * duration_s)
    return figures(made, memory_mb) | {"cores_per_client": round(share, 4)}


def measure(model: str, n_clients: int, duration_s: float) -> dict[str, float | int | str | None]:
    """Return the figures of so many clients at `mien serve MODEL`, started for them.

    Raises:
        RuntimeError: the server did not start.
    """
    program = [sys.executable, "-c", "from mien.cli import main; main()"]
    with subprocess.Popen(
        [*program, "serve", model, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            told = ""
            for line in server.stdout:
                told += line
                if line.startswith("}"):
                    break
            if not told:
                raise RuntimeError("the server did not start; what it says stands above")
            url = json.loads(told)["address"].replace("http", "ws", 1) + "ws"
            return asyncio.run(measured(url, server.pid, n_clients, duration_s))
        finally:
            server.send_signal(signal.SIGINT)


def run() -> list[Row]:
    """Return the figures of a short run with few clients."""
    found = measure("builtin", 4, 10.0)
    return [
        Row("4 live clients, median answer", float(found["p50_ms"] or 0), "ms"),
        Row("4 live clients, 99 % of answers within", float(found["p99_ms"] or 0), "ms"),
        Row("windows neither answered nor reported", float(found["lost"] or 0), "windows", 0.0, at_most=True),
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--model", default="builtin", help="a model's folder, or builtin")
    parser.add_argument("--out", type=Path, help="write the figures as JSON to this file")
    options = parser.parse_args(arguments)
    found = measure(options.model, options.clients, options.seconds)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    found |= {"seconds": options.seconds, "model": options.model, "cores": os.cpu_count(), "load": load}
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if not found["lost"] and not found["closed"] else 1


if __name__ == "__main__":
    sys.exit(main())

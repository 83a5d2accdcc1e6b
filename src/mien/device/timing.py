"""When things arrive: latency, clock drift, samples lost, and what tells Bluetooth."""

import re
from dataclasses import dataclass

import numpy as np

from mien.capture import CheckEmission
from mien.device.chirp_track import ChirpTrack
from mien.device.faults import find_wall_hz
from mien.device.sweep import Pulses

DRIFT_PPM = 20.0
"""Two devices' clocks differ by 3 to 270 ppm; one device has one clock."""

LARGEST_DRIFT_PPM = 1_000.0
LEAST_JUMP_S = 0.0003
MOST_JUMPS = 3
LONG_LATENCY_S = 0.35
"""Sound systems with generous buffers stay below; Bluetooth there and back does not."""

_WIRELESS = re.compile(r"bluetooth|bluez|airpods|hands-?free|\bhfp\b|\bhsp\b|a2dp|\bbuds\b|headset \(|wireless", re.I)
_SPEECH_WALL_HZ = 9_600.0
"""Behind the wall of 16 kHz speech, whose fall may begin at 8 kHz."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When things arrive.

    Args:
        start_s: when the emission's first sample arrived, in the recording.
        drift_ppm: how much faster the recorder's clock runs than the player's; None where too little was heard.
        lost_s: (jump) seconds by which the arrival jumps, each once; negative where samples are missing.
        lost_at_s: (jump) when, in the emission.
    """

    start_s: float
    drift_ppm: float | None
    lost_s: tuple[float, ...] = ()
    lost_at_s: tuple[float, ...] = ()


def align_sweeps(pulses: Pulses, emission: CheckEmission) -> tuple[float, np.ndarray] | None:
    """Return when the emission began in the recording, and which (sweep) of the emission each found sweep is.

    Sweeps may be missing at either end, and clocks or lost samples may shift them a little.
    """
    if not len(pulses):
        return None
    found_s, due_s = pulses.starts / pulses.rate_hz, np.array(emission.sweep_starts_s)
    best = None
    for first in range(len(due_s)):
        start_s = found_s[0] - due_s[first]
        which = np.argmin(np.abs(found_s[:, None] - start_s - due_s), axis=1)
        error_s = np.abs(found_s - start_s - due_s[which]).max()
        # Of equal fits the one in which the recording begins soonest before the emission.
        if error_s < 0.5 and (best is None or start_s >= -0.9 * emission.silence_s):
            best = float(start_s), which
    return best


def measure_timing(pulses: Pulses, which: np.ndarray, track: ChirpTrack, emission: CheckEmission) -> Timing:
    """Return start, drift and jumps, from the chirps where they were heard and from the sweeps in any case."""
    due_s = np.array(emission.sweep_starts_s)[which]
    sweep_delay_s = pulses.starts / pulses.rate_hz - due_s
    start_s = float(sweep_delay_s[0])
    time_s, delay_s = due_s, sweep_delay_s - start_s
    if track.is_heard:
        time_s, delay_s = track.time_s[track.clear], track.delay_s[track.clear]
    # Clocks that differ shift what lies on both sides of a sweep: that is no jump.
    jumps = _jumps(time_s, delay_s - _pace(time_s, delay_s) * time_s) if len(time_s) >= 20 else []
    straight = delay_s - sum((size * (time_s > at) for at, size in jumps), np.zeros(len(time_s)))
    # A stream that loses samples all the time has no clock to speak of.
    drift_ppm = _drift_ppm(time_s, straight) if len(jumps) <= MOST_JUMPS else None
    # Whole periods that are lost leave the chirps in step; the sweeps tell.
    for (at, delay), (_, before) in zip(
        list(zip(due_s, sweep_delay_s, strict=True))[1:], zip(due_s, sweep_delay_s, strict=False), strict=False
    ):
        unexplained = delay - before - sum(size for when, size in jumps if at - 12 < when <= at)
        if abs(unexplained) > 0.01:
            jumps.append((float(at), float(unexplained)))
    jumps.sort()
    return Timing(start_s, drift_ppm, tuple(size for _, size in jumps), tuple(at for at, _ in jumps))


def _pace(time_s: np.ndarray, delay_s: np.ndarray) -> float:
    """Return by how much the arrival shifts per second: the median over chirps half a second apart."""
    apart = 10
    return float(np.median((delay_s[apart:] - delay_s[:-apart]) / (time_s[apart:] - time_s[:-apart])))


def _jumps(time_s: np.ndarray, delay_s: np.ndarray) -> list[tuple[float, float]]:
    """Return (when, by how much) the arrival jumps and stays: the medians of five chirps before and after differ."""
    found, side = [], 5
    steps = np.array([np.median(delay_s[n : n + side]) - np.median(delay_s[n - side : n])
                      for n in range(side, len(delay_s) - side + 1)])  # fmt: skip
    while steps.size:
        worst = int(np.argmax(np.abs(steps)))
        if abs(steps[worst]) < LEAST_JUMP_S:
            break
        found.append((float(time_s[worst + side] - 1e-3), float(steps[worst])))
        steps[max(0, worst - side) : worst + side + 1] = 0
    return sorted(found)


def _drift_ppm(time_s: np.ndarray, delay_s: np.ndarray) -> float | None:
    """Return the slope of the arrival (Theil-Sen), in millionths: later and later means a faster recorder."""
    if len(time_s) < 2 or np.ptp(time_s) < 5:
        return None
    first, second = np.triu_indices(len(time_s), k=max(1, len(time_s) // 4))
    far = time_s[second] - time_s[first] > 0.2 * np.ptp(time_s)
    slopes = (delay_s[second] - delay_s[first])[far] / (time_s[second] - time_s[first])[far]
    ppm = float(1e6 * np.median(slopes)) if slopes.size else 0.0
    return ppm if abs(ppm) <= LARGEST_DRIFT_PPM else None


def find_drift(timing: Timing) -> str | None:
    """Name clocks that differ."""
    if timing.drift_ppm is None or abs(timing.drift_ppm) <= DRIFT_PPM:
        return None
    faster = "faster" if timing.drift_ppm > 0 else "slower"
    return f"the microphone's clock runs {abs(timing.drift_ppm):.0f} ppm {faster} than the loudspeaker's"


def find_lost_samples(timing: Timing) -> str | None:
    """Name jumps of the arrival."""
    if not timing.lost_s:
        return None
    worst = max(timing.lost_s, key=abs)
    what = "missing" if worst < 0 else "inserted"
    return (
        f"{len(timing.lost_s)} jumps of the arrival, the largest {1000 * abs(worst):.1f} ms {what}, "
        f"the first at {timing.lost_at_s[0]:.1f} s"
    )


def find_bluetooth(name: str, pulses: Pulses, latency_s: float | None) -> str | None:
    """Name what tells a Bluetooth device: its name, a telephone's bandwidth, or a long way round."""
    found = _WIRELESS.search(name)
    if found:
        return f"the device's name says so ({found.group(0)!r} in {name!r})"
    wall_hz = find_wall_hz(pulses) if len(pulses) else None
    if wall_hz is not None and wall_hz <= _SPEECH_WALL_HZ:
        return f"nothing above {wall_hz / 1000:.1f} kHz, as in a Bluetooth headset's telephone mode"
    if latency_s is not None and latency_s > LONG_LATENCY_S:
        return f"the sound takes {1000 * latency_s:.0f} ms there and back, as over Bluetooth"
    return None

"""Sensing: how many times faster than real time one core turns recordings into features, and how exactly."""

import numpy as np

from benchmarks import Row, least_s
from mien.dsp import speed_of_sound
from mien.probe import Chirp
from mien.recording import Recording
from mien.sensing.echoes import find_echoes
from mien.sensing.front_ends import RangeProfile, Spectrogram
from mien.sensing.range_gate import RangeGate, compress

CHIRP = Chirp()
FRONT_ENDS = {
    "spectrogram": Spectrogram(),
    "range profile": RangeProfile(neutral="take"),
}


def run() -> list[Row]:
    rows: list[Row] = []
    for duration_s in (1.0, 5.0):
        take = _take(duration_s)
        for name, front_end in FRONT_ENDS.items():
            spent_s = least_s(lambda front_end=front_end, take=take: [front_end.features(take) for _ in range(5)]) / 5
            n_windows = len(front_end.features(take))
            rows.append(Row(f"{name}, take of {duration_s:g} s", duration_s / spent_s, "x real time", 200.0))
            rows.append(Row(f"{name}, take of {duration_s:g} s", n_windows / spent_s, "windows/s"))
    return rows + _exactness()


def _take(duration_s: float, start: float = 500.3, drift_ppm: float = 60.0, noise: float = 0.003) -> Recording:
    """Return a direct path and one echo from 35 cm in closed form, with noise and a drifting clock."""
    n_samples = round(duration_s * CHIRP.rate_hz)
    time_s = (np.arange(n_samples) / (1 + drift_ppm * 1e-6) - start) / CHIRP.rate_hz
    sound = CHIRP.at(time_s) + 0.03 * CHIRP.at(time_s - (0.70 - 0.01) / speed_of_sound(20.0))
    sound += noise * np.random.default_rng(0).standard_normal(n_samples)
    return Recording((0.3 * sound)[None].astype(np.float32), CHIRP.rate_hz, CHIRP)


def _exactness() -> list[Row]:
    """Return the largest errors over starts and drifts."""
    starts, drifts, ranges, cancelled = [], [], [], []
    gate = RangeGate()
    fine_m = np.arange(0.33, 0.37, 0.0001)
    for drift_ppm in (-270.0, 0.0, 60.0, 300.0):
        for start in (3.3, 900.77, 1900.5):
            echoes = find_echoes(_take(1.0, start, drift_ppm))
            starts.append(abs(echoes.sync.start_sample - start * (1 + drift_ppm * 1e-6)))
            drifts.append(abs(echoes.sync.drift_ppm - drift_ppm))
            profile = np.abs(compress(echoes.cleaned[0], echoes.grid, gate.delay_s(fine_m)))
            ranges.append(np.abs(fine_m[profile.argmax(axis=1)] - 0.35).max() * 1000)
            cancelled.append(echoes.cancellation_db)
    return [
        Row("largest error of the start", max(starts), "samples", 0.02, at_most=True),
        Row("largest error of the drift", max(drifts), "ppm", 2.0, at_most=True),
        Row("largest error of an echo's distance", max(ranges), "mm", 1.0, at_most=True),
        Row("least cancellation of the direct path", min(cancelled), "dB", 30.0),
    ]

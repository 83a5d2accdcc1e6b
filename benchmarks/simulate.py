"""The simulator: frames per second on one core, what finer meshes and visibility cost, and a whole study on disk."""

import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import Row, least_s
from mien.datasets.simulated import simulate_study
from mien.probe import Chirp
from mien.simulate.face import FaceModel
from mien.simulate.options import SimulationOptions
from mien.simulate.own_face import own_face
from mien.simulate.scatter import channel_frequencies, scatter_frames

FREQUENCIES_HZ = channel_frequencies(Chirp().band_hz)
SPEED_M_S = 343.0
N_FRAMES = 40

WHOLE_STUDY = {"n_subjects": 20, "n_takes": 10, "duration_s": 5.0, "masks": ("open", "mask")}
"""The paper's scale: 240,000 chirps."""


def run() -> list[Row]:
    rows: list[Row] = []
    for n_facets, goal in ((8_000, 1_000.0), (24_000, 400.0)):
        rows += _scattering(own_face(n_facets), n_facets, goal)
    return rows + _study()


def _device(face: FaceModel) -> tuple[np.ndarray, np.ndarray]:
    """Return loudspeaker and microphone 1 cm apart, 30 cm before the nose and 11 cm below it."""
    middle = face.neutral[face.landmarks["nose_tip"]] + [0.0, -0.11, 0.30]
    return middle - [0.005, 0.0, 0.0], middle + [0.005, 0.0, 0.0]


def _scattering(face: FaceModel, n_facets: int, goal: float) -> list[Row]:
    rng = np.random.default_rng(0)
    intensities = rng.random((N_FRAMES, len(face.unit_names)))
    shape = face.shape(np.zeros(len(face.identity_modes)))
    frames = face.pose_frames(shape, intensities)
    surface, ends = (face.triangles, face.reflectivity), _device(face)
    seen_s = least_s(lambda: scatter_frames(frames, *surface, *ends, FREQUENCIES_HZ)) / N_FRAMES
    blind_s = least_s(lambda: scatter_frames(frames, *surface, *ends, FREQUENCIES_HZ, visible=False)) / N_FRAMES
    pose_s = least_s(lambda: face.pose_frames(shape, intensities)) / N_FRAMES
    numpy_s = least_s(lambda: numpy_frame(frames[0], *surface, *ends), n_times=2)
    about = f"{n_facets:,} facets"
    return [
        Row(f"scattering with visibility, {about}", 1 / seen_s, "frames/s", goal),
        Row(f"faces posed and scattered, {about}", 1 / (pose_s + seen_s), "frames/s"),
        Row(f"share of visibility, {about}", 1 - blind_s / seen_s, ""),
        Row(f"numpy without visibility takes as long, {about}", numpy_s / blind_s, "x"),
    ]


def _study() -> list[Row]:
    """Write a hundredth of the whole study in a process of its own and scale its time; memory does not grow with it."""
    whole = SimulationOptions(**WHOLE_STUDY)
    part = SimulationOptions(**(WHOLE_STUDY | {"n_subjects": 2, "n_takes": 1}))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        process.submit(_write_study, SimulationOptions(n_subjects=1, n_takes=1)).result()
        spent_s, peak_mb = process.submit(_write_study, part).result()
    about = f"{whole.n_chirps:,} chirps on disk"
    return [
        Row(f"{about}, one core, from {part.n_chirps:,}", spent_s * whole.n_chirps / part.n_chirps / 60, "min"),
        Row(f"{about}, peak memory", peak_mb, "MB", goal=2_000.0, at_most=True),
    ]


def _write_study(options: SimulationOptions) -> tuple[float, float]:
    """Return the processor time in seconds and the process's peak memory in MB so far."""
    with tempfile.TemporaryDirectory() as folder:
        started_s = time.process_time()
        simulate_study(Path(folder) / "study", options, progress=False)
        spent_s = time.process_time() - started_s
    return spent_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def numpy_frame(
    points: np.ndarray, triangles: np.ndarray, reflectivity: np.ndarray, source: np.ndarray, receiver: np.ndarray
) -> np.ndarray:
    """Return (freq) the same sum with flat facets and a phase for every facet and frequency, in plain numpy."""
    corners = points[triangles]
    double = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    center = corners.mean(axis=1)
    to_source, to_receiver = source - center, receiver - center
    reach_t, reach_r = np.linalg.norm(to_source, axis=1), np.linalg.norm(to_receiver, axis=1)
    facing_t, facing_r = (np.einsum("fx,fx->f", double, way) for way in (to_source, to_receiver))
    lit = (facing_t > 0) & (facing_r > 0)
    weight = (reflectivity * (facing_t / reach_t + facing_r / reach_r) / (4 * reach_t * reach_r))[lit]
    wave_per_m = 2 * np.pi * FREQUENCIES_HZ / SPEED_M_S
    carriers = np.exp(-1j * wave_per_m[:, None] * (reach_t + reach_r)[lit])
    return 1j * wave_per_m / (2 * np.pi) * (carriers @ weight)

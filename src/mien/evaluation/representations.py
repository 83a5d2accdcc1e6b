"""What networks make of windows before they name them: kept beside the results, for the figures that look into them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien.array_files import read_arrays, write_arrays
from mien.errors import StudyError
from mien.evaluation.plan import Job
from mien.sensing.features import Features
from mien.splits.deal import seeded

FOLDER = "representations"
_KEYS = ("method", "protocol", "adaptation")
_NUMBERS = ("fold", "seed")


@dataclass(frozen=True, slots=True, eq=False)
class Representations:
    """Representations of windows of one model, as many of either side as were asked for.

    Args:
        values: (window feature) float32.
        windows: one row per window: side ("train" or "test"), expression, subject, row (the take's position in the
            study's table), start_s.
    """

    method: str
    protocol: str
    adaptation: str
    fold: int
    seed: int
    values: np.ndarray
    windows: pd.DataFrame


def can_represent(recognizer: Any) -> bool:
    """Return whether a recognizer has representations to show."""
    return hasattr(getattr(recognizer, "estimator", recognizer), "represent")


def represented(
    recognizer: Any, job: Job, adaptation: str, features: Features, take_of: np.ndarray, table: pd.DataFrame
) -> Representations:
    """Return representations of windows drawn from a job's training rows and from its test rows.

    Args:
        take_of: (row) the take in `table` of each row that features count.
    """
    rng = seeded(job.seed, job.split.fold, "representations")
    sides, chosen = [], []
    for side, rows in (("train", job.split.train), ("test", job.split.test)):
        inside = np.flatnonzero(np.isin(features.row, rows))
        chosen.append(np.sort(rng.permutation(inside)[: job.n_representations]))
        sides += [side] * len(chosen[-1])
    index = np.concatenate(chosen)
    part = features.at(index)
    takes = take_of[part.row]
    windows = pd.DataFrame(
        {
            "side": sides,
            "expression": table["expression"].astype(str).to_numpy()[takes],
            "subject": table["subject"].astype(str).to_numpy()[takes],
            "row": takes,
            "start_s": part.start_s,
        }
    )
    values = getattr(recognizer, "estimator", recognizer).represent(part.images()).astype(np.float32)
    return Representations(job.method, job.split.protocol, adaptation, job.split.fold, job.seed, values, windows)


def write_representations(folder: Path, number: int, kept: Representations) -> None:
    """Write the representations that job `number` kept into `folder`/representations."""
    arrays = {name: np.array(getattr(kept, name)) for name in (*_KEYS, *_NUMBERS, "values")}
    words = ("side", "expression", "subject")
    arrays |= {
        f"window_{name}": kept.windows[name].to_numpy(dtype=str if name in words else None) for name in kept.windows
    }
    write_arrays(Path(folder) / FOLDER / f"{number:04d}-{kept.adaptation}.npz", arrays)


def read_representations(folder: Path, method: str, adaptation: str = "none") -> Iterator[Representations]:
    """Yield what an evaluation kept of a method, a fold at a time.

    Raises:
        StudyError: nothing was kept of it.
    """
    found = 0
    for path in sorted((Path(folder) / FOLDER).glob(f"*-{adaptation}.npz")):
        arrays = read_arrays(path, StudyError)
        if str(arrays["method"]) != method:
            continue
        found += 1
        names = [name for name in arrays if name.startswith("window_")]
        windows = pd.DataFrame({name.removeprefix("window_"): arrays[name] for name in names})
        method, protocol, adaptation = (str(arrays[name]) for name in _KEYS)
        fold, seed = (int(arrays[name]) for name in _NUMBERS)
        yield Representations(method, protocol, adaptation, fold, seed, arrays["values"], windows)
    if not found:
        raise StudyError(
            f"{folder} holds no representations of {method}, {adaptation}; ask evaluate for n_representations=2048, "
            "of a method that is a network, and of an adaptation that makes one model per fold"
        )

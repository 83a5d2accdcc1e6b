"""Where a network's attention adds something, by expression: kept beside the results for the report's picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien.array_files import read_arrays, write_arrays
from mien.errors import StudyError
from mien.evaluation.plan import Job
from mien.sensing.features import Axis, Features
from mien.splits.deal import seeded

FOLDER = "attention"
MOST_WINDOWS = 256


@dataclass(frozen=True, slots=True, eq=False)
class AttentionMap:
    """How much attention adds at each place, mean over scored windows of an expression, of one model.

    Args:
        expressions: one per map. values: (expression height time).
        height, time: what the heard image lies over; a map covers all of it in fewer cells.
    """

    method: str
    fold: int
    n_windows: int
    expressions: tuple[str, ...]
    values: np.ndarray
    height: Axis
    time: Axis


def attention_of(
    recognizer: Any, job: Job, features: Features, take_of: np.ndarray, table: pd.DataFrame
) -> AttentionMap | None:
    """Return the map of the first training of the first fold, of windows drawn from its test rows; else None.

    Args:
        take_of: (row) the take in `table` of each row that features count.
    """
    made = getattr(recognizer, "estimator", recognizer)
    if job.split.fold or job.training or not hasattr(made, "attention_map"):
        return None
    rng = seeded(job.seed, job.split.fold, "attention")
    inside = np.flatnonzero(np.isin(features.row, job.split.test))
    part = features.at(np.sort(rng.permutation(inside)[:MOST_WINDOWS]))
    maps = made.attention_map(part.images()) if len(part) else None
    if maps is None:
        return None
    shown = table["expression"].astype(str).to_numpy()[take_of[part.row]]
    expressions = sorted(set(shown))
    means = np.stack([maps[shown == each].mean(axis=0) for each in expressions])
    return AttentionMap(
        job.method, job.split.fold, len(part), tuple(expressions), means, features.axes[-2], features.axes[-1]
    )


def write_attention(folder: Path, number: int, kept: AttentionMap) -> None:
    """Write the map that job `number` kept into `folder`/attention."""
    arrays: dict[str, Any] = {name: np.array(getattr(kept, name)) for name in ("method", "fold", "n_windows", "values")}
    arrays["expressions"] = np.array(kept.expressions, dtype=str)
    for name in ("height", "time"):
        axis = getattr(kept, name)
        arrays |= {f"{name}_values": axis.values, f"{name}_words": np.array([axis.name, axis.unit])}
    write_arrays(Path(folder) / FOLDER / f"{number:04d}.npz", arrays)


def read_attention(folder: Path) -> dict[str, AttentionMap]:
    """Return method -> the first map that an evaluation kept of it; empty where none was kept.

    Raises:
        StudyError: a file that is no such map.
    """
    found: dict[str, AttentionMap] = {}
    for path in sorted((Path(folder) / FOLDER).glob("*.npz")):
        arrays = read_arrays(path, StudyError)
        try:
            axes = [_axis(arrays, name) for name in ("height", "time")]
            fold, n_windows, words = (
                int(arrays["fold"]),
                int(arrays["n_windows"]),
                tuple(map(str, arrays["expressions"])),
            )
            kept = AttentionMap(str(arrays["method"]), fold, n_windows, words, arrays["values"], *axes)
        except (KeyError, TypeError, ValueError) as error:
            raise StudyError(f"{path} holds no attention map ({error}); delete it and evaluate again") from None
        found.setdefault(kept.method, kept)
    return found


def _axis(arrays: dict[str, np.ndarray], side: str) -> Axis:
    name, unit = map(str, arrays[f"{side}_words"])
    return Axis(name, unit, arrays[f"{side}_values"])

"""What an evaluation is asked to do, as a value and as JSON, and the folder in which finished jobs wait."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import SplitError, StudyError
from mien.evaluation.adaptation import ADAPTATIONS, adaptation_named
from mien.files import read_json, write_json
from mien.probe import probe_to_json
from mien.progress import talk
from mien.splits import Split
from mien.splits.deal import seeded

NEUTRAL_AS = ("class", "reference")

N_TRAININGS, N_TRAININGS_OF_FEW, FEW_SPLITS = 3, 5, 3
MOST_TRAININGS = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """The protocol and how often it is run.

    Args:
        seeds: each fixes folds and what is drawn; a seed is a whole evaluation.
        adaptations: what is scored of each fitted method, see `mien.evaluation.adaptation`.
        neutral: "class": takes labelled neutral are learnt and scored like others; "reference": they are neither, and
            serve only as the neutral clip of `calibrated-N`.
        n_representations: windows of each side whose representations are kept.
        first_folds: how many of the folds are scored; None scores all.
        n_trainings: how often what learns by chance is trained anew on every split; None for `trainings_for`.

    Raises:
        SplitError: no seed, no adaptation, or an unknown one.
    """

    protocol: str
    n_folds: int = 5
    seeds: tuple[int, ...] = (0,)
    adaptations: tuple[str, ...] = ADAPTATIONS
    validation_fraction: float = 0.2
    neutral: str = "class"
    n_representations: int = 0
    first_folds: int | None = None
    n_trainings: int | None = None

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise SplitError(f"seeds {self.seeds} were asked for; one or more different numbers are needed")
        for word in self.adaptations:
            adaptation_named(word)
        if not self.adaptations or len(set(self.adaptations)) < len(self.adaptations):
            raise SplitError(f"adaptations {self.adaptations} were asked for; one or more different ones are needed")
        if self.neutral not in NEUTRAL_AS:
            raise SplitError(f"neutral={self.neutral!r} was asked for; choose from {', '.join(NEUTRAL_AS)}")
        if self.first_folds is not None and self.first_folds < 1:
            raise SplitError(f"first_folds={self.first_folds} was asked for; one or more, or None for all")
        if self.n_trainings is not None and not 1 <= self.n_trainings <= MOST_TRAININGS:
            raise SplitError(
                f"{self.n_trainings} trainings of every split were asked for; 1 to {MOST_TRAININGS} are possible, "
                "3 are usual"
            )

    def trainings(self, n_splits: int, by_chance: bool) -> int:
        """Return how often a method is trained on each of so many splits: once where chance has no part in it."""
        return (self.n_trainings or trainings_for(n_splits)) if by_chance else 1


def trainings_for(n_splits: int) -> int:
    """Return how many trainings a split gets unless asked otherwise: more where few splits tell how far they spread."""
    return N_TRAININGS if n_splits >= FEW_SPLITS else N_TRAININGS_OF_FEW


def training_seed(seed: int, training: int) -> int:
    """Return the seed with which a training learns: the evaluation's own for the first, then one of its own for each.

    Example:
        >>> training_seed(7, 0), training_seed(7, 1) == training_seed(7, 1), training_seed(7, 1) != training_seed(8, 1)
        (7, True, True)
    """
    if training == 0:
        return seed
    return int(seeded(seed, training, "training").integers(2**31))


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One training of one method on one fold of one seed.

    Args:
        neutral: rows of neutral clips to calibrate with; None where neutral is a class like others.
        n_representations: windows of each side whose representations are kept.
        training: which of the trainings on this split; another differs by `training_seed` alone.
    """

    method: str
    seed: int
    split: Split
    adaptations: tuple[str, ...]
    neutral: np.ndarray | None = None
    n_representations: int = 0
    training: int = 0


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: dataclasses as objects with their kind, tuples as lists, others as text.

    Example:
        >>> plain({"widths": (1, np.float64(2.5))})
        {'widths': [1, 2.5]}
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else str(value)
    if is_dataclass(value) and not isinstance(value, type):
        kind = {"kind": value.kind} if hasattr(value, "kind") else {}
        return kind | plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return plain(value.item()) if isinstance(value, np.generic) else str(value)


def facts_of(study: Any, plan: dict[str, Any], jobs: Sequence[Job], by_chance: Mapping[str, bool]) -> dict[str, Any]:
    """Return what a reader of the results must know: the plan, the study, how often was trained, who was on which side.

    Args:
        by_chance: method -> whether another seed gives other answers.
    """
    table = study.table
    first = next(iter(plan["methods"]))
    return {
        "plan": plan,
        "study": {
            "name": study.name,
            "origin": study.origin,
            "simulated": bool(study.is_simulated),
            "n_subjects": int(table["subject"].nunique()),
            "n_takes": len(table),
            "probe": probe_to_json(study.probe),
            "generator": plain(study.generator),
        },
        "trainings": {
            method: {"n": 1 + max(job.training for job in jobs if job.method == method), "by_chance": chance}
            for method, chance in by_chance.items()
        },
        "splits": [_split_facts(job, table) for job in jobs if job.method == first and job.training == 0],
    }


def _split_facts(job: Job, table: Any) -> dict[str, Any]:
    split = job.split
    sides = {} if split.leaks else {"train": split.train, "validation": split.validation, "test": split.test}
    return {
        "seed": job.seed,
        "fold": split.fold,
        "unit": split.unit,
        "disjoint_by": list(split.disjoint_by),
        "n_train": len(split.train),
        "n_validation": len(split.validation),
        "n_test": len(split.test),
        "n_unlabelled": len(split.unlabelled),
        "n_unlabelled_target": len(split.unlabelled_target),
        "people": {side: sorted(table["subject"].iloc[rows].astype(str).unique()) for side, rows in sides.items()},
    }


def open_partial(out: Path, plan: dict[str, Any], resume: bool) -> Path:
    """Return the folder of finished jobs, after making sure that it belongs to this plan.

    Raises:
        StudyError: it holds jobs and `resume` is off, or they are of another plan.
    """
    folder = Path(out) / "partial"
    written = folder / "plan.json"
    if not os.path.lexists(written):
        write_json(written, plan)
        return folder
    if not resume:
        raise StudyError(f"{out} holds an unfinished run; go on with --resume, or choose another --out")
    found = read_json(written, StudyError)
    if not same_plan(found, plan):
        other = ", ".join(name for name in plan if found.get(name) != json.loads(json.dumps(plan[name])))
        raise StudyError(f"{out} holds an unfinished run with other {other}; choose another --out or ask for the same")
    talk.print(f"going on with {len(list(folder.glob('job-*.csv')))} finished jobs", highlight=False)
    return folder


def refuse_other_results(out: Path, plan: dict[str, Any]) -> None:
    """Refuse a folder whose results are not of this plan: they would be written over.

    Raises:
        StudyError: naming what it holds.
    """
    written = out / "run.json"
    if written.is_file():
        run = read_json(written, StudyError)
        options = run.get("options")
        if not (isinstance(options, dict) and same_plan(options.get("plan"), plan)):
            raise StudyError(f"{out} holds another run ({run.get('command')}); choose another --out, or delete it")


def close_partial(folder: Path) -> None:
    """Remove what was kept of finished jobs, and nothing that somebody else put there."""
    for pattern in (
        "plan.json",
        "job-*.csv",
        "timing-*.csv",
        ".plan-*.tmp.json",
        ".job-*.tmp.csv",
        ".timing-*.tmp.csv",
    ):
        for written in folder.glob(pattern):
            written.unlink()
    with suppress(OSError):
        folder.rmdir()


def same_plan(written: Any, plan: dict[str, Any]) -> bool:
    """Return whether a plan read from JSON is this one; one that says nothing of trainings had one of each split."""
    asked = json.loads(json.dumps(plan))
    return isinstance(written, dict) and {"n_trainings": 1} | written == asked

"""Many takes: over several processes, in a fixed order, without a study or with sound to be stored in one.

Each take depends on the options and its own place in the plan, never on what was simulated before or elsewhere: one
process or many, begun anew or continued, give the same.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd

from mien.simulate.options import PlannedTake, SimulationOptions, plan_takes
from mien.simulate.stage import stage_for
from mien.simulate.take import columns_of, gated_channel, play, sound_of

BATCH_S = 10.0
"""About this much sound is made per job: enough to outweigh its start, little enough to keep memory small."""

ROUND = 64
"""Jobs after which all sound must be fetched: some 120 MB of one channel at 48 kHz."""


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedTake:
    """A take and what a table says of it.

    Args:
        plan: who, which, what.
        columns: place, mask, device, action units, ...
        samples: (channel time) float32.
    """

    plan: PlannedTake
    columns: dict[str, Any]
    samples: np.ndarray


def simulate_takes(
    options: SimulationOptions, *, done: Set[tuple[str, str, str]] = frozenset(), n_jobs: int = 1
) -> Iterator[SimulatedTake]:
    """Yield the takes of a study in the order of its plan.

    Args:
        done: (subject, session, take) to leave out.
        n_jobs: processes; -1 for one per core.
    """
    plans = [
        plan
        for subject_index in range(options.n_subjects)
        for plan in plan_takes(options, subject_index)
        if (plan.subject, plan.session, plan.take) not in done
    ]
    batches = _batches(options, plans)
    with joblib.Parallel(n_jobs=n_jobs, return_as="generator", batch_size=1) as parallel:
        # joblib goes on working however slowly its results are fetched: rounds bound what can wait to be stored.
        for first in range(0, len(batches), ROUND):
            jobs = [joblib.delayed(_simulate_sounds)(options, batch) for batch in batches[first : first + ROUND]]
            for takes in parallel(jobs):
                yield from takes


def _batches(options: SimulationOptions, plans: list[PlannedTake]) -> list[list[PlannedTake]]:
    n_batch = max(1, int(BATCH_S / options.duration_s))
    return [plans[first : first + n_batch] for first in range(0, len(plans), n_batch)]


def _simulate_sounds(options: SimulationOptions, plans: list[PlannedTake]) -> list[SimulatedTake]:
    stage = stage_for(options)
    takes = []
    for plan in plans:
        played = play(stage, plan)
        takes.append(SimulatedTake(plan, columns_of(stage, played), sound_of(stage, played)))
    return takes


def simulate_channels(options: SimulationOptions, *, n_jobs: int = 1) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the channels that a range-gated receiver would estimate, without ever making sound.

    For training on more people than sound could be stored of. The steady direct path and clutter beyond the face's
    range, which a receiver removes, are left out; noise is that of an estimate from one period, gated to the delays
    that the grid's step resolves.

    Returns:
        (take period channel freq) complex64 on the grid of `channel_frequencies`, one period per whole chirp of the
        recording, and a table with one row per take: subject, session, take, expression and the columns of a study.

    Example:
        >>> options = SimulationOptions(n_subjects=1, n_takes=1, expressions=("fear",))
        >>> channels, table = simulate_channels(options)
        >>> channels.shape, table.expression.tolist()
        ((1, 20, 1, 19), ['fear'])
    """
    plans = [plan for subject_index in range(options.n_subjects) for plan in plan_takes(options, subject_index)]
    parallel = joblib.Parallel(n_jobs=n_jobs, batch_size=1)
    found = parallel(joblib.delayed(_simulate_channels)(options, batch) for batch in _batches(options, plans))
    rows = [row for _, batch_rows in found for row in batch_rows]
    return np.concatenate([channels for channels, _ in found]), pd.DataFrame(rows)


def _simulate_channels(options: SimulationOptions, plans: list[PlannedTake]) -> tuple[np.ndarray, list[dict[str, Any]]]:
    stage = stage_for(options)
    channels, rows = [], []
    for plan in plans:
        played = play(stage, plan)
        channels.append(gated_channel(stage, played).astype(np.complex64))
        who = {"subject": plan.subject, "session": plan.session, "take": plan.take, "expression": plan.expression}
        rows.append(who | {"sex": played.person.sex} | columns_of(stage, played))
    return np.stack(channels), rows

"""Many takes: over several processes, in a fixed order, without a study or with sound to be stored in one.

Each take depends on the options and its own place in the plan, never on what was simulated before or elsewhere: one
process or many, begun anew or continued, give the same.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np

from mien.simulate.options import PlannedTake, SimulationOptions, plan_takes
from mien.simulate.stage import stage_for
from mien.simulate.take import columns_of, play, sound_of
from mien.workers import results_of

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
            for takes in results_of(parallel(jobs)):
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

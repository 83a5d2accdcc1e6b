"""Speed and memory of mien, measured on the machine at hand: `python -m benchmarks [PART ...] [--out FILE]`.

Each module of this package with a function ``run() -> list[Row]`` is a part. Prefer ratios of two things measured
within one run, which mean the same on any machine, over seconds.
"""

import os
import time
from collections.abc import Callable
from typing import NamedTuple

# One core is measured, so the libraries' own threads must not help; they read this when they are first imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


class Row(NamedTuple):
    """One thing measured.

    Args:
        name: what, in words.
        value: in `unit`.
        unit: "frames/s", "s", "MB", "x" for a ratio.
        goal: the value aimed at, or None where there is none.
        at_most: the goal is not to be passed; otherwise it is to be reached.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        """Return whether the goal is met, None without a goal."""
        if self.goal is None:
            return None
        return bool(self.value <= self.goal if self.at_most else self.value >= self.goal)


def least_s(work: Callable[[], object], n_times: int = 5) -> float:
    """Return the least processor time, in seconds, of several calls: what one core needs when left alone.

    The first call is not counted; it compiles and warms the caches.
    """
    work()
    spent_s = []
    for _ in range(n_times):
        started_s = time.process_time()
        work()
        spent_s.append(time.process_time() - started_s)
    return min(spent_s)

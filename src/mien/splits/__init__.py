"""Protocols: a study's table in, train / validation / test rows out, and the guard that refuses a split that leaks.

A split is made over takes and groups of takes, never over windows; the one exception, `mixed-windows`, leaks on
purpose (it shows what such a figure is worth) and says so wherever it appears.
"""

from mien.splits.adaptation import adaptation_halves, calibration_takes, drawn_takes
from mien.splits.guard import Split, check_split, missing, parents_of
from mien.splits.protocols import PROTOCOLS, make_splits

__all__ = [
    "PROTOCOLS",
    "Split",
    "adaptation_halves",
    "calibration_takes",
    "check_split",
    "drawn_takes",
    "make_splits",
    "missing",
    "parents_of",
]

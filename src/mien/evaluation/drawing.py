"""The one door to matplotlib: it draws into files, in one look, whatever a user's own settings are.

matplotlib refuses to be imported where `MPLBACKEND` names what this installation lacks, as in a process started from a
notebook; and a `matplotlibrc` may ask for LaTeX or other fonts. Neither concerns a figure in a file.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


def _import_with_any_backend() -> Any:
    asked = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if asked is not None:
            os.environ["MPLBACKEND"] = asked
    if asked:
        with suppress(ValueError):  # what was asked for stays in force where it can be, for plots of the user's own
            matplotlib.rcParams["backend"] = asked
    return matplotlib


matplotlib = _import_with_any_backend()

from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.patches import Patch, Rectangle  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

__all__ = ["Axes", "Figure", "Line2D", "MaxNLocator", "Patch", "Rectangle", "settings"]


@contextmanager
def settings(**changes: Any) -> Iterator[None]:
    """Draw with matplotlib's own defaults and these changes; afterwards the user's settings are as before."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(changes)
        yield

"""Facial expressions from sound, from a camera, or from both.

`load_study` reads a study, `Recognizer` learns from it; everything else is imported from its own module.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["Recognizer", "__version__", "load_study"]

if TYPE_CHECKING:
    from mien.datasets.study import load_study
    from mien.recognizer import Recognizer


def __getattr__(name: str) -> Any:
    # Imported at use, so that the command line's help does not wait for torch.
    if name == "load_study":
        from mien.datasets.study import load_study

        return load_study
    if name == "Recognizer":
        from mien.recognizer import Recognizer

        return Recognizer
    raise AttributeError(f"module 'mien' has no attribute {name!r}")

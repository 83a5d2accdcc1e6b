"""The model that comes with the package."""

from pathlib import Path

import mien
from mien.errors import ModelError
from mien.sensing.neutral import NEUTRAL_UNTIL_S

BUILTIN = "builtin"
SIMULATED = "trained on simulated people only: on real faces these probabilities are untested"
NO_NEUTRAL = "it has learnt no neutral face: a face at rest is given an expression too, or is unsure"
ASSUMED = (
    f"heard against the first {NEUTRAL_UNTIL_S:g} s, taken for the neutral face; a neutral clip of the person "
    "(mien calibrate) or neutral_until_s in the sidecar does away with that"
)


def model_path(model: Path | str) -> Path:
    """Return a model's folder: what was given, or the package's own for `builtin`.

    A folder of that name where one stands is reached by its absolute path.

    Raises:
        ModelError: this installation has none.

    Example:
        >>> model_path("my/model").name
        'model'
    """
    if str(model) != BUILTIN:
        return Path(model)
    folder = Path(mien.__file__).parent / BUILTIN
    if not folder.is_dir():
        raise ModelError(f"this installation holds no {BUILTIN} model; train one (mien train) and name its folder")
    return folder


def offer(model: Path | str) -> str:
    """Return the line that offers calibration where a model knows nothing of the person who uses it.

    Example:
        >>> offer("builtin")
        'to make it know one person: mien calibrate builtin STUDY --out MODEL (their neutral clip and a take of each)'
    """
    return (
        f"to make it know one person: mien calibrate {model} STUDY --out MODEL (their neutral clip and a take of each)"
    )

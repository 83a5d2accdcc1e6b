"""What the paper states: every accuracy and score in its text and figures, with the section it stands in.

G. Wang, Q. Yan, S. Patrarungrong, J. Wang, H. Zeng, FacER: Contrastive attention based expression recognition via
smartphone earpiece speaker, IEEE INFOCOM 2023. Real people, a phone's earpiece, windows of 0.25 s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

N_WINDOWS = 20_535
"""Section V-A: samples in all, of 20 people with and without a mask."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What the paper says of one method in one case; None where it says nothing.

    Args:
        accuracy, precision, recall, f1: over windows, 0 to 1.
        per_class: expression -> accuracy of that class, where the text gives it.
        least_class: every class is named at least so well.
        least_average_precision: the same of its average precision.
        spread: standard deviation of the accuracy over folds.
        where: section or figure.
        note: what must be known to read it.
    """

    accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    per_class: Mapping[str, float] = field(default_factory=dict)
    least_class: float | None = None
    least_average_precision: float | None = None
    spread: float | None = None
    where: str = ""
    note: str = ""


PAPER: dict[tuple[str, str], Stated] = {
    ("1a", "facer"): Stated(least_class=0.91, where="VI-A, Fig. 6a", note="the total is not given"),
    ("1a-folds", "facer"): Stated(0.943, spread=0.004, where="VI-A"),
    ("1b", "facer"): Stated(0.898, f1=0.90, spread=0.017, where="VI-A, Fig. 7"),
    ("1b", "resnet"): Stated(spread=0.014, where="VI-A", note="other values only as bars of Fig. 7"),
    ("1b", "xhar"): Stated(f1=0.826, spread=0.016, where="VI-A", note="other values only as bars of Fig. 7"),
    ("1c", "facer"): Stated(0.903, 0.905, 0.903, least_average_precision=0.958, where="VI-A, Fig. 8"),
    ("2", "facer"): Stated(
        0.85, f1=0.852, per_class={"disgust": 0.787, "surprise": 0.905}, where="VI-B, Fig. 6b and 10"
    ),
    ("2", "xhar"): Stated(0.791, f1=0.787, where="VI-B, Fig. 10"),
    ("2", "sonicface"): Stated(
        0.72,
        where="VI-B, Fig. 10",
        note="quoted from its own paper: calibrated to the user; 78.6 % within a session",
    ),
    ("3", "facer"): Stated(0.872, per_class={"fear": 0.908, "happiness": 0.887}, where="VI-C, Fig. 6c"),
    ("4", "facer"): Stated(0.849, per_class={"fear": 0.795, "happiness": 0.885}, where="VI-C, Fig. 6d"),
}
"""(case, method) -> what is stated. The caption of Fig. 6 swaps cases 3 and 4; the text is right."""

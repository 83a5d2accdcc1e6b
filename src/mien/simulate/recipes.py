"""Expressions as combinations of action units, and the head's motion that version 1 of the levels tied to them."""

from dataclasses import dataclass

from mien.labels import EXPRESSIONS, NEUTRAL

RECIPES: dict[str, tuple[int, ...]] = {
    NEUTRAL: (),
    "anger": (4, 5, 7, 23),
    "disgust": (9, 10, 15, 17),
    "fear": (1, 2, 4, 5, 20, 26),
    "happiness": (6, 12),
    "sadness": (1, 4, 15, 17),
    "surprise": (1, 2, 5, 26),
}
"""Action units of each expression, chosen after Ekman and Friesen's prototypes and not identical to them. Fixed by the
levels' version."""


@dataclass(frozen=True, slots=True)
class HeadMotion:
    """How the head moves with an expression at its apex: towards the phone, up, to its left."""

    towards_m: float = 0.0
    up_deg: float = 0.0
    left_deg: float = 0.0


HEAD_MOTION = {
    NEUTRAL: HeadMotion(),
    "anger": HeadMotion(towards_m=0.008, up_deg=-3.0),
    "disgust": HeadMotion(towards_m=-0.008, left_deg=4.0),
    "fear": HeadMotion(towards_m=-0.012),
    "happiness": HeadMotion(towards_m=0.004, up_deg=3.0),
    "sadness": HeadMotion(up_deg=-6.0),
    "surprise": HeadMotion(towards_m=-0.008, up_deg=4.0),
}
"""The shared recipe by which every head moved in version 1; in version 2 the ablation `head="recipe"` alone."""

EXCHANGED = dict(zip(EXPRESSIONS, (*EXPRESSIONS[1:], EXPRESSIONS[0]), strict=True)) | {NEUTRAL: NEUTRAL}
"""Whose head motion each expression is shown with in the ablation `head="exchanged"`."""


def unit_weights(expression: str) -> dict[int, float]:
    """Return the full intensity of each action unit of an expression.

    Example:
        >>> unit_weights("happiness")
        {6: 1.0, 12: 1.0}

    Raises:
        ValueError: an expression without a recipe.
    """
    if expression not in RECIPES:
        raise ValueError(f"expression {expression!r} has no recipe; known are {NEUTRAL}, {', '.join(EXPRESSIONS)}")
    return dict.fromkeys(RECIPES[expression], 1.0)

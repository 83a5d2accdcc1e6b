"""Expressions as combinations of action units."""

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

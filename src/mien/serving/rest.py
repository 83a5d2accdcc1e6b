"""When a face is at rest: models know six expressions and no neutral face."""

REST_AWAY = 0.25
"""How far from rest (`LiveWindows.away`) a face is as likely at rest as showing something."""

STEEPNESS = 4.0


def neutral_probability(away: float) -> float:
    """Return how likely a face is at rest that is so far away from its neutral profile.

    A logistic curve over the logarithm of the distance.

    Example:
        >>> neutral_probability(0.0), round(neutral_probability(REST_AWAY), 3)
        (1.0, 0.5)
    """
    if away <= 0:
        return 1.0
    return 1 / (1 + (away / REST_AWAY) ** STEEPNESS)

"""The levels of difficulty: fixed, named and versioned. A change of any number is a new version.

A level says how far the phone is placed anew between takes, how much it trembles within one, how differently people
form the same expression, how far the head moves with it, and how much noise, clutter and unsteady direct path lie over
the echo. How far the head moves is a free assumption and is never tuned to a result.
"""

from dataclasses import asdict, dataclass
from typing import Any

from mien.errors import StudyError


@dataclass(frozen=True, slots=True)
class Level:
    """One level of difficulty.

    Args:
        name: easy, medium, hard or wild.
        version: raised whenever any number of any level, a recipe or the meaning of a number changes.
        own_position: True where each person holds the phone as they like (`people.place_phone`), False where everybody
            holds it at the same nominal position.
        take_shift_m: standard deviation, per axis, of the face's position between takes.
        take_turn_deg: standard deviation, per axis, of the head's attitude between takes.
        tremor_m: root mean square, per axis, of the motion between face and phone within a take.
        style_spread: standard deviation between people of the log-gain of each action unit.
        head_motion: times the nominal motion of the head with an expression (`performance.HEAD_MOTION`).
        echo_to_noise_db: peak of the mean face's echo over the noise, after pulse compression of one period
            (`scene.noise_deviation` has the definition).
        clutter_db: energy in the band of all that echoes from within the face's range and is not the face (body, hand,
            table), relative to the mean face's.
        direct_residual_db: energy in the band of the part of the direct path that changes from period to period,
            relative to the mean face's echo; None where the direct path is stable.
        phone_response: True where each person holds one of the measured phones, False for the flat reference.
    """

    name: str
    version: int
    own_position: bool
    take_shift_m: float
    take_turn_deg: float
    tremor_m: float
    style_spread: float
    head_motion: float
    echo_to_noise_db: float
    clutter_db: float
    direct_residual_db: float | None
    phone_response: bool

    def to_json(self) -> dict[str, Any]:
        """Return every number of the level, for `study.json`."""
        return asdict(self)


VERSION = 1

LEVELS = {
    "easy": Level("easy", VERSION, False, 0.0, 0.0, 0.0, 0.05, 0.0, 45.0, -30.0, None, False),
    "medium": Level("medium", VERSION, False, 0.001, 0.4, 0.0001, 0.15, 2.0, 45.0, -30.0, None, False),
    "hard": Level("hard", VERSION, True, 0.003, 1.0, 0.0003, 0.25, 1.0, 35.0, -20.0, -10.0, True),
    "wild": Level("wild", VERSION, True, 0.010, 3.0, 0.001, 0.25, 1.0, 25.0, -15.0, -10.0, True),
}
"""The four levels by name."""


def level_named(name: str) -> Level:
    """Return a level.

    Example:
        >>> level_named("hard").take_shift_m
        0.003

    Raises:
        StudyError: no level of that name.
    """
    if name not in LEVELS:
        raise StudyError(f"level {name!r} is unknown; known are {', '.join(LEVELS)}")
    return LEVELS[name]

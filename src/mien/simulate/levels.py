"""The levels of difficulty: fixed, named and versioned. A change of any number is a new version.

A level says how far the phone is placed anew between takes, how much it trembles within one, how differently people
form the same expression, how far the head moves, and how much noise, clutter and unsteady direct path lie over the
echo. How far the head moves is a free assumption and is never tuned to a result.

Version 1 let every subject move the head by one recipe per expression, and a classifier trained on it measured mostly
that recipe: with the face frozen and the head moving it kept most of its accuracy. In version 2 nothing but the face
tells the expression across subjects: head motion is drawn from one zero-mean distribution that all expressions share
(`performance.head_course`), and every other property of a take is drawn independently of the expression. Version 1
stays readable, for what was simulated with it and for the comparison.
"""

from dataclasses import asdict, dataclass, replace
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
        head_motion: times the nominal motion of the shared recipe (`recipes.HEAD_MOTION`): all of the head's motion in
            version 1, the ablation `head="recipe"` in version 2.
        head_shift_m: standard deviation, per axis, of how far the head moves within a take (version 2).
        head_turn_deg: standard deviation, per axis, of how far it turns within a take (version 2).
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
    head_shift_m: float
    head_turn_deg: float
    echo_to_noise_db: float
    clutter_db: float
    direct_residual_db: float | None
    phone_response: bool

    def to_json(self) -> dict[str, Any]:
        """Return every number of the level, for `study.json`; of version 1 those that it had."""
        values = asdict(self)
        if self.version == 1:
            del values["head_shift_m"], values["head_turn_deg"]
        return values


VERSION = 2
"""What is simulated unless another version is asked for."""

_NUMBERS: dict[str, tuple[Any, ...]] = {
    # own position, take (m, degrees), tremor, style, recipe, head (m, degrees), noise, clutter, residual, phone
    "easy": (False, 0.0, 0.0, 0.0, 0.05, 0.0, 0.0, 0.0, 45.0, -30.0, None, False),
    "medium": (False, 0.001, 0.4, 0.0001, 0.15, 2.0, 0.001, 0.5, 45.0, -30.0, None, False),
    "hard": (True, 0.003, 1.0, 0.0003, 0.25, 1.0, 0.003, 1.5, 35.0, -20.0, -10.0, True),
    "wild": (True, 0.010, 3.0, 0.001, 0.25, 1.0, 0.010, 4.0, 25.0, -15.0, -10.0, True),
}

LEVELS = {name: Level(name, VERSION, *numbers) for name, numbers in _NUMBERS.items()}
"""The four levels by name."""

LEVELS_1 = {name: replace(level, version=1, head_shift_m=0.0, head_turn_deg=0.0) for name, level in LEVELS.items()}
"""Version 1, kept for what was simulated with it: its head moves by the shared recipe alone."""

VERSIONS = {1: LEVELS_1, 2: LEVELS}


def level_named(name: str, version: int = VERSION) -> Level:
    """Return a level.

    Example:
        >>> level_named("hard").head_shift_m, level_named("hard", version=1).head_shift_m
        (0.003, 0.0)

    Raises:
        StudyError: no level of that name, or no such version.
    """
    if version not in VERSIONS:
        raise StudyError(f"version {version!r} of the levels is unknown; known are {', '.join(map(str, VERSIONS))}")
    if name not in LEVELS:
        raise StudyError(f"level {name!r} is unknown; known are {', '.join(LEVELS)}")
    return VERSIONS[version][name]

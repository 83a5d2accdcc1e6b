"""What a person does during a take: action units, blinks, head and hand, sampled once per chirp.

A take begins at rest. After `neutral_until_s` the face moves smoothly into the expression and holds it with a slight
tremor and blinks; with `release` it lets go again at the end of takes of 2 s or more. Between takes the phone is placed
anew; within a take the hand drifts and trembles.

The head moves too, and not as the expression says: towards the phone, sideways and up, in pitch, turn and roll it goes
where one zero-mean Gaussian sends it that all expressions share. Half of its variance is the subject's habit with that
expression, half is drawn anew at each take; it starts up to 0.1 s before or after the face, and in neutral takes it
moves as much. Version 1 of the levels had one recipe for all heads instead (`recipes.HEAD_MOTION`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mien.simulate.levels import Level
from mien.simulate.people import Person
from mien.simulate.recipes import EXCHANGED, HEAD_MOTION, unit_weights

REPETITION = 0.15
"""Standard deviation of the log-gain of each action unit, and of the recipe's motion of the head, from take to take:
0.15 is read as a standard deviation, not as a variance."""

NEUTRAL_S = 0.15
"""No face moves before this time; each take adds up to `NEUTRAL_JITTER_S` of its own."""

NEUTRAL_JITTER_S = 0.05
ONSET_S = 0.3  # of version 1
RELEASE_S = 0.5
RELEASE_FROM_S = 2.0
HOLD_TREMOR = 0.02
BLINKS_PER_S = 0.25
BLINK_CLOSING_S = 0.08
BLINK_OPENING_S = 0.15
LARGEST_INTENSITY = 1.5
"""Skin does not stretch further, however lively the person."""


ONSET_RANGE_S = (0.2, 0.7)
APEX_RANGE = (0.4, 1.2)
"""Intensity of a take's expression at its apex, uniform: people do not all make a full expression."""

PARTIAL = 0.1
"""Share of takes in which one unit of the recipe is left out."""

HEAD_LEAD_S = 0.1
"""The head starts up to this long before or after the face."""

HEADS = ("level", "recipe", "still", "exchanged")
"""How heads move: as the level says, or for an ablation by the shared recipe of version 1, not at all, or as with
another expression."""


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """A take as it was performed.

    Args:
        time_s: (time) when each chirp starts, from the start of the recording; the first ones may lie before it.
        intensities: (time unit) in the order of the face model's units.
        head_m: (time 3) motion of the head to its left, up, and towards the phone.
        shift_m: (time xyz) position of the face relative to where the person usually has it: placement and hand.
        attitude_deg: (time axis) pitch up, turn to the left, roll to the left shoulder: placement and head's motion.
        neutral_until_s: until then the face is at rest.
        apex: intensity at the apex of each action unit number, mean of both sides.
        n_blinks: blinks during the take.
    """

    time_s: np.ndarray
    intensities: np.ndarray
    head_m: np.ndarray
    shift_m: np.ndarray
    attitude_deg: np.ndarray
    neutral_until_s: float
    apex: Mapping[int, float]
    n_blinks: int


@dataclass(frozen=True, slots=True)
class Take:
    """What is to be performed.

    Args:
        expression: what is shown.
        duration_s: for how long.
        release: it is let go again.
        head: one of `HEADS`.
        frozen: no action unit moves, for an ablation; eyes blink and the head moves all the same.
    """

    expression: str
    duration_s: float
    release: bool = False
    head: str = "level"
    frozen: bool = False


def perform(
    take: Take,
    person: Person,
    unit_names: tuple[str, ...],
    level: Level,
    time_s: np.ndarray,
    rng: np.random.Generator,
) -> Performance:
    """Let a person perform a take.

    Args:
        take: the expression and its length.
        unit_names: of the face model.
        level: gives placement between takes, tremor within, and how far the head moves.
        time_s: (time) evenly spaced instants at which chirps start.

    Returns:
        The performance. Before `neutral_until_s` no unit is other than zero; the head may start `HEAD_LEAD_S` earlier.
    """
    # Version 2: a stream for each of face, blinks, head, placement and hand, so that an ablation of one leaves the
    # others what they were; none of them knows the expression but the face's.
    face, lids, head, placement, hand = rng.spawn(5) if level.version > 1 else (rng,) * 5
    neutral_until_s = NEUTRAL_S + NEUTRAL_JITTER_S * face.uniform()
    envelope = _smooth_step((time_s - neutral_until_s) / _onset_s(level, face)) * _let_go(time_s, take)
    apex_units = _apex_units(take.expression, person, unit_names, level, face)
    trembling = 1 + HOLD_TREMOR * smooth_noise(time_s, 0.15, face)
    intensities = np.clip(np.outer(envelope * trembling, apex_units), 0.0, LARGEST_INTENSITY)
    if take.frozen:
        apex_units, intensities = 0 * apex_units, 0 * intensities
    blinks, n_blinks = _blink_course(time_s, neutral_until_s, take.duration_s, lids)
    eyelids = np.array([name.startswith("AU43") for name in unit_names])
    intensities[:, eyelids] = blinks[:, None]

    moved = head_course(take, person, level, time_s, neutral_until_s, envelope, head)
    place = person.placement
    attitude_deg = np.array([place.pitch_deg, place.turn_deg, place.roll_deg])
    attitude_deg = attitude_deg + level.take_turn_deg * placement.standard_normal(3)
    shift_m = level.take_shift_m * placement.standard_normal(3) + hand_motion(time_s, level.tremor_m, hand)
    return Performance(
        time_s=time_s,
        intensities=intensities,
        head_m=moved[:, :3],
        shift_m=shift_m,
        attitude_deg=attitude_deg + moved[:, 3:],
        neutral_until_s=neutral_until_s,
        apex=_apex_by_number(apex_units, unit_names),
        n_blinks=n_blinks,
    )


def head_course(
    take: Take,
    person: Person,
    level: Level,
    time_s: np.ndarray,
    neutral_until_s: float,
    envelope: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return (time axis) how the head moves within a take: left, up, towards the phone (m), pitch, turn, roll (deg).

    At the apex ``(habit + anew) / sqrt(2)`` standard deviations of the level, both standard normal, the habit being the
    subject's with this expression: the same distribution for every expression, so that across subjects it tells none.

    Args:
        take: `take.head` says by which rule.
        envelope: (time) the face's course, which the recipe follows.
        rng: of the head alone.
    """
    shown = EXCHANGED[take.expression] if take.head == "exchanged" else take.expression
    if take.head == "recipe" or level.version == 1:
        nominal = HEAD_MOTION[shown]
        gains = level.head_motion * person.head_gains[shown] * np.exp(REPETITION * rng.standard_normal(3))
        pitch_turn = nominal.up_deg * gains[1], nominal.left_deg * gains[2]
        apex = np.array([0.0, 0.0, nominal.towards_m * gains[0], *pitch_turn, 0.0])
        return np.outer(envelope, apex * (take.head != "still"))
    onset_s, lead_s = rng.uniform(*ONSET_RANGE_S), rng.uniform(-HEAD_LEAD_S, HEAD_LEAD_S)
    spread = np.repeat([level.head_shift_m, level.head_turn_deg], 3)
    apex = spread * (person.head_habits[shown] + rng.standard_normal(6)) / np.sqrt(2)
    course = _smooth_step((time_s - neutral_until_s - lead_s) / onset_s) * _let_go(time_s, take)
    return np.outer(course, apex * (take.head != "still"))


def _onset_s(level: Level, rng: np.random.Generator) -> float:
    if level.version == 1:
        return float(ONSET_S * np.exp(0.15 * rng.standard_normal()))
    return float(rng.uniform(*ONSET_RANGE_S))


def _let_go(time_s: np.ndarray, take: Take) -> np.ndarray | float:
    """Return (time) 1 until an expression is let go, and its way back to 0."""
    if not take.release or take.duration_s < RELEASE_FROM_S:
        return 1.0
    return 1 - _smooth_step((time_s - (take.duration_s - RELEASE_S)) / RELEASE_S)


def hand_motion(time_s: np.ndarray, rms_m: float, rng: np.random.Generator) -> np.ndarray:
    """Return (time xyz) the drift and tremor between face and phone: `rms_m` per axis over many takes.

    Nine tenths of the power drift over half a second (hand and balance), one tenth trembles at 8 to 12 Hz
    (physiological tremor).
    """
    drift = np.stack([smooth_noise(time_s, 0.5, rng) for _ in range(3)], axis=1)
    tremor_hz, phase_rad = rng.uniform(8, 12), rng.uniform(0, 2 * np.pi, 3)
    tremor = np.sqrt(2) * np.sin(2 * np.pi * tremor_hz * time_s[:, None] + phase_rad)
    return rms_m * (np.sqrt(0.9) * drift + np.sqrt(0.1) * tremor)


def smooth_noise(time_s: np.ndarray, correlation_s: float, rng: np.random.Generator) -> np.ndarray:
    """Return (time) Gaussian noise of variance 1 that forgets itself after about `correlation_s`.

    Random harmonics of a Gaussian spectrum: its autocorrelation is exp(-(lag / correlation)^2 / 2), and it is as smooth
    between the samples as at them.
    """
    n_harmonics = 24
    rate_hz = rng.standard_normal(n_harmonics) / (2 * np.pi * correlation_s)
    weights = rng.standard_normal((2, n_harmonics)) / np.sqrt(n_harmonics)
    turns = 2 * np.pi * np.outer(time_s, rate_hz)
    return np.cos(turns) @ weights[0] + np.sin(turns) @ weights[1]


def _smooth_step(progress: np.ndarray) -> np.ndarray:
    """Return the minimum-jerk course from 0 to 1 (Flash and Hogan, 1985)."""
    x = np.clip(progress, 0.0, 1.0)
    return x**3 * (10 - 15 * x + 6 * x**2)


def _number(unit_name: str) -> int:
    return int(unit_name.split("_")[0].removeprefix("AU"))


def _apex_units(
    expression: str, person: Person, unit_names: tuple[str, ...], level: Level, rng: np.random.Generator
) -> np.ndarray:
    """Return (unit) intensities at the apex: recipe x style and asymmetry x this repetition; in version 2 also x the
    take's intensity, and in some takes one unit is left out."""
    recipe = unit_weights(expression)
    numbers = [_number(name) for name in unit_names]
    repetition = {number: np.exp(REPETITION * rng.standard_normal()) for number in sorted(set(numbers))}
    if level.version > 1:
        # Drawn alike for all expressions: neutral and a recipe of six units leave the same stream behind.
        intensity, partial, which = rng.uniform(*APEX_RANGE), rng.uniform() < PARTIAL, rng.uniform()
        left_out = list(recipe)[int(which * len(recipe))] if partial and len(recipe) > 1 else None
        recipe = {number: intensity * weight for number, weight in recipe.items() if number != left_out}
    wanted = np.array([recipe.get(number, 0.0) * repetition[number] for number in numbers])
    return np.clip(wanted * person.unit_gains, 0.0, LARGEST_INTENSITY)


def _apex_by_number(apex_units: np.ndarray, unit_names: tuple[str, ...]) -> dict[int, float]:
    numbers = np.array([_number(name) for name in unit_names])
    return {int(number): float(apex_units[numbers == number].mean()) for number in np.unique(numbers)}


def _blink_course(
    time_s: np.ndarray, from_s: float, until_s: float, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Return (time) how far the eyes are closed, and how often: a Poisson process between two instants."""
    course = np.zeros_like(time_s)
    starts_s = rng.uniform(from_s, until_s, rng.poisson(BLINKS_PER_S * max(until_s - from_s, 0.0)))
    for start_s in starts_s:
        after_s = time_s - start_s
        closing = _smooth_step(after_s / BLINK_CLOSING_S)
        opening = 1 - _smooth_step((after_s - BLINK_CLOSING_S) / BLINK_OPENING_S)
        course = np.maximum(course, np.minimum(closing, opening))
    return course, len(starts_s)

"""What a person does during a take: action units, blinks, head and hand, sampled once per chirp.

A take begins at rest. After `neutral_until_s` the face moves smoothly into the expression, the head with it, and holds
it with a slight tremor and blinks; with `release` it lets go again at the end of takes of 2 s or more. Between takes
the phone is placed anew; within a take the hand drifts and trembles.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mien.labels import NEUTRAL
from mien.simulate.levels import Level
from mien.simulate.people import Person
from mien.simulate.recipes import unit_weights

REPETITION = 0.15
"""Standard deviation of the log-gain of each action unit, and of the head's motion, from take to take: 0.15 is
read as a standard deviation, not as a variance."""

NEUTRAL_S = 0.15
"""No face moves before this time; each take adds up to `NEUTRAL_JITTER_S` of its own."""

NEUTRAL_JITTER_S = 0.05
ONSET_S = 0.3
RELEASE_S = 0.5
RELEASE_FROM_S = 2.0
HOLD_TREMOR = 0.02
BLINKS_PER_S = 0.25
BLINK_CLOSING_S = 0.08
BLINK_OPENING_S = 0.15
LARGEST_INTENSITY = 1.5
"""Skin does not stretch further, however lively the person."""


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
"""The nominal motion, an assumption that is part of the levels' version and is never tuned to a result."""


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """A take as it was performed.

    Args:
        time_s: (time) when each chirp starts, from the start of the recording; the first ones may lie before it.
        intensities: (time unit) in the order of the face model's units.
        towards_m: (time) motion of the head towards the phone, with the expression.
        shift_m: (time xyz) position of the face relative to where the person usually has it: placement and hand.
        attitude_deg: (time axis) pitch up, turn to the left, roll to the left shoulder: placement and expression.
        neutral_until_s: until then the face is at rest.
        apex: intensity at the apex of each action unit number, mean of both sides.
        n_blinks: blinks during the take.
    """

    time_s: np.ndarray
    intensities: np.ndarray
    towards_m: np.ndarray
    shift_m: np.ndarray
    attitude_deg: np.ndarray
    neutral_until_s: float
    apex: Mapping[int, float]
    n_blinks: int


@dataclass(frozen=True, slots=True)
class Take:
    """What is to be performed: an expression, for how long, and whether it is let go again."""

    expression: str
    duration_s: float
    release: bool = False


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
        The performance. Before `neutral_until_s` no unit and no motion of the head is other than zero.
    """
    neutral_until_s = NEUTRAL_S + NEUTRAL_JITTER_S * rng.uniform()
    envelope = expression_envelope(time_s, neutral_until_s, take, rng)
    apex_units = _apex_units(take.expression, person, unit_names, rng)
    trembling = 1 + HOLD_TREMOR * smooth_noise(time_s, 0.15, rng)
    intensities = np.clip(np.outer(envelope * trembling, apex_units), 0.0, LARGEST_INTENSITY)
    blinks, n_blinks = _blink_course(time_s, neutral_until_s, take.duration_s, rng)
    eyelids = np.array([name.startswith("AU43") for name in unit_names])
    intensities[:, eyelids] = blinks[:, None]

    nominal = HEAD_MOTION[take.expression]
    gains = level.head_motion * person.head_gains[take.expression] * np.exp(REPETITION * rng.standard_normal(3))
    place = person.placement
    attitude_deg = np.array([place.pitch_deg, place.turn_deg, place.roll_deg])
    attitude_deg = attitude_deg + level.take_turn_deg * rng.standard_normal(3)
    expressive_deg = np.outer(envelope, [nominal.up_deg * gains[1], nominal.left_deg * gains[2], 0.0])
    shift_m = level.take_shift_m * rng.standard_normal(3) + hand_motion(time_s, level.tremor_m, rng)
    return Performance(
        time_s=time_s,
        intensities=intensities,
        towards_m=envelope * nominal.towards_m * gains[0],
        shift_m=shift_m,
        attitude_deg=attitude_deg + expressive_deg,
        neutral_until_s=neutral_until_s,
        apex=_apex_by_number(apex_units, unit_names),
        n_blinks=n_blinks,
    )


def expression_envelope(time_s: np.ndarray, neutral_until_s: float, take: Take, rng: np.random.Generator) -> np.ndarray:
    """Return (time) the course of an expression: 0 at rest, 1 at the apex, smooth on the way."""
    onset_s = ONSET_S * np.exp(0.15 * rng.standard_normal())
    envelope = _smooth_step((time_s - neutral_until_s) / onset_s)
    if take.release and take.duration_s >= RELEASE_FROM_S:
        envelope = envelope * (1 - _smooth_step((time_s - (take.duration_s - RELEASE_S)) / RELEASE_S))
    return envelope


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


def _apex_units(expression: str, person: Person, unit_names: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """Return (unit) intensities at the apex: recipe x style and asymmetry x this repetition."""
    recipe = unit_weights(expression)
    numbers = [_number(name) for name in unit_names]
    repetition = {number: np.exp(REPETITION * rng.standard_normal()) for number in sorted(set(numbers))}
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

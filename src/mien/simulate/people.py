"""Who is simulated: a face, a way of moving it, and a place where the phone is held.

People differ in identity (standard normal over the face model's modes), in style (how strongly each action unit
answers), in the balance of left and right, in how their head moves along, in where they hold the phone, in hair, mask
and phone.
Men and women are two distributions of identity and style whose union has the stated spread: their means lie `SEX_SHIFT`
standard deviations to either side, men's faces being larger, their styles apart along one fixed direction. How large
that is in life is not known to the simulator; it is an assumption that gives a study something to transfer over.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mien.labels import ALL_EXPRESSIONS
from mien.simulate.face import FaceModel
from mien.simulate.levels import Level
from mien.simulate.phones import MEASURED, REFERENCE

SEXES = ("male", "female")
SEX_SHIFT = 0.6
"""Distance of each sex's mean from the common mean, in standard deviations along its direction: an assumption of
plausible size."""

ASYMMETRY = 0.15
"""Standard deviation of the log-gain of a person's left side over the right, for each action unit."""

HEAD_VARIATION = 0.35
"""Standard deviation between people of the head's motion with an expression, relative to the nominal motion."""

NOMINAL_DISTANCE_M = 0.30
NOMINAL_DROP_M = 0.11


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a person holds the phone, before the small differences between takes.

    Args:
        distance_m: forward from the foremost skin to the phone's front.
        drop_m: how far the phone's loudspeaker lies below the tip of the nose.
        side_m: how far it lies to the person's left.
        pitch_deg, turn_deg, roll_deg: the head's attitude: up, to its left, towards its left shoulder.
    """

    distance_m: float
    drop_m: float
    side_m: float
    pitch_deg: float
    turn_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class MaskFit:
    """How a person's disposable mask sits (`mask.Mask` has the physics).

    Args:
        loss_db: loss on the way through the cloth, once.
        gap_m: distance from skin to cloth where it does not touch.
        follows: share of the skin's motion that the cloth takes up.
    """

    loss_db: float
    gap_m: float
    follows: float


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One simulated person.

    Args:
        subject: identifier in the study.
        sex: male or female.
        identity: (mode) weights of the face model's modes in standard deviations.
        unit_gains: (unit) how strongly each unit of the face model answers, style and asymmetry together.
        head_gains: (range, pitch, turn) gains of the head's motion for each expression.
        placement: where the phone is held.
        hair_reflectivity: pressure reflection coefficient of the hair.
        mask: how the mask sits.
        phone: name of the device.
        clock_ppm: how much faster than the loudspeaker's the microphone's clock runs.
        breath_hz: breaths per second.
    """

    subject: str
    sex: str
    identity: np.ndarray
    unit_gains: np.ndarray
    head_gains: Mapping[str, np.ndarray]
    placement: Placement
    hair_reflectivity: float
    mask: MaskFit
    phone: str
    clock_ppm: float
    breath_hz: float


def make_person(
    subject: str,
    sex: str,
    face: FaceModel,
    level: Level,
    rng: np.random.Generator,
    *,
    clock_spread_ppm: float = 0.0,
    identity_spread: float = 1.0,
) -> Person:
    """Draw one person. The same generator state gives the same person.

    Args:
        subject: identifier.
        sex: one of `SEXES`.
        face: gives the number of modes and the names of the units.
        level: gives the spread of style, the rule for the phone's position and whether phones differ.
        clock_spread_ppm: standard deviation of `Person.clock_ppm` between people.
        identity_spread: times the standard deviations of identity.
    """
    sign = 1.0 if sex == "male" else -1.0
    identity = _two_groups(rng.standard_normal(face.n_modes), sign, larger(face))
    units, unit_of_name = _units(face.unit_names)
    livelier = np.random.default_rng(2).standard_normal(len(units))
    style = level.style_spread * _two_groups(rng.standard_normal(len(units)), sign, livelier)
    lean = ASYMMETRY * rng.standard_normal(len(units))
    sides = np.array([_side(name) for name in face.unit_names])
    return Person(
        subject=subject,
        sex=sex,
        identity=identity_spread * identity,
        unit_gains=np.exp(style[unit_of_name] + sides * lean[unit_of_name] / 2),
        head_gains={name: 1 + HEAD_VARIATION * rng.standard_normal(3) for name in ALL_EXPRESSIONS},
        placement=place_phone(level, rng),
        hair_reflectivity=float(np.clip(rng.normal(0.35, 0.08), 0.1, 0.8)),
        mask=MaskFit(
            # 3 to 12 dB one way at speech frequencies; nothing is published at 20 kHz.
            loss_db=float(np.clip(rng.normal(6.0, 1.5), 3.0, 12.0)),
            gap_m=float(np.clip(rng.normal(0.006, 0.0015), 0.003, 0.012)),
            follows=float(np.clip(rng.normal(0.5, 0.12), 0.2, 0.8)),
        ),
        phone=str(rng.choice(MEASURED)) if level.phone_response else REFERENCE,
        clock_ppm=float(clock_spread_ppm * rng.standard_normal()),
        breath_hz=float(rng.uniform(0.2, 0.33)),
    )


def place_phone(level: Level, rng: np.random.Generator) -> Placement:
    """Draw where a person holds the phone.

    The nominal position is 30 cm in front of the foremost skin and 11 cm below the nose, with a standard deviation of
    3 mm and 1 degree per axis and person. An own position is 27 to 42 cm away (uniform), with standard deviations of
    2.4 cm in height, 1.2 cm to the side, 4 degrees of pitch, 3 of turn and 2 of roll.
    """
    normal = rng.standard_normal(5)
    uniform = rng.uniform()
    if level.own_position:
        distance_m = 0.27 + 0.15 * uniform
        drop_m = NOMINAL_DROP_M + 0.024 * normal[0]
        return Placement(distance_m, drop_m, 0.012 * normal[1], 4 * normal[2], 3 * normal[3], 2 * normal[4])
    distance_m = NOMINAL_DISTANCE_M + 0.003 * np.sqrt(12) * (uniform - 0.5)
    return Placement(distance_m, NOMINAL_DROP_M + 0.003 * normal[0], 0.003 * normal[1], *normal[2:])


def draw_sexes(n_subjects: int, sex_counts: tuple[int, int] | None, rng: np.random.Generator) -> list[str]:
    """Return each person's sex, shuffled: `sex_counts` (men, women), or as near to half of each as can be."""
    n_men, n_women = sex_counts or (n_subjects - n_subjects // 2, n_subjects // 2)
    return [SEXES[k] for k in rng.permutation([0] * n_men + [1] * n_women)]


def larger(face: FaceModel) -> np.ndarray:
    """Return (mode) the direction of identity along which a face grows most."""
    from_middle = face.neutral - face.neutral.mean(axis=0)
    return np.tensordot(face.identity_modes, from_middle, axes=2)


def _two_groups(normal: np.ndarray, sign: float, direction: np.ndarray) -> np.ndarray:
    """Move standard normal draws to one side of a direction so that both sides together stay standard normal.

    Along the direction the mean is sign x SEX_SHIFT and the variance 1 - SEX_SHIFT^2: half of each gives variance 1.
    """
    length = np.linalg.norm(direction)
    if length == 0:
        return normal
    along = normal @ direction / length
    return normal + direction / length * (np.sqrt(1 - SEX_SHIFT**2) * along + sign * SEX_SHIFT - along)


def _side(name: str) -> float:
    return {"L": 1.0, "R": -1.0}.get(name.rpartition("_")[2], 0.0)


def _units(names: tuple[str, ...]) -> tuple[list[str], np.ndarray]:
    """Return the units without sides, and the position among them of each name."""
    bare = [name.removesuffix("_L").removesuffix("_R") for name in names]
    units = list(dict.fromkeys(bare))
    return units, np.array([units.index(unit) for unit in bare])

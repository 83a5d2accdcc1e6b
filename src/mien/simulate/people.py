"""Who is simulated: a face, a way of moving it, and a place where the phone is held.

People differ in identity (standard normal over the face model's modes), in style (how strongly each action unit
answers), in the balance of left and right, in how their skin moves (`variety.vary_units`, version 2), in how their head
moves along, in where they hold the phone, in hair, mask and phone.
In version 2 of the levels each of these has a stream of its own, so that a subject is what (seed, index) says: neither
the number of subjects nor the level changes who it is.
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
"""Standard deviation between people of the head's motion by the shared recipe, relative to the nominal motion."""

EYES_CLOSED = "AU43"
"""A closed eye is closed, whoever closes it and whatever else acts."""

BLENDING = 0.1
"""Standard deviation of how much one action unit at full intensity strengthens or weakens another: an assumption."""

_STREAMS = (
    "sex", "identity", "style", "lean", "head", "placement", "hair", "mask", "phone", "clock", "breath", "blending",
)  # fmt: skip
"""What is drawn of a person, each from its own stream; a new one comes last, so that the others stay what they were."""

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
        head_gains: (range, pitch, turn) gains of the head's motion by the shared recipe, for each expression.
        head_habits: (axis) for each expression, standard normal: the part of the head's motion that this subject
            repeats with it. Axes as in `performance.head_course`.
        blending: (unit unit) how much each unit, at full intensity, strengthens each other one; None for not at all.
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
    head_habits: Mapping[str, np.ndarray]
    blending: np.ndarray | None
    placement: Placement
    hair_reflectivity: float
    mask: MaskFit
    phone: str
    clock_ppm: float
    breath_hz: float

    def blended(self, intensities: np.ndarray) -> np.ndarray:
        """Return (time unit) how far the skin follows each unit while others act too.

        ``i_u (1 + sum_v B_uv i_v)``, the factor kept within 0.5 to 1.5.
        """
        if self.blending is None:
            return intensities
        return intensities * np.clip(1 + intensities @ self.blending.T, 0.5, 1.5)


def make_person(
    subject: str,
    sex: str | None,
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
        sex: one of `SEXES`, or None to draw it (version 2).
        face: gives the number of modes and the names of the units.
        level: gives the spread of style, the rule for the phone's position and whether phones differ.
        clock_spread_ppm: standard deviation of `Person.clock_ppm` between people.
        identity_spread: times the standard deviations of identity.
    """
    drawn = _streams(level, rng)
    sex = sex or str(drawn["sex"].choice(SEXES))
    sign = 1.0 if sex == "male" else -1.0
    identity = _two_groups(drawn["identity"].standard_normal(face.n_modes), sign, larger(face))
    units, unit_of_name = _units(face.unit_names)
    livelier = np.random.default_rng(2).standard_normal(len(units))
    style = level.style_spread * _two_groups(drawn["style"].standard_normal(len(units)), sign, livelier)
    lean = ASYMMETRY * drawn["lean"].standard_normal(len(units))
    sides = np.array([_side(name) for name in face.unit_names])
    return Person(
        subject=subject,
        sex=sex,
        identity=identity_spread * identity,
        unit_gains=np.exp(style[unit_of_name] + sides * lean[unit_of_name] / 2),
        head_gains={name: 1 + HEAD_VARIATION * drawn["head"].standard_normal(3) for name in ALL_EXPRESSIONS},
        head_habits=_habits(level, drawn["head"]),
        placement=place_phone(level, drawn["placement"]),
        hair_reflectivity=float(np.clip(drawn["hair"].normal(0.35, 0.08), 0.1, 0.8)),
        mask=MaskFit(
            # 3 to 12 dB one way at speech frequencies; nothing is published at 20 kHz.
            loss_db=float(np.clip(drawn["mask"].normal(6.0, 1.5), 3.0, 12.0)),
            gap_m=float(np.clip(drawn["mask"].normal(0.006, 0.0015), 0.003, 0.012)),
            follows=float(np.clip(drawn["mask"].normal(0.5, 0.12), 0.2, 0.8)),
        ),
        phone=str(drawn["phone"].choice(MEASURED)) if level.phone_response else REFERENCE,
        clock_ppm=float(clock_spread_ppm * drawn["clock"].standard_normal()),
        breath_hz=float(drawn["breath"].uniform(0.2, 0.33)),
        blending=_blending(level, units, unit_of_name, drawn["blending"]),
    )


def _streams(level: Level, rng: np.random.Generator) -> dict[str, np.random.Generator]:
    """Return a generator for each property; in version 1 of the levels all drew from one, in the order of the code."""
    if level.version == 1:
        return dict.fromkeys(_STREAMS, rng)
    return dict(zip(_STREAMS, rng.spawn(len(_STREAMS)), strict=True))


def _habits(level: Level, rng: np.random.Generator) -> dict[str, np.ndarray]:
    if level.version == 1:
        return {name: np.zeros(6) for name in ALL_EXPRESSIONS}
    return {name: rng.standard_normal(6) for name in ALL_EXPRESSIONS}


def _blending(level: Level, units: list[str], unit_of_name: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Return (unit unit) of both sides' units: how much each strengthens each other, both sides alike."""
    if level.version == 1:
        return None
    between = BLENDING * rng.standard_normal((len(units), len(units)))
    np.fill_diagonal(between, 0.0)
    lids = np.array([unit == EYES_CLOSED for unit in units])
    between[lids], between[:, lids] = 0.0, 0.0
    n_sides = np.bincount(unit_of_name)  # both sides of a unit act together: their shares make up one
    return between[np.ix_(unit_of_name, unit_of_name)] / n_sides[unit_of_name][None, :]


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
    """Return each person's sex where men and women are counted out, shuffled: `sex_counts` (men, women), or as near to
    half of each as can be."""
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

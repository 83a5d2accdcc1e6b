"""What is simulated: the options of a study, and the plan of takes that follows from them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import StudyError
from mien.labels import EXPRESSIONS, NEUTRAL
from mien.probe import Chirp, Probe, probe_to_json
from mien.simulate.levels import VERSION, Level, level_named
from mien.simulate.performance import HEADS, RELEASE_FROM_S
from mien.simulate.phones import phone_named
from mien.simulate.recipes import RECIPES
from mien.simulate.render import frame_period_s, harmonics, parts_of
from mien.simulate.scene import MICROPHONES_M, place_named

MASKS = ("open", "mask")
FACES = ("own", "makehuman")
N_FACETS = 8000
_LATER: dict[str, Any] = {
    "face": "own",
    "identity_spread": 1.0,
    "shape_noise_mm": 0.0,
    "field_noise": 0.0,
    "echo_to_noise_db": None,
    "levels_version": 1,
    "head": "level",
    "frozen_face": False,
}
"""Options that came after the first release, and the value of each that what was simulated before it had."""

LONGEST_S = 600.0


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """What a simulated study holds.

    Args:
        n_subjects: people.
        level: easy, medium, hard or wild (`levels.LEVELS`).
        levels_version: 2, or 1 for what was simulated with it and for comparison: its heads move by one recipe that
            tells the expression.
        n_takes: takes of each expression per person and mask.
        duration_s: length of each take; the levels are stated for 1 s, the paper's takes are 5 s.
        expressions: any of the six; a word twice is refused.
        masks: `open`, `mask` or both: every take is then made once with each.
        places: any of office, dining-hall, garden; takes go round them so that none keeps to one expression.
        n_neutral_takes: takes at rest per person and mask, made before the others.
        device: a phone's name, `reference`, or None for what the level states: the reference, or one of the measured
            phones per person.
        n_facets: about how many triangles the own face has, 6000 to 60000; 24000 halve the error of 8000. Other faces
            have their own number, and another than the default is refused beside them.
        face: `own`, or `makehuman` for the second face that ships.
        face_folder: folder of an ICT-FaceKit, or of MakeHuman's files, whose faces are taken instead.
        identity_spread: times the standard deviations of the face's identity modes.
        shape_noise_mm: root mean square of a random smooth relief added to each person's face, beyond its modes.
        field_noise: root mean square of how far each action unit of each person departs from the face model's, as a
            share of its displacement; smooth over the face, in size and direction (`variety.vary_face`).
        echo_to_noise_db: what stands in the level's place (`levels.Level`), or None for the level's own. Kept channels
            are the same with any.
        head: how heads move, `performance.HEADS`: as the level says, or for an ablation by the shared `recipe` of
            version 1, not at all (`still`), or as with another expression (`exchanged`).
        frozen_face: no action unit moves, for an ablation; all else is as the level says.
        probe: a chirp, pure tones, or both at once.
        n_microphones: 1 (1 cm from the loudspeaker), or 2 (another at the phone's lower edge, 14 cm away).
        sex_counts: men and women, whose sum is `n_subjects`; None to draw each subject's (version 1: half of each).
        release: the expression is let go again at the end of takes of 2 s or more.
        clock_spread_ppm: standard deviation between people of the recorder's clock against the loudspeaker's; 0 where
            both hang on one clock, as in a phone.
        input_gain_db: gain before the converter. At 0 the direct path peaks at 0.3 of full scale; beyond 10 it clips.
        seed: of everything drawn.

    Raises:
        StudyError: a value out of its range, named with what is allowed.

    Example:
        >>> SimulationOptions(n_subjects=20, n_takes=10, masks=("open", "mask"), duration_s=5.0).n_chirps
        240000
    """

    n_subjects: int = 12
    level: str = "medium"
    levels_version: int = VERSION
    n_takes: int = 10
    duration_s: float = 1.0
    expressions: tuple[str, ...] = EXPRESSIONS
    masks: tuple[str, ...] = ("open",)
    places: tuple[str, ...] = ("office", "dining-hall", "garden")
    n_neutral_takes: int = 0
    device: str | None = None
    n_facets: int = N_FACETS
    face: str = "own"
    face_folder: str | None = None
    identity_spread: float = 1.0
    shape_noise_mm: float = 0.0
    field_noise: float = 0.0
    echo_to_noise_db: float | None = None
    head: str = "level"
    frozen_face: bool = False
    probe: Probe = field(default_factory=Chirp)
    n_microphones: int = 1
    sex_counts: tuple[int, int] | None = None
    release: bool = False
    clock_spread_ppm: float = 0.0
    input_gain_db: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        level_named(self.level, self.levels_version)
        if self.head not in HEADS:
            raise StudyError(f"head {self.head!r} is unknown; known are {', '.join(HEADS)}")
        for name, least, most in (
            ("n_subjects", 1, 100_000),
            ("n_takes", 0, 10_000),
            ("n_neutral_takes", 0, 10_000),
            ("n_facets", 6000, 60_000),
            ("n_microphones", 1, len(MICROPHONES_M)),
            ("seed", 0, 2**63 - 1),
        ):
            _check_whole(name, getattr(self, name), least, most)
        _check_between("duration_s", self.duration_s, 0.2, LONGEST_S)
        _check_between("identity_spread", self.identity_spread, 0.0, 3.0)
        _check_between("shape_noise_mm", self.shape_noise_mm, 0.0, 10.0)
        _check_between("field_noise", self.field_noise, 0.0, 1.0)
        if self.echo_to_noise_db is not None:
            _check_between("echo_to_noise_db", self.echo_to_noise_db, -20.0, 100.0)
        if self.face not in FACES:
            raise StudyError(f"face {self.face!r} is unknown; known are {', '.join(FACES)}")
        if self.face_folder is not None and self.face != FACES[0]:
            raise StudyError(f"face {self.face!r} and a face_folder were both asked for; give one of them")
        if self.n_facets != N_FACETS and (self.face_folder is not None or self.face != FACES[0]):
            other = f"face {self.face!r}" if self.face_folder is None else f"the face in {self.face_folder}"
            raise StudyError(
                f"n_facets {self.n_facets} was asked for, and {other}, whose facets are what they are: leave n_facets "
                "out, or take the own face"
            )
        if self.release and self.duration_s < RELEASE_FROM_S:
            raise StudyError(
                f"release was asked for in takes of {self.duration_s:g} s; an expression is let go again in takes of "
                f"{RELEASE_FROM_S:g} s or more: lengthen duration_s, or leave release out"
            )
        _check_between("clock_spread_ppm", self.clock_spread_ppm, 0.0, 1000.0)
        _check_between("input_gain_db", self.input_gain_db, -60.0, 60.0)
        allowed = tuple(word for word in RECIPES if word != NEUTRAL)
        _check_words("expressions", self.expressions, allowed)
        _check_words("masks", self.masks, MASKS)
        _check_words("places", self.places, None)
        for place in self.places:
            place_named(place)
        if self.device is not None:
            phone_named(self.device)
        for part in parts_of(self.probe):
            harmonics(part)
        if self.n_takes * len(self.expressions) + self.n_neutral_takes == 0:
            raise StudyError("n_takes and n_neutral_takes are both 0: there is nothing to simulate; ask for one take")
        if self.sex_counts is not None:
            _check_sex_counts(self.sex_counts, self.n_subjects)

    @property
    def level_values(self) -> Level:
        level = level_named(self.level, self.levels_version)
        if self.echo_to_noise_db is None:
            return level
        return replace(level, echo_to_noise_db=self.echo_to_noise_db)

    @property
    def n_takes_per_subject(self) -> int:
        return (self.n_neutral_takes + self.n_takes * len(self.expressions)) * len(self.masks)

    @property
    def n_chirps(self) -> int:
        """Return how many whole periods of the channel the study holds."""
        per_take = int(self.duration_s / frame_period_s(self.probe) + 1e-9)
        return self.n_subjects * self.n_takes_per_subject * per_take

    def to_json(self) -> dict[str, Any]:
        """Return every option as plain JSON values; of the face's folder its name, since its place tells nothing.

        Options that came after the first release are left out where they are what they were before, so that what was
        simulated then is known again.
        """
        values: dict[str, Any] = {}
        for name in (entry.name for entry in fields(self)):
            value = getattr(self, name)
            if name in _LATER and value == _LATER[name]:
                continue
            if name == "probe":
                value = probe_to_json(value)
            if name == "face_folder" and value is not None:
                value = Path(value).name
            values[name] = list(value) if isinstance(value, tuple) else value
        return values


@dataclass(frozen=True, slots=True)
class PlannedTake:
    """One take to come.

    Args:
        subject_index: position of the person, from 0.
        take_index: position among the person's takes, from 0.
        expression, mask, place: as in the study's table.
    """

    subject_index: int
    take_index: int
    expression: str
    mask: str
    place: str

    @property
    def subject(self) -> str:
        return f"{self.subject_index + 1:03d}"

    @property
    def session(self) -> str:
        return "01"

    @property
    def take(self) -> str:
        return f"{self.take_index + 1:04d}"


def plan_takes(options: SimulationOptions, subject_index: int) -> list[PlannedTake]:
    """Return a person's takes in the order in which they are made.

    Every repetition goes through all expressions, each with every mask. The place is that of (repetition + expression
    + person) modulo the number of places: neither expression, nor mask, nor the number of a take tells the place.
    """
    return [
        PlannedTake(subject_index, index, expression, mask, options.places[place % len(options.places)])
        for index, (expression, mask, place) in enumerate(_in_order(options, subject_index))
    ]


def _in_order(options: SimulationOptions, subject_index: int) -> Iterator[tuple[str, str, int]]:
    for repetition in range(options.n_neutral_takes):
        for mask in options.masks:
            yield NEUTRAL, mask, repetition + subject_index
    for repetition in range(options.n_takes):
        for number, expression in enumerate(options.expressions):
            for mask in options.masks:
                yield expression, mask, repetition + number + subject_index


def _check_whole(name: str, value: Any, least: int, most: int) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or not least <= value <= most:
        raise StudyError(f"{name} is {value!r}; a whole number from {least} to {most} is needed")


def _check_between(name: str, value: Any, least: float, most: float) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not least <= value <= most:
        raise StudyError(f"{name} is {value!r}; a number from {least:g} to {most:g} is needed")


def _check_words(name: str, words: tuple[str, ...], allowed: tuple[str, ...] | None) -> None:
    if not isinstance(words, tuple) or not words:
        raise StudyError(f"{name} is {words!r}; a tuple of at least one word is needed")
    if len(set(words)) < len(words):
        raise StudyError(f"{name} names a word twice: {', '.join(map(str, words))}; name each once")
    unknown = [word for word in words if allowed is not None and word not in allowed]
    if unknown and allowed is not None:
        raise StudyError(f"{name}: {', '.join(map(repr, unknown))} unknown; known are {', '.join(allowed)}")


def _check_sex_counts(counts: Any, n_subjects: int) -> None:
    if not (
        isinstance(counts, tuple) and len(counts) == 2 and all(type(count) is int and count >= 0 for count in counts)
    ):
        raise StudyError(f"sex_counts is {counts!r}; two whole numbers (men, women) are needed")
    if sum(counts) != n_subjects:
        raise StudyError(f"sex_counts {counts} add up to {sum(counts)}; n_subjects is {n_subjects}: make them equal")

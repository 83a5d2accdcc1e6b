"""What is collected: a protocol, FacER's by default, any other from a small JSON or TOML file."""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from mien.datasets.tables import MASKS
from mien.errors import MienError, StudyError
from mien.files import parse_json, read_text
from mien.labels import EXPRESSIONS, NEUTRAL, UNKNOWN, joined_spellings, problem_of_expression
from mien.probe import Chirp, Probe, describe, probe_from_json, probe_to_json

CONSENT = (
    "The device plays a sound that most adults cannot hear and records its echo from your face. What is stored are "
    "these echoes, the expressions you were asked for, and the facts you give about yourself. You may stop at any "
    "time, and everything of yours can be removed at any time: `mien collect STUDY --forget SUBJECT`."
)
"""Shown before the first take unless the protocol brings a text of its own."""

SPEECH_REMOVED = "What lies below the sound that is played, speech above all, is removed before anything is stored."
SPEECH_KEPT = "SPEECH IS STORED TOO: all that the microphone hears is kept."
CAMERA = {
    "off": "No camera is used.",
    "landmarks": "A camera looks at your face: the positions of points on it are stored, no images.",
    "video": "A CAMERA FILMS YOUR FACE, AND THE VIDEO IS STORED.",
}
"""What is true of a session whatever its protocol's text says."""

LARGEST_FILE_BYTES = 1 << 20
MOST_TAKES = 9_999
"""A take's number has four digits."""


def _fits_a_cell(word: str) -> str:
    if word.strip() != word or not word or word == UNKNOWN or any(ord(sign) < 32 for sign in word):
        raise ValueError(f"{word!r} cannot stand in a table; use a word without spaces around it, tabs or line breaks")
    return word


def _each_once(words: tuple[str, ...]) -> tuple[str, ...]:
    twice = [word for word in words if words.count(word) > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is named twice; name each once")
    return words


def _in_usual_spelling(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if problem := problem_of_expression(word):
            raise ValueError(problem)
    usual = joined_spellings(words)
    if usual:
        word = next(iter(usual))
        raise ValueError(f"{word!r} is another spelling of {usual[word]!r}; ask for that alone")
    return words


def _is_a_probe(values: dict[str, Any]) -> dict[str, Any]:
    try:
        return probe_to_json(probe_from_json(values))
    except MienError as error:
        raise ValueError(str(error)) from None


Word = Annotated[str, Field(max_length=64), AfterValidator(_fits_a_cell)]
Words = Annotated[tuple[Word, ...], Field(max_length=64), AfterValidator(_each_once)]


class Protocol(BaseModel):
    """A protocol. Every field may be left out; the defaults are FacER's (section V: 10 takes of 5 s, open and masked).

    Args:
        name: how it is called.
        expressions: the words to be shown; mien's own or any others.
        n_takes: per expression, place and mask.
        n_neutral_takes: clips of the neutral face per place and mask, before the others; calibration needs one.
        duration_s: length of a take.
        neutral_s: how long a take shows the neutral face before the expression's word appears.
        countdown_s: from the announcement of a take to its start.
        masks: open, mask or both; with both, chance decides which comes first.
        places: where takes are made, in this order; none leaves the place open.
        order: random deals the takes of a place and mask anew for everybody; given goes round by round.
        rest_every: takes from one rest to the next; 0 for no rests.
        rest_s: length of a rest.
        n_retries: how often a take of bad quality is asked for again before it is stored as it is.
        consent: text to agree to before the first take.
        probe: what is emitted, as in `study.json`.
        level: amplitude of the emitted sound, full scale 1.

    Example:
        >>> Protocol().n_all_takes
        122
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    mien_protocol: Literal[1] = 1
    name: Word = "facer"
    expressions: Annotated[Words, AfterValidator(_in_usual_spelling)] = Field(default=EXPRESSIONS, min_length=1)
    n_takes: int = Field(default=10, ge=1, le=1_000)
    n_neutral_takes: int = Field(default=1, ge=0, le=100)
    duration_s: float = Field(default=5.0, ge=0.5, le=60.0)
    neutral_s: float = Field(default=1.0, ge=0.0, le=30.0)
    countdown_s: float = Field(default=3.0, ge=0.0, le=60.0)
    masks: Words = Field(default=MASKS, min_length=1)
    places: Words = ()
    order: Literal["random", "given"] = "random"
    rest_every: int = Field(default=20, ge=0)
    rest_s: float = Field(default=60.0, ge=0.0, le=3_600.0)
    n_retries: int = Field(default=2, ge=0, le=10)
    consent: str = Field(default=CONSENT, min_length=1, max_length=20_000)
    probe: Annotated[dict[str, Any], AfterValidator(_is_a_probe)] = Field(
        default_factory=lambda: probe_to_json(Chirp())
    )
    level: float = Field(default=0.3, gt=0.0, le=1.0)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if NEUTRAL in self.expressions:
            raise ValueError("expressions: neutral is no expression to change to; ask for it with n_neutral_takes")
        strange = [mask for mask in self.masks if mask not in MASKS]
        if strange:
            raise ValueError(f"masks: {strange[0]!r} is unknown; known are {', '.join(MASKS)}")
        if self.neutral_s >= self.duration_s:
            raise ValueError(
                f"neutral_s: {self.neutral_s:g} s of neutral face leave nothing of duration_s {self.duration_s:g}; "
                "make it shorter"
            )
        if self.n_all_takes > MOST_TAKES:
            raise ValueError(f"n_takes: {self.n_all_takes} takes in all; at most {MOST_TAKES} make a session")
        return self

    @property
    def n_all_takes(self) -> int:
        """Return how many takes a session has."""
        per_block = len(self.expressions) * self.n_takes + self.n_neutral_takes
        return per_block * len(self.masks) * max(1, len(self.places))

    @property
    def emitted(self) -> Probe:
        """Return the probe as a value."""
        return probe_from_json(self.probe)

    def consent_words(self, keep_audible: bool, camera: str) -> str:
        """Return what a person is asked to agree to: the protocol's text, then what is stored in fact."""
        played = f"What is played: {describe(self.emitted)}."
        return " ".join([self.consent, played, SPEECH_KEPT if keep_audible else SPEECH_REMOVED, CAMERA[camera]])

    def to_json(self) -> dict[str, Any]:
        """Return every field as plain JSON values."""
        return self.model_dump(mode="json")


def protocol_from_json(values: Any, whose: str) -> Protocol:
    """Return the protocol that plain values describe.

    Args:
        whose: what to call it in an error.

    Raises:
        StudyError: an unknown field, or a value that a field cannot have; both are named.

    Example:
        >>> protocol_from_json({"n_takes": 2, "masks": ["open"], "n_neutral_takes": 0}, "mine").n_all_takes
        12
    """
    try:
        # As JSON a list is a tuple's, and yet nothing is coerced.
        return Protocol.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise StudyError(f"{whose}: {_first_fault(error)}") from None
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{whose}: {error}") from None


def _first_fault(error: ValidationError) -> str:
    first = error.errors()[0]
    # A name may be anything, a line break too: an error stays one line.
    where = " ".join(".".join(str(part) for part in first["loc"]).split())
    where = where or (repr(first["loc"]) if first["loc"] else "")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"{where} is no field of a protocol; fields are {', '.join(Protocol.model_fields)}"
    if first["type"] == "value_error":
        return f"{where}: {message}" if where else message
    return f"{where or 'a protocol'}: {message}; found {str(first['input'])[:60]!r}"


def read_protocol(path: Path | str) -> Protocol:
    """Read a protocol from a .json or .toml file.

    Raises:
        StudyError: no such file, another ending, no JSON or TOML, or a field that is wrong: it is named.
    """
    path = Path(path)
    if path.suffix.lower() not in (".json", ".toml"):
        raise StudyError(f"{path} is no protocol: its name must end in .json or .toml")
    text = read_text(path, StudyError, LARGEST_FILE_BYTES)
    kind = path.suffix[1:].upper()
    try:
        values = tomllib.loads(text) if kind == "TOML" else parse_json(text)
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{path} is not {kind}: {error}") from None
    return protocol_from_json(values, str(path))

"""A model on disk: `weights.safetensors`, `recognizer.json`, `MODEL_CARD.md`. Reading it runs no code from it.

Before memory is taken, the file's size is held against a limit; the file format cannot claim more than its size. What
the JSON describes is held against limits by its types, and against the shapes of the tensors before a network of that
size is made.
"""

import hashlib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from mien.errors import ModelError
from mien.files import json_text, open_regular, read_json, sha256, write_together
from mien.sensing.neutral import NEUTRAL_UNTIL_S

WEIGHTS, DESCRIPTION, CARD = "weights.safetensors", "recognizer.json", "MODEL_CARD.md"

MOST_BYTES = 2 << 30
"""A folder's weights may be this large; the paper's ResNet-18 with its bank is 60 MB."""

MOST_IMAGE_VALUES = 1 << 24

MOST_DESCRIPTION_BYTES = 4 << 20

Side = Annotated[int, Field(ge=1, le=65_536)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Label = Annotated[str, Field(max_length=64)]


class TrainingFacts(BaseModel):
    """What a model was trained on.

    Args:
        study, digest: the study's name and digest; None where features were given without one.
        simulated: whether its people were; None where that is not known.
        hears_clips: whether it has learnt against neutral clips too, so that one may take the place of a take's own
            beginning.
        weakest_band_db: the weakest part of the probe's band in any of its recordings, relative to the strongest; None
            where that is not known.
        n_weights: how many numbers decide (`weights.n_weights`); None in models of before it was counted.
        adapted_windows: unlabelled windows it was adapted to, 0 where it was not; adapted_study: their study.
        calibrated_takes, neutral_takes: one person's labelled takes that it was calibrated to, and their neutral ones;
            calibrated_study, calibrated_subject: where from and who.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    study: str | None = None
    digest: str | None = None
    simulated: bool | None = None
    hears_clips: bool = False
    n_people: int = 0
    n_takes: int = 0
    n_windows: int = 0
    n_microphones: Annotated[int, Field(ge=1, le=64)] = 1
    n_weights: int | None = None
    weakest_band_db: Finite | None = None
    adapted_windows: int = 0
    adapted_study: str | None = None
    calibrated_takes: int = 0
    neutral_takes: int = 0
    calibrated_study: str | None = None
    calibrated_subject: str | None = None


class ForeignnessFacts(BaseModel):
    """The plain values of `foreignness.Foreignness`."""

    model_config = ConfigDict(extra="forbid")

    typical: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    slope: Annotated[float, Field(ge=0, le=100)]
    above: Finite | None = None


class EstimatorFacts(BaseModel):
    """The plain values of an estimator's state."""

    model_config = ConfigDict(extra="forbid")

    image_shape: tuple[Side, Side, Side]
    n_classes: Annotated[int, Field(ge=2, le=1000)]
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    unsure_below: Annotated[float, Field(ge=0, le=1)] = 0.0
    foreignness: ForeignnessFacts | None = None
    history: list[dict[str, Finite | None]] | None = None
    setting: dict[str, Finite] | None = None


class Description(BaseModel):
    """`recognizer.json`."""

    model_config = ConfigDict(extra="forbid")

    mien_model: int
    version: str
    method: str
    options: dict[str, Any]
    front_end: dict[str, Any]
    probe: dict[str, Any]
    labels: Annotated[list[Label], Field(min_length=2, max_length=1000)]
    seed: int
    training: TrainingFacts
    estimator: EstimatorFacts
    weights_sha256: str
    kind: Literal["mien recognizer"] = "mien recognizer"


def write_model(folder: Path, description: Description, tensors: dict[str, np.ndarray], card: str) -> None:
    """Write a model's three files; the folder's old model stays whole if one of them cannot be written.

    Raises:
        StorageError: the disk cannot take it.
    """
    folder = Path(folder)
    weights = save({name: np.array(value, order="C") for name, value in tensors.items()})
    named = description.model_copy(update={"weights_sha256": hashlib.sha256(weights).hexdigest()})
    text = json_text(named.model_dump(mode="json", exclude_none=True))
    write_together({folder / WEIGHTS: weights, folder / CARD: card.encode(), folder / DESCRIPTION: text.encode()})


def read_model(folder: Path) -> tuple[Description, dict[str, np.ndarray]]:
    """Return what `write_model` wrote.

    Raises:
        ModelError: a folder that holds no model, one of another version, or one that was changed.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise ModelError(f"{folder} is no folder; a model is one, with {DESCRIPTION} and {WEIGHTS} in it")
    values = read_json(_inside(folder, DESCRIPTION), ModelError, MOST_DESCRIPTION_BYTES)
    if values.get("mien_model") != 1:
        raise ModelError(
            f"{folder / DESCRIPTION} is of model format {values.get('mien_model')!r}; this mien reads format 1: "
            "train the model anew or install the mien that made it"
        )
    try:
        description = Description.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{folder / DESCRIPTION}: {place}: {first['msg'].lower()}") from None
    _refuse_contradictions(folder, description)
    return description, _read_tensors(_inside(folder, WEIGHTS), description.weights_sha256)


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a model's file, refused where a link leads it out of the folder.

    Raises:
        ModelError: it is missing or lies elsewhere.
    """
    path = folder / name
    if not os.path.lexists(path):
        raise ModelError(f"{path} is missing; a model's folder holds {DESCRIPTION} and {WEIGHTS}")
    try:
        is_inside = path.resolve().parent == folder.resolve()
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{path} cannot be followed: {error}; copy the file itself") from None
    if not is_inside:
        raise ModelError(f"{path} is a link out of its folder; copy the file itself")
    open_regular(path, ModelError).close()
    return path


def _refuse_contradictions(folder: Path, description: Description) -> None:
    estimator, labels = description.estimator, description.labels
    if len(set(labels)) != len(labels) or estimator.n_classes != len(labels):
        raise ModelError(
            f"{folder / DESCRIPTION}: {len(labels)} labels, {len(set(labels))} of them different, for "
            f"{estimator.n_classes} classes; one each is needed"
        )
    if int(np.prod(estimator.image_shape)) > MOST_IMAGE_VALUES:
        raise ModelError(
            f"{folder / DESCRIPTION}: windows of {estimator.image_shape} values; at most {MOST_IMAGE_VALUES} in all"
        )


def _read_tensors(path: Path, digest: str) -> dict[str, np.ndarray]:
    n_bytes = path.stat().st_size
    if n_bytes > MOST_BYTES:
        raise ModelError(f"{path} has {n_bytes} bytes; at most {MOST_BYTES} are read")
    if sha256(path, ModelError) != digest:
        raise ModelError(f"{path} is not the file that {DESCRIPTION} was written for; copy the whole folder again")
    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError, TypeError, KeyError, OSError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from None
    for name, value in tensors.items():
        if value.dtype.kind not in "iuf" or (value.dtype.kind == "f" and not np.isfinite(value).all()):
            raise ModelError(f"{path}: {name!r} holds values that are no finite numbers; train the model anew")
    return tensors


def model_card(description: Description, front_end: str, probe: str, scores: str | None) -> str:
    """Return the text of `MODEL_CARD.md`: what a model was trained on, its scores, what it cannot do."""
    training = description.training
    people = {True: "simulated people", False: "recorded people", None: "people of unknown origin"}[training.simulated]
    lines = [
        f"# {description.method}: {', '.join(description.labels)}",
        "",
        "## Trained on",
        f"{training.n_people} {people}, {training.n_takes} takes, {training.n_windows} windows"
        + (f", of the study {training.study!r} (digest {training.digest})." if training.study else "."),
        f"Heard through: {probe}. Front end: {front_end}. Microphones: {training.n_microphones}.",
    ]
    if training.n_weights is not None:
        lines.append(f"It is made of {training.n_weights:,} learnt numbers.")
    if description.front_end.get("neutral") == "take":
        lines.append(
            f"A recording must begin with the neutral face: until its `neutral_until_s`, or for {NEUTRAL_UNTIL_S:g} s "
            "where it states none."
        )
    if training.hears_clips and description.front_end.get("neutral") == "take":
        lines.append("Calibrated with a neutral clip (`mien calibrate`), it measures against that instead.")
    if training.adapted_windows:
        of = f" of the study {training.adapted_study!r}" if training.adapted_study else ""
        lines.append(f"Adapted to {training.adapted_windows} unlabelled windows{of}.")
    if training.calibrated_takes or training.neutral_takes:
        whose = f" of subject {training.calibrated_subject} of the study {training.calibrated_study!r}"
        lines.append(
            f"Calibrated to one person: {training.calibrated_takes} labelled and {training.neutral_takes} neutral takes"
            + (whose if training.calibrated_study else "")
            + ". On other people it is somewhat worse than before."
        )
    lines += ["", "## Scores", scores or "None are stated here: `mien evaluate` measures them on people never heard."]
    threshold = description.estimator.unsure_below
    if threshold:
        lines.append(
            f"Answers less sure than {threshold:.2f} are given as `unsure`: on people held out "
            "of training they were wrong more often than right."
        )
    known = description.estimator.foreignness
    if known is not None:
        lines.append(
            "Foreignness says how unlike what it was trained on a face or device is: 0 is typical of people held out."
            + (
                f" Above {known.above:.2f}, as 1 % of their windows, answers are `unsure`, and confidence falls."
                if known.above is not None
                else ""
            )
        )
    lines += [
        "",
        "## What it cannot do",
        "- It names the look on a face, not what a person feels.",
        "- It has seen no other expressions, probes or windows than those above, and refuses another probe.",
        "- Its probabilities are calibrated on people held out; on others they may be too sure, all the more where "
        "foreignness is high. Not everything that is foreign is found out.",
        "- It must not decide about people: no hiring, policing, diagnosing or watching without consent.",
    ]
    if training.simulated:
        lines.append("- **It has never heard a real face.** Its people are computed; on real ones it is untested.")
    return "\n".join([*lines, "", f"Made by mien {description.version}.", ""])

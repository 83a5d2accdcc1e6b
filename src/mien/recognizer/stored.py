"""A recognizer to and from its folder."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mien import __version__
from mien.learning.methods import method_named, options_from_json
from mien.learning.model_folder import Description, EstimatorFacts, model_card, read_model, write_model
from mien.probe import describe, probe_from_json
from mien.recognizer.builtin import model_path
from mien.sensing.front_ends import front_end_from_json
from mien.sensing.neutral import NeutralProfile

if TYPE_CHECKING:
    from mien.recognizer.facade import Recognizer

Made = TypeVar("Made", bound="Recognizer")


def save_recognizer(recognizer: "Recognizer", folder: Path, scores: str | None) -> Path:
    """Write a fitted recognizer; see `Recognizer.save`."""
    tensors, values = recognizer.estimator.state()
    tensors = tensors | ({} if recognizer.neutral is None else recognizer.neutral.tensors())
    description = Description(
        mien_model=1,
        version=__version__,
        estimator=EstimatorFacts.model_validate(values),
        weights_sha256="",
        **recognizer.describe(),
    )
    card = model_card(description, repr(recognizer.front_end), describe(recognizer.probe), scores)
    write_model(folder, description, tensors, card)
    return folder


def load_recognizer(cls: type[Made], folder: Path | str) -> Made:
    """Read a recognizer; see `Recognizer.load`."""
    description, tensors = read_model(model_path(folder))
    known = method_named(description.method)
    made = cls(description.method, seed=description.seed)
    made.front_end = front_end_from_json(description.front_end)
    made.probe, made.probe_is_given = probe_from_json(description.probe), True
    made.options = options_from_json(type(known.options), description.options)
    made.labels, made.training = tuple(description.labels), description.training
    values = description.estimator.model_dump()
    made.neutral = NeutralProfile.from_tensors(tensors, made.training.n_microphones)
    made.estimator = known.estimator.from_state(made.options, made.seed, tensors, values)
    return made

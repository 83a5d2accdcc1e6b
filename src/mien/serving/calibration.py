"""Calibrating a model to a person's takes that are nowhere but in memory."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mien.datasets.extract import one_thread
from mien.labels import NEUTRAL
from mien.recognizer import Recognizer
from mien.recognizer.hearing import fitting
from mien.recognizer.person import calibrating_rows
from mien.recording import Recording
from mien.sensing.features import join


def calibrate_in_memory(recognizer: Recognizer, takes: Sequence[tuple[str, Recording]]) -> Recognizer:
    """Return a new recognizer calibrated to one person's takes; the one given stays as it is.

    What `Recognizer.calibrate` does with a study's takes, for (expression, take) pairs.

    Raises:
        ModelError: the method cannot be calibrated, an expression that was not learnt, or no neutral take where one is
            needed. ProbeNotFound: a take holds no trace of the probe.
    """
    labels = np.array([word for word, _ in takes], dtype=object)
    heard = [
        fitting(take, recognizer.probe, recognizer.training.n_microphones, recognizer.front_end) for _, take in takes
    ]
    taught, _ = calibrating_rows(np.arange(len(takes)), labels, recognizer.labels)
    still = [take for (word, _), take in zip(takes, heard, strict=True) if word == NEUTRAL]
    neutral = recognizer.neutral
    with one_thread():
        if getattr(recognizer.front_end, "neutral", None) == "clip" and still:
            neutral = recognizer.front_end.neutral_profile(still)  # type: ignore[attr-defined]
        made = copy.copy(recognizer)
        if len(taught):
            parts = [recognizer.front_end.features(heard[row], neutral) for row in taught]
            numbered = [
                replace(part, row=np.full(len(part), row, dtype=np.int64))
                for part, row in zip(parts, taught, strict=True)
            ]
            made = recognizer.calibrate_features(join(numbered), labels, taught)
    made.neutral = neutral
    told = {"calibrated_takes": len(taught), "neutral_takes": len(still)}
    made.training = made.training.model_copy(update=told)
    return made

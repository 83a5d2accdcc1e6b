"""From recordings to answers: what a model can hear, what it names, how good the sound was."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from mien.errors import ProbeMismatch, RecordingError
from mien.files import files_below
from mien.labels import UNSURE
from mien.probe import Probe, describe
from mien.recording import Recording, read_recording
from mien.sensing.features import FrontEnd
from mien.sound_files import SUBTYPES


def refuse_other_probe(probe: Probe, expected: Probe, whose: str) -> None:
    """Refuse what was made with another probe than a model's.

    Raises:
        ProbeMismatch: naming both.
    """
    if probe != expected:
        raise ProbeMismatch(f"{whose} was made with {describe(probe)}; this model expects {describe(expected)}")


def fitting(recording: Recording, probe: Probe, n_microphones: int, front_end: FrontEnd) -> Recording:
    """Return a recording with its probe, refused where a model of this probe cannot hear it.

    Raises:
        ProbeMismatch: another probe. RecordingError: another rate or number of channels, or shorter than a window.
    """
    if recording.probe is not None:
        refuse_other_probe(recording.probe, probe, "the recording")
    if recording.rate_hz != probe.rate_hz:
        raise RecordingError(
            f"the recording is at {recording.rate_hz} Hz; this model expects {describe(probe)}: record at "
            f"{probe.rate_hz} Hz"
        )
    if recording.n_channels != n_microphones:
        raise RecordingError(
            f"the recording has {recording.n_channels} channels; this model was trained on {n_microphones}: choose or "
            "mix its channels"
        )
    window_s = float(getattr(front_end, "window_s", 0.0))
    if recording.duration_s < window_s - probe.period_s / 2:
        raise RecordingError(
            f"the recording lasts {recording.duration_s:.3g} s; this model listens to windows of {window_s:g} s: "
            f"record at least {window_s:g} s, or train a model with shorter windows"
        )
    return replace(recording, probe=probe)


def assumes_neutral(front_end: FrontEnd, recording: Recording) -> bool:
    """Return whether a recording is taken to begin with the neutral face, without saying so itself."""
    return getattr(front_end, "neutral", None) == "take" and "neutral_until_s" not in recording.facts


def answers(
    predicted: pd.DataFrame, labels: Sequence[str], unsure_below: float, quality: Sequence[str]
) -> pd.DataFrame:
    """Return a row per window as `Recognizer.predict_proba` does, of what `predict_features` returned."""
    probabilities = predicted.filter(like="p_")
    confidence = probabilities.to_numpy().max(axis=1)
    best = np.array(labels, dtype=object)[probabilities.to_numpy().argmax(axis=1)]
    frame = probabilities.copy()
    frame.insert(0, "time_s", predicted["start_s"])
    frame.insert(1, "expression", np.where(confidence < unsure_below, UNSURE, best))
    frame["confidence"] = confidence
    frame["quality"] = ";".join(quality) or "ok"
    return frame


def recordings_in(path: Path, probe: Probe | None = None) -> Iterator[tuple[str, Recording]]:
    """Yield the name and the recording of a file, or of every sound file in a folder and below, by name.

    A file without a sidecar is taken to be made with `probe`.

    Raises:
        RecordingError: no sound file there, or one that cannot be used.
        ProbeMismatch: a sidecar names another probe.
    """
    path = Path(path)
    files = [path]
    if os.path.isdir(path):
        files = [file for file in files_below(path, RecordingError) if file.suffix.lower() in SUBTYPES]
        if not files:
            raise RecordingError(f"{path} holds no sound file; {' and '.join(SUBTYPES)} are read")
    for file in files:
        yield str(file.relative_to(path)) if path.is_dir() else file.name, read_recording(file, probe)

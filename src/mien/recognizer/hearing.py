"""From recordings to answers: what a model can hear, what it names, how good the sound was."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien.dsp import band_pass
from mien.errors import ProbeError, ProbeMismatch, ProbeNotFound, RecordingError
from mien.files import files_below
from mien.labels import UNSURE
from mien.learning.foreignness import is_unsure
from mien.probe import Probe, PureTones, describe
from mien.recording import Recording, read_recording
from mien.sensing.doppler import Doppler
from mien.sensing.features import Features, FrontEnd
from mien.sensing.synchronise import synchronise
from mien.sensing.windows import filled
from mien.sound_files import SOUND_ENDINGS

WEAKEST_PHONE_DB, BAND_MARGIN_DB = -26.0, 6.0
"""The steepest of the measured phones ends so far below its strongest; more than the margin below what a model was
trained on is another band."""


def refuse_other_probe(probe: Probe, expected: Probe, whose: str) -> None:
    """Refuse what was made with another probe than a model's.

    Raises:
        ProbeMismatch: naming both.
    """
    if probe != expected:
        raise ProbeMismatch(f"{whose} was made with {describe(probe)}; this model expects {describe(expected)}")


def fitting(
    recording: Recording, probe: Probe, n_microphones: int, front_end: FrontEnd, channel: int | None = None
) -> Recording:
    """Return a recording with its probe, refused where a model of this probe cannot hear it.

    A model of one microphone takes one channel of several (`one_channel`), and where a few milliseconds of a window are
    missing, silence stands for them (`filled`).

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
    recording = one_channel(replace(recording, probe=probe), n_microphones, channel)
    if recording.n_channels != n_microphones:
        raise RecordingError(
            f"the recording has {recording.n_channels} channels; this model was trained on {n_microphones}: choose or "
            "mix its channels"
        )
    window_s = float(getattr(front_end, "window_s", None) or 0.0)
    if recording.duration_s < window_s - probe.period_s / 2:
        raise RecordingError(
            f"the recording lasts {recording.duration_s:.3g} s; this model listens to windows of {window_s:g} s: "
            f"record at least {window_s:g} s, or train a model with shorter windows"
        )
    return filled(recording, window_s)


def one_channel(recording: Recording, n_microphones: int, channel: int | None = None) -> Recording:
    """Return one channel of a recording, for a model of one microphone; its notes and facts say which. Else itself.

    Args:
        channel: which, from 0; None takes the one in which the probe stands highest above its floor.

    Raises:
        RecordingError: no such channel, or one was asked for and the model listens with several microphones.
    """
    if channel is None and (n_microphones != 1 or recording.n_channels == 1):
        return recording
    if n_microphones != 1:
        raise RecordingError(f"channel {channel} was asked for; this model listens with {n_microphones} microphones")
    if channel is not None and not 0 <= channel < recording.n_channels:
        raise RecordingError(f"channel {channel} was asked for; the recording has 0 to {recording.n_channels - 1}")
    taken, note = (channel, "as asked") if channel is not None else _strongest(recording)
    return replace(
        recording,
        samples=recording.samples[taken, None],
        facts={**recording.facts, "channel": taken},
        notes=(*recording.notes, f"channel {taken} of {recording.n_channels} was taken, {note}"),
    )


def _strongest(recording: Recording) -> tuple[int, str]:
    """Return the channel in which the probe stands highest above its floor, and how high, in words."""
    heights = [_height(replace(recording, samples=samples[None])) for samples in recording.samples]
    best = int(np.argmax(heights))
    others = ", ".join(f"{height:.1f}" for number, height in enumerate(heights) if number != best)
    if heights[best] <= 0:
        return best, "and in none was the probe found"
    return (
        best,
        f"where the probe is {heights[best]:.1f} times its floor (elsewhere {others}); --channel N takes another",
    )


def _height(recording: Recording) -> float:
    """Return how high the probe of one channel stands above its floor; 0 where there is none."""
    try:
        return synchronise(recording).peak_to_floor
    except (ProbeNotFound, ProbeMismatch, RecordingError):
        return 0.0
    except ProbeError:  # no chirp is in it: how loud its band is beside all else must do
        assert recording.probe is not None
        inside = band_pass(recording.samples, recording.rate_hz, *recording.probe.band_hz)
        return float(np.linalg.norm(inside) / (np.linalg.norm(recording.samples - inside) + 1e-12))


def clip_alike(clip: Recording, recording: Recording, n_microphones: int) -> Recording:
    """Return a neutral clip by the same channel as a recording of which one was taken, or by its own strongest."""
    taken = recording.facts.get("channel")
    same = isinstance(taken, int) and 0 <= taken < clip.n_channels and clip.n_channels > 1 and n_microphones == 1
    return one_channel(clip, n_microphones, taken if same else None)


def assumes_neutral(front_end: FrontEnd, recording: Recording) -> bool:
    """Return whether a recording is taken to begin with the neutral face, without saying so itself."""
    return getattr(front_end, "neutral", None) == "take" and "neutral_until_s" not in recording.facts


def front_end_for(probe: Probe, usual: FrontEnd) -> FrontEnd:
    """Return the front end that fits a probe: a method's usual one, for chirps, or for tones alone Doppler's."""
    return Doppler() if isinstance(probe, PureTones) else usual


def band_words(features: Features, trained_db: float | None) -> tuple[str, ...]:
    """Return `other-band` where a recording's band is weaker in a part than any that a model was trained on.

    Args:
        trained_db: of the weakest it was trained on; None takes that of the measured phones.
    """
    least_db = (WEAKEST_PHONE_DB if trained_db is None else trained_db) - BAND_MARGIN_DB
    return ("other-band",) if len(features.weakest_db) and features.weakest_db.min() < least_db else ()


def answers(
    predicted: pd.DataFrame,
    labels: Sequence[str],
    estimator: Any,
    quality: Sequence[str],
    broken: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return a row per window as `Recognizer.predict_proba` does, of what `predict_features` returned.

    Args:
        estimator: says when it is unsure.
        broken: (window) whether its sound has a gap, so that it is unsure whatever the model says.
    """
    probabilities = predicted.filter(like="p_")
    confidence = probabilities.to_numpy().max(axis=1)
    best = np.array(labels, dtype=object)[probabilities.to_numpy().argmax(axis=1)]
    foreignness = predicted["foreignness"].to_numpy()
    unsure = is_unsure(confidence, foreignness, estimator.unsure_below, estimator.foreign)
    if broken is not None:
        unsure = unsure | broken
    frame = probabilities.copy()
    frame.insert(0, "time_s", predicted["start_s"])
    frame.insert(1, "expression", np.where(unsure, UNSURE, best))
    frame["confidence"], frame["foreignness"] = confidence, foreignness
    frame["quality"] = ";".join(quality) or "ok"
    return frame


def sounds_in(path: Path) -> list[Path]:
    """Return a file, or every sound file in a folder and below, by name, without what desktops leave there.

    Raises:
        RecordingError: a folder without a sound file.
    """
    path = Path(path)
    if not os.path.isdir(path):
        return [path]
    files = files_below(path, SOUND_ENDINGS, RecordingError)
    if not files:
        raise RecordingError(f"{path} holds no sound file; {', '.join(SOUND_ENDINGS)} are read")
    return files


def recordings_in(path: Path, probe: Probe | None = None) -> Iterator[tuple[str, Recording]]:
    """Yield the name and the recording of a file, or of every sound file in a folder and below, by name.

    A file without a sidecar is taken to be made with `probe`.

    Raises:
        RecordingError: no sound file there, or one that cannot be used.
        ProbeMismatch: a sidecar names another probe.
    """
    path = Path(path)
    for file in sounds_in(path):
        yield str(file.relative_to(path)) if path.is_dir() else file.name, read_recording(file, probe)

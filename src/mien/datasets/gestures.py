"""Gestures drawn in the air under a 19 kHz tone (UltraGSAttack, Zou, Wang and He): ten digits, people, two rooms.

What was published are WAV files; what is passed on for development is their complex baseband. Either becomes a study.
"""

import csv
import io
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.signal import resample_poly

from mien.array_files import read_arrays
from mien.datasets.study import Study, load_study
from mien.datasets.writer import StudyWriter
from mien.errors import RecordingError, StudyError
from mien.files import files_below, read_text
from mien.probe import PureTones
from mien.progress import bar
from mien.recording import Recording
from mien.sound_files import read_header, read_samples

PROBE = PureTones((19_000.0,), rate_hz=44_100)
"""A Samsung Galaxy Tab S2 played it and recorded itself, mono, at 44.1 kHz."""

LEVEL = 0.25
"""Mean amplitude of the tone that a baseband is given back."""

BASEBAND_HZ = 2_100
LONGEST_CLIP_S = 60.0
"""A gesture takes 2 s; a clip grows 21-fold when it becomes sound."""

_BASEBAND = "iq_baseband_2100hz.npz"
_LABELS = "labels.csv"
_INDEX = re.compile(r"[0-9]{1,7}")
_NAME = re.compile(r"(?P<user>p\d+)-[a-z]+-\d-\d+-(?P<room>[a-z]+)-[a-z]+-(?P<number>[\d-]+)\.wav")


@dataclass(frozen=True, slots=True)
class Clip:
    """One gesture.

    Args:
        index: its place in the baseband file, or None.
        path: of its WAV file beneath the folder.
    """

    index: int | None
    path: str
    user: str
    room: str
    digit: str

    @property
    def take(self) -> str:
        """Return digit and number of the file, unique within a person and room: `3-24`."""
        found = _NAME.fullmatch(Path(self.path).name)
        assert found is not None
        return f"{self.digit}-{found['number']}"


def import_gestures(
    folder: Path | str,
    study_path: Path | str,
    *,
    source: Literal["baseband", "raw"] = "baseband",
    resume: bool = False,
    progress: bool = True,
) -> Study:
    """Write the gestures of a folder as a study and return it.

    Args:
        folder: holds `labels.csv` and `iq_baseband_2100hz.npz`; or, for "raw", WAV files named as published, anywhere
            in it.
        source: "baseband" is brought back to audio: up to 44.1 kHz, about 19 kHz. Of a WAV file, person and room
            stand in its name, and the digit is the name of the folder it lies in.

    Raises:
        StudyError: something is missing in the folder or not as expected; or see `StudyWriter`.
        StorageError: the disk cannot take it; `resume` goes on.
    """
    folder, study_path = Path(folder), Path(study_path)
    if source == "baseband":
        clips = _listed(folder)
        sounds = _Basebands(folder, len(clips))
    else:
        clips, sounds = _found(folder), None
    with StudyWriter(study_path, study_path.name, "imported", PROBE, resume=resume) as writer, bar() as bars:
        task = bars.add_task("importing gestures", total=len(clips), visible=progress)
        known = {subject for subject, _, _ in writer.done}
        for clip in clips:
            if clip.user not in known:
                writer.add_participant(clip.user)
                known.add(clip.user)
            if (clip.user, clip.room, clip.take) not in writer.done:
                recording = sounds.recording(clip) if sounds else _read_wav(folder / clip.path)
                writer.add_take(
                    recording, clip.user, clip.room, clip.take, f"digit-{clip.digit}", place=clip.room, device="tab-s2"
                )
            bars.advance(task)
    return load_study(study_path)


def _listed(folder: Path) -> list[Clip]:
    """Return the clips of `labels.csv`, in its order, which is that of the baseband file."""
    path = folder / _LABELS
    if not os.path.lexists(path):
        raise StudyError(f"{folder} has no {_LABELS}; give the folder that holds it and {_BASEBAND}, or source='raw'")
    try:
        # Cells that a row lacks are empty; what it has beyond the header goes under None and is not read.
        rows = list(csv.DictReader(io.StringIO(read_text(path, StudyError), newline=""), restval=""))
    except csv.Error as error:
        raise StudyError(f"{path} is no table of clips: {error}; unpack the archive again") from None
    wanted = ("index", "file", "user", "environment", "digit")
    if not rows or not set(wanted) <= set(rows[0]):
        raise StudyError(
            f"{path} needs columns {', '.join(wanted)}; it has {', '.join(rows[0]) if rows else 'no rows'}"
        )
    clips = []
    for line, row in enumerate(rows, start=2):
        if not _INDEX.fullmatch(row["index"]) or not _NAME.fullmatch(Path(row["file"]).name):
            raise StudyError(f"{path} line {line}: {row['file']!r} with index {row['index']!r} is no gesture")
        clips.append(Clip(int(row["index"]), row["file"], row["user"], row["environment"], row["digit"]))
    return _unique(clips, path)


def _found(folder: Path) -> list[Clip]:
    """Return the clips among the WAV files beneath a folder, by their names."""
    clips = []
    for path in files_below(folder, (".wav",), StudyError):
        name = _NAME.fullmatch(path.name)
        digit = path.parent.name
        if name is None:
            continue
        if not re.fullmatch(r"\d", digit):
            raise StudyError(f"{path} lies in a folder called {digit!r}; the folder's name is the digit drawn, 0 to 9")
        clips.append(Clip(None, str(path.relative_to(folder)), name["user"], name["room"], digit))
    if not clips:
        raise StudyError(f"{folder} holds no WAV file named like p1-sss-0-1-lab-none-24.wav; unpack the archive first")
    return _unique(clips, folder)


def _unique(clips: list[Clip], where: Path) -> list[Clip]:
    seen: dict[tuple[str, str, str], str] = {}
    for clip in clips:
        key = (clip.user, clip.room, clip.take)
        if key in seen:
            raise StudyError(f"{where}: {seen[key]} and {clip.path} are the same take")
        seen[key] = clip.path
    return clips


class _Basebands:
    """The complex basebands of a folder, one clip at a time."""

    def __init__(self, folder: Path, n_clips: int) -> None:
        path = folder / _BASEBAND
        if not os.path.lexists(path):
            raise StudyError(f"{folder} has no {_BASEBAND}; give the folder that holds it, or source='raw'")
        arrays = read_arrays(path, StudyError)
        missing = {"iq", "offset", "scale", "fs", "carrier_hz"} - set(arrays)
        if missing:
            raise StudyError(f"{path} lacks {', '.join(sorted(missing))}")
        self.pairs, self.offsets, self.scales = arrays["iq"], arrays["offset"], arrays["scale"]
        try:
            self.rate_hz, carrier_hz = float(arrays["fs"].item()), float(arrays["carrier_hz"].item())
        except (TypeError, ValueError):
            raise StudyError(f"{path}: fs and carrier_hz are one number each; unpack the archive again") from None
        if self.pairs.shape[1:] != (2,) or self.offsets.dtype.kind not in "iu" or self.scales.dtype.kind not in "iuf":
            raise StudyError(f"{path} holds other arrays than pairs of baseband, offsets and scales")
        if carrier_hz != PROBE.tones_hz[0] or self.rate_hz != BASEBAND_HZ:
            raise StudyError(
                f"{path} is at {self.rate_hz:g} Hz about {carrier_hz:g} Hz; {BASEBAND_HZ} Hz about 19000 Hz is expected"
            )
        if len(self.offsets) != n_clips + 1 or len(self.scales) != n_clips or self.offsets[-1] != len(self.pairs):
            raise StudyError(f"{path} holds {len(self.scales)} clips, {_LABELS} names {n_clips}; they belong together")

    def recording(self, clip: Clip) -> Recording:
        """Return a clip as sound about its tone."""
        assert clip.index is not None
        if clip.index >= len(self.scales):
            raise StudyError(f"{_LABELS} names clip {clip.index}; {_BASEBAND} holds {len(self.scales)}")
        begin, end = self.offsets[clip.index], self.offsets[clip.index + 1]
        if not 0 <= begin < end <= len(self.pairs) or (end - begin) / self.rate_hz > LONGEST_CLIP_S:
            raise StudyError(f"{_BASEBAND}: clip {clip.index} from {begin} to {end} of {len(self.pairs)} is no gesture")
        samples = self.pairs[begin:end].astype(np.float64) @ np.array([1, 1j]) * float(self.scales[clip.index])
        return Recording(modulated(samples, round(PROBE.rate_hz / self.rate_hz))[None], PROBE.rate_hz, PROBE)


def modulated(baseband: np.ndarray, factor: int) -> np.ndarray:
    """Return (time) float32 sound at the probe's rate of a complex baseband whose tone has magnitude 1.

    The mean is left out of the interpolation so that the tone makes no click at the ends.
    """
    mean = baseband.mean()
    fine = resample_poly(baseband - mean, factor, 1) + mean
    cycles = PROBE.tones_hz[0] / PROBE.rate_hz * np.arange(len(fine)) % 1.0
    return (LEVEL * np.real(fine * np.exp(2j * math.pi * cycles))).astype(np.float32)


def _read_wav(path: Path) -> Recording:
    """Return a published WAV file as a recording."""
    header = read_header(path)
    if header.rate_hz != PROBE.rate_hz or header.n_channels != 1:
        raise RecordingError(
            f"{path} has {header.n_channels} channels at {header.rate_hz} Hz; one at {PROBE.rate_hz} Hz is expected"
        )
    return Recording(read_samples(path, header), header.rate_hz, PROBE)

"""Channels of many people, computed once and kept: sound with any probe within their band follows on the fly.

Scattering is nearly all of a simulation's work and little of its data: a take of 1 s is 21 periods by 19 frequencies,
3 kB a microphone, where its sound is 140 kB. Everything else (surroundings, direct path, device, noise) is drawn
again when the take is heard, from the same seeds or from others.
"""

import io
import json
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from mien.array_files import read_arrays
from mien.errors import StudyError
from mien.files import make_folder, read_json, write_bytes
from mien.probe import Probe
from mien.progress import track
from mien.simulate.options import PlannedTake, SimulationOptions, plan_takes
from mien.simulate.render import has_only_chirps
from mien.simulate.stage import Stage, stage_for
from mien.simulate.take import PlayedTake, play
from mien.workers import results_of


@dataclass(frozen=True, slots=True)
class KeptChannels:
    """The channels of a simulation on disk, one file per person.

    Args:
        folder: where they are.
        options: what was simulated. The probe gives band and period of the channels.
    """

    folder: Path
    options: SimulationOptions

    def stage(
        self, probe: Probe | None = None, n_microphones: int | None = None, echo_to_noise_db: float | None = None
    ) -> Stage:
        """Return the stage on which kept takes are heard with a probe, microphones and noise, by default those kept.

        Raises:
            StudyError: more microphones than were kept, or a band beyond theirs.
        """
        probe, n_microphones = probe or self.options.probe, n_microphones or self.options.n_microphones
        noise = self.options.echo_to_noise_db if echo_to_noise_db is None else echo_to_noise_db
        stage = stage_for(replace(self.options, probe=probe, n_microphones=n_microphones, echo_to_noise_db=noise))
        if n_microphones > self.options.n_microphones:
            raise StudyError(
                f"{self.folder} holds {self.options.n_microphones} microphones; {n_microphones} were asked for"
            )
        _columns(stage_for(self.options).frequencies_hz, stage.frequencies_hz, self.folder)
        return stage

    def played(self, stage: Stage, plan: PlannedTake, *, draw: int = 0) -> PlayedTake:
        """Return a kept take as it happened, its scattering read and not computed.

        What was kept for chirps alone ends with the last of them: tones are heard through the face as it then stood
        for what is left of the recording, less than a period.

        Args:
            stage: from `stage`.
            draw: see `take.play`.

        Raises:
            StudyError: the person's file is missing or not what it should be.
        """
        channels, delays_s = _person(self.folder, self.options, plan.subject_index)
        columns = _columns(stage_for(self.options).frequencies_hz, stage.frequencies_hz, self.folder)
        values = channels[plan.take_index][:, : len(stage.microphones_m)][:, :, columns].astype(np.complex128)
        if has_only_chirps(self.options.probe) and not has_only_chirps(stage.options.probe):
            values = np.concatenate([values, values[-1:]])
        shortest_s, longest_s = delays_s[plan.take_index]
        return play(stage, plan, kept=(values, (float(shortest_s), float(longest_s))), draw=draw)


def keep_channels(
    folder: Path | str, options: SimulationOptions, *, n_jobs: int = 1, progress: bool = True
) -> KeptChannels:
    """Compute the channels of a simulation and keep them; people whose file is there already are not computed again.

    Args:
        folder: where to; made if it is not there.
        options: what is simulated. Give the widest band and the most microphones that will be heard.

    Raises:
        StudyError: the folder holds the channels of another simulation.
        StorageError: the disk cannot take them; what was written stays, and the same call goes on from it.
    """
    folder = Path(folder)
    described = _describe(options)
    about = folder / "channels.json"
    if os.path.lexists(about):
        _refuse_others(about, described)
    make_folder(folder)
    write_bytes(about, (json.dumps(described, indent=1) + "\n").encode())
    missing = [index for index in range(options.n_subjects) if not _file(folder, index).exists()]
    made = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)(
        joblib.delayed(_keep_person)(folder, options, index) for index in missing
    )
    made = results_of(made)
    for _ in track(made, f"channels {folder.name}", total=len(missing)) if progress else made:
        pass
    return KeptChannels(folder, options)


def _describe(options: SimulationOptions) -> dict[str, Any]:
    # How many people there are changes none of them, unless men and women are counted out.
    return {"version": options.levels_version, "face": stage_for(options).face_facts(), "options": options.to_json()}


def _refuse_others(about: Path, wanted: dict[str, Any]) -> None:
    try:
        found = read_json(about, StudyError)
    except StudyError as error:
        raise StudyError(
            f"{about} is no description of channels ({error}); delete the folder or name another"
        ) from None
    if found == wanted:
        return
    versions = found.get("version") if isinstance(found, dict) else None, wanted["version"]
    if versions[0] != versions[1]:
        raise StudyError(
            f"{about.parent} holds channels of version {versions[0]} of the levels; version {versions[1]} was asked "
            f"for: name another folder, or ask for levels_version={versions[0]}"
        )
    raise StudyError(f"{about.parent} holds the channels of another simulation; name another folder or delete it")


def _file(folder: Path, subject_index: int) -> Path:
    return folder / f"person-{subject_index + 1:05d}.npz"


def _keep_person(folder: Path, options: SimulationOptions, subject_index: int) -> None:
    stage = stage_for(options)
    played = [play(stage, plan) for plan in plan_takes(options, subject_index)]
    buffer = io.BytesIO()
    channels = np.stack([take.face_channel for take in played]).astype(np.complex64)
    np.savez(buffer, channels=channels, delays_s=np.array([take.delays_s for take in played]))
    write_bytes(_file(folder, subject_index), buffer.getvalue())


@lru_cache(maxsize=2)
def _person(folder: Path, options: SimulationOptions, subject_index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (take time channel freq) and (take 2) of a person."""
    path = _file(folder, subject_index)
    try:
        arrays = read_arrays(path, StudyError)
        channels, delays_s = arrays["channels"], arrays["delays_s"]
    except (StudyError, KeyError) as error:
        raise StudyError(f"{path} holds no channels ({error}); delete it and keep the channels again") from None
    n_takes, n_freq = options.n_takes_per_subject, len(stage_for(options).frequencies_hz)
    if channels.ndim != 4 or channels.shape[0] != n_takes or channels.shape[2:] != (options.n_microphones, n_freq):
        raise StudyError(f"{path} holds channels of shape {channels.shape}; delete it and keep the channels again")
    return channels, delays_s


def _columns(kept_hz: np.ndarray, wanted_hz: np.ndarray, folder: Path) -> np.ndarray:
    """Return where the wanted frequencies stand among those kept."""
    columns = np.searchsorted(kept_hz, wanted_hz - 1e-3)
    if columns[-1] >= len(kept_hz) or not np.allclose(kept_hz[columns], wanted_hz):
        raise StudyError(
            f"{folder} holds channels of {kept_hz[0]:g} to {kept_hz[-1]:g} Hz every {np.diff(kept_hz)[0]:g} Hz; "
            f"{wanted_hz[0]:g} to {wanted_hz[-1]:g} Hz were asked for"
        )
    return columns

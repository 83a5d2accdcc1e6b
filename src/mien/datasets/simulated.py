"""Simulated people as data: a study on disk as any other, or features of kept channels without any file of sound."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from mien.datasets.writer import StudyWriter
from mien.errors import StudyError
from mien.labels import NEUTRAL
from mien.probe import Probe
from mien.progress import bar, track
from mien.recording import Recording
from mien.sensing.features import Features, FrontEnd, join
from mien.sensing.neutral import NeutralProfile
from mien.simulate.channels import KeptChannels
from mien.simulate.generate import SimulatedTake, simulate_takes
from mien.simulate.options import PlannedTake, SimulationOptions, plan_takes
from mien.simulate.people import Person
from mien.simulate.stage import Stage, stage_for
from mien.simulate.take import columns_of, sound_of
from mien.workers import results_of


def simulate_study(
    path: Path | str,
    options: SimulationOptions | None = None,
    *,
    n_jobs: int = 1,
    resume: bool = False,
    progress: bool = True,
) -> Path:
    """Simulate a study and write it, take by take.

    Stopped at any moment it leaves a sound study of the takes so far, and `resume` goes on with it: the result is the
    same, to the last byte, as without the interruption and with any number of processes.

    Args:
        path: the study's folder; must not exist, unless `resume`.
        options: what is simulated; the default is a small study of `medium` difficulty.
        n_jobs: processes; -1 for one per core.
        progress: show a bar on standard error.

    Returns:
        The study's folder.

    Raises:
        StudyError: the folder holds something else, or a study begun with other options.
        StorageError: the disk cannot take it; what was written stays and can be resumed.
    """
    options = options or SimulationOptions()
    path = Path(path)
    stage = stage_for(options)
    with (
        StudyWriter(path, path.name, "simulated", options.probe, _generator(stage), resume=resume) as writer,
        bar() as bars,
    ):
        done = frozenset((subject, session, take) for subject, session, take in writer.done)
        known = {subject for subject, _, _ in done}
        task = bars.add_task(
            f"simulating {path.name}",
            total=options.n_subjects * options.n_takes_per_subject,
            completed=len(done),
            visible=progress,
        )
        for take in simulate_takes(options, done=done, n_jobs=n_jobs):
            if take.plan.subject not in known:
                writer.add_participant(take.plan.subject, **_facts_of(stage.person(take.plan.subject_index)))
                known.add(take.plan.subject)
            _store(writer, take, options)
            bars.advance(task)
    return path


def _store(writer: StudyWriter, take: SimulatedTake, options: SimulationOptions) -> None:
    plan = take.plan
    # What the table says of a take stands in the sidecar too, so that a recording can be used without its study.
    facts = {"subject": plan.subject, "session": plan.session, "expression": plan.expression, **take.columns}
    recording = Recording(take.samples, options.probe.rate_hz, options.probe, facts)
    writer.add_take(recording, plan.subject, plan.session, plan.take, plan.expression, **take.columns)


def _generator(stage: Stage) -> dict[str, object]:
    """Return what `study.json` says of how the study came about: everything that its sound depends on."""
    return {
        "by": "mien.simulate",
        "version": stage.options.levels_version,
        "level": stage.level.to_json(),
        "face": stage.face_facts(),
        "seed": stage.options.seed,
        "options": stage.options.to_json(),
    }


def _facts_of(person: Person) -> dict[str, object]:
    return {
        "sex": person.sex,
        "hair_reflectivity": round(person.hair_reflectivity, 3),
        "mask_loss_db": round(person.mask.loss_db, 2),
    }


def heard_features(
    kept: KeptChannels,
    front_ends: Sequence[FrontEnd],
    *,
    people: Sequence[int] | None = None,
    probe: Probe | None = None,
    n_microphones: int | None = None,
    echo_to_noise_db: float | None = None,
    draw: int = 0,
    n_jobs: int = 1,
    progress: bool = True,
) -> tuple[list[Features], pd.DataFrame]:
    """Return the features of kept channels, as if their takes had been recorded, stored and read again.

    Every take sounds, is heard by all front ends and forgotten. A front end whose `neutral` is "clip" gets the person's
    first neutral take with the same mask (their second where that is the take itself).

    Args:
        kept: channels on disk.
        front_ends: what listens.
        people: which, from 0; None takes them all.
        probe, n_microphones, echo_to_noise_db: what is heard, within what was kept, and how noisily; None takes what
            was kept.
        draw: 0 gives the sound of the study with the same options; other numbers draw surroundings and noise anew.
        n_jobs: processes.

    Returns:
        Features, one per front end, whose `row` are positions in the table; and the table, one row per take, with the
        columns of a study's.

    Raises:
        StudyError: a person was not kept, or a clip is asked for and there is no neutral take.
    """
    indices = list(range(kept.options.n_subjects) if people is None else people)
    beyond = [index for index in indices if not 0 <= index < kept.options.n_subjects]
    if beyond or not indices:
        raise StudyError(
            f"people {beyond or indices} were asked for; {kept.folder} holds 0 to {kept.options.n_subjects - 1}"
        )
    jobs = (
        joblib.delayed(_heard_person)(kept, tuple(front_ends), (probe, n_microphones, echo_to_noise_db), draw, index)
        for index in indices
    )
    made = results_of(joblib.Parallel(n_jobs=n_jobs, return_as="generator")(jobs))
    parts: list[list[Features]] = []
    rows: list[dict[str, object]] = []
    for features, theirs in track(made, "listening", total=len(indices)) if progress else made:
        parts.append([replace(part, row=part.row + len(rows)) for part in features])
        rows += theirs
    return [join([person[k] for person in parts]) for k in range(len(front_ends))], pd.DataFrame(rows)


def _heard_person(
    kept: KeptChannels,
    front_ends: tuple[FrontEnd, ...],
    heard_with: tuple[Probe | None, int | None, float | None],
    draw: int,
    subject_index: int,
) -> tuple[list[Features], list[dict[str, object]]]:
    """Return one person's features, rows counted from 0, and their rows of the table."""
    stage = kept.stage(*heard_with)
    plans = plan_takes(kept.options, subject_index)
    facts = _facts_of(stage.person(subject_index))
    rows, recordings = [], []
    for plan in plans:
        played = kept.played(stage, plan, draw=draw)
        who = {"subject": plan.subject, "session": plan.session, "take": plan.take, "expression": plan.expression}
        rows.append(who | facts | columns_of(stage, played))
        recordings.append(
            Recording(sound_of(stage, played), stage.options.probe.rate_hz, stage.options.probe, rows[-1])
        )
    return [_heard_by(front_end, plans, recordings) for front_end in front_ends], rows


def _heard_by(front_end: FrontEnd, plans: list[PlannedTake], recordings: list[Recording]) -> Features:
    """Return one person's features by a front end; a clip is listened to once for all takes that are against it."""
    against_clips = getattr(front_end, "neutral", None) == "clip"
    clips: dict[int, NeutralProfile] = {}
    parts = []
    for row, recording in enumerate(recordings):
        profile = None
        if against_clips:
            clip = _clip_of(plans, row)
            if clip not in clips:
                clips[clip] = front_end.neutral_profile([recordings[clip]])  # type: ignore[attr-defined]
            profile = clips[clip]
        part = front_end.features(recording, profile)
        parts.append(replace(part, row=np.full(len(part), row)))
    return join(parts)


def _clip_of(plans: list[PlannedTake], row: int) -> int:
    """Return which of a person's takes is the neutral clip of one of them.

    Raises:
        StudyError: there is none.
    """
    clips = [k for k, plan in enumerate(plans) if plan.expression == NEUTRAL and plan.mask == plans[row].mask]
    if not clips:
        raise StudyError(
            "these people have no neutral take, which neutral='clip' needs; simulate with n_neutral_takes=1"
        )
    return clips[0] if clips[0] != row or len(clips) == 1 else clips[1]

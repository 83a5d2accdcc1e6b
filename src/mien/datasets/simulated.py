"""A simulated study on disk: the simulator's takes, written as any other study is."""

from pathlib import Path

from mien.datasets.writer import StudyWriter
from mien.progress import bar
from mien.recording import Recording
from mien.simulate.generate import SimulatedTake, simulate_takes
from mien.simulate.levels import VERSION
from mien.simulate.options import SimulationOptions
from mien.simulate.people import Person
from mien.simulate.stage import Stage, stage_for


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
        "version": VERSION,
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

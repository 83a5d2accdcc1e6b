"""The main job from end to end, small enough for a coffee: simulate, train, adapt, score on unseen people, report."""

import time
from functools import partial
from pathlib import Path

from mien.datasets.simulated import simulate_study
from mien.datasets.study import Study, load_study
from mien.evaluation.benchmark import Results, evaluate
from mien.evaluation.job import Factory
from mien.evaluation.report import write_report
from mien.progress import talk
from mien.recognizer import Recognizer
from mien.sensing.features import FrontEnd
from mien.sensing.front_ends import RangeProfile, Spectrogram
from mien.simulate.options import SimulationOptions

PEOPLE = 20
"""As many as the paper has: 13 to learn from, 3 to stop early on, 4 to be scored on."""

PROTOCOL = "subjects:13/3/4"

EPOCHS = 10
"""Of facer and resnet: with `N_TRAININGS`, what fits into three minutes on two cores."""

N_TRAININGS = 3
"""Of each network, on the one split."""

_WINDOWS = Spectrogram(hop_s=0.25, from_s=0.2)
_CLIP, _BEGINNING = RangeProfile(neutral="clip"), RangeProfile(neutral="take")
FRONT_ENDS: dict[str, FrontEnd] = {
    "facer": _WINDOWS,
    "resnet": _WINDOWS,
    "svm, stored clip": _CLIP,
    "svm, own beginning": _BEGINNING,
    "mien, stored clip": _CLIP,
    "mien, own beginning": _BEGINNING,
}
"""The paper's features are spectrograms of 0.25 s, after the neutral face of a take's beginning; ours a second of range
profiles against the person's neutral: a stored clip, as in live use, and beside it the take's own beginning, which is
neutral because the simulator says so."""

OPTIONS = {"facer": {"width": 16, "epochs": EPOCHS, "adaptation_epochs": 4}, "resnet": {"width": 16, "epochs": EPOCHS}}
"""A ResNet-18 of a quarter of the paper's width."""


def run_demo(out: Path, *, seed: int = 0, n_jobs: int = 2, resume: bool = False) -> Results:
    """Run the demo and write `study/`, `results.csv`, `predictions.csv`, `run.json` and `report.html` under `out`.

    Args:
        out: folder; made where it does not exist.
        seed: of the simulated people and of every method.
        n_jobs: processes.
        resume: go on where an interrupted demo stopped.
    """
    started = time.monotonic()
    study = simulated(out / "study", seed=seed, n_jobs=n_jobs, resume=resume)
    talk.print(f"training {'; '.join(FRONT_ENDS)}. 4 of {PEOPLE} people are kept to be scored on", highlight=False)
    results = evaluate(
        study,
        methods(study),
        PROTOCOL,
        n_folds=1,
        seeds=(seed,),
        n_trainings=N_TRAININGS,
        adaptations=("none", "inductive", "transductive"),
        neutral="reference",
        options=OPTIONS,
        n_jobs=n_jobs,
        out=out,
        resume=resume,
    )
    write_report(results, study, out, command="mien demo")
    talk.print(f"done in {time.monotonic() - started:.0f} s", highlight=False)
    return results


def methods(study: Study) -> dict[str, Factory]:
    """Return name -> factory; the word before a comma is the method."""
    return {
        name: partial(Recognizer, name.split(",")[0], front_end, study.probe, OPTIONS.get(name))
        for name, front_end in FRONT_ENDS.items()
    }


def simulated(path: Path, *, seed: int, n_jobs: int, resume: bool) -> Study:
    """Simulate the demo's study, or load it where it stands complete from an earlier run with --resume."""
    options = SimulationOptions(n_subjects=PEOPLE, level="medium", n_takes=8, n_neutral_takes=1, seed=seed)
    simulate_study(path, options, n_jobs=n_jobs, resume=resume and path.is_dir())
    return load_study(path)

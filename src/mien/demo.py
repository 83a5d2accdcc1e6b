"""The main job from end to end, small enough for a coffee: simulate, train, adapt, score on unseen people, report."""

import time
from pathlib import Path

from mien.datasets.simulated import simulate_study
from mien.datasets.study import Study, load_study
from mien.evaluation.benchmark import Results, evaluate
from mien.evaluation.report import write_report
from mien.progress import talk
from mien.sensing.front_ends import RangeProfile, Spectrogram
from mien.simulate.options import SimulationOptions

METHODS = ("facer", "resnet", "svm")

PEOPLE = 12
"""8 people to learn from, 2 of them for early stopping, and 4 to be scored on."""

PROTOCOL = "subjects:6/2/4"

FRONT_ENDS = {"facer": Spectrogram(), "resnet": Spectrogram(), "svm": RangeProfile(neutral="take")}

OPTIONS = {
    "facer": {"width": 16, "epochs": 12, "adaptation_epochs": 4},
    "resnet": {"width": 16, "epochs": 12},
}
"""A ResNet-18 of a quarter of the paper's width, and epochs that fit into three minutes on two cores."""


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
    talk.print(f"training {', '.join(METHODS)}; 4 of {PEOPLE} people are kept to be scored on", highlight=False)
    results = evaluate(
        study,
        METHODS,
        PROTOCOL,
        seeds=(seed,),
        adaptations=("none", "inductive", "transductive"),
        front_ends=FRONT_ENDS,
        options=OPTIONS,
        n_jobs=n_jobs,
        out=out,
        resume=resume,
    )
    write_report(results, study, out, command="mien demo")
    talk.print(f"done in {time.monotonic() - started:.0f} s", highlight=False)
    return results


def simulated(path: Path, *, seed: int, n_jobs: int, resume: bool) -> Study:
    """Simulate the demo's study, or load it where it stands complete from an earlier run with --resume."""
    options = SimulationOptions(n_subjects=PEOPLE, level="medium", n_takes=8, seed=seed)
    simulate_study(path, options, n_jobs=n_jobs, resume=resume)
    return load_study(path)

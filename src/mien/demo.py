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

METHODS = ("facer", "resnet", "svm", "mien")

PEOPLE = 20
"""As many as the paper has: 13 to learn from, 3 to stop early on, 4 to be scored on."""

PROTOCOL = "subjects:13/3/4"

_WINDOWS = Spectrogram(hop_s=0.25, from_s=0.2)
_TAKES = RangeProfile(neutral="take")
FRONT_ENDS = {"facer": _WINDOWS, "resnet": _WINDOWS, "svm": _TAKES, "mien": _TAKES}
"""The paper's features are spectrograms of 0.25 s, after the neutral face of a take's beginning; ours
a second of range profiles against the person's neutral."""

OPTIONS = {"facer": {"width": 16, "epochs": 24, "adaptation_epochs": 6}, "resnet": {"width": 16, "epochs": 24}}
"""A ResNet-18 of a quarter of the paper's width, and epochs that fit into three minutes on two cores."""


N_TRAININGS = 1
"""Of each network, on the one split: what three minutes on two cores surely hold."""


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
        n_folds=1,
        seeds=(seed,),
        n_trainings=N_TRAININGS,
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
    simulate_study(path, options, n_jobs=n_jobs, resume=resume and path.is_dir())
    return load_study(path)

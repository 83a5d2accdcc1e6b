"""Fit the model that comes with the package, score it, and put it into `src/mien/builtin`.

    python experiments/at_large/ship.py [--work FOLDER] [--jobs N]

It is the case `mien, 2300 people` at level `hard` with seed 0: own phone positions, measured phones, noise and clutter
as the level has them. What `run.py` has finished already is taken from the work folder.
"""

import argparse
import json
from pathlib import Path

import pandas as pd
from people import SCORED
from run import CASES, folder_of, material, named, score
from tables import described

import mien
from mien.evaluation.results import read_table, summary
from mien.provenance import write_run
from mien.recognizer import Recognizer

LEVEL, CASE, SEED = "hard", "mien, 2300 people", 0
LARGEST_BYTES = 5_000_000


def scores_of(folder: Path) -> str:
    """Return what the model card says of the scores."""
    found = pd.concat(
        [summary(read_table(folder / f"{hearing}.csv")).assign(hearing=hearing) for hearing in CASES[CASE].scored]
    )
    against = {
        "take": "each take's own beginning, until the simulator's onset (0.15-0.20 s)",
        "clip": "a neutral clip from another take",
    }
    lines = [
        f"Simulated, level {LEVEL}, seed {SEED}: {SCORED.n_subjects} simulated people who were never learnt from, "
        f"{SCORED.n_takes} takes of 1 s of each expression. Chance is {1 / len(SCORED.expressions):.3f}. "
        "On real faces nothing was measured.",
        "",
        "| neutral face | told of the person | accuracy | 95 % over people | ECE |",
        "|---|---|---|---|---|",
    ]
    told = {"none": "nothing", "calibrated-0": None}
    for row in found.itertuples():
        n_takes = row.adaptation.split("-")[-1]
        words = told.get(row.adaptation, f"{n_takes} take{'s' * (n_takes != '1')} per expression")
        if words is not None:
            lines.append(
                f"| {against[row.hearing]} | {words} | {row.accuracy:.3f} | "
                f"{row.accuracy_low:.3f}-{row.accuracy_high:.3f} | {row.ece:.3f} |"
            )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("out/at_large"))
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    score(CASE, LEVEL, SEED, chosen.work, chosen.jobs)
    folder = folder_of(chosen.work, LEVEL, CASE, SEED)
    place = Path(mien.__file__).parent / "builtin"
    recognizer = Recognizer.load(folder / "model")
    this = material(CASES[CASE], chosen.work, LEVEL, chosen.jobs)
    recognizer.training = recognizer.training.model_copy(update=named(this) | {"hears_clips": True})
    recognizer.save(place, scores=scores_of(folder))
    fit = json.loads((folder / "model" / "fit.json").read_text())
    options = described() | {"level": LEVEL, "case": CASE, "people": CASES[CASE].n_people, "fitted": fit}
    write_run(place, "experiments/at_large/ship.py", options, seed=SEED, data_digest=None)
    size = sum(path.stat().st_size for path in place.iterdir())
    if size > LARGEST_BYTES:
        raise SystemExit(f"{place} has {size} bytes; at most {LARGEST_BYTES} may ship: choose a smaller network")
    print(f"{place}: {size} bytes")


if __name__ == "__main__":
    main()

"""Fit the model that comes with the package, score it, and put it into `src/mien/builtin`.

    python experiments/at_large/ship.py [--work FOLDER] [--jobs N]

It learns as the case `mien` of `run.py` does, and from more, since it is used where nobody has chosen the level or cut
the takes: from 1,100 people at every level, and from windows that begin anywhere in a look (`slid`), as a stream has
them. The hundred people held out and the fifty scored are those of `run.py`. What is finished already is taken from
the work folder.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from people import SCORED
from run import CASES, Case, Known, Material, fitted, material, tuned
from tables import described

import mien
from mien.evaluation.job import run_job
from mien.evaluation.plan import Job
from mien.evaluation.results import summary, write_table
from mien.labels import EXPRESSIONS
from mien.provenance import write_run
from mien.sensing.features import Features, join
from mien.sensing.neutral import NEUTRAL_UNTIL_S
from mien.splits import Split

NAME, SEED, LEVELS = "mien, shipped", 0, ("easy", "medium", "hard", "wild")
CASE = replace(CASES["mien"], options=CASES["mien"].options | {"epochs": 10})
LARGEST_BYTES = 5_000_000
N_SLIDES = 2
"""Slid copies of every window, beside the two that begin with the take."""

APEX_S = 0.6
"""From when on simulated looks are held, all but a few."""

LEAST_LOOK_S = 0.3
"""How much of a look a window has at least."""


def slid(features: Features, rng: np.random.Generator) -> Features:
    """Return windows moved along time at random: into the look, up to all of it held, or back into the rest before.

    A take has neither later nor earlier sound, so its own is mirrored at its ends: the held part to and fro where the
    look would be held on, the neutral beginning where the rest was longer. Noise and tremor stay what they are; that
    they come twice is untrue to a stream, and `experiments/live` scores on true ones.

    Example:
        >>> moved_periods(20, 0.05, np.array([0, 12, -4]))[:, [0, 1, 18, 19]].tolist()
        [[0, 1, 18, 19], [12, 13, 16, 17], [0, 1, 14, 15]]
    """
    period_s = float(np.diff(features.axis("time").values).mean())
    n_periods = features.values.shape[-1]
    least = round(LEAST_LOOK_S / period_s) + round(NEUTRAL_UNTIL_S / period_s)
    moves = rng.integers(least - n_periods, n_periods, len(features))
    index = moved_periods(n_periods, period_s, moves)
    values = np.take_along_axis(features.values, index[:, None, None, :], axis=-1)
    return replace(features, values=values)


def moved_periods(n_periods: int, period_s: float, moves: np.ndarray) -> np.ndarray:
    """Return (window period) which period of the take stands where, for windows moved by so many periods."""
    wanted = moves[:, None] + np.arange(n_periods)
    n_rest, first_held = round(NEUTRAL_UNTIL_S / period_s), round(APEX_S / period_s)
    later = n_periods - 1 - _to_and_fro(wanted - (n_periods - 1), n_periods - first_held)
    earlier = _to_and_fro(-wanted, n_rest)
    return np.where(wanted >= n_periods, later, np.where(wanted < 0, earlier, wanted))


def _to_and_fro(steps: np.ndarray, n_places: int) -> np.ndarray:
    """Return the place 0 .. n_places - 1 after so many steps away from 0, turning round at either end."""
    around = np.abs(steps) % max(1, 2 * (n_places - 1))
    return np.minimum(around, max(1, 2 * (n_places - 1)) - around)


def everything(levels: dict[str, Material]) -> Material:
    """Return what is learnt from at all levels together, slid windows among it."""
    rng, learnt, tables, sides, n_rows = np.random.default_rng(SEED), [], [], [], 0
    for this in levels.values():
        moved = [slid(this.scored["clip"], rng) for _ in range(N_SLIDES)]
        heard = join([this.learnt, *moved])
        learnt.append(replace(heard, row=heard.row + n_rows))
        sides.append([side + n_rows for side in (this.split.train, this.split.validation, this.split.test)])
        tables.append(this.table)
        n_rows += len(this.table)
    train, held, test = (np.concatenate(side) for side in zip(*sides, strict=True))
    split = Split("at-large:all levels", 0, ("subject",), train, held, test)
    return Material(join(learnt), {}, pd.concat(tables, ignore_index=True), split, np.array([], int))


def scores_of(predictions: pd.DataFrame) -> str:
    """Return what the model card says of the scores."""
    against = {"take": "each take's own beginning", "clip": "a neutral clip from another take"}
    lines = [
        f"Simulated, seed {SEED}: {SCORED.n_subjects} simulated people who were never learnt from, "
        f"{SCORED.n_takes} takes of 1 s of each expression. Chance is {1 / len(EXPRESSIONS):.3f}. "
        "On real faces nothing was measured. How it does on streams of sound: `experiments/live/results`.",
        "",
        "| level | neutral face | told of the person | accuracy | 95 % over people | ECE |",
        "|---|---|---|---|---|---|",
    ]
    told = {"none": "nothing"} | {f"calibrated-{n}": f"{n} take{'s' * (n != 1)} per expression" for n in (1, 2, 4)}
    for level in LEVELS:
        for hearing, words in against.items():
            here = predictions[(predictions["level"] == level) & (predictions["hearing"] == hearing)]
            for row in summary(here).itertuples():
                if row.adaptation in told:
                    lines.append(
                        f"| {level} | {words} | {told[row.adaptation]} | {row.accuracy:.3f} | "
                        f"{row.accuracy_low:.3f}-{row.accuracy_high:.3f} | {row.ece:.3f} |"
                    )
    return "\n".join([*lines, ""])


def scored(recognizer: mien.Recognizer, level: str, this: Material, case: Case) -> pd.DataFrame:
    """Return predictions over takes of the people scored at a level, against either neutral face."""
    parts = []
    for hearing in case.scored:
        job = Job(NAME, SEED, this.split, case.adaptations, this.neutral)
        found = run_job(job, lambda _: Known(recognizer), this.scored[hearing], this.table).predictions
        parts.append(found[found["scored_unit"] == "take"].assign(hearing=hearing, level=level))
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("out/at_large"))
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    levels = {level: material(CASE, chosen.work, level, chosen.jobs) for level in LEVELS}
    folder = chosen.work / "shipped"
    changes = tuned("mien", CASES["mien"], chosen.work, chosen.jobs)
    recognizer = fitted(NAME, CASE, everything(levels), SEED, folder / "model", changes)
    predictions = pd.concat([scored(recognizer, level, this, CASE) for level, this in levels.items()])
    write_table(folder / "predictions.csv", predictions)
    place = Path(mien.__file__).parent / "builtin"
    recognizer.save(place, scores=scores_of(predictions))
    fit = json.loads((folder / "model" / "fit.json").read_text())
    options = described() | {"levels": LEVELS, "case": NAME, "people": CASE.n_people, "fitted": fit}
    write_run(place, "experiments/at_large/ship.py", options, seed=SEED, data_digest=None)
    size = sum(path.stat().st_size for path in place.iterdir())
    if size > LARGEST_BYTES:
        raise SystemExit(f"{place} has {size} bytes; at most {LARGEST_BYTES} may ship: choose a smaller network")
    print(f"{place}: {size} bytes")


if __name__ == "__main__":
    main()

"""Live answers on simulated streams: when a face is at rest, what is said of a look, how soon.

    python experiments/live/run.py [--people 20] [--levels easy medium hard wild] [--wander-mm 0] [--out FOLDER]
    python experiments/live/run.py --fit

Each stream is a person who rests and shows each expression once for 2.5 s, in random order (`streams.py`), heard by
the builtin model through `LiveSession` from its first sample on, as it ships. `--fit` prints the logistic curve of
`mien.serving.rest` instead, both states and all people counting alike: that was done with ten people of level `hard`
(seed 4000), and scored are others (seed 6000). That answers are held was decided on ten more of each level (seed 5000).
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from streams import Stream, stream

from mien.files import write_text
from mien.labels import NEUTRAL, UNSURE
from mien.progress import track
from mien.provenance import write_run
from mien.recognizer import Recognizer
from mien.sensing.stream import PeriodStream
from mien.serving.live import LiveSession
from mien.serving.rest import REST_AWAY, STEEPNESS
from mien.serving.windows import RECENT_S, LiveWindows
from mien.simulate.options import SimulationOptions

SETTLED_S = 0.75
"""An answer needs so much of a look: it is formed within half a second."""


def distances(heard: Stream, recognizer: Recognizer) -> pd.DataFrame:
    """Return how far from rest the face is over every window, and whether it was at rest or showed something."""
    session = LiveSession(recognizer)
    windows = LiveWindows(recognizer.front_end, PeriodStream(recognizer.probe, session.gate).grid, 1, None)
    rows = []
    for number, period in enumerate(PeriodStream(recognizer.probe, session.gate).push(heard.recording.samples)):
        windows.push(period)
        if number + 1 >= windows.n_periods:
            end_s = period.end_sample / heard.recording.rate_hz
            rows.append((windows.away()[1], heard.truth(end_s - RECENT_S, end_s)))
    return pd.DataFrame(rows, columns=["away", "truth"])


def fitted_curve(table: pd.DataFrame) -> tuple[float, float]:
    """Return REST_AWAY and STEEPNESS: a logistic regression on the logarithm of the distance."""
    table = table[table["truth"] != ""]
    at_rest = table["truth"] == NEUTRAL
    groups = table.groupby([table["person"], at_rest])["away"].transform("size")
    model = LogisticRegression(C=1e6).fit(np.log(table[["away"]]), at_rest, sample_weight=len(table) / groups)
    slope, offset = float(model.coef_[0, 0]), float(model.intercept_[0])
    return float(np.exp(-offset / slope)), -slope


def answers(heard: Stream, recognizer: Recognizer) -> pd.DataFrame:
    """Return every live answer with what was shown, and how long the look had lasted."""
    rows = []
    for found in LiveSession(recognizer).feed(heard.recording.samples):
        truth = heard.truth(found.time_s - RECENT_S, found.time_s)
        begun = [begin_s for _, begin_s, end_s in heard.looks if begin_s <= found.time_s < end_s]
        shown = [word for word, begin_s, end_s in heard.looks if begin_s <= found.time_s < end_s]
        since_s = found.time_s - begun[0] if begun else np.nan
        rows.append((found.time_s, truth, shown[0] if shown else "", since_s, found.expression))
    return pd.DataFrame(rows, columns=["time_s", "truth", "shown", "since_s", "answer"])


def scores(table: pd.DataFrame) -> dict[str, float]:
    """Return shares of answers at rest, while a look is held, and what is said most of whole looks."""
    at_rest = table[table["truth"] == NEUTRAL]["answer"]
    held = table[(table["truth"] != "") & (table["truth"] != NEUTRAL) & (table["since_s"] >= SETTLED_S)]
    named = ~held["answer"].isin([NEUTRAL, UNSURE])
    looks = held.groupby(["person", "truth"])["answer"].agg(lambda words: words.mode().iloc[0])
    right = looks == looks.index.get_level_values("truth")
    soon = table[(table["answer"] == table["shown"])].groupby(["person", "shown"])["since_s"].min()
    return {
        "rest_neutral": float((at_rest == NEUTRAL).mean()),
        "rest_unsure": float((at_rest == UNSURE).mean()),
        "held_right": float((held["answer"] == held["truth"]).mean()),
        "held_wrong": float((named & (held["answer"] != held["truth"])).mean()),
        "held_unsure": float((held["answer"] == UNSURE).mean()),
        "held_neutral": float((held["answer"] == NEUTRAL).mean()),
        "looks_right": float(right.mean()),
        "looks_wrong": float((~right & ~looks.isin([NEUTRAL, UNSURE])).mean()),
        "first_right_after_s": float(soon.median()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int)
    parser.add_argument("--levels", nargs="+")
    parser.add_argument("--wander-mm", type=float, default=0.0)
    parser.add_argument("--seed", type=int, help="of the people; the builtin model learnt from seed 1000")
    parser.add_argument("--fit", action="store_true", help="fit the curve of rest, score nothing")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    n_people, levels, seed = (10, ["hard"], 4000) if options.fit else (20, ["easy", "medium", "hard", "wild"], 6000)
    n_people, levels, seed = options.people or n_people, options.levels or levels, options.seed or seed
    recognizer = Recognizer.load("builtin")
    rows = []
    for level in levels:
        made = SimulationOptions(n_subjects=n_people, level=level, seed=seed)
        heard = [
            stream(made, person, wander_m=options.wander_mm / 1000)
            for person in track(range(n_people), level, total=n_people)
        ]
        if options.fit:
            away = [distances(one, recognizer).assign(person=person) for person, one in enumerate(heard)]
            print(f"{level}: REST_AWAY %.3f, STEEPNESS %.2f" % fitted_curve(pd.concat(away)))
            continue
        found = pd.concat([answers(one, recognizer).assign(person=person) for person, one in enumerate(heard)])
        rows.append({"level": level, "wander_mm": options.wander_mm, "people": n_people} | scores(found))
    if options.fit:
        return
    options.out.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows)
    write_text(options.out / "scores.csv", table.to_csv(index=False, float_format="%.3f"))
    told = {"people": n_people, "levels": levels, "wander_mm": options.wander_mm}
    told["rest"] = {"away": REST_AWAY, "steepness": STEEPNESS}
    write_run(options.out, "experiments/live/run.py", told, seed=seed, data_digest=None)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


if __name__ == "__main__":
    main()

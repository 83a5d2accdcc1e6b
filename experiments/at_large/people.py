"""The simulated people that are learnt from, the fifty that are scored, and what front ends hear of them."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from mien.datasets.simulated import heard_features
from mien.errors import StudyError
from mien.evaluation.results import write_table
from mien.files import write_atomically, write_json
from mien.labels import NEUTRAL
from mien.probe import Chirp, Probe, probe_to_json, sonicface_probe
from mien.progress import talk
from mien.sensing.features import Features, FrontEnd, join
from mien.sensing.front_ends import ChirpAndTones, RangeProfile, Spectrogram, front_end_to_json
from mien.simulate.channels import KeptChannels, keep_channels
from mien.simulate.options import SimulationOptions

WIDE = Chirp(low_hz=15_000, high_hz=23_000)
"""Channels are kept over 8 kHz, so that one scattering serves the paper's chirp, tones below it and wider chirps."""

LEARNT = SimulationOptions(levels_version=1, n_subjects=2400, n_takes=3, n_neutral_takes=1, probe=WIDE, seed=1000)
SCORED = SimulationOptions(levels_version=1, n_subjects=50, n_takes=10, n_neutral_takes=2, probe=WIDE, seed=1)
"""Three takes of each of six expressions by many, ten by fifty others; all of 1 s, and neutral clips of everyone."""

_BY_PROFILE = ("take", "clip")
"""One sound serves both."""

HEARING: dict[str, tuple[FrontEnd, Probe]] = {
    "take": (RangeProfile(neutral="take"), Chirp()),
    "clip": (RangeProfile(neutral="clip"), Chirp()),
    "spectrogram": (Spectrogram(hop_s=0.25, from_s=0.25), Chirp()),
    "tones": (ChirpAndTones(), sonicface_probe()),
}
"""What is heard, by name: against the take's own beginning, against a stored clip, as in the paper (without
the neutral face that every take begins with), with tones too."""


BLOCK = 600
"""People whose features are heard and kept together."""


def channels(work: Path, level: str, part: str, n_jobs: int) -> KeptChannels:
    """Return the kept channels of those learnt from or scored (`part`), computed where they are missing."""
    options = replace(LEARNT if part == "learnt" else SCORED, level=level)
    return keep_channels(work / f"{level}-{part}", options, n_jobs=n_jobs)


def heard(work: Path, level: str, part: str, hearing: str, n_people: int, n_jobs: int) -> tuple[Features, pd.DataFrame]:
    """Return features of the first `n_people` and the table of their takes, from files where they are there already."""
    kept = channels(work, level, part, n_jobs)
    found, tables, n_rows = [], [], 0
    for first in range(0, n_people, BLOCK):
        features, table = _block(work, kept, f"{level}-{part}", hearing, first, n_jobs)
        found.append(replace(features, row=features.row + n_rows))
        tables.append(table)
        n_rows += len(table)
    features, table = join(found), pd.concat(tables, ignore_index=True)
    chosen = np.flatnonzero(table["subject"].astype(int) <= n_people)
    # People come in order: those left out are the last rows.
    return features.of_rows(chosen), table.iloc[: len(chosen)]


def _block(
    work: Path, kept: KeptChannels, name: str, hearing: str, first: int, n_jobs: int
) -> tuple[Features, pd.DataFrame]:
    front_end, probe = HEARING[hearing]
    path = work / "heard" / f"{name}-{hearing}-{first}.npz"
    listed = path.with_suffix(".csv")
    made_by = {"front_end": front_end_to_json(front_end), "probe": probe_to_json(probe)}
    described = path.with_suffix(".json")
    if described.is_file() and json.loads(described.read_text()) != json.loads(json.dumps(made_by)):
        raise StudyError(f"{path} was heard by another front end; delete it, or name another --work")
    if not listed.is_file():
        indices = range(first, min(first + BLOCK, kept.options.n_subjects))
        together = _BY_PROFILE if hearing in _BY_PROFILE else (hearing,)
        talk.print(f"{name}: {', '.join(together)} of people {first + 1} to {indices[-1] + 1}", highlight=False)
        ends = [HEARING[each][0] for each in together]
        made, table = heard_features(kept, ends, people=indices, probe=probe, n_jobs=n_jobs)
        for each, features in zip(together, made, strict=True):
            other = path.with_name(f"{name}-{each}-{first}.npz")
            write_atomically(other, partial(_write, features))
            heard_by = {"front_end": front_end_to_json(HEARING[each][0]), "probe": probe_to_json(probe)}
            write_json(other.with_suffix(".json"), heard_by)
            write_table(other.with_suffix(".csv"), table)
    names = {column: str for column in ("subject", "session", "take")}
    table = pd.read_csv(listed, dtype=names, keep_default_na=False)
    # Axes are not stored: one take heard anew has them.
    (one,), _ = heard_features(kept, [front_end], people=[0], probe=probe, progress=False)
    with np.load(path, allow_pickle=False) as arrays:
        kept = {name: arrays[name] for name in ("values", "row", "start_s")}
        return replace(one, broken=np.zeros(0, dtype=bool), weakest_db=np.zeros(0), **kept), table


def _write(features: Features, path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, values=features.values, row=features.row, start_s=features.start_s)


def people(
    work: Path, level: str, hearing: str, n_people: int, n_jobs: int
) -> tuple[Features, pd.DataFrame, np.ndarray]:
    """Return features of those learnt from and those scored, one table of all, and which rows are scored.

    Scored people's names begin with "s", so that no name stands on both sides. Neutral takes stay in the table, as
    clips to calibrate with; they are never learnt as a class nor scored.
    """
    learnt, table = heard(work, level, "learnt", hearing, n_people, n_jobs)
    scored, others = heard(work, level, "scored", hearing, SCORED.n_subjects, n_jobs)
    others = others.assign(subject="s" + others["subject"].astype(str))
    joined = join([learnt, replace(scored, row=scored.row + len(table))])
    everyone = pd.concat([table, others], ignore_index=True)
    is_scored = np.arange(len(everyone)) >= len(table)
    return joined, everyone, np.flatnonzero(is_scored & (everyone["expression"] != NEUTRAL).to_numpy())

"""What the figures of sound and of representations are drawn from, kept as arrays beside the results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien.array_files import read_arrays, write_arrays
from mien.errors import StudyError
from mien.evaluation.embedding import PERPLEXITY, Embedding, embed
from mien.evaluation.examples import cleaning_of, expression_images
from mien.evaluation.representations import read_representations
from mien.labels import NEUTRAL
from mien.probe import Chirp
from mien.recording import Recording
from mien.reproduce.cohort import Cohort, Ear
from mien.simulate.channels import KeptChannels
from mien.simulate.options import plan_takes
from mien.simulate.take import sound_of

CLEANING, SPECTROGRAMS, EMBEDDING = "cleaning.npz", "spectrograms.npz", "embedding.npz"
SIDES = ("train", "test")
N_SHOWN = 2048
"""FacER Fig. 9: sampled representations of either side."""


def kept_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read what was kept here.

    Raises:
        StudyError: it is not there.
    """
    if not path.is_file():
        raise StudyError(f"{path} is missing; run mien reproduce facer with --resume, which makes it again")
    return read_arrays(path, StudyError)


def keep_cleaning(kept: KeptChannels, folder: Path) -> None:
    """Keep a stretch of one take before and after cleaning (FacER Fig. 2)."""
    stage = kept.stage(Chirp(), 1)
    plan = next(each for each in plan_takes(kept.options, 0) if each.expression != NEUTRAL and each.mask == "open")
    sound = sound_of(stage, kept.played(stage, plan))
    found = cleaning_of(Recording(sound, Chirp().rate_hz, Chirp(), {}))
    write_arrays(
        folder / CLEANING,
        {
            "raw": found.raw,
            "cleaned": found.cleaned,
            "rate_hz": found.rate_hz,
            "band_hz": found.band_hz,
            "who": f"person {plan.subject}, {plan.expression}, {plan.place}",
        },
    )


def keep_spectrograms(cohort: Cohort, ear: Ear, folder: Path) -> None:
    """Keep spectrograms of every expression of a woman, of a man, and of the same man with a mask (FacER Fig. 3)."""
    table = cohort.study.table
    table = table[table["expression"] != NEUTRAL]
    woman, man = (table[table["sex"] == sex]["subject"].iloc[0] for sex in ("female", "male"))
    shown = ((woman, "open", "a woman"), (man, "open", "a man"), (man, "mask", "he, masked"))
    rows = [_first_takes(table, subject, mask) for subject, mask, _ in shown]
    images, freq_hz, time_s = expression_images(cohort.heard[ear], rows)
    write_arrays(
        folder / SPECTROGRAMS,
        {
            "images": images.astype(np.float32),
            "freq_hz": freq_hz,
            "time_s": time_s,
            "people": [f"{words}\n({subject})" for subject, _, words in shown],
            "classes": list(rows[0]),
        },
    )


def _first_takes(table: pd.DataFrame, subject: str, mask: str) -> dict[str, int]:
    theirs = table[(table["subject"] == subject) & (table["mask"] == mask)]
    return {name: int(part.index[0]) for name, part in theirs.groupby("expression", sort=True)}


def keep_embedding(case_folder: Path, method: str, adaptation: str, folder: Path) -> None:
    """Keep representations of training and test windows in a plane and in clusters (FacER Fig. 9)."""
    kept = next(read_representations(case_folder, method, adaptation))
    arrays: dict[str, Any] = {"method": method, "adaptation": adaptation}
    for side in SIDES:
        here = (kept.windows["side"] == side).to_numpy()
        # A tiny study has fewer windows than t-SNE usually has neighbours.
        perplexity = min(PERPLEXITY, here.sum() / 4)
        found = embed(kept.values[here], kept.windows["expression"].to_numpy()[here], perplexity=perplexity)
        for name in Embedding.__slots__:
            arrays[f"{side}_{name}"] = getattr(found, name)
    write_arrays(folder / EMBEDDING, arrays)


def embeddings(arrays: Mapping[str, np.ndarray]) -> dict[str, Embedding]:
    """Return side -> embedding, from what `keep_embedding` kept."""
    return {
        side: Embedding(
            positions=arrays[f"{side}_positions"],
            clusters=arrays[f"{side}_clusters"],
            expressions=arrays[f"{side}_expressions"],
            classes=tuple(arrays[f"{side}_classes"].tolist()),
            agreement=float(arrays[f"{side}_agreement"]),
            rand_index=float(arrays[f"{side}_rand_index"]),
        )
        for side in SIDES
    }

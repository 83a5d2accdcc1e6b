"""People simulated once and heard in many ways: one table of takes, and the features that each ear makes of them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import pandas as pd

from mien.datasets.simulated import heard_features
from mien.datasets.study import Study
from mien.probe import Chirp, Probe, probe_to_json
from mien.sensing.features import Features, FrontEnd
from mien.simulate.channels import KeptChannels

Heard = dict["Ear", Features]


@dataclass(frozen=True, slots=True)
class Ear:
    """What listens: a front end, the probe that it hears, and how many microphones."""

    front_end: FrontEnd
    probe: Probe = Chirp()
    n_microphones: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Takes of simulated people.

    Args:
        study: their table. The sound itself is nowhere: it was heard and forgotten.
        heard: ear -> features, whose `row` counts takes of the study.
    """

    study: Study
    heard: Mapping[Ear, Features]

    def part(self, keep: np.ndarray) -> "Cohort":
        """Return the takes where (take) `keep` is true, counted anew."""
        rows = np.flatnonzero(keep)
        place = np.full(len(keep), -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        heard = {ear: replace(found := all_.of_rows(rows), row=place[found.row]) for ear, all_ in self.heard.items()}
        return Cohort(_of_table(self.study, self.study.table.iloc[rows].reset_index(drop=True)), heard)

    def without(self, expression: str) -> "Cohort":
        """Return the takes of other expressions."""
        return self.part((self.study.table["expression"] != expression).to_numpy())


def listen(kept: KeptChannels, ears: Iterable[Ear], *, n_jobs: int = 1, progress: bool = True) -> Cohort:
    """Return people as every ear hears them; each probe sounds once for all front ends that hear it.

    Args:
        kept: channels whose band and microphones suffice for every ear.

    Raises:
        StudyError: they do not.
    """
    heard: Heard = {}
    table = pd.DataFrame()
    for stand in _stands(ears):
        features, table = heard_features(
            kept,
            [ear.front_end for ear in stand],
            probe=stand[0].probe,
            n_microphones=stand[0].n_microphones,
            n_jobs=n_jobs,
            progress=progress,
        )
        heard |= dict(zip(stand, features, strict=True))
    return Cohort(_study(kept, table), heard)


def _stands(ears: Iterable[Ear]) -> list[Sequence[Ear]]:
    """Return the different ears, those with one probe and as many microphones together."""

    def stand(ear: Ear) -> str:
        return json.dumps([probe_to_json(ear.probe), ear.n_microphones])

    return [list(group) for _, group in groupby(sorted(dict.fromkeys(ears), key=stand), key=stand)]


def _study(kept: KeptChannels, table: pd.DataFrame) -> Study:
    generator = {
        "by": "mien.simulate",
        "version": kept.options.levels_version,
        "level": kept.options.level_values.to_json(),
        "seed": kept.options.seed,
        "options": kept.options.to_json(),
    }
    bare = Study(
        path=kept.folder,
        name=kept.folder.name,
        origin="simulated",
        probe=Chirp(),
        table=table,
        generator=generator,
        media=None,
        digest="",
    )
    return _of_table(bare, table)


def _of_table(study: Study, table: pd.DataFrame) -> Study:
    """Return a study with another table, and the digest of it and of how it was simulated."""
    total = hashlib.sha256(json.dumps(study.generator, sort_keys=True).encode())
    total.update(table.to_csv(index=False, float_format="%.6f").encode())
    return replace(study, table=table, digest=total.hexdigest())

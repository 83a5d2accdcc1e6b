"""The runs: each case and each screen is one evaluation in a folder of its own, which a later call finds finished."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mien.evaluation.benchmark import evaluate
from mien.evaluation.results import Results
from mien.progress import talk
from mien.reproduce.cohort import Cohort, Ear, listen
from mien.reproduce.facer.plan import CASES, Case, Scale, factory_of
from mien.reproduce.facer.variants import Variant, variants
from mien.sensing.features import Features
from mien.simulate.channels import KeptChannels, keep_channels

CASE_FOLDER, SCREEN_FOLDER, CHANNEL_FOLDER = "cases", "ablations", "channels"


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What was found, over all seeds.

    Args:
        predictions, results, timings: as of `evaluate`, with a first column `case` (a case's name, or "ablation").
            People of different seeds are different people, and have different names.
        facts: (case, seed) -> what was run.
        folders: the same -> where it lies.
    """

    predictions: pd.DataFrame
    results: pd.DataFrame
    timings: pd.DataFrame
    facts: Mapping[tuple[str, int], dict]
    folders: Mapping[tuple[str, int], Path]

    def of(self, case: str) -> pd.DataFrame:
        """Return the predictions of a case."""
        return self.predictions[self.predictions["case"] == case]


Part = tuple[str, int, Path, Results]
"""A case (or "ablation" and a protocol), a seed, the folder, and what was found."""


def run_seed(scale: Scale, cohort: Cohort, seed: int, out: Path, n_jobs: int = 1, resume: bool = False) -> list[Part]:
    """Score every case and every screen of one seed; what was finished before is read."""
    found: list[Part] = []
    for case in CASES:
        folder = out / CASE_FOLDER / f"{case.name}-{seed}"
        talk.print(f"case {case.name}: {case.title}", highlight=False)
        found.append((case.name, seed, folder, run_case(case, cohort, scale, seed, folder, n_jobs, resume)))
    for protocol in dict.fromkeys(variant.protocol for variant in variants(scale)):
        folder = out / SCREEN_FOLDER / f"{protocol.replace(':', '-').replace('/', '-')}-{seed}"
        talk.print(f"ablations, {protocol}", highlight=False)
        screened = run_screen(protocol, cohort, scale, seed, folder, n_jobs, resume)
        found.append((f"ablation {protocol}", seed, folder, screened))
    return found


def cohort_of(scale: Scale, seed: int, out: Path, n_jobs: int) -> Cohort:
    """Return the people of a seed as everything in the scale hears them."""
    talk.print(f"seed {seed}: the faces' echoes, once for all probes and microphones", highlight=False)
    kept = keep_channels(out / CHANNEL_FOLDER / f"people-{seed}", scale.simulation(seed), n_jobs=n_jobs)
    ears = [scale.ear(name, case) for case in CASES for name in scale.named(case)]
    ears += [variant.ear for variant in variants(scale)]
    talk.print(f"seed {seed}: listening to every take in {len(set(ears))} ways", highlight=False)
    return listen(kept, ears, n_jobs=n_jobs)


def channels_of(scale: Scale, seed: int, out: Path) -> KeptChannels:
    """Return the channels that a run has kept."""
    return KeptChannels(out / CHANNEL_FOLDER / f"people-{seed}", scale.simulation(seed))


def run_case(
    case: Case, cohort: Cohort, scale: Scale, seed: int, out: Path, n_jobs: int = 1, resume: bool = False
) -> Results:
    """Score the methods of one case."""
    methods = scale.named(case)
    part = _masked(cohort, case.masks, [scale.ear(name, case) for name in methods])
    return evaluate(
        part.study,
        {name: scale.factory(name, case) for name in methods},
        case.protocol,
        n_folds=scale.n_folds.get(case.name, case.n_folds),
        first_folds=case.first_folds,
        seeds=(seed,),
        n_trainings=scale.n_trainings,
        adaptations=scale.adaptations(case),
        options={name: scale.options.get(name, {}) for name in methods},
        features={name: part.heard[scale.ear(name, case)] for name in methods},
        neutral="reference",
        n_representations=case.n_representations,
        n_jobs=n_jobs,
        out=out,
        resume=resume,
    )


def run_screen(
    protocol: str, cohort: Cohort, scale: Scale, seed: int, out: Path, n_jobs: int = 1, resume: bool = False
) -> Results:
    """Score the variants of one protocol, each as a method of its own, on one split of people."""
    chosen = [variant for variant in variants(scale) if variant.protocol == protocol]
    part = _masked(cohort, ("open",), [variant.ear for variant in chosen])
    return evaluate(
        part.study,
        {each.title: factory_of(each.method, each.ear, each.changes) for each in chosen},
        protocol,
        n_folds=1,
        seeds=(seed,),
        n_trainings=1,
        adaptations=("none", "transductive"),
        options={each.title: each.changes for each in chosen},
        features=_features(part, chosen),
        neutral="reference",
        n_jobs=n_jobs,
        out=out,
        resume=resume,
    )


def _features(part: Cohort, chosen: Iterable[Variant]) -> dict[str, Features]:
    return {each.title: part.heard[each.ear] for each in chosen}


def _masked(cohort: Cohort, masks: tuple[str, ...], ears: Iterable[Ear]) -> Cohort:
    """Return the takes with these masks, as these ears hear them."""
    heard = {ear: cohort.heard[ear] for ear in ears}
    keep = np.isin(cohort.study.table["mask"].astype(str), masks)
    return Cohort(cohort.study, heard).part(keep)


def joined(found: list[Part], one_seed: bool) -> Found:
    """Return all parts as one; with several seeds their people get names of their own."""

    def tables(part: str) -> pd.DataFrame:
        parts = []
        for case, seed, _, results in found:
            table = getattr(results, part).copy()
            if "subject" in table and not one_seed:
                table["subject"] = f"{seed}-" + table["subject"].astype(str)
            table.insert(0, "case", case)
            parts.append(table)
        return pd.concat(parts, ignore_index=True)

    return Found(
        tables("predictions"),
        tables("results"),
        tables("timings"),
        {(case, seed): results.facts for case, seed, _, results in found},
        {(case, seed): folder for case, seed, folder, _ in found},
    )

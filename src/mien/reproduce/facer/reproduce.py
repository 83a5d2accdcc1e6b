"""From nothing to the page: simulate, run, table, draw, write."""

import time
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from mien.errors import StudyError
from mien.evaluation.plan import plain
from mien.evaluation.results import write_table
from mien.files import refuse_unwritable, write_text
from mien.learning.methods import METHODS
from mien.progress import talk
from mien.provenance import write_run
from mien.reproduce.facer.arrays import keep_cleaning, keep_embedding, keep_spectrograms
from mien.reproduce.facer.page import page
from mien.reproduce.facer.plan import CASES, Scale, scale_named
from mien.reproduce.facer.run import CASE_FOLDER, CHANNEL_FOLDER, Found, channels_of, cohort_of, joined, run_seed
from mien.reproduce.facer.tables import (
    ablations,
    beside_the_paper,
    by_class,
    classes_in_full,
    every_method,
    in_full,
    paired,
    processor_time,
    stated_and_ours,
    summary,
)
from mien.reproduce.facer.variants import variants


@dataclass(frozen=True, slots=True, eq=False)
class Reproduction:
    """What was found.

    Args:
        found: predictions, results and timings of every case.
        tables: name -> table, as the page and the terminal show them: "beside" (the paper's cases and ours), "stated"
            (every value of the paper's and ours), "every" (all methods in all cases), "full CASE", "classes",
            "classes CASE", "ablations", "tests", "time", "scores".
        out: where the page and the files are.
    """

    found: Found
    tables: dict[str, pd.DataFrame]
    out: Path


def reproduce_facer(
    out: Path,
    scale: str | Scale = "small",
    *,
    seeds: tuple[int, ...] | None = None,
    n_jobs: int = 2,
    resume: bool = False,
) -> Reproduction:
    """Run FacER's evaluation on simulated people and write the page and its files.

    Args:
        out: folder for report.html, results.csv, predictions.csv, summary.csv, classes.csv, timings.csv, ablations.csv,
            run.json, arrays/, and cases/, ablations/ and channels/, from which an interrupted run goes on.
        scale: "small" (a quarter of an hour of one core), "paper", or one's own.
        seeds: instead of the scale's; each makes its own people, folds and learning.
        n_jobs: processes; figures do not depend on it.
        resume: go on where an interrupted run stopped, or draw the page of a finished one again.

    Raises:
        StudyError: an unknown scale, or `out` holds another run, or an unfinished one and `resume` is off.
        StorageError: the disk cannot take it.
    """
    started = time.monotonic()
    chosen, left_out = available(scale_named(scale) if isinstance(scale, str) else scale)
    chosen = chosen if seeds is None else replace(chosen, seeds=tuple(seeds))
    out = Path(out)
    refuse_unwritable(out)
    if not resume and any((out / begun).exists() for begun in (CASE_FOLDER, CHANNEL_FOLDER)):
        raise StudyError(
            f"{out} holds a reproduction that was begun before; go on with --resume, or choose another --out"
        )
    if left_out:
        talk.print(left_out, highlight=False)
    talk.print(chosen.words, highlight=False)
    parts = []
    for seed in chosen.seeds:
        talk.print(f"seed {seed}: {sum(chosen.sex_counts)} simulated people, level {chosen.level}", highlight=False)
        cohort = cohort_of(chosen, seed, out, n_jobs)
        if seed == chosen.seeds[0]:
            keep_cleaning(channels_of(chosen, seed, out), out / "arrays")
            keep_spectrograms(cohort, chosen.ear("facer"), out / "arrays")
        parts += run_seed(chosen, cohort, seed, out, n_jobs, resume)
    found = joined(parts, one_seed=len(chosen.seeds) == 1)
    keep_embedding(found.folders["2", chosen.seeds[0]], "facer", "transductive", out / "arrays")
    made = Reproduction(found, tables_of(found, chosen), out)
    write(made, chosen, left_out)
    talk.print(f"done in {time.monotonic() - started:.0f} s", highlight=False)
    return made


def available(scale: Scale) -> tuple[Scale, str]:
    """Return the scale with the methods that are installed, and what is left out, in a sentence."""
    if "dann" not in scale.methods or find_spec("skada") is not None:
        return scale, ""
    others = tuple(name for name in scale.methods if name != "dann")
    return replace(scale, methods=others), "dann is left out: it needs skada; install mien[baselines]."


def tables_of(found: Found, scale: Scale) -> dict[str, pd.DataFrame]:
    """Return every table, by name."""
    scores, classes = summary(found), by_class(found)
    firsts = ("mien", "facer", "facer, inductive")
    return {
        "beside": beside_the_paper(scores),
        "stated": stated_and_ours(scores, classes),
        "every": every_method(scores),
        "ablations": ablations(found, scores, variants(scale)),
        "tests": paired(found, "2-people", firsts),
        "time": processor_time(found),
        "scores": scores,
        "classes": classes,
    } | {
        f"{what} {case.name}": made(table, case.name)
        for what, made, table in (("full", in_full, scores), ("classes", classes_in_full, classes))
        for case in CASES
    }


def write(made: Reproduction, scale: Scale, left_out: str) -> None:
    """Write the page and the files beside it."""
    found, out = made.found, made.out
    write_table(out / "predictions.csv", found.predictions)
    write_table(out / "results.csv", found.results)
    write_table(out / "timings.csv", found.timings)
    write_table(out / "summary.csv", made.tables["scores"])
    write_table(out / "classes.csv", made.tables["classes"])
    write_table(out / "ablations.csv", made.tables["ablations"])
    write_text(out / "report.html", page(found, made.tables, scale, out / "arrays", left_out))
    options = {
        "scale": plain(asdict(scale)),
        "methods": {name: METHODS[name].summary for name in scale.methods},
        "runs": {f"{case}, seed {seed}": plain(facts) for (case, seed), facts in found.facts.items()},
    }
    digests = [facts["plan"]["data_digest"] for facts in found.facts.values()]
    options["data_digests"] = dict(zip(options["runs"], digests, strict=True))
    joint = sha256("".join(digests).encode()).hexdigest()
    write_run(out, "reproduce facer", options | {"seeds": list(scale.seeds)}, seed=scale.seeds[0], data_digest=joint)

"""`report.html`: one page that stands by itself and says what was done, what came out and what it does not show."""

import shlex
from collections.abc import Mapping
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from mien import __version__
from mien.datasets.study import Study
from mien.evaluation.attention import AttentionMap, read_attention
from mien.evaluation.figures import colour_of
from mien.evaluation.inline import facts_html, hue, more_html, table_html
from mien.evaluation.report_hearing import heard_by
from mien.evaluation.report_reading import Reading, read
from mien.evaluation.report_sound import attended, sound_sections
from mien.evaluation.report_tables import (
    calibrations,
    compared,
    confusions,
    floors_table,
    per_class,
    per_person,
    takes_needed,
    tests,
)
from mien.evaluation.report_words import (
    adaptation_words,
    banners,
    between,
    disjoint_words,
    heading,
    lead,
    limits,
    percent,
)
from mien.evaluation.results import Results, read_results
from mien.files import write_text
from mien.probe import describe, probe_from_json


def write_report(results: Results, study: Study | None, out: Path, *, command: str | None = None) -> Path:
    """Write `report.html`, self-contained, into a folder.

    Args:
        study: where the recordings that are shown come from; without it the page says that it has none.
        command: what was typed, if it was not `mien evaluate`.

    Returns:
        The page's path.

    Raises:
        StorageError: the disk cannot take it.
    """
    path = Path(out) / "report.html"
    write_text(path, page(read(results, study, command), read_attention(out)))
    return path


def report_from_folder(folder: Path, study: Study | None = None, *, command: str | None = None) -> Path:
    """Write `report.html` anew from the results.csv, predictions.csv and run.json of a folder.

    Raises:
        StudyError: no finished evaluation lies there.
    """
    return write_report(read_results(folder), study, folder, command=command)


def page(reading: Reading, attention: Mapping[str, AttentionMap] | None = None) -> str:
    """Return the whole page.

    Args:
        attention: method -> where its attention adds something.
    """
    kept = {name: one for name, one in (attention or {}).items() if name in reading.plan["methods"]}
    sections = [
        ("result", "Methods compared", compared(reading)),
        ("limits", "What this does not show", _list(limits(reading))),
        *sound_sections(reading),
        *([("attention", "Where attention adds something", where)] if (where := attended(reading, kept)) else []),
        *([("takes", "How many takes of a person it needs", needed)] if (needed := takes_needed(reading)) else []),
        ("confusion", "What is taken for what", confusions(reading)),
        ("classes", "Class by class", per_class(reading)),
        ("people", "Person by person", per_person(reading)),
        ("tests", "Is one method better than another?", tests(reading)),
        ("calibration", "Does it know how sure it is?", calibrations(reading)),
        ("adaptation", "What adaptation saw", _pairs(adaptation_words(reading))),
        ("split", "What the split keeps apart", split(reading)),
        ("floors", "Floors", floors_table(reading)),
        ("study", "The study", study_facts(reading)),
        ("again", "How to do it again", again(reading)),
    ]
    package = resources.files("mien.evaluation")
    name = reading.facts["study"]["name"]
    called = f"{reading.facts['study']['origin']} study" + (f" {name}" if name.lower() != "study" else "")
    level = f", level {reading.level()}" if reading.level() else ""
    leaking = " (split leaks on purpose)" if reading.leaks else ""
    return Template(package.joinpath("report.html").read_text(encoding="utf-8")).substitute(
        style=package.joinpath("report.css").read_text(encoding="utf-8"),
        version=__version__,
        title=escape(f"{heading(reading)} - {name}"),
        eyebrow=escape(f"{called}{level} · {reading.plan['protocol']}{leaking}"),
        heading=escape(heading(reading)),
        banners=banners(reading),
        lead=lead(reading),
        tiles=tiles(reading),
        links="".join(f'<li><a href="#{anchor}">{escape(title)}</a></li>' for anchor, title, _ in sections),
        sections="\n".join(_section(*section) for section in sections),
    )


def tiles(reading: Reading) -> str:
    """Return one large number per method, and its adaptations' numbers below it."""
    colours = colour_of([case.method for case in reading.cases])
    found = []
    for method, colour in colours.items():
        first, *others = [case for case in reading.drawn if case.method == method]
        more = "".join(
            f"<li><strong>{percent(case.interval.estimate)}</strong> <span>({between(case.interval)})</span> "
            f"{escape(reading.how(case.adaptation))}</li>"
            for case in others
        )
        found.append(
            f'<li class="tile" style="--hue: {hue(colour)}"><p class="name">{escape(method)}</p>'
            f'<p class="number">{percent(first.interval.estimate)}</p>'
            f'<p class="range">({between(first.interval)}) {escape(reading.how(first.adaptation))}</p>'
            f"{f'<ul>{more}</ul>' if more else ''}"
            f'<p class="hears">Hears {escape(heard_by(reading, method))}</p></li>'
        )
    return f'<ul class="tiles">{"".join(found)}</ul>'


def split(reading: Reading) -> str:
    """Return what the split is disjoint by, and its folds."""
    folds = pd.DataFrame(
        [
            {
                "fold": f"{one['fold'] + 1}"
                if len(reading.plan["seeds"]) == 1
                else f"{one['fold'] + 1}, seed {one['seed']}",
                "train": one["n_train"],
                "validation": one["n_validation"],
                "test": one["n_test"],
                "people": ", ".join(one["people"].get("test", [])) or "n/a",
            }
            for one in reading.facts["splits"]
        ]
    )
    unit = reading.facts["splits"][0]["unit"]
    headers = {
        "fold": "Fold",
        "train": f"Training {unit}s",
        "validation": "Early stopping",
        "test": "Scored",
        "people": "People scored",
    }
    table = table_html(folds, f"Protocol {reading.plan['protocol']}.", headers=headers)
    return f"<p>{escape(disjoint_words(reading.disjoint_by))}</p>{table}"


def study_facts(reading: Reading) -> str:
    """Return what is known of the study, and of the programs that made the figures."""
    study = reading.facts["study"]
    generator: Mapping[str, Any] = study["generator"] or {}
    facts = {
        "Name": study["name"],
        "Origin": study["origin"],
        "People": str(study["n_subjects"]),
        "Takes": f"{study['n_takes']:,}",
        "Classes": ", ".join(reading.classes),
        "Probe": describe(probe_from_json(dict(study["probe"]))),
        "Seeds of the evaluation": ", ".join(map(str, reading.plan["seeds"])),
        "Digest of its tables": str(reading.plan["data_digest"])[:16],
    }
    if not generator:
        return facts_html(facts)
    facts |= {"Level": str(reading.level()), "Seed of the simulation": str(generator.get("seed", "n/a"))}
    known = {name: generator[name] for name in ("by", "version", "face") if name in generator}
    level = generator.get("level")
    if isinstance(level, Mapping):
        known |= {f"level: {name}": value for name, value in level.items() if name != "name"}
    how = {name.replace("_", " "): _plain(value) for name, value in known.items()}
    return facts_html(facts) + more_html("How it was simulated", facts_html(how))


def again(reading: Reading) -> str:
    """Return the commands that give these figures, the options that are not defaults, and the versions."""
    plan, study = reading.plan, reading.facts["study"]
    lines = [reading.command] if reading.command else []
    options: Mapping[str, Any] = (study["generator"] or {}).get("options") or {}
    if not lines and options:
        lines.append(_simulate_line(options))
    if not lines or not reading.command:
        names = " ".join(shlex.quote(name) for name in plan["methods"])
        trainings = "" if reading.n_trainings is None else f" --trainings {reading.n_trainings}"
        lines.append(
            f"mien evaluate {names} STUDY --protocol {shlex.quote(plan['protocol'])} --folds {plan['n_folds']} "
            f"--seeds {','.join(map(str, plan['seeds']))}{trainings} --adaptations {','.join(plan['adaptations'])} "
            "--out RESULTS"
        )
    chosen = {
        f"{method}, {words}": _plain(values[what])
        for method, values in plan["methods"].items()
        for what, words in (("front_end", "front end"), ("changed", "options that are not defaults"))
        if values[what]
    }
    versions = {name: str(value) for name, value in (reading.facts.get("versions") or {}).items()}
    code = escape("\n".join(lines))
    return f"<pre><code>{code}</code></pre>{facts_html(chosen)}" + (
        f"<h3>Versions</h3>{facts_html(versions)}" if versions else ""
    )


def _simulate_line(options: Mapping[str, Any]) -> str:
    names = {
        "n_subjects": "--subjects",
        "level": "--level",
        "levels_version": "--levels-version",
        "head": "--head",
        "n_takes": "--takes",
        "duration_s": "--duration-s",
        "seed": "--seed",
    }
    given = " ".join(f"{flag} {shlex.quote(str(options[name]))}" for name, flag in names.items() if name in options)
    return f"mien simulate STUDY {given}"


def _section(anchor: str, title: str, html: str) -> str:
    head = f'<h2 id="{anchor}-title">{escape(title)}</h2>'
    return f'<section id="{anchor}" aria-labelledby="{anchor}-title">{head}{html}</section>'


def _list(sentences: list[str]) -> str:
    return f'<ul class="plain">{"".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)}</ul>'


def _pairs(pairs: list[tuple[str, str]]) -> str:
    return "".join(f"<h3>{escape(name.capitalize())}</h3><p>{escape(words)}</p>" for name, words in pairs)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value)
    return "none" if value is None else str(value)

"""What a report says in plain words: what was done, what the figure is, and what it does not show."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mien.datasets.study import Study
from mien.evaluation.adaptation import adaptation_named
from mien.evaluation.metrics import classes_of
from mien.evaluation.report_reading import SCORE, Case, Reading, takes_words
from mien.evaluation.statistics import NO_DIFFERENCE, Interval, compare, verdicts
from mien.evaluation.trainings import tally

FULL_WIDTH = 64
"""Filters of the first stage of ResNet-18 (He et al., 2016)."""

FEW_PEOPLE = 8
"""With fewer, a bootstrap over people gives intervals that are plainly too narrow."""

_SHARES = {0.75: "three quarters of", 0.5: "half", 0.25: "a quarter of", 0.125: "an eighth of"}


def percent(value: float) -> str:
    """Return a share as whole percent, as in '41 %'; the space does not break."""
    return f"{100 * value:.0f}\u00a0%"


def between(interval: Interval) -> str:
    """Return an interval in whole percent, as in '33 to 47 %'."""
    return f"{100 * interval.low:.0f} to {percent(interval.high)}"


def people_words(number: int) -> str:
    return "one person" if number == 1 else f"{number} people"


def heading(reading: Reading) -> str:
    """Return the page's heading."""
    what = (
        f"{len(reading.classes)} expressions" if "happiness" in reading.classes else f"{len(reading.classes)} classes"
    )
    whom = {True: ", on people never heard", False: ""}["subject" in reading.disjoint_by]
    leaking = " (leaking split)" if reading.leaks else ""
    return ("Simulated: " if reading.simulated else "") + f"{what} told from echoes{whom}{leaking}"


def lead(reading: Reading) -> str:
    """Return the headline as HTML paragraphs: the first method's figures, its adaptations', and the best other's."""
    first = [case for case in reading.drawn if case.method == reading.cases[0].method]
    plain = first[0]
    n_scored = plain.scored[["subject", "row", "start_s"]].drop_duplicates().shape[0]
    unheard = " that it had never heard" if "subject" in reading.disjoint_by else ""
    sentences = [
        f"Given {n_scored:,} {reading.unit}s of {people_words(reading.n_subjects)}{unheard}, "
        f"<strong>{escape(plain.method)}</strong> named <strong>{percent(plain.interval.estimate)}</strong> right "
        f"({between(plain.interval)}{'' if few_words(reading) else _if_drawn(reading, plain.method)}). Guessing "
        f"names {percent(reading.floors['chance'][SCORE])} right.",
        *few_words(reading),
    ]
    words = [f"{percent(case.interval.estimate)} right {reading.how(case.adaptation)}" for case in first[1:]]
    if words:
        sentences.append(f"It named {', and '.join(words)}{_one_seed(reading, plain.method)}.")
    others = [case for case in reading.cases if case.method != plain.method and not case.labelled]
    return "".join(f"<p>{sentence}</p>" for sentence in [*sentences, *_best_other(plain, others)])


def _if_drawn(reading: Reading, method: str) -> str:
    return f" if other people{' and trainings' if reading.trainings(method)[0] > 1 else ''} had been drawn"


def _one_seed(reading: Reading, method: str) -> str:
    """Return in brackets what one seed leaves to chance, or nothing where there were several."""
    if len(reading.plan["seeds"]) > 1:
        return ""
    number, by_chance = reading.trainings(method)
    if by_chance and number == 1:
        return " (one seed, one training; another moves such figures by several points)"
    return " (one seed: people were dealt to folds in one way)"


def _best_other(plain: Case, others: Sequence[Case]) -> list[str]:
    """Return a sentence on the best of the other methods, and whether it differs from the first; none without others.

    The best is picked by its score, so its p is corrected for all that it was picked from.
    """
    if not others:
        return []
    best = max(others, key=lambda case: case.interval.estimate)
    names = {case.name: tally(case.scored) for case in (plain, *others)}
    table = compare(names, [(case.name, plain.name) for case in others])
    place = [case.name for case in others].index(best.name)
    row, verdict = table.iloc[place], verdicts(table)[place]
    bounds = f"{100 * row['low']:+.0f} to {100 * row['high']:+.0f} points".replace("-", "\u2212")
    who = "no difference is shown" if verdict == NO_DIFFERENCE else f"{escape(verdict)} is ahead"
    return [
        f"The best of the other methods is <strong>{escape(best.name)}</strong> with "
        f"<strong>{percent(best.interval.estimate)}</strong>: {who} ({bounds} against {escape(plain.name)})."
    ]


def few_words(reading: Reading) -> list[str]:
    """Return a sentence where people are so few that drawing them anew tells little of others, else none."""
    number = reading.n_subjects
    if number >= FEW_PEOPLE:
        return []
    if number == 1:
        return ["With one person there is no interval over people: nothing here says how it would go for others."]
    return [
        f"With only {number} people the interval is too narrow: it shows the spread among these {number}, not what "
        "other people would give."
    ]


def training_words(reading: Reading) -> list[str]:
    """Return how often what learns by chance was trained, how far that spreads, and what it says of differences."""
    spreads: dict[int, list[str]] = {}
    for method in dict.fromkeys(case.method for case in reading.cases):
        number, by_chance = reading.trainings(method)
        here = reading.scores[(reading.scores["method"] == method) & (reading.scores["scored_unit"] == reading.unit)]
        if by_chance:
            deviation = here[f"{SCORE}_deviation"].iloc[0]
            words = method if deviation != deviation else f"{method} {100 * deviation:.1f}"
            spreads.setdefault(number, []).append(words)
    processors = "another processor moves a network as far (0.496 for 0.460, same seed and code)"
    return [
        f"{', '.join(names)}: one training: the interval does not hold the spread over trainings or processors; "
        f"{processors}."
        if number == 1
        else f"Means of {number} trainings of every split, whose standard deviation is, in points: {', '.join(names)}; "
        f"{processors}. Intervals and tests hold it: a smaller difference is none."
        for number, names in spreads.items()
    ]


def never_right(case: Case) -> list[str]:
    """Return a sentence for the classes that a case never names, and one for those that it names but never rightly."""
    scored = case.scored
    shown = [name for name in classes_of(scored) if (scored["truth"] == name).any()]
    right = set(scored["truth"][scored["truth"] == scored["predicted"]])
    named = set(scored["predicted"])
    who = case.method if case.adaptation == "none" else f"{case.method} after {case.adaptation} adaptation"
    unnamed = [name for name in shown if name not in named]
    wrong = [name for name in shown if name in named and name not in right]
    return [f"{who} never names {' or '.join(unnamed)}."] * bool(unnamed) + [
        f"{who} names {' and '.join(wrong)}, but never where that is shown."
    ] * bool(wrong)


def banners(reading: Reading) -> str:
    """Return the warnings that stand above everything."""
    found = []
    if reading.simulated:
        level = f" at level <em>{escape(str(reading.level()))}</em>" if reading.level() else ""
        found.append(
            f'<div class="banner" role="note"><p><strong>Simulated.</strong> Every echo on this page was computed from '
            f"a model of faces and sound{level}. No person was recorded, and no figure here is an accuracy on real "
            f"faces.</p></div>"
        )
    if reading.moves_by_recipe:
        found.append(
            '<div class="banner bad" role="note"><p><strong>Measures mostly head motion.</strong> In this study every '
            "simulated head moves with an expression by one shared recipe, as in version 1 of the levels: a classifier "
            "keeps most of its accuracy when the face is frozen. Real heads need not move so. Simulate the study anew "
            "with version 2, where nothing but the face tells the expression.</p></div>"
        )
    if reading.leaks:
        found.append(
            '<div class="banner bad" role="note"><p><strong>Leaks on purpose.</strong> Windows were split at random, '
            "so overlapping pieces of one take stand in training and in test. This figure is no evidence of "
            "recognition; it shows what such a split is worth.</p></div>"
        )
    return "".join(found)


def limits(reading: Reading) -> list[str]:
    """Return what the figures do not show, a sentence or two each."""
    found = []
    if reading.simulated:
        found.append(
            "How well it works on real faces. The simulation ranks methods under stated physics; skin, hair, rooms, "
            "hands and phones are simpler here, and every expression is one recipe of action units with a personal "
            "style."
        )
    if reading.leaks:
        found.append("Recognition of anything new: training held pieces of the very takes that were scored.")
    elif "subject" not in reading.disjoint_by:
        found.append("Anything about new people: the people who are scored were also trained on.")
    found.append(
        "Felt or fleeting expressions: takes are made on request, one expression each, from rest to its height."
    )
    n_scored, n_all = reading.n_subjects, reading.facts["study"]["n_subjects"]
    found.append(
        f"A population. {people_words(n_scored).capitalize()} {'was' if n_scored == 1 else 'were'} scored"
        + (f" of {n_all}" if n_scored < n_all else "")
        + ", and the interval speaks of people like these only."
    )
    if any(case.adaptation == "transductive" for case in reading.cases):
        found.append(
            "A first use: adapted figures need takes of the person beforehand, and the transductive ones come from the "
            "very takes they were adapted to."
        )
    if any(case.labelled for case in reading.cases):
        found.append(
            "What calibration costs a person: its labelled takes were made on request, like those that were scored, "
            "and drawn from the same sessions."
        )
    found += _constants(reading.study) + _narrow(reading.plan)
    if reading.n_trainings == 1:
        found.append("How much chance in training matters: one training of every split; another may differ by points.")
    if len(reading.plan["seeds"]) == 1:
        found.append("How much the folds matter: one seed was run, and people were dealt to folds in one way.")
    return found


def _constants(study: Study | None) -> list[str]:
    """Return a sentence for each condition, of those that matter to a listener, that was the same throughout."""
    if study is None:
        return []
    names = [name for name in ("place", "device", "mask") if name in study.table and study.table[name].nunique() == 1]
    words = {"place": "Other places", "device": "Other devices", "mask": "Faces with a mask, or without"}
    return [f"{words[name]}: in all takes, {name} is '{study.table[name].iloc[0]}'." for name in names]


def _narrow(plan: Mapping[str, Any]) -> list[str]:
    """Return a sentence on networks that were made narrower than the paper's ResNet-18."""
    widths = {}
    for method, chosen in plan["methods"].items():
        options = chosen.get("options") or {}
        shape = options.get("network", options).get("shape", {})
        if shape.get("width", FULL_WIDTH) < FULL_WIDTH:
            widths[method] = shape["width"]
    if not widths:
        return []
    found = []
    for width in sorted(set(widths.values())):
        whose = " and ".join(method for method, its in widths.items() if its == width)
        share = _SHARES.get(width / FULL_WIDTH, percent(width / FULL_WIDTH) + " of")
        found.append(
            f"The paper's network: the ResNet-18 of {whose} has {share} the paper's width ({width} filters of "
            f"{FULL_WIDTH} in its first stage)."
        )
    return found


def disjoint_words(names: Sequence[str]) -> str:
    """Return in a sentence what training and test share nothing of.

    Example:
        >>> disjoint_words(("subject", "take"))
        'Training and scoring share no person and no take.'
    """
    if not names:
        return "Training and scoring share takes, and so people, places and all else: the split leaks on purpose."
    words = [{"subject": "person"}.get(name, name) for name in names]
    listed = " and no ".join([", no ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    shared = "" if "subject" in names else " They share people: this is no test on people never heard."
    return f"Training and scoring share no {listed}.{shared}"


BANKED = ("facer", "xhar", "dann")
"""The methods that adapt with a bank of their training windows at hand."""


def adaptation_words(reading: Reading) -> list[tuple[str, str]]:
    """Return for each adaptation that was scored what it saw of the people who are scored."""
    n_target = sum(split["n_unlabelled_target"] for split in reading.facts["splits"])
    extra = f" It also saw {n_target} unlabelled takes of theirs that are not scored." if n_target else ""
    used = list(dict.fromkeys(case.adaptation for case in reading.cases))
    seen = {word: _seen(word) + (extra if word in ("inductive", "transductive") else "") for word in used}
    banked = [name for name in BANKED if name in {case.method for case in reading.cases}]
    if banked:
        bank = (
            f" With them {' and '.join(banked)} {'hears' if len(banked) == 1 else 'hear'} again labelled training "
            "windows, those of the bank that a model keeps (at most 1,024 unless chosen otherwise); the papers use all "
            "training windows."
        )
        if "facer" in banked:
            bank += " facer fits its classifier to them anew."
        adapted = [word for word in used if adaptation_named(word).kind in ("inductive", "transductive")]
        seen |= {word: seen[word] + bank for word in adapted}
    if reading.leaks:
        seen["none"] = "No adaptation was run. But training itself held pieces of the takes that are scored."
    return [(name, seen[name]) for name in used]


def _seen(adaptation: str) -> str:
    asked = adaptation_named(adaptation)
    if asked.kind == "calibrated":
        labelled = f" and {takes_words(asked.n_takes or 0, 'labelled')} of each expression" if asked.n_takes else ""
        return (
            f"Of each scored person by itself: one neutral clip where the study has one{labelled}, drawn at random. "
            "The person's other takes were scored. Such figures belong beside others that asked as much of a person."
            + ("" if asked.n_takes else " A clip teaches no class: it counts where the front end measures against it.")
        )
    if asked.n_takes is not None:
        return (
            f"{takes_words(asked.n_takes, 'unlabelled')} of each scored person, sound only, drawn without looking at "
            "what they show, of all people of a fold together; the others were scored."
        )
    return {
        "none": "Nothing of the takes that are scored: normaliser, early stopping and all else come from the training "
        "side.",
        "inductive": "One half of each scored person's takes, sound only; then the other half was scored, and the "
        "other way round: every take by a model that had not seen it. The halves were drawn without looking at labels.",
        "transductive": "All takes that are scored, sound only, before they were scored. This is the setting of the "
        "FacER paper.",
    }[asked.kind]

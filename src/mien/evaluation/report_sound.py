"""The part of a report that is about sound: emitted, received, cleaned, and each class as the methods hear it."""

from collections.abc import Mapping
from html import escape
from typing import Any

from mien.datasets.extract import extract
from mien.datasets.study import Study
from mien.errors import MienError
from mien.evaluation.attention import AttentionMap
from mien.evaluation.examples import cleaning_of
from mien.evaluation.figures_sound import attention_figure, cleaning_figure, echoes_figure, probe_figure, range_figure
from mien.evaluation.inline import facts_html, figure_html, grid_html, svg
from mien.evaluation.report_reading import Reading
from mien.probe import SPEED_OF_SOUND_M_S, Chirp, Composite, Probe, describe, probe_from_json
from mien.sensing.features import FrontEnd
from mien.sensing.front_ends import front_end_from_json
from mien.sensing.range_gate import RangeGate
from mien.splits import missing

SHOWN_PERIODS = 2


def emitted(reading: Reading) -> str:
    """Return the figure and the facts of what was emitted."""
    probe = probe_from_json(dict(reading.facts["study"]["probe"]))
    chirp = chirp_in(probe)
    facts = {"Probe": describe(probe), "Band": f"{probe.band_hz[0]:,.0f} to {probe.band_hz[1]:,.0f} Hz"}
    facts["Heard by people"] = "inaudible to most adults" if probe.band_hz[0] >= 18_000 else "audible"
    if chirp is not None:
        gate_hz = [chirp.beat_hz(distance_m) for distance_m in (0.25, 0.50)]
        facts |= {
            "Range cell, c / 2B": f"{100 * chirp.range_cell_m():.2f} cm",
            "One sample of delay": f"{1000 * chirp.sample_range_m():.2f} mm",
            "Echo of 25 to 50 cm": f"beats at {gate_hz[0]:.0f} to {gate_hz[1]:.0f} Hz",
            "1 mm of motion": f"turns an echo's phase by {0.72 * chirp.center_hz / SPEED_OF_SOUND_M_S:.0f} degrees",
            "Farthest clear echo": f"{chirp.longest_range_m:.2f} m",
        }
    picture = svg(probe_figure(probe), f"Waveform and spectrogram of the probe: {describe(probe)}")
    caption = f"What the loudspeaker plays: waveform, and its frequency over time. {reading.origin_words()}"
    return grid_html([figure_html(picture, caption), facts_html(facts)], "two")


def chirp_in(probe: Probe | None) -> Chirp | None:
    """Return the chirp of a probe, or None where it has none."""
    parts = probe.parts if isinstance(probe, Composite) else (probe,)
    return next((part for part in parts if isinstance(part, Chirp)), None)


def example_rows(reading: Reading, study: Study) -> dict[str, int]:
    """Return class -> one take of it, all of one person: one who was scored, open face and sound take preferred."""
    table = study.table
    people = reading.facts["splits"][0]["people"].get("test") or sorted(table["subject"].astype(str).unique())
    subject = people[0]
    candidates = table[(table["subject"].astype(str) == subject) & ~missing(table["expression"])]
    for column, wanted in (("mask", "open"), ("quality", "ok")):
        if column in candidates and (candidates[column] == wanted).any():
            candidates = candidates[candidates[column] == wanted]
    return {
        name: int(rows[0]) for name in reading.classes if len(rows := candidates.index[candidates.expression == name])
    }


def received(reading: Reading, study: Study, row: int) -> str:
    """Return one raw recording beside what cleaning leaves of it, and both over distance."""
    gate = RangeGate()
    found = cleaning_of(study.recording(row), gate, SHOWN_PERIODS)
    who = f"subject {study.table['subject'].iloc[row]}, {study.table['expression'].iloc[row]}"
    left = figure_html(
        svg(cleaning_figure(found.raw, found.cleaned, found.rate_hz, found.band_hz), f"Raw and cleaned: {who}"),
        f"{SHOWN_PERIODS} periods of one take ({who}): as recorded, and after band-pass, removal of the direct path "
        f"({found.cancellation_db:.0f} dB) and the range gate ({100 * gate.near_m:g} to {100 * gate.far_m:g} cm). "
        f"{reading.origin_words()}",
    )
    kept_m = gate.near_m, gate.far_m
    right = figure_html(
        svg(range_figure(found.before, found.after, found.range_m, kept_m), f"Echo over distance: {who}"),
        f"The same take after pulse compression: level over distance, mean over its {found.n_periods} periods. "
        f"Shaded: the distances that are kept. {reading.origin_words()}",
    )
    return grid_html([left, right], "two")


def heard(reading: Reading, study: Study, rows: Mapping[str, int]) -> str:
    """Return each class as the methods' front ends hear it, one figure per front end."""
    figures = []
    by_front_end: dict[Any, list[str]] = {}
    for method, values in reading.plan["methods"].items():
        if not values["ready_made"]:
            by_front_end.setdefault(_front_end(values["front_end"]), []).append(method)
    for front_end, methods in by_front_end.items():
        features = extract(study, front_end, rows=list(rows.values()), progress=False)
        picture = echoes_figure(features, dict(rows))
        subject = study.table["subject"].iloc[next(iter(rows.values()))]
        alt = f"{front_end.kind} of {', '.join(rows)}, one take each of subject {subject}"
        unheard = ", who was not trained on" if "subject" in reading.disjoint_by else ""
        against = "" if getattr(front_end, "neutral", "none") == "none" else "Level relative to the neutral face. "
        caption = (
            f"What {' and '.join(methods)} hear{'s' if len(methods) == 1 else ''} ({front_end.kind}): one window of "
            f"one take per class, subject {subject}{unheard}, one scale for all. {against}{reading.origin_words()}"
        )
        figures.append(figure_html(svg(picture, alt), caption))
    return grid_html(figures, "two") if figures else ""


def attended(reading: Reading, kept: Mapping[str, AttentionMap]) -> str:
    """Return where each method's attention adds something, one figure per method that has any."""
    found = []
    for method, one in kept.items():
        sides = " x ".join(str(side) for side in one.values.shape[1:])
        caption = (
            f"Where the attention of {method} adds what differs from place to place and window to window: mean over "
            f"{one.n_windows} scored windows of the first training of fold {one.fold + 1}, by expression. The feature "
            f"map it stands on has {sides} places over the whole of what is heard. Bright is much; it is no proof that "
            f"the place tells the expression. {reading.origin_words()}"
        )
        found.append(figure_html(svg(attention_figure(one), f"Attention of {method} by expression"), caption))
    return grid_html(found, "two") if found else ""


def _front_end(values: Mapping[str, Any]) -> FrontEnd:
    return front_end_from_json(dict(values))


def sound_sections(reading: Reading) -> list[tuple[str, str, str]]:
    """Return (anchor, title, HTML) of the sections about sound; a section that cannot be drawn says why."""
    sections = [("emitted", "What was emitted", emitted(reading))]
    study = reading.study
    if study is None:
        absent = "<p>The study was not at hand when this page was made, so its recordings are not shown.</p>"
        return [*sections, ("received", "What came back", absent)]
    rows = example_rows(reading, study)
    parts: list[tuple[str, str, Any]] = []
    if chirp_in(study.probe) is not None and rows:
        parts.append(
            ("received", "What came back, raw and cleaned", lambda: received(reading, study, next(iter(rows.values()))))
        )
    parts.append(("heard", f"{len(rows)} expressions as they are heard", lambda: heard(reading, study, rows)))
    for anchor, title, draw in parts:
        try:
            html = draw()
        except MienError as error:
            html = f"<p>This could not be drawn: {escape(str(error))}</p>"
        if html:
            sections.append((anchor, title, html))
    return sections

"""Figures and tables as pieces of one page: SVG that takes the page's colours and font, tables with real headers."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from mien.evaluation.drawing import Figure, settings
from mien.evaluation.figures import DIGITS, INK, LINE, LOOK, MUTED, PALETTE

MANY = 3
"""Columns that a phone shows; of a table with more the page says there that it scrolls."""

_TURNING = {DIGITS[True, False]: "var(--digit)", DIGITS[False, True]: "var(--digit-turned)"}
_COLOURS = (
    _TURNING
    | {INK: "currentColor", MUTED: "var(--muted)", LINE: "var(--line)"}
    | {colour: f"var(--hue-{number})" for number, colour in enumerate(PALETTE)}
)


def hue(colour: str) -> str:
    """Return a figure's colour as the page names it, so that it follows light and dark."""
    return _COLOURS.get(colour, colour)


def svg(figure: Figure, alt: str) -> str:
    """Return a figure as inline SVG whose ink, hues and font are the page's, so that it follows light and dark."""
    stream = io.StringIO()
    with settings(**LOOK):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    for colour, variable in _COLOURS.items():
        text = re.sub(re.escape(colour), variable, text, flags=re.IGNORECASE)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="(figure|axes|patch|text|line2d|matplotlib\.axis|xtick|ytick|legend|[A-Z]\w*)_\d+"', "", text)
    text = re.sub(r"(\d+(?:\.\d+)?px) 'DejaVu Sans'[^;\"]*", r"\1 var(--sans)", text)
    text = re.sub(r"font: ([^;\"]*?)(\d+(?:\.\d+)?px) [^;\"]*sans-serif", r"font: \1\2 var(--sans)", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1)


def figure_html(picture: str, caption: str) -> str:
    """Return a picture with its caption (HTML allowed in neither)."""
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def grid_html(figures: Sequence[str], kind: str = "") -> str:
    """Return figures beside each other where there is room, below each other where there is not."""
    return f'<div class="grid {kind}">{"".join(figures)}</div>'


def table_html(
    table: pd.DataFrame,
    caption: str,
    formats: Mapping[str, Callable[[Any], str]] | None = None,
    headers: Mapping[str, str] | None = None,
    prose: Sequence[str] = (),
) -> str:
    """Return a table whose first column heads its rows; it scrolls sideways in itself when the page is narrow.

    Args:
        prose: columns that hold words, not figures: they stand to the left and may break.
    """
    formats, headers = formats or {}, headers or {}
    kinds = {name: ' class="prose"' for name in prose}
    head = "".join(
        f'<th scope="col"{kinds.get(name, "")}>{escape(headers.get(name, str(name)))}</th>' for name in table.columns
    )
    body = []
    for values in table.itertuples(index=False):
        cells = []
        for number, (name, value) in enumerate(zip(table.columns, values, strict=True)):
            text = formats[name](value) if name in formats else str(value)
            tag = 'th scope="row"' if number == 0 else f"td{kinds.get(name, '')}"
            cells.append(f"<{tag}>{escape(text)}</{tag.split()[0]}>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="table{" many" if len(table.columns) > MANY else ""}"><p class="caption">{escape(caption)}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div></div>"
    )


def facts_html(facts: Mapping[str, str]) -> str:
    """Return names and values as a description list."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return f'<dl class="facts">{rows}</dl>'


def more_html(title: str, html: str) -> str:
    """Return what a reader may open."""
    return f"<details><summary>{escape(title)}</summary>{html}</details>"

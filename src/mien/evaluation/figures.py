"""Figures of results: functions from tables to matplotlib figures, in one look.

Each is drawn for a column about 340 pixels wide, so that it stays readable on a phone; a page puts several beside each
other. The first six colours are those of Okabe and Ito (2008), told apart without colour vision; shapes differ as
well.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd

from mien.evaluation.drawing import Figure, Rectangle, settings
from mien.evaluation.metrics import (
    average_precision,
    calibration,
    calibration_error,
    classes_of,
    confusion,
    precision_recall,
    probabilities_of,
)
from mien.evaluation.statistics import Interval

INK, MUTED, LINE = "#1b1f24", "#66707a", "#d5dae0"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a5a2b", "#4d5560")
PAGES = (("#ffffff", "#0072b2", "#d55e00"), ("#171b21", "#4aa8e0", "#f08042"))
"""Card and first two hues of a light and of a dark page, as in report.css."""

DIGITS = {(True, False): "#010101", (False, True): "#fefefe", (True, True): "#000000", (False, False): "#ffffff"}
"""(black on the light page, black on the dark one) -> colour; the page turns the first two over when it is dark."""

MARKERS = {"none": "o", "inductive": "^", "transductive": "s", "calibrated": "D"}
WIDTH_IN, NARROW_IN = 3.6, 3.1
LOOK: Any = {
    "font.size": 8,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "figure.constrained_layout.w_pad": 0.02,
    "figure.constrained_layout.h_pad": 0.03,
    "svg.fonttype": "none",
    "svg.hashsalt": "mien",
}


def in_one_look(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Let a function draw its figure in the house's look, whatever the caller's own settings are."""

    @wraps(draw)
    def drawn(*arguments: Any, **options: Any) -> Figure:
        with settings(**LOOK):
            return draw(*arguments, **options)

    return drawn


def new_figure(
    height_in: float, rows: int = 1, columns: int = 1, *, width_in: float = WIDTH_IN, **options: Any
) -> tuple[Figure, Any]:
    """Return a figure one column wide, and its axes."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def colour_of(methods: Sequence[str]) -> dict[str, str]:
    """Return method -> colour, in the order of the methods."""
    return {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(dict.fromkeys(methods))}


@in_one_look
def comparison_figure(
    estimates: Mapping[tuple[str, str], Interval],
    per_subject: pd.DataFrame,
    floors: Mapping[str, float],
    label: str,
) -> Figure:
    """Return one line per method and adaptation: estimate, interval over people, a dot per person (FacER Fig. 10).

    Args:
        estimates: (method, adaptation) -> interval.
        per_subject: one row per subject, one column per (method, adaptation).
        floors: name -> score of what needs no ear, drawn as dashed lines.
        label: of the horizontal axis.
    """
    colours = colour_of([method for method, _ in estimates])
    figure, axes = new_figure(0.6 + 0.5 * len(estimates))
    rng = np.random.default_rng(0)
    for line, ((method, adaptation), interval) in enumerate(estimates.items()):
        colour, level = colours[method], -float(line)
        people = per_subject[(method, adaptation)].dropna().to_numpy()
        jitter = level - 0.22 + rng.uniform(-0.06, 0.06, len(people))
        axes.plot(people, jitter, linestyle="", marker="o", markersize=3, color=colour, alpha=0.6, mew=0)
        axes.plot([interval.low, interval.high], [level, level], color=colour, linewidth=2.4, solid_capstyle="butt")
        axes.plot(
            interval.estimate, level, marker=MARKERS[adaptation.split("-")[0]], markersize=6.5, color=colour, mew=0
        )
        note = "" if adaptation == "none" else f", {adaptation}"
        axes.text(0.0, level + 0.18, method + note, va="bottom", ha="left")
        axes.text(1.0, level + 0.18, f"{interval.estimate:.0%}", va="bottom", ha="right", fontweight="bold")
    for name, value in floors.items():
        # Beside the marks only, so that the line crosses no label.
        lows = -np.arange(len(estimates)) - 0.36
        axes.vlines(
            np.full(len(lows), value), lows, lows + 0.5, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=0
        )
        axes.text(value, 0.62, name, fontsize=7, color=MUTED, ha="center", va="bottom")
    axes.set(xlim=(0, 1), ylim=(-len(estimates) + 0.55, 0.85), yticks=[], xlabel=label)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    return figure


@in_one_look
def confusion_figure(counts: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Return a confusion map: each row's shares, truth down, prediction across (FacER Fig. 6).

    The caption there swaps cases 3 and 4; the paper's text has them right.

    The shade is the colour's opacity, so that the map reads on a light and on a dark page.
    """
    with np.errstate(invalid="ignore"):
        shares = np.nan_to_num(counts / counts.sum(axis=1, keepdims=True))
    n_classes = len(classes)
    figure, axes = new_figure(0.95 + 0.33 * n_classes, width_in=NARROW_IN)
    for truth in range(n_classes):
        for predicted in range(n_classes):
            share = float(shares[truth, predicted])
            colour = PALETTE[0] if truth == predicted else PALETTE[1]
            alpha = 0.06 + 0.8 * share
            tile = Rectangle((predicted + 0.03, truth + 0.03), 0.94, 0.94, facecolor=colour, alpha=alpha)
            axes.add_patch(tile)
            ink = digit_colour(0 if truth == predicted else 1, alpha)
            weight = "bold" if truth == predicted else "normal"
            axes.text(
                predicted + 0.5,
                truth + 0.52,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                color=ink,
                fontweight=weight,
            )
    axes.set(xlim=(0, n_classes), ylim=(n_classes, 0), xlabel="predicted, % of the true class", title=title)
    axes.set_xticks(np.arange(n_classes) + 0.5, [_short(name) for name in classes], rotation=35, ha="right")
    axes.set_yticks(np.arange(n_classes) + 0.5, classes)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


@in_one_look
def precision_recall_figure(predictions: pd.DataFrame, title: str) -> Figure:
    """Return a precision-recall curve per class with its average precision (FacER Fig. 8)."""
    classes, probabilities = classes_of(predictions), probabilities_of(predictions)
    area = average_precision(predictions["truth"], probabilities, classes)
    styles = ("-", (0, (4, 1.5)), (0, (1, 1)))
    figure, axes = new_figure(2.9 + 0.14 * ((len(classes) + 1) // 2))
    for number, name in enumerate(classes):
        if not np.isfinite(area[name]):
            continue
        found, remembered = precision_recall(predictions["truth"], probabilities[:, number], name)
        axes.plot(
            remembered,
            found,
            color=PALETTE[number % len(PALETTE)],
            drawstyle="steps-pre",
            linestyle=styles[number // len(PALETTE) % len(styles)],
            label=f"{name}  {area[name]:.2f}",
        )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title=title)
    axes.grid()
    figure.legend(loc="outside lower center", ncols=2, handlelength=1.6, columnspacing=1.2, title="average precision")
    return figure


@in_one_look
def calibration_figure(predictions: pd.DataFrame, title: str, *, equal_mass: bool = False) -> Figure:
    """Return accuracy against confidence per bin, and how many units lie in each bin."""
    correct = (predictions["truth"] == predictions["predicted"]).to_numpy()
    confidence = probabilities_of(predictions).max(axis=1)
    bins = calibration(correct, confidence, equal_mass=equal_mass)
    figure, (axes, counts) = new_figure(3.0, 2, sharex=True, height_ratios=(4, 1), width_in=NARROW_IN)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.vlines(bins["confidence"], bins["accuracy"], bins["confidence"], color=PALETTE[1], linewidth=1.2, alpha=0.7)
    axes.plot(bins["confidence"], bins["accuracy"], color=PALETTE[0], linewidth=1)
    axes.scatter(bins["confidence"], bins["accuracy"], s=8 + 60 * bins["n"] / bins["n"].sum(), color=PALETTE[0], lw=0)
    axes.text(0.03, 0.95, f"ECE {calibration_error(bins):.3f}", transform=axes.transAxes, va="top", fontweight="bold")
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that was right", title=title)
    axes.grid()
    counts.bar(bins["confidence"], bins["n"], width=0.035, color=PALETTE[0], alpha=0.55, linewidth=0)
    counts.set(xlabel="confidence", ylabel="count")
    counts.locator_params(axis="y", nbins=2)
    counts.spines["left"].set_visible(False)
    return figure


def luminance(colour: str) -> float:
    """Return the relative luminance of an sRGB colour, 0 to 1 (WCAG 2.1).

    Example:
        >>> round(luminance("#ffffff"), 3), round(luminance("#0072b2"), 3)
        (1.0, 0.152)
    """
    values = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def digit_colour(hue_number: int, alpha: float) -> str:
    """Return the colour of a digit on a tile of a hue with an opacity: black or white, by the tile's luminance.

    On a dark page the same tile has another luminance; of the four colours in `DIGITS` that one is returned which reads
    better on either page. Black or white always has a contrast of at least 4.58.
    """
    black = []
    for card, *hues in PAGES:
        tile = luminance(blend(hues[hue_number], card, alpha))
        black.append(tile > math.sqrt(1.05 * 0.05) - 0.05)
    return DIGITS[(black[0], black[1])]


def blend(colour: str, below: str, alpha: float) -> str:
    """Return the colour that is seen where one lies with an opacity on another.

    Example:
        >>> blend("#000000", "#ffffff", 0.4)
        '#999999'
    """
    pairs = [(int(colour[place : place + 2], 16), int(below[place : place + 2], 16)) for place in (1, 3, 5)]
    return "#" + "".join(f"{round(alpha * above + (1 - alpha) * under):02x}" for above, under in pairs)


def confusion_of(predictions: pd.DataFrame) -> np.ndarray:
    """Return the (class class) counts of a table of predictions."""
    return confusion(predictions["truth"], predictions["predicted"], classes_of(predictions))


def _short(name: str) -> str:
    return name if len(name) <= 10 else name[:9] + "…"

"""The figures of the FacER paper that the report's own do not cover: Fig. 3, 7, 9 and 10, from tables and arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mien.evaluation.drawing import Figure, Line2D, Patch
from mien.evaluation.embedding import Embedding
from mien.evaluation.figures import INK, MUTED, PALETTE, colour_of, in_one_look, new_figure
from mien.evaluation.figures_sound import COLOURS

SHAPES = ("o", "^", "s", "D", "v", "P", "X", "<")
POLAR_SCORES = {
    "accuracy": "accuracy",
    "macro_precision": "precision",
    "balanced_accuracy": "recall",
    "macro_f1": "F1",
}
"""Column -> the word of FacER Fig. 7."""


@in_one_look
def spectrograms_figure(
    images: np.ndarray,
    freq_hz: np.ndarray,
    time_s: np.ndarray,
    people: Sequence[str],
    classes: Sequence[str],
    span_db: float = 35.0,
) -> Figure:
    """Return spectrograms of every class, one column per person, all on one scale (FacER Fig. 3, turned).

    The paper has a row per person; a column per person stays readable on a phone.

    Args:
        images: (person class freq time) magnitudes.
        freq_hz, time_s: (freq), (time) centres of the cells.
        people: what heads each column.
        span_db: below the loudest, of which all that lies lower looks alike.
    """
    levels = 20 * np.log10(np.maximum(images, 1e-9))
    loudest = float(np.quantile(levels, 0.998))
    extent = (*_borders(1000 * time_s), *_borders(freq_hz / 1000))
    figure, panels = new_figure(
        0.95 + 0.7 * len(classes), len(classes), len(people), sharex=True, sharey=True, squeeze=False
    )
    for column, line in np.ndindex(images.shape[:2]):
        drawn = panels[line, column].imshow(
            levels[column, line],
            origin="lower",
            aspect="auto",
            extent=extent,
            vmin=loudest - span_db,
            vmax=loudest,
            cmap=COLOURS,
        )
        panels[line, column].tick_params(labelsize=6.5)
    for panel, name in zip(panels[:, -1], classes, strict=True):
        panel.set_ylabel(name, fontsize=7.5, color=INK, rotation=270, va="center", labelpad=8)
        panel.yaxis.set_label_position("right")
    for panel, name in zip(panels[0], people, strict=True):
        panel.set_title(name, fontsize=7.5)
    figure.supxlabel("time, ms", fontsize=8, color=MUTED)
    figure.supylabel("frequency, kHz", fontsize=8, color=MUTED)
    bar = figure.colorbar(drawn, ax=panels, location="top", aspect=45, pad=0.012, shrink=0.7)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.set_title("level, dB", fontsize=7.5, fontweight="normal", color=MUTED, loc="center")
    bar.ax.tick_params(labelsize=6.5)
    return figure


@in_one_look
def polar_figure(scores: pd.DataFrame) -> Figure:
    """Return the methods' scores as bars on a polar axis, the mean over folds and their spread (FacER Fig. 7).

    Args:
        scores: one row per method and fold, as `mien.evaluation.results.fold_scores` gives them for one adaptation
            each; the columns of `POLAR_SCORES` and `method`.
    """
    methods = list(dict.fromkeys(scores["method"]))
    colours = colour_of(methods)
    figure = Figure(figsize=(3.6, 3.95), layout="constrained")
    axes: Any = figure.add_subplot(projection="polar")
    sector = 2 * np.pi / len(POLAR_SCORES)
    width = 0.86 * sector / len(methods)
    for number, method in enumerate(methods):
        part = scores[scores["method"] == method]
        angle = np.arange(len(POLAR_SCORES)) * sector + (number - (len(methods) - 1) / 2) * width
        means = part[list(POLAR_SCORES)].mean().to_numpy()
        spread = part[list(POLAR_SCORES)].std(ddof=0).to_numpy()
        axes.bar(angle, means, width=0.9 * width, color=colours[method], linewidth=0, label=method)
        for place, mean, deviation in zip(angle, means, spread, strict=True):
            axes.plot([place, place], [mean - deviation, mean + deviation], color=INK, linewidth=0.9)
    axes.set_theta_offset(np.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_ylim(0, 1)
    axes.set_rorigin(-0.2)
    axes.set_xticks(np.arange(len(POLAR_SCORES)) * sector, list(POLAR_SCORES.values()), color=INK)
    axes.set_yticks((0.25, 0.5, 0.75, 1.0), ("25 %", "50 %", "75 %", "100 %"), fontsize=6.5, color=INK)
    axes.set_rlabel_position(np.rad2deg(sector / 2))
    axes.xaxis.grid(False)
    axes.set_axisbelow(False)
    axes.spines["polar"].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, handlelength=0.9, columnspacing=1.1, handletextpad=0.4)
    return figure


@in_one_look
def clusters_figure(embeddings: Mapping[str, Embedding]) -> Figure:
    """Return representations laid out in a plane, by the cluster found and by the expression shown (FacER Fig. 9).

    Args:
        embeddings: side -> its embedding; of the same classes.
    """
    classes = next(iter(embeddings.values())).classes
    figure, panels = new_figure(0.6 + 1.75 * len(embeddings), len(embeddings), 2, squeeze=False)
    figure.set_dpi(220)  # the points are drawn as pixels: thousands of shapes would make a page heavy
    for line, (side, embedding) in enumerate(embeddings.items()):
        truth = np.array([classes.index(name) for name in embedding.expressions])
        for panel, found, words in (
            (panels[line, 0], embedding.clusters, f"{side}: clusters"),
            (panels[line, 1], truth, "what was shown"),
        ):
            for number in range(len(classes)):
                here = embedding.positions[found == number]
                style = {"marker": SHAPES[number % len(SHAPES)], "color": PALETTE[number % len(PALETTE)]}
                panel.scatter(here[:, 0], here[:, 1], s=5, linewidths=0, alpha=0.75, rasterized=True, **style)
            panel.set_title(words, fontsize=7.5)
            panel.set(xticks=[], yticks=[])
            for spine in panel.spines.values():
                spine.set_visible(False)
        panels[line, 0].set_xlabel(f"{embedding.agreement:.0%} lie in their class's cluster", fontsize=7)
    handles = [
        Line2D(
            [], [], linestyle="", marker=SHAPES[n % len(SHAPES)], color=PALETTE[n % len(PALETTE)], markersize=4, mew=0
        )
        for n in range(len(classes))
    ]
    figure.legend(handles, classes, loc="outside lower center", ncols=3, handletextpad=0.2, columnspacing=1.2)
    return figure


@in_one_look
def models_figure(table: pd.DataFrame, label: str = "share named right, or F1") -> Figure:
    """Return our scores beside those that the paper states, a block per method (FacER Fig. 10).

    Args:
        table: one row per method and score: method, score (its name), ours, low, high (interval over people), paper;
            NaN where there is none.
    """
    methods = list(dict.fromkeys(table["method"]))
    colours = colour_of(methods)
    figure, axes = new_figure(0.9 + 0.3 * len(methods) + 0.27 * len(table))
    level, ticks = 0.0, {}
    for method in methods:
        axes.text(0, level, method, va="center", fontweight="bold")
        level -= 0.85
        for row in table[table["method"] == method].itertuples(index=False):
            _bars(axes, level, row, colours[method])
            ticks[level] = str(row.score)
            level -= 0.8
        level -= 0.15
    axes.text(1.03, 0, "ours", fontsize=7, va="center", fontweight="bold")
    axes.text(1.17, 0, "paper", fontsize=7, va="center", color=MUTED)
    axes.set(xlim=(0, 1), ylim=(level + 0.4, 0.4), xlabel=label)
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    handles = [Patch(color=PALETTE[0], alpha=0.85), Patch(facecolor="none", edgecolor=MUTED)]
    names = ["ours, simulated people", "the paper, real people"]
    figure.legend(handles, names, loc="outside lower center", ncols=2, handlelength=1)
    return figure


def _bars(axes: Any, level: float, row: Any, colour: str) -> None:
    """Draw our score as a bar with its interval, and the paper's as an outline below it."""
    if np.isfinite(row.ours):
        axes.barh(level + 0.1, row.ours, height=0.36, color=colour, alpha=0.85, linewidth=0)
        axes.plot([row.low, row.high], [level + 0.1] * 2, color=INK, linewidth=1)
    if np.isfinite(row.paper):
        axes.barh(level - 0.2, row.paper, height=0.18, facecolor="none", edgecolor=MUTED, linewidth=0.9)
    axes.text(1.03, level, _percent(row.ours), va="center", fontsize=7, fontweight="bold")
    axes.text(1.17, level, _percent(row.paper), va="center", fontsize=7, color=MUTED)


def _percent(value: float) -> str:
    return f"{value:.0%}" if np.isfinite(value) else "–"


def _borders(centres: np.ndarray) -> tuple[float, float]:
    half = (centres[1] - centres[0]) / 2 if len(centres) > 1 else 0.5
    return float(centres[0] - half), float(centres[-1] + half)

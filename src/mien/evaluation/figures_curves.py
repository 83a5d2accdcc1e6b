"""Figures of scores over something that was turned: takes of a person, people trained on, noise, coverage."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mien.evaluation.adaptation import adaptation_named
from mien.evaluation.drawing import Figure
from mien.evaluation.figures import MUTED, colour_of, in_one_look, new_figure
from mien.evaluation.metrics import classes_of, confused_pairs, confusion, coverage_curve
from mien.evaluation.statistics import Interval

SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LEAST_COVERAGE = 0.03
"""Less is a handful of units, whose share jumps from one to the next."""

STYLES = ("-", (0, (4, 1.5)), (0, (1, 1)))


@in_one_look
def takes_figure(estimates: Mapping[tuple[str, str], Interval], label: str) -> Figure:
    """Return what takes of a person bring, over how many: unlabelled to the left, labelled to the right.

    A method's line starts from where it stands as trained.

    Args:
        estimates: (method, adaptation) -> interval; halves and transductive adaptation have no number and no place.
        label: of the vertical axis.
    """
    kinds = {"inductive": "unlabelled takes\nper person", "calibrated": "labelled takes\nper expression"}
    asked = {key: adaptation_named(key[1]) for key in estimates}
    found = [kind for kind in kinds if any(a.kind == kind and a.n_takes is not None for a in asked.values())]
    figure, panels = new_figure(3.0, 1, len(found), sharey=True, squeeze=False)
    methods = list(dict.fromkeys(method for method, _ in estimates))
    colours = colour_of(methods)
    for panel, kind in zip(panels[0], found, strict=True):
        counts: set[int] = set()
        for number, method in enumerate(methods):
            points = {
                a.n_takes: estimates[key]
                for key, a in asked.items()
                if key[0] == method and a.kind == kind and a.n_takes is not None
            }
            counts |= set(points)
            if points and (method, "none") in estimates:
                points[-1] = estimates[(method, "none")]
            if points:
                _line(panel, sorted(points.items()), colours[method], SHAPES[number % len(SHAPES)], method)
        _count_axis(panel, sorted(counts), kinds[kind])
    panels[0, 0].set_ylabel(label)
    handles, names = max((panel.get_legend_handles_labels() for panel in panels[0]), key=lambda shown: len(shown[1]))
    figure.legend(handles, names, loc="outside lower center", ncols=3, handlelength=1.6)
    return figure


def _place(n_takes: int) -> float:
    """Return where a count stands on the axis: as trained first, then 0, 1, 2, 5, 10 by their logarithm."""
    return float(n_takes) if n_takes < 1 else 1 + float(np.log2(n_takes))


def _count_axis(panel: Any, counts: list[int], words: str) -> None:
    panel.set_xticks([_place(number) for number in (-1, *counts)], ["as is", *map(str, counts)])
    panel.set(xlabel=words)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.margins(x=0.12)
    panel.grid(axis="y")


def _line(panel: Any, points: list[tuple[int, Interval]], colour: str, shape: str, name: str) -> None:
    places = [_place(number) for number, _ in points]
    values = [interval.estimate for _, interval in points]
    panel.plot(places, values, color=colour, marker=shape, markersize=4.5, mew=0, label=name)
    for place, (_, interval) in zip(places, points, strict=True):
        panel.plot([place, place], [interval.low, interval.high], color=colour, linewidth=1, alpha=0.6)


@in_one_look
def curves_figure(
    curves: pd.DataFrame,
    label_x: str,
    label_y: str,
    *,
    logarithmic: bool = False,
    floors: Mapping[str, float] | None = None,
    goals: Mapping[str, float] | None = None,
) -> Figure:
    """Return scores over something that was turned, a line per method: people trained on, noise, length of a window.

    Args:
        curves: line (its name), x, estimate, low, high; one row per point, low and high NaN where unknown.
        logarithmic: x by powers of two, each value marked.
        floors: name -> score of what needs no ear. goals: name -> score that was asked for.
    """
    figure, axes = new_figure(3.1)
    names = list(dict.fromkeys(curves["line"]))
    colours = colour_of(names)
    for number, name in enumerate(names):
        part = curves[curves["line"] == name].sort_values("x")
        shape = SHAPES[number % len(SHAPES)]
        axes.plot(part["x"], part["estimate"], color=colours[name], marker=shape, markersize=4.5, mew=0, label=name)
        axes.fill_between(part["x"], part["low"], part["high"], color=colours[name], alpha=0.13, linewidth=0)
    for lines, style in ((floors or {}, (0, (3, 2))), (goals or {}, (0, (1, 1.5)))):
        for name, value in lines.items():
            axes.axhline(value, color=MUTED, linewidth=0.9, linestyle=style, zorder=0)
            beside = axes.get_yaxis_transform()
            axes.text(0.995, value + 0.008, name, transform=beside, fontsize=7, color=MUTED, ha="right")
    if logarithmic:
        axes.set_xscale("log", base=2)
        values = sorted(set(curves["x"]))
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
    axes.set(xlabel=label_x, ylabel=label_y, ylim=(0, 1))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid()
    figure.legend(loc="outside lower center", ncols=3, handlelength=1.8, columnspacing=1.2)
    return figure


@in_one_look
def coverage_figure(scored: Mapping[str, pd.DataFrame], marks: tuple[float, ...] = (0.5, 0.8)) -> Figure:
    """Return how often it is right among what it is surest of, over how much that is.

    Args:
        scored: name -> predictions of one unit and one case.
        marks: coverages at which the value is written.
    """
    figure, axes = new_figure(3.1)
    colours = colour_of(list(scored))
    for number, (name, predictions) in enumerate(scored.items()):
        covered, right = coverage_curve(predictions)
        enough = covered >= LEAST_COVERAGE
        axes.plot(
            covered[enough], right[enough], color=colours[name], label=name, linestyle=STYLES[number // 6 % len(STYLES)]
        )
        for mark in marks:
            value = float(np.interp(mark, covered, right))
            axes.plot(mark, value, marker=SHAPES[number % len(SHAPES)], color=colours[name], markersize=4, mew=0)
            if len(scored) <= 2:
                axes.text(mark, value + 0.025, f"{value:.0%}", fontsize=7, ha="center", color=colours[name])
    for mark in marks:
        axes.axvline(mark, color=MUTED, linewidth=0.7, linestyle=(0, (3, 2)), zorder=0)
    axes.set(xlabel="share answered, the surest first", ylabel="share of those named right")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid()
    figure.legend(loc="outside lower center", ncols=3, handlelength=1.8, columnspacing=1.2)
    return figure


@in_one_look
def pairs_figure(scored: Mapping[str, pd.DataFrame], n_pairs: int = 8) -> Figure:
    """Return the confusions that stay: the pairs of classes most often taken for each other, a mark per method.

    Args:
        scored: name -> predictions of one unit and one case; of the same classes.
        n_pairs: drawn, by the mean over methods.
    """
    shares = {}
    for name, predictions in scored.items():
        classes = classes_of(predictions)
        pairs = confused_pairs(confusion(predictions["truth"], predictions["predicted"], classes), classes)
        shares[name] = pairs.set_index(pairs["first"] + " – " + pairs["second"])["share"]
    table = pd.DataFrame(shares)
    table = table.loc[table.mean(axis=1).sort_values(ascending=False, kind="stable").index[:n_pairs]]
    figure, axes = new_figure(0.95 + 0.24 * len(table))
    colours = colour_of(list(scored))
    places = -np.arange(len(table))
    axes.hlines(places, table.min(axis=1), table.max(axis=1), color=MUTED, linewidth=0.8)
    for number, name in enumerate(table.columns):
        shape = SHAPES[number % len(SHAPES)]
        axes.plot(table[name], places, linestyle="", marker=shape, markersize=5, mew=0, color=colours[name], label=name)
    axes.set_yticks(places, list(table.index))
    axes.set(xlim=(0, None), xlabel="share of both that was named the other")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    figure.legend(loc="outside lower center", ncols=4, handletextpad=0.2, columnspacing=1.2)
    return figure

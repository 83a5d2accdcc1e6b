"""Figures of scores over something that was turned: takes of a person, people trained on, noise, coverage."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mien.evaluation.adaptation import adaptation_named
from mien.evaluation.figures import colour_of, in_one_look, new_figure
from mien.evaluation.statistics import Interval

SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">")


@in_one_look
def takes_figure(estimates: Mapping[tuple[str, str], Interval], label: str) -> Figure:
    """Return what takes of a person bring, over how many: unlabelled to the left, labelled to the right.

    A method's line starts from where it stands as trained.

    Args:
        estimates: (method, adaptation) -> interval; halves and transductive adaptation have no number and no place.
        label: of the vertical axis.
    """
    figure, panels = new_figure(3.0, 1, 2, sharey=True)
    methods = list(dict.fromkeys(method for method, _ in estimates))
    colours = colour_of(methods)
    for panel, kind, words in (
        (panels[0], "inductive", "unlabelled takes per person"),
        (panels[1], "calibrated", "labelled takes per expression"),
    ):
        counts: set[int] = set()
        for number, method in enumerate(methods):
            found = {
                asked.n_takes: interval
                for (name, word), interval in estimates.items()
                if name == method and (asked := adaptation_named(word)).kind == kind and asked.n_takes is not None
            }
            if not found:
                continue
            start = estimates.get((method, "none"))
            points = ([(-1, start)] if start else []) + sorted(found.items())
            counts |= set(found)
            _line(panel, points, colours[method], SHAPES[number % len(SHAPES)], method)
        _count_axis(panel, sorted(counts), words)
    panels[0].set_ylabel(label)
    handles = {
        text: handle for panel in panels for handle, text in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, handlelength=1.6)
    return figure


def _place(n_takes: int) -> float:
    """Return where a count stands on the axis: as trained first, then 0, 1, 2, 5, 10 by their logarithm."""
    return float(n_takes) if n_takes < 1 else 1 + float(np.log2(n_takes))


def _count_axis(panel: Any, counts: list[int], words: str) -> None:
    if not counts:
        panel.set_visible(False)
        return
    panel.set_xticks([_place(number) for number in (-1, *counts)], ["as\ntrained", *map(str, counts)])
    panel.set(xlabel=words)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.grid(axis="y")


def _line(panel: Any, points: list[tuple[int, Interval]], colour: str, shape: str, name: str) -> None:
    places = [_place(number) for number, _ in points]
    values = [interval.estimate for _, interval in points]
    panel.plot(places, values, color=colour, marker=shape, markersize=4.5, mew=0, label=name)
    for place, (_, interval) in zip(places, points, strict=True):
        panel.plot([place, place], [interval.low, interval.high], color=colour, linewidth=1, alpha=0.6)

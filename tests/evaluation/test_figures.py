"""Figures: drawn for every probe and shape of features, and showing the numbers they are given."""

import re
from importlib import resources

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from mien.evaluation.figures import (
    DIGITS,
    PAGES,
    PALETTE,
    blend,
    comparison_figure,
    confusion_figure,
    digit_colour,
    luminance,
)
from mien.evaluation.figures_sound import cleaning_figure, echoes_figure, probe_figure
from mien.evaluation.inline import svg, table_html
from mien.evaluation.statistics import Interval
from mien.probe import Chirp, Composite, PureTones
from mien.sensing.features import Axis, Features

PROBES = (Chirp(), PureTones((19_000.0,), rate_hz=44_100), Composite((Chirp(high_hz=21_000), PureTones((21_700.0,)))))


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.kind)
def test_every_probe_is_drawn_around_its_band(probe):
    figure = probe_figure(probe)
    low_khz, high_khz = figure.axes[1].get_ylim()
    assert low_khz <= probe.band_hz[0] / 1000 and probe.band_hz[1] / 1000 <= high_khz
    assert svg(figure, "a probe").startswith('<svg role="img" aria-label="a probe"')


def test_a_picture_of_a_chirp_rises():
    image = probe_figure(Chirp(), n_periods=1).axes[1].images[0].get_array()
    early, late = (np.asarray(image[:, part]).mean(axis=1).argmax() for part in (slice(10, 20), slice(35, 45)))
    assert late > early


def test_a_caller_s_own_settings_do_not_change_a_figure():
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        loud = confusion_figure(np.eye(3), ["a", "b", "c"], "title")
    quiet = confusion_figure(np.eye(3), ["a", "b", "c"], "title")
    assert loud.axes[0].title.get_size() == quiet.axes[0].title.get_size() == 8.5
    assert matplotlib.rcParams["svg.fonttype"] != "none"


def test_a_confusion_map_shows_shares_of_the_true_class():
    figure = confusion_figure(np.array([[3, 1], [0, 0]]), ["fear", "anger"], "")
    assert [text.get_text() for text in figure.axes[0].texts] == ["75", "25", "0", "0"]


def test_digits_of_a_confusion_map_are_readable_on_a_light_and_on_a_dark_page():
    black_of = {colour: black for black, colour in DIGITS.items()}
    for hue_number in (0, 1):
        for alpha in 0.06 + 0.8 * np.linspace(0, 1, 101):
            black = black_of[digit_colour(hue_number, alpha)]
            for (card, *hues), is_black in zip(PAGES, black, strict=True):
                tile = luminance(blend(hues[hue_number], card, alpha)) + 0.05
                assert (tile / 0.05 if is_black else 1.05 / tile) >= 4.5


def test_the_pages_of_the_digits_are_those_of_the_style_sheet():
    text = (resources.files("mien.evaluation") / "report.css").read_text(encoding="utf-8")
    for page, (card, *hues) in zip(text.split("@media (prefers-color-scheme: dark)")[:2], PAGES, strict=True):
        found = [re.search(rf"--{name}: (#[0-9a-f]{{6}})", page)[1] for name in ("card", "hue-0", "hue-1")]
        assert found == [card, *hues]


def test_every_colour_of_the_palette_stands_out_on_a_light_and_on_a_dark_page():
    text = (resources.files("mien.evaluation") / "report.css").read_text(encoding="utf-8")
    for page, (card, *_) in zip(text.split("@media (prefers-color-scheme: dark)")[:2], PAGES, strict=True):
        hues = [re.search(rf"--hue-{number}: (#[0-9a-f]{{6}})", page)[1] for number in range(len(PALETTE))]
        assert len(set(hues)) == len(PALETTE)
        for colour in hues:
            low, high = sorted((luminance(colour) + 0.05, luminance(card) + 0.05))
            assert high / low >= 3  # WCAG 2.1, 1.4.11


def test_the_line_of_chance_crosses_no_label():
    estimates = {(name, "none"): Interval(0.4, 0.3, 0.5) for name in ("a long name of a method", "other")}
    people = pd.DataFrame({key: [0.3, 0.5] for key in estimates})
    people.columns = pd.MultiIndex.from_tuples(estimates)
    axes = comparison_figure(estimates, people, {"chance": 1 / 6}, "share").axes[0]
    names = [method for method, _ in estimates]
    labels = [text.get_position()[1] for text in axes.texts if text.get_text() in names]
    assert labels == pytest.approx([0.18, -0.82])
    (line,) = [found for found in axes.collections if len(found.get_segments()) == 2]
    for segment in line.get_segments():
        low, high = segment[:, 1]
        assert all(high <= label or low >= label + 0.45 for label in labels)


def test_cleaning_shows_both_on_one_scale():
    time = np.arange(4800) / 48_000
    raw = 4 * np.sin(2 * np.pi * 21_000 * time)
    figure = cleaning_figure(raw, raw / 100, 48_000, (19_000, 23_000))
    (first, second) = (axes.images[0] for axes in figure.axes[1:3])
    assert first.get_clim() == second.get_clim()
    assert np.max(first.get_array()) - np.max(second.get_array()) == pytest.approx(40, abs=0.1)


@pytest.mark.parametrize("n_classes", [2, 6, 10])
@pytest.mark.parametrize("kind", [np.float32, np.complex64])
def test_echoes_are_drawn_one_panel_per_class(n_classes, kind):
    axes = (Axis("microphone", "", np.zeros(1)), Axis("range", "m", np.linspace(0.25, 0.5, 12)))
    axes = (*axes, Axis("time", "s", np.arange(20) * 0.05))
    values = np.random.default_rng(0).normal(size=(2 * n_classes, 1, 12, 20)).astype(kind)
    rows = np.repeat(np.arange(n_classes), 2)
    features = Features(values, axes, None, rows, np.zeros(2 * n_classes))
    figure = echoes_figure(features, {f"class {row}": row for row in range(n_classes)})
    shown = [panel for panel in figure.axes if panel.images]
    assert len(shown) == n_classes and shown[0].get_title(loc="left") == "class 0"
    assert shown[-1].get_xlabel() == "time, ms" and shown[0].get_ylim()[1] == pytest.approx(51.1, abs=0.2)


def test_only_a_table_with_many_columns_says_that_it_scrolls():
    assert 'class="table many"' in table_html(pd.DataFrame([range(4)]), "wide")
    assert 'class="table"' in table_html(pd.DataFrame([range(3)]), "narrow")


def test_words_in_pictures_and_tables_are_escaped():
    assert 'aria-label="&lt;b&gt;"' in svg(Figure(), "<b>")
    text = table_html(pd.DataFrame({"a<b": ["<i>"]}), "x & y")
    assert "a&lt;b" in text and "&lt;i&gt;" in text and "x &amp; y" in text

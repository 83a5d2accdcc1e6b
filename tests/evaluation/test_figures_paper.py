"""The paper's figures and the curves: each shows the numbers it was given; the arrays behind them are right."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from mien.datasets.simulated import simulate_study
from mien.datasets.study import load_study
from mien.errors import ModelError, StudyError
from mien.evaluation.embedding import embed, matched
from mien.evaluation.examples import cleaning_of, expression_images
from mien.evaluation.figures import PALETTE
from mien.evaluation.figures_curves import coverage_figure, curves_figure, pairs_figure, takes_figure
from mien.evaluation.figures_paper import clusters_figure, models_figure, polar_figure, spectrograms_figure
from mien.evaluation.inline import svg
from mien.evaluation.metrics import accuracy, accuracy_at_coverage, confused_pairs, coverage_curve
from mien.evaluation.results import fold_scores, summary
from mien.evaluation.statistics import Interval
from mien.probe import Chirp
from mien.sensing.features import Axis, Features
from mien.simulate.options import SimulationOptions

CLASSES = ("anger", "fear", "surprise")


def predictions_of(n=300, right=0.6, seed=0, method="mien", n_folds=3):
    rng = np.random.default_rng(seed)
    truth = rng.choice(CLASSES, size=n)
    probabilities = rng.dirichlet(np.ones(3), size=n)
    best = np.array([CLASSES.index(name) for name in truth])
    swap = rng.random(n) < right
    largest = probabilities.argmax(axis=1)
    for row in np.flatnonzero(swap):
        probabilities[row, [best[row], largest[row]]] = probabilities[row, [largest[row], best[row]]]
    table = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in CLASSES])
    predicted = np.array(CLASSES)[probabilities.argmax(axis=1)]
    keys = {"method": method, "protocol": "leave-out:place", "adaptation": "none", "seed": 0, "scored_unit": "take"}
    return table.assign(truth=truth, predicted=predicted, fold=rng.integers(0, n_folds, n), row=np.arange(n), **keys)


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def test_spectrograms_stand_a_person_per_column_on_one_scale():
    images = np.ones((3, 2, 4, 5))
    images[2, 1] *= 10
    figure = spectrograms_figure(
        images, np.linspace(19e3, 23e3, 4), np.arange(5) * 0.01, list("xyz"), ["fear", "anger"]
    )
    panels = [panel for panel in figure.axes if panel.images]
    assert len(panels) == 6 and len({panel.images[0].get_clim() for panel in panels}) == 1
    assert [panel.get_title(loc="left") for panel in panels[:3]] == ["x", "y", "z"]
    assert np.asarray(panels[5].images[0].get_array()).mean() == pytest.approx(20)
    assert panels[0].get_ylim() == pytest.approx((19 - 2 / 3, 23 + 2 / 3))


def test_polar_bars_are_the_means_over_folds_and_their_spread():
    scores = fold_scores(pd.concat([predictions_of(method="one"), predictions_of(method="two", right=0.2, seed=1)]))
    assert len(scores) == 6
    axes = polar_figure(scores).axes[0]
    heights = np.array([bar.get_height() for bar in axes.patches]).reshape(2, 4)
    names = ["accuracy", "macro_precision", "balanced_accuracy", "macro_f1"]
    expected = scores.groupby("method")[names].mean().to_numpy()
    assert heights == pytest.approx(expected) and (heights[0] > heights[1]).all()
    low, high = axes.lines[0].get_ydata()
    assert high - low == pytest.approx(2 * scores[scores["method"] == "one"]["accuracy"].std(ddof=0))


def test_scores_of_a_fold_are_those_of_its_takes():
    predictions = predictions_of()
    found = fold_scores(predictions).set_index("fold")["accuracy"]
    for fold, part in predictions.groupby("fold"):
        assert found[fold] == pytest.approx((part["truth"] == part["predicted"]).mean())


def blobs(spread, n=60, seed=0):
    rng = np.random.default_rng(seed)
    expressions = np.repeat(CLASSES, n)
    centres = rng.normal(size=(3, 8))
    return np.repeat(centres, n, axis=0) + spread * rng.normal(size=(3 * n, 8)), expressions


def test_classes_that_lie_apart_are_found_without_labels_and_noise_is_not():
    apart, noise = embed(*blobs(0.05), perplexity=10), embed(*blobs(100.0), perplexity=10)
    assert apart.agreement == apart.rand_index == 1.0
    assert noise.agreement < 0.5 and abs(noise.rand_index) < 0.1
    near = [np.ptp(apart.positions[apart.expressions == name], axis=0).max() for name in CLASSES]
    assert max(near) < np.ptp(apart.positions, axis=0).max() / 2


def test_lengths_of_representations_do_not_count_and_the_seed_fixes_all():
    values, expressions = blobs(0.3)
    longer = values * np.random.default_rng(1).uniform(0.1, 10, size=(len(values), 1))
    one, other = embed(values, expressions, perplexity=10), embed(longer, expressions, perplexity=10)
    assert np.array_equal(one.clusters, other.clusters)
    assert np.array_equal(one.positions, embed(values, expressions, perplexity=10).positions)


def test_clusters_are_matched_to_classes_one_to_one():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 200)
    renamed = np.array([2, 0, 3, 1])[truth]
    assert np.array_equal(matched(renamed, truth, 4), truth)


def test_too_few_representations_or_none_that_are_numbers_are_refused():
    with pytest.raises(ModelError, match="9 representations to lay out.*more than 90"):
        embed(np.ones((9, 2)), ["fear"] * 9)
    with pytest.raises(ModelError, match="finite ones are needed"):
        embed(np.full((100, 2), np.nan), ["fear"] * 100)


def test_clusters_are_drawn_beside_what_was_shown_and_say_how_far_they_agree():
    figure = clusters_figure(
        {"learnt from": embed(*blobs(0.05), perplexity=10), "scored": embed(*blobs(9), perplexity=10)}
    )
    assert len(figure.axes) == 4 and figure.axes[0].get_xlabel().startswith("100%")
    n_points = [sum(len(dots.get_offsets()) for dots in panel.collections) for panel in figure.axes]
    assert n_points == [180] * 4
    assert len(svg(figure, "clusters")) < 300_000


def test_models_stand_beside_what_the_paper_states():
    rows = [("facer", "accuracy", 0.5, 0.4, 0.6, 0.85), ("mien", "accuracy", 0.8, 0.7, 0.9, np.nan)]
    axes = models_figure(pd.DataFrame(rows, columns=["method", "score", "ours", "low", "high", "paper"])).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.85, 0.8]
    assert texts_of(axes) == ["facer", "50%", "85%", "mien", "80%", "–", "ours", "paper"]


def test_curves_pass_through_their_points_in_order():
    table = pd.DataFrame({"line": ["a", "a", "b"], "x": [40, 10, 20], "estimate": [0.7, 0.5, 0.6]})
    table = table.assign(low=table["estimate"] - 0.1, high=table["estimate"] + 0.1)
    axes = curves_figure(
        table, "people", "right", logarithmic=True, floors={"chance": 1 / 6}, goals={"goal": 0.9}
    ).axes[0]
    assert axes.lines[0].get_xdata().tolist() == [10, 40] and axes.lines[0].get_ydata().tolist() == [0.5, 0.7]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "20", "40"]
    assert texts_of(axes) == ["chance", "goal"] and to_hex(axes.lines[1].get_color()) == PALETTE[1]


def test_takes_start_where_the_method_stood_as_trained():
    scores = {("a", "none"): 0.3, ("a", "inductive-1"): 0.4, ("a", "inductive-5"): 0.5, ("a", "calibrated-0"): 0.35}
    figure = takes_figure({key: Interval(value, value, value) for key, value in scores.items()}, "right")
    left, right = (panel.lines[0].get_ydata().tolist() for panel in figure.axes)
    assert left == [0.3, 0.4, 0.5] and right == [0.3, 0.35]
    only = takes_figure({("a", "calibrated-1"): Interval(0.5, 0.4, 0.6)}, "right")
    assert [panel.get_xlabel() for panel in only.axes] == ["labelled takes\nper expression"]


def test_the_surest_are_right_most_often_where_confidence_means_something():
    rng = np.random.default_rng(0)
    sure = rng.uniform(1 / 2, 1, 20_000)
    truth = np.where(rng.random(20_000) < sure, "fear", "anger")
    table = pd.DataFrame({"p_anger": 1 - sure, "p_fear": sure, "truth": truth, "predicted": "fear"})
    covered, right = coverage_curve(table)
    assert covered[-1] == 1 and right[-1] == pytest.approx((truth == "fear").mean())
    assert np.interp(0.5, covered, right) == pytest.approx(7 / 8, abs=0.01)  # mean of 3/4 to 1
    written = texts_of(coverage_figure({"one": table}).axes[0])
    assert written == [f"{np.interp(mark, covered, right):.0%}" for mark in (0.5, 0.8)]


def test_equal_confidences_are_answered_together():
    table = pd.DataFrame({"p_anger": 0.1, "p_fear": [0.9] * 4, "truth": ["fear", "anger"] * 2, "predicted": "fear"})
    covered, right = coverage_curve(table)
    assert covered.tolist() == [1.0] and right.tolist() == [0.5]


def test_accuracy_at_a_coverage_is_that_of_the_surest_whatever_the_order_of_equals():
    rng = np.random.default_rng(0)
    table = predictions_of(n=200)
    columns = [f"p_{name}" for name in CLASSES]
    truth = np.array([CLASSES.index(name) for name in table["truth"]])
    covered, right = coverage_curve(table)
    for coverage in (0.1, 0.5, 0.8, 1.0):
        found = accuracy_at_coverage(table[columns].to_numpy(), truth, coverage)
        assert found == pytest.approx(right[np.searchsorted(covered, coverage - 1e-9)])
    alike, labels = np.tile([0.7, 0.2, 0.1], (40, 1)), rng.integers(0, 3, 40)
    assert accuracy_at_coverage(alike, labels, 0.3) == pytest.approx(np.mean(labels == 0))
    assert summary(table.assign(subject="1"))["accuracy_at_0.5"].between(0.6, 1).all()


def test_confused_pairs_hold_every_mistake_once():
    counts = np.random.default_rng(0).integers(1, 20, size=(4, 4))
    pairs = confused_pairs(counts, list("abcd"))
    n_shown = dict(zip("abcd", counts.sum(axis=1), strict=True))
    wrong = sum(row.share * (n_shown[row.first] + n_shown[row.second]) for row in pairs.itertuples())
    assert len(pairs) == 6 and wrong / counts.sum() == pytest.approx(1 - accuracy(counts))
    assert (np.diff(pairs["share"]) <= 0).all()


def test_the_pairs_most_confused_are_drawn_first():
    axes = pairs_figure({"one": predictions_of(), "two": predictions_of(seed=3)}, n_pairs=2).axes[0]
    shares = np.mean([line.get_xdata() for line in axes.lines], axis=0)
    assert len(shares) == 2 and shares[0] >= shares[1]
    assert all(" – " in label.get_text() for label in axes.get_yticklabels())


def test_images_are_the_middle_window_of_each_take_cut_to_length():
    axes = (
        Axis("microphone", "", np.zeros(1)),
        Axis("freq", "Hz", np.arange(3.0)),
        Axis("time", "s", np.arange(6) * 0.01),
    )
    values = np.arange(6 * 18, dtype=np.float32).reshape(6, 1, 3, 6)
    features = Features(values, axes, None, np.array([4, 4, 4, 7, 7, 7]), np.zeros(6))
    images, freq_hz, time_s = expression_images(features, [{"fear": 7}, {"fear": 4}], duration_s=0.03)
    assert images.shape == (2, 1, 3, 3) and len(freq_hz) == len(time_s) == 3
    assert np.array_equal(images[0, 0], values[4, 0, :, :3]) and np.array_equal(images[1, 0], values[1, 0, :, :3])
    with pytest.raises(StudyError, match="take 5, fear, has no window"):
        expression_images(features, [{"fear": 5}])


def test_cleaning_leaves_less_and_only_at_distances_that_are_kept(tmp_path):
    options = SimulationOptions(n_subjects=1, n_takes=1, n_facets=6000, expressions=("fear",))
    study = load_study(simulate_study(tmp_path / "study", options, progress=False))
    found = cleaning_of(study.recording(0))
    assert len(found.raw) == len(found.cleaned) == 2 * Chirp().samples_per_period
    assert np.sum(found.cleaned**2) < np.sum(found.raw**2) / 10 and found.cancellation_db > 10
    direct = found.range_m < 0.05
    assert found.after[direct].max() < found.before[direct].max() / 3
    assert found.n_periods > 15 and len(found.range_m) == len(found.after)

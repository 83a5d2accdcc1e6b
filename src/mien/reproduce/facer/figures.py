"""The paper's figures from our results, and ours beside them: each a piece of the page, with a caption."""

from pathlib import Path

import pandas as pd

from mien.evaluation.figures import confusion_figure, precision_recall_figure
from mien.evaluation.figures_curves import coverage_figure, curves_figure, pairs_figure, takes_figure
from mien.evaluation.figures_paper import clusters_figure, models_figure, polar_figure, spectrograms_figure
from mien.evaluation.figures_sound import cleaning_figure
from mien.evaluation.inline import figure_html, grid_html, svg
from mien.evaluation.results import fold_scores
from mien.reproduce.facer.arrays import CLEANING, EMBEDDING, SPECTROGRAMS, embeddings, kept_arrays
from mien.reproduce.facer.paper import PAPER
from mien.reproduce.facer.plan import CALIBRATED, TUNES_WITHIN, Scale
from mien.reproduce.facer.run import Found
from mien.reproduce.facer.tables import accuracy_of, confused, estimates, f1_of, scored
from mien.reproduce.facer.variants import variants

COMPARED = (("facer", "transductive"), ("xhar", "transductive"), ("dann", "transductive"), ("resnet", "none"))
"""As the paper compares them: what can adapt has adapted to the very windows that are scored."""

OURS = (("sonicface", "none"), ("svm", "none"), ("linear", "none"), ("mien", "none"))
TOLD = (("sonicface", CALIBRATED), ("mien", CALIBRATED))
MAPS = (
    ("1a", "none", "Case 1a: same people, takes mixed"),
    ("2", "transductive", "Case 2: men to women"),
    ("3", "transductive", "Case 3: open face to mask"),
    ("4", "transductive", "Case 4: mask to open face"),
)


def origin(scale: Scale, seeds: tuple[int, ...] | None = None) -> str:
    """Return what every caption says: that people are simulated, at which level, with which seeds (all by default)."""
    seeds = seeds or scale.seeds
    return f"Simulated people, level {scale.level}; seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}."


def sound(scale: Scale, folder: Path) -> str:
    """Return Fig. 2 and 3: what is heard."""
    cleaning, images = kept_arrays(folder / CLEANING), kept_arrays(folder / SPECTROGRAMS)
    band_hz = float(cleaning["band_hz"][0]), float(cleaning["band_hz"][1])
    drawn = cleaning_figure(cleaning["raw"], cleaning["cleaned"], float(cleaning["rate_hz"]), band_hz)
    first = figure_html(
        svg(drawn, "Sound before and after cleaning"),
        f"Paper's Fig. 2: two chirps as recorded, and after band-pass, removal of the direct path and the range gate "
        f"of 25-50 cm ({cleaning['who']}). {origin(scale, scale.seeds[:1])}",
    )
    people, classes = images["people"].tolist(), images["classes"].tolist()
    shown = spectrograms_figure(images["images"], images["freq_hz"], images["time_s"], people, classes)
    second = figure_html(
        svg(shown, "Spectrograms of six expressions"),
        "Paper's Fig. 3: one window of each expression, of a woman, of a man and of the same man with a mask. Ours "
        f"has a column per person and shows 0.25 s, the paper's 50 ms. {origin(scale, scale.seeds[:1])}",
    )
    return grid_html([first, second], "two")


def confusions(found: Found, scale: Scale) -> str:
    """Return Fig. 6: confusion maps of windows, as the paper scores them."""
    drawn = []
    for case, adaptation, title in MAPS:
        counts, classes = confused(found, case, "facer", adaptation, "window")
        how = "as trained" if adaptation == "none" else "adapted to the windows scored"
        drawn.append(
            figure_html(
                svg(confusion_figure(counts, classes, title), f"Confusion map, {title}"),
                f"Paper's Fig. 6: facer, {how}, {counts.sum():,} windows. {origin(scale)}",
            )
        )
    return grid_html(drawn, "two")


def places(found: Found, scale: Scale) -> str:
    """Return Fig. 7: scores over the places left out."""
    wanted = [*COMPARED, ("mien", "none")]
    folds = fold_scores(found.of("1b").dropna(axis=1, how="all"), "window")
    parts = [folds[(folds["method"] == method) & (folds["adaptation"] == how)] for method, how in wanted]
    n_folds = len(folds[["fold", "seed"]].drop_duplicates())
    drawn = polar_figure(pd.concat(parts, ignore_index=True))
    return figure_html(
        svg(drawn, "Polar bars of scores over the places left out"),
        f"Paper's Fig. 7: mean over {n_folds} folds, each of three places left out once a seed, whiskers one standard "
        f"deviation over folds; windows (of 0.25 s; mien's last 1 s); facer, xhar and dann adapted to the "
        f"windows scored. {origin(scale)}",
    )


def precision_recall(found: Found, scale: Scale) -> str:
    """Return Fig. 8: precision against recall in case 1c."""
    part = scored(found, "1c", "facer", "transductive", "window")
    return figure_html(
        svg(precision_recall_figure(part, "Case 1c: the last two takes"), "Precision and recall"),
        f"Paper's Fig. 8: facer, adapted to the windows scored, {len(part):,} windows. {origin(scale)}",
    )


def clusters(scale: Scale, folder: Path) -> str:
    """Return Fig. 9: representations in clusters, drawn in a plane."""
    arrays = kept_arrays(folder / EMBEDDING)
    found = embeddings(arrays)
    agreed = ", ".join(f"{side} {each.rand_index:.2f}" for side, each in found.items())
    counts = " and ".join(f"{len(each.positions):,}" for each in found.values())
    return figure_html(
        svg(clusters_figure(found), "Representations of training and test windows, clustered"),
        f"Paper's Fig. 9, case 2: {arrays['method']}, {arrays['adaptation']}; {counts} windows by t-SNE, K-means "
        f"beside the truth. Adjusted Rand index of the two: {agreed} (0 is chance, 1 the same). "
        f"{origin(scale, scale.seeds[:1])}",
    )


def models(found: Found, scale: Scale) -> str:
    """Return Fig. 10: methods compared in case 2, the paper's values beside ours."""
    present = set(found.of("2")["method"])
    rows, takes = [], []
    for method, adaptation in [pair for pair in (*COMPARED, *OURS, *TOLD) if pair[0] in present]:
        part = scored(found, "2", method, adaptation, "window")
        label = f"{method}, calibrated" if adaptation == CALIBRATED else method
        takes.append(f"{label} {accuracy_of(scored(found, '2', method, adaptation, 'take')).estimate:.0%}")
        stated = None if label == "sonicface" else PAPER.get(("2", method))  # the paper's is calibrated
        for name, interval, theirs in (
            ("accuracy", accuracy_of(part), stated and stated.accuracy),
            ("F1", f1_of(part), stated and stated.f1),
        ):
            paper = float("nan") if theirs is None else theirs
            ours = {"ours": interval.estimate, "low": interval.low, "high": interval.high}
            rows.append({"method": label, "score": name, "paper": paper} | ours)
    return figure_html(
        svg(models_figure(pd.DataFrame(rows)), "Methods compared in case 2, ours and the paper's"),
        f"Paper's Fig. 10, case 2, {scale.sex_counts[0]} men to {scale.sex_counts[1]} women: windows, ours with "
        "95 % intervals over these few women, the paper's of real people. facer, xhar, dann and resnet hear 0.25 s, "
        f"the others 1 s. Of whole takes: {', '.join(takes)}. facer, xhar and dann have adapted to the windows scored. "
        "Calibrated is to two labelled takes of each expression, which are not scored. The paper quotes SonicFace's "
        "accuracy from elsewhere, calibrated to its user. "
        f"{origin(scale)}",
    )


def takes_needed(found: Found, scale: Scale) -> str:
    """Return what unlabelled and labelled takes of a new person bring."""
    return figure_html(
        svg(takes_figure(estimates(found, "2-people"), "takes named right"), "Accuracy over takes of a new person"),
        "People left out: after so many unlabelled takes of each, and after so many labelled takes "
        f"per expression; the other takes are scored. {origin(scale)}",
    )


def coverage(found: Found, scale: Scale) -> str:
    """Return how much better the surest answers are."""
    shown = {method: scored(found, "2-people", method, "none", "take") for method in ("facer", "svm", "mien")}
    return figure_html(
        svg(coverage_figure(shown), "Accuracy among the surest answers"),
        f"People left out, as trained: share named right among what a method is surest of. {origin(scale)}",
    )


def pairs(found: Found, scale: Scale) -> str:
    """Return the confusions that stay."""
    shown = {method: scored(found, "2-people", method, "none", "take") for method in ("facer", "svm", "mien")}
    return figure_html(
        svg(pairs_figure(shown), "Pairs of expressions taken for each other"),
        f"People left out, as trained: the pairs most often taken for each other. {origin(scale)}",
    )


def people_curve(found: Found, scale: Scale) -> str:
    """Return the curve over training people."""
    full = scale.screened[0]
    points = []
    for each in variants(scale):
        if each.group != "training people" and not each.usual:
            continue
        part = scored(found, f"ablation {each.protocol}", each.title, "none", "take")
        interval = accuracy_of(part)
        number = float(each.name) if each.group == "training people" else float(full)
        number += scale.screened[1] if each.method in TUNES_WITHIN else 0
        points.append(
            {
                "line": each.method,
                "x": number,
                "estimate": interval.estimate,
                "low": interval.low,
                "high": interval.high,
            }
        )
    drawn = curves_figure(
        pd.DataFrame(points), "people learnt from", "takes named right", logarithmic=True, floors={"chance": 1 / 6}
    )
    return figure_html(
        svg(drawn, "Accuracy over the number of people learnt from"),
        f"The same {scale.screened[2]} people scored whatever is learnt from; 95 % intervals over them. Networks stop "
        f"by {scale.screened[1]} more people; svm learns from those too, so its points stand {scale.screened[1]} "
        f"further right. {origin(scale)}",
    )

"""Scores of predictions against truth, from tables with a row per scored unit.

A table of predictions has the columns truth, predicted and one p_<class> per class (and subject, row, ...: see
`mien.evaluation.benchmark`). Everything here is a pure function of arrays or of such a table.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

N_CALIBRATION_BINS = 15
"""Guo et al., On calibration of modern neural networks, 2017."""


def classes_of(predictions: pd.DataFrame) -> tuple[str, ...]:
    """Return the classes of a table of predictions, in the order of its columns."""
    return tuple(name[2:] for name in predictions.columns if name.startswith("p_"))


def probabilities_of(predictions: pd.DataFrame) -> np.ndarray:
    """Return (unit class) probabilities."""
    return predictions[[f"p_{name}" for name in classes_of(predictions)]].to_numpy(dtype=np.float64)


def confusion(truth: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Return (class class) counts, truth down, prediction across.

    Example:
        >>> confusion(["fear", "fear", "anger"], ["fear", "anger", "anger"], ["anger", "fear"]).tolist()
        [[1, 0], [1, 1]]
    """
    n_classes = len(classes)
    number = {name: place for place, name in enumerate(classes)}
    pairs = zip(truth, predicted, strict=True)
    cells = np.fromiter((number[shown] * n_classes + number[named] for shown, named in pairs), dtype=np.int64)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def confused_pairs(counts: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Return one row per pair of classes: first, second, share of both that was named the other; largest first.

    Example:
        >>> confused_pairs(np.array([[8, 2], [4, 6]]), ["anger", "fear"]).values.tolist()
        [['anger', 'fear', 0.3]]
    """
    n_shown, both = counts.sum(axis=1), counts + counts.T
    rows = [
        (classes[one], classes[other], both[one, other] / max(n_shown[one] + n_shown[other], 1))
        for one in range(len(classes))
        for other in range(one + 1, len(classes))
    ]
    table = pd.DataFrame(rows, columns=["first", "second", "share"])
    return table.sort_values("share", ascending=False, kind="stable", ignore_index=True)


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Return the share on the diagonal of (... class class) counts."""
    return np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1))


def recall(counts: np.ndarray) -> np.ndarray:
    """Return (... class) the share of each true class that was found; NaN where the class is not in the truth."""
    with np.errstate(invalid="ignore"):
        return np.diagonal(counts, axis1=-2, axis2=-1) / counts.sum(axis=-1)


def precision(counts: np.ndarray) -> np.ndarray:
    """Return (... class) the share of each predicted class that was right; NaN where it was never predicted."""
    with np.errstate(invalid="ignore"):
        return np.diagonal(counts, axis1=-2, axis2=-1) / counts.sum(axis=-2)


def f1(counts: np.ndarray) -> np.ndarray:
    """Return (... class) 2 tp / (2 tp + fp + fn); NaN where a class is neither in the truth nor predicted."""
    with np.errstate(invalid="ignore"):
        return 2 * np.diagonal(counts, axis1=-2, axis2=-1) / (counts.sum(axis=-1) + counts.sum(axis=-2))


def balanced_accuracy(counts: np.ndarray) -> np.ndarray:
    """Return the mean recall over the classes that occur in the truth.

    Example:
        >>> float(balanced_accuracy(np.array([[8, 0], [1, 1]])))
        0.75
    """
    return np.nanmean(recall(counts), axis=-1)


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Return the mean F1 over the classes that occur in the truth or in the predictions.

    Example:
        >>> round(float(macro_f1(np.array([[8, 0], [1, 1]]))), 4)
        0.8039
    """
    return np.nanmean(f1(counts), axis=-1)


def macro_precision(counts: np.ndarray) -> np.ndarray:
    """Return the mean precision over the classes that occur; one that was never named counts as 0.

    Example:
        >>> round(float(macro_precision(np.array([[8, 0], [1, 1]]))), 4)
        0.9444
    """
    occurs = counts.sum(axis=-1) > 0
    return np.where(occurs, np.nan_to_num(precision(counts)), 0).sum(axis=-1) / occurs.sum(axis=-1)


def average_precision(truth: Sequence[str], probabilities: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """Return AP = sum_n (R_n - R_n-1) P_n of each class against the rest; NaN where absent.

    P_n and R_n are precision and recall of what is at least as probable as the n-th highest probability.

    Example:
        >>> area = average_precision(["fear", "anger", "fear"], np.array([[0.9], [0.8], [0.1]]), ["fear"])
        >>> round(area["fear"], 3)
        0.833

    Reference: FacER section VI-A, case 1c.
    """
    shown = np.asarray(truth, dtype=object)
    return {name: _area(shown == name, probabilities[:, number]) for number, name in enumerate(classes)}


def _area(is_class: np.ndarray, scores: np.ndarray) -> float:
    if not is_class.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last_of_equals = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(is_class[order])[last_of_equals]
    named = np.flatnonzero(last_of_equals) + 1
    return float(np.sum(np.diff(hits, prepend=0) * hits / named) / is_class.sum())


def class_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row per class: class, precision, recall, f1, average_precision and n, how often it was shown."""
    classes = classes_of(predictions)
    counts = confusion(predictions["truth"], predictions["predicted"], classes)
    area = average_precision(predictions["truth"].to_numpy(), probabilities_of(predictions), classes)
    return pd.DataFrame(
        {
            "class": classes,
            "precision": precision(counts),
            "recall": recall(counts),
            "f1": f1(counts),
            "average_precision": [area[name] for name in classes],
            "n": counts.sum(axis=1),
        }
    )


def precision_recall(truth: Sequence[str], scores: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the precision and recall of one class against the rest at every threshold, recall rising from 0 to 1."""
    from sklearn.metrics import precision_recall_curve

    found, remembered, _ = precision_recall_curve(np.asarray(truth) == name, scores)
    return found[::-1], remembered[::-1]


def calibration(
    correct: np.ndarray, confidence: np.ndarray, n_bins: int = N_CALIBRATION_BINS, equal_mass: bool = False
) -> pd.DataFrame:
    """Return a row per non-empty bin of confidence: n, confidence (mean) and accuracy (share of correct).

    Args:
        correct: (unit) whether the predicted class was right.
        confidence: (unit) probability given to the predicted class.
        equal_mass: bins of equal count rather than of equal width.
    """
    if equal_mass:
        order = np.argsort(confidence, kind="stable")
        bins = np.empty(len(confidence), dtype=np.int64)
        bins[order] = np.arange(len(confidence)) * n_bins // max(len(confidence), 1)
    else:
        bins = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    found = np.flatnonzero(counts)
    sums = [np.bincount(bins, weights=each, minlength=n_bins)[found] for each in (confidence, correct)]
    n_inside = counts[found]
    columns = {"n": n_inside, "confidence": sums[0] / n_inside, "accuracy": sums[1] / n_inside}
    return pd.DataFrame(columns, index=pd.Index(found, name="bin"))


def calibration_error(bins: pd.DataFrame) -> float:
    """Return sum_b n_b / n |accuracy_b - confidence_b| of the bins of `calibration`, the expected calibration error.

    Example:
        >>> sure_but_half_right = calibration(np.array([True, False]), np.array([0.9, 0.9]))
        >>> round(calibration_error(sure_but_half_right), 3)
        0.4
    """
    n, confidence, right = (bins[name].to_numpy() for name in ("n", "confidence", "accuracy"))
    return float(n @ np.abs(right - confidence) / n.sum())


def accuracy_at_coverage(probabilities: np.ndarray, truth: np.ndarray, coverage: float) -> float:
    """Return the share named right among the surest part of all units.

    Of units of one confidence at the border as many count as are needed, at their mean.

    Args:
        probabilities: (unit class). truth: (unit) class numbers.
        coverage: the part that is answered, above 0 and up to 1.

    Example:
        >>> sure_and_not = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.5, 0.5]])
        >>> accuracy_at_coverage(sure_and_not, np.array([0, 0, 0, 1]), 0.5)
        1.0
    """
    correct = probabilities.argmax(axis=1) == np.asarray(truth)
    n_answered, n_right = _answered(correct, probabilities.max(axis=1))
    wanted = coverage * len(correct)
    return float(np.interp(wanted, np.append(0, n_answered), np.append(0, n_right)) / wanted)


def coverage_curve(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of units answered, surest first, and the share of each that was right.

    Units of one confidence are answered together.
    """
    correct = (predictions["truth"] == predictions["predicted"]).to_numpy()
    n_answered, n_right = _answered(correct, probabilities_of(predictions).max(axis=1))
    return n_answered / len(correct), n_right / n_answered


def _answered(correct: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many are answered down to each confidence, and how many of them rightly."""
    order = np.argsort(-confidence, kind="stable")
    last_of_equals = np.append(np.diff(confidence[order]) != 0, True)
    return np.flatnonzero(last_of_equals) + 1, np.cumsum(correct[order])[last_of_equals]


def score(predictions: pd.DataFrame) -> dict[str, float]:
    """Return the scores of a table of predictions by name.

    accuracy; balanced_accuracy, which is the mean recall; macro_f1; ece; macro_precision; mean_average_precision, the
    mean over the classes that occur.
    """
    classes, probabilities = classes_of(predictions), probabilities_of(predictions)
    truth, predicted = predictions["truth"].to_numpy(dtype=object), predictions["predicted"].to_numpy(dtype=object)
    counts = confusion(truth, predicted, classes)
    area = average_precision(truth, probabilities, classes)
    return {
        "accuracy": float(accuracy(counts)),
        "balanced_accuracy": float(balanced_accuracy(counts)),
        "macro_f1": float(macro_f1(counts)),
        "ece": calibration_error(calibration(truth == predicted, probabilities.max(axis=1))),
        "macro_precision": float(macro_precision(counts)),
        "mean_average_precision": float(np.nanmean(list(area.values()))),
    }


def predicted_classes(predictions: pd.DataFrame) -> np.ndarray:
    """Return (unit) the most probable class of each row."""
    return np.asarray(classes_of(predictions), dtype=object)[probabilities_of(predictions).argmax(axis=1)]


def take_predictions(windows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per take: the mean of its windows' probabilities, and the class that is most probable then.

    Args:
        windows: predictions per window, with the columns row (the take) and truth; other columns are kept as they are
            in the take's first window.
    """
    names = [name for name in windows.columns if name.startswith("p_")]
    grouped = windows.groupby("row", sort=True)
    takes = grouped.first()
    takes[names] = grouped[names].mean()
    takes = takes.reset_index()[list(windows.columns)]
    takes["predicted"] = predicted_classes(takes)
    return takes


def floors(truth: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return what needs no ear: the scores of always naming the most frequent class, and of guessing evenly.

    Example:
        >>> {name: round(scores["accuracy"], 2) for name, scores in floors(["fear"] * 3 + ["anger"]).items()}
        {'majority': 0.75, 'chance': 0.5}
    """
    share = pd.Series(list(truth)).value_counts(normalize=True)
    n_classes = len(share)
    chance_f1 = (2 * share / n_classes / (share + 1 / n_classes)).mean()
    largest = float(share.iloc[0])
    return {
        "majority": {
            "accuracy": largest,
            "balanced_accuracy": 1 / n_classes,
            "macro_f1": 2 * largest / (1 + largest) / n_classes,
        },
        "chance": {"accuracy": 1 / n_classes, "balanced_accuracy": 1 / n_classes, "macro_f1": float(chance_f1)},
    }

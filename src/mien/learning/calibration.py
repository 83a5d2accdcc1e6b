"""Making answers mean what they say, on people that training has not seen: a temperature, and when to be unsure."""

import numpy as np
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import log_softmax, softmax

COLDEST, HOTTEST = 0.01, 100.0


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature T for which softmax(logits / T) has the lowest cross-entropy.

    The truth of N windows in K classes counts as (N + 1) / (N + K) and every other class as 1 / (N + K), as in Platt's
    scaling: a few windows that are all recognised do not make the model certain for ever.

    Args:
        logits: (window class) of held-out windows.
        labels: (window) class numbers.

    References:
        Guo et al., On calibration of modern neural networks, ICML 2017, section 4.2; Platt, Probabilistic outputs for
        support vector machines, 1999, section 2.2.

    Example:
        >>> certain = np.array([[1.0, -1.0]] * 4)
        >>> round(float(probabilities(certain, fit_temperature(certain, np.array([0, 0, 0, 1])))[0, 0]), 3)
        0.667
    """
    if len(labels) == 0:
        return 1.0
    logits, truth = logits.astype(np.float64), _smoothed(labels, logits.shape[1])

    def loss(log_temperature: float) -> float:
        return float(-(truth * log_softmax(logits / np.exp(log_temperature), axis=1)).sum(axis=1).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded").x))


def _smoothed(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return (window class) what N labels in K classes count as: (N + 1) / (N + K) the class, 1 / (N + K) another."""
    truth = np.full((len(labels), n_classes), 1 / (len(labels) + n_classes))
    truth[np.arange(len(labels)), labels] = (len(labels) + 1) / (len(labels) + n_classes)
    return truth


SLOPE, SLOPE_SPREAD = 1.0, 0.25
"""What is believed of the slope before any foreign window is seen, as a normal distribution. Logits of rectified
networks grow as the distance d (M. Hein et al., CVPR 2019); with a temperature as d^2 they are unsure far off."""

STEEPEST = 3.0


def fit_slope(logits: np.ndarray, labels: np.ndarray, beyond: np.ndarray) -> tuple[float, float]:
    """Return T and b >= 0 for which softmax(logits / (T exp(b beyond))) has the lowest cross-entropy.

    The labels count as in `fit_temperature`. Windows that are all familiar say nothing of b: the prior does then.

    Args:
        logits: (window class) of windows not trained on. labels: (window) class numbers.
        beyond: (window) how far beyond what is familiar they are, 0 where they are not.

    Example:
        >>> logits, beyond = np.array([[2.0, 0.0]] * 400), np.repeat([0.0, 1.0], 200)
        >>> truth = np.concatenate([np.repeat([0, 1], [180, 20]), np.repeat([0, 1], 100)])
        >>> fit_slope(logits, truth, beyond)[1] > SLOPE
        True
    """
    if len(labels) == 0:
        return 1.0, SLOPE
    logits, truth = logits.astype(np.float64), _smoothed(labels, logits.shape[1])

    def loss(values: np.ndarray) -> float:
        shares = log_softmax(logits / np.exp(values[0] + values[1] * beyond)[:, None], axis=1)
        return float(-(truth * shares).sum() + ((values[1] - SLOPE) / SLOPE_SPREAD) ** 2 / 2)

    start = np.array([np.log(fit_temperature(logits, labels)), SLOPE])
    bounds = ((np.log(COLDEST), np.log(HOTTEST)), (0.0, STEEPEST))
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x
    return float(np.exp(found[0])), float(found[1])


def match_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature at which the mean confidence is the share of answers that are right.

    For log densities, whose tails are lighter than the data's: one window far off all classes would set the
    temperature of lowest cross-entropy, and here it counts as one wrong answer. N windows of which R are right count
    as (R + 1) of (N + 2).

    Args:
        logits: (window class) of held-out windows. labels: (window) class numbers.

    Example:
        >>> spread = np.array([[1.0, -1.0]] * 8)
        >>> float(probabilities(spread, match_temperature(spread, np.array([0] * 6 + [1] * 2)))[0, 0].round(6))
        0.7
    """
    right = (float((logits.argmax(axis=1) == labels).sum()) + 1) / (len(labels) + 2)

    def excess(log_temperature: float) -> float:
        return float(probabilities(logits, np.exp(log_temperature)).max(axis=1).mean()) - right

    coldest, hottest = np.log(COLDEST), np.log(HOTTEST)
    if excess(coldest) <= 0 or excess(hottest) >= 0:
        return COLDEST if excess(coldest) <= 0 else HOTTEST
    return float(np.exp(brentq(excess, coldest, hottest)))


PRIOR_WINDOWS = 10
"""What is believed before any held-out window is heard, in windows: that probabilities mean what they say."""


def fit_threshold(found: np.ndarray, labels: np.ndarray) -> float:
    """Return the confidence below which an answer is rather not given: it would be wrong more often than right.

    The threshold t with the largest ``#(right, c >= t) - #(wrong, c >= t)`` over held-out windows of confidence c,
    plus the same of `PRIOR_WINDOWS` windows that are right as often as they are sure, evenly sure from 0 to 1. A right
    answer gains what a wrong one costs, as in Chow's rule, whose threshold of a half this is where probabilities are
    true.

    Args:
        found: (window class) probabilities of held-out windows. labels: (window) class numbers.

    Returns:
        The threshold; 0 where nothing was held out, and every answer is given.

    References:
        Chow, On optimum recognition error and reject tradeoff, IEEE Trans. Information Theory, 1970, Eq. 2.

    Example:
        >>> sure, unsure = [0.9, 0.1], [0.6, 0.4]
        >>> fit_threshold(np.array([sure] * 20 + [unsure] * 20), np.array([0] * 20 + [1] * 20))
        0.9
    """
    if len(labels) == 0:
        return 0.0
    confidence = found.max(axis=1)
    right = np.where(found.argmax(axis=1) == labels, 1.0, -1.0)
    order = np.argsort(-confidence, kind="stable")
    steps = np.append(confidence[order], 0.5)
    gained = np.append(np.cumsum(right[order]), 0.0)
    gained[-1] = right[confidence >= 0.5].sum()
    last_of_equals = np.append(np.diff(confidence[order]) != 0, [True, True])
    value = np.where(last_of_equals, gained, -np.inf) + PRIOR_WINDOWS * (steps - steps**2)
    return float(steps[value.argmax()])


def probabilities(logits: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Return softmax(logits / temperature), (window class) float64, rows summing to one.

    Args:
        temperature: one for all, or (window).
    """
    return softmax(logits.astype(np.float64) / np.reshape(temperature, (-1, 1)), axis=1)

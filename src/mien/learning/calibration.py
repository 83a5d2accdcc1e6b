"""Making probabilities mean what they say: one temperature, fitted on people that training has not seen."""

import numpy as np
from scipy.optimize import minimize_scalar
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
    logits = logits.astype(np.float64)
    n_windows, n_classes = logits.shape
    truth = np.full(logits.shape, 1 / (n_windows + n_classes))
    truth[np.arange(n_windows), labels] = (n_windows + 1) / (n_windows + n_classes)

    def loss(log_temperature: float) -> float:
        return float(-(truth * log_softmax(logits / np.exp(log_temperature), axis=1)).sum(axis=1).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded").x))


def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return softmax(logits / temperature), (window class) float64, rows summing to one."""
    return softmax(logits.astype(np.float64) / temperature, axis=1)

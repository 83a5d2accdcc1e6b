"""Representations in a plane and in clusters: do windows of one expression lie together before anything names them?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.errors import ModelError

PERPLEXITY = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """Windows laid out in a plane, and clustered where they came from.

    Args:
        positions: (window xy) of t-SNE: neighbours stay neighbours, distances and sizes say nothing.
        clusters: (window) number of the class whose cluster a window lies in.
        expressions: (window) what was shown.
        classes: in the order of the clusters' numbers.
        agreement: share of windows that lie in their class's cluster; one class alone in all of them would give the
            largest class's share.
        rand_index: adjusted Rand index of clusters and expressions: 0 by chance, 1 where they are the same.
    """

    positions: np.ndarray
    clusters: np.ndarray
    expressions: np.ndarray
    classes: tuple[str, ...]
    agreement: float
    rand_index: float


def embed(
    values: np.ndarray, expressions: Sequence[str] | np.ndarray, *, perplexity: float = PERPLEXITY, seed: int = 0
) -> Embedding:
    """Return representations as FacER Fig. 9 shows them: K-means with a cluster per class, then t-SNE to draw them.

    Both see directions only (each row divided by its length), since Eq. 6 and 7 compare by the cosine. Clusters know no
    labels; afterwards each is matched to one class so that as many windows as can be agree.

    Args:
        values: (window feature).
        expressions: (window), used for matching alone.

    Raises:
        ModelError: fewer windows than t-SNE needs neighbours, or values that are not finite.
    """
    from sklearn.cluster import KMeans
    from sklearn.manifold import TSNE
    from sklearn.metrics import adjusted_rand_score

    values, shown = np.asarray(values, dtype=np.float64), np.asarray(expressions).astype(str)
    if len(values) <= 3 * perplexity or not np.isfinite(values).all():
        raise ModelError(
            f"{len(values)} representations to lay out; finite ones are needed, more than {3 * perplexity:.0f} of them"
        )
    directions = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    classes = tuple(sorted(set(shown)))
    found = KMeans(len(classes), n_init=10, random_state=seed).fit_predict(directions)
    clusters = matched(found, np.searchsorted(classes, shown), len(classes))
    positions = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(directions)
    agreement = float(np.mean(np.asarray(classes)[clusters] == shown))
    return Embedding(positions, clusters, shown, classes, agreement, float(adjusted_rand_score(shown, clusters)))


def matched(clusters: np.ndarray, truth: np.ndarray, n_classes: int) -> np.ndarray:
    """Return clusters renumbered by the one-to-one assignment to classes that agrees most often (Kuhn, 1955).

    Example:
        >>> matched(np.array([2, 2, 0, 1, 1]), np.array([0, 0, 1, 2, 1]), 3).tolist()
        [0, 0, 1, 2, 2]
    """
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (clusters, truth), 1)
    cluster, number = linear_sum_assignment(counts, maximize=True)
    new = np.zeros(n_classes, dtype=np.int64)
    new[cluster] = number
    return new[clusters]

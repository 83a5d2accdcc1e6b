"""Pseudo-labels for the unlabelled target domain (FacER Eq. 6 and 7), and two other ways to them.

The paper calls its way K-means. Its equations are one weighted pass per epoch: centroids are not iterated. Iterated
they are K-means by cosine distance, begun at the centroids of Eq. 6; the third way names only what is probable.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

PseudoLabels = Literal["softmax", "k-means", "confident"]


def centroids(representations: Tensor, logits: Tensor) -> Tensor:
    """Return each class's centroid in the target domain (FacER Eq. 6).

    ``c_k = sum_x delta_k(z) g(x) / sum_x delta_k(z)``: every sample counts for class k by its softmax probability of
    that class. (The paper writes delta(z) without k; only the probability of class k makes c_k differ by class.)

    Args:
        representations: g(x), (window feature).
        logits: z = h(g(x)), (window class).

    Returns:
        (class feature)

    Example:
        >>> centroids(torch.tensor([[0.0], [1.0]]), torch.tensor([[9.0, -9.0], [-9.0, 9.0]])).round().tolist()
        [[0.0], [1.0]]
    """
    weights = logits.softmax(dim=1)
    totals = weights.sum(dim=0).clamp_min(torch.finfo(weights.dtype).tiny)
    return (weights.T @ representations) / totals[:, None]


def nearest_centroid(representations: Tensor, class_centroids: Tensor) -> Tensor:
    """Return the class of the centroid at the smallest cosine distance (FacER Eq. 7).

    Args:
        representations: (window feature).
        class_centroids: (class feature).

    Returns:
        (window) class numbers.
    """
    cosine = functional.normalize(representations, dim=1) @ functional.normalize(class_centroids, dim=1).T
    return cosine.argmax(dim=1)


MOST_ITERATIONS = 100


def k_means(representations: Tensor, class_centroids: Tensor) -> Tensor:
    """Return (window) class numbers after iterating assignment and mean until no window changes its class.

    Distances are Eq. 7's; a mean is that of the directions of its windows. A class left without windows keeps its
    centroid.

    Args:
        representations: (window feature).
        class_centroids: (class feature) to begin at; they also say which cluster is which class.

    References:
        Dhillon and Modha, Concept decompositions for large sparse text data using clustering, 2001 (spherical K-means).

    Example:
        >>> points = torch.tensor([[1.0, 0.0], [1.0, 0.3], [0.3, 1.0], [0.0, 1.0]])
        >>> k_means(points, torch.tensor([[1.0, 0.0], [1.0, 0.1]])).tolist()
        [0, 0, 1, 1]
    """
    directions = functional.normalize(representations, dim=1)
    found = nearest_centroid(directions, class_centroids)
    for _ in range(MOST_ITERATIONS):
        members = functional.one_hot(found, len(class_centroids)).to(directions.dtype)
        means = members.T @ directions
        empty = members.sum(dim=0) == 0
        class_centroids = torch.where(empty[:, None], class_centroids, means)
        before, found = found, nearest_centroid(directions, class_centroids)
        if torch.equal(found, before):
            break
    return found


UNNAMED = -1
"""The pseudo-label of a window that is given none."""


def pseudo_labels(
    representations: Tensor, logits: Tensor, way: PseudoLabels = "softmax", least_confidence: float = 0.0
) -> Tensor:
    """Return (window) class numbers of unlabelled windows.

    Args:
        representations: g(x), (window feature). logits: z, (window class).
        way: "softmax" is Eq. 7 of Eq. 6; "k-means" iterates from there; "confident" is Eq. 7 of Eq. 6 too, but windows
            whose highest softmax probability is below `least_confidence` are left `UNNAMED`.
    """
    start = centroids(representations, logits)
    if way == "k-means":
        return k_means(representations, start)
    found = nearest_centroid(representations, start)
    if way == "confident":
        found = found.masked_fill(logits.softmax(dim=1).amax(dim=1) < least_confidence, UNNAMED)
    return found

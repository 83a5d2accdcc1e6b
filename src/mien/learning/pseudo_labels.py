"""Pseudo-labels for the unlabelled target domain (FacER Eq. 6 and 7).

The paper calls this K-means. Its equations, and this, are one weighted pass per epoch: centroids are not iterated.
"""

import torch
from torch import Tensor
from torch.nn import functional


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


def pseudo_labels(representations: Tensor, logits: Tensor) -> Tensor:
    """Return Eq. 7 of Eq. 6: (window) class numbers for (window feature) and (window class)."""
    return nearest_centroid(representations, centroids(representations, logits))

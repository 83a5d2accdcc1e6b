"""Supervised contrastive losses (FacER Eq. 3 and 9). All numbers are means, so that they do not grow with the batch.

The paper prints sums over anchors: its lambda of 0.5 weighs Eq. 9 about |I_t| times, the anchors in a batch, what it
weighs here.
"""

import torch
from torch import Tensor


def _mean_over_positives(similarities: Tensor, positive: Tensor, allowed: Tensor) -> Tensor:
    """Return the mean over anchors of -1/|P| sum over positives of log softmax over the allowed.

    Args:
        similarities: (anchor other) z . z / tau.
        positive, allowed: (anchor other) bool.

    An anchor without a positive has no term in the sum (1/|P| is undefined); it is skipped, and not counted in the
    mean. Without any anchor left the loss is zero.
    """
    log_share = similarities - similarities.masked_fill(~allowed, -torch.inf).logsumexp(dim=1, keepdim=True)
    n_positives = positive.sum(dim=1)
    per_anchor = -(log_share.masked_fill(~positive, 0.0)).sum(dim=1) / n_positives.clamp_min(1)
    counted = n_positives > 0
    if not counted.any():
        return similarities.sum() * 0.0
    return per_anchor[counted].mean()


def supervised_contrastive(projections: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    """Return FacER Eq. 3: draw samples of one class together, within one batch.

    ``L_c = sum_i -1/|P(i)| sum_{p in P(i)} log( exp(z_i . z_p / tau) / sum_{a != i} exp(z_i . z_a / tau) )``, divided
    by the number of anchors i that have a positive. The paper does not state tau; its reference [32] uses 0.1.

    Args:
        projections: z, (batch feature), of unit length.
        labels: (batch) class numbers.

    References:
        Khosla et al., Supervised contrastive learning, NeurIPS 2020, Eq. 2 (their L_out).

    Example:
        >>> round(supervised_contrastive(torch.eye(2)[[0, 0, 1, 1]], torch.tensor([0, 0, 1, 1]), 1.0).item(), 4)
        0.5514
    """
    others = ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    same = labels[:, None] == labels[None, :]
    return _mean_over_positives(projections @ projections.T / temperature, same & others, others)


def target_to_source_contrastive(
    target_projections: Tensor,
    pseudo_labels: Tensor,
    source_projections: Tensor,
    source_labels: Tensor,
    temperature: float = 0.1,
) -> Tensor:
    """Return FacER Eq. 9: draw target samples to the source samples of their pseudo-label's class.

    ``L = sum_{i in I_t} -1/|P_s(y_i)| sum_{p in P_s(y_i)} log( exp(z_t^i . z_s^p / tau) / sum_{a in I_s} exp(z_t^i .
    z_s^a / tau) )``, divided by the number of anchors i whose class is in the source batch; others are skipped.

    Args:
        target_projections: z_t, (anchor feature), of unit length.
        pseudo_labels: (anchor) class numbers from Eq. 7.
        source_projections, source_labels: z_s, (other feature), and (other) class numbers.
    """
    similarities = target_projections @ source_projections.T / temperature
    positive = pseudo_labels[:, None] == source_labels[None, :]
    return _mean_over_positives(similarities, positive, torch.ones_like(positive))

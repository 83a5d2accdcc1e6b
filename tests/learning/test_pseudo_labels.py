"""FacER's Eq. 6 and 7."""

import math

import torch

from mien.learning.pseudo_labels import centroids, nearest_centroid, pseudo_labels


def test_centroids_agree_with_loops():
    generator = torch.Generator().manual_seed(0)
    representations, logits = torch.randn(9, 4, generator=generator), torch.randn(9, 3, generator=generator)
    for k in range(3):
        above, below = torch.zeros(4), 0.0
        for x in range(9):
            share = math.exp(logits[x, k]) / sum(math.exp(logits[x, m]) for m in range(3))
            above, below = above + share * representations[x], below + share
        torch.testing.assert_close(centroids(representations, logits)[k], above / below)


def test_certain_logits_give_class_means():
    representations = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    logits = 100 * torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(centroids(representations, logits), torch.tensor([[2.0, 0.0], [0.0, 2.0]]))


def test_uncertain_logits_give_one_mean_to_all():
    representations = torch.randn(8, 4)
    torch.testing.assert_close(centroids(representations, torch.zeros(8, 3)), representations.mean(0).expand(3, 4))


def test_distance_is_cosine_and_ignores_length():
    representations = torch.tensor([[100.0, 1.0], [0.01, 1.0]])
    assert nearest_centroid(representations, torch.tensor([[0.1, 0.0], [0.0, 50.0]])).tolist() == [0, 1]


def test_separated_clusters_mend_wrong_predictions():
    """A head that is right for 7 of 10 windows of each class is outvoted by the clusters."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(3).repeat_interleave(10)
    representations = 5 * torch.eye(3)[truth] + 0.1 * torch.randn(30, 3, generator=generator)
    predicted = truth.clone()
    predicted[torch.arange(30) % 10 < 3] = (truth[torch.arange(30) % 10 < 3] + 1) % 3
    logits = 2 * torch.eye(3)[predicted]
    assert (predicted != truth).sum() == 9
    assert pseudo_labels(representations, logits).tolist() == truth.tolist()


def test_a_class_without_any_weight_does_not_break_the_others():
    logits = torch.tensor([[0.0, -1e4], [0.0, -1e4]])
    found = centroids(torch.ones(2, 3), logits)
    assert torch.isfinite(found).all()
    assert pseudo_labels(torch.ones(2, 3), logits).tolist() == [0, 0]

"""FacER's Eq. 6 and 7, and the two other ways to a name."""

import math

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch.nn import functional

from mien.learning.losses import target_to_source_contrastive
from mien.learning.pseudo_labels import UNNAMED, centroids, k_means, nearest_centroid, pseudo_labels


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


def clusters(seed=0, n_each=20):
    """Return unit vectors about three directions, their truth, and logits of a head drawn to class 0."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.arange(3).repeat_interleave(n_each)
    middle = functional.normalize(torch.tensor([[1.0, 0.2, 0.2], [0.8, 1.0, 0.1], [0.7, 0.1, 1.0]]), dim=1)
    points = functional.normalize(middle[truth] + 0.1 * torch.randn(len(truth), 3, generator=generator), dim=1)
    logits = 2 * torch.eye(3)[truth] + torch.tensor([3.0, 0.0, 0.0])
    return points, truth, logits


def test_k_means_ends_where_scikit_learns_does():
    """On the unit sphere squared distance is 2 - 2 cosine; only the length of a mean differs."""
    points, truth, logits = clusters()
    start = centroids(points, logits)
    found = k_means(points, start)
    theirs = KMeans(3, init=functional.normalize(start, dim=1).numpy(), n_init=1).fit(points.numpy())
    np.testing.assert_array_equal(found.numpy(), theirs.labels_)
    assert found.tolist() == truth.tolist()


def test_k_means_is_at_rest():
    """No window is nearer to another class's mean than to its own's."""
    points, _, logits = clusters(seed=1)
    found = pseudo_labels(points, logits, "k-means")
    means = torch.stack([points[found == k].mean(dim=0) for k in range(3)])
    assert torch.equal(nearest_centroid(points, means), found)


def test_a_class_without_windows_keeps_its_name_free():
    points = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert k_means(points, torch.tensor([[1.0, 0.0], [-1.0, -1.0], [0.0, 1.0]])).tolist() == [0, 2]


def test_the_filter_leaves_unnamed_what_is_not_probable_and_nothing_else():
    points, _, logits = clusters()
    sure = logits.softmax(dim=1).amax(dim=1)
    usual = pseudo_labels(points, logits)
    for least in (0.0, float(sure.median()), 1.0):
        found = pseudo_labels(points, logits, "confident", least)
        assert torch.equal(found, usual.masked_fill(sure < least, UNNAMED))
    assert (found == UNNAMED).all()


def test_an_unnamed_window_is_drawn_nowhere():
    generator = torch.Generator().manual_seed(0)
    target, source = (functional.normalize(torch.randn(n, 4, generator=generator), dim=1) for n in (5, 8))
    labels, names = torch.arange(8) % 3, torch.tensor([0, UNNAMED, 2, UNNAMED, 1])
    whole = target_to_source_contrastive(target, names, source, labels)
    named = names != UNNAMED
    torch.testing.assert_close(whole, target_to_source_contrastive(target[named], names[named], source, labels))
    nobody = torch.full((5,), UNNAMED)
    assert target_to_source_contrastive(target, nobody, source, labels) == 0

"""The defaults that are FacER's own figures, by number."""

from mien.learning.augmentation import Augmentation
from mien.learning.methods import METHODS
from mien.probe import Chirp
from mien.sensing.front_ends import Spectrogram


def test_learning_is_the_papers():
    facer = METHODS["facer"].options
    training = facer.network.training
    assert (training.optimizer, training.learning_rate, training.momentum, training.rate_decay) == (
        "sgd",
        0.1,
        0.9,
        0.01,
    )
    assert training.schedule == "inverse" and training.weight_decay == 0
    assert facer.adapting.contrastive_weight == 0.5
    assert facer.network.source_contrastive_weight == 0
    assert facer.network.shape.attention == "external"
    assert facer.classifier_hidden == (1024, 256)
    assert facer.network.augmentation == Augmentation() and Augmentation().gain_spread == 0.1
    assert METHODS["resnet"].options.shape.attention == "none"


def test_sensing_is_the_papers():
    chirp, front_end = Chirp(), Spectrogram()
    assert (chirp.low_hz, chirp.high_hz, chirp.rate_hz) == (19_000, 23_000, 48_000)
    assert (chirp.sweep_s, chirp.period_s) == (0.025, 0.05)
    assert (front_end.window_s, front_end.near_m, front_end.far_m, front_end.gate) == (0.25, 0.25, 0.50, True)

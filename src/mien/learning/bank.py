"""Source windows kept with a model: adaptation needs them where the training study is not at hand."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from mien.errors import ModelError
from mien.learning.arrays import Windows, check_shapes


def evenly(labels: np.ndarray, groups: np.ndarray, n_windows: int, rng: np.random.Generator) -> np.ndarray:
    """Return sorted positions of at most `n_windows` windows, drawn in turns from every class and group.

    Example:
        >>> evenly(np.array([0, 0, 0, 1]), np.zeros(4), 2, np.random.default_rng(0)).tolist()[-1]
        3
    """
    _, cell = np.unique(np.stack([labels, np.unique(groups, return_inverse=True)[1]]), axis=1, return_inverse=True)
    order = rng.permutation(len(labels))
    turn = np.zeros(len(labels), dtype=np.int64)
    seen: dict[int, int] = {}
    for position in order:
        turn[position] = seen.get(cell[position], 0)
        seen[cell[position]] = turn[position] + 1
    return np.sort(order[np.argsort(turn[order], kind="stable")][:n_windows])


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Labelled source windows.

    Args:
        values: (window channel height time) float32. labels: (window) int64.
        held: (window) bool, of people that were held out of training.
    """

    values: np.ndarray
    labels: np.ndarray
    held: np.ndarray

    @classmethod
    def drawn(cls, windows: Windows, held: Windows, n_windows: int, rng: np.random.Generator) -> Self:
        """Draw a bank evenly of classes and people: at most a fifth of it from those held out.

        Args:
            windows: what was learnt from; held: what was held out, possibly nothing.
            n_windows: at most so many in all.
        """
        n_held = min(len(held), n_windows // 5)
        held = held.take(evenly(held.labels, held.groups, n_held, rng))
        windows = windows.take(evenly(windows.labels, windows.groups, n_windows - n_held, rng))
        return cls(
            np.concatenate([windows.values, held.values]),
            np.concatenate([windows.labels, held.labels]),
            np.arange(len(windows) + len(held)) >= len(windows),
        )

    def parts(self) -> tuple[Windows, Windows]:
        """Return what was learnt from and what was held out. Groups are not kept, and all zero."""
        everything = Windows(self.values, self.labels, np.zeros(len(self.labels)))
        return everything.take(~self.held), everything.take(self.held)

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what `from_tensors` makes this bank of again."""
        return {
            "bank.values": self.values,
            "bank.labels": self.labels,
            "bank.held": self.held.astype(np.uint8),
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray], image_shape: tuple[int, int, int], n_classes: int) -> Self:
        """Return the bank among a model's tensors.

        Raises:
            ModelError: it is missing or does not fit.
        """
        n_windows = len(tensors.get("bank.values", ()))
        shapes = {"bank.values": (n_windows, *image_shape), "bank.labels": (n_windows,), "bank.held": (n_windows,)}
        check_shapes(tensors, shapes)
        values, labels, held = (tensors[name] for name in shapes)
        if labels.dtype != np.int64 or values.dtype != np.float32 or not set(labels) <= set(range(n_classes)):
            raise ModelError(f"the stored windows have labels or types other than the model's {n_classes} classes")
        return cls(values, labels, held.astype(bool))

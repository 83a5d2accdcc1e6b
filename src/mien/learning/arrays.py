"""What every estimator asks of its arrays, and the normaliser that every estimator fits on its training windows."""

from dataclasses import dataclass

import numpy as np

from mien.errors import ModelError


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Labelled windows.

    Args:
        values: (window channel height time) float32.
        labels: (window) class numbers.
        groups: (window) subject of each window; whole groups are held out, never parts of one.
    """

    values: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: np.ndarray) -> "Windows":
        """Return the windows of an index or mask."""
        return Windows(self.values[index], self.labels[index], self.groups[index])


def check_values(values: np.ndarray, image_shape: tuple[int, int, int] | None = None) -> np.ndarray:
    """Return windows as contiguous float32, refused unless finite and of the shape a model was fitted to.

    Raises:
        ModelError: other dimensions, another shape than `image_shape`, complex, NaN or infinite values.
    """
    values = np.asarray(values)
    if values.ndim != 4 or values.dtype.kind not in "fiu":
        raise ModelError(
            f"windows are {values.dtype} of shape {values.shape}; real numbers (window channel height time) are needed "
            "(complex profiles: use Features.images())"
        )
    if image_shape is not None and values.shape[1:] != tuple(image_shape):
        raise ModelError(
            f"windows are of shape {values.shape[1:]} (channel height time); this model was fitted to "
            f"{tuple(image_shape)}: use the front end and probe it was trained with"
        )
    values = np.ascontiguousarray(values, dtype=np.float32)
    bad = ~np.isfinite(values).all(axis=(1, 2, 3))
    if bad.any():
        raise ModelError(
            f"{bad.sum()} of {len(values)} windows hold NaN or infinity (first: window {bad.argmax()}); "
            "remove them or mend the recordings they come from"
        )
    return values


def check_unlabelled(values: np.ndarray, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Return unlabelled windows of new people as `check_values` does, refused unless there is something to adapt to.

    Raises:
        ModelError: fewer than two windows, or as `check_values`.
    """
    values = check_values(values, image_shape)
    if len(values) < 2:
        raise ModelError(f"{len(values)} unlabelled windows to adapt to; at least two are needed")
    return values


def check_windows(values: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Windows:
    """Return the training windows, refused unless they can teach something.

    Raises:
        ModelError: bad values, labels that are no class numbers, lengths that differ, fewer than two classes.
    """
    values = check_values(values)
    labels, groups = np.asarray(labels), np.asarray(groups)
    if not len(values) == len(labels) == len(groups) or labels.ndim != 1 or groups.ndim != 1:
        raise ModelError(f"{len(values)} windows, labels {labels.shape} and groups {groups.shape}: one each is needed")
    if labels.dtype.kind not in "iu" or (len(labels) and labels.min() < 0):
        raise ModelError(f"labels are {labels.dtype}; class numbers 0, 1, 2, ... are needed")
    n_found = len(np.unique(labels))
    if n_found < 2:
        raise ModelError(f"{len(labels)} training windows hold {n_found} class(es); at least two are needed")
    return Windows(values, labels.astype(np.int64), groups)


def check_personal(
    values: np.ndarray, labels: np.ndarray, groups: np.ndarray, image_shape: tuple[int, int, int], n_classes: int
) -> Windows:
    """Return a person's labelled windows, refused unless a fitted model can be calibrated to them.

    Args:
        groups: (window) take of each window.

    Raises:
        ModelError: no windows, bad values, lengths that differ, or labels that are no class of the model.
    """
    values = check_values(values, image_shape)
    labels, groups = np.asarray(labels), np.asarray(groups)
    if not len(values) == len(labels) == len(groups) or not len(values):
        raise ModelError(
            f"{len(values)} windows, {len(labels)} labels and {len(groups)} groups to calibrate to; at least one and "
            "one each is needed"
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= n_classes:
        raise ModelError(
            f"labels are {np.unique(labels).tolist()}; this model knows class numbers 0 to {n_classes - 1}"
        )
    return Windows(values, labels.astype(np.int64), groups)


@dataclass(frozen=True, slots=True, eq=False)
class Normaliser:
    """Mean and scale per channel and height, fitted on training windows only.

    Args:
        mean, scale: (channel height 1) float32; scale is never zero.
    """

    mean: np.ndarray
    scale: np.ndarray

    @staticmethod
    def fit(values: np.ndarray) -> "Normaliser":
        """Fit to (window channel height time): one mean per channel and height, one scale per channel.

        One scale per channel keeps what loud cells say above what silent ones hiss.

        Example:
            >>> Normaliser.fit(np.array([0.0, 2.0], np.float32).reshape(2, 1, 1, 1)).mean.item()
            1.0
        """
        mean = values.mean(axis=(0, 3), dtype=np.float64)[:, :, None]
        spread = np.sqrt(np.square(values - mean[None], dtype=np.float64).mean(axis=(0, 2, 3)))
        scale = np.where(spread > 1e-12, spread, 1.0)[:, None, None] * np.ones_like(mean)
        return Normaliser(mean.astype(np.float32), scale.astype(np.float32))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return (values - self.mean) / self.scale


def inner_split(labels: np.ndarray, groups: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Return a mask (window) of those held out for early stopping: whole groups, never a part of one.

    About `fraction` of the groups are drawn, at least one. With a single group, or where every draw would leave a
    class untaught, nothing is held out, and training runs its full length without early stopping.
    """
    names = np.unique(groups)
    n_held = max(1, round(fraction * len(names)))
    if len(names) < 2 or fraction <= 0:
        return np.zeros(len(groups), dtype=bool)
    for _ in range(20):
        held = np.isin(groups, rng.permutation(names)[:n_held])
        if len(np.unique(labels[~held])) == len(np.unique(labels)):
            return held
    return np.zeros(len(groups), dtype=bool)


def check_shapes(tensors: dict[str, np.ndarray], expected: dict[str, tuple[int, ...]]) -> None:
    """Refuse tensors that are missing or of other shapes than expected, before a network of that size is made.

    Raises:
        ModelError: naming the first tensor at fault.
    """
    for name, shape in expected.items():
        found = tensors[name].shape if name in tensors else None
        if found != shape:
            raise ModelError(f"weights {name!r} are {found or 'missing'}; the model that is described needs {shape}")


def stored_normaliser(tensors: dict[str, np.ndarray], image_shape: tuple[int, int, int]) -> Normaliser:
    """Return the normaliser among a model's tensors.

    Raises:
        ModelError: it is missing or does not fit the image.
    """
    shape = (*image_shape[:2], 1)
    check_shapes(tensors, {"normaliser.mean": shape, "normaliser.scale": shape})
    return Normaliser(tensors["normaliser.mean"], tensors["normaliser.scale"])

"""Features: what a front end makes of recordings, with axes that know their names and units."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from mien.recording import Recording


@dataclass(frozen=True, slots=True)
class Axis:
    """One named axis: `values` are its coordinates in `unit` ("Hz", "s", "m", or "" for a count)."""

    name: str
    unit: str
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)


@runtime_checkable
class FrontEnd(Protocol):
    """A frozen dataclass of options that turns one recording into windows of features."""

    kind: ClassVar[str]

    def features(self, recording: Recording, neutral: Any = None) -> "Features":
        """Return the recording's windows; `row` is all zero.

        Args:
            neutral: a clip of the person's neutral face, or a `NeutralProfile` of one.
        """
        ...


@dataclass(frozen=True, slots=True)
class Features:
    """Windows of features.

    Args:
        values: (window microphone range|freq time), float32 magnitudes or complex64 profiles.
        axes: one per dimension after the first.
        front_end: the options that made them.
        row: (window) position of each window's take in the study's table.
        start_s: (window) time of each window's first sample in its take.
        broken: (window) whether samples were lost or doubled within it, or the probe was silent; empty where none is.
        weakest_db: (window) the weakest part of the probe's band relative to its strongest; empty where not known.
        quality: what the sound shows of itself, in words of `QUALITY_WORDS`, of all takes together.
    """

    values: np.ndarray
    axes: tuple[Axis, ...]
    front_end: Any
    row: np.ndarray
    start_s: np.ndarray
    broken: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    weakest_db: np.ndarray = field(default_factory=lambda: np.zeros(0))
    quality: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        found = self.values.shape[1:]
        expected = tuple(len(axis) for axis in self.axes)
        if found != expected:
            names = " ".join(axis.name for axis in self.axes)
            raise ValueError(f"features of shape {found} do not fit axes ({names}) of lengths {expected}")
        if not len(self.values) == len(self.row) == len(self.start_s):
            raise ValueError(f"{len(self.values)} windows, {len(self.row)} rows, {len(self.start_s)} start times")
        for name in ("broken", "weakest_db"):
            if len(getattr(self, name)) not in (0, len(self.values)):
                raise ValueError(f"{len(self.values)} windows, {len(getattr(self, name))} values of {name}")

    def __len__(self) -> int:
        return len(self.values)

    def axis(self, name: str) -> Axis:
        """Return the axis of a name."""
        return next(axis for axis in self.axes if axis.name == name)

    @property
    def is_broken(self) -> np.ndarray:
        """Return (window) `broken`, also where none is."""
        return self.broken if len(self.broken) else np.zeros(len(self), dtype=bool)

    def of_rows(self, rows: Sequence[int] | np.ndarray) -> "Features":
        """Return the windows whose take is among `rows`."""
        return self.at(np.flatnonzero(np.isin(self.row, rows)))

    def at(self, windows: np.ndarray) -> "Features":
        """Return the windows of these numbers, in their order."""
        return replace(
            self,
            values=self.values[windows],
            row=self.row[windows],
            start_s=self.start_s[windows],
            broken=self.is_broken[windows],
            weakest_db=self.weakest_db[windows] if len(self.weakest_db) else self.weakest_db,
        )

    def images(self) -> np.ndarray:
        """Return (window channel height time) float32: complex values become real and imaginary channels."""
        return images_of(self.values)


def images_of(values: np.ndarray) -> np.ndarray:
    """Return (window channel height time) float32 of windows: complex values become real and imaginary channels."""
    if np.iscomplexobj(values):
        values = np.concatenate([values.real, values.imag], axis=1)
    return np.ascontiguousarray(values, dtype=np.float32)


def join(parts: Sequence[Features]) -> Features:
    """Return one Features of several made by the same front end, in order."""
    first = parts[0]
    return replace(
        first,
        values=np.concatenate([part.values for part in parts]),
        row=np.concatenate([part.row for part in parts]),
        start_s=np.concatenate([part.start_s for part in parts]),
        broken=np.concatenate([part.is_broken for part in parts]),
        weakest_db=np.concatenate([part.weakest_db for part in parts])
        if all(len(part.weakest_db) == len(part) for part in parts)
        else np.zeros(0),
        quality=tuple(dict.fromkeys(word for part in parts for word in part.quality)),
    )

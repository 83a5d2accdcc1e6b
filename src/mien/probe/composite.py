"""Several probes at once."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mien.errors import ProbeError
from mien.probe.base import LONGEST_TOGETHER_S, MOST_PARTS, Probe, check_period


def refuse_too_many(n_parts: int) -> None:
    if n_parts > MOST_PARTS:
        raise ProbeError(f"a composite was to have {n_parts} parts; at most {MOST_PARTS} are allowed")


@dataclass(frozen=True, slots=True)
class Composite:
    """Several probes emitted at once, each in a band of its own so that each is heard apart.

    Args:
        parts: the probes, of one rate, whose bands do not touch: at least `guard_hz` lies between any two.

    Raises:
        ProbeError: fewer than two parts, different rates, nested composites or bands too close.
    """

    kind: ClassVar[str] = "composite"
    guard_hz: ClassVar[float] = 200.0

    parts: tuple[Any, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ProbeError(f"a composite needs at least two parts; {len(self.parts)} given")
        refuse_too_many(len(self.parts))
        if any(isinstance(part, Composite) for part in self.parts):
            raise ProbeError("a composite cannot hold another composite; list its parts instead")
        rates = sorted({part.rate_hz for part in self.parts})
        if len(rates) > 1:
            raise ProbeError(f"the parts of a composite have rates {rates} Hz; one rate is needed")
        bands = sorted(part.band_hz for part in self.parts)
        for (_, below_hz), (above_hz, _) in zip(bands, bands[1:], strict=False):
            if above_hz - below_hz < self.guard_hz:
                raise ProbeError(
                    f"two parts meet between {below_hz:g} and {above_hz:g} Hz and could not be heard apart; "
                    f"leave at least {self.guard_hz:g} Hz between their bands"
                )
        check_period(self.period_s, LONGEST_TOGETHER_S)

    @property
    def rate_hz(self) -> int:
        return self.parts[0].rate_hz

    @property
    def band_hz(self) -> tuple[float, float]:
        return min(part.band_hz[0] for part in self.parts), max(part.band_hz[1] for part in self.parts)

    @property
    def period_s(self) -> float:
        microseconds = [max(1, round(part.period_s * 1e6)) for part in self.parts]
        return math.lcm(*microseconds) / 1e6

    def at(self, time_s: np.ndarray) -> np.ndarray:
        return sum(part.at(time_s) for part in self.parts) / len(self.parts)

    def emit(self, n_samples: int) -> np.ndarray:
        return sum(part.emit(n_samples) for part in self.parts) / len(self.parts)

    def part(self, kind: str, number: int | None = None) -> Probe:
        """Return the part of a kind.

        Args:
            number: which of several, from 0 in their order; None where there is one.

        Raises:
            ProbeError: no such part, or several and no number.
        """
        found = [part for part in self.parts if part.kind == kind]
        if number is None and len(found) == 1:
            return found[0]
        if number is None or not 0 <= number < len(found):
            kinds = ", ".join(part.kind for part in self.parts)
            which = f"part({kind!r}, 0) to part({kind!r}, {len(found) - 1}) are there" if found else "there is none"
            asked = "one part" if number is None else f"part {number}"
            raise ProbeError(f"{asked} of kind {kind!r} was asked for; this composite has {kinds}: {which}")
        return found[number]

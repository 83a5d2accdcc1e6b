"""A recording: samples, the rate they were taken at, the probe that was emitted, facts and quality.

(First depth: the value alone. Files, sidecars and quality flags follow in this module.)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mien.errors import RecordingError
from mien.probe import Probe


@dataclass(frozen=True, slots=True)
class Recording:
    """Sound as it was recorded.

    Args:
        samples: (channel time) float32, full scale 1.
        rate_hz: samples per second.
        probe: what was emitted meanwhile, or None where it is not known.
        facts: what else is known (subject, place, device, neutral_until_s, ...), plain JSON values.
        quality: words from `QUALITY_WORDS`; empty means ok.
    """

    samples: np.ndarray
    rate_hz: int
    probe: Probe | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    quality: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.dtype != np.float32:
            raise RecordingError(
                f"samples are {self.samples.dtype} of shape {self.samples.shape}; float32 (channel time) is needed"
            )

    @property
    def n_channels(self) -> int:
        return self.samples.shape[0]

    @property
    def n_samples(self) -> int:
        return self.samples.shape[1]

    @property
    def duration_s(self) -> float:
        return self.n_samples / self.rate_hz

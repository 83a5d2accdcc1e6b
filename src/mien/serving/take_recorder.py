"""Cutting takes out of a stream."""

from collections.abc import Sequence

import numpy as np

from mien.collecting.outcome import judged, remedy
from mien.probe import Probe
from mien.recording import Recording
from mien.serving.audio_frames import AudioFrame


class TakeRecorder:
    """Gathers a take's samples from when it is told to begin; what is heard otherwise is forgotten at once.

    Args:
        probe: what is emitted meanwhile.
    """

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._parts: list[np.ndarray] = []
        self._n_missing, self._dropped, self._begun = 0, False, False

    @property
    def recording(self) -> bool:
        """Return whether a take is being recorded."""
        return self._begun

    def begin(self, duration_s: float) -> None:
        """Begin a take with the next frame."""
        self.cancel()
        self._begun, self._n_missing = True, round(duration_s * self._probe.rate_hz)

    def cancel(self) -> None:
        """Forget the take that is being recorded."""
        self._parts, self._n_missing, self._dropped, self._begun = [], 0, False, False

    def hear(self, frames: Sequence[AudioFrame]) -> Recording | None:
        """Hear frames; return the take when it is complete."""
        if not self._begun:
            return None
        for frame in frames:
            # A loss before a take's first frame is no loss of the take's.
            self._dropped = self._dropped or (frame.dropped and bool(self._parts))
            self._parts.append(frame.samples[: self._n_missing])
            self._n_missing -= len(self._parts[-1])
            if not self._n_missing:
                break
        if self._n_missing:
            return None
        quality = ("dropout",) if self._dropped else ()
        take = Recording(np.concatenate(self._parts)[None], self._probe.rate_hz, self._probe, quality=quality)
        self.cancel()
        return take


def judge_take(take: Recording) -> tuple[tuple[str, ...], str]:
    """Return what is wrong with a take, in words of the study's contract, and for a person; empty where all is well."""
    quality = judged(take, take.probe).quality if take.probe is not None else take.quality
    return quality, remedy(quality)

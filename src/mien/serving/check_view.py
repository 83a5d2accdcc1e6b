"""The check view: the device check, heard through the page."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mien.serving.audio_frames import AudioFrame
from mien.serving.messages import (
    AudioSettings,
    CheckProgress,
    CheckResult,
    ClientMessage,
    Emission,
    StartCheck,
    Started,
)
from mien.serving.views import Answer, not_now, warnings_of

AFTER_S = 1.5
"""Heard beyond the emission's length: it begins a while after the first frame, and comes back later than it is sent."""

TELL_EVERY_S = 0.5


class CheckView:
    """Listens for as long as the check plays, then says what the device can do.

    Args:
        analyse: makes the report of samples (channel time), the client's audio, and how often sound was lost.
        memory: of the browser's session; the result is kept there as "check".
    """

    n_missing, is_quick = 0, True

    def __init__(
        self,
        start: StartCheck,
        emission: Emission,
        analyse: Callable[[np.ndarray, AudioSettings, int], Any],
        memory: dict[str, Any],
    ) -> None:
        self._start, self._emission, self._analyse, self._memory = start, emission, analyse, memory
        self._rate_hz = start.audio.rate_hz
        self._n_needed = round(emission.n_samples * self._rate_hz / emission.rate_hz + AFTER_S * self._rate_hz)
        self._heard: list[np.ndarray] = []
        self._n_heard = self._n_told = self._n_lost = 0

    @property
    def duration_s(self) -> float:
        return self._n_needed / self._rate_hz

    def begin(self) -> Answer:
        return Answer(
            [
                Started(
                    view="check",
                    emission=self._emission,
                    duration_s=self.duration_s,
                    warnings=warnings_of(self._start.audio),
                )
            ]
        )

    def hear(self, frames: Sequence[AudioFrame]) -> Answer:
        if self._n_heard >= self._n_needed:
            return Answer()
        for frame in frames:
            self._n_lost += frame.dropped and bool(self._heard)
            self._heard.append(frame.samples[: self._n_needed - self._n_heard])
            self._n_heard += len(self._heard[-1])
        if self._n_heard >= self._n_needed:
            return Answer([self._progress()], work=self._judge)
        if self._n_heard - self._n_told < TELL_EVERY_S * self._rate_hz:
            return Answer()
        return Answer([self._progress()])

    def _progress(self) -> CheckProgress:
        self._n_told = self._n_heard
        return CheckProgress(heard_s=self._n_heard / self._rate_hz, duration_s=self.duration_s)

    def _judge(self) -> Answer:
        samples = np.concatenate(self._heard)[None]
        self._heard.clear()
        report = self._analyse(samples, self._start.audio, self._n_lost)
        told = report.to_json()
        result = CheckResult(
            ok=report.state == "ready",
            state=report.state,
            verdict=report.verdict,
            lines=report.lines(),
            problems=list(report.problems),
            report=told,
        )
        self._memory["check"] = told
        return Answer([result], over=True)

    def told(self, message: ClientMessage) -> Answer:
        return not_now(message, "the device check takes no such message; say stop first")

    def end(self) -> None:
        self._heard.clear()

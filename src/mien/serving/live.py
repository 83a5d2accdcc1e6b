"""`LiveSession`: sound in, predictions out, without sockets, threads or a clock."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.datasets.extract import one_thread
from mien.errors import ModelError, RecordingError
from mien.labels import NEUTRAL, UNSURE
from mien.learning.foreignness import is_unsure
from mien.recognizer import Recognizer
from mien.recording import Recording
from mien.sensing.features import images_of
from mien.sensing.range_gate import RangeGate
from mien.sensing.stream import Heard, NoProbe, PeriodStream
from mien.serving.rest import Holding, knows_onsets_alone, neutral_probability
from mien.serving.windows import LiveQuality, LiveWindows, StreamedFrontEnd, neutral_clip, streamed

MOST_AT_ONCE = 64
"""Windows that the model is asked about at once."""


@dataclass(frozen=True, slots=True)
class LivePrediction:
    """What is seen on a face at a moment of a stream.

    Args:
        time_s: end of the window in stream time.
        expression: one of the model's, "neutral" or "unsure".
        probabilities: of each expression and of "neutral"; they add up to 1.
        confidence: of the most probable.
        quality: what is wrong with the sound, in the words of a study; empty where nothing is.
        profile: magnitude of the latest range profile, for drawing, 0 to 1.
        foreignness: how unlike what the model was trained on it is, 0 being typical; None where that is not known.
        is_foreign: whether it is unsure for that.
    """

    time_s: float
    expression: str
    probabilities: Mapping[str, float]
    confidence: float
    quality: tuple[str, ...]
    profile: tuple[float, ...]
    foreignness: float | None = None
    is_foreign: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """A window that is complete and not yet answered."""

    end_s: float
    values: np.ndarray
    away: tuple[float, float]
    after_gap: bool
    quality: tuple[str, ...]
    profile: tuple[float, ...]


class LiveSession:
    """Recognise expressions in a stream of sound.

    A model whose front end measures against the face at a take's beginning (`neutral` is "take") listens against a
    running baseline instead, or against a clip where one is given. Where the model has no word for a face at rest,
    "neutral" is told by how little the profile differs from it (`rest`).

    Args:
        recognizer: fitted, with a front end for chirps: a range profile or a spectrogram.
        n_channels: of the sound; as many as the model was trained on.
        hop_s: from one answer to the next, rounded to whole periods of the probe.
        neutral: a recording of the person's face at rest.
        from_rest: whether the model has heard looks from their onset alone, so that its answer to one is held as long
            as the look is (`rest.Holding`); None finds out by `rest.knows_onsets_alone`.

    Raises:
        ModelError: a model that has learnt nothing, cannot follow a stream, or needs a neutral clip; hop_s that is no
            time.
        RecordingError: another number of channels than the model's.
        ProbeNotFound, ProbeMismatch: in the neutral clip.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        n_channels: int = 1,
        hop_s: float = 0.05,
        neutral: Recording | None = None,
        from_rest: bool | None = None,
    ) -> None:
        if recognizer.estimator is None:
            raise ModelError(f"this {recognizer.method} has learnt nothing yet; call fit first")
        front_end, n_expected = streamed(recognizer.front_end), recognizer.training.n_microphones
        if n_expected and n_channels != n_expected:
            raise RecordingError(
                f"the stream has {n_channels} channels; this model was trained on {n_expected}: choose or mix them"
            )
        if not (isinstance(n_channels, int | np.integer) and n_channels >= 1):
            raise RecordingError(f"n_channels is {n_channels!r}; a whole number from 1 up is needed")
        if not (math.isfinite(hop_s) and hop_s > 0):
            raise ModelError(f"hop_s is {hop_s}; seconds from one answer to the next, more than 0, are needed")
        self.recognizer = recognizer
        self.rate_hz = recognizer.probe.rate_hz
        self.n_channels = n_channels
        self.n_dropped_windows = 0
        clip = neutral_clip(front_end, neutral, recognizer.neutral, n_channels)
        self._stream = PeriodStream(recognizer.probe, _gate(front_end), n_channels)
        self._windows = LiveWindows(front_end, self._stream.grid, n_channels, clip)
        self._quality = LiveQuality(self._stream.grid, self._windows.gate, self._windows.n_periods)
        period_s = self._stream.grid.chirp.period_s
        self.hop_s = max(1, round(hop_s / period_s)) * period_s
        self.window_s = self._windows.n_periods * period_s
        self._half_s = period_s / 2
        self.names = recognizer.labels + (() if NEUTRAL in recognizer.labels else (NEUTRAL,))
        self._from_rest = knows_onsets_alone(recognizer) if from_rest is None else from_rest
        self._holding = Holding()
        self._n_in_a_row = 0
        self._due_s: float | None = None
        self._gap = False

    @property
    def distance_m(self) -> np.ndarray:
        """Return (range) the distances of `LivePrediction.profile`."""
        return self._windows.distance_m

    @property
    def gate(self) -> RangeGate:
        """Return the distances that are listened to."""
        return self._windows.gate

    @property
    def problem(self) -> str:
        """Return why there is no probe at present, in words; empty where there is one, or none was looked for yet."""
        return self._stream.problem

    @property
    def n_missing(self) -> int:
        """Return how many samples may be gathered before they are fed, without an answer coming later for it."""
        return self._stream.n_missing

    def feed(
        self, samples: np.ndarray, *, dropped: bool = False, n_lost: int = 0, most_answers: int | None = None
    ) -> list[LivePrediction]:
        """Hear a block of any length, and return what it completes.

        Args:
            samples: (channel time) float32, full scale 1, at the probe's rate.
            dropped: samples were lost just before these.
            n_lost: how many, where that is known: stream time then goes on as the clock does.
            most_answers: where more windows are complete, the latest alone are answered and the others counted as
                dropped: for one who is late and must catch up. Windows without a probe are always answered.

        Raises:
            RecordingError: samples of another type or shape, or that are no numbers; counts that are none.
        """
        self._check(samples)
        for name, count in (("n_lost", n_lost), ("most_answers", most_answers)):
            if count is not None and not (isinstance(count, int | np.integer) and count >= 0):
                raise RecordingError(f"{name} is {count!r}; a whole number from 0 up is needed")
        if dropped or n_lost:
            self._lose(n_lost)
        answers: list[LivePrediction] = []
        waiting: list[_Window | LivePrediction] = []
        with one_thread():
            for start in range(0, samples.shape[1], self.rate_hz):
                for heard in self._stream.push(samples[:, start : start + self.rate_hz]):
                    waiting += self._due(heard)
                    if most_answers is None and len(waiting) >= MOST_AT_ONCE:
                        answers, waiting = answers + self._answered(waiting), []
                    elif most_answers is not None:
                        waiting = self._latest(waiting, most_answers)
            return answers + self._answered(waiting)

    def _latest(self, waiting: list[_Window | LivePrediction], most: int) -> list[_Window | LivePrediction]:
        """Leave out all but the latest windows; those that tell of no probe cost nothing, and stay."""
        windows = [number for number, one in enumerate(waiting) if isinstance(one, _Window)]
        left_out = set(windows[: max(0, len(windows) - most)])
        self.n_dropped_windows += len(left_out)
        return [one for number, one in enumerate(waiting) if number not in left_out]

    def _check(self, samples: np.ndarray) -> None:
        if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 2:
            found = f"{samples.dtype} of shape {samples.shape}" if isinstance(samples, np.ndarray) else type(samples)
            raise RecordingError(f"a block is {found}; float32 (channel time) is needed")
        if len(samples) != self.n_channels:
            raise RecordingError(f"a block has {len(samples)} channels; this session hears {self.n_channels}")
        n_wrong = int(samples.size - np.count_nonzero(np.isfinite(samples)))
        if n_wrong:
            raise RecordingError(f"{n_wrong} of a block's {samples.size} samples are no numbers (NaN or infinite)")

    def _lose(self, n_lost: int) -> None:
        """Go on after a gap; the windows that would have ended in it are dropped."""
        self._stream.lose(n_lost)
        self._n_in_a_row, self._gap = 0, True
        now_s = self._stream.n_heard / self.rate_hz
        if self._due_s is not None and now_s >= self._due_s:
            n_missed = int((now_s - self._due_s) / self.hop_s) + 1
            self.n_dropped_windows += n_missed
            self._due_s += n_missed * self.hop_s

    def _due(self, heard: Heard) -> list[_Window | LivePrediction]:
        """Return what is to be answered now that so much more was heard."""
        if isinstance(heard, NoProbe):
            return self._without_probe(heard.end_sample / self.rate_hz)
        self._windows.push(heard)
        self._quality.push(heard)
        self._n_in_a_row = self._n_in_a_row + 1 if heard.continues else 1
        end_s, due_s = heard.end_sample / self.rate_hz, self._due_s
        if self._n_in_a_row < self._windows.n_periods or (due_s is not None and end_s < due_s - self._half_s):
            return []
        n_missed = 0 if due_s is None else int((end_s - due_s + self._half_s) / self.hop_s)
        self.n_dropped_windows += n_missed
        quality = self._quality.words(self._stream.drift_ppm)
        gap = self._gap or n_missed > 0
        quality += ("dropout",) if gap else ()
        self._due_s, self._gap = end_s + self.hop_s, False
        windows = self._windows
        return [_Window(end_s, windows.window(), windows.away(), gap, quality, windows.drawing())]

    def _without_probe(self, now_s: float) -> list[_Window | LivePrediction]:
        """Return the answers that were due while no probe was heard: nothing is known but that."""
        self._n_in_a_row = 0
        if self._due_s is None:
            self._due_s = max(now_s, self.window_s)
        names = self.names
        even = dict.fromkeys(names, 1 / len(names))
        blank = (0.0,) * len(self.distance_m)
        found: list[_Window | LivePrediction] = []
        while self._due_s <= now_s:
            found.append(LivePrediction(self._due_s, UNSURE, even, 1 / len(names), ("no-probe",), blank))
            self._due_s += self.hop_s
        return found

    def _answered(self, waiting: Sequence[_Window | LivePrediction]) -> list[LivePrediction]:
        """Ask the model about all windows at once."""
        windows = [one for one in waiting if isinstance(one, _Window)]
        if not windows:
            return [one for one in waiting if isinstance(one, LivePrediction)]
        images = images_of(np.stack([window.values for window in windows]))
        found = iter(zip(*self.recognizer.estimator.assess(images), strict=True))
        return [one if isinstance(one, LivePrediction) else self._answer(one, *next(found)) for one in waiting]

    def _answer(self, window: _Window, expressions: np.ndarray, foreignness: float) -> LivePrediction:
        if window.after_gap:
            self._holding.forget()
        if self._from_rest:
            expressions, foreignness = self._holding.answer(expressions, foreignness, *window.away)
        rest = 0.0 if NEUTRAL in self.recognizer.labels else neutral_probability(window.away[1])
        found = [*((1 - rest) * expressions), rest][: len(self.names)]
        best = int(np.argmax(found))
        confidence = float(found[best])
        estimator, named = self.recognizer.estimator, self.names[best]
        is_foreign = named != NEUTRAL and bool(is_unsure(1.0, foreignness, 0.0, estimator.foreign))
        expression = UNSURE if is_foreign or confidence < estimator.unsure_below else named
        known = float(foreignness) if math.isfinite(foreignness) else None
        probabilities = {name: float(value) for name, value in zip(self.names, found, strict=True)}
        said = expression, probabilities, confidence, window.quality, window.profile, known, is_foreign
        return LivePrediction(window.end_s, *said)


def answer_s(recognizer: Recognizer, n_times: int = 5, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how long one answer of a model takes on this machine, from the last sample of its window.

    It listens to the bare probe for a little longer than a window. The least of a few is returned: what it takes where
    nothing else is running.

    Args:
        clock: seconds, rising.
    """
    n_channels, period_s = max(1, recognizer.training.n_microphones), recognizer.probe.period_s
    n_block = round(period_s * recognizer.probe.rate_hz)
    n_samples = round(recognizer.probe.rate_hz * (_window_s(recognizer) + 1.0)) + (n_times + 2) * n_block
    sound = np.repeat(0.3 * recognizer.probe.emit(n_samples)[None], n_channels, axis=0).astype(np.float32)
    clip = Recording(sound, recognizer.probe.rate_hz, recognizer.probe)
    session = LiveSession(recognizer, n_channels=n_channels, neutral=clip)
    n_before = n_samples - (n_times + 1) * n_block
    session.feed(sound[:, :n_before])
    spent = []
    for start in range(n_before, n_samples, n_block):
        started = clock()
        if session.feed(sound[:, start : start + n_block]):
            spent.append(clock() - started)
    return min(spent)


def slowness(answer_s: float, hop_s: float = 0.05) -> str:
    """Return what to say of a model that needs so long for an answer; empty where it keeps up.

    Example:
        >>> slowness(0.004)
        ''
        >>> slowness(0.08)[:62]
        'one answer takes 80 ms on this machine and one is due every 50'
    """
    if answer_s <= 0.8 * hop_s:
        return ""
    takes = f"one answer takes {1000 * answer_s:.0f} ms on this machine and one is due every {1000 * hop_s:.0f} ms"
    follows = "little time is left beside" if answer_s <= hop_s else "windows will be dropped"
    return f"{takes}: {follows}; use a smaller model (width, the builtin one) or ask for fewer answers"


def _window_s(recognizer: Recognizer) -> float:
    return float(getattr(recognizer.front_end, "window_s", 1.0))


def _gate(front_end: StreamedFrontEnd) -> RangeGate:
    return RangeGate(front_end.near_m, front_end.far_m, front_end.direct_path_m, front_end.temperature_c)

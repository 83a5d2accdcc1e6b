"""What every view is: it hears frames and messages and answers with messages, without sockets, threads or a clock.

A connection calls a view from one thread at a time, in the order in which things came.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mien.errors import (
    DeviceError,
    MienError,
    ModelError,
    ProbeMismatch,
    RecordingError,
    StorageError,
    StudyError,
)
from mien.serving.audio_frames import AudioFrame
from mien.serving.limits import MOST_RATE_HZ
from mien.serving.messages import AudioSettings, ClientMessage, Emission, Error, ErrorCode


@dataclass(slots=True)
class Answer:
    """What a view answers.

    Args:
        messages: to be sent now.
        work: what is to be done then and takes long; its answer follows. Meanwhile nothing else reaches the view.
        over: the view has ended.
    """

    messages: list[Any] = field(default_factory=list)
    work: "Callable[[], Answer] | None" = None
    over: bool = False


class View(Protocol):
    """One view of one client."""

    @property
    def n_missing(self) -> int:
        """Return how many samples may be gathered before the view hears them; 0 where it should hear them at once."""
        ...

    @property
    def is_quick(self) -> bool:
        """Return whether hearing takes a few milliseconds; what takes longer is `Answer.work` or slows others."""
        ...

    def begin(self) -> Answer:
        """Return what begins it: `Started`, perhaps a prompt."""
        ...

    def hear(self, frames: Sequence[AudioFrame]) -> Answer:
        """Hear frames in a row; one may be marked as coming after a loss."""
        ...

    def told(self, message: ClientMessage) -> Answer:
        """Hear a message that is not about beginning or stopping."""
        ...

    def end(self) -> None:
        """Let go of what it holds. Nothing is called afterwards."""
        ...


def error_of(problem: MienError) -> Error:
    """Return the message that tells a client of an error."""
    kinds: list[tuple[type[MienError], ErrorCode]] = [
        (NotOffered, ErrorCode.NOT_OFFERED),
        (StudyError, ErrorCode.STUDY),
        (StorageError, ErrorCode.STORAGE),
        (ModelError, ErrorCode.MODEL),
        (ProbeMismatch, ErrorCode.MODEL),
        (DeviceError, ErrorCode.DEVICE),
    ]
    code = next((code for kind, code in kinds if isinstance(problem, kind)), ErrorCode.AUDIO)
    return Error(code=code, message=" ".join(str(problem).split()))


def not_now(message: ClientMessage, why: str) -> Answer:
    """Return the answer to a message that makes no sense at this moment."""
    return Answer([Error(code=ErrorCode.NOT_NOW, message=f"{message.type}: {why}")])


class NotOffered(MienError):
    """A view that this server does not offer."""


def refuse_other_rate(audio: AudioSettings, emission: Emission) -> None:
    """Refuse audio at another rate than what is played.

    Raises:
        RecordingError: naming both.
    """
    if audio.rate_hz != emission.rate_hz:
        raise RecordingError(
            f"your audio runs at {audio.rate_hz} Hz; {emission.rate_hz} Hz is needed, else the probe can neither be "
            "played nor heard as it is: set the device to it in the system's sound settings, or use another device"
        )


def refuse_high_rate(audio: AudioSettings) -> None:
    """Refuse audio at a rate at which it could not come.

    Raises:
        RecordingError: naming both rates.
    """
    if audio.rate_hz > MOST_RATE_HZ:
        raise RecordingError(
            f"your audio runs at {audio.rate_hz} Hz; at most {MOST_RATE_HZ} Hz can be checked: set the device to "
            "48000 Hz in the system's sound settings"
        )


def warnings_of(audio: AudioSettings) -> list[str]:
    """Return what is wrong with a client's audio as it was read back, a sentence each."""
    harms = {
        "echo cancellation": (audio.echo_cancellation, "it removes the very echoes that are listened to"),
        "noise suppression": (audio.noise_suppression, "it takes the probe for noise"),
        "gain control": (audio.gain_control, "it changes the level of the echoes while they are compared"),
    }
    return [
        f"{name} is on although off was asked for: {harm}; try another browser, or switch it off in the system's "
        "sound settings"
        for name, (on, harm) in harms.items()
        if on
    ]

"""What a server serves, and by which functions: tests give their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.capture.emission import MODEST_LEVEL, check_emission
from mien.collecting.protocol import Protocol
from mien.serving.addresses import LOOPBACK_NAMES
from mien.serving.limits import Limits
from mien.serving.messages import AudioSettings
from mien.serving.take_recorder import judge_take

if TYPE_CHECKING:
    import numpy as np

    from mien.recognizer import Recognizer
    from mien.recording import Recording

PAGE = Path(__file__).parent / "page"


def live_session(recognizer: "Recognizer", hop_s: float) -> Any:
    """Return the live session of a stream."""
    from mien.serving.live import LiveSession

    return LiveSession(recognizer, n_channels=1, hop_s=hop_s)


def calibrated(recognizer: "Recognizer", takes: "Sequence[tuple[str, Recording]]") -> "Recognizer":
    """Return a recognizer that knows the person of these takes."""
    return recognizer.calibrate_recordings(takes)


def analysed(samples: "np.ndarray", audio: AudioSettings, n_lost: int) -> Any:
    """Return the report of a device check: samples are (channel time), n_lost is how often some were missing."""
    from mien.device.live import analyse_check

    facts = {"settings": audio.model_dump(mode="json")}
    return analyse_check(
        samples, audio.rate_hz, check_emission(), name=audio.device.strip(), n_lost=n_lost, facts=facts
    )


@dataclass(frozen=True, slots=True)
class Functions:
    """What the views call; the defaults are the real thing, imported at use."""

    live: Callable[["Recognizer", float], Any] = live_session
    calibrate: "Callable[[Recognizer, Sequence[tuple[str, Recording]]], Recognizer]" = calibrated
    judge: "Callable[[Recording], tuple[tuple[str, ...], str]]" = judge_take
    analyse: "Callable[[np.ndarray, AudioSettings, int], Any]" = analysed


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server serves.

    Args:
        model: what recognises; None offers neither live nor calibrate. model_name: how it was named.
        model_note: what a person must know of it.
        answer_s: how long one answer of it takes.
        study: the folder to collect into; None does not offer to collect.
        protocol: of the collection; None is FacER's. keep_audible: store speech too.
        calibrated_folder: where calibrated models of who agrees are kept; None keeps them in memory only.
        https: whether it is served over TLS. needs_token: whether a link's token is needed, as on a network.
        names: by which it may be addressed.
        level: amplitude of what live and check emit, full scale 1.
        page: the folder of the page's files.
        workers: threads that recognise, one per core; None takes as many as there are cores.
    """

    model: "Recognizer | None" = None
    model_name: str = ""
    model_note: str = ""
    answer_s: float = 0.0
    study: Path | None = None
    protocol: Protocol | None = None
    keep_audible: bool = False
    calibrated_folder: Path | None = None
    https: bool = False
    needs_token: bool = False
    names: tuple[str, ...] = LOOPBACK_NAMES
    level: float = MODEST_LEVEL
    page: Path = PAGE
    workers: int | None = None
    limits: Limits = field(default_factory=Limits)
    functions: Functions = field(default_factory=Functions)

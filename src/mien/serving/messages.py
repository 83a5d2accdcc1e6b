"""Every message on /ws: text frames are these models as JSON, told apart by `type`; sound goes as binary frames.

`docs/protocol.md` tells the same to who writes another client. A change that an older client would not survive raises
`PROTOCOL_VERSION`.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from mien.errors import MessageError

PROTOCOL_VERSION = 1

MAX_TEXT_BYTES = 4_096
"""No message of a client comes near this."""

View = Literal["check", "collect", "live", "calibrate"]
Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""One line of a person's or a device's words; it is stored or shown, never used as a name of a file."""
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")]


class ErrorCode(StrEnum):
    """What an `Error` is about."""

    NOT_OFFERED = "not-offered"
    """A view this server does not offer."""
    AUDIO = "audio"
    """The client's audio cannot serve: another rate, ..."""
    NOT_NOW = "not-now"
    """A message that makes no sense at this moment."""
    STUDY = "study"
    """The study cannot take it."""
    STORAGE = "storage"
    """The disk cannot take it."""
    MODEL = "model"
    """The model cannot do it."""
    DEVICE = "device"
    """The device cannot be judged."""


class CloseReason(StrEnum):
    """Why a connection is closed. `CLOSE_CODES` has the numbers."""

    BAD_VERSION = "bad-version"
    """The client speaks another version of this protocol: load the page again."""
    BAD_MESSAGE = "bad-message"
    """A text that is none of these messages."""
    BAD_AUDIO = "bad-audio"
    """A sound frame without its header, out of order, or with what is no number."""
    TOO_LARGE = "too-large"
    """A message or frame larger than allowed."""
    TOO_FAST = "too-fast"
    """More messages, or more sound than time passes."""
    SILENCE = "silence"
    """Nothing was heard of the client for `LimitsTold.silence_s`."""
    SESSION_OVER = "session-over"
    """`LimitsTold.session_s` has passed; it may be opened again."""
    STALLED = "stalled"
    """The client does not read what it is sent."""
    REPLACED = "replaced"
    """The same browser opened another connection, perhaps in another tab; do not reconnect by yourself."""
    NO_TOKEN = "no-token"
    """No cookie, or one that is no longer valid: open the link from the terminal."""
    FULL = "full"
    """As many clients as the server takes are there."""
    STOPPING = "stopping"
    """The server is being stopped."""
    FAULT = "fault"
    """A fault of the server; its log says more."""


CLOSE_CODES: dict[CloseReason, int] = {
    CloseReason.BAD_VERSION: 4001,
    CloseReason.BAD_MESSAGE: 4002,
    CloseReason.BAD_AUDIO: 4003,
    CloseReason.TOO_LARGE: 1009,
    CloseReason.TOO_FAST: 4005,
    CloseReason.SILENCE: 4006,
    CloseReason.SESSION_OVER: 4007,
    CloseReason.STALLED: 4008,
    CloseReason.REPLACED: 4009,
    CloseReason.NO_TOKEN: 4010,
    CloseReason.FULL: 4011,
    CloseReason.STOPPING: 1012,
    CloseReason.FAULT: 1011,
}


class _Message(BaseModel):
    """Unknown fields are refused, numbers are finite, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


# What a client says.


class AudioSettings(_Message):
    """What the client's audio really is, read back (`getSettings()`, `AudioContext.sampleRate`), not as asked for.

    Args:
        rate_hz: of the frames that will be sent.
        echo_cancellation, noise_suppression, gain_control: None where the browser does not tell.
        device: the microphone's name, where the browser tells.
    """

    rate_hz: Annotated[int, Field(ge=8_000, le=768_000)]
    echo_cancellation: bool | None = None
    noise_suppression: bool | None = None
    gain_control: bool | None = None
    device: Line = ""


class Hello(_Message):
    """The first message, within `Limits.hello_s`; answered by `Welcome`."""

    type: Literal["hello"] = "hello"
    version: int
    client: Line = ""


class StartCheck(_Message):
    """Begin the device check; answered by `Started`. Sound follows, then the server says `CheckResult`."""

    type: Literal["start-check"] = "start-check"
    audio: AudioSettings


class StartLive(_Message):
    """Begin recognising; answered by `Started`, then by a `Prediction` per window of the sound that follows.

    Args:
        hop_s: time from one answer to the next.
    """

    type: Literal["start-live"] = "start-live"
    audio: AudioSettings
    hop_s: Annotated[float, Field(ge=0.05, le=2.0)] = 0.05


def _agreed(consent: object) -> object:
    # A literal True alone would take the number 1.
    if consent is not True:
        raise ValueError("nothing is collected without consent")
    return consent


class StartCollect(_Message):
    """Begin, or go on with, a person's session; answered by `Started` and the first `Prompt`.

    Args:
        consent: that the person has read `Collection.consent` and agrees.
        subject: who; None lets the server number a new person, or goes on with the one of this browser's session.
    """

    type: Literal["start-collect"] = "start-collect"
    audio: AudioSettings
    consent: Annotated[Literal[True], BeforeValidator(_agreed)]
    subject: Identifier | None = None


class StartCalibrate(_Message):
    """Begin to let the model know this person; answered by `Started` and the first `Prompt`.

    Takes are never stored, and what was learnt from them lives in memory until the session ends, unless `keep` is said.

    Args:
        takes_each: of each expression; one neutral take comes first.
        keep: that the person agrees that the calibrated model is stored on the server's disk, too, also after the
            session; only where `Welcome.keeps_calibrations`.
    """

    type: Literal["start-calibrate"] = "start-calibrate"
    audio: AudioSettings
    takes_each: Annotated[int, Field(ge=1, le=4)] = 1
    keep: bool = False


class TakeBegin(_Message):
    """The take asked for by prompt `number` begins with the next sound frame; the server counts its samples."""

    type: Literal["take-begin"] = "take-begin"
    number: Annotated[int, Field(ge=1)]


class TakeCancel(_Message):
    """Forget the take that is being recorded; the same `Prompt` comes again."""

    type: Literal["take-cancel"] = "take-cancel"


class Redo(_Message):
    """Take the last stored take back; its `Prompt` comes again."""

    type: Literal["redo"] = "redo"


class Skip(_Message):
    """Leave this prompt out; the next `Prompt` comes."""

    type: Literal["skip"] = "skip"


class Finish(_Message):
    """End collecting before the last prompt, or calibrate with the takes given so far."""

    type: Literal["finish"] = "finish"


class Forget(_Message):
    """Forget the calibration of this session, and delete what of it is kept: answered by `Forgotten`.

    The next `StartLive` is answered by the model as it was loaded.
    """

    type: Literal["forget"] = "forget"


class Stop(_Message):
    """Leave the view; sound that still arrives is not heard. Answered by `Stopped`."""

    type: Literal["stop"] = "stop"


ClientMessage = Annotated[
    Hello
    | StartCheck
    | StartLive
    | StartCollect
    | StartCalibrate
    | TakeBegin
    | TakeCancel
    | Redo
    | Skip
    | Finish
    | Forget
    | Stop,
    Field(discriminator="type"),
]


# What the server says.


class Model(_Message):
    """What recognises. `note` is what a person must know of it, `simulated` that it has only heard simulated people."""

    name: str
    method: str
    expressions: list[str]
    simulated: bool
    calibrates: bool
    note: str


class Collection(_Message):
    """The study that is being collected and its protocol.

    Args:
        protocol: its name.
        consent: to be shown, and agreed to, before `StartCollect`.
        n_takes: of one person, all told.
        masks, places: in which each expression will be asked for; each `Prompt` says its own.
        keep_audible: whether speech is stored; by default it is removed before anything is written.
    """

    study: str
    protocol: str
    consent: str
    expressions: list[str]
    n_takes: int
    duration_s: float
    masks: list[str]
    places: list[str]
    keep_audible: bool


class LimitsTold(_Message):
    """What a client must keep to; who does not is closed with a reason.

    Args:
        samples_per_frame: most samples in one sound frame; about 960 (20 ms) to 2,400 (50 ms) serve best.
        session_s: after this the connection is closed, and may be opened again.
        silence_s: a connection without any message for this long is closed.
    """

    samples_per_frame: int
    session_s: float
    silence_s: float


class Welcome(_Message):
    """Answer to `Hello`.

    Args:
        views: which of the four this server offers.
        resumed: this browser was here before and its session goes on: `calibrated` and `collecting` say with what.
        collecting: the subject whose session can be gone on with by the same `StartCollect`, or None.
        keeps_calibrations: a calibrated model is stored on the server's disk where `StartCalibrate.keep` says so; ask
            the person first.
        calibration_kept: one of this session is there, until `Forget`.
    """

    type: Literal["welcome"] = "welcome"
    version: int = PROTOCOL_VERSION
    server: str
    views: list[View]
    model: Model | None = None
    collection: Collection | None = None
    limits: LimitsTold
    resumed: bool = False
    calibrated: bool = False
    collecting: str | None = None
    keeps_calibrations: bool = False
    calibration_kept: bool = False


class Emission(_Message):
    """What to play. Raw float32 little-endian mono at `url`; the same as a WAV file at `wav_url`.

    Args:
        loop: repeat it without a gap: it is a whole number of the probe's periods.
        fade_s: raise and lower its level over this long when it begins and ends.
        level: largest amplitude in it, full scale 1; it is already applied.
        description: in words, for who reads.
    """

    url: str
    wav_url: str
    rate_hz: int
    n_samples: int
    loop: bool
    fade_s: float
    level: float
    description: str


class Started(_Message):
    """A view has begun: play `emission` and send sound.

    Args:
        duration_s: how long sound is needed, for a check; None goes on until `Stop`.
        window_s, hop_s: what a prediction hears, and how often one comes. profile_m: distances of the first and the
            last value of its profile.
        calibrated: the model knows this person.
        warnings: what is wrong with the audio as told (processing on, ...), in sentences with what to do.
    """

    type: Literal["started"] = "started"
    view: View
    emission: Emission
    duration_s: float | None = None
    window_s: float | None = None
    hop_s: float | None = None
    profile_m: list[float] = []
    expressions: list[str] = []
    subject: str | None = None
    calibrated: bool = False
    warnings: list[str] = []


class Prediction(_Message):
    """What one window of sound says.

    Args:
        time_s: end of the window, in seconds of sound since `Started`.
        captured_s: capture time of the frame that completed it, as the client wrote it: its own clock minus this is
            how late the answer is.
        expression: the most probable, "neutral" or "unsure".
        probabilities: by expression.
        quality: empty where all is well; else of clipped, dropout, low-snr, drift, no-probe, resampled, other-band.
        profile: latest range profile, 0 to 1, near to far, for drawing.
        n_dropped_windows: how many windows since `Started` were not answered, because sound was lost or the server
            was late.
        problem: why no probe is heard, in a sentence; empty where one is.
        foreignness: how unlike what the model was trained on the face or device is: 0 is typical, null not known.
        is_foreign: whether the expression is "unsure" because it is too unlike.
    """

    type: Literal["prediction"] = "prediction"
    time_s: float
    captured_s: float
    expression: str
    probabilities: dict[str, float]
    confidence: float
    quality: list[str]
    profile: list[float]
    n_dropped_windows: int
    problem: str = ""
    foreignness: float | None = None
    is_foreign: bool = False


class Progress(_Message):
    """How far a collection or calibration is."""

    n_done: int
    n_prompts: int
    n_skipped: int = 0


class Prompt(_Message):
    """Ask the person for a take: show, count down, then say `TakeBegin`.

    Args:
        number: of this prompt, from 1; `TakeBegin` names it.
        expression: a word; "neutral" asks for a face at rest.
        mask: "open" or "mask", where it matters. place: where to be, where it matters.
        changes: of "mask" and "place", what is other than before, or to be made sure of at the beginning.
        attempt: 1, and one more each time it is asked for again.
        rest_s: rest for so long before it; 0 for none.
        countdown_s: from the announcement to `TakeBegin`.
        neutral_s: the take begins with so long a neutral face; only then the word is shown and the expression made.
            A neutral take has this moment too.
        duration_s: of the take, from `TakeBegin`, the neutral face included.
        can_redo: whether `Redo` has a take to take back.
    """

    type: Literal["prompt"] = "prompt"
    number: int
    expression: str
    mask: str | None = None
    place: str | None = None
    changes: list[str] = []
    attempt: int = 1
    rest_s: float = 0.0
    countdown_s: float
    neutral_s: float
    duration_s: float
    can_redo: bool
    progress: Progress


class TakeDone(_Message):
    """A take is complete. The next message is a `Prompt`, `Collected` or `Calibrating`.

    Args:
        kept: it is stored, or kept for calibrating; else it was bad, and the next prompt asks for it again.
        quality: empty where all is well; else of clipped, dropout, low-snr, drift, no-probe, resampled, other-band.
        advice: what is wrong with it and what to do, in one sentence; empty where all is well. `Redo` takes it again.
    """

    type: Literal["take-done"] = "take-done"
    number: int
    expression: str
    kept: bool
    quality: list[str]
    advice: str = ""


class Collected(_Message):
    """Nothing more is asked for: the session's takes are stored."""

    type: Literal["collected"] = "collected"
    subject: str
    progress: Progress


class Calibrating(_Message):
    """All takes are there; the model is learning the person, for seconds."""

    type: Literal["calibrating"] = "calibrating"


class Calibrated(_Message):
    """The model knows the person: `StartLive` now answers with it. It takes the place of the one before.

    Args:
        n_takes, n_neutral: what it learnt from; neutral takes that this model has no use for do not count.
        kept: it is on the server's disk, until `Forget`.
        problem: what the disk could not do, in a sentence; empty where all is well.
    """

    type: Literal["calibrated"] = "calibrated"
    n_takes: int
    n_neutral: int
    kept: bool = False
    problem: str = ""


class CheckResult(_Message):
    """What the device can do.

    Args:
        ok: ready, nothing to put right.
        state: "ready", "mend" (usable, with something to put right) or "unusable".
        verdict: one sentence. lines: the whole of it in words.
        problems: the words of the device check, gain-control, echo-cancellation, ...
        report: all of it as `mien probe --json` prints it.
    """

    type: Literal["check-result"] = "check-result"
    ok: bool
    state: Literal["ready", "mend", "unusable"]
    verdict: str
    lines: list[str]
    problems: list[str]
    report: dict[str, Any]


class CheckProgress(_Message):
    """How much of the check's sound has arrived."""

    type: Literal["check-progress"] = "check-progress"
    heard_s: float
    duration_s: float


class Stopped(_Message):
    """The view was left: it is done, or `Stop` was said."""

    type: Literal["stopped"] = "stopped"


class Forgotten(_Message):
    """The calibration is forgotten, and deleted where it was kept."""

    type: Literal["forgotten"] = "forgotten"


class Error(_Message):
    """Something asked for cannot be done; the connection goes on.

    Args:
        message: what was asked, what was found, what to do; to be shown to the person.
        code: for programs, of `ErrorCode`.
    """

    type: Literal["error"] = "error"
    code: ErrorCode
    message: str


class Closing(_Message):
    """The last message: why the connection is closed. The close frame carries `close_code(reason)`."""

    type: Literal["closing"] = "closing"
    reason: CloseReason
    message: str


ServerMessage = Annotated[
    Welcome
    | Started
    | Prediction
    | Prompt
    | TakeDone
    | Collected
    | Calibrating
    | Calibrated
    | CheckProgress
    | CheckResult
    | Stopped
    | Forgotten
    | Error
    | Closing,
    Field(discriminator="type"),
]

_CLIENT: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
_SERVER: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)


def parse_client(text: str) -> ClientMessage:
    """Return what a client said.

    Raises:
        MessageError: none of the messages, or one with a field too much, too few or of another kind.

    Example:
        >>> parse_client('{"type": "take-begin", "number": 3}')
        TakeBegin(type='take-begin', number=3)
    """
    return _parsed(_CLIENT, text)


def parse_server(text: str | bytes) -> ServerMessage:
    """Return what a server said, for clients in Python.

    Raises:
        MessageError: none of the messages.
    """
    return _parsed(_SERVER, text)


def _parsed(adapter: TypeAdapter[Any], text: str | bytes) -> Any:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = " ".join(".".join(str(part) for part in first["loc"]).split())[:100] or "message"
        fault = " ".join(first["msg"].split())[:300]
        raise MessageError(f"no message of protocol version {PROTOCOL_VERSION}: {where}: {fault}") from None


if __name__ == "__main__":
    import json

    schemas = {"client": _CLIENT.json_schema(), "server": _SERVER.json_schema()}
    print(json.dumps({"version": PROTOCOL_VERSION} | schemas, indent=1))

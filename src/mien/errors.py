"""The exception tree.

    MienError                   anything a person can put right; the command line prints it on one line and exits 1
    ├── ProbeError              a probe that cannot be emitted or described
    │   ├── ProbeNotFound       no probe in a recording
    │   └── ProbeMismatch       a recording made with another probe than a model, or a study, expects
    ├── RecordingError          a file that is not a recording we can use
    ├── StudyError              a study that breaks its contract
    ├── SplitError              a protocol that cannot be carried out
    │   └── LeakError           a split in which training and test share something
    ├── ModelError              a model folder, or a request a model cannot answer
    ├── DeviceError             a device, or a recording of one, that cannot be judged
    ├── StorageError            a disk that cannot take what was to be written
    ├── WorkerLost              a process that worked for us and was killed
    └── MessageError            a client's message, or its sound, that breaks the protocol of /ws

A message says what was asked, what was found (values, units, shapes), what is allowed, and the next step. What it
quotes comes from files and clients, so that it is bounded and escaped here, wherever it is shown.
"""

import unicodedata

LONGEST_MESSAGE = 1_500
"""Characters: a file's million tones are not quoted whole."""


def escaped(text: str, keep: str = "") -> str:
    """Return text that does nothing to a terminal: signs that do not print stand as escape sequences, but for `keep`.

    These are control characters, marks that turn the direction of writing, and bytes of file names that are no text.

    Example:
        >>> print(escaped("take\\x1b[2J\\u202e.flac, caf\\u00e9"))
        take\\x1b[2J\\u202e.flac, café
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in keep or unicodedata.category(sign) == "Zs" else _sequence(sign)
        for sign in text
    )


def _sequence(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def shortened(text: str, most: int) -> str:
    """Return text without its middle where it has more than `most` characters; its end, the next step, stays.

    Example:
        >>> shortened("0123456789" * 10, 12)
        '01234567 ... 88 characters left out ... 6789'
    """
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end]} ... {len(text) - most} characters left out ... {text[-end:]}"


class MienError(Exception):
    """Anything a person can put right."""

    def __str__(self) -> str:
        text = escaped(shortened(super().__str__(), LONGEST_MESSAGE), keep="\n")
        return shortened(text, LONGEST_MESSAGE + 200)  # escaping makes a text up to ten times as long


class ProbeError(MienError):
    """A probe cannot be emitted or described."""


class ProbeNotFound(ProbeError):
    """A recording holds no trace of its probe."""


class ProbeMismatch(ProbeError):
    """A recording was made with another probe than expected."""


class RecordingError(MienError):
    """A file is not a recording that can be used."""


class StudyError(MienError):
    """A study breaks its contract."""


class SplitError(MienError):
    """A protocol cannot be carried out on this table."""


class LeakError(SplitError):
    """Training and test share something that the protocol keeps apart."""


class ModelError(MienError):
    """A model folder is broken, or a model cannot answer what was asked."""


class DeviceError(MienError):
    """A device, or a recording of one, cannot be judged."""


class StorageError(MienError):
    """The disk cannot take what was to be written."""


class WorkerLost(MienError):
    """A process that worked for us was killed."""


class MessageError(MienError):
    """A client's message, or its sound, breaks the protocol of /ws."""

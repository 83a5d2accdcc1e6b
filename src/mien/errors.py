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
    └── MessageError            a client's message, or its sound, that breaks the protocol of /ws

A message says what was asked, what was found (values, units, shapes), what is allowed, and the next step.
"""


class MienError(Exception):
    """Anything a person can put right."""


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


class MessageError(MienError):
    """A client's message, or its sound, breaks the protocol of /ws."""

"""What is known of a session beside its takes: its protocol, its order, what was agreed to, what was skipped."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mien.collecting.plan import PlannedTake, plan_session
from mien.collecting.protocol import MOST_TAKES, Protocol, protocol_from_json
from mien.errors import StudyError
from mien.files import read_json, write_json


class Row(BaseModel):
    """A planned take as it stands in the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    number: int = Field(ge=1)
    expression: str
    mask: str
    place: str | None = None


class Consent(BaseModel):
    """What a person agreed to, and when."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str
    accepted: str


class SessionRecord(BaseModel):
    """A session's file, in the person's own folder, so that forgetting them removes it too.

    What was agreed to for earlier takes, in other words, stands in `consents_before`.

    The order of takes is kept itself, not only its seed: it stays the same whatever later versions make of a seed.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    mien_session: Literal[1] = 1
    subject: str
    session: str
    seed: int
    protocol: dict[str, Any]
    consent: Consent | None = None
    consents_before: list[Consent] = Field(default_factory=list, max_length=MOST_TAKES)
    plan: list[Row] = Field(max_length=MOST_TAKES)
    skipped: list[int] = Field(default_factory=list)

    @field_validator("plan")
    @classmethod
    def _numbered(cls, plan: list[Row]) -> list[Row]:
        if [row.number for row in plan] != list(range(1, len(plan) + 1)):
            raise ValueError("takes must be numbered from 1 without gaps")
        return plan

    @property
    def planned(self) -> tuple[PlannedTake, ...]:
        return tuple(PlannedTake(row.number, row.expression, row.mask, row.place) for row in self.plan)


def record_path(study: Path, subject: str, session: str) -> Path:
    """Return where a session's file stands."""
    return study / f"sub-{subject}" / f"ses-{session}" / f"sub-{subject}_ses-{session}_session.json"


def new_record(protocol: Protocol, subject: str, session: str, seed: int) -> SessionRecord:
    """Return what is known of a session before it begins."""
    plan = [
        Row(number=take.number, expression=take.expression, mask=take.mask, place=take.place)
        for take in plan_session(protocol, subject, session, seed)
    ]
    return SessionRecord(subject=subject, session=session, seed=seed, protocol=protocol.to_json(), plan=plan)


def read_record(path: Path, protocol: Protocol | None, seed: int | None) -> tuple[SessionRecord, Protocol]:
    """Read a session's file; a protocol and a seed that are given must be those it was begun with.

    Raises:
        StudyError: the file is none, or the session was begun otherwise.
    """
    return record_from_json(read_json(path, StudyError), path, protocol, seed)


def record_from_json(
    values: dict[str, Any], path: Path, protocol: Protocol | None, seed: int | None
) -> tuple[SessionRecord, Protocol]:
    """Return what the values in a session's file say; see `read_record`."""
    try:
        record = SessionRecord.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise StudyError(f"{path}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
    if path.name != record_path(Path(), record.subject, record.session).name:
        raise StudyError(
            f"{path} speaks of subject {record.subject}, session {record.session}; it was moved or changed"
        )
    begun = protocol_from_json(record.protocol, str(path))
    given = begun if protocol is None else protocol
    others = [name for name in Protocol.model_fields if getattr(begun, name) != getattr(given, name)]
    if others:
        before, asked = (str(getattr(each, others[0]))[:80] for each in (begun, given))
        raise StudyError(
            f"session {record.session} of subject {record.subject} was begun with {others[0]} {before} and cannot be "
            f"resumed with {asked}; leave the protocol out, or begin another session (--session)"
        )
    if seed not in (None, record.seed):
        raise StudyError(
            f"session {record.session} of subject {record.subject} was begun with seed {record.seed} and cannot be "
            f"resumed with {seed}; leave the seed out, or begin another session (--session)"
        )
    return record, begun


def write_record(path: Path, record: SessionRecord) -> None:
    """Write a session's file, whole or not at all.

    Raises:
        StorageError: the disk cannot take it.
    """
    write_json(path, record.model_dump(mode="json"))

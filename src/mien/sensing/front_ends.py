"""The front ends by name: to and from JSON, and from a line of text."""

import json
from dataclasses import asdict, fields
from typing import Any

from mien.errors import ModelError
from mien.sensing.chirp_and_tones import ChirpAndTones
from mien.sensing.doppler import Doppler
from mien.sensing.features import FrontEnd
from mien.sensing.range_profile import RangeProfile
from mien.sensing.spectrogram import Spectrogram

__all__ = [
    "ChirpAndTones",
    "Doppler",
    "RangeProfile",
    "Spectrogram",
    "front_end_from_json",
    "front_end_to_json",
    "parse_front_end",
]

_KINDS: dict[str, type] = {cls.kind: cls for cls in (Spectrogram, RangeProfile, Doppler, ChirpAndTones)}


def front_end_to_json(front_end: FrontEnd) -> dict[str, Any]:
    """Return a front end as plain JSON values, as in `recognizer.json`.

    Example:
        >>> front_end_from_json(front_end_to_json(RangeProfile(neutral="take"))).neutral
        'take'
    """
    values = asdict(front_end)  # type: ignore[call-overload]
    return {"kind": front_end.kind} | {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def front_end_from_json(values: dict[str, Any]) -> FrontEnd:
    """Return the front end that `front_end_to_json` wrote.

    Raises:
        ModelError: an unknown kind, an unknown field, or a value that is refused.
    """
    if not isinstance(values, dict) or values.get("kind") not in _KINDS:
        kind = values.get("kind") if isinstance(values, dict) else values
        raise ModelError(f"front end {kind!r} is unknown; known are {', '.join(_KINDS)}")
    cls = _KINDS[values["kind"]]
    known = [field.name for field in fields(cls)]
    options = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if name != "kind"}
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ModelError(f"a {values['kind']} front end has no option {', '.join(unknown)}; it has {', '.join(known)}")
    try:
        return cls(**options)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"a {values['kind']} front end cannot be made of {options}: {error}") from None


def parse_front_end(text: str) -> FrontEnd:
    """Return the front end that a line of text names: ``KIND`` or ``KIND:option=value,option=value``.

    Raises:
        ModelError: an unknown kind or option, or a value that is refused.

    Example:
        >>> parse_front_end("range-profile:neutral=take,window_s=0.5").window_s
        0.5
    """
    kind, _, rest = text.strip().partition(":")
    values: dict[str, Any] = {"kind": kind.strip()}
    for item in filter(None, (part.strip() for part in rest.split(","))):
        name, equals, value = item.partition("=")
        if not equals:
            raise ModelError(f"front end {text!r}: {item!r} is no option=value; write {kind}:option=value,option=value")
        values[name.strip()] = _value_of(value.strip())
    return front_end_from_json(values)


def _value_of(text: str) -> Any:
    """Return the number, true, false or null that a text spells, else the text itself."""
    try:
        return json.loads({"True": "true", "False": "false"}.get(text, text))
    except json.JSONDecodeError:
        return text

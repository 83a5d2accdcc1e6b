"""Probes as JSON, as words, and at another rate."""

from dataclasses import asdict, fields, replace
from typing import Any

from mien.errors import ProbeError
from mien.probe.base import Probe
from mien.probe.chirp import Chirp
from mien.probe.composite import Composite, refuse_too_many
from mien.probe.tones import PureTones

_KINDS: dict[str, type] = {"chirp": Chirp, "pure-tones": PureTones}


def probe_to_json(probe: Probe) -> dict[str, Any]:
    """Return a probe as plain JSON values, as in `study.json` and sidecars."""
    if isinstance(probe, Composite):
        return {"kind": "composite", "parts": [probe_to_json(part) for part in probe.parts]}
    values = asdict(probe)  # type: ignore[call-overload]
    return {"kind": probe.kind} | {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def probe_from_json(values: dict[str, Any]) -> Probe:
    """Return the probe that `probe_to_json` wrote.

    Raises:
        ProbeError: an unknown kind, an unknown or missing field, a value of another type.

    Example:
        >>> probe_from_json(probe_to_json(Chirp(low_hz=17000, high_hz=20000))).band_hz
        (17000, 20000)
    """
    if not isinstance(values, dict) or "kind" not in values:
        raise ProbeError(f"a probe is an object with a 'kind'; found {str(values)[:80]}")
    kind, given = values["kind"], {name: value for name, value in values.items() if name != "kind"}
    if kind == "composite":
        parts = given.get("parts")
        if set(given) != {"parts"} or not isinstance(parts, list):
            raise ProbeError("a composite probe has one field, 'parts': a list of probes")
        refuse_too_many(len(parts))
        return Composite(tuple(probe_from_json(part) for part in parts))
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ProbeError(f"probe kind {kind!r} is unknown; known are {', '.join([*_KINDS, 'composite'])}")
    cls = _KINDS[kind]
    known = [each.name for each in fields(cls)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ProbeError(f"a {kind} probe has no field {', '.join(unknown)}; it has {', '.join(known)}")
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    try:
        return cls(**given)
    except (TypeError, ValueError, OverflowError) as error:
        raise ProbeError(f"a {kind} probe cannot be made of {given}: {error}") from None


def describe(probe: Probe) -> str:
    """Return a probe in a few words, for messages and reports.

    Example:
        >>> describe(Chirp())
        'chirp 19000-23000 Hz, 25 ms every 50 ms, 48000 Hz'
    """
    if isinstance(probe, Chirp):
        return (
            f"chirp {probe.low_hz:g}-{probe.high_hz:g} Hz, {probe.sweep_s * 1000:g} ms every "
            f"{probe.period_s * 1000:g} ms, {probe.rate_hz} Hz"
        )
    if isinstance(probe, PureTones):
        return f"tones {', '.join(f'{tone_hz:g}' for tone_hz in probe.tones_hz)} Hz, {probe.rate_hz} Hz"
    if isinstance(probe, Composite):
        return " + ".join(describe(part) for part in probe.parts)
    return probe.kind


def at_rate(probe: Probe, rate_hz: int) -> Probe:
    """Return the same probe emitted at another rate, refused where its band does not fit.

    Raises:
        ProbeError: the band passes half the new rate.
    """
    if isinstance(probe, Composite):
        return Composite(tuple(at_rate(part, rate_hz) for part in probe.parts))
    return replace(probe, rate_hz=rate_hz)  # type: ignore[type-var]

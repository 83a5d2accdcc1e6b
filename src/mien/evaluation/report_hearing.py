"""What each compared method hears, in words: methods do not all get the same features of a take."""

from collections.abc import Mapping
from typing import Any

from mien.evaluation.report_reading import Reading
from mien.sensing.neutral import NEUTRAL_UNTIL_S

_NEUTRAL = {
    "none": "",
    "take": " against the take's own neutral start",
    "clip": " against a recording of the person's neutral face",
}


def hears(front_end: Mapping[str, Any] | None) -> str:
    """Return in a few words what a front end gives to a method.

    Example:
        >>> hears({"kind": "range-profile", "window_s": 1.0, "neutral": "take"})
        "1 s range profiles against the take's own neutral start"
        >>> hears({"kind": "spectrogram", "window_s": 0.25, "gate": True})
        '0.25 s spectrograms'
    """
    if not front_end:
        return "ready-made features"
    kind, window_s = front_end.get("kind", "unknown"), front_end.get("window_s")
    length = f"{window_s:g} s " if window_s else ""
    if kind == "spectrogram":
        return f"{length}spectrograms" + ("" if front_end.get("gate", True) else " of all distances")
    if kind == "range-profile":
        return f"{length}range profiles{_NEUTRAL[front_end.get('neutral', 'none')]}"
    if kind == "chirp-and-tones":
        return f"{length}changes of range profiles and pure tones{_NEUTRAL[front_end.get('neutral', 'take')]}"
    if kind == "doppler":
        return f"{length}Doppler shifts" + ("" if window_s else " over the whole take")
    return f"{length}{kind} features"


def heard_by(reading: Reading, method: str) -> str:
    """Return in a few words what a method of an evaluation hears."""
    return hears(reading.plan["methods"][method]["front_end"])


def hearing_words(reading: Reading) -> list[str]:
    """Return the sentences that a comparison owes its reader: whether all hear the same, and where neutral is from."""
    methods = reading.plan["methods"]
    found = []
    if len({hears(chosen["front_end"]) for chosen in methods.values()}) > 1:
        found.append(
            "The methods hear different things (column 'Hears'): a difference between two of them may come from what "
            "they hear as well as from how they learn."
        )
    if any((chosen["front_end"] or {}).get("neutral") == "take" for chosen in methods.values()):
        moment = "the moment until which the table of takes says that the face is at rest (neutral_until_s)"
        if reading.simulated:
            moment += "; in this simulated study that is the simulator's true onset, which no recording states so well"
        found.append(
            f"The neutral reference comes from the take's own beginning, up to {moment}; where it is unknown, the "
            f"first {NEUTRAL_UNTIL_S:g} s are taken."
        )
    return found

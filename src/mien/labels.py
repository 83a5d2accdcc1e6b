"""Expressions, action units and the words that corpora use for them."""

from mien.errors import StudyError

NEUTRAL = "neutral"

UNSURE = "unsure"
"""What a recognizer answers where it would rather be wrong than right."""

EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""The six expressions of Ekman, in the order of FacER's figures."""

ALL_EXPRESSIONS = (NEUTRAL, *EXPRESSIONS)

ACTION_UNITS = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    27: "mouth stretch",
    43: "eyes closed",
}
"""FACS action units known to the simulator and to the readers of corpora (Ekman and Friesen, 1978)."""

UNKNOWN = "n/a"
"""How a table says that a value is not known; as an expression it means an unlabelled take."""

_SYNONYMS = {
    "angry": "anger",
    "anger": "anger",
    "disgust": "disgust",
    "disgusted": "disgust",
    "fear": "fear",
    "fearful": "fear",
    "afraid": "fear",
    "happy": "happiness",
    "happiness": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "sadness": "sadness",
    "surprise": "surprise",
    "surprised": "surprise",
    "neutral": "neutral",
}


def canonical_expression(word: str) -> str:
    """Return the expression a corpus means by `word`.

    Example:
        >>> canonical_expression("Angry")
        'anger'

    Raises:
        StudyError: the word is no expression known here.
    """
    try:
        return _SYNONYMS[word.strip().lower()]
    except KeyError:
        raise StudyError(f"expression {word!r} is unknown; known are {', '.join(ALL_EXPRESSIONS)}") from None


def action_unit_column(unit: int) -> str:
    """Return the column of a study's table that holds an action unit.

    Example:
        >>> action_unit_column(4)
        'AU04'
    """
    return f"AU{unit:02d}"

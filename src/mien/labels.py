"""Expressions, action units and the words that corpora use for them."""

from collections import Counter
from collections.abc import Iterable

from mien.errors import StudyError
from mien.identifiers import normal_text

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

_NO_WORDS = frozenset({"nan", "none", "null", "na", "<na>", "nat", "#n/a", "#value!", "#ref!", "#name?", "undefined"})
"""What programs write where they have no value; as an expression it would be a class of its own."""


def canonical_expression(word: str) -> str:
    """Return the expression a corpus means by `word`.

    Example:
        >>> canonical_expression("Angry")
        'anger'

    Raises:
        StudyError: the word is no expression known here.
    """
    try:
        return _SYNONYMS[normal_text(word)]
    except KeyError:
        raise StudyError(f"expression {word!r} is unknown; known are {', '.join(ALL_EXPRESSIONS)}") from None


def own_spelling(word: str) -> str:
    """Return mien's own word for an expression, `n/a` for that in another spelling, else the word as it stands.

    Example:
        >>> own_spelling("Happy "), own_spelling("N/A"), own_spelling("boredom")
        ('happiness', 'n/a', 'boredom')
    """
    plain = normal_text(word)
    return UNKNOWN if plain == UNKNOWN else _SYNONYMS.get(plain, word)


def problem_of_expression(word: str) -> str | None:
    """Say why a word may not stand for an expression, or None where it may.

    Example:
        >>> problem_of_expression("NaN")
        "expression is 'NaN', which no face shows; use a word, or n/a for an unlabelled take"
    """
    plain = normal_text(word)
    if not plain:
        return f"expression is empty; use a word, or {UNKNOWN} for an unlabelled take"
    if plain in _NO_WORDS:
        return f"expression is {word!r}, which no face shows; use a word, or {UNKNOWN} for an unlabelled take"
    return None


def joined_spellings(words: Iterable[str]) -> dict[str, str]:
    """Return, of words that are other spellings of an expression, which expression they are.

    mien's own words come first; of other words it is the spelling that most takes have.

    Example:
        >>> joined_spellings(["happiness", "Happy", "bored", "Bored ", "bored"])
        {'Happy': 'happiness', 'Bored ': 'bored'}
    """
    counts = Counter(words)
    usual: dict[str, str] = {}
    for word, _ in counts.most_common():
        usual.setdefault(normal_text(word), own_spelling(word))
    return {word: usual[normal_text(word)] for word in counts if usual[normal_text(word)] != word}


def action_unit_column(unit: int) -> str:
    """Return the column of a study's table that holds an action unit.

    Example:
        >>> action_unit_column(4)
        'AU04'
    """
    return f"AU{unit:02d}"

"""Identifiers as they are compared: what a keyboard or a spreadsheet makes of one name is one name.

A spreadsheet turns `001` into `1`, a data frame into `1.0`, a phone writes another Unicode form, a hand adds a space.
Compared as text, each is a person of its own, who then stands in training and in test.
"""

import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping
from functools import lru_cache

IDENTIFIERS = ("subject", "session", "take")
"""The columns that hold identifiers."""

_LEADING_ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")
_WHOLE_AS_DECIMAL = re.compile(r"(\d+)[.,]0+")
# A spreadsheet is made to keep zeros by '001 or ="001".
_AROUND = " \t\r\n'\"=`"


@lru_cache(maxsize=65_536)
def normal_text(text: str) -> str:
    """Return text without what cannot be seen: Unicode's other forms, widths, case, hyphens, invisible signs, spaces.

    Example:
        >>> normal_text(" Ｈａｐｐｙ\u200b ")
        'happy'
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    seen = (_plain_sign(sign) for sign in folded)
    return " ".join("".join(seen).split())


def _plain_sign(sign: str) -> str:
    if sign.isascii():
        return sign if sign.isprintable() or sign.isspace() else ""
    category = unicodedata.category(sign)
    if category in ("Cf", "Cc", "Mn") and not sign.isspace():
        return "" if category != "Mn" or sign in _INVISIBLE_MARKS else sign
    if category == "Pd" or sign == "\N{MINUS SIGN}":
        return "-"
    return str(unicodedata.decimal(sign)) if category == "Nd" else sign


_INVISIBLE_MARKS = {chr(code) for code in (*range(0xFE00, 0xFE10), 0x034F)}


@lru_cache(maxsize=65_536)
def normal(identifier: str) -> str:
    """Return what an identifier is compared by; never what it is called.

    Example:
        >>> {normal(word) for word in ("1", "01", "001", "1.0", "001 ", "\uff10\uff11", "0\u200b1", "'001")}
        {'1'}
        >>> normal("P01") == normal("p1"), normal("1.05") == normal("1.5")
        (True, False)
    """
    text = normal_text(identifier).strip(_AROUND)
    whole = _WHOLE_AS_DECIMAL.fullmatch(text)
    return _LEADING_ZEROS.sub("", whole[1] if whole else text)


def normal_key(row: Mapping[str, object]) -> tuple[str, ...]:
    """Return what a take's row is compared by: its subject, session and take."""
    return tuple(normal(str(row[name])) for name in IDENTIFIERS)


def spellings(identifiers: Iterable[Hashable]) -> list[tuple[str, ...]]:
    """Return, of each identifier that is spelled in several ways, all of them in the order of their appearance.

    Example:
        >>> spellings(["001", "002", "1", "002", "1.0"])
        [('001', '1', '1.0')]
    """
    found: dict[str, dict[str, None]] = {}
    for identifier in dict.fromkeys(str(each) for each in identifiers):
        found.setdefault(normal(identifier), {})[identifier] = None
    return [tuple(words) for words in found.values() if len(words) > 1]


def two_spellings(words: Iterable[str]) -> str:
    """Return the sentence that refuses several spellings of one subject.

    Example:
        >>> two_spellings(("001", "1"))
        "'001' and '1' are spellings of one subject, who would stand in training and in test; write one of them"
    """
    named = " and ".join(repr(word) for word in words)
    return f"{named} are spellings of one subject, who would stand in training and in test; write one of them"

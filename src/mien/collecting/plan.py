"""The order of a session's takes, and what a person is asked for next. No files, no clock, no chance of its own."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mien.collecting.protocol import Protocol
from mien.labels import NEUTRAL


@dataclass(frozen=True, slots=True)
class PlannedTake:
    """One take to come.

    Args:
        number: from 1, in the order of the session.
        expression, mask, place: as in the study's table; a place of None is unknown.
    """

    number: int
    expression: str
    mask: str
    place: str | None


def plan_session(protocol: Protocol, subject: str, session: str, seed: int) -> tuple[PlannedTake, ...]:
    """Return a session's takes in the order in which they are made; everybody's order is their own.

    Takes that share place and mask stand together, since changing either takes time; neutral clips begin them.

    Example:
        >>> [take.expression for take in plan_session(Protocol(n_takes=1, masks=("open",)), "001", "01", 0)][0]
        'neutral'
    """
    digest = hashlib.sha256(f"{subject}/{session}".encode()).digest()
    rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])
    rows = list(_in_order(protocol, rng))
    return tuple(PlannedTake(number, *row) for number, row in enumerate(rows, start=1))


def _in_order(protocol: Protocol, rng: np.random.Generator) -> Iterator[tuple[str, str, str | None]]:
    shuffles = protocol.order == "random"
    for place in protocol.places or (None,):
        masks = list(protocol.masks)
        if shuffles:
            rng.shuffle(masks)
        for mask in masks:
            yield from ((NEUTRAL, mask, place) for _ in range(protocol.n_neutral_takes))
            words = list(protocol.expressions) * protocol.n_takes
            if shuffles:
                rng.shuffle(words)
            yield from ((word, mask, place) for word in words)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a person is asked for next.

    Args:
        take: the take's identifier in the study; a take made anew has another than the one it replaces.
        expression, mask, place: what is asked for.
        number, n_takes: which take of how many.
        duration_s: how long to record.
        neutral_s: when within the take the expression's word appears; until then the face is neutral. A neutral clip
            has this moment too: what is heard before it must not tell it from other takes.
        countdown_s: from the announcement to the start.
        rest_before_s: rest due before it, 0 for none.
        changes: of "mask" and "place", what is other than in the take before, or to be made sure of at the beginning.
        attempt: 1, and one more each time it is asked for again.
    """

    take: str
    expression: str
    mask: str
    place: str | None
    number: int
    n_takes: int
    duration_s: float
    neutral_s: float
    countdown_s: float
    rest_before_s: float
    changes: tuple[str, ...]
    attempt: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a session is: takes stored, skipped, still to come, and all of them."""

    n_stored: int
    n_skipped: int
    n_left: int
    n_takes: int


def take_name(number: int, version: int) -> str:
    """Return a take's identifier: its number, and which recording of it where it was made anew.

    Example:
        >>> take_name(7, 1), take_name(7, 3)
        ('0007', '0007-3')
    """
    return f"{number:04d}" if version == 1 else f"{number:04d}-{version}"


def number_and_version(take: str) -> tuple[int, int] | None:
    """Return what `take_name` was made of, or None for an identifier of another make.

    Example:
        >>> number_and_version("0007-3"), number_and_version("7"), number_and_version("0007-1")
        ((7, 3), None, None)
    """
    number, _, version = take.partition("-")
    if not (number.isascii() and number.isdigit()) or (version and not (version.isascii() and version.isdigit())):
        return None
    found = int(number), int(version or 1)
    return found if take_name(*found) == take else None


class Agenda:
    """The state of a session: which takes are stored, skipped, or to be made next.

    Args:
        plan: the session's takes.
        stored: number -> version of the takes that the study holds.
        skipped: numbers that were skipped.
    """

    def __init__(
        self, protocol: Protocol, plan: Iterable[PlannedTake], stored: dict[int, int], skipped: Iterable[int] = ()
    ) -> None:
        self.protocol = protocol
        self.plan = {take.number: take for take in plan}
        self.stored = {number: version for number, version in stored.items() if number in self.plan}
        self.skipped = set(skipped) & set(self.plan) - set(self.stored)
        self._redone: int | None = None
        self._failures = 0
        self._before: PlannedTake | None = None

    @property
    def progress(self) -> Progress:
        n_left = len(self.plan) - len(self.stored) - len(self.skipped)
        return Progress(len(self.stored), len(self.skipped), n_left, len(self.plan))

    def next_prompt(self) -> Prompt | None:
        """Return what is to be recorded next, the same until it is settled; None when all is done."""
        number = self._next_number()
        if number is None:
            return None
        planned, protocol = self.plan[number], self.protocol
        return Prompt(
            take=take_name(number, self.stored.get(number, 0) + 1),
            expression=planned.expression,
            mask=planned.mask,
            place=planned.place,
            number=number,
            n_takes=len(self.plan),
            duration_s=protocol.duration_s,
            neutral_s=protocol.neutral_s,
            countdown_s=protocol.countdown_s,
            rest_before_s=protocol.rest_s if self._rests_before(number) else 0.0,
            changes=self._changes(planned),
            attempt=self._failures + 1,
        )

    def _next_number(self) -> int | None:
        if self._redone is not None:
            return self._redone
        return next((number for number in self.plan if number not in self.stored and number not in self.skipped), None)

    def _rests_before(self, number: int) -> bool:
        # No rest at a beginning, nor before a take that is asked for again.
        fresh = self._before is not None and self._before.number < number and not self._failures
        return bool(self.protocol.rest_every) and fresh and (number - 1) % self.protocol.rest_every == 0

    def _changes(self, planned: PlannedTake) -> tuple[str, ...]:
        if self._failures:
            return ()
        if self._before is not None:
            return tuple(name for name in ("place", "mask") if getattr(self._before, name) != getattr(planned, name))
        asked = {"place": planned.place is not None, "mask": self.protocol.masks != ("open",)}
        return tuple(name for name, true in asked.items() if true)

    def note_stored(self, prompt: Prompt) -> None:
        """Note that a take is in the study."""
        self.stored[prompt.number] = self.stored.get(prompt.number, 0) + 1
        self.skipped.discard(prompt.number)
        self._settled(prompt)

    def note_skipped(self, prompt: Prompt) -> None:
        """Note that a take is not wanted; one that was to be made anew stays as it is."""
        if prompt.number not in self.stored:
            self.skipped.add(prompt.number)
        self._settled(prompt)

    def note_failed(self) -> bool:
        """Note that a take came out badly, and say whether it is to be asked for again."""
        self._failures += 1
        return self._failures <= self.protocol.n_retries

    def _settled(self, prompt: Prompt) -> None:
        self._before, self._redone, self._failures = self.plan[prompt.number], None, 0

    def redo_last(self) -> bool:
        """Ask anew for the take before the next one, stored or skipped; say whether there is one."""
        before = self._settled_before()
        if self._redone is None and before is not None:
            self._redone, self._failures = before, 0
        return self._redone is not None

    @property
    def can_redo(self) -> bool:
        """Say whether there is a take to make anew."""
        return self._redone is None and self._settled_before() is not None

    def _settled_before(self) -> int | None:
        following = self._next_number() or len(self.plan) + 1
        settled = self.skipped | set(self.stored)
        return max((number for number in settled if number < following), default=None)

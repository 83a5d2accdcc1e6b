"""A person guided through a session at the terminal. Sound is the only clock: what has come says how late it is."""

import math
from collections.abc import Callable

from mien.collecting.camera import Camera
from mien.collecting.listening import Heard, Source, record, wait
from mien.collecting.plan import Prompt
from mien.collecting.screen import Screen
from mien.collecting.session import Collection, local_time
from mien.errors import DeviceError
from mien.labels import NEUTRAL
from mien.recording import Recording

CHANGE_S = 10.0
"""Time to put a mask on, or to go to another place, where no key is waited for."""

SKIP, REDO, QUIT, PAUSE = "s", "r", "q", " "
KEYS = "space: pause   s: skip   r: redo the last   q: quit"
_GO_ON = "press Enter when you are ready"
_CHANGES = {"open": "no mask", "mask": "put the mask on"}


class Guide:
    """Leads through the takes that are due, one after the other, until all are done or the person stops.

    Args:
        collection: consent given.
        source: what is recorded from.
        pressed: returns the key that was pressed, or None; does not wait.
        need_keys: called before a key is waited for; refuses where none can come.
        screen: where things are shown.
        camera: looked through during takes.
        hands_free: wait a while instead of for a key.
        now: tells the time that is written down.
    """

    def __init__(
        self,
        collection: Collection,
        source: Source,
        pressed: Callable[[], str | None],
        screen: Screen,
        *,
        need_keys: Callable[[], None] = lambda: None,
        camera: Camera | None = None,
        hands_free: bool = False,
        now: Callable[[], str] = local_time,
    ) -> None:
        self._collection, self._source, self._screen = collection, source, screen
        self._pressed, self._need_keys, self._camera = pressed, need_keys, camera
        self._hands_free, self._now = hands_free, now
        self._told = ""
        self._ready_for: int | None = None
        self._wish: str | None = None

    def run(self) -> bool:
        """Go through the takes; return whether all are done.

        Raises:
            DeviceError: the source ended, the probe is not heard, or a key is needed and none can come.
            StorageError: the disk cannot take a take; all before it are stored.
        """
        while (prompt := self._collection.next_prompt()) is not None:
            wish = self._prepared(prompt) or self._made(prompt)
            if wish == PAUSE:
                wish = self._wait_for_key("pause", KEYS, math.inf)
            if wish == QUIT:
                return False
            if wish == SKIP:
                self._collection.skip(prompt)
                self._told = f"{prompt.expression} skipped"
            if wish == REDO:
                again = self._collection.redo_last()
                self._told = "there is none to make anew" if again is None else f"anew: {again.number}"
        return True

    def _prepared(self, prompt: Prompt) -> str | None:
        """Ask for place, mask and rest where they are due, then count down; return another wish than to go on."""
        if self._ready_for != prompt.number:
            if prompt.rest_before_s > 0 and (wish := self._rest(prompt)):
                return wish
            if prompt.changes and (wish := self._change(prompt)):
                return wish
            self._ready_for = prompt.number
        return self._count_down(prompt)

    def _rest(self, prompt: Prompt) -> str | None:
        def tick(passed_s: float) -> bool:
            left_s = math.ceil(prompt.rest_before_s - passed_s)
            self._screen.show("rest", f"{left_s} s; Enter goes on now", foot=self._foot(prompt))
            return self._noticed("\n\r")

        wait(self._source, prompt.rest_before_s, tick)
        return self._taken()

    def _change(self, prompt: Prompt) -> str | None:
        asked = {"place": f"go to: {prompt.place}", "mask": _CHANGES.get(prompt.mask, prompt.mask)}
        word = ", ".join(asked[name] for name in prompt.changes)
        return self._wait_for_key(word, self._foot(prompt), CHANGE_S)

    def _wait_for_key(self, word: str, foot: str, hands_free_s: float) -> str | None:
        at_most_s = hands_free_s if self._hands_free else math.inf

        def tick(passed_s: float) -> bool:
            self._screen.show(word, f"{at_most_s - passed_s:.0f} s" if at_most_s < math.inf else _GO_ON, foot=foot)
            if at_most_s == math.inf:
                self._need_keys()
            return self._noticed("\n\r ")

        wait(self._source, at_most_s, tick)
        return self._taken()

    def _count_down(self, prompt: Prompt) -> str | None:
        def tick(passed_s: float) -> bool:
            left_s = math.ceil(prompt.countdown_s - passed_s)
            note = f"{self._told + ' - ' if self._told else ''}a neutral face; {left_s}"
            masked = prompt.mask == "mask"
            self._screen.show(NEUTRAL, note, face=NEUTRAL, mask=masked, foot=self._foot(prompt))
            return self._noticed("")

        wait(self._source, prompt.countdown_s, tick)
        return self._taken()

    def _made(self, prompt: Prompt) -> str | None:
        """Record a take and offer it; return another wish, with which the take is forgotten."""
        shown_s: list[float] = []

        def tick(passed_s: float) -> bool:
            if passed_s >= prompt.neutral_s and not shown_s:
                shown_s.append(passed_s)
            word = prompt.expression if shown_s else NEUTRAL
            part = passed_s / prompt.duration_s
            masked = prompt.mask == "mask"
            self._screen.show(word, "recording", face=word, mask=masked, part=part, foot=self._foot(prompt))
            return self._noticed("")

        start = self._now()
        if self._camera is not None:
            self._camera.begin()
        heard = record(self._source, prompt.duration_s, tick)
        if heard is None:
            if self._camera is not None:
                self._camera.drop()
            return self._taken()
        self._offer(prompt, heard, start, shown_s[0])
        return None

    def _offer(self, prompt: Prompt, heard: Heard, start: str, neutral_until_s: float) -> None:
        recording = Recording(heard.samples, self._source.rate_hz, None, {}, heard.quality)
        seen = {} if self._camera is None else self._camera.end()
        outcome = self._collection.offer(
            prompt, recording, start=start, neutral_until_s=round(neutral_until_s, 4), **seen
        )
        self._told = outcome.message if outcome.stored else f"once more: {outcome.message}"

    def _noticed(self, go_on: str) -> bool:
        """Look for a key; say whether waiting is over, by one of `go_on` or by a wish."""
        key = self._pressed()
        if key is None:
            return False
        if key in go_on:
            return True
        if key in (SKIP, REDO, QUIT, PAUSE):
            self._wish = key
        return self._wish is not None

    def _taken(self) -> str | None:
        wish, self._wish = self._wish, None
        return wish

    def _foot(self, prompt: Prompt) -> str:
        done = self._collection.progress
        skipped = f", {done.n_skipped} skipped" if done.n_skipped else ""
        return f"take {prompt.number} of {prompt.n_takes}; {done.n_stored} stored{skipped}\n{KEYS}"


def refuse_other_rate(source: Source, collection: Collection) -> None:
    """Refuse a source that records at another rate than the protocol's probe has.

    Raises:
        DeviceError: naming both.
    """
    wanted_hz = collection.protocol.emitted.rate_hz
    if source.rate_hz != wanted_hz:
        raise DeviceError(f"{source.name} records at {source.rate_hz} Hz; the protocol's probe needs {wanted_hz} Hz")

"""What one client may take of the server, and how it is counted."""

import math
from dataclasses import dataclass

from mien.serving.messages import MAX_TEXT_BYTES, LimitsTold

MOST_RATE_HZ = 96_000
"""Sound at a higher rate is refused: it could not come as fast as it is made."""

BYTES_PER_S = 1.3 * 4 * MOST_RATE_HZ
"""What that takes with its headers, and a little more; it is counted before frames are put together, so half messages
count too."""

MOST_ADDRESSES = 1_000
"""Of which it is remembered what they took."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one client and of all of them.

    Args:
        samples_per_frame: most samples in a sound frame.
        text_bytes: longest text message.
        sound_rate: seconds of sound per second of time that may come in the long run. Clocks differ by 0.03 %; what is
            above serves a client that catches up after its connection stood still.
        sound_burst_s: sound that may come at once, so that a connection may stand still for as long.
        frames_per_s: sound frames, in the long run; a browser's smallest piece of sound makes 375.
        messages_per_s, messages_burst: of text messages. inbox: messages and frames that may wait for the server.
        hello_s: within which the first message must come.
        silence_s: a client of whom nothing is heard for so long is gone.
        session_s: longest stream. memory_s: how long a browser is known.
        stall_s: how long a client may not read what it is sent, nor answer a ping.
        backlog_s: sound of one client that may wait for the server; what is older is dropped, and the client told.
        outbox: messages that may wait for the client; predictions beyond are dropped, and counted.
        clients: streams at once. sessions: browsers known at once.
        connects_per_s, connects_burst: streams that one browser may begin, or one address whose browsers are not known.
        work_per_s, work_burst: frames and reads of one WebSocket: whatever they carry, each costs the server time.
        reads_per_s, reads_burst: reads of an address' other connections, mostly a request each; more wait.
    """

    samples_per_frame: int = 24_000
    text_bytes: int = MAX_TEXT_BYTES
    sound_rate: float = 1.2
    sound_burst_s: float = 6.0
    frames_per_s: float = 450.0
    messages_per_s: float = 10.0
    messages_burst: float = 40.0
    inbox: int = 4_000
    hello_s: float = 10.0
    silence_s: float = 600.0
    session_s: float = 4 * 3600.0
    memory_s: float = 12 * 3600.0
    stall_s: float = 10.0
    backlog_s: float = 4.0
    outbox: int = 100
    clients: int = 32
    sessions: int = 64
    connects_per_s: float = 1.0
    connects_burst: float = 60.0
    work_per_s: float = 1_000.0
    work_burst: float = 4_000.0
    reads_per_s: float = 100.0
    reads_burst: float = 1_000.0

    @property
    def frame_bytes(self) -> int:
        """Return the size of the largest sound frame."""
        return 16 + 4 * self.samples_per_frame

    def told(self) -> LimitsTold:
        """Return what a client needs to know of them."""
        return LimitsTold(samples_per_frame=self.samples_per_frame, session_s=self.session_s, silence_s=self.silence_s)


class Allowance:
    """A bucket that fills with time: who takes more than it holds has been too fast.

    Example:
        >>> allowance = Allowance(per_s=10.0, most=2.0, now_s=0.0)
        >>> [allowance.take(1.0, now_s) for now_s in (0.0, 0.0, 0.0, 0.1)]
        [True, True, False, True]
    """

    def __init__(self, per_s: float, most: float, now_s: float) -> None:
        self._per_s, self._most = per_s, most
        self._left, self._since_s = most, now_s

    def take(self, amount: float, now_s: float) -> bool:
        """Take an amount at a time; return whether it was there."""
        return self.wait(amount, now_s, 0.0) is not None

    def wait(self, amount: float, now_s: float, longest_s: float) -> float | None:
        """Take an amount that may be there only later; return in how many seconds, None where that is too long."""
        self._left = min(self._most, self._left + (now_s - self._since_s) * self._per_s)
        self._since_s = now_s
        wait_s = max(0.0, (amount - self._left) / self._per_s)
        if wait_s > longest_s:
            return None
        self._left -= amount
        return wait_s

    def give_back(self, amount: float) -> None:
        """Give back what was taken and is not needed."""
        self._left += amount


class PerAddress:
    """An allowance for each address, or whatever else clients are told apart by; one that was forgotten begins anew.

    Args:
        per_s, most: of each allowance.
    """

    def __init__(self, per_s: float, most: float) -> None:
        self._per_s, self._most = per_s, most
        # In order of their last use.
        self._known: dict[str | bytes, Allowance] = {}

    def of(self, whose: str | bytes) -> Allowance:
        """Return the allowance of an address."""
        known = self._known.pop(whose, None) or Allowance(self._per_s, self._most, -math.inf)
        self._known[whose] = known
        while len(self._known) > MOST_ADDRESSES:
            del self._known[next(iter(self._known))]
        return known

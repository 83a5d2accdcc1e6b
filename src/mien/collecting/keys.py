"""Keys as they are pressed, without waiting for them."""

import os
import select
import sys
import termios
import tty
from types import TracebackType
from typing import Any, Self

from mien.errors import DeviceError

LONGEST_LINE = 1_000


class Keys:
    """The keyboard, read key by key while the `with` block lasts; the terminal is then as it was before.

    Args:
        descriptor: what is read; by default standard input, which may be a pipe too.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = sys.stdin.fileno() if descriptor is None else descriptor
        self._before: list[Any] | None = None
        self.ended = False

    def line(self) -> str:
        """Wait for a line and return it, at most its first `LONGEST_LINE` bytes; empty where there is no keyboard."""
        text = b""
        while len(text) < LONGEST_LINE and (sign := os.read(self._descriptor, 1)) not in (b"", b"\n"):
            text += sign
        return text.decode("utf-8", "replace").strip()

    def __call__(self) -> str | None:
        """Return the key that was pressed, or None."""
        if self.ended or not select.select([self._descriptor], [], [], 0)[0]:
            return None
        sign = os.read(self._descriptor, 1)
        self.ended = sign == b""
        return None if self.ended else sign.decode("ascii", "replace").lower()

    def need(self) -> None:
        """Refuse to wait for a key that cannot come.

        Raises:
            DeviceError: standard input has ended.
        """
        if self.ended:
            raise DeviceError("a key is waited for and standard input has ended; run in a terminal, or --hands-free")

    def __enter__(self) -> Self:
        if os.isatty(self._descriptor):
            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
            self._before = None

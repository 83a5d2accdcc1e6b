"""What a person sees of a session in the terminal: a face, a word, what to do."""

from types import TracebackType
from typing import Self

from rich.align import Align
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from mien.collecting.drawing import draw_face
from mien.progress import talk

BAR_WIDTH = 30


class Screen:
    """Shows one thing at a time, in place. Where there is no terminal, words go out line by line as they change.

    Args:
        console: where to; standard error by default.
    """

    def __init__(self, console: Console = talk) -> None:
        self._console = console
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._shown: tuple[object, ...] = ()
        self._unicode = console.encoding.lower().startswith("utf") and not console.legacy_windows

    def show(
        self,
        word: str,
        note: str = "",
        *,
        face: str = "",
        mask: bool = False,
        part: float | None = None,
        foot: str = "",
    ) -> None:
        """Show a word, large enough to be seen from the device's distance.

        Args:
            note: what to do, below it.
            face: the expression to draw, above it.
            mask: draw it with a mask.
            part: how much of something has passed, 0 to 1.
            foot: what stays: progress and keys.
        """
        filled = None if part is None else round(min(max(part, 0.0), 1.0) * BAR_WIDTH)
        shown = (word, note, face, mask, filled, foot)
        if shown == self._shown:
            return
        changed, self._shown = shown[:2] != self._shown[:2], shown
        if self._console.is_terminal:
            self._live.update(self._picture(*shown), refresh=True)
        elif changed:
            self._console.print(" - ".join(filter(None, (word, note))), highlight=False, markup=False)

    def _picture(self, word: str, note: str, face: str, mask: bool, filled: int | None, foot: str) -> Group:
        full, empty = ("━", "─") if self._unicode else ("#", "-")
        bar = "" if filled is None else full * filled + empty * (BAR_WIDTH - filled)
        lines = [
            Text(draw_face(face, mask=mask, unicode=self._unicode)),
            Text(" ".join(word.upper()), style="bold reverse"),
            Text(note),
            Text(bar),
            Text(foot, style="dim"),
        ]
        return Group(*(Align.center(line) for line in lines if line.plain))

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

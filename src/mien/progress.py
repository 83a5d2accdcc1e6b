"""Progress bars, on standard error so that standard output stays for results."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.segment import Segment

from mien.errors import escaped

Item = TypeVar("Item")


class _Talk(Console):
    """A console on which nothing that is said can act: names and words come from files and from other people.

    Whatever it draws, lines, bars and what is shown in place, passes `render`; what it does itself (colours, the
    cursor) is no text there.
    """

    def render(self, *shown: Any, **options: Any) -> Iterable[Segment]:
        for segment in super().render(*shown, **options):
            text = segment.text if segment.control else escaped(segment.text, keep="\n\t")
            yield Segment(text, segment.style, segment.control)


talk = _Talk(stderr=True, soft_wrap=True, markup=False, emoji=False)
"""What is said to a person. Results go to standard output. Square brackets are text: extras are named in them."""


def bar() -> Progress:
    """Return a bar in the house's look; used as a context manager where several tasks run."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=talk,
        transient=not talk.is_terminal,
        disable=not talk.is_terminal,
    )


def track(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items` while a bar shows how many have passed and how long the rest will take."""
    with bar() as progress:
        yield from progress.track(items, total=total, description=label)

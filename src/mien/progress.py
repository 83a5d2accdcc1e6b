"""Progress bars, on standard error so that standard output stays for results."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Item = TypeVar("Item")

talk = Console(stderr=True, soft_wrap=True, markup=False, emoji=False)
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

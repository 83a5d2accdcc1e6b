"""Work that other processes do: how it ends when one of them is killed, or finds no room."""

import warnings
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pickle import PicklingError  # joblib's name for an argument that it could not hand over; nothing is unpickled
from typing import TypeVar

from mien.errors import WorkerLost

Result = TypeVar("Result")


def results_of(made: Iterator[Result]) -> Iterator[Result]:
    """Yield what joblib's workers return, as it comes.

    Raises:
        WorkerLost: one of them was killed, from outside or by the system when memory ran out.
        OSError: the disk by which they are handed what is large is full.
    """
    try:
        for result in made:  # noqa: UP028 - `yield from` would close `made` by itself
            yield result
    except BrokenProcessPool:
        raise WorkerLost(
            "a worker process was killed, most often because memory ran out: free memory, or use fewer processes "
            "(--jobs 1); what was finished is kept"
        ) from None
    except PicklingError as error:
        refused = error.__cause__ or error.__context__
        if isinstance(refused, OSError):
            raise refused from None
        raise
    finally:
        with warnings.catch_warnings():  # that work is given up is said by whatever gives it up
            warnings.simplefilter("ignore", UserWarning)
            getattr(made, "close", lambda: None)()

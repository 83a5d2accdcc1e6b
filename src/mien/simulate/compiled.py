"""Compiled functions, with or without a place to keep what was compiled."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return numba's decorator, which keeps what it compiles; where it finds no folder for that, it compiles anew.

    numba raises RuntimeError where neither the package's folder nor the user's own can be written: an installation
    that is read-only, a user without a home. Then each process spends a few seconds compiling.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:
            return njit(**options)(function)

    return decorate

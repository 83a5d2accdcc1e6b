"""Where a result came from: `run.json` beside everything that a command writes."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mien.files import write_json

_PACKAGES = ("mien", "numpy", "scipy", "numba", "torch", "scikit-learn", "pandas", "lightning-fabric")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that can change a figure."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_run(
    folder: Path, command: str, options: dict[str, Any], *, seed: int | None, data_digest: str | None
) -> None:
    """Write `run.json`: what was run, with which options and seed, on which data, by which versions.

    Args:
        options: every option after defaults were filled in, plain JSON values only.
        data_digest: digest of the study the run read, or None where it read none.
    """
    write_json(
        Path(folder) / "run.json",
        {"command": command, "options": options, "seed": seed, "data_digest": data_digest, "versions": versions()},
    )

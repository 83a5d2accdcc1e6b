"""Run the parts of the benchmark, print a table, write it as JSON with `--out`."""

import argparse
import json
import os
import platform
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import numpy as np

import benchmarks
from benchmarks import Row


def parts() -> dict[str, str]:
    """Return module names by part, every module here that has a `run`."""
    names = [module.name for module in iter_modules(benchmarks.__path__) if not module.name.startswith("_")]
    return {name: f"{benchmarks.__name__}.{name}" for name in sorted(names)}


def show(part: str, rows: list[Row]) -> None:
    """Print one part's table."""
    words = {None: "", True: "reached", False: "MISSED"}
    width = max(len(row.name) for row in rows)
    print(part)
    for row in rows:
        bound = "" if row.goal is None else f"{'at most' if row.at_most else 'goal'} {row.goal:g}"
        print(f"  {row.name:{width}}  {row.value:12.4g} {row.unit:10} {bound:15} {words[row.reached]}".rstrip())


def as_json(measured: dict[str, list[Row]]) -> dict[str, object]:
    """Return the figures and the machine they were measured on as plain values."""
    machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    machine |= {"numpy": np.__version__, "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None}
    rows = [
        row._asdict() | {"value": float(row.value), "part": part, "reached": row.reached}
        for part, part_rows in measured.items()
        for row in part_rows
    ]
    return {"machine": machine, "rows": rows}


def main(arguments: list[str] | None = None) -> int:
    known = parts()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("part", nargs="*", help=f"which to run, all if none is named: {', '.join(known)}")
    parser.add_argument("--out", type=Path, help="write the figures as JSON to this file")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.part if name not in known]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; known are {', '.join(known)}")
    measured = {}
    for name in options.part or known:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        measured[name] = import_module(known[name]).run()
        show(name, measured[name])
    if options.out:
        options.out.write_text(json.dumps(as_json(measured), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m mien` is the command `mien`."""

import sys
from pathlib import Path

# Python puts the working folder first on the path: a study's `signal.py` would be run in place of Python's.
if not sys.flags.safe_path and Path(__file__).parent.parent != Path.cwd():
    del sys.path[0]

from mien.cli import main  # noqa: E402

if __name__ == "__main__":
    main()

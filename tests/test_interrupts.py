"""The suite may be started in the background, where a shell has Ctrl-C ignored."""

import subprocess
import sys
from pathlib import Path

CHILD = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
STARTS = f"""
import subprocess, sys
import conftest
print(subprocess.run([sys.executable, "-c", {CHILD!r}], capture_output=True, text=True).stdout)
"""


def test_what_tests_start_can_be_interrupted_where_the_suite_runs_in_the_background():
    shell = ["sh", "-c", 'trap \'\' INT; exec "$0" -c "$1"', sys.executable, STARTS]
    done = subprocess.run(shell, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "True", done

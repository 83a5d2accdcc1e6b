"""One thread per process: the suite runs in several, and threads that wait for each other cost more than they give."""

import os
import signal

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A shell's background job is started with Ctrl-C ignored, and whatever it starts inherits that; what is caught here is
# not handed down, so that programs which tests interrupt begin as they do in a terminal.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from hypothesis import settings  # noqa: E402

from virtual_card import pulse_server, virtual_card  # noqa: E402, F401 - fixtures for whoever asks for them

# The suite tries the same examples every time; the long fuzz runs, marked slow, are where others are looked for.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


def pytest_runtest_teardown():
    """Undo what the command line does to its own process: programs that tests start look into their own folder."""
    os.environ.pop("PYTHONSAFEPATH", None)

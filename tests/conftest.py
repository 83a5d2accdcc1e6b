"""One thread per process: the suite runs in several, and threads that wait for each other cost more than they give."""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from hypothesis import settings  # noqa: E402

from virtual_card import pulse_server, virtual_card  # noqa: E402, F401 - fixtures for whoever asks for them

# The suite tries the same examples every time; the long fuzz runs, marked slow, are where others are looked for.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

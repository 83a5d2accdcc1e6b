"""Files that are not what they seem, and the guards under which they are read."""

import os
import resource
import signal
import socket
from contextlib import contextmanager
from pathlib import Path

MEMORY = 1 << 30
"""More than any of these readers may take."""

PATIENCE_S = 120
"""So long at most: a reader that waits for a named pipe waits for ever."""


@contextmanager
def guarded():
    """Fail, rather than hang or be killed, where a reader has no bound."""

    def stop(number, frame):
        raise TimeoutError(f"still reading after {PATIENCE_S} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE_S)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


def _bound_socket(path: Path) -> None:
    # A socket's address may have 108 bytes, a temporary folder's name has more.
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def _link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


IRREGULAR = {
    "a named pipe": os.mkfifo,
    "a link to a named pipe": _link_to_a_pipe,
    "a link to an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a file without a size that blocks": lambda path: path.symlink_to("/proc/kmsg"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a socket": _bound_socket,
    "a folder": Path.mkdir,
}
"""What may stand in a file's place, and how it gets there."""

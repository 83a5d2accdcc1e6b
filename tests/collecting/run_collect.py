"""`mien` with the tests' microphone in place of a sound card, for tests in a process of its own.

Usage: run_collect.py SECONDS_PER_BLOCK mien's own words
"""

import os
import sys

import plays

import mien.capture
from mien import cli


def main(delay_s):
    # Another seed in every process: a resumed session must not hear the same sound again.
    mien.capture.SoundCard = lambda *_, **__: plays.Microphone(delay_s=delay_s, seed=os.getpid())
    cli.main()


if __name__ == "__main__":
    seconds_per_block = float(sys.argv.pop(1))
    main(seconds_per_block)

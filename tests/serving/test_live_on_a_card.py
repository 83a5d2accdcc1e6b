"""`mien recognize --live` on sound that really goes through a sound system, past a simulated face."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter

import pytest

from air import Air, AirBetween, person_taps

pytestmark = pytest.mark.alone

SHOWN_AFTER_S = 8.0
"""After the process has started, which takes a second or five to listen."""


@pytest.mark.parametrize("expression", ["anger", "happiness"])
def test_a_look_before_a_card_is_named(virtual_card, expression):
    """Rest is neutral, the look is what it is. One person of those whom the model names right: this tests the way.

    The command has a process of its own: the air, in this one, must not wait for it.
    """
    taps, noise = person_taps(expression, duration_s=3.0)
    words = ["recognize", "builtin", "--live", "--device", "pulse", "--json", "--seconds", "12"]
    with AirBetween(virtual_card, Air(taps, noise=noise)) as air:
        shown = threading.Timer(SHOWN_AFTER_S, air.perform)
        shown.start()
        done = subprocess.run(
            [sys.executable, "-m", "mien", *words], env=os.environ | virtual_card.environment,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        shown.cancel()
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line)["expression"] for line in done.stdout.splitlines()]
    assert len(answers) > 100, done.stderr
    named = Counter(each for each in answers if each not in ("neutral", "unsure", "no-probe"))
    assert Counter(answers[:30]).most_common(1)[0][0] == "neutral"
    assert named.most_common(1)[0][0] == expression, named
    assert named[expression] > 20

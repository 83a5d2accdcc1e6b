"""`mien recognize --live` on sound that really goes through a sound system, past a simulated face."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter

import pytest

from air import Air, AirBetween, person_taps
from virtual_card import skip_if_busy

pytestmark = pytest.mark.alone

SHOWN_AFTER_S = 5.0


@pytest.mark.parametrize("expression", ["anger", "happiness"])
def test_a_look_before_a_card_is_named(virtual_card, expression):
    """Rest is neutral, the look is what it is. One person of those whom the model names right: this tests the way.

    The command has a process of its own: the air, in this one, must not wait for it.
    """
    taps, noise = person_taps(expression, duration_s=3.0)
    words = ["recognize", "builtin", "--live", "--device", "pulse", "--json", "--seconds", "12"]
    with (
        AirBetween(virtual_card, Air(taps, noise=noise)) as air,
        subprocess.Popen(
            [sys.executable, "-m", "mien", *words], env=os.environ | virtual_card.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as run,
    ):  # fmt: skip
        said = next(line for line in run.stderr if line.startswith("emitting"))
        threading.Timer(SHOWN_AFTER_S, air.perform).start()
        printed, more = run.communicate(timeout=120)
    assert run.returncode == 0, said + more
    answers = [json.loads(line)["expression"] for line in printed.splitlines()]
    named = Counter(each for each in answers if each not in ("neutral", "unsure"))
    if len(answers) < 100:
        skip_if_busy(more)
    assert answers.count("neutral") > 20, more
    assert named.most_common(1)[0][0] == expression and named[expression] > 20, named

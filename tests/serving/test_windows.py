"""Windows of a stream are those that the front ends make of the same sound as a recording."""

from itertools import product

import numpy as np
import pytest
from live_sound import look, sound

from mien.probe import Chirp
from mien.recording import Recording
from mien.sensing.front_ends import RangeProfile, Spectrogram
from mien.sensing.stream import PeriodStream
from mien.serving.windows import LiveWindows, Ring, neutral_clip

SOUND = sound(6.0, moved_m=look(2.0, 3.5), drift_ppm=40.0, start=400.3)
CLIP = Recording(sound(1.0, seed=9), 48_000, Chirp())
PROFILES = [
    RangeProfile(neutral=neutral, direct_path=direct, values=values, hop_s=0.05)
    for neutral, direct, values in product(("none", "running", "clip"), ("removed", "kept"), ("complex", "magnitude"))
]
SPECTROGRAMS = [Spectrogram(hop_s=0.05), Spectrogram(hop_s=0.05, values="complex"), Spectrogram(hop_s=0.05, gate=False)]


@pytest.mark.parametrize("front_end", PROFILES + SPECTROGRAMS, ids=str)
def test_a_stream_has_the_windows_of_the_recording(front_end):
    """To 7 % of their root mean square (measured: 6 % running, 3 % against a clip, below 2 % without a reference).

    A recording's clock, direct path and level are those of all of it, a stream's those of what it has heard so far; the
    running baseline of a window is then of other periods, too.
    """
    whole = Recording(SOUND, 48_000, Chirp())
    expected = front_end.features(whole, CLIP)
    stream = PeriodStream(Chirp(), LiveWindows(front_end, PeriodStream(Chirp(), _gate()).grid, 1, None).gate)
    windows = LiveWindows(front_end, stream.grid, 1, neutral_clip(front_end, _clip(front_end), None, 1))
    ends_s, found = [], []
    for period in stream.push(SOUND):
        windows.push(period)
        ends_s.append(period.end_sample / 48_000)
        found.append(windows.window() if len(ends_s) >= windows.n_periods else None)
    last = len(expected) - 2  # the very last window ends with a period that the recording's end cuts
    for number in (last, last - 24):
        end_s = expected.start_s[number] + windows.n_periods * 0.05
        place = int(np.argmin(np.abs(np.array(ends_s) - end_s)))
        assert abs(ends_s[place] - end_s) < 1e-4
        wanted = expected.values[number]
        size = np.sqrt(np.mean(np.abs(wanted) ** 2))
        # At half time the level that is divided by is not yet that of the whole recording.
        allowed = 0.07 if number == last else 0.15
        assert np.sqrt(np.mean(np.abs(found[place] - wanted) ** 2)) < allowed * size


def _gate():
    from mien.sensing.range_gate import RangeGate

    return RangeGate()


def _clip(front_end):
    return CLIP if getattr(front_end, "neutral", "") == "clip" else None


def test_a_ring_keeps_the_latest_in_order():
    ring = Ring(5, (2,), float)
    for number in range(23):
        ring.push(np.array([number, -number], float))
        n_kept = min(number + 1, 5)
        assert len(ring) == n_kept
        np.testing.assert_array_equal(ring.last()[:, 0], np.arange(number + 1 - n_kept, number + 1))
    np.testing.assert_array_equal(ring.last(2)[:, 1], [-21, -22])

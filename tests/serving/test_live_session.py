"""A stream gives the same answers whatever its blocks, those of a recording, and survives what streams go through."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from live_sound import LABELS, Answering, look, recognizer, sound

from mien.errors import ModelError, RecordingError
from mien.labels import NEUTRAL, UNSURE
from mien.probe import Chirp
from mien.recording import Recording
from mien.sensing.front_ends import Doppler, RangeProfile, Spectrogram
from mien.serving.live import LiveSession, answer_s, slowness

RATE_HZ = 48_000
TWO_LOOKS = sound(8.0, moved_m=lambda s: look(2.0, 3.5)(s) + look(5.0, 6.5, 0.004)(s))


def fed(session: LiveSession, samples: np.ndarray, n_block: int = 960):
    found = []
    for start in range(0, samples.shape[1], n_block):
        found += session.feed(samples[:, start : start + n_block])
    return found


def shares(found) -> np.ndarray:
    return np.array([[*one.probabilities.values(), one.confidence] for one in found])


@pytest.mark.parametrize("front_end", [RangeProfile(neutral="take"), Spectrogram()], ids=["profile", "spectrogram"])
def test_blocks_of_any_size_give_the_same_answers(front_end):
    whole = LiveSession(recognizer(front_end)).feed(TWO_LOOKS)
    rng = np.random.default_rng(0)
    session, parts, position = LiveSession(recognizer(front_end)), [], 0
    while position < TWO_LOOKS.shape[1]:
        n_block = int(rng.choice([1, 7, 480, 2400, 20_000]))
        parts += session.feed(TWO_LOOKS[:, position : position + n_block])
        position += n_block
    assert len(parts) > 130
    assert [one.time_s for one in parts] == [one.time_s for one in whole]
    assert [(one.expression, one.quality, one.profile) for one in parts] == [
        (one.expression, one.quality, one.profile) for one in whole
    ]
    np.testing.assert_allclose(shares(parts), shares(whole), atol=1e-6)


@pytest.mark.parametrize("silent_s", [0, 1])
def test_who_gathers_what_is_missing_has_the_same_answers_no_later(silent_s):
    # After silence the probe is looked for in vain at first.
    sounds = np.concatenate([np.zeros((1, silent_s * RATE_HZ), np.float32), TWO_LOOKS], axis=1)
    eager, lazy = LiveSession(recognizer()), LiveSession(recognizer())
    waiting, n_feeds, both = [], 0, ([], [])
    for first in range(0, sounds.shape[1] - 480, 480):
        frame = sounds[:, first : first + 480]
        both[0].extend((first, one.time_s, one.expression) for one in eager.feed(frame))
        waiting.append(frame)
        if sum(part.shape[1] for part in waiting) >= lazy.n_missing:
            both[1].extend((first, one.time_s, one.expression) for one in lazy.feed(np.concatenate(waiting, axis=1)))
            waiting, n_feeds = [], n_feeds + 1
    assert both[0] == both[1] and len(both[0]) > 130
    assert n_feeds < 0.3 * sounds.shape[1] / 480


def test_an_answer_every_50_ms_and_none_is_lost():
    session = LiveSession(recognizer())
    found = fed(session, TWO_LOOKS)
    assert np.allclose(np.diff([one.time_s for one in found]), 0.05, atol=1e-4)
    assert session.n_dropped_windows == 0 and session.problem == ""
    assert found[0].time_s < 1.1 and found[-1].time_s > 7.9
    assert all(one.quality == () for one in found)
    assert np.allclose([sum(one.probabilities.values()) for one in found], 1)
    assert set(found[0].probabilities) == {*LABELS, NEUTRAL}
    profile = np.array([one.profile for one in found])
    assert profile.shape[1] == len(session.distance_m) and profile.min() >= 0 and profile.max() <= 1


def test_a_longer_hop_is_every_nth_answer():
    every, fourth = (fed(LiveSession(recognizer(), hop_s=hop_s), TWO_LOOKS) for hop_s in (0.05, 0.2))
    np.testing.assert_allclose(shares(fourth), shares(every)[::4], atol=1e-6)


def test_rest_is_neutral_and_a_look_is_not():
    found = {round(one.time_s, 1): one for one in fed(LiveSession(recognizer()), TWO_LOOKS)}
    for moment_s in (1.5, 4.5, 7.5):
        assert found[moment_s].expression == NEUTRAL and found[moment_s].confidence > 0.9
    for moment_s in (2.8, 3.2, 5.8, 6.2):
        assert found[moment_s].probabilities[NEUTRAL] < 0.2


def test_what_is_not_sure_enough_is_unsure():
    known = recognizer()
    known.estimator.unsure_below = 0.95
    found = {round(one.time_s, 1): one.expression for one in fed(LiveSession(known), TWO_LOOKS)}
    assert found[3.0] == found[6.0] == UNSURE
    assert found[1.5] == NEUTRAL


def test_a_face_unlike_those_trained_on_is_unsure_and_said_to_be_foreign(monkeypatch):
    """At rest it is neutral all the same: that is told by the profile and not by the model."""
    known = recognizer()
    known.estimator.unsure_below, known.estimator.foreign = 0.0, SimpleNamespace(above=2.0)
    answer = known.estimator.assess
    monkeypatch.setattr(known.estimator, "assess", lambda images: (answer(images)[0], np.full(len(images), 2.5)))
    found = {round(one.time_s, 1): one for one in fed(LiveSession(known), TWO_LOOKS)}
    assert [found[moment].expression for moment in (1.5, 3.0, 6.0)] == [NEUTRAL, UNSURE, UNSURE]
    assert [found[moment].is_foreign for moment in (1.5, 3.0, 6.0)] == [False, True, True]
    assert found[3.0].foreignness == 2.5 and found[3.0].confidence > 0.3


def test_a_model_that_knows_neutral_is_asked_itself():
    known = recognizer()
    known.labels = ("anger", NEUTRAL, "sadness")
    found = fed(LiveSession(known), TWO_LOOKS)
    assert list(found[0].probabilities) == ["anger", NEUTRAL, "sadness"]
    direct = known.estimator.assess(np.concatenate(known.estimator.asked))[0]
    np.testing.assert_allclose(shares(found)[:, :3], direct, atol=1e-6)


def test_a_model_of_onsets_alone_holds_its_answer_while_the_look_is_held():
    """Its windows of a held look are unlike all it learnt: the answer to the onset stands, and ends with the look."""
    stream = sound(8.0, moved_m=look(3.0, 5.0, 0.004))
    held = {round(one.time_s, 2): one for one in fed(LiveSession(recognizer(n_windows=10)), stream)}
    raw = {round(one.time_s, 2): one for one in fed(LiveSession(recognizer()), stream)}

    def spread(found, from_s, until_s):
        rows = [one for moment, one in found.items() if from_s < moment < until_s]
        given = [[one.probabilities[name] / (1 - one.probabilities[NEUTRAL]) for name in LABELS] for one in rows]
        return np.ptp(given, axis=0).max()

    assert spread(held, 4.2, 4.9) < 1e-6 < 1e-3 < spread(raw, 3.4, 4.9)
    assert all(one.expression == NEUTRAL for moment, one in held.items() if moment < 2.9 or moment > 5.8)


def test_a_look_that_began_before_the_stream_is_unsure():
    stream = sound(4.0, moved_m=lambda s: 0.004 * np.sin(2 * np.pi * 0.9 * s))
    clip = Recording(sound(1.0, moved_m=lambda s: 0.03 + 0 * s), RATE_HZ, Chirp())
    found = fed(LiveSession(recognizer(n_windows=10), neutral=clip), stream)
    assert {one.expression for one in found} == {UNSURE}


def test_the_least_probes_answer_like_recordings():
    """Against a clip, a stream and a recording are asked the same: probabilities within 0.01."""
    front_end = RangeProfile(neutral="clip", hop_s=0.05)
    clip = Recording(sound(1.5, seed=3), RATE_HZ, Chirp())
    whole = Recording(TWO_LOOKS, RATE_HZ, Chirp())
    features = front_end.features(whole, clip)
    offline = Answering().assess(features.images())[0]
    found = fed(LiveSession(recognizer(front_end), neutral=clip), TWO_LOOKS)
    for one in found:
        number = int(np.argmin(np.abs(features.start_s + 1.0 - one.time_s)))
        assert abs(features.start_s[number] + 1.0 - one.time_s) < 1e-4
        rest = one.probabilities[NEUTRAL]
        expected = (1 - rest) * offline[number]
        np.testing.assert_allclose([one.probabilities[name] for name in LABELS], expected, atol=0.01)


def test_a_gap_drops_the_windows_across_it_and_says_so():
    session = LiveSession(recognizer())
    before = session.feed(TWO_LOOKS[:, :120_000])
    after = session.feed(TWO_LOOKS[:, 124_800:], n_lost=4_800)
    assert after[0].quality == ("dropout",) and after[1].quality == ()
    assert 1.0 < after[0].time_s - 2.6 < 1.15
    due = round((after[-1].time_s - before[0].time_s) / 0.05) + 1
    assert len(before) + len(after) + session.n_dropped_windows == pytest.approx(due, abs=1)
    reference = fed(LiveSession(recognizer()), TWO_LOOKS)
    assert abs(after[-1].time_s - reference[-1].time_s) < 1e-4


def test_a_gap_of_unknown_length_is_survived():
    session = LiveSession(recognizer())
    before = session.feed(TWO_LOOKS[:, :120_000])
    after = session.feed(TWO_LOOKS[:, 121_234:], dropped=True)
    assert after[0].quality == ("dropout",) and after[0].time_s - before[-1].time_s > 1.0
    assert session.n_dropped_windows >= 18


def test_samples_that_vanish_unannounced_are_found_out():
    """No window that holds the seam is answered as if nothing had happened."""
    slipped = np.delete(TWO_LOOKS, np.s_[120_000:120_777], axis=1)
    session = LiveSession(recognizer())
    found = fed(session, slipped)
    assert not [one for one in found if 2.56 < one.time_s < 3.4]
    assert [one.quality for one in found if one.time_s > 3.4][0] == ("dropout",)
    assert session.n_dropped_windows > 10 and found[-1].time_s > 7.9


def test_without_a_probe_every_window_says_so():
    noise = (0.01 * np.random.default_rng(0).standard_normal((1, 3 * RATE_HZ))).astype(np.float32)
    session = LiveSession(recognizer())
    found = fed(session, noise)
    assert len(found) > 30 and {one.quality for one in found} == {("no-probe",)}
    assert {one.expression for one in found} == {UNSURE} and "no probe found" in session.problem
    assert np.allclose(np.diff([one.time_s for one in found]), 0.05)
    later = fed(session, TWO_LOOKS)
    assert later[-1].quality == () and session.problem == ""


def test_without_a_probe_no_window_is_dropped_and_none_is_late():
    """As a client hears it: sound comes in blocks of 20 ms, and at most 4 windows are answered at once."""
    noise = (0.01 * np.random.default_rng(0).standard_normal((1, 5 * RATE_HZ))).astype(np.float32)
    session, late_s, n_answers = LiveSession(recognizer()), [], 0
    for end in range(960, noise.shape[1] + 1, 960):
        found = session.feed(noise[:, end - 960 : end], most_answers=4)
        late_s += [end / RATE_HZ - one.time_s for one in found]
        n_answers += len(found)
    assert session.n_dropped_windows == 0 and n_answers > 75
    assert np.median(late_s) < 0.05 and max(late_s) < 0.11


def test_a_probe_that_stops_drops_no_window():
    stopped = np.concatenate([TWO_LOOKS[:, :120_000], np.zeros((1, 4 * RATE_HZ), np.float32)], axis=1)
    session = LiveSession(recognizer())
    for start in range(0, stopped.shape[1], 960):
        session.feed(stopped[:, start : start + 960], most_answers=4)
    assert session.n_dropped_windows == 0


def test_a_direct_path_that_is_lost_is_found_again():
    """Covered or switched off for two seconds."""
    broken = TWO_LOOKS.copy()
    broken[:, 120_000:216_000] = 1e-3 * np.random.default_rng(1).standard_normal(96_000)
    session = LiveSession(recognizer())
    found = fed(session, broken)
    silent = [one for one in found if 3.2 < one.time_s < 4.5]
    assert silent and all(one.quality == ("no-probe",) for one in silent)
    assert [one.quality for one in found][-1] == () and found[-1].time_s > 7.9
    assert len(found) + session.n_dropped_windows == pytest.approx(140, abs=3)


def test_a_louder_or_quieter_device_changes_nothing():
    steady, faded = (fed(LiveSession(recognizer()), TWO_LOOKS * gain) for gain in (1.0, 0.2))
    np.testing.assert_allclose(shares(faded), shares(steady), atol=0.02)
    swelling = TWO_LOOKS * np.linspace(0.3, 1.0, TWO_LOOKS.shape[1], dtype=np.float32)
    found = fed(LiveSession(recognizer()), swelling)
    assert {one.expression for one in found if one.time_s < 1.9} == {NEUTRAL}


def test_a_drifting_clock_is_followed():
    found = fed(LiveSession(recognizer()), sound(6.0, drift_ppm=200.0))
    assert {one.expression for one in found} == {NEUTRAL}
    assert {one.quality for one in found} == {()}
    fast = fed(LiveSession(recognizer()), sound(3.0, drift_ppm=300.0))
    assert {one.quality for one in fast} == {("drift",)}


def test_what_is_wrong_with_the_sound_is_said():
    clipped = TWO_LOOKS.copy()
    clipped[0, 150_000:150_010] = 1.0
    words = {round(one.time_s, 2): one.quality for one in fed(LiveSession(recognizer()), clipped)}
    assert any("clipped" in quality for moment, quality in words.items() if 3.2 < moment < 4.0)
    assert not any("clipped" in quality for moment, quality in words.items() if moment < 3.0 or moment > 4.3)
    noisy = fed(LiveSession(recognizer()), sound(3.0, noise=0.15))
    assert all("low-snr" in one.quality for one in noisy if one.quality != ("no-probe",))


def test_two_microphones():
    session = LiveSession(recognizer(n_microphones=2), n_channels=2)
    found = fed(session, sound(3.0, n_channels=2))
    assert {one.expression for one in found} == {NEUTRAL}
    assert session.recognizer.estimator.asked[0].shape[1] == 4


def test_who_is_late_gets_the_latest_answers_and_a_count():
    session, whole = LiveSession(recognizer()), LiveSession(recognizer()).feed(TWO_LOOKS)
    first = session.feed(TWO_LOOKS[:, :100_000])
    some = session.feed(TWO_LOOKS[:, 100_000:200_000], most_answers=4)
    none = session.feed(TWO_LOOKS[:, 200_000:250_000], most_answers=0)
    rest = session.feed(TWO_LOOKS[:, 250_000:])
    assert len(some) == 4 and none == []
    assert len(first) + 4 + len(rest) + session.n_dropped_windows == len(whole)
    np.testing.assert_allclose(shares(rest), shares(whole)[-len(rest) :], atol=1e-6)


def test_blocks_that_are_none_are_refused():
    session = LiveSession(recognizer())
    for block, words in (
        (np.zeros((1, 100)), "float64"),
        (np.zeros(100, np.float32), r"\(100,\)"),
        (np.zeros((2, 100), np.float32), "2 channels"),
        (np.full((1, 100), np.nan, np.float32), "100 of a block's 100"),
        ([0.0], "list"),
    ):
        with pytest.raises(RecordingError, match=words):
            session.feed(block)
    assert session.feed(np.zeros((1, 0), np.float32)) == []
    assert fed(session, TWO_LOOKS)[-1].quality == ()


def test_models_that_cannot_listen_live_are_refused_with_what_can():
    with pytest.raises(ModelError, match="range-profile and spectrogram can"):
        LiveSession(recognizer(Doppler()))
    with pytest.raises(ModelError, match="--neutral FILE"):
        LiveSession(recognizer(RangeProfile(neutral="clip")))
    with pytest.raises(RecordingError, match="trained on 2"):
        LiveSession(recognizer(n_microphones=2))
    untaught = recognizer()
    untaught.estimator = None
    with pytest.raises(ModelError, match="learnt nothing"):
        LiveSession(untaught)


def test_a_kept_neutral_face_needs_no_clip():
    front_end = RangeProfile(neutral="clip")
    clip = Recording(sound(1.5, seed=3), RATE_HZ, Chirp())
    calibrated = recognizer(front_end)
    calibrated.neutral = front_end.neutral_profile([clip])
    given = fed(LiveSession(recognizer(front_end), neutral=clip), TWO_LOOKS)
    np.testing.assert_allclose(shares(fed(LiveSession(calibrated), TWO_LOOKS)), shares(given), atol=1e-9)


def bytes_of(thing, seen) -> int:
    """Return the memory of all arrays that an object holds."""
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return thing.nbytes
    if isinstance(thing, dict):
        return sum(bytes_of(value, seen) for value in thing.values())
    if isinstance(thing, list | tuple | set):
        return 8 * len(thing) + sum(bytes_of(value, seen) for value in thing)
    names = [*getattr(thing, "__dict__", {}), *getattr(type(thing), "__slots__", ())]
    return sum(bytes_of(getattr(thing, name, None), seen) for name in names)


def test_an_hour_without_growth():
    """A slow and cheap probe, 120 periods a minute: what a session holds is the same at the end as after a minute."""
    slow = Chirp(low_hz=1_000, high_hz=1_800, sweep_s=0.05, period_s=0.5, fade_s=0.005, rate_hz=8_000)
    known = recognizer(RangeProfile(window_s=2.0, neutral="running"), slow)
    known.estimator.assess = lambda images: (np.full((len(images), 3), 1 / 3), np.zeros(len(images)))
    session = LiveSession(known, hop_s=0.5)
    minute, n_minutes = sound(60.0, slow, start=0.0), 60
    held, n_answers = [], 0
    for number in range(n_minutes):
        n_answers += len(session.feed(minute))
        if number in (1, n_minutes - 1):
            held.append(bytes_of(session, set()))
    assert held[0] == held[1] < 8_000_000
    assert n_answers + session.n_dropped_windows == pytest.approx(120 * n_minutes, abs=30)
    assert session.n_dropped_windows == 0


def test_who_is_too_slow_is_told_when_the_model_is_loaded():
    ticks = iter(np.arange(0, 100, 0.03))
    assert answer_s(recognizer(), clock=lambda: float(next(ticks))) == pytest.approx(0.03)
    assert slowness(0.01) == ""
    assert "little time is left" in slowness(0.045) and "windows will be dropped" in slowness(0.2)
    assert answer_s(recognizer(replace(RangeProfile(neutral="clip"), window_s=0.5))) > 0


@pytest.mark.parametrize("options", [{"hop_s": 0.0}, {"hop_s": float("nan")}, {"hop_s": float("inf")}, {"hop_s": -1.0}])
def test_a_hop_that_is_no_time_is_refused(options):
    with pytest.raises(ModelError, match="hop_s"):
        LiveSession(recognizer(), **options)


@pytest.mark.parametrize("counts", [{"n_lost": 2.5}, {"n_lost": -5}, {"most_answers": -1}, {"most_answers": "1"}])
def test_counts_that_are_none_are_refused(counts):
    session = LiveSession(recognizer())
    with pytest.raises(RecordingError, match=next(iter(counts))):
        session.feed(np.zeros((1, 480), np.float32), **counts)
    with pytest.raises(RecordingError, match="n_channels"):
        LiveSession(recognizer(), n_channels=1.0)

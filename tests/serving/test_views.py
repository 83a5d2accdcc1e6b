"""The views with what really recognises, calibrates and analyses behind them."""

from dataclasses import replace

import numpy as np
import pytest
from live_sound import recognizer, sound
from serving_fakes import AUDIO

from mien.capture.emission import check_emission
from mien.datasets.study import load_study
from mien.datasets.writer import StudyWriter
from mien.errors import ModelError
from mien.probe import Chirp
from mien.recognizer import Recognizer
from mien.recording import Recording
from mien.sensing.features import join
from mien.sensing.front_ends import RangeProfile
from mien.serving import messages as said
from mien.serving.audio_frames import AudioFrame
from mien.serving.calibrate_view import CalibrateView
from mien.serving.emissions import sounds_of
from mien.serving.kept_calibrations import FOLDER, keep
from mien.serving.live_view import MOST_ANSWERS, LiveView
from mien.serving.settings import Settings, analysed, live_session
from mien.serving.take_recorder import TakeRecorder, judge_take

START = said.StartLive(audio=said.AudioSettings(**AUDIO), hop_s=0.1)


def frames(samples, n_block=2_400, lose=()):
    """Return sound as frames; those of `lose` are missing, and the next says so."""
    found, n_lost = [], 0
    for number, start in enumerate(range(0, samples.shape[1], n_block)):
        part = samples[0, start : start + n_block]
        if number in lose:
            n_lost += len(part)
            continue
        found.append(AudioFrame(number, (start + len(part)) / 48_000, part, bool(n_lost), n_lost))
        n_lost = 0
    return found


def view():
    made = recognizer()
    emission = sounds_of(Settings(model=made))["live"].told
    return LiveView(START, emission, live_session(made, START.hop_s), made, calibrated=False, is_quick=True)


def test_every_window_is_answered_or_counted_with_its_capture_time():
    live = view()
    started = live.begin().messages[0]
    assert started.hop_s == pytest.approx(0.1) and started.profile_m[0] < started.profile_m[1]
    answers = [each for frame in frames(sound(5.0), lose=range(50, 53)) for each in live.hear([frame]).messages]
    assert np.allclose([each.captured_s - each.time_s for each in answers], 0, atol=0.06)
    steps = np.diff([each.time_s for each in answers]) / 0.1
    dropped = np.diff([each.n_dropped_windows for each in answers])
    # After a gap the rhythm begins anew, up to half a hop later.
    np.testing.assert_array_equal(np.floor(steps + 0.25) - 1, dropped)
    assert dropped.sum() > 0 and any("dropout" in each.quality for each in answers)
    assert set(answers[0].probabilities) == {"anger", "fear", "sadness", "neutral"}


def test_who_is_late_gets_the_latest_answers_and_the_count_of_the_others():
    live = view()
    answers = live.hear(frames(sound(4.0))).messages
    assert len(answers) == MOST_ANSWERS and answers[-1].time_s > 3.8
    assert answers[-1].n_dropped_windows > 20


def test_a_check_that_came_back_whole_says_ready():
    emission = check_emission()
    played = emission.samples()
    heard = 0.5 * np.concatenate([np.zeros(9_600), played, np.zeros(38_400)])
    heard += 1e-4 * np.random.default_rng(0).standard_normal(len(heard))
    audio = said.AudioSettings(**AUDIO, device="a phone")
    report = analysed(heard[None].astype(np.float32), audio, 0)
    assert report.state == "ready" and report.verdict and report.lines() and not report.problems
    assert report.to_json()["name"] == "a phone"


def echo(seed, shown=0.0):
    """Return a take whose echo recedes, stays or comes nearer after 0.3 s."""
    time_s = np.arange(57_600) / 48_000
    delay_s = 0.002 + shown * 1e-5 * np.clip(time_s - 0.3, 0, 1)
    heard = 0.4 * Chirp().at(time_s - 0.01) + 0.05 * Chirp().at(time_s - 0.01 - delay_s)
    heard += 1e-4 * np.random.default_rng(seed).standard_normal(len(time_s))
    return Recording(heard[None].astype(np.float32), 48_000, Chirp(), {"neutral_until_s": 0.3})


LOOKS = {"anger": -1.0, "fear": 1.0}


def taught(neutral):
    """Return a recognizer of two looks, learnt from eight people."""
    front_end = RangeProfile(neutral=neutral)
    takes = [(word, echo(seed, shown)) for seed in range(8) for word, shown in LOOKS.items()]
    parts = [front_end.features(take, echo(99)) for _, take in takes]
    known = join([replace(part, row=np.full(len(part), row)) for row, part in enumerate(parts)])
    labels = np.array([word for word, _ in takes])
    return Recognizer("svm", front_end, Chirp()).fit_features(known, labels, np.repeat([*"abcdefgh"], 2), range(16))


@pytest.mark.parametrize("neutral", ["take", "clip"])
def test_a_person_is_learnt_in_memory(neutral):
    model = taught(neutral)
    takes = [("neutral", echo(50)), ("anger", echo(51, -1.0)), ("fear", echo(52, 1.0))]
    known = model.calibrate_recordings(takes)
    assert (known.training.calibrated_takes, known.training.neutral_takes) == (2, 1)
    assert model.training.calibrated_takes == 0 and (known.neutral is not None) == (neutral == "clip")
    found = known.predict_proba(echo(60, -1.0))
    assert np.isfinite(found["confidence"]).all()


def test_the_page_keeps_a_neutral_clip_where_the_command_line_does(tmp_path):
    """One implementation: takes in memory and the same takes in a study give the same model."""
    takes = [("neutral", echo(50)), ("anger", echo(51, -1.0)), ("fear", echo(52, 1.0))]
    with StudyWriter(tmp_path / "one", "one", "simulated", Chirp()) as writer:
        for number, (word, take) in enumerate(takes):
            writer.add_take(take, "007", "01", f"{number + 1:04d}", word, neutral_until_s=0.3)
    study = load_study(tmp_path / "one")
    model = taught("take")
    model.training = model.training.model_copy(update={"hears_clips": True})
    stored = [(word, study.recording(row)) for row, (word, _) in enumerate(takes)]
    page, command = model.calibrate_recordings(stored), model.calibrate(study, progress=False)
    assert page.front_end == command.front_end and page.front_end.neutral == "clip" and page.uses_neutral
    np.testing.assert_array_equal(page.neutral.values, command.neutral.values)
    np.testing.assert_array_equal(
        page.predict_proba(echo(60, -1.0))["confidence"], command.predict_proba(echo(60, -1.0))["confidence"]
    )


def test_a_neutral_take_that_a_model_has_no_use_for_is_not_said_to_have_been_learnt_from():
    model, memory = taught("take"), {}
    assert not model.uses_neutral
    start = said.StartCalibrate(audio=START.audio)
    emission = sounds_of(Settings(model=recognizer()))["live"].told
    view = CalibrateView(start, emission, model, lambda it, takes: it.calibrate_recordings(takes), judge_take, memory)
    view.begin()
    view._takes = [echo(50), echo(51, -1.0), echo(52, 1.0)]
    (known,) = [each for each in view._learn().messages if each.type == "calibrated"]
    assert (known.n_takes, known.n_neutral) == (2, 0)


def test_a_kept_calibration_is_a_model_like_any_other(tmp_path):
    takes = [("neutral", echo(50)), ("anger", echo(51, -1.0)), ("fear", echo(52, 1.0))]
    known, memory = taught("take").calibrate_recordings(takes), {}
    keep(known, tmp_path / "kept", memory)
    loaded = Recognizer.load(memory[FOLDER])
    assert loaded.training == known.training
    take = echo(60, -1.0)
    np.testing.assert_allclose(loaded.predict_proba(take)["confidence"], known.predict_proba(take)["confidence"])


def test_a_person_who_showed_nothing_that_was_learnt_is_told():
    with pytest.raises(ModelError, match="takes of disgust teach nothing"):
        taught("take").calibrate_recordings([("disgust", echo(1))])


def test_a_take_is_as_long_as_asked_and_knows_what_was_lost():
    recorder, samples = TakeRecorder(Chirp()), sound(2.0)
    assert recorder.hear(frames(samples)) is None
    recorder.begin(1.0)
    first = recorder.hear(frames(samples[:, :30_000], lose=[0]))
    assert first is None
    take = recorder.hear(frames(samples[:, 30_000:]))
    # A loss before the take's first sample is not the take's.
    assert take.n_samples == 48_000 and take.quality == ()
    assert not recorder.recording
    recorder.begin(1.0)
    torn = recorder.hear(frames(samples, lose=[3]))
    assert torn.quality == ("dropout",)
    quality, advice = judge_take(torn)
    assert "dropout" in quality and "sound was lost" in advice


def test_a_take_without_the_probe_is_told_so():
    silence = 1e-3 * np.random.default_rng(0).standard_normal((1, 48_000))
    quality, advice = judge_take(Recording(silence.astype(np.float32), 48_000, Chirp()))
    assert "no-probe" in quality and "the probe was not heard" in advice

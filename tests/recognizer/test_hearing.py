"""From recordings to answers: what can be heard, what is named, how good the sound was."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from toy_recognizers import QUICK, echo

from mien.errors import ProbeMismatch, ProbeNotFound, RecordingError
from mien.labels import UNSURE
from mien.probe import Chirp, PureTones
from mien.recognizer import Recognizer, recordings_in
from mien.recognizer.hearing import clip_alike, fitting, one_channel
from mien.recording import Recording, write_recording
from mien.sensing.features import join
from mien.sensing.quality import heard_quality
from mien.sensing.synchronise import synchronised_periods


@pytest.fixture(scope="module", params=["facer", "mien"])
def listening(request):
    """A recognizer that was fitted to sounds through its own front end."""
    made = Recognizer(request.param, probe=Chirp(), options=QUICK[request.param])
    parts = [made.front_end.features(echo(seed=seed)) for seed in range(8)]
    known = join([replace(part, row=np.full(len(part), row)) for row, part in enumerate(parts)])
    return made.fit_features(known, np.array(["fear", "anger"] * 4), np.repeat(["a", "b", "c", "d"], 2), range(8))


def test_a_row_per_window(listening):
    frame = listening.predict_proba(replace(echo(2.0), quality=("clipped", "drift")))
    assert list(frame.columns) == ["time_s", "expression", "p_anger", "p_fear", "confidence", "foreignness", "quality"]
    assert len(frame) == len(listening.front_end.features(echo(2.0)))
    hop_s = listening.front_end.hop_s
    np.testing.assert_allclose(np.diff(frame["time_s"]), round(hop_s / 0.05) * 0.05, atol=1e-3)
    assert (frame["quality"] == "clipped;drift").all()
    probabilities = frame[["p_anger", "p_fear"]].to_numpy()
    np.testing.assert_allclose(frame["confidence"], probabilities.max(axis=1))
    best = np.array(["anger", "fear"])[probabilities.argmax(axis=1)]
    foreign = frame["foreignness"] > listening.estimator.foreign.above
    unsure = (frame["confidence"] < listening.estimator.unsure_below) | foreign
    assert (frame["expression"] == np.where(unsure, UNSURE, best)).all()
    assert (listening.predict_proba(echo(2.0))["quality"] == "ok").all()


@pytest.mark.parametrize("n_lost", [1, 5, 48, 300, 1200])
def test_an_answer_over_lost_samples_is_unsure_and_the_quality_says_dropout(listening, n_lost):
    whole = echo(3.0)
    torn = replace(whole, samples=np.delete(whole.samples, slice(70_000, 70_000 + n_lost), axis=1))
    before, after = listening.predict_proba(whole), listening.predict_proba(torn)
    assert (before["quality"] == "ok").all() and (after["quality"] == "dropout").all()
    length_s, seam_s = listening.front_end.window_s, 70_000 / 48_000
    holds = (after["time_s"] < seam_s - 0.06) & (after["time_s"] + length_s > seam_s + 0.06)
    assert holds.any() and (after["expression"][holds] == UNSURE).all()
    clear = (after["time_s"] + length_s < seam_s - 0.06).to_numpy()
    assert clear.any()
    np.testing.assert_allclose(after.filter(like="p_")[clear], before.filter(like="p_")[: len(after)][clear], atol=0.05)


def low_passed(whole, edge_hz):
    spectrum = np.fft.rfft(whole.samples)
    spectrum[:, np.fft.rfftfreq(whole.n_samples, 1 / whole.rate_hz) > edge_hz] = 0
    return replace(whole, samples=np.fft.irfft(spectrum, whole.n_samples).astype(np.float32))


def test_a_band_that_ends_at_20_khz_is_another_than_the_model_was_trained_on(listening):
    """What an MP3 or Opus file keeps; a band that ends at 22.05 kHz went through 44.1 kHz."""
    assert listening.training.weakest_band_db == pytest.approx(-2, abs=3)
    for edge_hz, expected in ((23_900, "ok"), (22_050, "resampled;other-band"), (20_000, "other-band")):
        assert (listening.predict_proba(low_passed(echo(2.0), edge_hz))["quality"] == expected).all()


def test_a_model_trained_on_steep_phones_takes_them_for_its_own(listening, monkeypatch):
    spectrum, freq_hz = np.fft.rfft(echo(2.0).samples), np.fft.rfftfreq(96_000, 1 / 48_000)
    steep = np.fft.irfft(spectrum * 10 ** (-np.interp(freq_hz, (19_000, 23_000), (0, 36)) / 20))
    heard = replace(echo(2.0), samples=steep.astype(np.float32))
    assert (listening.predict_proba(heard)["quality"] == "other-band").all()
    trained = listening.training.model_copy(update={"weakest_band_db": -30.0})
    monkeypatch.setattr(listening, "training", trained)
    assert (listening.predict_proba(heard)["quality"] == "ok").all()


def test_a_recording_is_synchronised_once(listening, monkeypatch):
    counted = []

    def counting(recording):
        counted.append(recording)
        return synchronised_periods(recording)

    monkeypatch.setattr("mien.sensing.echoes.synchronised_periods", counting)
    listening.predict_proba(echo(2.0))
    assert len(counted) == 1


def test_another_probe_is_refused_naming_both(listening):
    with pytest.raises(ProbeMismatch, match="17000-20000 Hz.*expects chirp 19000-23000 Hz"):
        listening.predict_proba(echo(probe=Chirp(low_hz=17_000, high_hz=20_000)))


def test_a_recording_without_a_stated_probe_is_taken_for_the_models(listening):
    stated, silent = echo(), replace(echo(), probe=None)
    pd.testing.assert_frame_equal(listening.predict_proba(silent), listening.predict_proba(stated))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda r: replace(r, samples=r.samples[:, :4800]), "lasts 0.1 s.*record at least"),
        (lambda r: replace(r, rate_hz=44_100, probe=None), "44100 Hz.*record at 48000 Hz"),
    ],
)
def test_recordings_that_cannot_be_heard_say_what_to_do(listening, change, message):
    with pytest.raises(RecordingError, match=message):
        listening.predict_proba(change(echo()))


def test_a_recording_without_the_probe_is_refused(listening):
    noise = np.random.default_rng(0).standard_normal((1, 96_000)).astype(np.float32) * 0.1
    with pytest.raises(ProbeNotFound):
        listening.predict_proba(Recording(noise, 48_000))


def test_a_loaded_model_hears_the_same(listening, tmp_path):
    again = Recognizer.load(listening.save(tmp_path))
    pd.testing.assert_frame_equal(again.predict_proba(echo(seed=9)), listening.predict_proba(echo(seed=9)))


@pytest.mark.parametrize("threshold, named", [(0.0, {"anger", "fear"}), (1.0, {UNSURE})])
def test_answers_below_the_threshold_are_unsure(listening, threshold, named, monkeypatch):
    estimator = getattr(listening.estimator, "base", listening.estimator)
    for each in {estimator, listening.estimator}:
        monkeypatch.setattr(each, "unsure_below", threshold)
    monkeypatch.setattr(estimator, "foreign", None)
    frame = listening.predict_proba(echo(2.0))
    assert set(frame["expression"]) <= named
    assert frame["foreignness"].isna().all()
    assert frame["confidence"].min() > 0.3


def test_a_recording_unlike_those_trained_on_is_unsure_however_confident(listening, monkeypatch):
    base = getattr(listening.estimator, "base", listening.estimator)
    frame = listening.predict_proba(echo(2.0))
    monkeypatch.setattr(
        base, "foreign", replace(base.foreign, above=float(frame["foreignness"].min()) - 0.1, slope=0.0)
    )
    for each in {base, listening.estimator}:
        monkeypatch.setattr(each, "unsure_below", 0.0)
    found = listening.predict_proba(echo(2.0))
    assert (found["expression"] == UNSURE).all()
    pd.testing.assert_series_equal(found["foreignness"], frame["foreignness"])


def stereo(weak: float = 0.02) -> Recording:
    """A recording whose first channel hears the probe badly and whose second hears it well."""
    good, noise = echo(2.0), np.random.default_rng(3).standard_normal((1, 96_000))
    bad = weak * good.samples + 0.02 * noise.astype(np.float32)
    return replace(good, samples=np.concatenate([bad, good.samples]))


def test_of_two_channels_the_one_with_the_stronger_probe_is_heard(listening):
    """Loudness does not decide: the worse channel is amplified here."""
    two, good = stereo(), echo(2.0)
    loud = replace(two, samples=two.samples * np.float32([[20], [1]]))
    for recording in (two, loud):
        pd.testing.assert_frame_equal(listening.predict_proba(recording), listening.predict_proba(good))
    heard = one_channel(loud, 1)
    assert (heard.n_channels, heard.facts["channel"]) == (1, 1)
    assert "channel 1 of 2 was taken, where the probe is" in heard.notes[0]


def test_a_channel_that_is_asked_for_is_heard(listening):
    two = stereo(weak=0.5)
    first = replace(two, samples=two.samples[:1])
    pd.testing.assert_frame_equal(listening.predict_proba(two, channel=0), listening.predict_proba(first))
    with pytest.raises(RecordingError, match="channel 2 was asked for; the recording has 0 to 1"):
        listening.predict_proba(two, channel=2)
    with pytest.raises(RecordingError, match="this model listens with 2 microphones"):
        one_channel(two, 2, channel=0)


def test_a_neutral_clip_is_heard_by_the_channel_of_its_recording():
    two = stereo(weak=0.5)
    swapped = replace(two, samples=two.samples[::-1])
    assert clip_alike(swapped, one_channel(two, 1), 1).facts["channel"] == 1
    assert clip_alike(swapped, one_channel(echo(), 1), 1).facts["channel"] == 0
    assert clip_alike(echo(), one_channel(two, 1), 1).n_channels == 1


def test_of_channels_without_a_probe_it_is_said_that_there_is_none(listening):
    noise = np.random.default_rng(0).standard_normal((2, 96_000)).astype(np.float32) * 0.1
    with pytest.raises(ProbeNotFound):
        listening.predict_proba(Recording(noise, 48_000))


@pytest.mark.parametrize("missing_ms", [1, 4, 6, 10, 24])
def test_a_recording_a_few_milliseconds_short_of_a_window_is_heard(listening, missing_ms):
    whole = echo(listening.front_end.window_s)
    n_kept = whole.n_samples - 48 * missing_ms
    short = replace(whole, samples=whole.samples[:, :n_kept])
    found, expected = listening.predict_proba(short), listening.predict_proba(whole)
    assert len(found) == len(expected) == 1
    heard = fitting(short, Chirp(), 1, listening.front_end)
    assert heard.n_samples == whole.n_samples and f"lacks {missing_ms} ms of a window" in heard.notes[0]


def test_noise_and_a_foreign_clock_are_heard():
    """What the recording does not say of itself, its echoes show; each word once."""
    loud = echo(noise=0.3)
    assert heard_quality(echo()) == ()
    assert heard_quality(loud) == ("low-snr",)
    assert heard_quality(replace(loud, quality=("clipped", "low-snr"))) == ("clipped", "low-snr")
    assert heard_quality(echo(drift_ppm=300.0)) == ("drift",)
    assert heard_quality(echo(drift_ppm=50.0)) == ()


def test_of_tones_alone_the_recordings_word_stands():
    tones = replace(echo(), probe=PureTones((18_000.0,)), quality=("clipped",))
    assert heard_quality(tones) == ("clipped",)


def test_recordings_of_a_file_and_of_a_folder(tmp_path):
    for name in ("b.wav", "deep/a.flac"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_recording(echo(0.5), tmp_path / name)
    (tmp_path / "notes.txt").write_text("no sound")
    for name in ("._b.wav", "deep/._a.flac", "deep/.DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    assert [name for name, _ in recordings_in(tmp_path)] == ["b.wav", "deep/a.flac"]
    ((name, recording),) = recordings_in(tmp_path / "b.wav", Chirp())
    assert name == "b.wav" and recording.probe == Chirp()
    with pytest.raises(ProbeMismatch):
        list(recordings_in(tmp_path, Chirp(high_hz=22_000)))
    with pytest.raises(RecordingError, match="no sound file"):
        (tmp_path / "empty").mkdir()
        list(recordings_in(tmp_path / "empty"))

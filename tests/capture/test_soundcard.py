"""A sound card whose stream is driven by the test, and one that really plays and records."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from mien.capture import Card, SoundCard, looped, soundcard
from mien.capture.soundcard import FADE_OUT_S
from mien.errors import DeviceError
from mien.probe import Chirp
from mien.recording import Recording
from mien.sensing.synchronise import synchronise

RATE_HZ = 48_000
TICK = 512
LAG = 700
CARDS = (Card(0, "Test card", "Fake", 2, 2, 44_100.0, True, True),)


class FakeStream:
    """Calls back from a thread of its own; what is played is heard `LAG` samples later, in one buffer used again."""

    def __init__(self, module: "FakeModule", callback, channels, **options) -> None:
        self.module, self.callback, self.options = module, callback, options
        self.n_inputs, self.n_outputs = channels
        self.samplerate, self.latency = module.opens_at_hz, (0.1, 0.1)
        self.active = False
        self.played: list[np.ndarray] = []

    def start(self) -> None:
        self.active = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        way = np.zeros(LAG, np.float32)
        heard = np.zeros((TICK, self.n_inputs), np.float32)
        for number in range(self.module.n_ticks):
            if not self.active:
                return
            out = np.zeros((TICK, self.n_outputs), np.float32)
            heard[:] = way[:TICK, None]
            statuses = self.module.statuses.get(number, ())
            status = SimpleNamespace(
                **{name: name in statuses for name in ("input_overflow", "output_underflow", "input_underflow")}
            )
            self.callback(heard, out, TICK, None, status)
            way = np.concatenate([way[TICK:], out[:, 0]])
            self.played.append(out[:, 0])
            time.sleep(self.module.tick_s)

    def stop(self) -> None:
        self.active = False
        self.thread.join()

    def close(self, ignore_errors: bool = True) -> None:
        self.closed = True


class FakeModule:
    """What of sounddevice is used."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        self.opens_at_hz, self.refuses, self.refuses_mono = RATE_HZ, False, False
        self.n_ticks, self.tick_s, self.statuses = 100_000, 0.0003, {}
        self.stream: FakeStream | None = None

    def check_output_settings(self, *_, **__) -> None:
        if self.refuses_mono:
            raise self.PortAudioError("Invalid number of channels")

    def Stream(self, **options) -> FakeStream:
        if self.refuses:
            raise self.PortAudioError("Invalid sample rate")
        self.stream = FakeStream(self, **options)
        return self.stream


@pytest.fixture
def fake(monkeypatch) -> FakeModule:
    module = FakeModule()
    monkeypatch.setattr(soundcard, "sounddevice", lambda: module)
    monkeypatch.setattr(soundcard, "list_cards", lambda: CARDS)
    return module


def sound() -> np.ndarray:
    return looped(Chirp(), 1.0)


def test_what_is_played_comes_back_and_the_probe_is_found_in_it(fake):
    with SoundCard(sound()) as card:
        samples, quality = card.record(1.0)
    assert samples.shape == (1, RATE_HZ) and samples.dtype == np.float32 and quality == ()
    assert np.abs(samples).max() == pytest.approx(0.3, abs=1e-3)
    found = synchronise(Recording(samples, RATE_HZ, Chirp()))
    assert abs(found.drift_ppm) < 0.1 and found.n_periods == 20


def test_it_asks_for_the_rate_and_for_buffers_of_the_system_s_own_size(fake):
    with SoundCard(sound(), n_input_channels=2) as card:
        assert card.rate_hz == RATE_HZ and card.n_channels == 2 and card.name == "Test card"
        assert card.latency_s == pytest.approx(0.2)
        options = fake.stream.options
    assert options["samplerate"] == RATE_HZ and options["blocksize"] == 0 and fake.stream.n_inputs == 2


def test_it_fades_in_and_out(fake):
    with SoundCard(sound()) as card:
        card.record(0.5)
    played = np.concatenate(fake.stream.played)
    assert np.abs(played[: RATE_HZ // 50]).max() < 0.01
    level = np.array([np.abs(played[start : start + 2400]).max() for start in range(0, len(played) - 2400, 2400)])
    assert level.max() == pytest.approx(0.3, abs=1e-3)
    ends = np.flatnonzero(np.abs(played) > 1e-6)[-1]
    assert np.abs(played[ends - 48 : ends]).max() < 0.01, "the last millisecond that sounds is soft"
    assert ends < len(played) and FADE_OUT_S <= 0.2


def test_a_repeated_emission_has_no_dip_where_it_repeats(fake):
    with SoundCard(looped(Chirp(), 0.5)) as card:
        samples, _ = card.record(2.0)
    onset = int(np.argmax(np.abs(samples[0]) > 0.02))
    periods = samples[0, onset : onset + 30 * 2400].reshape(30, 2400)
    assert np.abs(periods - periods[0]).max() < 1e-6


def test_blocks_keep_their_samples_when_the_system_uses_its_buffer_again(fake):
    with SoundCard(sound()) as card:
        blocks = [block for block, _ in zip(card.blocks(), range(60), strict=False)]
    firsts = [block.first_sample for block in blocks]
    assert np.array_equal(np.diff(firsts), [block.samples.shape[1] for block in blocks[:-1]])
    assert len({block.samples.tobytes() for block in blocks if block.samples.any()}) > 30


def test_what_is_played_once_begins_with_the_first_listener(fake):
    emitted = np.concatenate([np.full(100, 0.25), np.zeros(100)]).astype(np.float32)
    with SoundCard(emitted, loop=False) as card:
        time.sleep(0.02)
        samples, _ = card.record(0.1)
        again, _ = card.record(0.1)
    assert np.array_equal(np.flatnonzero(samples[0]), LAG + np.arange(100))
    assert not again.any()


@pytest.mark.parametrize("status", ["input_overflow", "output_underflow"])
def test_samples_that_the_system_lost_are_a_dropout(fake, status):
    fake.statuses = dict.fromkeys(range(100, 103), (status,))
    with SoundCard(sound()) as card:
        _, quality = card.record(1.0)
    assert quality == ("dropout",) and card.n_interruptions == 3


def test_what_is_called_lost_while_a_stream_runs_in_is_no_dropout(fake):
    """PortAudio calls it an underflow that the microphone's first sound is not there yet."""
    last = RATE_HZ // 2 // TICK
    fake.tick_s, fake.statuses = 0.005, dict.fromkeys([*range(last + 1), last + 10], ("input_underflow",))
    with SoundCard(sound(), loop=False) as card:
        blocks = [block for block, _ in zip(card.blocks(), range(last), strict=False)]
        assert [block.dropped for block in blocks].count(True) == card.n_interruptions == 1
    assert blocks[0].first_sample == 0 and not blocks[0].dropped


def test_a_listener_that_is_late_is_told_what_it_lost(fake, monkeypatch):
    monkeypatch.setattr(soundcard, "QUEUE_S", 0.2)
    with SoundCard(sound()) as card:
        listener = card.blocks()
        first = next(listener)
        while card.n_lost_blocks < 5:
            time.sleep(0.01)
        rest = [block for block, _ in zip(listener, range(30), strict=False)]
    late = next(block for block in rest if block.dropped)
    before = ([first, *rest])[rest.index(late)]
    assert late.first_sample > before.first_sample + before.samples.shape[1]


def test_nothing_is_kept_while_nobody_listens(fake, monkeypatch):
    monkeypatch.setattr(soundcard, "QUEUE_S", 0.2)
    with SoundCard(sound()) as card:
        card.record(0.1)
        while len(fake.stream.played) < 400:
            time.sleep(0.01)
        _, quality = card.record(0.1)
    assert quality == () and card.n_lost_blocks == 0


def test_full_scale_is_clipped(fake):
    with SoundCard(np.tile(np.float32([1, 1, 1, 1, -1, -1, -1, -1]), 600)) as card:
        _, quality = card.record(0.5)
    assert quality == ("clipped",)


def test_a_card_that_opens_at_another_rate_is_refused(fake):
    fake.opens_at_hz = 44_100.0
    with pytest.raises(DeviceError, match="asked for 48000 Hz and opened at 44100 Hz"), SoundCard(sound()):
        pass
    fake.refuses = True
    with pytest.raises(DeviceError, match="cannot record and play at 48000 Hz.*44100"), SoundCard(sound()):
        pass


def test_loudspeakers_that_take_no_single_channel_play_on_both(fake):
    fake.refuses_mono = True
    with SoundCard(sound()) as card:
        card.record(0.1)
    assert fake.stream.n_outputs == 2


def test_a_card_that_falls_silent_is_an_error_and_not_a_wait_for_ever(fake, monkeypatch):
    monkeypatch.setattr(soundcard, "STALLED_S", 0.3)
    fake.n_ticks = 40
    with pytest.raises(DeviceError, match="delivered no sound"), SoundCard(sound()) as card:
        card.record(5.0)
    fake.n_ticks = 0
    with pytest.raises(DeviceError, match="opened but delivers no sound"), SoundCard(sound()):
        pass


@pytest.mark.parametrize(("name", "is_server"), [("default", True), ("pulse", True), ("USB Audio", False)])
def test_a_server_that_falls_silent_may_run_at_another_rate(fake, monkeypatch, name, is_server):
    monkeypatch.setattr(soundcard, "STALLED_S", 0.3)
    monkeypatch.setattr(soundcard, "list_cards", lambda: (Card(0, name, "ALSA", 2, 2, 48_000.0, True, True),))
    for n_ticks in (40, 0):
        fake.n_ticks = n_ticks
        with pytest.raises(DeviceError) as refused, SoundCard(sound()) as card:
            card.record(5.0)
        assert ("pactl list short sinks" in str(refused.value)) == is_server
        assert ("another rate than 48000 Hz" in str(refused.value)) == is_server


@pytest.mark.alone
def test_a_sound_system_at_44100_hz_says_what_to_try(virtual_card):
    monitor = ("master=slow.monitor", "source_name=slowmic", "rate=44100", "channels=1", "channel_map=mono")
    with (
        virtual_card.module("module-null-sink", "sink_name=slow", "rate=44100", "channels=1", "channel_map=mono"),
        virtual_card.module("module-remap-source", *monitor, "master_channel_map=mono"),
    ):
        virtual_card.control("set-default-sink", "slow")
        virtual_card.control("set-default-source", "slowmic")
        try:
            with SoundCard(sound(), device="pulse") as card:
                samples, _ = card.record(1.0)
            assert samples.any(), "where it does deliver sound, that is no fault"
        except DeviceError as error:
            assert "pactl list short sinks" in str(error)
        finally:
            virtual_card.control("set-default-sink", "speaker")
            virtual_card.control("set-default-source", "mic")


@pytest.mark.parametrize(
    ("emitted", "words"),
    [
        (np.zeros((2, 10)), "shape"),
        (np.zeros(0), "shape"),
        (np.full(10, 1.5), "at most 1"),
        (np.array([np.nan]), "at most 1"),
    ],
)
def test_what_cannot_be_played_is_refused(fake, emitted, words):
    with pytest.raises(DeviceError, match=words):
        SoundCard(emitted)


def test_one_listener_at_a_time_and_none_without_a_stream(fake):
    with pytest.raises(DeviceError, match="not open"):
        SoundCard(sound()).record(0.1)
    with pytest.raises(DeviceError, match="3 microphones were asked for"):
        SoundCard(sound(), n_input_channels=3)
    with SoundCard(sound()) as card:
        listener = card.blocks()
        next(listener)
        with pytest.raises(DeviceError, match="already has a listener"):
            card.record(0.1)
        listener.close()
        card.record(0.05)


@pytest.mark.alone
def test_a_probe_comes_back_through_a_real_sound_system_sample_for_sample(virtual_card):
    with virtual_card.joined(), SoundCard(looped(Chirp(), 1.0), device="pulse") as card:
        samples, _ = card.record(1.5)
    found = synchronise(Recording(samples, RATE_HZ, Chirp()))
    assert abs(found.drift_ppm) < 1
    spectrum = np.abs(np.fft.rfft(samples[0, : 20 * 2400])) ** 2
    sent = np.abs(np.fft.rfft(looped(Chirp(), 1.0)[: 20 * 2400])) ** 2
    hz = np.arange(len(spectrum)) * RATE_HZ / (20 * 2400)
    for low_hz in range(19_000, 23_000, 1_000):
        band = (hz >= low_hz) & (hz < low_hz + 1_000)
        assert 10 * np.log10(spectrum[band].sum() / sent[band].sum()) == pytest.approx(0.0, abs=0.5), low_hz

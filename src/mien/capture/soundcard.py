"""One sound card, playing and recording at once through a single stream that stays open.

The lag between what is played and what is recorded differs with every opening of a stream, by tens of milliseconds, and
stays as it is while the stream is open: so one stream serves a whole session, and where the probe stands in the
recording is estimated from its direct path, every time (`sensing.synchronise`).
"""

import math
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mien.capture.cards import Pair, choose_cards, list_cards, sounddevice
from mien.capture.emission import FADE_S
from mien.errors import DeviceError

QUEUE_S = 4.0
"""How much sound waits for a listener that is late; what comes then is lost, and said so."""

BUFFER_S = 0.1
"""Asked of the card in each direction. Blocks come as soon as they are recorded, so that only the way from loudspeaker
to listener is longer; with the 35 ms that sound systems call high, a busy machine loses samples."""

FADE_OUT_S = 0.1
STALLED_S = 5.0
"""A card that delivers nothing for so long was unplugged, or its sound system died."""

RUNS_IN_S = 0.5
"""What the system says of lost samples is not believed so soon after opening: until the microphone's sound arrives,
PortAudio hands on zeros and calls them an underflow. Through PulseAudio, five to seven times in the first 0.3 s of each
of six streams, none of which lost anything."""

SERVERS = {"default", "pulse", "pipewire"}
"""ALSA's names for a sound server instead of a card."""

_SETTLED_S = 0.25
_FULL_SCALE = 1 - 2.0**-14


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A stretch of sound, from a card or from any other source.

    Args:
        samples: (channel time) float32, full scale 1.
        first_sample: its position in the stream; a gap shows as a jump.
        dropped: samples were lost just before this block, by the device or because nobody fetched them in time.
        clipped: samples of it stand at full scale.
    """

    samples: np.ndarray
    first_sample: int
    dropped: bool = False
    clipped: bool = False


class SoundCard:
    """A microphone and a loudspeaker behind one open stream; a context manager.

    Entering it opens the stream and fades the emission in, leaving it fades out and closes.

    Args:
        emitted: (time) what is played, full scale 1, e.g. of `emission.looped`.
        rate_hz: samples per second, asked of the card and verified.
        device: a part of its name, see `cards.choose_cards`; None takes the system's default.
        n_input_channels: microphones to record.
        loop: repeat `emitted` without end, from the moment of opening. Otherwise it is played once, as it is, from the
            moment at which the first listener (`blocks`, `record`) begins, and `first_sample` counts from there.
        block_s: length of each block, about: blocks are whole buffers of the sound system.

    Raises:
        DeviceError: no such card, or one that cannot record and play at this rate.

    Example:
        from mien.capture import SoundCard, looped
        from mien.probe import Chirp

        with SoundCard(looped(Chirp(), 1.0), device="usb") as card:
            samples, quality = card.record(5.0)
    """

    def __init__(
        self,
        emitted: np.ndarray,
        rate_hz: int = 48_000,
        *,
        device: str | None = None,
        n_input_channels: int = 1,
        loop: bool = True,
        block_s: float = 0.02,
    ) -> None:
        self._emitted = _checked(emitted)
        self._module = sounddevice()
        self.pair: Pair = choose_cards(device, list_cards())
        self.name = self.pair.name
        self.rate_hz = rate_hz
        self.n_channels = n_input_channels
        self.n_lost_blocks = 0
        self.n_interruptions = 0
        self._n_block = max(1, round(block_s * rate_hz))
        self._emission = _Emission(self._emitted, rate_hz, loop)
        self._position = 0
        self._n_since_opening = 0
        self._lost = False
        self._partial: list[np.ndarray] = []
        self._partial_first = 0
        self._queue: queue.Queue[Block] | None = None
        self._stream: Any = None
        self._running = threading.Event()
        self._refuse_too_few_channels()

    def __enter__(self) -> "SoundCard":
        self._stream = self._opened()
        try:
            self._stream.start()
            if not self._running.wait(STALLED_S):
                raise DeviceError(
                    f"{self.name} opened but delivers no sound; is it in use, or a permission missing?"
                    f"{self._server_hint()}"
                )
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None and self._stream.active:
            self._emission.stop()
            self._emission.silent.wait(4 * FADE_OUT_S)
        self._close()

    @property
    def latency_s(self) -> float:
        """Return input and output latency as the sound system states it; Bluetooth often states too little."""
        return float(sum(self._stream.latency)) if self._stream is not None else 0.0

    def blocks(self) -> Iterator[Block]:
        """Yield sound from now on, block by block, until the card is closed. One listener at a time.

        Raises:
            DeviceError: the card is not open, has another listener, or stopped delivering sound.
        """
        if self._stream is None:
            raise DeviceError("the sound card is not open; use it as `with SoundCard(...) as card:`")
        if self._queue is not None:
            raise DeviceError("the sound card already has a listener; end that one first")
        waiting: queue.Queue[Block] = queue.Queue(max(2, round(QUEUE_S * self.rate_hz / self._n_block)))
        self._queue = waiting
        try:
            while self._stream is not None:
                yield self._next_block(waiting)
        finally:
            self._queue = None

    def record(self, duration_s: float) -> tuple[np.ndarray, tuple[str, ...]]:
        """Record from now on, once a repeated emission has risen to its level.

        Returns:
            (channel time) float32, and the words of quality that the stream knows of: `clipped`, `dropout`.

        Raises:
            DeviceError: as `blocks`.
        """
        n_samples = math.ceil(duration_s * self.rate_hz)
        pieces, n_held, words, expected = [], 0, set(), None
        listener = self.blocks()
        for block in listener:
            if self._emission.loop and block.first_sample < (FADE_S + _SETTLED_S) * self.rate_hz:
                continue
            if expected is not None and (block.dropped or block.first_sample != expected):
                words.add("dropout")
            if block.clipped:
                words.add("clipped")
            expected = block.first_sample + block.samples.shape[1]
            pieces.append(block.samples)
            n_held += block.samples.shape[1]
            if n_held >= n_samples:
                break
        listener.close()  # type: ignore[attr-defined]
        return np.concatenate(pieces, axis=1)[:, :n_samples], tuple(w for w in ("clipped", "dropout") if w in words)

    def _next_block(self, waiting: "queue.Queue[Block]") -> Block:
        try:
            return waiting.get(timeout=STALLED_S)
        except queue.Empty:
            raise DeviceError(
                f"{self.name} delivered no sound for {STALLED_S:g} s; was it unplugged, or taken by another program?"
                f"{self._server_hint()}"
            ) from None

    def _server_hint(self) -> str:
        """Return what to try where a sound server stands behind the card.

        It says that it runs at any rate that is asked for; where its own cards run at another, PortAudio stalls.
        """
        if not {self.pair.microphone.name, self.pair.loudspeaker.name} & SERVERS:
            return ""
        return (
            f" Or the server behind it runs at another rate than {self.rate_hz} Hz: look with `pactl list short sinks` "
            f"and `pactl list short sources`, and set the card that plays and the one that records to {self.rate_hz} Hz"
        )

    def _refuse_too_few_channels(self) -> None:
        there = self.pair.microphone.n_inputs
        if not 1 <= self.n_channels <= there:
            raise DeviceError(
                f"{self.n_channels} microphones were asked for; {self.pair.microphone.name} has {there}: choose another"
            )

    def _opened(self) -> Any:
        """Return the stream, at the rate that was asked for."""
        try:
            stream = self._module.Stream(
                samplerate=self.rate_hz,
                blocksize=0,  # the system's own: PortAudio inserts samples where ALSA leads to a server and it is fixed
                device=(self.pair.microphone.index, self.pair.loudspeaker.index),
                channels=(self.n_channels, self._n_outputs()),
                dtype="float32",
                latency=BUFFER_S,
                callback=self._exchange,
            )
        except self._module.PortAudioError as error:
            raise DeviceError(
                f"{self.name} cannot record and play at {self.rate_hz} Hz ({error}); by itself it uses "
                f"{self.pair.microphone.rate_hz:g} and {self.pair.loudspeaker.rate_hz:g} Hz: set both to "
                f"{self.rate_hz} Hz in the system's sound settings, close what else uses it, or choose another card"
            ) from None
        found = round(stream.samplerate)
        if found != self.rate_hz:
            stream.close()
            raise DeviceError(f"{self.name} was asked for {self.rate_hz} Hz and opened at {found} Hz; choose another")
        return stream

    def _n_outputs(self) -> int:
        """Return 1, or 2 where the loudspeakers do not take one channel: both then play the same."""
        if self.pair.loudspeaker.n_outputs < 2:
            return 1
        try:
            self._module.check_output_settings(self.pair.loudspeaker.index, 1, "float32", samplerate=self.rate_hz)
        except self._module.PortAudioError:
            return 2
        return 1

    def _exchange(self, heard: np.ndarray, played: np.ndarray, n_samples: int, _: object, status: Any) -> None:
        """Take what was recorded and give what is to be played. Runs in the sound system's thread: never waits."""
        waiting = self._queue
        if waiting is not None and self._emission.begin():
            self._position = 0
        played[:] = self._emission.next(n_samples)[:, None]
        first, self._position = self._position, self._position + n_samples
        runs_in = self._n_since_opening < RUNS_IN_S * self.rate_hz
        self._n_since_opening += n_samples
        self._running.set()
        if waiting is None:
            self._lost, self._partial = False, []
            return
        if not runs_in and (status.input_overflow or status.output_underflow or status.input_underflow):
            self.n_interruptions += 1
            self._hand_over(waiting)
            self._lost = True
        if not self._partial:
            self._partial_first = first
        self._partial.append(heard.T.copy())  # the buffer is the sound system's, and used again
        if first + n_samples - self._partial_first >= self._n_block:
            self._hand_over(waiting)

    def _hand_over(self, waiting: "queue.Queue[Block]") -> None:
        """Queue what was collected as one block."""
        if not self._partial:
            return
        samples, self._partial = np.concatenate(self._partial, axis=1), []
        clipped = bool(np.count_nonzero(np.abs(samples) >= _FULL_SCALE) >= 3)
        try:
            waiting.put_nowait(Block(samples, self._partial_first, self._lost, clipped))
            self._lost = False
        except queue.Full:
            self.n_lost_blocks += 1
            self._lost = True

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.stop()
            except self._module.PortAudioError:
                pass  # a device that was unplugged cannot be stopped, only closed
            stream.close(ignore_errors=True)


class _Emission:
    """What is played next; its gain rises when it begins, where it is repeated, and falls when it is stopped.

    Args:
        samples: (time).
        loop: repeat without end, beginning at once; otherwise play once, from `begin` on.
    """

    def __init__(self, samples: np.ndarray, rate_hz: int, loop: bool) -> None:
        self.loop = loop
        self.silent = threading.Event()
        self._samples = samples
        self._position = 0 if loop else None
        self._gain = 0.0 if loop else 1.0
        self._rise = 1 / max(1.0, FADE_S * rate_hz)
        self._fall = 1 / max(1.0, FADE_OUT_S * rate_hz)
        self._stopping = False

    def begin(self) -> bool:
        """Start what is played once; return whether it started now."""
        if self._position is not None:
            return False
        self._position = 0
        return True

    def stop(self) -> None:
        """Let the gain fall to zero within `FADE_OUT_S`; `silent` is set when it has."""
        self._stopping = True
        if self._position is None:
            self.silent.set()

    def next(self, n_samples: int) -> np.ndarray:
        """Return (time) the next samples."""
        if self._position is None:
            return np.zeros(n_samples, np.float32)
        index = self._position + np.arange(n_samples)
        self._position += n_samples
        if self.loop:
            self._position %= len(self._samples)
            sound = self._samples[index % len(self._samples)]
        else:
            inside = index < len(self._samples)
            sound = np.where(inside, self._samples[np.minimum(index, len(self._samples) - 1)], np.float32(0))
        return sound * self._gains(n_samples)

    def _gains(self, n_samples: int) -> np.ndarray:
        step = -self._fall if self._stopping else self._rise
        ramp = np.clip(self._gain + step * np.arange(1, n_samples + 1), 0.0, 1.0)
        self._gain = float(ramp[-1])
        if self._stopping and self._gain == 0.0:
            self.silent.set()
        return (0.5 - 0.5 * np.cos(np.pi * ramp)).astype(np.float32)


def _checked(emitted: np.ndarray) -> np.ndarray:
    """Return what is played as (time) float32.

    Raises:
        DeviceError: another shape, no samples, samples that are no numbers or beyond full scale.
    """
    emitted = np.asarray(emitted, np.float32)
    if emitted.ndim != 1 or not emitted.size:
        raise DeviceError(f"what is played has shape {emitted.shape}; (time) is needed")
    peak = float(np.abs(emitted).max()) if np.isfinite(emitted).all() else math.nan
    if not peak <= 1:
        raise DeviceError(f"what is played reaches {peak:g}; at most 1 (full scale) is allowed")
    return emitted

"""Recognition of a stream: from a sound card, a pipe, or rows of text."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import MienError
from mien.terminal import say, show

if TYPE_CHECKING:
    from mien.capture import Block
    from mien.capture.sources import Source
    from mien.recognizer import Recognizer
    from mien.serving.live import LivePrediction, LiveSession

LIVE_LEVEL = 0.3
"""Of full scale: what is emitted."""


def is_stream(source: Path) -> bool:
    """Return whether an input is heard as a stream: standard input, rows of text, a folder of them; or as a recording.

    Example:
        >>> is_stream(Path("-")), is_stream(Path("rows.txt")), is_stream(Path("take.flac"))
        (True, True, False)
    """
    from mien.capture.sources import ROW_ENDINGS
    from mien.files import files_below
    from mien.sound_files import SOUND_ENDINGS

    if os.path.isdir(source):
        return not files_below(source, SOUND_ENDINGS) and bool(files_below(source, ROW_ENDINGS))
    return str(source) == "-" or source.suffix.lower() in ROW_ENDINGS


def recognize_stream(
    recognizer: "Recognizer",
    source: Path,
    neutral: Path | None,
    hop_s: float,
    lsl: bool,
    form: str,
    channel: int | None,
) -> list[str]:
    """Print what is recognised in streams that are not a sound card's, each from its own beginning.

    Returns:
        Which files of a folder could not be read to their end.
    """
    from mien.capture.sources import file_source, files_in, piped_source
    from mien.serving.listening import at_rate_of_probe, with_one_channel

    def recognize(heard: "Source") -> None:
        words = ("resampled",) if heard.rate_hz != recognizer.probe.rate_hz else ()
        heard = at_rate_of_probe(heard, recognizer, say)
        heard, taken = with_one_channel(heard, recognizer, channel, say)
        session = _session(recognizer, heard.n_channels, neutral, hop_s, taken)
        _print_all(session, heard.blocks, None, lsl, form, words)

    if str(source) == "-":
        recognize(piped_source(sys.stdin.buffer))
        return []
    failed = []
    for path in files_in(source):
        if source.is_dir():
            say(str(path))
        try:
            recognize(file_source(path))
        except MienError as error:
            if not source.is_dir():
                raise
            say(" ".join(str(error).split()))
            failed.append(str(path.relative_to(source)))
    return failed


def recognize_live(
    recognizer: "Recognizer",
    device: str | None,
    neutral: Path | None,
    hop_s: float,
    lsl: bool,
    form: str,
    duration_s: float | None,
) -> None:
    """Emit the model's probe through a sound card and print what is recognised, until Ctrl-C."""
    from mien.capture import SoundCard, looped
    from mien.probe import describe
    from mien.serving.live import answer_s, slowness

    n_channels = max(1, recognizer.training.n_microphones)
    session = _session(recognizer, n_channels, neutral, hop_s)
    if slow := slowness(answer_s(recognizer), session.hop_s):
        say(slow)
    probe = recognizer.probe
    with SoundCard(
        looped(probe, 1.0, level=LIVE_LEVEL), probe.rate_hz, device=device, n_input_channels=n_channels
    ) as card:
        say(f"emitting {describe(probe)} through {card.name}; rest your face for a few seconds; Ctrl-C ends it")
        blocks: Iterable[Block] = card.blocks()
        if duration_s is not None:
            n_samples = duration_s * probe.rate_hz
            blocks = takewhile(lambda block: block.first_sample < n_samples, blocks)
        with suppress(KeyboardInterrupt):
            _print_all(session, blocks, time.monotonic, lsl, form)


def _session(
    recognizer: "Recognizer", n_channels: int, neutral: Path | None, hop_s: float, taken: int | None = None
) -> "LiveSession":
    """Return a session for a stream of which one channel was taken, or all (None)."""
    from mien.recognizer.hearing import one_channel
    from mien.recording import read_recording
    from mien.serving.live import LiveSession

    clip = None if neutral is None else read_recording(neutral, recognizer.probe)
    if clip is not None and clip.n_channels > 1:
        clip = one_channel(clip, recognizer.training.n_microphones, taken)
    return LiveSession(recognizer, n_channels=n_channels, hop_s=hop_s, neutral=clip)


def _print_all(
    session: "LiveSession",
    blocks: "Iterable[Block]",
    clock: Callable[[], float] | None,
    lsl: bool,
    form: str,
    words: tuple[str, ...] = (),
) -> None:
    """Print predictions as they come: every one for machines, every change of the answer for people.

    Args:
        words: what is wrong with the quality of all of it.
    """
    from mien.serving.listening import listen
    from mien.serving.lsl import LslOutlet

    outlet = LslOutlet(session) if lsl else None
    forms: dict[str, Callable[[Iterable[LivePrediction]], Iterator[str]]] = {
        "json": _json_lines, "csv": partial(_csv_lines, session.names), "words": _lines
    }  # fmt: skip
    printed = forms[form]
    n_answers = 0

    def passing() -> Iterator["LivePrediction"]:
        nonlocal n_answers
        for prediction in listen(session, blocks, clock=clock):
            n_answers += 1
            prediction = replace(prediction, quality=(*prediction.quality, *words)) if words else prediction
            if outlet is not None:
                outlet.push(prediction)
            yield prediction

    with ExitStack() as at_end:
        at_end.callback(lambda: say(_summary(session, n_answers)))
        for line in printed(passing()):
            show(line)


def _summary(session: "LiveSession", n_answers: int) -> str:
    said = f"{n_answers} windows answered, {session.n_dropped_windows} dropped"
    if session.problem:
        return f"{said}; at the end no probe was heard: {session.problem}"
    if n_answers:
        return said
    return (
        f"{said}: a stream begins anywhere in a period, so that its first window of {session.window_s:g} s is whole a "
        "little later, and less was heard; a recording as short as a window is recognised as a file"
    )


def _json_lines(predictions: "Iterable[LivePrediction]") -> Iterator[str]:
    for prediction in predictions:
        values = asdict(prediction) | {"quality": list(prediction.quality) or ["ok"]}
        del values["profile"]
        yield json.dumps(values)


def _csv_lines(names: "Sequence[str]", predictions: "Iterable[LivePrediction]") -> Iterator[str]:
    yield ",".join(["time_s", "expression", *(f"p_{name}" for name in names), "confidence", "foreignness", "quality"])
    for prediction in predictions:
        shares = [f"{prediction.probabilities[name]:.4f}" for name in names]
        quality = ";".join(prediction.quality) or "ok"
        foreignness = "" if prediction.foreignness is None else f"{prediction.foreignness:.4f}"
        numbers = [*shares, f"{prediction.confidence:.4f}", foreignness]
        yield ",".join([f"{prediction.time_s:.3f}", prediction.expression, *numbers, quality])


def _lines(predictions: "Iterable[LivePrediction]") -> Iterator[str]:
    before: tuple[str, tuple[str, ...]] | None = None
    for prediction in predictions:
        now = prediction.expression, prediction.quality
        if now != before:
            wrong = [*prediction.quality, *(["unlike what it was trained on"] if prediction.is_foreign else [])]
            words = f"  ({', '.join(wrong)})" if wrong else ""
            yield f"{prediction.time_s:8.2f} s  {prediction.expression:<10} {prediction.confidence:.2f}{words}"
        before = now

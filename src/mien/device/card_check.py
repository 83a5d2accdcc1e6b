"""The device check on a sound card: play, record, judge."""

import math
from dataclasses import dataclass

import numpy as np

from mien.capture import CheckEmission, SoundCard, check_emission
from mien.device.live import analyse_check
from mien.device.live_report import LiveReport
from mien.progress import bar, talk

TAIL_S = 1.0
"""Recorded beyond the emission's end: longer than any device takes there and back."""


@dataclass(frozen=True, slots=True, eq=False)
class CardCheck:
    """What was recorded, and what it says.

    Args:
        report: of the card.
        samples: (channel time) float32, for those who want to keep it.
    """

    report: LiveReport
    samples: np.ndarray


def check_card(
    device: str | None = None, *, n_microphones: int = 1, emission: CheckEmission | None = None
) -> CardCheck:
    """Play the check's emission through a sound card, and judge what comes back; a line and a bar show it.

    Args:
        device: a part of the card's name (`capture.choose_cards`); None takes the system's default.
        n_microphones: channels to record.
        emission: by default 21 s at 48000 Hz and a modest level.

    Raises:
        DeviceError: no such card, or it cannot record and play at 48000 Hz.
    """
    emission = emission or check_emission()
    card = SoundCard(emission.samples(), emission.rate_hz, device=device, n_input_channels=n_microphones, loop=False)
    with card:
        told = f"{card.name} is playing for {emission.duration_s:.0f} s: three sweeps that are heard, and chirps"
        talk.print(f"{told}; keep still and quiet", highlight=False, markup=False)
        samples, n_gaps = _recorded(card, emission.duration_s + TAIL_S)
        facts = {"card": card.name, "stated_latency_s": round(card.latency_s, 4)}
    report = analyse_check(
        samples, emission.rate_hz, emission, name=card.name, started_s=0.0, n_lost=n_gaps, facts=facts
    )
    return CardCheck(report, samples)


def _recorded(card: SoundCard, duration_s: float) -> tuple[np.ndarray, int]:
    """Return (channel time) what the card records from the emission's first sample on, and how often samples were lost.

    Samples that were lost leave zeros in their place, so that what comes later stays where it belongs.
    """
    n_samples = math.ceil(duration_s * card.rate_hz)
    samples = np.zeros((card.n_channels, n_samples), np.float32)
    n_gaps = 0
    with bar() as progress:
        task = progress.add_task("playing and listening, seconds", total=math.floor(duration_s))
        listener = card.blocks()
        for block in listener:
            n_gaps += block.dropped
            end = block.first_sample + block.samples.shape[1]
            inside = samples[:, block.first_sample : end]
            inside[:] = block.samples[:, : inside.shape[1]]
            progress.update(task, completed=min(end, n_samples) // card.rate_hz)
            if end >= n_samples:
                break
        listener.close()  # type: ignore[attr-defined]
    return samples, n_gaps

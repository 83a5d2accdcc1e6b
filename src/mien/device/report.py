"""What a device can carry: the report of a recorded sweep, the band it can use, and the probe to choose."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mien.probe import Chirp

BAND_EDGES_HZ = tuple(range(14_000, 25_000, 1_000))
LEAST_SNR_DB = 20.0
LEAST_RESPONSE_DB = -30.0
LEAST_WIDTH_HZ = 2_000
WIDEST_HZ = 4_000
INAUDIBLE_FROM_HZ = 18_000
"""Below this many adults hear a chirp; above it most do not."""


@dataclass(frozen=True, slots=True)
class Band:
    """One kilohertz: response relative to 1-4 kHz of the same channel and signal-to-noise after compression.

    None where the recording cannot say: no sweep, or above half the rate.
    """

    low_hz: int
    high_hz: int
    response_db: float | None
    snr_db: float | None

    @property
    def usable(self) -> bool:
        """Return whether the band is heard well enough to carry a probe."""
        if self.response_db is None or self.snr_db is None:
            return False
        return self.snr_db >= LEAST_SNR_DB and self.response_db >= LEAST_RESPONSE_DB


@dataclass(frozen=True, slots=True)
class Interval:
    """A band of frequencies."""

    low_hz: int
    high_hz: int

    @property
    def width_hz(self) -> int:
        return self.high_hz - self.low_hz

    def holds(self, low_hz: float, high_hz: float) -> bool:
        """Return whether another band lies inside."""
        return self.low_hz <= low_hz and high_hz <= self.high_hz

    def __str__(self) -> str:
        return f"{self.low_hz / 1000:g}-{self.high_hz / 1000:g} kHz"


@dataclass(frozen=True, slots=True, eq=False)
class ChannelReport:
    """What one microphone heard.

    Args:
        bands: 1 kHz each from 14 to 24 kHz.
        problems: words of `PROBLEMS`.
        details: one sentence for each problem.
        n_sweeps: complete sweeps found.
        starts_s: (sweep) when each begins.
        clipped_share: of its samples, those at full scale.
        curve_hz, curve_db: (freq) the response in fine steps, relative to 1-4 kHz; empty without a sweep.
    """

    bands: tuple[Band, ...]
    problems: tuple[str, ...]
    details: tuple[str, ...]
    n_sweeps: int
    starts_s: tuple[float, ...] = ()
    curve_hz: np.ndarray = field(default_factory=lambda: np.zeros(0))
    curve_db: np.ndarray = field(default_factory=lambda: np.zeros(0))
    clipped_share: float = 0.0

    @property
    def usable(self) -> Interval | None:
        """Return the run of usable bands, at least 2 kHz wide, that holds the paper's probe, else the widest."""
        probe = Chirp().band_hz
        runs = [run for run in _runs(self.bands) if run.width_hz >= LEAST_WIDTH_HZ]
        return max(runs, key=lambda run: (run.holds(*probe), run.width_hz, run.low_hz), default=None)


def _runs(bands: tuple[Band, ...]) -> Iterator[Interval]:
    """Yield each contiguous run of usable bands."""
    low_hz = None
    for band in bands:
        if band.usable and low_hz is None:
            low_hz = band.low_hz
        if not band.usable and low_hz is not None:
            yield Interval(low_hz, band.low_hz)
            low_hz = None
    if low_hz is not None:
        yield Interval(low_hz, bands[-1].high_hz)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The band to emit in, and the microphone (from 0) to listen with."""

    low_hz: int
    high_hz: int
    channel: int
    reason: str

    @property
    def probe(self) -> Chirp:
        """Return the paper's chirp moved to this band."""
        return Chirp(low_hz=float(self.low_hz), high_hz=float(self.high_hz))


@dataclass(frozen=True, slots=True, eq=False)
class DeviceReport:
    """What a device, heard by its own microphones, can carry.

    Args:
        channels: one per microphone, in the order of the file.
        recommended: a band and channel, or None.
        reason: why that band, or why none.
        rate_hz: of the recording.
        sweep_hz, sweep_s: the sweep it was compressed with.
        name: of the recording, for tables and figures.
    """

    channels: tuple[ChannelReport, ...]
    recommended: Recommendation | None
    reason: str
    rate_hz: int
    sweep_hz: tuple[float, float]
    sweep_s: float
    name: str = ""

    @property
    def carries_probe(self) -> bool:
        """Return whether one of its microphones hears all of the paper's 19-23 kHz."""
        return any(channel.usable and channel.usable.holds(*Chirp().band_hz) for channel in self.channels)

    @property
    def verdict(self) -> str:
        """Return in one sentence whether 19-23 kHz can be carried, and what to use."""
        low_hz, high_hz = Chirp().band_hz
        asked = f"{low_hz / 1000:g}-{high_hz / 1000:g} kHz"
        if self.carries_probe:
            which = [str(n) for n, c in enumerate(self.channels) if c.usable and c.usable.holds(low_hz, high_hz)]
            return f"can carry {asked} (channel {', '.join(which)}){self._clipped}"
        if self.recommended is None:
            return f"cannot carry {asked}: {self.reason}{self._clipped}"
        best = Interval(self.recommended.low_hz, self.recommended.high_hz)
        return f"cannot carry {asked}; use {best} on channel {self.recommended.channel}{self._clipped}"

    @property
    def _clipped(self) -> str:
        """Return in words which channels stand at full scale for a hundredth of their samples or more."""
        shares = {number: channel.clipped_share for number, channel in enumerate(self.channels)}
        found = [f"{100 * share:.0f} % of channel {number}" for number, share in shares.items() if share >= 0.01]
        return f"; {', '.join(found)} at full scale: record again at a lower volume" if found else ""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: `channels` and `recommended` as documented for `mien probe --json`."""
        best = self.recommended
        return {
            "name": self.name,
            "rate_hz": self.rate_hz,
            "sweep_hz": list(self.sweep_hz),
            "sweep_s": self.sweep_s,
            "channels": [_channel_json(channel) for channel in self.channels],
            "recommended": best
            and {"low_hz": best.low_hz, "high_hz": best.high_hz, "channel": best.channel, "reason": best.reason},
            "reason": self.reason,
            "carries_probe": self.carries_probe,
            "verdict": self.verdict,
        }

    def table(self) -> list[tuple[str, ...]]:
        """Return rows of text, the header first: one row per band with response and ratio of every channel."""
        header = ["band kHz"]
        for number in range(len(self.channels)):
            header += [f"channel {number} response dB", f"channel {number} snr dB"]
        rows = [tuple(header)]
        for group in zip(*(channel.bands for channel in self.channels), strict=True):
            cells = [f"{group[0].low_hz // 1000}-{group[0].high_hz // 1000}"]
            for band in group:
                cells += [_decibels(band.response_db), _decibels(band.snr_db) + ("" if band.usable else " -")]
            rows.append(tuple(cells))
        return rows

    def lines(self) -> list[str]:
        """Return what stands below the table: each channel's usable band and problems, then the verdict."""
        said = []
        for number, channel in enumerate(self.channels):
            usable = str(channel.usable) if channel.usable else "none"
            said.append(f"channel {number}: {channel.n_sweeps} sweeps, usable {usable}")
            said += [f"  {word}: {detail}" for word, detail in zip(channel.problems, channel.details, strict=True)]
        return [*said, f"{self.name} {self.verdict}".strip(), f"recommended: {self.reason}"]


def _channel_json(channel: ChannelReport) -> dict[str, Any]:
    usable = channel.usable
    return {
        "bands": [
            {"low_hz": b.low_hz, "high_hz": b.high_hz, "response_db": b.response_db, "snr_db": b.snr_db}
            for b in channel.bands
        ],
        "problems": list(channel.problems),
        "usable": usable and {"low_hz": usable.low_hz, "high_hz": usable.high_hz},
        "details": list(channel.details),
        "n_sweeps": channel.n_sweeps,
        "starts_s": list(channel.starts_s),
    }


def _decibels(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f}"


def recommend(channels: tuple[ChannelReport, ...], rate_hz: int) -> tuple[Recommendation | None, str]:
    """Return the band and channel to use with the reason, or None with the reason.

    The paper's 19-23 kHz wherever it can be carried; else the widest band, up to 4 kHz, that most adults do not hear;
    else the highest 3 kHz below, with a warning. Among channels the one with the fewest problems, then the clearest.
    """
    choices = [choice for number, channel in enumerate(channels) for choice in _choices(number, channel)]
    if not choices:
        return None, _why_none(channels, rate_hz)
    _, low_hz, high_hz, number = max(choices)
    reason = _why(channels[number], Interval(low_hz, high_hz))
    return Recommendation(low_hz, high_hz, number, reason), reason


def _choices(number: int, channel: ChannelReport) -> Iterator[tuple[tuple[float, ...], int, int, int]]:
    """Yield (rank, low, high, channel) for each band a chirp could use; the largest rank is the best."""
    usable = channel.usable
    if usable is None:
        return
    for low_hz in range(usable.low_hz, usable.high_hz, 1_000):
        for high_hz in range(low_hz + LEAST_WIDTH_HZ, min(low_hz + WIDEST_HZ, usable.high_hz) + 1, 1_000):
            inside = [band for band in channel.bands if low_hz <= band.low_hz < high_hz]
            weakest_db = min(band.snr_db or 0.0 for band in inside)
            paper = (low_hz, high_hz) == Chirp().band_hz
            inaudible = low_hz >= INAUDIBLE_FROM_HZ
            height = (high_hz - low_hz, low_hz) if inaudible else (min(high_hz - low_hz, 3_000), low_hz)
            clipped = round(channel.clipped_share, 3)
            rank = (paper, inaudible, *height, -clipped, -len(channel.problems), weakest_db)
            yield rank, low_hz, high_hz, number


def _why(channel: ChannelReport, chosen: Interval) -> str:
    """Say why a band was chosen, what it costs and whether it can be heard."""
    inside = [band for band in channel.bands if chosen.low_hz <= band.low_hz < chosen.high_hz]
    weakest_db, least_db = min(band.response_db or 0 for band in inside), min(band.snr_db or 0 for band in inside)
    low_hz, high_hz = Chirp().band_hz
    cell_cm = 100 * Chirp(low_hz=float(chosen.low_hz), high_hz=float(chosen.high_hz), rate_hz=192_000).range_cell_m()
    text = (
        f"{chosen}: response at least {weakest_db:.0f} dB, signal-to-noise at least {least_db:.0f} dB, "
        f"range cell {cell_cm:.1f} cm"
    )
    if (chosen.low_hz, chosen.high_hz) == (low_hz, high_hz):
        return f"the paper's {text}"
    missing = [
        str(Interval(b.low_hz, b.high_hz)) for b in channel.bands if low_hz <= b.low_hz < high_hz and not b.usable
    ]
    text += f"; 19-23 kHz fails at {', '.join(missing)}" if missing else ""
    if chosen.low_hz < INAUDIBLE_FROM_HZ:
        text += f"; audible: many people, most of the young among them, hear a chirp from {chosen.low_hz / 1000:g} kHz"
    return text


def _why_none(channels: tuple[ChannelReport, ...], rate_hz: int) -> str:
    """Say why no channel can carry any band."""
    if all(channel.n_sweeps == 0 for channel in channels):
        found = {detail for channel in channels for detail in channel.details}
        return "no sweep was found on any channel: " + "; ".join(sorted(found))
    problems = sorted({word for channel in channels for word in channel.problems})
    text = "no channel has 2 kHz together with 20 dB of signal-to-noise and a response within 30 dB"
    if rate_hz < 2 * BAND_EDGES_HZ[-1]:
        text += f"; the recording's {rate_hz} Hz carries only up to {rate_hz / 2000:g} kHz: record at 48000 Hz"
    return text + (f"; problems found: {', '.join(problems)}" if problems else "")

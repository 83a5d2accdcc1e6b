"""From a recorded sweep to a report of what the device can carry."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.device.faults import (
    band_arrivals_s,
    clipped_share,
    find_clipping,
    find_dropouts,
    find_gain_control,
    find_resampling,
)
from mien.device.report import BAND_EDGES_HZ, LEAST_SNR_DB, Band, ChannelReport, DeviceReport, recommend
from mien.device.sweep import LEAST_PEAK_TO_FLOOR, Pulses, Sweep, compress, mean_between, response, snr_db
from mien.errors import DeviceError
from mien.sound_files import read_header, read_samples, refuse_unusable

_REFERENCE_HZ = (1_000.0, 4_000.0)
_REFERENCE_SNR_DB = 10.0
_CLEAR_DB = 8.0
_TOGETHER_S = 0.005
_LONGEST_S = 600.0
_PACES = (44_100 / 48_000, 48_000 / 44_100, 0.5, 2.0, 32_000 / 48_000, 48_000 / 32_000)
"""How much too fast a sweep sounds in a file that is labelled with another rate than it was recorded at."""


def probe_from_file(path: Path, sweep_hz: tuple[float, float] = (0.0, 24_000.0), sweep_s: float = 4.0) -> DeviceReport:
    """Return what the device that recorded its own sweep in a file can carry.

    Raises:
        RecordingError: a file that is no recording.
        DeviceError: a sweep that cannot be judged.
    """
    path = Path(path)
    # Without its sidecar, which says nothing of a sweep: `--json > x.json` puts this very report in its place.
    header = read_header(path)
    samples = read_samples(path, header)
    refuse_unusable(path, samples, header.rate_hz)
    return analyse_sweep(samples, header.rate_hz, sweep_hz, sweep_s, name=path.name)


def analyse_sweep(
    samples: np.ndarray,
    rate_hz: int,
    sweep_hz: tuple[float, float] = (0.0, 24_000.0),
    sweep_s: float = 4.0,
    *,
    name: str = "",
) -> DeviceReport:
    """Return what a device can carry, from recordings of a sweep that it played to itself.

    Args:
        samples: (channel time), full scale 1; one or several sweeps, joined or with gaps, beginning anywhere.
        sweep_hz, sweep_s: the sweep as it was played.

    Raises:
        DeviceError: a sweep that cannot be judged, a recording shorter than it, or longer than ten minutes.
    """
    sweep = _checked(Sweep(float(sweep_hz[0]), float(sweep_hz[1]), float(sweep_s)))
    if samples.ndim != 2 or not samples.size:
        raise DeviceError(f"samples of shape {samples.shape} were given; (channel time) is needed")
    duration_s = samples.shape[1] / rate_hz
    if duration_s > _LONGEST_S:
        raise DeviceError(
            f"the recording lasts {duration_s:.0f} s; cut it to {_LONGEST_S:.0f} s or less: a few sweeps are enough"
        )
    if not np.isfinite(samples).all():
        raise DeviceError("the recording holds samples that are no numbers; record again")
    pulses = [_sweeps(channel.astype(np.float64), rate_hz, sweep) for channel in samples]
    slots = _slots(pulses, samples.shape[1])
    channels = tuple(
        replace(_channel(channel, found, slots), clipped_share=clipped_share(channel))
        for channel, found in zip(samples, pulses, strict=True)
    )
    recommended, reason = recommend(channels, rate_hz)
    return DeviceReport(channels, recommended, reason, rate_hz, (sweep.low_hz, sweep.high_hz), sweep.length_s, name)


def _checked(sweep: Sweep) -> Sweep:
    """Return a sweep that a device can be judged by, or raise DeviceError."""
    if sweep.low_hz > _REFERENCE_HZ[0] or sweep.high_hz < BAND_EDGES_HZ[2]:
        raise DeviceError(
            f"a sweep from {sweep.low_hz:g} to {sweep.high_hz:g} Hz cannot be judged: play one that covers 1-4 kHz, "
            "to which responses are relative, and at least 14-16 kHz"
        )
    if not 0.1 <= sweep.length_s <= 60:
        raise DeviceError(f"a sweep of {sweep.length_s:g} s was asked for; from 0.1 to 60 s are allowed (--sweep-s)")
    return sweep


def _sweeps(samples: np.ndarray, rate_hz: int, sweep: Sweep) -> Pulses:
    """Return the compressed sweeps; none unless three kilohertz or more, and a third of those heard, arrive together.

    A sweep of another slope makes a peak too, but its bands arrive one after the other; a sustained tone has one band.
    """
    pulses = compress(samples, rate_hz, sweep)
    if not len(pulses):
        return pulses
    _, arrivals = band_arrivals_s(pulses, _CLEAR_DB)
    together = np.abs(np.median(arrivals, axis=0)) <= _TOGETHER_S
    if np.count_nonzero(together) >= max(3, len(together) / 3):
        return pulses
    return replace(pulses, starts=pulses.starts[:0], values=pulses.values[:0])


def _channel(samples: np.ndarray, pulses: Pulses, slots: np.ndarray) -> ChannelReport:
    """Return what one microphone heard. Shape (time); `slots` are the samples at which sweeps are due."""
    samples = samples.astype(np.float64)
    if not len(pulses):
        return _without_sweep(samples, pulses)
    frequency_hz, power = response(pulses)
    reference = float(mean_between(frequency_hz, power, *_REFERENCE_HZ).mean())
    heard = snr_db(pulses, *_REFERENCE_HZ) >= _REFERENCE_SNR_DB
    bands = tuple(
        _band(pulses, low_hz, frequency_hz, power, reference if heard else None) for low_hz in BAND_EDGES_HZ[:-1]
    )
    found = {
        "clipped": find_clipping(samples, pulses),
        "no-sweep": _missing(pulses, slots),
        "resampled": find_resampling(samples, pulses),
        "gain-control": find_gain_control(pulses),
        "dropout": find_dropouts(samples, pulses),
        "low-snr": _low_snr(bands)
        if heard
        else "nothing is heard at 1-4 kHz, to which responses are relative: record unfiltered",
    }
    problems = {word: detail for word, detail in found.items() if detail}
    curve_db = 10 * np.log10(np.maximum(power.mean(axis=0), 1e-30) / reference)
    starts_s = tuple(round(float(start / pulses.rate_hz), 6) for start in pulses.starts)
    top = frequency_hz <= min(pulses.sweep.high_hz, pulses.rate_hz / 2)
    return ChannelReport(
        bands, tuple(problems), tuple(problems.values()), len(pulses), starts_s, frequency_hz[top], curve_db[top]
    )


def _band(pulses: Pulses, low_hz: int, frequency_hz: np.ndarray, power: np.ndarray, reference: float | None) -> Band:
    high_hz = low_hz + 1_000
    if high_hz > min(pulses.rate_hz / 2, pulses.sweep.high_hz):
        return Band(low_hz, high_hz, None, None)
    level = float(mean_between(frequency_hz, power, low_hz, high_hz).mean())
    relative_db = None if reference is None else round(float(10 * np.log10(max(level, 1e-30) / reference)), 2)
    return Band(low_hz, high_hz, relative_db, round(snr_db(pulses, low_hz, high_hz), 2))


def _low_snr(bands: tuple[Band, ...]) -> str | None:
    """Name a channel on which no 2 kHz together reach 20 dB."""
    clear = [band.snr_db is not None and band.snr_db >= LEAST_SNR_DB for band in bands]
    if any(first and second for first, second in zip(clear, clear[1:], strict=False)):
        return None
    best_db = max((band.snr_db for band in bands if band.snr_db is not None), default=-10.0)
    return f"no 2 kHz together reach {LEAST_SNR_DB:g} dB after compression; the best kilohertz has {best_db:.0f} dB"


def _slots(pulses: list[Pulses], n_samples: int) -> np.ndarray:
    """Return the samples at which sweeps are due, where two or more stand in a regular row on some channel."""
    starts = np.sort(np.concatenate([found.starts for found in pulses]))
    if len(starts) < 2:
        return starts
    gaps = np.diff(starts)
    rate_hz, sweep = pulses[0].rate_hz, pulses[0].sweep
    gaps = gaps[gaps > 0.5 * sweep.length_s * rate_hz]
    if not gaps.size:
        return starts
    spacing = float(gaps.min())
    if np.abs(gaps / spacing - np.round(gaps / spacing)).max() > 0.01:
        return starts
    first, last = float(starts[0]), float(starts[-1])
    whole = n_samples / spacing
    if abs(whole - round(whole)) < 0.01:  # recordings of equal length joined end to end: one sweep is due in each
        first -= spacing * np.floor((first + 0.01 * spacing) / spacing)
        last = first + spacing * (round(whole) - 1)
    return first + spacing * np.arange(round((last - first) / spacing) + 1)


def _missing(pulses: Pulses, slots: np.ndarray) -> str | None:
    """Name sweeps that are due and not heard."""
    reach = 0.25 * pulses.sweep.length_s * pulses.rate_hz
    absent = [slot for slot in slots if np.abs(pulses.starts - slot).min() > reach]
    if not absent:
        return None
    times = ", ".join(f"{max(slot, 0) / pulses.rate_hz:.1f} s" for slot in absent[:5])
    return f"{len(absent)} of {len(slots)} sweeps are missing, due at {times}"


def _without_sweep(samples: np.ndarray, pulses: Pulses) -> ChannelReport:
    """Return the report of a channel on which the described sweep was not found, and why."""
    bands = tuple(Band(low_hz, low_hz + 1_000, None, None) for low_hz in BAND_EDGES_HZ[:-1])
    sweep, rate_hz = pulses.sweep, pulses.rate_hz
    if not samples.any():
        return ChannelReport(bands, ("no-sweep",), ("the channel is silent: every sample is zero",), 0)
    duration_s = len(samples) / rate_hz
    asked = f"a sweep from {sweep.low_hz:g} to {sweep.high_hz:g} Hz in {sweep.length_s:g} s"
    if duration_s < 0.96 * sweep.length_s:
        return ChannelReport(
            bands, ("no-sweep",), (f"the recording lasts {duration_s:.2f} s, shorter than {asked}",), 0
        )
    for pace in _PACES:
        if len(_sweeps(samples, rate_hz, sweep.paced(pace))):
            told = (
                f"the sweep runs {100 * abs(pace - 1):.1f} % too {'fast' if pace > 1 else 'slow'}: recorded at "
                f"{rate_hz / pace:.0f} Hz and labelled {rate_hz} Hz"
            )
            return ChannelReport(bands, ("no-sweep", "resampled"), (f"not {asked}", told), 0)
    found = (
        f"its peak is {pulses.peak_to_floor:.1f} times the floor, {LEAST_PEAK_TO_FLOOR:g} are needed, all bands at once"
    )
    remedy = "describe it with --sweep-hz and --sweep-s, or record again, louder"
    problems = {"no-sweep": f"{asked} was not found: {found}; {remedy}"}
    clipped = find_clipping(samples, pulses)
    if clipped is not None:
        problems = {"clipped": clipped} | problems
    return ChannelReport(bands, tuple(problems), tuple(problems.values()), 0)

"""The live device check: what came back of the sweeps and chirps that were played, and what that says of the device."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mien.capture import CheckEmission
from mien.device.adaptive import (
    LEVEL_DB,
    STEP_DB,
    UNSTEADY_DB,
    Levels,
    find_echo_cancellation,
    find_gain_control,
    find_noise_suppression,
    measure_levels,
)
from mien.device.analyse import analyse_sweep
from mien.device.chirp_track import ChirpTrack, noise_course, track_chirps
from mien.device.live_report import Check, Course, LiveReport
from mien.device.report import ChannelReport
from mien.device.sweep import Pulses, Sweep, compress
from mien.device.timing import (
    Timing,
    align_sweeps,
    find_bluetooth,
    find_drift,
    find_lost_samples,
    measure_timing,
)
from mien.errors import DeviceError

UNKNOWN = "cannot be told: the sweeps were not heard"
LEAST_DIRECT_TO_NOISE_DB = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What one microphone heard of the check, measured but not yet judged."""

    pulses: Pulses
    track: ChirpTrack
    timing: Timing
    levels: Levels
    noise_time_s: np.ndarray


def analyse_check(
    samples: np.ndarray,
    rate_hz: int,
    emission: CheckEmission,
    *,
    name: str = "",
    started_s: float | None = None,
    n_lost: int = 0,
    facts: Mapping[str, Any] | None = None,
) -> LiveReport:
    """Return what a recording of the check's emission says of the device that played and recorded it.

    Args:
        samples: (channel time) float, full scale 1; it may begin a little before or after the emission.
        rate_hz: of the recording; it may differ from the emission's.
        name: of the device, for words and pictures; Bluetooth is told by it too.
        started_s: when the emission began, in the recording's time, for the latency; None where it is not known.
        n_lost: how often the system said that it lost samples.
        facts: what else is known, plain JSON values.

    Raises:
        DeviceError: samples that cannot be judged: another shape, no numbers, longer than ten minutes.

    Example:
        >>> emission = CheckEmission()
        >>> noise = 1e-4 * np.random.default_rng(0).standard_normal(len(emission.samples()))
        >>> report = analyse_check((0.5 * emission.samples() + noise)[None], 48_000, emission)
        >>> report.state, report.problems, round(report.direct_gain_db)
        ('ready', (), -6)
    """
    samples = _checked(samples, rate_hz)
    chirp = emission.sweep
    top_hz = min(chirp.high_hz, emission.rate_hz / 2)
    response = analyse_sweep(samples, rate_hz, (chirp.low_hz, top_hz), chirp.sweep_s, name=name)
    best = response.recommended
    channel = best.channel if best is not None else _clearest(response.channels)
    one = samples[channel].astype(np.float64)
    sweep = Sweep(chirp.low_hz, top_hz, chirp.sweep_s)
    heard = _heard(one, rate_hz, sweep, emission) if response.channels[channel].n_sweeps else None
    latency_s = heard.timing.start_s - started_s if heard is not None and started_s is not None else None
    checks = _checks(response.channels[channel], heard, name, latency_s, n_lost)
    report = LiveReport(response, channel, checks, emission, latency_s=latency_s, facts=dict(facts or {}))
    return report if heard is None else _with_levels(report, heard)


def _checked(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    samples = np.asarray(samples)
    if samples.ndim != 2 or not samples.size:
        raise DeviceError(f"samples of shape {samples.shape} were given; (channel time) is needed")
    if not 8_000 <= rate_hz <= 768_000:
        raise DeviceError(f"a rate of {rate_hz} Hz was given; 8000 to 768000 Hz are read, 48000 Hz is best")
    return samples


def _clearest(channels: tuple[ChannelReport, ...]) -> int:
    return max(range(len(channels)), key=lambda number: (channels[number].n_sweeps, -number))


def _heard(samples: np.ndarray, rate_hz: int, sweep: Sweep, emission: CheckEmission) -> Heard | None:
    """Return what one microphone heard, shape (time); None where its sweeps are not those of the emission."""
    pulses = compress(samples, rate_hz, sweep)
    aligned = align_sweeps(pulses, emission)
    if aligned is None:
        return None
    start_s, which = aligned
    track = track_chirps(samples, rate_hz, emission, start_s)
    timing = measure_timing(pulses, which, track, emission)
    noise_time_s, noise_db = noise_course(samples, rate_hz, emission, start_s)
    return Heard(pulses, track, timing, measure_levels(pulses, track, emission, noise_db), noise_time_s)


def _with_levels(report: LiveReport, heard: Heard) -> LiveReport:
    """Return the report with the direct path's level, the drift and the courses."""
    track, timing = heard.track, heard.timing
    course = Course(track.time_s[track.clear], track.gain_db[track.clear], heard.noise_time_s, heard.levels.noise_db)
    report = replace(report, drift_ppm=timing.drift_ppm, course=course)
    if not track.is_heard:
        return report
    loud = track.clear & (track.emitted > 0.9 * report.emission.level)
    peak, gain_db = float(np.median(track.heard[loud])), float(np.median(track.gain_db[loud]))
    return replace(
        report,
        direct_path_db=20 * np.log10(peak),
        direct_gain_db=gain_db,
        direct_to_noise_db=_direct_to_noise_db(track),
    )


def _direct_to_noise_db(track: ChirpTrack) -> float:
    loud = track.clear & (track.emitted > 0.9 * track.emitted.max())
    return float(20 * np.log10(np.median(track.heard[loud]) / max(track.floor, 1e-7)))


def _checks(
    channel: ChannelReport, heard: Heard | None, name: str, latency_s: float | None, n_lost: int
) -> tuple[Check, ...]:
    """Return everything that is checked, in the order of `live_report.NAMES`."""
    said = dict(zip(channel.problems, channel.details, strict=True))
    if heard is None:
        known = [Check("clipped", "clipped" in said, said.get("clipped", "none seen"))]
        wireless = find_bluetooth(name, compress(np.zeros(1), 48_000, Sweep()), None)
        known.append(Check("bluetooth", True, wireless) if wireless else Check("bluetooth", None, UNKNOWN))
        words = ("gain-control", "echo-cancellation", "noise-suppression", "resampled", "drift")
        unknown = [Check(word, None, said.get(word, UNKNOWN)) for word in words]
        resampled = [Check("resampled", True, said["resampled"])] if "resampled" in said else []
        unknown = [check for check in unknown if not resampled or check.word != "resampled"]
        apart = "the sweeps are not as far apart as they were played" if channel.n_sweeps else None
        lost = _lost(n_lost, apart)
        return (*unknown, *resampled, Check("dropout", True if lost else None, lost or UNKNOWN), *known)
    processed = _processing(heard.levels, "clipped" in said)
    # What a canceller leaves of the chirps arrives at no one time, and what processing does to the bands of a sweep
    # looks like samples lost within it; cancellers that work in bands of 8 kHz mirror a sweep at their seams.
    cancelled = any(check.found for check in processed if check.word == "echo-cancellation")
    lost = _lost(n_lost, None if cancelled else find_lost_samples(heard.timing))
    if not any(check.found for check in processed):
        lost = lost or said.get("dropout")
    return (
        _clear(channel, said),
        _chirps(heard, any(check.found for check in processed)),
        *processed,
        Check("resampled", None, "cannot be told beside echo cancellation")
        if cancelled
        else _check("resampled", said.get("resampled"), "none seen"),
        _check("clipped", said.get("clipped"), "none seen"),
        _check("dropout", lost, "none seen"),
        _drift(heard.timing),
        _check("bluetooth", find_bluetooth(name, heard.pulses, latency_s), "no sign of it"),
    )


def _lost(n_lost: int, seen: str | None) -> str | None:
    """Name what the system said that it lost, and what of it is seen."""
    told = f"the sound system lost samples {n_lost} times" if n_lost else None
    return "; ".join(each for each in (told, seen) if each) or None


def _check(word: str, detail: str | None, otherwise: str) -> Check:
    return Check(word, detail is not None, detail or otherwise)


def _clear(channel: ChannelReport, said: dict[str, str]) -> Check:
    ratios = [band.snr_db for band in channel.bands if band.usable and band.snr_db is not None]
    good = f"{min(ratios):.0f} dB and more in the usable band" if ratios else "n/a"
    return _check("low-snr", said.get("low-snr"), good)


def _chirps(heard: Heard, explained: bool) -> Check:
    """Return whether the chirps were heard, clear and, unless processing that was named explains it, steady."""
    track, spread_db = heard.track, heard.levels.chirp_spread_db
    share = 100 * float(track.clear.mean()) if len(track.clear) else 0.0
    if not track.is_heard:
        return Check("no-probe", True, f"{share:.0f} % of them stand clear of the noise")
    ratio_db = _direct_to_noise_db(track)
    if ratio_db < LEAST_DIRECT_TO_NOISE_DB:
        return Check("no-probe", True, f"heard, but only {ratio_db:.0f} dB over the noise; 20 dB are needed")
    if spread_db > UNSTEADY_DB and not explained:
        return Check("no-probe", True, f"chirps of one level come back {spread_db:.0f} dB apart; why cannot be told")
    return Check("no-probe", False, f"{share:.0f} % of {len(track.clear)} heard")


def _processing(levels: Levels, clipped: bool) -> tuple[Check, Check, Check]:
    """Return gain control, echo cancellation and noise suppression; the latter two explain a moving level first.

    Where loud chirps are clipped, soft ones seem raised beside them.
    """
    echo, noise = find_echo_cancellation(levels), find_noise_suppression(levels)
    gain = find_gain_control(levels)
    if (echo or noise or clipped) and abs(levels.sweep_change_db) <= LEVEL_DB:
        gain = gain if levels.soft_over_loud_db > STEP_DB and not clipped else None
    moves = abs(levels.sweep_change_db) > LEVEL_DB
    moving = f"cannot be told: the level moves by {levels.sweep_change_db:+.1f} dB, but not in all bands alike"
    steady = f"none seen: the level keeps within {abs(levels.sweep_change_db):.1f} dB"
    unknown = np.isnan(levels.noise_change_db)
    quiet = Check("noise-suppression", None, "cannot be told: there is no noise that it could take out")
    told = f"none seen: the noise keeps within {abs(levels.noise_change_db):.0f} dB"
    return (
        Check("gain-control", None, moving) if gain is None and moves else _check("gain-control", gain, steady),
        _check("echo-cancellation", echo, "none seen"),
        quiet if noise is None and unknown else _check("noise-suppression", noise, told),
    )


def _drift(timing: Timing) -> Check:
    if timing.drift_ppm is None:
        return Check("drift", None, "cannot be told")
    return _check("drift", find_drift(timing), f"{timing.drift_ppm:+.1f} ppm")

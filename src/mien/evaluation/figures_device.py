"""What a device carries, drawn."""

from textwrap import fill

import numpy as np

from mien.device import DeviceReport, LiveReport
from mien.device.report import BAND_EDGES_HZ, LEAST_RESPONSE_DB, LEAST_SNR_DB
from mien.evaluation.drawing import Axes, Figure, settings
from mien.probe import Chirp


@settings()
def response_figure(report: DeviceReport) -> Figure:
    """Return the response and the signal-to-noise ratio of every microphone from 14 to 24 kHz, and the usable band."""
    figure = Figure(figsize=(7.0, 5.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _draw_response(above, below, report)
    above.set_title(f"{report.name} {report.verdict}".strip(), fontsize=10)
    return figure


@settings()
def live_figure(report: LiveReport) -> Figure:
    """Return the same, and below it how the direct path's level and the noise went during the check."""
    figure = Figure(figsize=(7.0, 7.0), layout="constrained")
    above, below, course = figure.subplots(3, 1)
    below.sharex(above)
    _draw_response(above, below, report.response)
    name = f"{report.name}: " if report.name else ""
    figure.suptitle(fill(name + report.verdict, 90), fontsize=10)
    went = report.course
    course.plot(went.time_s, went.gain_db, ".", ms=4, label="direct path of each chirp, over what was played")
    finite = np.isfinite(went.noise_db)
    course.plot(went.noise_time_s[finite], went.noise_db[finite], "s-", ms=3, lw=0.8, label="noise, of full scale")
    for start_s in report.emission.sweep_starts_s:
        course.axvspan(start_s, start_s + report.emission.sweep_s, color="0.5", alpha=0.12)
    course.set(xlim=(0, report.emission.duration_s), xlabel="time in s (grey: sweeps)", ylabel="level in dB")
    course.grid(alpha=0.2)
    course.legend(loc="best", fontsize=8)
    return figure


def _draw_response(above: Axes, below: Axes, report: DeviceReport) -> None:
    for number, channel in enumerate(report.channels):
        (line,) = above.plot(channel.curve_hz / 1000, channel.curve_db, lw=1.2, label=f"channel {number}")
        measured = [
            ((band.low_hz + band.high_hz) / 2000, band.snr_db) for band in channel.bands if band.snr_db is not None
        ]
        below.plot([at for at, _ in measured], [snr_db for _, snr_db in measured], "o-", color=line.get_color())
    low_hz, high_hz = Chirp().band_hz
    for axes, least_db in ((above, LEAST_RESPONSE_DB), (below, LEAST_SNR_DB)):
        axes.axhline(least_db, color="0.5", lw=0.8, ls="--")
        axes.axvspan(low_hz / 1000, high_hz / 1000, color="0.5", alpha=0.12)
        if report.recommended is not None:
            best = report.recommended
            axes.axvspan(best.low_hz / 1000, best.high_hz / 1000, color="tab:green", alpha=0.12)
        axes.grid(alpha=0.2)
    highest_db = max(
        (float(np.max(channel.curve_db)) for channel in report.channels if len(channel.curve_db)), default=0
    )
    # Where 1-4 kHz is weak, or was taken out, all else lies far above it.
    above.set(
        ylim=(-70, max(15.0, highest_db + 5) if np.isfinite(highest_db) else 15),
        ylabel="response in dB\n(0: mean of 1-4 kHz)",
    )
    below.set(xlim=(BAND_EDGES_HZ[0] / 1000, BAND_EDGES_HZ[-1] / 1000), xlabel="frequency in kHz", ylabel="SNR in dB")
    above.legend(loc="lower left", fontsize=8)

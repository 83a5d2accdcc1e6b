"""What a device carries, drawn."""

from matplotlib.figure import Figure

from mien.device import DeviceReport
from mien.device.report import BAND_EDGES_HZ, LEAST_RESPONSE_DB, LEAST_SNR_DB
from mien.probe import Chirp


def response_figure(report: DeviceReport) -> Figure:
    """Return the response and the signal-to-noise ratio of every microphone from 14 to 24 kHz, and the usable band."""
    figure = Figure(figsize=(7.0, 5.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for number, channel in enumerate(report.channels):
        (line,) = above.plot(channel.curve_hz / 1000, channel.curve_db, lw=1.2, label=f"channel {number}")
        measured = [band for band in channel.bands if band.snr_db is not None]
        below.plot(
            [(band.low_hz + band.high_hz) / 2000 for band in measured],
            [band.snr_db for band in measured],
            "o-",
            color=line.get_color(),
        )
    low_hz, high_hz = Chirp().band_hz
    for axes, least_db in ((above, LEAST_RESPONSE_DB), (below, LEAST_SNR_DB)):
        axes.axhline(least_db, color="0.5", lw=0.8, ls="--")
        axes.axvspan(low_hz / 1000, high_hz / 1000, color="0.5", alpha=0.12)
        if report.recommended is not None:
            best = report.recommended
            axes.axvspan(best.low_hz / 1000, best.high_hz / 1000, color="tab:green", alpha=0.12)
        axes.grid(alpha=0.2)
    above.set(ylim=(-70, 15), ylabel="response in dB\n(0: mean of 1-4 kHz)")
    above.set_title(f"{report.name} {report.verdict}".strip(), fontsize=10)
    below.set(xlim=(BAND_EDGES_HZ[0] / 1000, BAND_EDGES_HZ[-1] / 1000), xlabel="frequency in kHz", ylabel="SNR in dB")
    above.legend(loc="lower left", fontsize=8)
    return figure

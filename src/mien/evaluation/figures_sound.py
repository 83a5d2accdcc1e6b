"""Figures of sound: what was emitted, what came back, and what is left of it for the methods to hear."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from mien.evaluation.attention import AttentionMap
from mien.evaluation.drawing import Figure, MaxNLocator
from mien.evaluation.figures import MUTED, PALETTE, in_one_look, new_figure
from mien.probe import Probe
from mien.sensing.features import Axis, Features

SHOWN_DB = 50.0
COLOURS = "magma"


@in_one_look
def probe_figure(probe: Probe, n_periods: int = 2) -> Figure:
    """Return the emitted waveform over some periods, and its spectrogram around the band."""
    duration_s = min(max(n_periods * probe.period_s, 0.02), 0.2)
    n_samples = round(duration_s * probe.rate_hz)
    emitted = probe.emit(n_samples)
    figure, (wave, image) = new_figure(3.0, 2, sharex=True, height_ratios=(2, 3))
    _envelope(wave, emitted, probe.rate_hz, PALETTE[0], "emitted")
    wave.set(ylim=(-1.15, 1.15), ylabel="amplitude", title="Emitted")
    low_hz, high_hz = probe.band_hz
    margin_hz = max(500.0, 0.25 * (high_hz - low_hz))
    shown_hz = max(low_hz - margin_hz, 0), min(high_hz + margin_hz, probe.rate_hz / 2)
    _spectrogram(image, emitted, probe.rate_hz, shown_hz)
    image.set(xlabel="time, ms", ylabel="frequency, kHz")
    return figure


@in_one_look
def cleaning_figure(raw: np.ndarray, cleaned: np.ndarray, rate_hz: float, band_hz: tuple[float, float]) -> Figure:
    """Return one stretch of sound before and after cleaning: waveforms and spectrograms (FacER Fig. 2).

    Args:
        raw, cleaned: (time) the same stretch, of one scale.
        band_hz: of the probe; the spectrograms show a quarter more on each side.
    """
    figure, axes = new_figure(4.6, 3, sharex=True, height_ratios=(3, 3, 3))
    largest = float(np.abs(raw).max()) or 1.0
    _envelope(axes[0], raw / largest, rate_hz, PALETTE[0], "raw")
    _envelope(axes[0], cleaned / largest, rate_hz, PALETTE[1], "cleaned")
    axes[0].set(ylabel="amplitude", title="Raw and cleaned")
    axes[0].legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2, handlelength=1, borderaxespad=0.1)
    margin_hz = 0.25 * (band_hz[1] - band_hz[0])
    shown_hz = band_hz[0] - margin_hz, min(band_hz[1] + margin_hz, rate_hz / 2)
    loudest = None
    for panel, samples, title in ((axes[1], raw, "Raw"), (axes[2], cleaned, "Cleaned")):
        loudest = _spectrogram(panel, samples / largest, rate_hz, shown_hz, loudest)
        panel.set(ylabel="kHz", title=title)
    axes[2].set(xlabel="time, ms")
    return figure


@in_one_look
def range_figure(before: np.ndarray, after: np.ndarray, range_m: np.ndarray, gate_m: tuple[float, float]) -> Figure:
    """Return the echo's level over distance before and after the direct path is taken out, with the gate shaded.

    Args:
        before, after: (range) magnitudes of compressed periods, averaged.
        range_m: distance of each value.
    """
    figure, axes = new_figure(3.0)
    largest = np.abs(before).max() or 1.0
    for values, colour, name in ((before, PALETTE[0], "raw"), (after, PALETTE[1], "direct path removed")):
        axes.plot(100 * range_m, _db(np.abs(values) / largest), color=colour, label=name)
    axes.axvspan(100 * gate_m[0], 100 * gate_m[1], color=PALETTE[2], alpha=0.15, linewidth=0)
    axes.text(50 * sum(gate_m), -SHOWN_DB - 13, "kept", ha="center", va="bottom", fontsize=7.5, color=PALETTE[2])
    axes.set(xlabel="distance, cm", ylabel="level, dB", ylim=(-SHOWN_DB - 15, 5), title="After compression")
    axes.legend(loc="upper right", handlelength=1.2)
    axes.grid()
    return figure


@in_one_look
def echoes_figure(features: Features, rows: Mapping[str, int], span_db: float = 35.0) -> Figure:
    """Return the middle window of one take per class on one scale: magnitudes in decibels (FacER Fig. 3).

    Args:
        features: any whose last two axes are an image, time last; complex values show as magnitude.
        rows: class -> take.
    """
    windows = {name: np.flatnonzero(features.row == row) for name, row in rows.items()}
    images = {name: _db(np.abs(features.values[found[len(found) // 2], 0])) for name, found in windows.items()}
    loudest = max(float(np.quantile(image, 0.995)) for image in images.values())
    vertical, horizontal = features.axes[-2], features.axes[-1]
    extent = (*_borders(horizontal), *_borders(vertical))
    n_lines = (len(images) + 1) // 2
    figure, panels = new_figure(0.7 + 1.15 * n_lines, n_lines, 2, sharex=True, sharey=True, squeeze=False)
    for panel in panels.flat[len(images) :]:
        panel.set_visible(False)
    for panel, (name, image) in zip(panels.flat, images.items(), strict=False):
        drawn = panel.imshow(
            image, origin="lower", aspect="auto", extent=extent, vmin=loudest - span_db, vmax=loudest, cmap=COLOURS
        )
        panel.set_title(name)
    for panel in panels[-1]:
        panel.set_xlabel(_label(horizontal))
        panel.xaxis.set_major_locator(MaxNLocator(4))
    figure.supylabel(_label(vertical), fontsize=8, color=MUTED)
    bar = figure.colorbar(drawn, ax=panels, location="top", aspect=45, pad=0.015, shrink=0.7)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.set_title("level, dB", fontsize=8, fontweight="normal", color=MUTED, loc="center")
    return figure


@in_one_look
def attention_figure(kept: AttentionMap) -> Figure:
    """Return where attention adds something, a map per expression on one scale, over what the method heard."""
    n_lines = (len(kept.expressions) + 1) // 2
    extent = (*_borders(kept.time), *_borders(kept.height))
    figure, panels = new_figure(0.7 + 1.0 * n_lines, n_lines, 2, sharex=True, sharey=True, squeeze=False)
    for panel in panels.flat[len(kept.expressions) :]:
        panel.set_visible(False)
    for panel, name, values in zip(panels.flat, kept.expressions, kept.values, strict=False):
        drawn = panel.imshow(
            values, origin="lower", aspect="auto", extent=extent, vmin=0, vmax=float(kept.values.max()), cmap=COLOURS
        )
        panel.set_title(name)
    for panel in panels[-1]:
        panel.set_xlabel(_label(kept.time))
    figure.supylabel(_label(kept.height), fontsize=8, color=MUTED)
    bar = figure.colorbar(drawn, ax=panels, location="top", aspect=45, pad=0.015, shrink=0.7)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.set_title("what attention adds", fontsize=8, fontweight="normal", color=MUTED, loc="center")
    return figure


def _borders(axis: Axis) -> tuple[float, float]:
    """Return the outer borders of the cells whose centres an axis holds, in the unit that is shown."""
    centres = np.asarray(axis.values, dtype=np.float64) * _scale(axis)
    half = (centres[1] - centres[0]) / 2 if len(centres) > 1 else 0.5
    return float(centres[0] - half), float(centres[-1] + half)


def _scale(axis: Axis) -> float:
    if axis.unit == "Hz":
        return 1e-3 if np.abs(axis.values).max() >= 2000 else 1.0
    return {"m": 100.0, "s": 1000.0}.get(axis.unit, 1.0)


def _label(axis: Axis) -> str:
    if axis.unit == "Hz":
        return "frequency, kHz" if _scale(axis) < 1 else "frequency, Hz"
    words = {"m": ("distance", "cm"), "s": ("time", "ms")}
    return ", ".join(words.get(axis.unit, (axis.name, axis.unit))).rstrip(", ")


def _db(magnitude: np.ndarray) -> np.ndarray:
    return 20 * np.log10(np.maximum(magnitude, 1e-9))


def _envelope(axes: Any, samples: np.ndarray, rate_hz: float, colour: str, name: str, n_points: int = 500) -> None:
    """Draw a waveform as the band between its lowest and highest value per pixel: exact, and small to store."""
    per_point = max(1, len(samples) // n_points)
    n_points = len(samples) // per_point
    blocks = samples[: n_points * per_point].reshape(n_points, per_point)
    time_ms = 1000 * (np.arange(n_points) + 0.5) * per_point / rate_hz
    axes.fill_between(
        time_ms, blocks.min(axis=1), blocks.max(axis=1), color=colour, alpha=0.85, linewidth=0.3, label=name
    )
    axes.margins(x=0)


def _spectrogram(
    axes: Any, samples: np.ndarray, rate_hz: float, shown_hz: tuple[float, float], loudest_db: float | None = None
) -> float:
    """Draw a spectrogram of 3 ms windows; return its loudest value in decibels, which may be passed on."""
    n_window = max(32, round(0.003 * rate_hz))
    transform = ShortTimeFFT(hann(n_window, sym=False), hop=max(1, n_window // 8), fs=rate_hz, mfft=4 * n_window)
    values = _db(np.abs(transform.stft(samples)))
    inside = (transform.f >= shown_hz[0]) & (transform.f <= shown_hz[1])
    time_ms = 1000 * transform.t(len(samples))
    loudest_db = float(values[inside].max()) if loudest_db is None else loudest_db
    axes.imshow(
        values[inside],
        origin="lower",
        aspect="auto",
        extent=(time_ms[0], time_ms[-1], transform.f[inside][0] / 1000, transform.f[inside][-1] / 1000),
        vmin=loudest_db - SHOWN_DB,
        vmax=loudest_db,
        cmap=COLOURS,
        interpolation="bilinear",
    )
    axes.set_xlim(0, 1000 * len(samples) / rate_hz)
    return loudest_db

"""Removing the direct path from loudspeaker to microphone by least squares.

FacER minimises ``|S - c S_d|`` over a scale c, then fixes c = 0.9 for all recordings. A fixed scale leaves a tenth of
the direct path (-20 dB, as strong as a face) even where everything else fits, and without alignment a single sample at
21 kHz turns the subtraction into an addition (+6 dB). So c is minimised here, per period and channel, as a complex
number beside a derivative that aligns the template to a fraction of a sample.

Only the direct path's own delays (up to 10 cm) decide c, so that a still face is not taken for direct path.

Reference: FacER section IV-A-2.
"""

from functools import lru_cache

import numpy as np

from mien.sensing.period_grid import PeriodGrid

BEFORE_S = 0.0003
"""How far before its peak a band-limited direct path begins."""

RIDGE = 1e-7
"""Of the largest eigenvalue; keeps the separation of delays stable to below -60 dB."""


@lru_cache(maxsize=32)
def _separation(grid: PeriodGrid, zone_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return analysis (freq tap) and synthesis (tap freq) of the arrivals within the zone.

    A period is modelled as taps half a resolution apart, in the zone and outside it, each an undistorted sweep; both
    groups are fitted together by (ridge) least squares and the zone's taps kept. Unlike a cut in the delay domain this
    takes the sidelobes that the direct path has under the face, and leaves those that the face has under it.
    """
    chirp = grid.chirp
    step_s = 0.5 / chirp.bandwidth_hz
    last_s = min(max(chirp.period_s - chirp.sweep_s, 0.1 * chirp.period_s), 0.5 * chirp.period_s)
    zone = np.arange(-BEFORE_S, zone_s + step_s / 2, step_s)
    rest = np.arange(zone[-1] + step_s, last_s, step_s)
    taps = np.exp(-2j * np.pi * grid.freq_hz[:, None] * np.concatenate([zone, rest]))
    taps = taps * (grid.sweep_spectrum() * grid.gain)[:, None]
    gram = taps.conj().T @ taps
    gram += RIDGE * np.linalg.eigvalsh(gram)[-1] * np.eye(len(gram))
    analysis = np.linalg.solve(gram, taps.conj().T)[: len(zone)]
    return analysis.T, taps[:, : len(zone)].T


def direct_part(spectra: np.ndarray, grid: PeriodGrid, zone_s: float) -> np.ndarray:
    """Return the part of (... freq) spectra that arrives within `zone_s` after the direct path's onset."""
    analysis, synthesis = _separation(grid, zone_s)
    return (spectra @ analysis) @ synthesis


def remove_direct_path(
    spectra: np.ndarray, grid: PeriodGrid, zone_s: float, reference: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Subtract the direct path, scaled and aligned per period by least squares.

    ``min over a, b of | Z X - a Z D - b Z f D |`` with spectra X, template D and Z the part within the zone; b f D is
    the template's shift in time, to first order. What is subtracted is ``a D + b f D``.

    Args:
        spectra: (channel period freq).
        zone_s: delays up to this, after the direct path's onset, decide the scale.
        reference: (channel freq) template from a recording of the direct path alone; by default what stands still
            within the zone in this recording.

    Returns:
        (channel period freq) without direct path, and the cancellation in dB: energy within the zone before over after.
    """
    within = direct_part(spectra, grid, zone_s)
    if reference is None:
        template = template_within = within.mean(axis=1)
    else:
        template, template_within = reference, direct_part(reference, grid, zone_s)
    slope = (grid.freq_hz - grid.chirp.center_hz) / grid.chirp.bandwidth_hz
    cleaned, before, after = np.empty_like(spectra), 0.0, 0.0
    for channel in range(len(spectra)):
        basis = np.stack([template_within[channel], slope * template_within[channel]])
        size = np.linalg.norm(basis, axis=1, keepdims=True)
        basis = basis / np.maximum(size, np.finfo(float).tiny)
        scale = within[channel] @ basis.conj().T @ np.linalg.pinv(basis @ basis.conj().T)
        before += float(np.sum(np.abs(within[channel]) ** 2))
        after += float(np.sum(np.abs(within[channel] - scale @ basis) ** 2))
        shape = np.stack([template[channel], slope * template[channel]])
        cleaned[channel] = spectra[channel] - (scale / np.maximum(size.T, np.finfo(float).tiny)) @ shape
    floor = np.finfo(float).eps ** 2 * before + np.finfo(float).tiny
    return cleaned, float(10 * np.log10((before + floor) / (after + floor)))

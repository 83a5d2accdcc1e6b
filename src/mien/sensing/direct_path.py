"""Removing the direct path from loudspeaker to microphone by least squares.

FacER minimises ``|S - c S_d|`` over a scale c, then fixes c = 0.9 for all recordings. A fixed scale leaves a tenth of
the direct path even where everything else fits: -20 dB, which is 10 dB above a face 30 dB below the direct path (what
the simulator assumes). Without alignment a single sample at 21 kHz turns the subtraction into an addition (+5 dB). So c
is minimised here, per period and channel, as a complex number beside a derivative that aligns the template to a
fraction of a sample.

FacER's S_d is recorded beforehand, by another loudspeaker and microphone in a quiet place. Such a recording comes with
no data that we know, and would have another device's response and delay. Here S_d is what stands still in the recording
itself; `remove_direct_path` takes another one as `reference`, which no front end gives it.

Only the direct path's own delays (up to 10 cm) decide c, so that a still face is not taken for direct path.

Reference: FacER section IV-A-2.
"""

from functools import lru_cache

import numpy as np

from mien.sensing.period_grid import PeriodGrid
from mien.sensing.range_gate import RangeGate

DIRECT_ZONE_M = 0.10
"""Arrivals from nearer than this are direct path: the device itself and the hand that holds it."""

BEFORE_S = 0.0003
"""How far before its peak a band-limited direct path begins."""

RIDGE = 1e-5
"""Of the largest eigenvalue. With it an arrival in the zone leaves at most -53 dB in a gate from 25 cm, within 4 cm at
most -62 dB (the sidelobes of plain compression leave -29 dB of one at 0.5 cm and -22 dB of one at 10 cm), an echo from
inside the gate loses -50 dB of itself, and noise is not amplified."""


@lru_cache(maxsize=32)
def _separation(grid: PeriodGrid, zone_s: float, echo_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return analysis (freq tap) and synthesis (tap freq) of the arrivals within the zone.

    A period is modelled as arrivals half a resolution apart, in the zone (up to `zone_s`) and from `echo_s` on, each
    an undistorted sweep; both groups are fitted together by least squares with a little ridge, and the zone's kept.
    Unlike a cut in the delay domain this takes the sidelobes that the direct path has under the face and leaves those
    that the face has under the direct path.
    """
    chirp = grid.chirp
    step_s = 0.5 / chirp.bandwidth_hz
    last_s = max(min(chirp.period_s - chirp.sweep_s, 0.5 * chirp.period_s), echo_s + 8 * step_s)
    zone = np.arange(-BEFORE_S, zone_s + step_s / 2, step_s)
    rest = np.arange(echo_s, last_s, step_s)
    taps = np.exp(-2j * np.pi * grid.freq_hz[:, None] * np.concatenate([zone, rest]))
    taps = taps * (grid.sweep * grid.gain)[:, None]
    gram = taps.conj().T @ taps
    gram += RIDGE * np.linalg.eigvalsh(gram)[-1] * np.eye(len(gram))
    analysis = np.linalg.solve(gram, taps.conj().T)[: len(zone)]
    return np.ascontiguousarray(analysis.T), np.ascontiguousarray(taps[:, : len(zone)].T)


def direct_part(spectra: np.ndarray, grid: PeriodGrid, gate: RangeGate) -> np.ndarray:
    """Return the part of (... freq) spectra that arrives from nearer than the gate, up to `DIRECT_ZONE_M`.

    What lies between the zone and the gate counts partly here: nothing is asked of it.
    """
    resolution_s = 1 / grid.chirp.bandwidth_hz
    echo_s = float(gate.delay_s(gate.near_m)) - resolution_s / 2
    zone_s = max(0.0, min(float(gate.delay_s(DIRECT_ZONE_M)), echo_s - 2 * resolution_s))
    analysis, synthesis = _separation(grid, zone_s, max(echo_s, resolution_s / 2))
    return (spectra @ analysis) @ synthesis


def template_basis(template: np.ndarray, grid: PeriodGrid) -> np.ndarray:
    """Return (channel 2 freq) a (channel freq) template and, to first order, its shift in time."""
    slope = (grid.freq_hz - grid.chirp.center_hz) / grid.chirp.bandwidth_hz
    return np.stack([template, slope * template], axis=1)


def template_scale(within: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return (channel period 2) how much of a (channel 2 freq) basis lies in (channel period freq) spectra."""
    adjoint = basis.conj().swapaxes(-1, -2)
    normal = basis @ adjoint
    # A channel that is silent has no template; the ridge, far below rounding, then makes its scale zero.
    ridge = 1e-14 * np.trace(normal, axis1=-2, axis2=-1).real + np.finfo(float).tiny
    normal = normal + ridge[:, None, None] * np.eye(2)
    return np.linalg.solve(normal.swapaxes(-1, -2), (within @ adjoint).swapaxes(-1, -2)).swapaxes(-1, -2)


def remove_direct_path(
    spectra: np.ndarray, grid: PeriodGrid, gate: RangeGate, reference: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Subtract the direct path, scaled and aligned per period by least squares.

    ``min over a, b of | Z X - a Z D - b Z f D |`` with spectra X, template D and Z the part within the zone; b f D is
    the template's shift in time, to first order. What is subtracted is ``a D + b f D``.

    Args:
        spectra: (channel period freq).
        gate: where echoes begin; arrivals before it decide the scale.
        reference: (channel freq) template from a recording of the direct path alone; by default what stands still
            within the zone in this recording.

    Returns:
        (channel period freq) without direct path, and the cancellation in dB: energy within the zone before over after.
    """
    within = direct_part(spectra, grid, gate)
    template = within.mean(axis=1) if reference is None else reference
    template_within = template if reference is None else direct_part(reference, grid, gate)
    basis, shape = template_basis(template_within, grid), template_basis(template, grid)
    scale = template_scale(within, basis)
    before = float(np.sum(np.abs(within) ** 2))
    after = float(np.sum(np.abs(within - scale @ basis) ** 2))
    floor = np.finfo(float).eps ** 2 * before + np.finfo(float).tiny
    return spectra - scale @ shape, float(10 * np.log10((before + floor) / (after + floor)))

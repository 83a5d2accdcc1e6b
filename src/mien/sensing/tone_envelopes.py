"""Continuous tones beside a chirp: their complex amplitude once per period of the chirp, by the chirp's clock."""

import numpy as np

from mien.errors import ProbeNotFound
from mien.probe import PureTones
from mien.recording import Recording
from mien.sensing.doppler import LEAST_TONE_TO_FLOOR
from mien.sensing.echoes import Echoes
from mien.sensing.seams import completed

BESIDE_HZ = 250.0
"""So far below a tone its surroundings are measured: outside the window's main lobe, inside a composite's guard."""


def tone_envelopes(recording: Recording, tones: PureTones, echoes: Echoes) -> np.ndarray:
    """Return (channel period tone) complex amplitudes relative to the chirp's direct path.

    ``A_k = sum_n w(n) x(n) exp(-2 pi j f t_n) / sum_n w(n)`` over one period's samples with a Hann window; t_n is the
    emitter's time, which the chirp's synchronisation gives. Divided by the chirp's direct path, so that volume and
    trigger drop out; what the device makes of the tone beside the chirp stays, and is the same in all its recordings.

    The frame of a period that the recording's ends cut is moved to lie within it. It sees another part of the chirp's
    skirt, which is some -60 dB of the tone.

    Args:
        recording: at least one period long.
        tones: which.
        echoes: of the same recording.

    Raises:
        ProbeNotFound: a tone does not stand above its surroundings in the channel that was synchronised to.
    """
    tones_hz = np.array(tones.tones_hz)
    beside = _amplitudes(recording, tones_hz - BESIDE_HZ, echoes)
    found = _amplitudes(recording, tones_hz, echoes)
    channel = echoes.sync.channel
    floor = np.median(np.abs(beside[channel]), axis=0)
    whole = np.delete(found[channel], echoes.sync.spoilt, axis=0)
    ratio = np.abs(whole.mean(axis=0)) / np.maximum(floor, np.finfo(float).tiny)
    if (ratio < LEAST_TONE_TO_FLOOR).any():
        weakest = int(np.argmin(ratio))
        raise ProbeNotFound(
            f"no tone at {tones_hz[weakest]:g} Hz: it is {ratio[weakest]:.1f} times what lies beside it, "
            f"{LEAST_TONE_TO_FLOOR:g} are needed; play the tone louder or state the probe that was played"
        )
    return completed(found, echoes.sync.spoilt) / echoes.direct_amplitude


def _amplitudes(recording: Recording, tones_hz: np.ndarray, echoes: Echoes) -> np.ndarray:
    """Return (channel period tone) complex amplitudes."""
    chirp, sync = echoes.grid.chirp, echoes.sync
    n_frame = min(round(chirp.samples_per_period), recording.n_samples)
    starts, rate_hz = sync.starts_sample, recording.rate_hz * (1 + 1e-6 * sync.drift_ppm)
    first = np.clip(np.round(starts).astype(int), 0, recording.n_samples - n_frame)
    window = np.hanning(n_frame + 2)[1:-1]
    kernel = window[:, None] * np.exp(-2j * np.pi * (tones_hz / rate_hz) * np.arange(n_frame)[:, None])
    frames = recording.samples.astype(np.float64)[:, first[:, None] + np.arange(n_frame)]
    begins_s = np.arange(len(starts)) * chirp.period_s + (first - starts) / rate_hz
    return frames @ kernel * np.exp(-2j * np.pi * begins_s[:, None] * tones_hz) / window.sum()

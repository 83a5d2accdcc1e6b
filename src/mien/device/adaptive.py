"""What changes a signal while it is being recorded, each told by what it does to three things that ought to stay.

A device that only passes sound on keeps the level of the sweeps in every band, the level of the chirps whether loud or
soft, and the noise. Gain control moves all bands of a sweep, and with them the noise, by the same decibels, or raises
soft chirps beside loud ones. Echo cancellation takes away what is played, in some bands more than in others, and leaves
the noise. Noise suppression takes away the noise, and what is as steady as noise (the chirps), and leaves the sweeps.
"""

from dataclasses import dataclass

import numpy as np

from mien.capture import CheckEmission
from mien.device.chirp_track import ChirpTrack
from mien.device.faults import PROBLEMS
from mien.device.sweep import Pulses, compress, mean_between, response, snr_db

LIVE_PROBLEMS = (*PROBLEMS, "no-probe", "echo-cancellation", "noise-suppression", "drift", "bluetooth")

LEVEL_DB = 2.0
"""A level that moves by more is moved by something; a hand that shifts on the phone moves it by less."""

STEP_DB = 1.5
CANCELLED_DB = 3.0
SUPPRESSED_DB = 4.0
SPREAD_DB = 2.0
"""Gain control moves all bands alike; when they move apart by more, something else is at work."""

UNSTEADY_DB = 3.0
"""The middle half of the chirps of one level come back within 1.4 dB even where they are as soft as `_SOFTEST` beside
noise (a Rayleigh envelope's share in phase: 1.35 standard deviations of 1 / (6 sqrt 2)), and within half of that twice
as loud."""

_SOFTEST = 6.0
_CLEAR_DB = 20.0
_REFERENCE_DB = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """The levels that ought to stay.

    Args:
        band_db: (sweep band) of each kilohertz of each sweep, beside the first sweep's.
        in_band_db: (sweep) gain of each sweep within the chirps' band, on the scale of the chirps' gain.
        loud_db, soft_db: (block) median gain of the loud and of the soft chirps; empty where they were not heard.
        noise_db: (step) noise; -inf where the recording is exactly zero.
        chirp_spread_db: the middle half of the gains of chirps of one level, in the block where it is widest.
    """

    band_db: np.ndarray
    in_band_db: np.ndarray
    loud_db: np.ndarray
    soft_db: np.ndarray
    noise_db: np.ndarray
    chirp_spread_db: float = 0.0

    @property
    def sweep_change_db(self) -> float:
        """Return by how much the sweeps' level moved, of all bands alike; 0 for one sweep."""
        change = np.median(self.band_db, axis=1) if self.band_db.size else np.zeros(1)
        return float(change[np.argmax(np.abs(change))])

    @property
    def sweep_spread_db(self) -> float:
        """Return how far apart the bands moved: the middle half of them, where it is widest."""
        if self.band_db.shape[0] < 2 or self.band_db.shape[1] < 4:
            return 0.0
        return float(np.ptp(np.quantile(self.band_db, (0.25, 0.75), axis=1), axis=0).max())

    @property
    def chirp_change_db(self) -> float:
        """Return how far the loud chirps fell (or rose) from the first of them."""
        return float(self.loud_db[-1] - self.loud_db[0]) if len(self.loud_db) > 1 else 0.0

    @property
    def in_band_change_db(self) -> float:
        """Return how far, within the chirps' band, the sweeps fell below the first of them."""
        return float(self.in_band_db.min() - self.in_band_db[0]) if len(self.in_band_db) else 0.0

    @property
    def moved_db(self) -> float:
        """Return how far the level within the chirps' band came and went: of the sweeps, or of the loud chirps."""
        return max((float(np.ptp(each)) for each in (self.in_band_db, self.loud_db) if len(each)), default=0.0)

    @property
    def below_first_sweep_db(self) -> float:
        """Return how far the last loud chirps lie below what the first sweep promises of their band."""
        if not len(self.loud_db) or not len(self.in_band_db):
            return 0.0
        return float(self.loud_db[-1] - self.in_band_db[0])

    @property
    def soft_over_loud_db(self) -> float:
        """Return by how much soft chirps are raised beside loud ones; 0 for a linear device."""
        n_pairs = min(len(self.soft_db), len(self.loud_db))
        return float(np.median(self.soft_db[:n_pairs] - self.loud_db[:n_pairs])) if n_pairs else 0.0

    @property
    def noise_change_db(self) -> float:
        """Return how far the noise fell (or rose) from the first half second to the later ones; nan if unknown."""
        if len(self.noise_db) < 4 or not np.isfinite(self.noise_db[0]):
            return np.nan
        later = self.noise_db[len(self.noise_db) // 2 :]
        return float(np.median(np.maximum(later, self.noise_db[0] - 60)) - self.noise_db[0])


def measure_levels(pulses: Pulses, track: ChirpTrack, emission: CheckEmission, noise_db: np.ndarray) -> Levels:
    """Return the levels of one microphone."""
    loud, soft = _block_gains(track, emission)
    spread_db = max((float(np.ptp(np.quantile(gains, (0.25, 0.75)))) for gains in (*loud, *soft)), default=0.0)
    loud_db, soft_db = (np.array([np.median(gains) for gains in blocks]) for blocks in (loud, soft))
    noise_db = np.asarray(noise_db)
    return Levels(_band_levels(pulses), _in_band_gains(pulses, emission), loud_db, soft_db, noise_db, spread_db)


def _band_levels(pulses: Pulses) -> np.ndarray:
    """Return (sweep band) the level of every clear kilohertz beside the first sweep's."""
    top_hz = min(pulses.sweep.high_hz, pulses.rate_hz / 2)
    bands = [(1_000.0 * low, 1_000.0 * low + 1_000) for low in range(1, int(top_hz // 1_000))]
    clear = [band for band in bands if len(pulses) and snr_db(pulses, *band) >= _CLEAR_DB]
    if not clear:
        return np.zeros((len(pulses), 0))
    frequency_hz, power = response(pulses)
    level_db = 10 * np.log10(np.array([mean_between(frequency_hz, power, *band) for band in clear]).T + 1e-30)
    return level_db - level_db[0]


def _in_band_gains(pulses: Pulses, emission: CheckEmission) -> np.ndarray:
    """Return (sweep) the peak of each sweep's pulse within the chirps' band, in dB over what was played."""
    low_hz, high_hz = emission.probe.band_hz
    high_hz = min(high_hz, pulses.rate_hz / 2 - 100)
    if not len(pulses) or snr_db(pulses, low_hz, high_hz) < _REFERENCE_DB:
        return np.zeros(0)
    own = compress(pulses.sweep.samples(pulses.rate_hz), pulses.rate_hz, pulses.sweep)
    near = pulses.lags_between(-0.003, 0.005)
    peak = pulses.band_power(low_hz, high_hz)[:, near].max(axis=1)
    reference = own.band_power(low_hz, high_hz)[:, near].max()
    played = next(part.level for part in emission.parts if part.kind == "sweep")
    return 10 * np.log10(peak / reference) - 20 * np.log10(played)


def _block_gains(track: ChirpTrack, emission: CheckEmission) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return of each block (chirp) the gains of the loud, and of the soft chirps; the rising first ones are left out.

    Soft chirps are judged only where they stand so clear that noise does not lift them.
    """
    loud, soft = [], []
    for part in emission.parts:
        if part.kind != "chirps":
            continue
        these = track.clear & (track.time_s >= part.start_s - 1e-6) & (track.time_s < part.end_s - 1e-6)
        these &= np.abs(track.emitted - part.level) < 0.02 * part.level
        if np.count_nonzero(these) < 5:
            continue
        gain_db = track.gain_db[these]
        if part.level > 0.9 * emission.level:
            loud.append(gain_db)
        elif np.median(track.heard[these]) > _SOFTEST * track.floor:
            soft.append(gain_db)
    return loud, soft


def find_noise_suppression(levels: Levels) -> str | None:
    """Name noise that goes, or chirps that go like noise while sweeps stay; None where there is no sign."""
    noise_db, sweeps_db = levels.noise_change_db, levels.sweep_change_db
    if noise_db <= -SUPPRESSED_DB and sweeps_db - noise_db >= 3:
        return (
            f"the noise falls by {-noise_db:.0f} dB within the check, and the sweeps by {max(0.0, -sweeps_db):.0f} dB"
        )
    steady = levels.in_band_change_db > -STEP_DB and levels.sweep_spread_db < SPREAD_DB
    fallen_db = min(levels.chirp_change_db, levels.below_first_sweep_db + STEP_DB)
    if len(levels.in_band_db) > 1 and steady and fallen_db <= -CANCELLED_DB and abs(sweeps_db) < LEVEL_DB:
        return f"the chirps are taken for noise: they fall by {-fallen_db:.0f} dB while the sweeps keep their level"
    return None


def find_echo_cancellation(levels: Levels) -> str | None:
    """Name sound that is taken out because it was played, in some bands more than in others."""
    fallen_db = min(levels.in_band_change_db, levels.chirp_change_db, levels.below_first_sweep_db + STEP_DB)
    apart = levels.sweep_spread_db >= SPREAD_DB
    if apart and (fallen_db <= -CANCELLED_DB or levels.sweep_change_db <= -CANCELLED_DB):
        gone_db = -min(fallen_db, levels.sweep_change_db)
        return f"what is played is taken out of the recording: {gone_db:.0f} dB of it within the check"
    # A canceller that had learnt before, or that starts anew after each silence, takes most out at first.
    if apart and levels.moved_db >= CANCELLED_DB:
        return f"what is played is taken out of the recording and comes back: {levels.moved_db:.0f} dB of it"
    if levels.in_band_change_db <= -CANCELLED_DB and levels.in_band_change_db < levels.sweep_change_db - CANCELLED_DB:
        return f"the chirps' band is taken out of the recording: {-levels.in_band_change_db:.0f} dB within the check"
    return None


def find_gain_control(levels: Levels) -> str | None:
    """Name a gain that moves: all bands of the sweeps alike, soft chirps beside loud ones, or chirps and noise."""
    sweeps_db, chirps_db, noise_db = levels.sweep_change_db, levels.chirp_change_db, levels.noise_change_db
    if abs(sweeps_db) > LEVEL_DB and levels.sweep_spread_db < SPREAD_DB:
        return f"the level of the sweeps moves by {sweeps_db:+.1f} dB, in all bands alike"
    if levels.soft_over_loud_db > STEP_DB:
        return f"soft chirps are raised by {levels.soft_over_loud_db:.1f} dB beside loud ones"
    if abs(chirps_db) > LEVEL_DB and np.isfinite(noise_db) and abs(chirps_db - noise_db) < 3:
        return f"the chirps move by {chirps_db:+.1f} dB, and the noise with them"
    return None

"""Follow a chirp through a stream of samples: one period after the other, whatever the blocks they come in.

`synchronise` looks at a whole recording, future and all. Here the same search finds the probe in the first half second
and after every loss; from then on each period is cut where the last ones say, by the same band-pass and on the same
grid, and the direct path's phase keeps the cut in place (a loop of second order). What a period is depends on the
samples up to its end alone, never on how they were cut into blocks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from mien.errors import ProbeMismatch, ProbeNotFound, RecordingError
from mien.probe import Probe
from mien.recording import Recording
from mien.sensing.arrivals import smooth_compression
from mien.sensing.direct_path import direct_part, template_basis, template_scale
from mien.sensing.period_grid import (
    GUARD_S,
    PeriodGrid,
    baseband,
    chirp_of,
    delay_phases,
    frame_spectra,
    period_grid,
    undo_drift,
)
from mien.sensing.range_gate import RangeGate, compress
from mien.sensing.synchronise import Synchronisation, synchronised_periods

FIRST_TRY, LAST_TRY, TRY_STEP = 10, 20, 5
"""Periods in which the probe is looked for: 10, then 15, then 20, and then always the latest 20."""

GAIN = 0.1
"""Of the loop that follows the direct path's phase: it averages over some 20 periods, a second."""

RATE_GAIN = GAIN**2 / (2 - GAIN)
"""Of its period, critically damped (Benedict and Bordner, 1962)."""

LEAST_AMPLITUDE = 0.35
"""A direct path weaker than this part of what it was is lost: covered, switched off, or no longer where it was."""

LARGEST_TURN_RAD = 1.0
"""A phase that turns by more in one period does not follow from a clock: samples are missing, or it is another path."""

MOST_LOST = 3
"""Periods in a row without the direct path, after which it is looked for anew."""

LEVEL_PERIODS, TEMPLATE_PERIODS = 5, 200
"""Periods over which the direct path's amplitude (a volume changes) and its shape (a device hardly) are averaged."""

_FULL_SCALE = 1 - 2.0**-14


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """One period as it was heard.

    Args:
        end_sample: where it ends in the stream.
        raw, cleaned: (channel freq) spectra with and without the direct path, relative to its amplitude.
        continues: it follows the period before it without a gap.
        clipped: samples of it stand at full scale.
    """

    end_sample: float
    raw: np.ndarray
    cleaned: np.ndarray
    continues: bool
    clipped: bool


@dataclass(frozen=True, slots=True)
class NoProbe:
    """The probe was not found in the half second to second before `end_sample`, or before one to four periods ago."""

    end_sample: float


Heard = Period | NoProbe


@dataclass(slots=True)
class _Lock:
    """What is known of the direct path while it is followed."""

    onset_sample: float
    period_samples: float
    channel: int
    phase: complex
    amplitude: complex
    template: np.ndarray
    n_periods: int
    n_lost: int = 0
    continues: bool = False
    followed: bool = False


class PeriodStream:
    """Turn samples into periods, finding the probe at the start and after every loss.

    Args:
        probe: a chirp, or a composite of one and tones.
        gate: where echoes of interest begin, for the removal of the direct path.
        n_channels: of the samples.

    Raises:
        ProbeError: the probe holds no chirp.
    """

    def __init__(self, probe: Probe, gate: RangeGate, n_channels: int = 1) -> None:
        self._probe = probe
        self._gate = gate
        self._grid: PeriodGrid = period_grid(chirp_of(Recording(np.zeros((1, 1), np.float32), probe.rate_hz, probe)))
        self.problem = ""
        """Why the probe is not followed at present, in words; empty where it is."""
        period = self._grid.samples_per_period
        self._held = np.zeros((n_channels, int(2 * (LAST_TRY + 3) * period)), np.float32)
        self._held_from = 0
        self.n_heard = 0
        """Samples of the stream so far, those lost included."""
        self._search_from, self._n_try = 0, FIRST_TRY
        self._silent_until: float | None = None
        self._lock: _Lock | None = None
        cell_s = self._grid.cell_s
        self._lead = int(round(-self._grid.cell.min() * cell_s * probe.rate_hz))
        self._guard = int(np.ceil(GUARD_S * probe.rate_hz))

    @property
    def grid(self) -> PeriodGrid:
        return self._grid

    @property
    def following(self) -> bool:
        """Whether the probe is being followed."""
        return self._lock is not None

    @property
    def drift_ppm(self) -> float:
        """Return how much faster the recorder's clock ticks than the emitter's, 0 where nothing is followed."""
        if self._lock is None:
            return 0.0
        return (self._lock.period_samples / self._grid.samples_per_period - 1) * 1e6

    def lose(self, n_lost: int = 0) -> None:
        """Say that samples were lost here, as many as are known; the probe is looked for anew after them."""
        self.n_heard += n_lost
        self._held_from = self._search_from = self.n_heard
        self._n_try, self._lock, self._silent_until = FIRST_TRY, None, None

    @property
    def n_missing(self) -> int:
        """Return how many samples must be pushed until anything can come of them, one period at most."""
        period = self._grid.samples_per_period
        if self._lock is not None:
            end: float = self._end_of(self._lock)
        else:
            search = self._search_from + round(self._n_try * period)
            end = search if self._silent_until is None else min(search, self._silent_until + period)
        return min(max(0, math.ceil(end - self.n_heard)), math.floor(period))

    def push(self, samples: np.ndarray) -> list[Heard]:
        """Return the periods that samples (channel time) complete, and where the probe was looked for in vain."""
        heard: list[Heard] = []
        n_most = self._held.shape[1] // 4
        for start in range(0, samples.shape[1], n_most):
            self._hold(samples[:, start : start + n_most])
            while (found := self._step()) is not None:
                heard += found
        return heard

    def _hold(self, samples: np.ndarray) -> None:
        """Keep samples, and forget those no longer needed where there is no more room."""
        n_new, n_held = samples.shape[1], self.n_heard - self._held_from
        if n_held + n_new > self._held.shape[1]:
            keep = self._held.shape[1] // 2
            self._held[:, :keep] = self._held[:, n_held - keep : n_held].copy()
            self._held_from, n_held = self.n_heard - keep, keep
        self._held[:, n_held : n_held + n_new] = samples
        self.n_heard += n_new

    def _step(self) -> Sequence[Heard] | None:
        """Do the next thing that the samples at hand allow; None where there is none."""
        if self._lock is None:
            return self._search()
        end = self._end_of(self._lock)
        return self._follow(self._lock, end) if self.n_heard >= end else None

    def _end_of(self, lock: _Lock) -> int:
        """Return up to which sample must be heard for the period at a lock's onset."""
        return int(np.floor(lock.onset_sample)) + round(self._grid.samples_per_period) - self._lead + self._guard

    def _search(self) -> Sequence[Heard] | None:
        n_samples = round(self._n_try * self._grid.samples_per_period)
        start, end = self._search_from - self._held_from, self._search_from + n_samples
        if (silent := self._still_silent(end)) is not None:
            return silent
        if self.n_heard < end:
            return None
        heard = Recording(self._held[:, start : start + n_samples].copy(), self._grid.chirp.rate_hz, self._probe)
        try:
            sync, spectra = synchronised_periods(heard)
        except (ProbeNotFound, ProbeMismatch, RecordingError) as error:
            self.problem = str(error)
            self._look_on()
            self._silent_until = end
            return [NoProbe(end)]
        self.problem, self._silent_until = "", None
        self._lock = self._locked(sync, spectra)
        return []

    def _still_silent(self, next_search: int) -> Sequence[Heard] | None:
        """Say of each period between two searches what the last one found; None where none has come."""
        if self._silent_until is None:
            return None
        end = self._silent_until + self._grid.samples_per_period
        if self.n_heard < end or end > next_search - 1:
            return None
        self._silent_until = end
        return [NoProbe(end)]

    def _look_on(self) -> None:
        if self._n_try < LAST_TRY:
            self._n_try += TRY_STEP
        else:
            self._search_from += round(TRY_STEP * self._grid.samples_per_period)

    def _locked(self, sync: Synchronisation, spectra: np.ndarray) -> _Lock:
        """Return what a search found, at the first period whose beginning was heard."""
        step = self._grid.samples_per_period * (1 + sync.drift_ppm * 1e-6)
        onset = sync.start_sample if sync.start_sample >= self._lead else sync.start_sample + step
        arrival = spectra[sync.channel] @ smooth_compression(self._grid)
        mean = arrival.mean()
        return _Lock(
            onset_sample=self._search_from + onset,
            period_samples=step,
            channel=sync.channel,
            phase=mean / abs(mean),
            amplitude=complex(compress(spectra[sync.channel].mean(axis=0), self._grid, (0.0,))[0]),
            template=direct_part(spectra, self._grid, self._gate).mean(axis=1),
            n_periods=sync.n_periods,
        )

    def _follow(self, lock: _Lock, end: int) -> list[Period]:
        """Return the period that begins at the lock's onset, none where the direct path is not there."""
        spectra, clipped = self._cut(lock, end)
        arrival = complex(spectra[lock.channel] @ smooth_compression(self._grid)) / lock.phase
        turn = float(np.angle(arrival))
        at_zero = complex(compress(spectra[lock.channel], self._grid, (0.0,))[0])
        onset = lock.onset_sample
        if abs(at_zero) < LEAST_AMPLITUDE * abs(lock.amplitude) or abs(turn) > LARGEST_TURN_RAD:
            lock.n_lost, lock.continues = lock.n_lost + 1, False
            lock.onset_sample += lock.period_samples
            if lock.n_lost == MOST_LOST:
                self._lose_track(lock, onset)
            return []
        late = -turn / (2 * np.pi * self._grid.chirp.center_hz) * self._grid.chirp.rate_hz
        lock.onset_sample += lock.period_samples + GAIN * late
        lock.period_samples += RATE_GAIN * late
        spectra = spectra * delay_phases(np.array(GAIN * late), self._grid)
        period = self._period(lock, spectra, onset, clipped)
        lock.n_lost, lock.continues, lock.followed = 0, True, True
        return [period]

    def _period(self, lock: _Lock, spectra: np.ndarray, onset: float, clipped: bool) -> Period:
        within = direct_part(spectra, self._grid, self._gate)
        lock.n_periods += 1
        level, share = 1 / min(lock.n_periods, LEVEL_PERIODS), 1 / min(lock.n_periods, TEMPLATE_PERIODS)
        lock.amplitude += level * (complex(compress(spectra[lock.channel], self._grid, (0.0,))[0]) - lock.amplitude)
        lock.template = lock.template + share * (within - lock.template)
        basis = template_basis(lock.template, self._grid)
        cleaned = spectra - (template_scale(within[:, None], basis) @ basis)[:, 0]
        return Period(
            end_sample=onset + self._grid.samples_per_period,
            raw=spectra / lock.amplitude,
            cleaned=cleaned / lock.amplitude,
            continues=lock.continues,
            clipped=clipped,
        )

    def _cut(self, lock: _Lock, end: int) -> tuple[np.ndarray, bool]:
        """Return (channel freq) the spectra of the period at the lock's onset, and whether it was clipped."""
        first = int(np.floor(lock.onset_sample)) - self._lead - 2 * self._guard
        first = max(first, self._search_from, self._held_from)
        part = self._held[:, first - self._held_from : end - self._held_from]
        signal = baseband(part, self._grid)
        frame = frame_spectra(signal, np.array([lock.onset_sample - first]), self._grid)
        spectra = fft.fft(undo_drift(frame, self.drift_ppm, self._grid))[:, 0]
        full = np.abs(part) >= _FULL_SCALE
        return spectra, bool((full[:, 2:] & full[:, 1:-1] & full[:, :-2]).any())

    def _lose_track(self, lock: _Lock, onset: float) -> None:
        """Look for the probe anew: from where it was lost, or beyond that where it was never there.

        A search over the probe's first moments finds it from before it began: to look there again would find it again.
        """
        n_back = MOST_LOST - 1 if lock.followed else -1
        first = int(np.floor(onset - n_back * self._grid.samples_per_period)) - self._lead
        self._search_from = max(first, self._held_from)
        self._n_try, self._lock, self._silent_until = FIRST_TRY, None, None
        self.problem = "the direct path was lost: its level fell, or samples are missing; it is looked for anew"

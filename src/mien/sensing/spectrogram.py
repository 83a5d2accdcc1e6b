"""The features of FacER: the spectrogram of the cleaned and gated echo."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from scipy import fft

from mien.recording import Recording
from mien.sensing.echoes import find_echoes
from mien.sensing.features import Axis, Features
from mien.sensing.period_grid import PeriodGrid
from mien.sensing.range_gate import RangeGate, gate_echoes
from mien.sensing.windows import (
    check_positive,
    check_word,
    gate_of,
    level_of,
    microphones,
    window_features,
    windows_of,
)

MOST_FFT_SAMPLES, MOST_OVERLAP = 16_384, 64
"""So that a model's description cannot ask for more memory than there is."""


@lru_cache(maxsize=32)
def _stft_kernel(grid: PeriodGrid, fft_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies (freq) inside the band and the Hann-windowed Fourier kernel (time freq) on decimated time."""
    rate_hz = grid.chirp.rate_hz
    step_hz = rate_hz / fft_samples
    first, last = np.ceil(grid.chirp.low_hz / step_hz - 1e-9), np.floor(grid.chirp.high_hz / step_hz + 1e-9)
    freq_hz = step_hz * np.arange(first, last + 1)
    n_cells = max(1, round(fft_samples / grid.decimation))
    time = np.arange(n_cells)
    hann = np.sin(np.pi * (time + 0.5) / n_cells) ** 2
    turns = (freq_hz - grid.base_hz) * (time[:, None] - (n_cells - 1) / 2) * grid.cell_s
    return freq_hz, hann[:, None] * np.exp(-2j * np.pi * turns)


def _joined(spectra: np.ndarray, grid: PeriodGrid, margin: int) -> np.ndarray:
    """Return (channel time) baseband of periods one after the other, with `margin` silent cells at both ends."""
    n_periods = spectra.shape[1]
    starts = np.arange(n_periods) * grid.exact_cells
    whole = np.floor(starts + 1e-9).astype(int)
    turns = (grid.freq_hz - grid.base_hz) * ((starts - whole) * grid.cell_s)[:, None]
    turns = turns + grid.base_hz * (starts * grid.cell_s)[:, None]
    waves = fft.ifft(spectra * np.exp(-2j * np.pi * turns)) / grid.decimation
    joined = np.zeros((len(spectra), whole[-1] + grid.n_cells + 2 * margin), dtype=complex)
    for period in range(n_periods):
        joined[:, margin + whole[period] : margin + whole[period] + grid.n_cells] += waves[:, period]
    return joined


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """Magnitude of the short-time Fourier transform of the gated echo: the features of FacER.

    The waveform is band-passed, freed of the direct path and range-gated after compression, given back its sweep, and
    transformed with a Hann window. Magnitudes are divided by their root mean square over the recording, per
    microphone, so that neither the volume nor the distance of the phone sets their size. `neutral` clips are not used.

    Args:
        window_s: length of the features' windows, rounded to whole periods; the paper's 0.25 s (FacER section V-A; its
            section IV-B-3 says 0.1 s per sample).
        hop_s: from one window to the next, rounded likewise. The paper gives none: its 20,535 samples of 2,400 takes of
            about 5 s are 8.6 windows a take.
        from_s: where the first window starts, rounded up to whole periods. A take begins with a neutral face, which no
            label names: learning and scoring leave it out with about 0.2 s.
        near_m, far_m: distances kept (FacER section IV-A-2).
        gate: False keeps all distances (an ablation; the direct path is removed all the same).
        direct_path: "removed" as in the paper, or "kept" (an ablation; the gate alone then holds it back).
        values: "magnitude" as in the paper, or "complex": phases relative to the direct path (an ablation).
        fft_samples: length of the Hann window in samples at the probe's rate; 10 ms, bins of 100 Hz. The paper states
            no length.
        stft_hop_samples: from one column to the next; 12 columns per period of 50 ms.
        direct_path_m: from loudspeaker to microphone.
        temperature_c: of the air, unless the recording's facts hold `temperature_c`.
    """

    kind: ClassVar[str] = "spectrogram"

    window_s: float = 0.25
    hop_s: float = 0.1
    from_s: float = 0.0
    near_m: float = 0.25
    far_m: float = 0.50
    gate: bool = True
    direct_path: Literal["removed", "kept"] = "removed"
    values: Literal["magnitude", "complex"] = "magnitude"
    fft_samples: int = 480
    stft_hop_samples: int = 200
    direct_path_m: float = 0.01
    temperature_c: float = 20.0

    def __post_init__(self) -> None:
        check_positive(window_s=self.window_s, hop_s=self.hop_s)
        check_positive(fft_samples=self.fft_samples, stft_hop_samples=self.stft_hop_samples)
        if self.fft_samples > MOST_FFT_SAMPLES or self.fft_samples > MOST_OVERLAP * self.stft_hop_samples:
            raise ValueError(
                f"fft_samples {self.fft_samples} every stft_hop_samples {self.stft_hop_samples}: at most "
                f"{MOST_FFT_SAMPLES}, and no more than {MOST_OVERLAP} of them over each other"
            )
        if not 0 <= self.from_s < np.inf:
            raise ValueError(f"from_s is {self.from_s!r}; a number of seconds from 0 on is needed")
        if not isinstance(self.gate, bool):
            raise ValueError(f"gate is {self.gate!r}; it must be true or false")
        check_word("direct_path", self.direct_path, ("removed", "kept"))
        check_word("values", self.values, ("magnitude", "complex"))
        RangeGate(self.near_m, self.far_m, self.direct_path_m, self.temperature_c)

    def features(self, recording: Recording, neutral: Recording | None = None) -> Features:
        """Return (window microphone freq time) float32 magnitudes or complex64.

        Raises:
            ProbeNotFound, ProbeMismatch, ProbeError: as `synchronise`.
            RecordingError: shorter than one window after `from_s`.
        """
        gate = gate_of(self, recording)
        echoes = find_echoes(recording, gate)
        grid = echoes.grid
        sync = echoes.sync
        windows = windows_of(
            sync.n_periods, grid.chirp.period_s, self.window_s, self.hop_s, self.from_s, sync.first_heard
        )
        spectra = echoes.cleaned if self.direct_path == "removed" else echoes.raw
        freq_hz, columns = self.columns(gate_echoes(spectra, grid, gate) if self.gate else spectra, grid)
        columns = np.abs(columns) if self.values == "magnitude" else columns / echoes.direct_amplitude
        columns = columns / level_of(columns)
        per_period = grid.samples_per_period / self.stft_hop_samples
        n_columns = max(1, round(windows.n_periods * per_period))
        first = np.round(windows.first * per_period).astype(int)
        index = np.minimum(first[:, None] + np.arange(n_columns), columns.shape[-1] - 1)
        kind = np.float32 if self.values == "magnitude" else np.complex64
        values = np.moveaxis(columns[..., index], 2, 0).astype(kind)
        time_s = (np.arange(n_columns) + 0.5) * self.stft_hop_samples / recording.rate_hz
        axes = (microphones(recording), Axis("freq", "Hz", freq_hz), Axis("time", "s", time_s))
        return window_features(values, axes, self, echoes, windows, gate)

    def columns(self, spectra: np.ndarray, grid: PeriodGrid) -> tuple[np.ndarray, np.ndarray]:
        """Return frequencies and (channel freq time) values of the whole take, columns centred in their hops."""
        freq_hz, kernel = _stft_kernel(grid, self.fft_samples)
        margin = len(kernel)
        joined = _joined(spectra, grid, margin)
        n_samples = spectra.shape[1] * grid.samples_per_period
        n_columns = max(1, round(n_samples / self.stft_hop_samples))
        center = (np.arange(n_columns) + 0.5) * self.stft_hop_samples / grid.decimation
        start = np.round(center - len(kernel) / 2).astype(int) + margin
        frames = joined[:, start[:, None] + np.arange(len(kernel))]
        return freq_hz, np.moveaxis(frames @ kernel, -1, 1)

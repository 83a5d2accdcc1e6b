"""Front ends for chirps: FacER's spectrogram and our complex range profile.

Both synchronise, band-pass, remove the direct path and gate the range; both are scaled by the recording itself and
fit nothing over a study.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from scipy import fft

from mien.errors import ModelError, RecordingError
from mien.recording import Recording
from mien.sensing.echoes import Echoes, find_echoes
from mien.sensing.features import Axis, Features, FrontEnd
from mien.sensing.period_grid import PeriodGrid
from mien.sensing.range_gate import RangeGate, Taper, compress, gate_echoes
from mien.sensing.windows import Windows, windows_of

NEUTRAL_UNTIL_S = 0.15
"""Until when a take is taken as neutral if its facts do not say: the first three periods, before the onset."""


def _check_positive(**lengths: float) -> None:
    for name, value in lengths.items():
        if not value > 0:
            raise ValueError(f"{name} is {value!r}; a positive number is needed")


def _features(values: np.ndarray, axes: tuple[Axis, ...], front_end: Any, echoes: Echoes, windows: Windows) -> Features:
    start_s = np.maximum(echoes.period_start_s[windows.first], 0.0)
    return Features(values, axes, front_end, np.zeros(len(values), dtype=np.int64), start_s)


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
    transformed with a Hann window. Magnitudes are divided by their root mean square over the recording, so that
    neither the volume nor the distance of the phone sets their size. `neutral` clips are not used.

    Args:
        window_s, hop_s: windows of the features and from one to the next, rounded to whole periods; the paper's
            0.25 s (FacER section V).
        near_m, far_m: distances kept (FacER section IV-A-2).
        gate: False keeps all distances (an ablation; the direct path is removed all the same).
        fft_samples: length of the Hann window in samples at the probe's rate; 10 ms, bins of 100 Hz. The paper states
            no length.
        stft_hop_samples: from one column to the next; 12 columns per period of 50 ms.
        direct_path_m: from loudspeaker to microphone.
        temperature_c: of the air, unless the recording's facts hold `temperature_c`.
    """

    kind: ClassVar[str] = "spectrogram"

    window_s: float = 0.25
    hop_s: float = 0.125
    near_m: float = 0.25
    far_m: float = 0.50
    gate: bool = True
    fft_samples: int = 480
    stft_hop_samples: int = 200
    direct_path_m: float = 0.01
    temperature_c: float = 20.0

    def __post_init__(self) -> None:
        _check_positive(window_s=self.window_s, hop_s=self.hop_s)
        _check_positive(fft_samples=self.fft_samples, stft_hop_samples=self.stft_hop_samples)
        RangeGate(self.near_m, self.far_m, self.direct_path_m, self.temperature_c)

    def features(self, recording: Recording, neutral: Recording | None = None) -> Features:
        """Return (window microphone freq time) float32 magnitudes.

        Raises:
            ProbeNotFound, ProbeMismatch, ProbeError: as `synchronise`.
            RecordingError: shorter than one window.
        """
        gate = _gate(self, recording)
        echoes = find_echoes(recording, gate)
        grid = echoes.grid
        windows = windows_of(echoes.sync.n_periods, grid.chirp.period_s, self.window_s, self.hop_s)
        spectra = gate_echoes(echoes.cleaned, grid, gate) if self.gate else echoes.cleaned
        freq_hz, columns = self._columns(spectra, grid)
        columns /= max(float(np.sqrt(np.mean(columns**2))), np.finfo(float).tiny)
        per_period = grid.samples_per_period / self.stft_hop_samples
        n_columns = max(1, round(windows.n_periods * per_period))
        first = np.round(windows.first * per_period).astype(int)
        index = np.minimum(first[:, None] + np.arange(n_columns), columns.shape[-1] - 1)
        values = np.moveaxis(columns[..., index], 2, 0).astype(np.float32)
        time_s = (np.arange(n_columns) + 0.5) * self.stft_hop_samples / recording.rate_hz
        axes = (_microphones(recording), Axis("freq", "Hz", freq_hz), Axis("time", "s", time_s))
        return _features(values, axes, self, echoes, windows)

    def _columns(self, spectra: np.ndarray, grid: PeriodGrid) -> tuple[np.ndarray, np.ndarray]:
        """Return frequencies and (channel freq time) magnitudes of the whole take, columns centred in their hops."""
        freq_hz, kernel = _stft_kernel(grid, self.fft_samples)
        margin = len(kernel)
        joined = _joined(spectra, grid, margin)
        n_samples = spectra.shape[1] * grid.samples_per_period
        n_columns = max(1, round(n_samples / self.stft_hop_samples))
        center = (np.arange(n_columns) + 0.5) * self.stft_hop_samples / grid.decimation
        start = np.round(center - len(kernel) / 2).astype(int) + margin
        frames = joined[:, start[:, None] + np.arange(len(kernel))]
        return freq_hz, np.abs(np.moveaxis(frames @ kernel, -1, 1))


@dataclass(frozen=True, slots=True)
class RangeProfile:
    """Complex compressed echo by distance, one column per chirp: phase and all.

    An echo's phase turns by ``-4 pi d / wavelength`` when the face recedes by d (1 mm is 44 degrees at 21 kHz).
    Phases are relative to the direct path, so that loudspeaker, clock and trigger drop out.

    Args:
        window_s, hop_s: windows and from one to the next, rounded to whole periods.
        near_m, far_m: distances kept.
        cells_per_range_cell: how finely the range is sampled; a range cell is 4.3 cm for 4 kHz.
        neutral: "take" subtracts the mean profile before ``facts["neutral_until_s"]`` (0.15 s if absent), "clip" that
            of a recording of the person's neutral face; the difference is divided by the neutral's root mean square
            and its phase taken relative to the neutral's in every cell. "none" divides by the recording's own root
            mean square.
        taper: see `compression`.
        direct_path_m: from loudspeaker to microphone.
        temperature_c: of the air, unless the recording's facts hold `temperature_c`.
    """

    kind: ClassVar[str] = "range-profile"

    window_s: float = 1.0
    hop_s: float = 0.5
    near_m: float = 0.25
    far_m: float = 0.50
    cells_per_range_cell: int = 2
    neutral: Literal["none", "take", "clip"] = "none"
    taper: Taper = "matched"
    direct_path_m: float = 0.01
    temperature_c: float = 20.0

    def __post_init__(self) -> None:
        _check_positive(window_s=self.window_s, hop_s=self.hop_s, cells_per_range_cell=self.cells_per_range_cell)
        RangeGate(self.near_m, self.far_m, self.direct_path_m, self.temperature_c)
        if self.neutral not in ("none", "take", "clip"):
            raise ValueError(f"neutral is {self.neutral!r}; it must be 'none', 'take' or 'clip'")
        if self.taper not in ("matched", "flat", "hann"):
            raise ValueError(f"taper is {self.taper!r}; it must be 'matched', 'flat' or 'hann'")

    def features(self, recording: Recording, neutral: Recording | None = None) -> Features:
        """Return (window microphone range time) complex64 profiles.

        Args:
            neutral: a clip of the person's neutral face, used if the option `neutral` is "clip".

        Raises:
            ProbeNotFound, ProbeMismatch, ProbeError: as `synchronise`, also for the clip.
            RecordingError: shorter than one window, or a clip is needed and missing or has other channels.
        """
        profile, distance_m, echoes = self.profile(recording)
        chirp = echoes.grid.chirp
        windows = windows_of(profile.shape[1], chirp.period_s, self.window_s, self.hop_s)
        profile = self._referenced(profile, echoes, recording, neutral)
        index = windows.first[:, None] + np.arange(windows.n_periods)
        values = np.moveaxis(profile[:, index], (1, 3), (0, 2)).astype(np.complex64)
        time_s = np.arange(windows.n_periods) * chirp.period_s
        axes = (_microphones(recording), Axis("range", "m", distance_m), Axis("time", "s", time_s))
        return _features(values, axes, self, echoes, windows)

    def profile(self, recording: Recording) -> tuple[np.ndarray, np.ndarray, Echoes]:
        """Return (channel period range) profiles relative to the direct path, their distances and the echoes."""
        gate = _gate(self, recording)
        echoes = find_echoes(recording, gate)
        distance_m = gate.cells_m(echoes.grid, self.cells_per_range_cell)
        profile = compress(echoes.cleaned, echoes.grid, gate.delay_s(distance_m), self.taper)
        return profile / echoes.direct_amplitude, distance_m, echoes

    def _referenced(
        self, profile: np.ndarray, echoes: Echoes, recording: Recording, clip: Recording | None
    ) -> np.ndarray:
        tiny = np.finfo(float).tiny
        if self.neutral == "none":
            return profile / max(float(np.sqrt(np.mean(np.abs(profile) ** 2))), tiny)
        if self.neutral == "take":
            reference = profile[:, : neutral_periods(echoes, recording)].mean(axis=1, keepdims=True)
        else:
            reference = self._clip_reference(profile, clip)
        size = np.abs(reference)
        turn = np.where(size > 0, reference.conj() / np.maximum(size, tiny), 1)
        return (profile - reference) * turn / max(float(np.sqrt(np.mean(size**2))), tiny)

    def _clip_reference(self, profile: np.ndarray, clip: Recording | None) -> np.ndarray:
        if clip is None:
            raise RecordingError(
                "RangeProfile(neutral='clip') needs a recording of the person's neutral face and none was given; "
                "give features(recording, neutral=...) one or choose neutral='take'"
            )
        reference = self.profile(clip)[0].mean(axis=1, keepdims=True)
        if len(reference) != len(profile):
            raise RecordingError(
                f"the neutral clip has {len(reference)} channels, the recording {len(profile)}; record both alike"
            )
        return reference


def neutral_periods(echoes: Echoes, recording: Recording) -> int:
    """Return how many periods at a take's start show the neutral face, at least one.

    A period counts if the middle of its sweep lies before ``facts["neutral_until_s"]``.
    """
    until_s = recording.facts.get("neutral_until_s")
    until_s = NEUTRAL_UNTIL_S if until_s is None or not np.isfinite(float(until_s)) else float(until_s)
    middle_s = echoes.period_start_s + echoes.grid.chirp.sweep_s / 2
    return max(1, int(np.count_nonzero(middle_s < until_s)))


def _gate(front_end: Spectrogram | RangeProfile, recording: Recording) -> RangeGate:
    temperature_c = float(recording.facts.get("temperature_c", front_end.temperature_c))
    return RangeGate(front_end.near_m, front_end.far_m, front_end.direct_path_m, temperature_c)


def _microphones(recording: Recording) -> Axis:
    return Axis("microphone", "", np.arange(recording.n_channels))


_KINDS: dict[str, type] = {"spectrogram": Spectrogram, "range-profile": RangeProfile}


def front_end_to_json(front_end: FrontEnd) -> dict[str, Any]:
    """Return a front end as plain JSON values, as in `recognizer.json`.

    Example:
        >>> front_end_from_json(front_end_to_json(RangeProfile(neutral="take"))).neutral
        'take'
    """
    values = asdict(front_end)  # type: ignore[call-overload]
    return {"kind": front_end.kind} | {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def front_end_from_json(values: dict[str, Any]) -> FrontEnd:
    """Return the front end that `front_end_to_json` wrote.

    Raises:
        ModelError: an unknown kind, an unknown field, or a value that is refused.
    """
    if not isinstance(values, dict) or values.get("kind") not in _KINDS:
        kind = values.get("kind") if isinstance(values, dict) else values
        raise ModelError(f"front end {kind!r} is unknown; known are {', '.join(_KINDS)}")
    cls = _KINDS[values["kind"]]
    fields = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if name != "kind"}
    unknown = sorted(set(fields) - set(cls.__dataclass_fields__))
    if unknown:
        raise ModelError(
            f"a {values['kind']} front end has no option {', '.join(unknown)}; "
            f"it has {', '.join(cls.__dataclass_fields__)}"
        )
    try:
        return cls(**fields)
    except (TypeError, ValueError) as error:
        raise ModelError(f"a {values['kind']} front end cannot be made of {fields}: {error}") from None

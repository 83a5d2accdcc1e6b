"""Complex range profiles: the compressed echo by distance, one column per chirp."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mien.recording import Recording
from mien.sensing.echoes import Echoes, find_echoes
from mien.sensing.features import Axis, Features
from mien.sensing.neutral import NeutralProfile, against, mean_profile, references
from mien.sensing.range_gate import RangeGate, Taper, compress
from mien.sensing.windows import (
    check_positive,
    check_word,
    gate_of,
    level_of,
    microphones,
    window_features,
    windows_of,
)

MOST_CELLS = 64


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
            of a recording of the person's neutral face, "running" a baseline that follows what was heard before
            (`running_references`); the difference is divided by the neutral's root mean square in its microphone and
            its phase taken relative to the neutral's in every cell. "none" divides by the microphone's own root mean
            square over the recording.
        direct_path: "removed", or "kept" (an ablation; compression and neutral reference alone then hold it back).
        values: "complex", or "magnitude" (an ablation): the profile's, before the neutral's is subtracted.
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
    neutral: Literal["none", "take", "clip", "running"] = "none"
    direct_path: Literal["removed", "kept"] = "removed"
    values: Literal["complex", "magnitude"] = "complex"
    taper: Taper = "matched"
    direct_path_m: float = 0.01
    temperature_c: float = 20.0

    def __post_init__(self) -> None:
        check_positive(window_s=self.window_s, hop_s=self.hop_s, cells_per_range_cell=self.cells_per_range_cell)
        if self.cells_per_range_cell > MOST_CELLS:
            raise ValueError(f"cells_per_range_cell is {self.cells_per_range_cell}; at most {MOST_CELLS} are allowed")
        RangeGate(self.near_m, self.far_m, self.direct_path_m, self.temperature_c)
        check_word("neutral", self.neutral, ("none", "take", "clip", "running"))
        check_word("direct_path", self.direct_path, ("removed", "kept"))
        check_word("values", self.values, ("complex", "magnitude"))
        check_word("taper", self.taper, ("matched", "flat", "hann"))

    def features(self, recording: Recording, neutral: Recording | NeutralProfile | None = None) -> Features:
        """Return (window microphone range time) complex64 profiles or float32 magnitudes.

        Args:
            neutral: the person's neutral face, a clip or what `neutral_profile` made of some, used if the option
                `neutral` is "clip".

        Raises:
            ProbeNotFound, ProbeMismatch, ProbeError: as `synchronise`, also for the clip.
            RecordingError: shorter than one window, or a clip is needed and missing or has other channels.
        """
        profile, distance_m, echoes = self.profile(recording)
        chirp = echoes.grid.chirp
        windows = windows_of(
            profile.shape[1], chirp.period_s, self.window_s, self.hop_s, first_heard=echoes.sync.first_heard
        )
        kind = np.complex64 if self.values == "complex" else np.float32
        values = profile[:, windows.first[:, None] + np.arange(windows.n_periods)]
        if self.neutral == "none":
            values = values / level_of(profile)[..., None]
        else:
            known = self.neutral_profile([neutral]) if isinstance(neutral, Recording) else neutral
            values = against(values, references(self.neutral, profile, windows, echoes, recording, known))
        values = np.moveaxis(values, (1, 3), (0, 2)).astype(kind)
        time_s = np.arange(windows.n_periods) * chirp.period_s
        axes = (microphones(recording), Axis("range", "m", distance_m), Axis("time", "s", time_s))
        return window_features(values, axes, self, echoes, windows, gate_of(self, recording))

    def profile(self, recording: Recording) -> tuple[np.ndarray, np.ndarray, Echoes]:
        """Return (channel period range) profiles relative to the direct path, their distances and the echoes."""
        gate = gate_of(self, recording)
        echoes = find_echoes(recording, gate)
        distance_m = gate.cells_m(echoes.grid, self.cells_per_range_cell)
        spectra = echoes.cleaned if self.direct_path == "removed" else echoes.raw
        profile = compress(spectra, echoes.grid, gate.delay_s(distance_m), self.taper) / echoes.direct_amplitude
        return profile if self.values == "complex" else np.abs(profile), distance_m, echoes

    def neutral_profile(self, clips: Sequence[Recording]) -> NeutralProfile:
        """Return what clips of a person's neutral face are taken to be: their mean profile.

        Raises:
            ProbeNotFound, ProbeMismatch, ProbeError: as `synchronise`. RecordingError: no clip, or of other channels.
        """
        return mean_profile([self.profile(clip)[0] for clip in clips])

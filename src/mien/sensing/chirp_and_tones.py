"""Front end of the `sonicface` baseline: what changes in a chirp's range profile, and in tones emitted with it.

Y. Gao et al., SonicFace: tracking facial expressions using a commodity microphone array, Proc. ACM IMWUT 5(4), 2021.
We have its abstract, and FacER's words: it "uses both FMCW and pure tone signals to extract different features",
"calculates the frequency and phase shifts of pure tone signals", and tracks movement (sections II and VI-B).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import numpy as np

from mien.errors import ProbeMismatch
from mien.probe import Chirp, Composite, PureTones, describe
from mien.recording import Recording
from mien.sensing.echoes import Echoes
from mien.sensing.features import Axis, Features
from mien.sensing.neutral import NeutralProfile, against, mean_profile, references
from mien.sensing.range_gate import Taper
from mien.sensing.range_profile import RangeProfile
from mien.sensing.tone_envelopes import tone_envelopes
from mien.sensing.windows import check_word, gate_of, microphones, window_features, windows_of


@dataclass(frozen=True, slots=True)
class ChirpAndTones:
    """Changes of the range profile and of the tones' complex envelopes since the neutral face, one column per chirp.

    Both come from one recording of `sonicface_probe`, relative to their direct paths. A tone does not tell distances
    apart: what stands still, thousands of times stronger, goes with the neutral reference, and what is left turns by
    ``-4 pi d f / c`` when a reflector recedes by d, and shifts in frequency while it moves. Profile and tones are
    divided by the neutral face's root mean square, in its microphone, as the chirp hears it within the gate.

    Against a clip the tones' direct path must be that of the clip to a hundredth: it is as strong as thirty faces.

    Args:
        window_s, hop_s, near_m, far_m, cells_per_range_cell, taper, direct_path_m, temperature_c: as `RangeProfile`.
        neutral: "take", "clip" or "running", as `RangeProfile`.
    """

    kind: ClassVar[str] = "chirp-and-tones"

    window_s: float = 1.0
    hop_s: float = 0.5
    near_m: float = 0.25
    far_m: float = 0.50
    cells_per_range_cell: int = 2
    neutral: Literal["take", "clip", "running"] = "take"
    taper: Taper = "matched"
    direct_path_m: float = 0.01
    temperature_c: float = 20.0

    def __post_init__(self) -> None:
        check_word("neutral", self.neutral, ("take", "clip", "running"))
        self._ranging()

    def _ranging(self) -> RangeProfile:
        """Return the front end of the chirp's part, which checks the options."""
        return RangeProfile(**{field.name: getattr(self, field.name) for field in fields(self)})

    def features(self, recording: Recording, neutral: Recording | NeutralProfile | None = None) -> Features:
        """Return (window microphone band time) complex64: rows of `band` are range cells, then tones.

        Args:
            neutral: the person's neutral face, a clip or what `neutral_profile` made of some, used if the option
                `neutral` is "clip".

        Raises:
            ProbeMismatch: the recording was made with other than one chirp and pure tones.
            ProbeNotFound, ProbeError: as `synchronise`, and where a tone is not heard; also for the clip.
            RecordingError: shorter than one window, or a clip is needed and missing or has other channels.
        """
        rows, n_cells, echoes = self._rows(recording)
        period_s = echoes.grid.chirp.period_s
        windows = windows_of(rows.shape[1], period_s, self.window_s, self.hop_s, first_heard=echoes.sync.first_heard)
        known = self.neutral_profile([neutral]) if isinstance(neutral, Recording) else neutral
        reference = references(self.neutral, rows, windows, echoes, recording, known)
        values = rows[:, windows.first[:, None] + np.arange(windows.n_periods)]
        values = _against(values, reference, n_cells, echoes.sync.channel)
        values = np.moveaxis(values, (1, 3), (0, 2)).astype(np.complex64)
        band, time_s = np.arange(rows.shape[-1]), np.arange(windows.n_periods) * period_s
        axes = (microphones(recording), Axis("band", "", band), Axis("time", "s", time_s))
        return window_features(values, axes, self, echoes, windows, gate_of(self, recording))

    def neutral_profile(self, clips: Sequence[Recording]) -> NeutralProfile:
        """Return what clips of a person's neutral face are taken to be: their mean rows.

        Raises:
            ProbeNotFound, ProbeMismatch, ProbeError: as `features`. RecordingError: no clip, or of other channels.
        """
        return mean_profile([self._rows(clip)[0] for clip in clips])

    def _rows(self, recording: Recording) -> tuple[np.ndarray, int, Echoes]:
        """Return (channel period row) range cells and tones relative to the direct path, how many cells, the echoes."""
        tones = tones_of(recording)
        profile, _, echoes = self._ranging().profile(recording)
        envelopes = tone_envelopes(recording, tones, echoes)
        return np.concatenate([profile, envelopes], axis=-1), profile.shape[-1], echoes


def _against(values: np.ndarray, reference: np.ndarray, n_cells: int, channel: int) -> np.ndarray:
    """Return (channel window time row) values less their (channel window row) neutral, by its level and phase.

    Cells as `neutral.against` has them. A tone is divided by what stands still of it in the channel that was
    synchronised to, its direct path for the most part, as the cells' is 1 already; then by the level of the cells.
    """
    cells = against(values[..., :n_cells], reference[..., :n_cells])
    still = reference[channel, :, n_cells:]
    level = np.sqrt(np.mean(np.abs(reference[..., :n_cells]) ** 2, axis=2))[..., None, None]
    tones = (values[..., n_cells:] - reference[:, :, None, n_cells:]) / still[:, None]
    return np.concatenate([cells, tones / np.maximum(level, np.finfo(float).tiny)], axis=-1)


def tones_of(recording: Recording) -> PureTones:
    """Return the tones that were emitted together with a chirp.

    Raises:
        ProbeMismatch: the probe is another, named.
    """
    probe = recording.probe
    parts = probe.parts if isinstance(probe, Composite) else ()
    tones = [part for part in parts if isinstance(part, PureTones)]
    if len(tones) != 1 or sum(isinstance(part, Chirp) for part in parts) != 1:
        found = "no known probe" if probe is None else describe(probe)
        raise ProbeMismatch(
            f"a chirp and pure tones at the same time are needed; the recording was made with {found}: "
            "record or simulate with sonicface_probe() (`mien simulate STUDY --tones`)"
        )
    return tones[0]

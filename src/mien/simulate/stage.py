"""What all takes of a simulated study share: face, level, grid, people, and the echo that levels are stated against."""

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from mien.probe import Chirp, Probe
from mien.simulate.face import FaceModel
from mien.simulate.faces import face_for
from mien.simulate.geometry import delays_between
from mien.simulate.levels import Level
from mien.simulate.mask import Mask, cut_mask
from mien.simulate.options import SimulationOptions
from mien.simulate.people import NOMINAL_DISTANCE_M, NOMINAL_DROP_M, Person, draw_sexes, make_person
from mien.simulate.phones import Phone, phone_named
from mien.simulate.render import harmonics, interpolation_matrix, parts_of
from mien.simulate.scatter import channel_frequencies, scatter_frames
from mien.simulate.scene import DIRECT_OVER_FACE_DB, MICROPHONES_M, SPEED_OF_SOUND_M_S, FaceEcho
from mien.simulate.variety import vary_face, vary_units

_PERSON, _SEXES, _VARIETY = 1, 3, 4

NOISE_CHIRP = Chirp()
"""What the levels' noise is stated for: the paper's chirp, 19 to 23 kHz every 50 ms at 48 kHz."""


@dataclass(frozen=True, eq=False)
class Stage:
    """What all takes of a study share. Built once per process by `stage_for`."""

    options: SimulationOptions
    face: FaceModel

    @cached_property
    def level(self) -> Level:
        return self.options.level_values

    @cached_property
    def frequencies_hz(self) -> np.ndarray:
        """Return (freq) the coarse grid of the face's channel."""
        return channel_frequencies(self.options.probe.band_hz)

    @cached_property
    def microphones_m(self) -> np.ndarray:
        return MICROPHONES_M[: self.options.n_microphones]

    @cached_property
    def mask(self) -> Mask:
        return cut_mask(self.face)

    @cached_property
    def hair(self) -> np.ndarray:
        """Return (facet) True for hair."""
        return np.array([name == "hair" for name in self.face.part_names])[self.face.part]

    @cached_property
    def pivot_m(self) -> np.ndarray:
        """Return (xyz) the point about which heads turn: midway between the ears."""
        return (
            self.face.neutral[self.face.landmarks["ear_left"]] + self.face.neutral[self.face.landmarks["ear_right"]]
        ) / 2

    @cached_property
    def echo(self) -> FaceEcho:
        """Return the echo that clutter and direct path are stated against: the mean face at rest, at the nominal
        position, in the probe's band."""
        return self._mean_echo(parts_of(self.options.probe)[0], self.frequencies_hz)

    @cached_property
    def noise_echo(self) -> FaceEcho:
        """Return the echo that noise is stated against: the same by the paper's chirp alone.

        The noise of a place is what it is, whatever is emitted: a probe that spends its peak on tones beside the chirp
        has less echo over the same noise. In version 1 it followed the probe's first part.
        """
        if self.level.version == 1:
            return self.echo
        return self._mean_echo(NOISE_CHIRP, channel_frequencies(NOISE_CHIRP.band_hz))

    def _mean_echo(self, probe: Probe, frequencies_hz: np.ndarray) -> FaceEcho:
        distance_m = 0.345 if self.level.own_position else NOMINAL_DISTANCE_M
        speaker = self.speaker_m(self.face.neutral, distance_m, NOMINAL_DROP_M, 0.0)
        channel = scatter_frames(
            self.face.neutral, self.face.triangles, self.face.reflectivity, speaker, speaker + MICROPHONES_M[0],
            frequencies_hz, speed_m_s=SPEED_OF_SOUND_M_S,
        )  # fmt: skip
        lines = harmonics(probe)
        shortest_s, longest_s = delays_between(self.face.neutral, speaker, MICROPHONES_M[:1])
        fine = interpolation_matrix(frequencies_hz, lines.frequencies_hz, shortest_s, longest_s) @ channel
        power = np.abs(lines.coefficients) ** 2
        delays_s = np.arange(shortest_s, longest_s, 0.1 / frequencies_hz[-1])
        compressed = np.exp(2j * np.pi * np.outer(delays_s, lines.frequencies_hz)) @ (power * fine)
        rms = float(np.sqrt(np.mean(np.abs(channel) ** 2)))
        return FaceEcho(rms, float(np.abs(compressed).max()), float(power.sum()))

    @property
    def part_amplitude(self) -> float:
        """Return the amplitude of each of the probe's parts, which sound together: their sum peaks at 1 at most.

        In version 1 each had the whole amplitude, which gave a chirp its tones for nothing.
        """
        return 1.0 if self.level.version == 1 else 1 / len(parts_of(self.options.probe))

    def face_facts(self) -> dict[str, object]:
        """Return what `study.json` says of the face model; the digest tells two models of one name apart."""
        face = self.face
        arrays = (face.neutral, face.identity_modes, face.unit_fields, face.reflectivity)
        # To 10 nanometres: what a machine rounds differently is not another face.
        content = b"".join(np.round(array * 1e8).astype(np.int64).tobytes() for array in arrays)
        return {
            "name": face.name,
            "n_facets": len(face.triangles),
            "n_modes": face.n_modes,
            "sha256": hashlib.sha256(content).hexdigest(),
        }

    @property
    def direct_rms(self) -> float:
        """Return the root mean square over the band of the direct path at the first microphone."""
        return self.echo.rms * 10 ** (DIRECT_OVER_FACE_DB / 20)

    @property
    def wavering(self) -> float:
        """Return the root mean square of the direct path's wavering part, relative to the direct path."""
        residual_db = self.level.direct_residual_db
        return 0.0 if residual_db is None else 10 ** ((residual_db - DIRECT_OVER_FACE_DB) / 20)

    def speaker_m(self, shape: np.ndarray, distance_m: float, drop_m: float, side_m: float) -> np.ndarray:
        """Return (xyz) where the loudspeaker is before a face at rest."""
        nose = shape[self.face.landmarks["nose_tip"]]
        return np.array([nose[0] + side_m, nose[1] - drop_m, shape[:, 2].max() + distance_m])

    def sex(self, subject_index: int) -> str | None:
        """Return a subject's sex where it is dealt out over the study, None where it is drawn with the subject.

        Drawn unless men and women are counted out, so that it does not depend on how many subjects there are.
        """
        if self.options.sex_counts is None and self.level.version > 1:
            return None
        rng = np.random.default_rng(np.random.SeedSequence((self.options.seed, _SEXES)))
        return draw_sexes(self.options.n_subjects, self.options.sex_counts, rng)[subject_index]

    def person(self, subject_index: int) -> Person:
        """Return a person of the study; the same in every process."""
        rng = np.random.default_rng(np.random.SeedSequence((self.options.seed, _PERSON, subject_index)))
        return make_person(
            f"{subject_index + 1:03d}",
            self.sex(subject_index),
            self.face,
            self.level,
            rng,
            clock_spread_ppm=self.options.clock_spread_ppm,
            identity_spread=self.options.identity_spread,
        )

    def face_of(self, subject_index: int) -> FaceModel:
        """Return the face model of a person: with skin that moves in their own way (version 2), and as varied as the
        options say."""
        options = self.options
        if self.level.version == 1 and options.shape_noise_mm == 0.0 and options.field_noise == 0.0:
            return self.face
        return _varied(self, subject_index)

    def shape_of(self, subject_index: int) -> np.ndarray:
        """Return (point xyz) a person's face at rest; remembered, since all takes of a person begin with it."""
        return _shape(self, subject_index)

    def phone_of(self, person: Person) -> Phone:
        return phone_named(self.options.device or person.phone)


@lru_cache(maxsize=2)
def stage_for(options: SimulationOptions) -> Stage:
    """Return the stage of a study, made once per process.

    Raises:
        MienError: the folder that was named holds no face model.
    """
    return Stage(options, face_for(options))


@lru_cache(maxsize=2)
def _shape(stage: Stage, subject_index: int) -> np.ndarray:
    shape = stage.face_of(subject_index).shape(stage.person(subject_index).identity)
    shape.setflags(write=False)
    return shape


@lru_cache(maxsize=2)
def _varied(stage: Stage, subject_index: int) -> FaceModel:
    options = stage.options
    seeds = np.random.SeedSequence((options.seed, _VARIETY, subject_index))
    face = stage.face
    if stage.level.version > 1:
        face = vary_units(face, np.random.default_rng(seeds.spawn(1)[0]))
    if options.shape_noise_mm == 0.0 and options.field_noise == 0.0:
        return face
    rng = np.random.default_rng(seeds)
    return vary_face(face, rng, shape_noise_m=1e-3 * options.shape_noise_mm, field_noise=options.field_noise)

"""One take: who does what before the phone, the channel that follows from it, and the sound that is recorded."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mien.errors import StudyError
from mien.labels import action_unit_column
from mien.probe import PureTones
from mien.simulate.face import FaceModel
from mien.simulate.geometry import delays_between, place_head
from mien.simulate.options import PlannedTake
from mien.simulate.people import Person
from mien.simulate.performance import Performance, Take, perform
from mien.simulate.render import (
    Clock,
    frame_period_s,
    harmonics,
    has_only_chirps,
    interpolation_matrix,
    parts_of,
    record,
    render_part,
)
from mien.simulate.scatter import scatter_frames
from mien.simulate.scene import (
    MICROPHONES_M,
    RESIDUAL_DELAY_S,
    SPEED_OF_SOUND_M_S,
    Reflectors,
    ambient_noise,
    body_highlights,
    breathing_motion,
    direct_path,
    direct_wavering,
    far_clutter,
    near_clutter,
    noise_deviation,
    place_named,
)
from mien.simulate.stage import NOISE_CHIRP, Stage

DIRECT_PEAK = 0.3
"""Amplitude of the direct path in the recording, relative to full scale, at an input gain of 0 dB."""

COMPRESSION_S = 0.05
"""Tones have no period to compress; their echo is compared with the noise over the paper's 50 ms."""

_TAKE = 2


@dataclass(frozen=True, slots=True, eq=False)
class PlayedTake:
    """A take as it happened, from which channel and sound follow.

    Args:
        person: who.
        plan: which take.
        performance: what the face and the hand did.
        speaker_m: (xyz) where the loudspeaker is, in the coordinates of the face.
        face_channel: (time channel freq) of face and mask on the coarse grid.
        delays_s: shortest and longest delay within `face_channel`.
        echoes: reflectors that move with (time xyz): near clutter and body.
        far: reflectors beyond the face's range, with their motion.
        wavering: (time 2) gains of the direct path's wavering part, relative to the direct path.
        start_s: the recording's first sample after the onset of the first chirp.
        rng: what is left to draw: the noise.
    """

    person: Person
    plan: PlannedTake
    performance: Performance
    speaker_m: np.ndarray
    face_channel: np.ndarray
    delays_s: tuple[float, float]
    echoes: tuple[tuple[Reflectors, np.ndarray], ...]
    far: tuple[Reflectors, np.ndarray]
    wavering: np.ndarray
    start_s: float
    rng: np.random.Generator


def play(
    stage: Stage,
    plan: PlannedTake,
    *,
    kept: tuple[np.ndarray, tuple[float, float]] | None = None,
    draw: int = 0,
) -> PlayedTake:
    """Let a person perform a planned take before the phone. Depends on the arguments alone.

    Args:
        kept: what `face_channel` returned for this take before, on the stage's grid: scattering is most of the work.
        draw: 0, or the number of another drawing of surroundings, direct path and noise about the same performance.

    Raises:
        StudyError: what was kept is too short for the probe.
    """
    options, level = stage.options, stage.level
    seeds = np.random.SeedSequence((options.seed, _TAKE, plan.subject_index, plan.take_index))
    rng = np.random.default_rng(seeds)
    person = stage.person(plan.subject_index)
    shape = stage.shape_of(plan.subject_index)
    place = person.placement
    speaker_m = stage.speaker_m(shape, place.distance_m, place.drop_m, place.side_m)

    frame_s = frame_period_s(options.probe)
    start_s = frame_s * rng.uniform()
    # The recording begins within the first period and ends within the last; tones need an instant beyond its end too.
    n_frames = math.ceil(options.duration_s / frame_s - 1e-9) + (1 if has_only_chirps(options.probe) else 2)
    if kept is not None:
        if len(kept[0]) < n_frames:
            raise StudyError(
                f"the channels kept have {len(kept[0])} instants a take, and this probe needs {n_frames}: keep the "
                "channels of a probe with tones, and hear them with any"
            )
        # What happened is drawn instant by instant, so that it is the same take with as many of them alone.
        n_frames = len(kept[0])
    time_s = np.arange(n_frames) * frame_s - start_s
    take = Take(plan.expression, options.duration_s, options.release, options.head, options.frozen_face)
    performance = perform(take, person, stage.face.unit_names, level, time_s, rng)
    if kept is None:
        face = stage.face_of(plan.subject_index)
        kept = face_channel(stage, face, person, shape, performance, speaker_m, plan.mask == "mask")
    channel, delays_s = kept
    if draw:
        others = (options.seed, _TAKE, plan.subject_index, plan.take_index, draw)
        rng = np.random.default_rng(np.random.SeedSequence(others))

    hand_m = performance.shift_m - performance.shift_m[0]
    chin = shape[stage.face.landmarks["chin"]] - speaker_m
    near, body, far = surroundings(stage, plan, chin, rng)
    breathing_m = hand_m + breathing_motion(time_s, person.breath_hz, rng)
    return PlayedTake(
        person=person,
        plan=plan,
        performance=performance,
        speaker_m=speaker_m,
        face_channel=channel,
        delays_s=delays_s,
        echoes=((near, hand_m), (body, breathing_m)),
        far=(far, hand_m),
        wavering=direct_wavering(time_s, stage.wavering, rng),
        start_s=start_s,
        rng=rng,
    )


def surroundings(
    stage: Stage, plan: PlannedTake, chin_m: np.ndarray, rng: np.random.Generator
) -> tuple[Reflectors, Reflectors, Reflectors]:
    """Return near clutter, body and far clutter of a take, at the level's strength.

    Near clutter and body hold half of the energy each; a gain for both then makes up for their interference.
    """
    place, grid_hz = place_named(plan.place), stage.frequencies_hz
    rms = stage.echo.rms * 10 ** (stage.level.clutter_db / 20)
    near = near_clutter(place, rng).scaled(rms / math.sqrt(2), grid_hz)
    body = body_highlights(chin_m).scaled(rms / math.sqrt(2), grid_hz)
    far = far_clutter(place, rng).scaled(rms * 10 ** (place.far_db / 20), grid_hz)
    amplitudes = near.joined(body).scaled(rms, grid_hz).amplitudes
    n_near = len(near.amplitudes)
    return Reflectors(near.positions_m, amplitudes[:n_near]), Reflectors(body.positions_m, amplitudes[n_near:]), far


def face_channel(
    stage: Stage,
    face: FaceModel,
    person: Person,
    shape: np.ndarray,
    performance: Performance,
    speaker_m: np.ndarray,
    masked: bool,
) -> tuple[np.ndarray, tuple[float, float]]:
    """Return (time channel freq) what face and mask scatter, and the delays between which all of it lies."""
    frames = face.pose_frames(shape, person.blended(performance.intensities))
    reflectivity = np.where(stage.hair, face.reflectivity * (person.hair_reflectivity / 0.35), face.reflectivity)
    towards = speaker_m - shape[face.landmarks["nose_tip"]]
    towards = towards / np.linalg.norm(towards)
    microphones = speaker_m + stage.microphones_m

    placed = place_head(frames, performance, stage.pivot_m, towards)

    def scattered(points: np.ndarray, triangles: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return scatter_frames(
            points, triangles, weights, speaker_m, microphones, stage.frequencies_hz, speed_m_s=SPEED_OF_SOUND_M_S
        )

    if masked:
        cloth = place_head(stage.mask.hang(shape, frames, person.mask), performance, stage.pivot_m, towards)
        channel = scattered(placed, face.triangles, stage.mask.face_reflectivity(reflectivity, person.mask))
        channel = channel + scattered(cloth, stage.mask.triangles, stage.mask.cloth_reflectivity(person.mask))
    else:
        channel = scattered(placed, face.triangles, reflectivity)
    some = placed[[0, len(placed) // 2, -1]].reshape(-1, 3)
    return channel, delays_between(some, speaker_m, stage.microphones_m)


def responses_at(stage: Stage, played: PlayedTake, frequencies_hz: np.ndarray, *, face: np.ndarray) -> np.ndarray:
    """Return (time channel freq) the whole channel at some frequencies, device included.

    Args:
        face: (time channel freq) the face's channel at these frequencies.
    """
    phone = stage.phone_of(played.person)
    total = face.copy()
    for reflectors, motion in (*played.echoes, played.far):
        total += reflectors.channel(frequencies_hz, stage.microphones_m, motion)
    direct = direct_path(phone, frequencies_hz, stage.microphones_m) * direct_gain(stage, played)
    later = np.exp(-2j * np.pi * frequencies_hz * RESIDUAL_DELAY_S)
    # (time 2) gains times (2 freq): the wavering part, at once and a little later.
    wavering = played.wavering @ np.stack([np.ones_like(later), later])
    total += (wavering + 1.0)[:, None, :] * direct
    return total * phone.response(frequencies_hz)


def direct_gain(stage: Stage, played: PlayedTake) -> float:
    """Return the factor that brings the direct path to its level."""
    direct = direct_path(stage.phone_of(played.person), stage.frequencies_hz, MICROPHONES_M[:1])
    return stage.direct_rms / float(np.sqrt(np.mean(np.abs(direct) ** 2)))


def noise_of(stage: Stage, played: PlayedTake) -> float:
    """Return the deviation per sample of the take's noise, before scaling to full scale.

    It is as strong as the level states it for the paper's chirp through this take's phone, at its rate of sampling: a
    recorder of another rate has the same density of noise in the band.
    """
    probe = stage.options.probe
    if stage.level.version == 1:
        first = parts_of(probe)[0]
        period_s = COMPRESSION_S if isinstance(first, PureTones) else first.period_s
    else:
        first, period_s = NOISE_CHIRP, NOISE_CHIRP.period_s
    lines = harmonics(first)
    power = np.abs(lines.coefficients) ** 2
    phone = stage.phone_of(played.person)
    gain = float(np.sqrt(np.sum(power * np.abs(phone.response(lines.frequencies_hz)) ** 2) / power.sum()))
    return noise_deviation(stage.noise_echo, gain, stage.level.echo_to_noise_db, probe.rate_hz * period_s)


def sound_of(stage: Stage, played: PlayedTake) -> np.ndarray:
    """Return the recording of a take, float32 (channel time)."""
    probe, options = stage.options.probe, stage.options
    clock = Clock(probe.rate_hz, round(options.duration_s * probe.rate_hz), played.start_s, played.person.clock_ppm)
    onsets_s = played.performance.time_s + played.start_s
    parts = parts_of(probe)
    sound = np.zeros((len(stage.microphones_m), clock.n_samples))
    for part in parts:
        wanted_hz = harmonics(part).frequencies_hz
        face = played.face_channel @ interpolation_matrix(stage.frequencies_hz, wanted_hz, *played.delays_s).T
        heard = render_part(responses_at(stage, played, wanted_hz, face=face), part, onsets_s, clock)
        sound += stage.part_amplitude * heard
    sound += noise_at(stage, played, sound.shape)
    return record(sound * full_scale_gain(stage, played))


def noise_at(stage: Stage, played: PlayedTake, shape: tuple[int, int]) -> np.ndarray:
    """Return (channel time) the noise of a take's place; in version 2 it does not depend on what is emitted."""
    site, probe = place_named(played.plan.place), stage.options.probe
    deviation = noise_of(stage, played)
    if stage.level.version == 1:
        return ambient_noise(site, parts_of(probe)[0].band_hz, deviation, shape, probe.rate_hz, played.rng)
    lowest_hz = min(NOISE_CHIRP.low_hz, probe.band_hz[0])
    return ambient_noise(site, NOISE_CHIRP.band_hz, deviation, shape, probe.rate_hz, played.rng, lowest_hz=lowest_hz)


def full_scale_gain(stage: Stage, played: PlayedTake) -> float:
    """Return the gain that lets the direct path peak at `DIRECT_PEAK` behind the device's response, and the input's."""
    phone = stage.phone_of(played.person)
    direct = direct_path(phone, stage.frequencies_hz, MICROPHONES_M[:1]) * phone.response(stage.frequencies_hz)
    peak = direct_gain(stage, played) * float(np.abs(direct).max())
    loudest = peak * stage.part_amplitude * len(parts_of(stage.options.probe))
    return DIRECT_PEAK / loudest * 10 ** (stage.options.input_gain_db / 20)


def columns_of(stage: Stage, played: PlayedTake) -> dict[str, Any]:
    """Return the take's columns in the study's table beyond who, when and what."""
    place, performance = played.person.placement, played.performance
    units = {
        action_unit_column(number): round(intensity, 4)
        for number, intensity in sorted(performance.apex.items())
        if number != 43
    }
    return {
        "place": played.plan.place,
        "mask": played.plan.mask,
        "device": stage.phone_of(played.person).name,
        "distance_m": round(place.distance_m, 4),
        # Cut off, not rounded: the face is at rest until then.
        "neutral_until_s": math.floor(performance.neutral_until_s * 1e4) / 1e4,
        "n_blinks": performance.n_blinks,
        **units,
    }

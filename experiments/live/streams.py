"""Simulated streams: a person before the phone who rests, shows a look, rests again, with the truth of every moment."""

from dataclasses import dataclass, replace

import numpy as np

from mien.labels import EXPRESSIONS, NEUTRAL
from mien.recording import Recording
from mien.simulate.options import PlannedTake, SimulationOptions
from mien.simulate.people import Person
from mien.simulate.performance import LARGEST_INTENSITY, Performance, Take, perform, smooth_noise
from mien.simulate.render import frame_period_s
from mien.simulate.scene import breathing_motion, direct_wavering
from mien.simulate.stage import Stage, stage_for
from mien.simulate.take import PlayedTake, face_channel, sound_of, surroundings

FIRST_REST_S, LOOK_S, REST_S = 4.0, 2.5, 3.0
"""A look is formed within its first 0.5 s, held, and let go in its last 0.5 s."""

SLOW_S = 8.0
"""How slowly a posture wanders, where it does."""

_STREAM = 77


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """A stream and what was shown in it.

    Args:
        recording: the sound.
        looks: (expression, when it begins, when it has ended), in seconds.
    """

    recording: Recording
    looks: tuple[tuple[str, float, float], ...]

    def truth(self, from_s: float, until_s: float) -> str:
        """Return what is shown throughout an interval: neutral, an expression held, or "" where it changes."""
        for expression, begin_s, end_s in self.looks:
            if until_s > begin_s and from_s < end_s:
                return expression if from_s >= begin_s + 0.5 and until_s <= end_s - 0.5 else ""
        return NEUTRAL


def stream(options: SimulationOptions, subject_index: int, *, wander_m: float = 0.0, draw: int = 0) -> Stream:
    """Return a stream of one person: every expression once, in random order, rest between.

    Args:
        options: level, seed, probe. wander_m: standard deviation, per axis, of a slow wandering of the face before
            the phone, which the levels do not have.
        draw: another stream of the same person.
    """
    rng = np.random.default_rng(np.random.SeedSequence((options.seed, _STREAM, subject_index, draw)))
    order = [EXPRESSIONS[number] for number in rng.permutation(len(EXPRESSIONS))]
    begins_s = FIRST_REST_S + (LOOK_S + REST_S) * np.arange(len(order))
    duration_s = float(begins_s[-1] + LOOK_S + REST_S)
    stage = stage_for(replace(options, duration_s=duration_s))
    plan = PlannedTake(subject_index, 0, NEUTRAL, "open", options.places[subject_index % len(options.places)])
    frame_s = frame_period_s(options.probe)
    start_s = frame_s * rng.uniform()
    time_s = np.arange(int(np.ceil(duration_s / frame_s - 1e-9)) + 1) * frame_s - start_s
    person = stage.person(subject_index)
    looks = [(word, float(begin), float(begin) + LOOK_S) for word, begin in zip(order, begins_s, strict=True)]
    performance = _performance(stage, person, looks, time_s, rng, wander_m)
    sound = sound_of(stage, _played(stage, plan, person, performance, start_s, rng))
    return Stream(Recording(sound, options.probe.rate_hz, options.probe), tuple(looks))


def _performance(
    stage: Stage,
    person: Person,
    looks: list[tuple[str, float, float]],
    time_s: np.ndarray,
    rng: np.random.Generator,
    wander_m: float,
) -> Performance:
    """Return the face at rest with blinks, hand and all, and the looks laid over it."""
    units, level = stage.face.unit_names, stage.level
    base = perform(Take(NEUTRAL, float(time_s[-1])), person, units, level, time_s, rng)
    intensities, head_m, attitude_deg = base.intensities.copy(), base.head_m.copy(), base.attitude_deg.copy()
    eyelids = np.array([name.startswith("AU43") for name in units])
    for expression, begin_s, end_s in looks:
        look = perform(Take(expression, end_s - begin_s, release=True), person, units, level, time_s - begin_s, rng)
        intensities[:, ~eyelids] += look.intensities[:, ~eyelids]
        head_m += look.head_m
        attitude_deg += look.attitude_deg - look.attitude_deg[0]
    slow_m = np.stack([smooth_noise(time_s, SLOW_S, rng) for _ in range(3)], axis=1)
    return replace(
        base,
        intensities=np.clip(intensities, 0.0, LARGEST_INTENSITY),
        head_m=head_m,
        attitude_deg=attitude_deg,
        shift_m=base.shift_m + wander_m * (slow_m - slow_m[0]),
    )


def _played(
    stage: Stage, plan: PlannedTake, person: Person, performance: Performance, start_s: float, rng: np.random.Generator
) -> PlayedTake:
    """Return the stream as it happened before the phone, as `mien.simulate.take.play` does of a take."""
    shape, place = stage.shape_of(plan.subject_index), person.placement
    speaker_m = stage.speaker_m(shape, place.distance_m, place.drop_m, place.side_m)
    face = stage.face_of(plan.subject_index)
    channel, delays_s = face_channel(stage, face, person, shape, performance, speaker_m, False)
    hand_m = performance.shift_m - performance.shift_m[0]
    near, body, far = surroundings(stage, plan, shape[stage.face.landmarks["chin"]] - speaker_m, rng)
    breathing_m = hand_m + breathing_motion(performance.time_s, person.breath_hz, rng)
    return PlayedTake(
        person=person,
        plan=plan,
        performance=performance,
        speaker_m=speaker_m,
        face_channel=channel,
        delays_s=delays_s,
        echoes=((near, hand_m), (body, breathing_m)),
        far=(far, hand_m),
        wavering=direct_wavering(performance.time_s, stage.wavering, rng),
        start_s=start_s,
        rng=rng,
    )

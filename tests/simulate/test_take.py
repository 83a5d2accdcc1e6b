import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from standin import ball_stage

from mien.probe import Chirp, Composite, PureTones
from mien.simulate.levels import LEVELS
from mien.simulate.options import PlannedTake, plan_takes
from mien.simulate.render import harmonics
from mien.simulate.scene import SPEED_OF_SOUND_M_S
from mien.simulate.stage import Stage
from mien.simulate.take import (
    columns_of,
    face_channel,
    full_scale_gain,
    noise_at,
    noise_of,
    play,
    responses_at,
    sound_of,
)

SILENT = dataclasses.replace(LEVELS["easy"], echo_to_noise_db=200.0, clutter_db=-200.0)


class SilentStage(Stage):
    """A stage of level `easy` without noise and clutter."""

    level = SILENT


def silent_stage(**options):
    stage = ball_stage(level="easy", **options)
    return SilentStage(stage.options, stage.face)


def neutral_without_blinks(stage):
    """Return a neutral take during which nobody blinks."""
    for index in range(20):
        played = play(stage, PlannedTake(0, index, "neutral", "open", "office"))
        if played.performance.n_blinks == 0:
            return played
    raise AssertionError("20 takes with blinks")


def compressed(sound, start_s, chirp):
    """Return (period range) the envelope of each whole period after correlation with the chirp."""
    n = round(chirp.samples_per_period)
    first = round((chirp.period_s - start_s) * chirp.rate_hz)
    whole = (len(sound) - first) // n
    periods = sound[first : first + whole * n].reshape(whole, n).astype(float)
    spectrum = np.fft.rfft(periods) * np.fft.rfft(chirp.emit(n)).conj()
    return np.fft.ifft(np.concatenate([2 * spectrum, np.zeros((whole, 8 * n - spectrum.shape[1]))], axis=1)) * 8


def test_a_face_at_rest_gives_identical_chirps():
    played = neutral_without_blinks(stage := silent_stage())
    sound = sound_of(stage, played)[0]
    periods = sound[: 19 * 2400].reshape(19, 2400)
    # Nothing differs but the rounding of a converter of 24 bits, and breathing at -200 dB.
    assert np.abs(np.diff(periods, axis=0)).max() <= 2.0**-23


def test_until_the_onset_nothing_but_noise_changes():
    stage = silent_stage(n_takes=1)
    for plan in plan_takes(stage.options, 0):
        played = play(stage, plan)
        sound = sound_of(stage, played)[0]
        n_neutral = int(played.performance.neutral_until_s * 48_000)
        assert n_neutral >= 7200
        later = sound[2400:n_neutral] - sound[: n_neutral - 2400]
        assert np.abs(later).max() <= 2.0**-23
        assert np.abs(sound[24_000:26_400] - sound[:2400]).max() > 1e-4


def test_the_whole_channel_is_the_sum_of_its_parts():
    stage = ball_stage(level="wild", n_takes=1)
    played = play(stage, plan_takes(stage.options, 0)[2])
    lines = harmonics(stage.options.probe)
    nothing = np.zeros((len(played.face_channel), 1, len(lines.frequencies_hz)), complex)
    face = np.random.default_rng(0).normal(size=nothing.shape) + 0j
    scene = responses_at(stage, played, lines.frequencies_hz, face=nothing)
    phone = stage.phone_of(played.person).response(lines.frequencies_hz)
    both = responses_at(stage, played, lines.frequencies_hz, face=face)
    assert np.allclose(both - scene, face * phone)


def test_the_echo_comes_from_where_the_face_is():
    """The first echo lies between the nearest skin and a wavelength behind it; all within the face's depth."""
    stage = silent_stage()
    played = neutral_without_blinks(stage)
    sound = sound_of(stage, played)[0]
    empty = dataclasses.replace(played, face_channel=np.zeros_like(played.face_channel))
    echo = np.abs(compressed(sound - sound_of(stage, empty)[0], played.start_s, Chirp())[3])
    ranges_m = np.arange(len(echo)) / (8 * 48_000) * SPEED_OF_SOUND_M_S / 2
    shape = stage.face.shape(played.person.identity)
    nearest_m = np.linalg.norm(shape - played.speaker_m, axis=1).min()
    peak_m = ranges_m[np.argmax(echo)]
    assert nearest_m - 0.005 < peak_m < nearest_m + 0.05


@pytest.mark.parametrize(("level", "expected_db"), [("easy", 45), ("medium", 45), ("hard", 35), ("wild", 25)])
def test_the_mean_face_stands_above_the_noise_as_the_level_says(level, expected_db):
    """Echo and noise are measured in rendered sound, through the phone where the level has one."""
    stage = ball_stage(level=level, n_takes=1, places=("dining-hall",), device=None)
    ratios_db = []
    for subject in range(4):
        played = play(stage, PlannedTake(subject, 0, "neutral", "open", "dining-hall"))
        place = dataclasses.replace(played.person.placement, distance_m=0.345 if level in ("hard", "wild") else 0.30,
                                    drop_m=0.11, side_m=0.0, pitch_deg=0.0, turn_deg=0.0, roll_deg=0.0)  # fmt: skip
        person = dataclasses.replace(
            played.person, identity=np.zeros(stage.face.n_modes), placement=place, hair_reflectivity=0.35
        )
        still = dataclasses.replace(
            played.performance,
            intensities=np.zeros_like(played.performance.intensities),
            shift_m=np.zeros_like(played.performance.shift_m),
            attitude_deg=np.zeros_like(played.performance.attitude_deg),
        )
        speaker_m = stage.speaker_m(stage.face.neutral, place.distance_m, 0.11, 0.0)
        channel, delays_s = face_channel(stage, stage.face, person, stage.face.neutral, still, speaker_m, masked=False)
        played = dataclasses.replace(
            played, person=person, performance=still, face_channel=channel, delays_s=delays_s, speaker_m=speaker_m,
            echoes=(), wavering=np.zeros_like(played.wavering),
        )  # fmt: skip
        state = played.rng.bit_generator.state
        with_face = sound_of(stage, played)[0]
        played.rng.bit_generator.state = state
        without = sound_of(stage, dataclasses.replace(played, face_channel=np.zeros_like(channel)))[0]
        echo = np.abs(compressed(with_face - without, played.start_s, Chirp())).max(axis=1).mean()
        # Differences of periods hold noise alone, twice.
        noise = np.diff(compressed(without, played.start_s, Chirp()), axis=0)
        ratios_db.append(20 * np.log10(echo / np.sqrt(np.mean(np.abs(noise) ** 2) / 2)))
    # A phone that keeps only the lower half of the band broadens the peak, which lowers it by up to 2 dB.
    assert np.mean(ratios_db) == pytest.approx(expected_db, abs=0.4 if level in ("easy", "medium") else 2.5)


def test_the_direct_path_wavers_in_the_sound_as_the_level_says():
    """Over many takes: the part of each chirp that differs from the take's mean, against the mean face's echo."""

    class Wavering(Stage):
        level = dataclasses.replace(SILENT, direct_residual_db=-10.0)

    plain = ball_stage(level="easy", n_takes=1)
    stage = Wavering(plain.options, plain.face)
    energies = []
    for take in range(24):
        played = play(stage, PlannedTake(0, take, "neutral", "open", "office"))
        alone = dataclasses.replace(played, face_channel=np.zeros_like(played.face_channel))
        sound = (
            sound_of(stage, alone)[0]
            - sound_of(stage, dataclasses.replace(alone, wavering=np.zeros_like(played.wavering)))[0]
        )
        energies.append(np.mean(sound**2.0) / full_scale_gain(stage, played) ** 2)
    probe_energy = np.mean(Chirp().emit(48_000) ** 2)
    ratio_db = 10 * np.log10(np.mean(energies) / probe_energy / stage.echo.rms**2)
    assert ratio_db == pytest.approx(-10, abs=1.0)


def test_the_same_performance_is_heard_by_every_probe():
    chirp, tone = ball_stage(n_takes=1), ball_stage(n_takes=1, probe=PureTones((20_000.0,)))
    for plan in plan_takes(chirp.options, 0):
        heard, sounded = play(chirp, plan).performance, play(tone, plan).performance
        assert heard.apex == sounded.apex and heard.neutral_until_s == sounded.neutral_until_s


def test_an_approaching_head_raises_the_pitch_of_a_tone():
    tone = PureTones((20_000.0,))
    stage = silent_stage(probe=tone, duration_s=0.5)
    played = play(stage, PlannedTake(0, 0, "neutral", "open", "office"))
    time_s = played.performance.time_s
    moving = dataclasses.replace(
        played.performance, intensities=0 * played.performance.intensities, head_m=np.outer(0.05 * time_s, [0, 0, 1])
    )
    shape = stage.face.shape(played.person.identity)
    channel, delays_s = face_channel(stage, stage.face, played.person, shape, moving, played.speaker_m, masked=False)
    near = dataclasses.replace(played, face_channel=channel, delays_s=delays_s)
    phase_rad = np.unwrap(np.angle(channel[:, 0, 1]))
    assert np.polyfit(time_s, phase_rad, 1)[0] / (2 * np.pi) == pytest.approx(2 * 0.05 * 20_000 / 343, rel=0.1)
    sound = sound_of(stage, near)[0] - sound_of(stage, dataclasses.replace(near, face_channel=0 * channel))[0]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 480_000))
    assert np.argmax(spectrum) * 0.1 - 20_000 == pytest.approx(2 * 0.05 * 20_000 / 343, abs=0.8)


def test_the_direct_path_peaks_at_three_tenths_and_clips_where_asked():
    for device in ("reference", "galaxy-s5"):
        stage = ball_stage(n_takes=1, device=device)
        assert 0.25 < np.abs(sound_of(stage, play(stage, plan_takes(stage.options, 0)[0]))).max() < 0.36
    loud = ball_stage(n_takes=1, input_gain_db=20.0)
    assert np.abs(sound_of(loud, play(loud, plan_takes(loud.options, 0)[0]))).max() == 1


def test_takes_of_version_1_sound_as_they_did():
    """`version_1.json` was printed by the code that first simulated them."""
    for level, known in json.loads((Path(__file__).parent / "version_1.json").read_text()).items():
        stage = ball_stage(level=level, levels_version=1, n_takes=1, duration_s=0.4, seed=11, n_subjects=3)
        played = play(stage, plan_takes(stage.options, 1)[4])
        assert played.person.sex == known["sex"]
        assert columns_of(stage, played) == pytest.approx(known["columns"], abs=1e-4)
        assert sound_of(stage, played)[0][::600] == pytest.approx(known["samples"], rel=1e-4, abs=1e-6)


def test_tones_beside_a_chirp_cost_the_chirp_its_level():
    """The emitted peak is bounded for the sum and the place's noise is what it is: a chirp with tones beside it has
    half of the amplitude over the same noise."""
    levels = {}
    for name, probe in (("chirp", Chirp()), ("both", Composite((Chirp(), PureTones((16_000.0, 18_000.0)))))):
        stage = ball_stage(probe=probe, n_takes=1, level="hard", device="reference")
        played = play(stage, plan_takes(stage.options, 0)[0])
        sound = sound_of(stage, played)
        power = np.abs(np.fft.rfft(sound[0] / full_scale_gain(stage, played))) ** 2
        levels[name] = power[19_500:22_500].sum(), noise_of(stage, played)
        assert 0.2 < np.abs(sound).max() < 0.36
    assert levels["chirp"][0] / levels["both"][0] == pytest.approx(4, rel=0.05)
    assert levels["chirp"][1] == pytest.approx(levels["both"][1], rel=1e-6)


def test_noise_is_as_strong_whatever_is_emitted():
    deviations, densities = [], []
    for probe in (Chirp(), Chirp(low_hz=15_000), PureTones((17_000.0,)), Chirp(low_hz=15_000, high_hz=18_000)):
        stage = ball_stage(probe=probe, n_takes=1, device="reference")
        played = play(stage, plan_takes(stage.options, 0)[0])
        deviations.append(noise_of(stage, played))
        power = np.abs(np.fft.rfft(noise_at(stage, played, (1, 48_000)))) ** 2
        densities.append(power[0, 19_000:23_000].mean())
    assert deviations == pytest.approx([deviations[0]] * 4, rel=1e-9)
    assert densities == pytest.approx([densities[0]] * 4, rel=0.1)


def test_a_take_is_the_same_whenever_it_is_played():
    stage, again = (ball_stage(level="hard", n_takes=1, seed=5) for _ in range(2))
    plans = plan_takes(stage.options, 3)
    first = sound_of(stage, play(stage, plans[4]))
    play(again, plans[1])
    assert np.array_equal(first, sound_of(again, play(again, plans[4])))
    other = ball_stage(level="hard", n_takes=1, seed=6)
    assert not np.array_equal(first, sound_of(other, play(other, plans[4])))


def test_recordings_start_anywhere_within_a_period():
    stage = ball_stage(n_takes=2, duration_s=0.2)
    starts_s = [play(stage, plan).start_s for plan in plan_takes(stage.options, 0)]
    assert min(starts_s) < 0.0125 and max(starts_s) > 0.0375 and max(starts_s) < 0.05


def test_two_microphones_hear_two_channels():
    stage = ball_stage(n_takes=1, n_microphones=2)
    sound = sound_of(stage, play(stage, plan_takes(stage.options, 0)[0]))
    assert sound.shape == (2, 48_000) and sound.dtype == np.float32
    assert np.abs(sound[1]).max() < 0.2 * np.abs(sound[0]).max()
    one = ball_stage(n_takes=1)
    alone = play(one, plan_takes(one.options, 0)[0])
    pair = play(stage, plan_takes(stage.options, 0)[0])
    assert np.allclose(alone.face_channel[:, 0], pair.face_channel[:, 0], atol=1e-3 * np.abs(alone.face_channel).max())


def test_a_chirp_and_a_tone_are_heard_over_the_same_face():
    both = Composite((Chirp(low_hz=17_000, high_hz=20_000), PureTones((21_000.0,))))
    stage = ball_stage(probe=both, n_takes=1)
    sound = sound_of(stage, play(stage, plan_takes(stage.options, 0)[0]))[0]
    power = np.abs(np.fft.rfft(sound)) ** 2
    chirp, between, tone = power[17_000:20_000].sum(), power[20_400:20_700].sum(), power[20_990:21_011].sum()
    # Both at half amplitude; a tone sounds all the time and a chirp half of it.
    assert 10 * np.log10(tone / chirp) == pytest.approx(3.0, abs=1.5)
    assert between < 1e-3 * chirp
    assert 0.2 < np.abs(sound).max() < 0.36


def test_columns_say_who_did_what_where():
    stage = ball_stage(level="hard", n_takes=1)
    plan = plan_takes(stage.options, 0)[3]
    played = play(stage, plan)
    columns = columns_of(stage, played)
    assert columns["place"] == plan.place and columns["mask"] == "open" and columns["device"] == played.person.phone
    assert columns["neutral_until_s"] <= played.performance.neutral_until_s
    assert columns["AU12"] == pytest.approx(played.performance.apex[12], abs=1e-4) and columns["AU04"] == 0

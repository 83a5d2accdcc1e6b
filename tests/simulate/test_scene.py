import numpy as np
import pytest
from standin import ball_stage

from mien.errors import StudyError
from mien.simulate.geometry import rotations
from mien.simulate.options import plan_takes
from mien.simulate.phones import PHONES
from mien.simulate.scene import (
    DIRECT_OVER_FACE_DB,
    MICROPHONES_M,
    PLACES,
    SPEED_OF_SOUND_M_S,
    FaceEcho,
    Reflectors,
    ambient_noise,
    direct_path,
    direct_wavering,
    far_clutter,
    near_clutter,
    noise_deviation,
    place_named,
)
from mien.simulate.take import direct_gain, play

GRID_HZ = np.arange(18_750.0, 23_251.0, 250.0)


def rms_db(channel):
    return 10 * np.log10(np.mean(np.abs(channel) ** 2))


def test_a_reflector_echoes_after_there_and_back():
    point = Reflectors(np.array([[0.0, 0.0, 0.4]]), np.array([0.5]))
    delay_s = (0.4 + np.hypot(0.4, 0.01)) / SPEED_OF_SOUND_M_S
    expected = 0.5 * np.exp(-2j * np.pi * GRID_HZ * delay_s)
    assert np.allclose(point.channel(GRID_HZ, MICROPHONES_M[:1])[0, 0], expected)


def test_reflectors_superpose():
    positions, amplitudes = np.array([[0.1, 0, 0.4], [0, 0.2, 0.5], [-0.2, 0.1, 0.9]]), np.array([1.0, 0.5, -0.3])
    whole = Reflectors(positions, amplitudes).channel(GRID_HZ, MICROPHONES_M)
    parts = [Reflectors(positions[k : k + 1], amplitudes[k : k + 1]).channel(GRID_HZ, MICROPHONES_M) for k in range(3)]
    assert np.allclose(whole, sum(parts))


def test_a_moving_reflector_turns_its_phase_by_twice_its_way():
    point = Reflectors(np.array([[0.0, 0.0, 0.4]]), np.array([1.0]))
    motion_m = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -0.001]])
    still, nearer = point.channel(GRID_HZ, MICROPHONES_M[:1], motion_m)[:, 0]
    turned = np.angle(nearer[9] / still[9])
    assert turned == pytest.approx(2 * np.pi * 21_000 * 0.002 / SPEED_OF_SOUND_M_S, rel=0.002)


@pytest.mark.parametrize("moved_m", [0.0001, 0.001, 0.003])
def test_a_moving_reflector_is_as_exact_as_stated(moved_m):
    still = near_clutter(place_named("office"), np.random.default_rng(0))
    motion_m = np.array([[0.0, 0.0, moved_m]])
    moved = Reflectors(still.positions_m + motion_m, still.amplitudes).channel(GRID_HZ, MICROPHONES_M[:1])
    error_db = rms_db(still.channel(GRID_HZ, MICROPHONES_M[:1], motion_m) - moved)
    assert -26 < error_db - rms_db(moved - still.channel(GRID_HZ, MICROPHONES_M[:1])) < -20


@pytest.mark.parametrize("name", PLACES)
def test_near_clutter_lies_within_the_faces_range_and_far_clutter_beyond(name):
    rng = np.random.default_rng(0)
    for _ in range(20):
        near = near_clutter(place_named(name), rng).delays_s(MICROPHONES_M[:1]) * SPEED_OF_SOUND_M_S / 2
        far = far_clutter(place_named(name), rng).delays_s(MICROPHONES_M[:1]) * SPEED_OF_SOUND_M_S / 2
        assert 0.22 < near.min() and near.max() < 0.55
        assert 0.5 < far.min() and far.max() < 3.2


@pytest.mark.parametrize("level", ["easy", "medium", "hard", "wild"])
def test_clutter_and_direct_path_have_the_levels_ratio_to_the_face(level):
    stage = ball_stage(n_subjects=2, level=level, duration_s=0.2)
    face_db = 20 * np.log10(stage.echo.rms)
    for plan in plan_takes(stage.options, 1)[:6]:
        played = play(stage, plan)
        clutter = sum(r.channel(stage.frequencies_hz, stage.microphones_m) for r, _ in played.echoes)
        assert rms_db(clutter) - face_db == pytest.approx(stage.level.clutter_db, abs=1e-6)
        phone = stage.phone_of(played.person)
        direct = direct_path(phone, stage.frequencies_hz, stage.microphones_m) * direct_gain(stage, played)
        assert rms_db(direct) - face_db == pytest.approx(DIRECT_OVER_FACE_DB, abs=1e-6)
        assert played.wavering.any() == (stage.level.direct_residual_db is not None)


def test_the_direct_path_wavers_as_strongly_as_stated():
    rng = np.random.default_rng(1)
    time_s = np.arange(40) * 0.05
    gains = np.stack([direct_wavering(time_s, 0.01, rng) for _ in range(500)])
    assert np.sqrt(np.mean(np.sum(np.abs(gains) ** 2, axis=-1))) == pytest.approx(0.01, rel=0.05)
    assert not direct_wavering(time_s, 0.0, rng).any()


@pytest.mark.parametrize("name", PLACES)
def test_noise_has_its_deviation_in_the_band_and_the_places_slope(name):
    rng = np.random.default_rng(2)
    noise = ambient_noise(place_named(name), (19_000, 23_000), 0.01, (1, 480_000), 48_000, rng)[0]
    frequencies_hz = np.fft.rfftfreq(len(noise), 1 / 48_000)
    power = np.abs(np.fft.rfft(noise)) ** 2 / len(noise)

    def mean_db(low_hz, high_hz):
        return 10 * np.log10(power[(frequencies_hz >= low_hz) & (frequencies_hz < high_hz)].mean())

    assert mean_db(18_750, 23_250) == pytest.approx(-40, abs=0.1)
    slope = place_named(name).noise_slope_db_per_khz
    assert mean_db(22_500, 23_000) - mean_db(19_500, 20_000) == pytest.approx(3 * slope, abs=0.4)
    assert power[frequencies_hz < 14_900].max() < 1e-20


def test_noise_after_compression_is_as_far_below_the_echo_as_was_asked():
    """Measured by correlating simulated noise and a point's echo with the probe itself."""
    from mien.probe import Chirp
    from mien.simulate.render import harmonics

    chirp, rng = Chirp(), np.random.default_rng(3)
    power = np.abs(harmonics(chirp).coefficients) ** 2
    echo = FaceEcho(rms=0.2, peak=0.2 * power.sum(), probe_power=power.sum())
    deviation = noise_deviation(echo, 1.0, 35.0, 2400)
    noise = ambient_noise(place_named("dining-hall"), chirp.band_hz, deviation, (1, 2400 * 200), 48_000, rng)[0]
    reference = np.fft.rfft(chirp.emit(2400))
    compressed = np.fft.rfft(noise.reshape(200, 2400)) * reference.conj()
    # Twice the positive frequencies: the analytic signal's modulus is the envelope.
    envelope = np.fft.ifft(np.concatenate([2 * compressed, np.zeros((200, 1199))], axis=1))
    peak = 0.2 * np.sum(chirp.emit(2400) ** 2)
    ratio_db = 20 * np.log10(peak / np.sqrt(np.mean(np.abs(envelope) ** 2)))
    assert ratio_db == pytest.approx(35.0, abs=0.2)


def test_the_second_microphone_hears_less_of_the_direct_path():
    direct = direct_path(PHONES["reference"], GRID_HZ, MICROPHONES_M)
    assert rms_db(direct[0]) - rms_db(direct[1]) == pytest.approx(20 * np.log10(14), abs=1e-6)


def test_a_head_that_looks_up_left_or_tilts_moves_as_named():
    for angles, moved in (((1, 0, 0), (0, 1)), ((0, 1, 0), (0, 0))):
        nose = rotations(*(np.deg2rad([5.0 * angle]) for angle in angles))[0] @ [0, 0, 0.1]
        axis = 1 if moved[1] else 0
        assert nose[axis] == pytest.approx(0.1 * np.sin(np.deg2rad(5)))
    crown = rotations(np.zeros(1), np.zeros(1), np.deg2rad([5.0]))[0] @ [0, 0.1, 0]
    assert crown[0] == pytest.approx(0.1 * np.sin(np.deg2rad(5)))
    matrices = rotations(*np.random.default_rng(0).normal(size=(3, 10)))
    assert np.allclose(matrices @ matrices.transpose(0, 2, 1), np.eye(3))
    assert np.allclose(np.linalg.det(matrices), 1)


def test_an_unknown_place_is_refused():
    with pytest.raises(StudyError, match="place 'moon' is unknown; known are office, dining-hall, garden"):
        place_named("moon")

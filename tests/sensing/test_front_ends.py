"""One contract over every front end for chirps, then what each promises of its own."""

from dataclasses import replace

import numpy as np
import pytest
from closed_form import SPEED_M_S, decibels, noise, recording
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import ModelError, ProbeNotFound, RecordingError
from mien.probe import Chirp, Composite, PureTones
from mien.recording import Recording
from mien.sensing.echoes import find_echoes, gated_waveforms
from mien.sensing.features import join
from mien.sensing.front_ends import (
    Doppler,
    RangeProfile,
    Spectrogram,
    front_end_from_json,
    front_end_to_json,
    parse_front_end,
)
from mien.sensing.range_gate import RangeGate

FRONT_ENDS = [Spectrogram(), Spectrogram(gate=False), RangeProfile(), RangeProfile(neutral="take")]
MOVING = dict(moved_m=lambda time_s: 0.002 * np.sin(2 * np.pi * 2 * np.clip(time_s - 0.2, 0, None)))


def named(front_end):
    return f"{front_end.kind} {getattr(front_end, 'neutral', '')}{getattr(front_end, 'gate', '')}"


every = pytest.mark.parametrize("front_end", FRONT_ENDS, ids=named)


@every
@pytest.mark.parametrize("start", [0.0, 800.3, 1900.7, 2399.9])
def test_a_take_of_one_second_is_one_second_wherever_it_begins(front_end, start):
    found = front_end.features(recording(start=start, n_samples=48_000, noise=0.003, **MOVING))
    n_windows, n_columns = (1, 20) if front_end.kind == "range-profile" else (8, 60)
    assert found.values.shape[0] == n_windows
    assert found.values.shape[-1] == n_columns
    assert found.values.dtype == (np.complex64 if front_end.kind == "range-profile" else np.float32)
    assert np.isfinite(found.values).all()
    assert [axis.name for axis in found.axes] == [
        "microphone", "range" if front_end.kind == "range-profile" else "freq", "time"
    ]  # fmt: skip
    assert not found.row.any()
    assert 0 <= found.start_s[0] < 0.05
    assert found.front_end == front_end


def test_spectrograms_follow_each_other_by_two_periods():
    found = Spectrogram().features(recording(n_samples=48_000, noise=0.003))
    np.testing.assert_allclose(np.diff(found.start_s), Spectrogram().hop_s, atol=1e-4)


def test_spectrograms_from_later_on_are_the_later_ones_and_nothing_else():
    take = recording(n_samples=48_000, noise=0.003)
    whole, later = (Spectrogram(hop_s=0.05, from_s=from_s).features(take) for from_s in (0.0, 0.18))
    assert len(later.values) == len(whole.values) - 4 and later.start_s[0] == whole.start_s[4]
    np.testing.assert_array_equal(later.values, whole.values[4:])
    with pytest.raises(RecordingError, match="from 0.8 s on.*record at least 1.05 s or choose window_s=0.2"):
        Spectrogram(from_s=0.8).features(take)
    with pytest.raises(ValueError, match="from_s is -1"):
        Spectrogram(from_s=-1)


@every
def test_short_and_long_takes(front_end):
    quarter = replace(front_end, window_s=0.25)
    assert len(quarter.features(recording(n_samples=12_000, noise=0.003, **MOVING))) == 1
    long = replace(front_end, window_s=1.0, hop_s=0.5).features(recording(n_samples=240_000, noise=0.003, **MOVING))
    assert len(long) == 9
    np.testing.assert_allclose(np.diff(long.start_s), 0.5, atol=1e-4)
    with pytest.raises(RecordingError, match=r"holds 5 periods.*needs 20.*window_s=0.25"):
        replace(front_end, window_s=1.0).features(recording(n_samples=12_000))


@every
def test_volume_does_not_matter(front_end):
    loud = recording(noise=0.003, n_samples=48_000, **MOVING)
    quiet = Recording(loud.samples * np.float32(0.125), 48_000, loud.probe)
    np.testing.assert_allclose(front_end.features(quiet).values, front_end.features(loud).values, rtol=1e-4, atol=1e-5)


@every
@given(st.floats(0, 2399), st.floats(-250, 250))
@settings(max_examples=10, deadline=None)
def test_neither_trigger_nor_clock_matters(front_end, start, drift_ppm):
    truth = front_end.features(recording(n_samples=52_800, start=0.0, **MOVING)).values[0]
    other = front_end.features(recording(n_samples=52_800, start=start, drift_ppm=drift_ppm, **MOVING)).values
    # The column in which the movement begins moves with the start by at most one; compare what stands still alone.
    still = slice(0, 2) if front_end.kind == "range-profile" else slice(0, 36)
    error = np.linalg.norm(truth[..., still] - other[0][..., still])
    assert error < 0.08 * max(np.linalg.norm(truth[..., still]), np.sqrt(truth[..., still].size))


@every
def test_noise_alone_has_no_features(front_end):
    with pytest.raises(ProbeNotFound):
        front_end.features(noise())


@every
def test_two_microphones_are_each_heard(front_end):
    one, two = (recording(((d, 0.03),), noise=0.001, n_samples=48_000, **MOVING) for d in (0.31, 0.43))
    both = front_end.features(Recording(np.concatenate([one.samples, two.samples]), 48_000, one.probe))
    assert both.values.shape[1] == 2
    assert len(both.axis("microphone")) == 2
    assert np.abs(both.values[:, 0] - both.values[:, 1]).max() > 0.1
    levels = np.sqrt(np.mean(np.abs(both.values) ** 2, axis=(0, 2, 3)))
    assert 0.2 < levels[0] / levels[1] < 5


@every
def test_a_silent_second_microphone_stays_silent(front_end):
    one = recording(noise=0.001, n_samples=48_000, **MOVING)
    both = front_end.features(Recording(np.concatenate([one.samples, 0 * one.samples]), 48_000, one.probe)).values
    assert np.isfinite(both).all()
    assert not both[:, 1].any()


@every
def test_a_chirp_within_a_composite_is_sensed_as_alone(front_end):
    chirp = Chirp(20_000, 23_000)
    probe = Composite((chirp, PureTones((18_000.0,))))
    alone = front_end.features(recording(probe=chirp, n_samples=48_000, **MOVING)).values
    beside = front_end.features(recording(probe=probe, n_samples=48_000, **MOVING)).values
    size = np.linalg.norm(alone) / np.sqrt(alone.size)
    assert np.linalg.norm(alone - beside) / np.sqrt(alone.size) < 0.05 * size


@every
def test_options_survive_json_and_windows_join(front_end):
    assert front_end_from_json(front_end_to_json(front_end)) == front_end
    found = front_end.features(recording(n_samples=48_000, noise=0.003, **MOVING))
    assert len(join([found, found])) == 2 * len(found)
    channels = 2 if np.iscomplexobj(found.values) else 1
    assert found.images().shape == (len(found), channels, *found.values.shape[2:])


def test_the_spectrogram_shows_the_sweep_at_its_time_and_only_its_band():
    front_end = Spectrogram(window_s=0.05)
    found = front_end.features(recording(((0.35, 0.03),), n_samples=48_000))
    freq_hz, time_s = found.axis("freq").values, found.axis("time").values
    assert freq_hz[0] == 19_000 and freq_hz[-1] == 23_000 and len(freq_hz) == 41
    image = found.values[5, 0]
    chirp, delay_s = Chirp(), 2 * 0.35 / SPEED_M_S
    for column in range(2, 5):
        expected_hz = chirp.low_hz + chirp.slope_hz_per_s * (time_s[column] - delay_s)
        assert freq_hz[image[:, column].argmax()] == pytest.approx(expected_hz, abs=400)
    assert image[:, time_s > 0.036].max() < 0.02 * image.max()


def test_the_spectrogram_is_the_short_time_transform_of_the_gated_sound():
    take = recording(((0.31, 0.03), (0.44, 0.02)), n_samples=24_000)
    front_end = Spectrogram(window_s=0.5)
    found = front_end.features(take)
    sound = gated_waveforms(find_echoes(take), RangeGate())[0].reshape(-1)
    hann = np.sin(np.pi * (np.arange(480) + 0.5) / 480) ** 2
    padded = np.pad(sound, 480)
    starts = ((np.arange(120) + 0.5) * 200).astype(int) - 240 + 480
    frames = np.stack([padded[start : start + 480] for start in starts])
    slow = np.abs(np.fft.rfft(frames * hann, axis=1)).T[190:231]
    slow /= np.sqrt(np.mean(slow**2))
    assert found.values.shape[-1] == 120
    assert decibels(np.linalg.norm(found.values[0, 0] - slow) / np.linalg.norm(slow)) < -25


def test_the_gate_makes_the_spectrogram_deaf_to_the_room():
    face = ((0.35, 0.03),)
    room = ((0.35, 0.03), (1.2, 0.1), (2.0, 0.1))
    for gate, most in ((True, 0.12), (False, np.inf)):
        empty, full = (Spectrogram(gate=gate).features(recording(echoes)).values for echoes in (face, room))
        changed = np.linalg.norm(full - empty) / np.linalg.norm(empty)
        assert changed < most
    assert changed > 0.5


def test_a_profile_peaks_in_the_cell_of_its_echo():
    found = RangeProfile(cells_per_range_cell=4).features(recording(((0.39, 0.03),), n_samples=48_000))
    distance_m = found.axis("range").values
    assert (
        np.abs(distance_m[np.abs(found.values[0, 0]).argmax(axis=0)] - 0.39).max() <= np.diff(distance_m)[0] / 2 + 1e-3
    )
    assert distance_m[0] == 0.25 and distance_m[-1] <= 0.5
    assert np.diff(distance_m)[0] == pytest.approx(Chirp().range_cell_m(SPEED_M_S) / 4)


def test_a_face_that_stands_still_differs_in_nothing_from_its_neutral():
    still = RangeProfile(neutral="take").features(recording(n_samples=48_000)).values
    moved = RangeProfile(neutral="take").features(recording(n_samples=48_000, **MOVING)).values
    assert np.abs(still).max() < 0.02
    assert np.abs(moved).max() > 0.5


def test_a_small_movement_turns_the_difference_by_a_quarter_and_grows_it_by_the_angle():
    # exp(-j a) - 1 is nearly -j a: relative to the neutral the difference points straight down.
    step_m = 0.0002
    take = recording(((0.35, 0.03),), n_samples=48_000, start=0.0, moved_m=lambda time_s: step_m * (time_s > 0.5))
    found = RangeProfile(neutral="take", near_m=0.33, far_m=0.37, cells_per_range_cell=4).features(take).values[0, 0]
    late = found[2, 15]
    angle = 4 * np.pi * step_m * Chirp().center_hz / SPEED_M_S
    assert np.angle(late) == pytest.approx(-np.pi / 2, abs=0.15)
    assert abs(late) == pytest.approx(angle, rel=0.2)


def test_how_long_a_take_is_neutral_is_read_from_its_facts():
    def features(until_s):
        facts = {} if until_s is None else {"neutral_until_s": until_s}
        take = recording(n_samples=48_000, start=0.0, facts=facts, noise=0.001, **MOVING)
        return RangeProfile(neutral="take").features(take).values

    np.testing.assert_array_equal(features(None), features(0.15))
    np.testing.assert_array_equal(features(None), features(float("nan")))
    np.testing.assert_array_equal(features(None), features("n/a"))
    assert np.abs(features(None) - features(0.5)).max() > 0.05


def test_a_clip_of_another_time_serves_as_neutral():
    front_end = RangeProfile(neutral="clip")
    take = recording(n_samples=48_000, start=300.0, noise=0.001, **MOVING)
    clip = recording(n_samples=24_000, start=1700.7, drift_ppm=40, noise=0.001, seed=1)
    within = RangeProfile(neutral="take").features(take).values
    np.testing.assert_allclose(front_end.features(take, clip).values, within, atol=0.15)
    with pytest.raises(RecordingError, match="needs a recording of the person's neutral face"):
        front_end.features(take)
    stereo = Recording(np.concatenate([clip.samples, clip.samples]), 48_000, clip.probe)
    with pytest.raises(RecordingError, match="2 channels of 12 cells, the recording 1"):
        front_end.features(take, stereo)


def test_warm_air_moves_the_echo_as_sound_is_faster():
    near = RangeProfile(cells_per_range_cell=8, near_m=0.3, far_m=0.4)
    for temperature_c in (0.0, 20.0):
        found = near.features(recording(n_samples=48_000, facts={"temperature_c": temperature_c}))
        peak_m = found.axis("range").values[np.abs(found.values[0, 0, :, 3]).argmax()]
        expected_m = 0.35 * (331.3 / SPEED_M_S if temperature_c == 0 else 1)
        assert peak_m == pytest.approx(expected_m, abs=0.004)


def test_a_line_of_text_names_a_front_end():
    assert parse_front_end("spectrogram") == Spectrogram()
    assert parse_front_end("spectrogram:gate=false,window_s=0.5") == Spectrogram(gate=False, window_s=0.5)
    assert parse_front_end("range-profile: neutral=take, near_m=0.2") == RangeProfile(neutral="take", near_m=0.2)
    assert parse_front_end("doppler:window_s=null") == Doppler()


@pytest.mark.parametrize(
    "text,message",
    [
        ("spectogram", "'spectogram' is unknown; known are spectrogram, range-profile, doppler"),
        ("spectrogram:windows=3", "has no option windows; it has window_s"),
        ("spectrogram:window_s", "is no option=value"),
        ("spectrogram:window_s=long", "cannot be made of"),
        ("spectrogram:gate=maybe", "must be true or false"),
        ("range-profile:window_s=-1", "a positive number up to"),
        ("range-profile:near_m=0.6", "near_m must be below far_m"),
        ("range-profile:neutral=mine", "'none', 'take', 'clip' or 'running'"),
        ("range-profile:taper=box", "'matched', 'flat' or 'hann'"),
    ],
)
def test_a_wrong_line_says_what_is_right(text, message):
    with pytest.raises(ModelError, match=message):
        parse_front_end(text)


ABLATED = [
    Spectrogram(direct_path="kept"),
    Spectrogram(values="complex"),
    RangeProfile(neutral="take", direct_path="kept"),
    RangeProfile(neutral="take", values="magnitude"),
]
ablated = pytest.mark.parametrize(
    "front_end", ABLATED, ids=lambda each: f"{each.kind} {each.direct_path} {each.values}"
)


@ablated
def test_an_ablation_is_a_take_of_the_same_shape_and_survives_json(front_end):
    take = recording(n_samples=48_000, noise=0.003, **MOVING)
    plain = replace(front_end, direct_path="removed", values=type(front_end)().values)
    found, usual = front_end.features(take), plain.features(take)
    assert found.values.shape == usual.values.shape
    assert np.iscomplexobj(found.values) == (front_end.values == "complex")
    assert np.abs(found.values - usual.values).max() > 0.05
    assert front_end_from_json(front_end_to_json(front_end)) == front_end


@ablated
def test_volume_and_trigger_do_not_matter_to_an_ablation(front_end):
    one = front_end.features(recording(n_samples=52_800, start=0.0)).values[0]
    take = recording(n_samples=52_800, start=900.4)
    other = front_end.features(Recording(take.samples * np.float32(0.25), 48_000, take.probe)).values[0]
    inner = slice(2, -2) if front_end.kind == "range-profile" else slice(12, -12)
    size = max(np.sqrt(np.mean(np.abs(one) ** 2)), 1.0)
    assert np.abs(one[..., inner] - other[..., inner]).max() < 0.1 * size


def test_a_kept_direct_path_drowns_the_face_in_an_ungated_spectrogram():
    """It is 30 dB above the face: taken off, the face is what there is; kept, the face hardly changes anything."""
    with_face, without = (recording(echoes, n_samples=48_000) for echoes in (((0.35, 0.03),), ()))
    kept = Spectrogram(gate=False, direct_path="kept")
    one, other = (kept.features(take).values for take in (with_face, without))
    assert np.linalg.norm(one - other) < 0.05 * np.linalg.norm(other)
    direct = other[5, 0, :, :3].mean()  # a sweep that begins with the period, and is over at its half
    assert Spectrogram(gate=False).features(with_face).values[5, 0, :, :1].mean() < 0.5 * direct


def test_magnitudes_of_complex_spectrograms_are_the_spectrograms():
    take = recording(n_samples=48_000, noise=0.003, **MOVING)
    complex_values = Spectrogram(values="complex").features(take).values
    np.testing.assert_allclose(np.abs(complex_values), Spectrogram().features(take).values, rtol=1e-5)


def test_complex_spectrograms_repeat_with_the_period_and_turn_with_the_distance():
    """0.2 mm at 21 kHz are 9 degrees; at 19 kHz less, at 23 kHz more."""
    still, moved = (
        Spectrogram(values="complex").features(recording(((distance_m, 0.03),), n_samples=48_000, start=0.0)).values
        for distance_m in (0.35, 0.3502)
    )
    np.testing.assert_allclose(still[3, 0, :, 12:24], still[3, 0, :, 24:36], atol=0.02 * np.abs(still).max())
    strong = np.abs(still[3, 0]) > 0.3 * np.abs(still).max()
    turn_rad = np.angle((moved * still.conj())[3, 0])
    freq_hz = np.broadcast_to(np.linspace(19_000, 23_000, 41)[:, None], strong.shape)[strong]
    expected = -4 * np.pi * 0.0002 * freq_hz / SPEED_M_S
    np.testing.assert_allclose(turn_rad[strong], expected, atol=0.1)


def test_magnitude_profiles_do_not_hear_a_movement_within_the_cell_that_complex_ones_do():
    take = recording(((0.37, 0.03),), n_samples=48_000, start=0.0, moved_m=lambda time_s: 0.001 * (time_s > 0.5))
    near = dict(neutral="take", near_m=0.36, far_m=0.38, cells_per_range_cell=4)
    heard = {values: RangeProfile(values=values, **near).features(take).values for values in ("complex", "magnitude")}
    late = {values: np.abs(found[0, 0, :, 15]).max() for values, found in heard.items()}
    assert late["complex"] > 5 * late["magnitude"]


@pytest.mark.parametrize("kind", ["spectrogram", "range-profile"])
def test_ablations_that_are_none_are_refused(kind):
    with pytest.raises(ModelError, match="direct_path is 'gone'; it must be 'removed' or 'kept'"):
        parse_front_end(f"{kind}:direct_path=gone")
    with pytest.raises(ModelError, match="values is 'phase'; it must be"):
        parse_front_end(f"{kind}:values=phase")

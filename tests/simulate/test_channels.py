import json
from dataclasses import replace

import numpy as np
import pytest

from mien.errors import StudyError
from mien.probe import Chirp, sonicface_probe
from mien.simulate.channels import KeptChannels, keep_channels
from mien.simulate.options import SimulationOptions, plan_takes
from mien.simulate.stage import stage_for
from mien.simulate.take import play, sound_of

WIDE = SimulationOptions(
    n_subjects=2, n_takes=1, expressions=("fear",), duration_s=0.3, n_microphones=2, seed=3,
    n_neutral_takes=1, probe=Chirp(low_hz=15_000, high_hz=23_000),
)  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> KeptChannels:
    return keep_channels(tmp_path_factory.mktemp("channels"), WIDE, progress=False)


def played_sound(kept, options, draw=0):
    stage = kept.stage(options.probe, options.n_microphones)
    return sound_of(stage, kept.played(stage, plan_takes(options, 1)[1], draw=draw))


@pytest.mark.parametrize("n_microphones", [1, 2])
@pytest.mark.parametrize("probe", [WIDE.probe, Chirp()], ids=["wide", "paper"])
def test_kept_channels_sound_as_if_scattered_anew(kept, probe, n_microphones):
    options = replace(WIDE, probe=probe, n_microphones=n_microphones)
    stage = stage_for(options)
    anew = sound_of(stage, play(stage, plan_takes(options, 1)[1]))
    # -84 dB: what the interpolation over frequency makes of two grids.
    assert np.abs(played_sound(kept, options) - anew).max() < 6e-5 * np.abs(anew).max()


def test_tones_sound_as_if_scattered_anew_until_the_last_chirp(kept):
    options = replace(WIDE, probe=sonicface_probe())
    stage = stage_for(options)
    anew = play(stage, plan_takes(options, 1)[1])
    last = round((anew.performance.time_s[-2] + anew.start_s - 0.05) * 48_000)
    sound, heard = sound_of(stage, anew)[:, :last], played_sound(kept, options)[:, :last]
    assert np.abs(heard - sound).max() < 1e-3 * np.abs(sound).max()


def test_another_draw_changes_noise_and_surroundings_but_not_the_face(kept):
    stage, plan = kept.stage(), plan_takes(WIDE, 0)[1]
    first, other = kept.played(stage, plan), kept.played(stage, plan, draw=1)
    assert np.array_equal(first.face_channel, other.face_channel)
    assert np.array_equal(first.performance.intensities, other.performance.intensities)
    assert not np.array_equal(first.echoes[0][0].positions_m, other.echoes[0][0].positions_m)
    assert not np.array_equal(sound_of(stage, first), sound_of(stage, other))
    assert np.array_equal(played_sound(kept, WIDE, draw=1), played_sound(kept, WIDE, draw=1))


def test_only_what_is_missing_is_computed_again(tmp_path):
    keep_channels(tmp_path, WIDE, progress=False)
    first, second = sorted(tmp_path.glob("person-*.npz"))
    before, content = first.stat().st_mtime_ns, second.read_bytes()
    second.unlink()
    keep_channels(tmp_path, WIDE, progress=False)
    assert first.stat().st_mtime_ns == before
    with np.load(second) as again:
        second.write_bytes(content)
        with np.load(second) as once:
            assert np.array_equal(again["channels"], once["channels"])


def test_channels_of_another_simulation_are_refused(kept):
    with pytest.raises(StudyError, match="another simulation"):
        keep_channels(kept.folder, replace(WIDE, seed=4), progress=False)


def test_channels_of_version_1_stay_readable_and_are_named_so(tmp_path):
    first = replace(WIDE, levels_version=1)
    old = keep_channels(tmp_path, first, progress=False)
    assert json.loads((tmp_path / "channels.json").read_text())["version"] == 1
    stage = old.stage()
    heard = sound_of(stage, old.played(stage, plan_takes(first, 1)[1]))
    anew = sound_of(stage_for(first), play(stage_for(first), plan_takes(first, 1)[1]))
    assert np.abs(heard - anew).max() < 6e-5 * np.abs(anew).max()
    with pytest.raises(StudyError, match="holds channels of version 1 of the levels; version 2 was asked for"):
        keep_channels(tmp_path, WIDE, progress=False)


def test_what_was_not_kept_is_refused(kept):
    with pytest.raises(StudyError, match="14750 to 23250 Hz every 250 Hz; 13750 to 23250 Hz were asked for"):
        kept.stage(Chirp(low_hz=14_000, high_hz=23_000))
    narrow = KeptChannels(kept.folder, replace(WIDE, n_microphones=1))
    with pytest.raises(StudyError, match="holds 1 microphones; 2 were asked for"):
        narrow.stage(n_microphones=2)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY junk"])
def test_a_file_that_is_no_channels_is_named(tmp_path, content):
    kept = keep_channels(tmp_path, replace(WIDE, n_subjects=1), progress=False)
    (tmp_path / "person-00001.npz").write_bytes(content)
    with pytest.raises(StudyError, match="person-00001.npz holds no channels"):
        kept.played(kept.stage(), plan_takes(WIDE, 0)[0])


def test_channels_of_another_shape_are_named(tmp_path):
    kept = keep_channels(tmp_path, replace(WIDE, n_subjects=1), progress=False)
    np.savez(tmp_path / "person-00001.npz", channels=np.zeros((1, 2, 3, 4)), delays_s=np.zeros((1, 2)))
    with pytest.raises(StudyError, match=r"channels of shape \(1, 2, 3, 4\)"):
        kept.played(kept.stage(), plan_takes(WIDE, 0)[0])


def test_noise_is_heard_as_loud_as_asked_for(kept):
    plan = plan_takes(WIDE, 0)[0]
    quiet, noisy = (
        sound_of(stage, kept.played(stage, plan)) for stage in (kept.stage(), kept.stage(echo_to_noise_db=25.0))
    )
    silent = kept.stage(echo_to_noise_db=100.0)
    clean = sound_of(silent, kept.played(silent, plan))
    ratio = np.mean((noisy - clean) ** 2) / np.mean((quiet - clean) ** 2)
    assert abs(10 * np.log10(ratio) - 20) < 0.2  # medium has 45 dB

"""A cohort: the same takes for every ear, counted as its study counts them."""

import numpy as np
import pytest

from mien.errors import StudyError
from mien.probe import Chirp, sonicface_probe
from mien.reproduce.cohort import Ear, listen
from mien.reproduce.facer.plan import WIDEST
from mien.sensing.front_ends import ChirpAndTones, RangeProfile, Spectrogram
from mien.simulate.channels import keep_channels
from mien.simulate.options import SimulationOptions

ONE, TWO = Ear(Spectrogram()), Ear(RangeProfile(window_s=0.25), n_microphones=2)
WIDE = Ear(RangeProfile(window_s=0.25), Chirp(low_hz=15_000.0))
TONES = Ear(ChirpAndTones(window_s=0.25), sonicface_probe())


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    options = SimulationOptions(
        n_subjects=2,
        n_takes=1,
        duration_s=0.4,
        expressions=("fear", "happiness"),
        masks=("open", "mask"),
        n_neutral_takes=1,
        n_microphones=2,
        probe=WIDEST,
    )
    return keep_channels(tmp_path_factory.mktemp("kept") / "people", options, progress=False)


@pytest.fixture(scope="module")
def cohort(kept):
    return listen(kept, [ONE, TWO, WIDE, TONES, ONE], progress=False)


def test_channels_kept_once_serve_every_probe_and_microphone(cohort):
    assert len(cohort.study) == 2 * 2 * 3 and cohort.study.is_simulated
    assert set(cohort.heard) == {ONE, TWO, WIDE, TONES}
    for ear, features in cohort.heard.items():
        assert set(features.row) == set(range(12)), ear
    assert cohort.heard[ONE].values.shape[1] == 1 and cohort.heard[TWO].values.shape[1] == 2
    narrow = cohort.heard[TWO].values.shape[2]
    assert cohort.heard[WIDE].values.shape[2] == pytest.approx(2 * narrow, abs=1), "half the range cell"


def test_a_part_counts_its_own_takes(cohort):
    masked = (cohort.study.table["mask"] == "mask").to_numpy()
    part = cohort.part(masked)
    assert len(part.study) == 6 and set(part.study.table["mask"]) == {"mask"}
    for ear, features in part.heard.items():
        whole = cohort.heard[ear]
        assert set(features.row) == set(range(6))
        again = whole.of_rows(np.flatnonzero(masked)[[4]])
        assert np.array_equal(features.of_rows([4]).values, again.values)


def test_the_digest_is_that_of_the_takes(cohort, kept):
    again = listen(kept, [ONE], progress=False)
    assert again.study.digest == cohort.study.digest
    assert cohort.part(np.arange(12) < 6).study.digest != cohort.study.digest


def test_more_microphones_than_were_kept_are_refused(kept):
    with pytest.raises(StudyError, match="n_microphones is 3"):
        listen(kept, [Ear(Spectrogram(), n_microphones=3)], progress=False)

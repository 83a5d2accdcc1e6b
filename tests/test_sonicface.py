"""`sonicface` from probe to answer: its parts fit each other, and what it cannot hear is refused in words."""

import numpy as np
import pytest

from mien.datasets.simulated import simulate_study
from mien.datasets.study import load_study
from mien.errors import ProbeMismatch, StudyError
from mien.learning.methods import METHODS
from mien.probe import Chirp, sonicface_probe
from mien.recognizer import Recognizer
from mien.sensing.front_ends import ChirpAndTones, RangeProfile
from mien.simulate.options import SimulationOptions

QUICK = {"epochs": 2, "n_filters": 4}


def simulated(folder, probe, **changes):
    options = SimulationOptions(n_takes=1, level="easy", n_facets=6_000, probe=probe, **changes)
    return load_study(simulate_study(folder, options, progress=False))


@pytest.fixture(scope="module")
def toned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toned") / "study"
    return simulated(folder, sonicface_probe(), n_subjects=2, expressions=("anger", "surprise"))


@pytest.fixture(scope="module")
def fitted(toned):
    return Recognizer("sonicface", options=QUICK).fit(toned, progress=False)


def test_probe_front_end_and_network_agree_on_the_tones():
    method = METHODS["sonicface"]
    n_tones = len(method.probe.part("pure-tones").tones_hz)
    assert method.options.shape.n_tones == n_tones == 3
    assert method.probe == sonicface_probe() and method.probe.parts[0] == Chirp() == METHODS["mien"].probe
    assert Recognizer("sonicface").probe == method.probe
    # Rows of the window must keep their places: the last are tones.
    assert method.options.augmentation.shift_cells == 0


def test_a_toned_study_is_heard_learnt_saved_and_recognised(toned, fitted, tmp_path):
    again = Recognizer.load(fitted.save(tmp_path / "model"))
    heard = again.predict_proba(toned.recording(0))
    assert list(heard.filter(like="p_").columns) == ["p_anger", "p_surprise"] and len(heard) == 1
    np.testing.assert_array_equal(heard["confidence"], fitted.predict_proba(toned.recording(0))["confidence"])
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text()
    assert "chirp 19000-23000 Hz" in card and "tones 16000, 17000, 18000 Hz" in card
    assert "must begin with the neutral face" in card


def test_simulated_tones_move_with_the_face_as_its_profile_does(toned):
    """Tones and cells are at rest together, and move together: a second receiver of the same movement."""
    for row in range(2):
        found = ChirpAndTones().features(toned.take(row).recording()).values[0, 0]
        n_neutral = int(toned.table["neutral_until_s"].iloc[row] / 0.05)
        size = {
            name: np.sqrt((np.abs(part) ** 2).mean(axis=0))
            for name, part in (("cells", found[:-3]), ("tones", found[-3:]))
        }
        for course in size.values():
            assert course[: n_neutral - 1].max() < 0.3 * course.max()
        assert np.corrcoef(size["cells"], size["tones"])[0, 1] > 0.8


def test_the_chirp_beside_tones_serves_the_other_methods(toned):
    table = Recognizer("linear").fit(toned, progress=False).predict_proba(toned.recording(1))
    assert table["quality"].tolist() == ["ok"]


def test_a_study_of_a_chirp_alone_is_refused_with_what_is_needed(tmp_path, fitted):
    study = simulated(tmp_path / "study", Chirp(), n_subjects=1, expressions=("anger",))
    with pytest.raises(StudyError, match=r"made with chirp 19000-23000 Hz.*sonicface_probe\(\).*--tones"):
        Recognizer("sonicface", options=QUICK).fit(study, progress=False)
    with pytest.raises(ProbeMismatch, match="made with chirp.*expects chirp.*tones"):
        fitted.predict_proba(study.recording(0))
    # The method itself learns from anything that has rows; the default front end is what needs tones.
    assert Recognizer("sonicface", front_end=RangeProfile(), probe=Chirp()).front_end == RangeProfile()


def test_the_command_line_emits_tones_where_asked(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from mien import cli
    from mien.datasets import simulated as writer

    asked = []
    monkeypatch.setattr(writer, "simulate_study", lambda path, options, **named: asked.append(options.probe))
    monkeypatch.setattr("mien.cli.study.show_study", lambda *arguments: None)
    for words in ([], ["--tones"], ["--tones", "--band-hz", "20000", "23000"]):
        assert CliRunner().invoke(cli.app, ["simulate", str(tmp_path / "study"), *words]).exit_code == 0
    assert asked == [Chirp(), sonicface_probe(), sonicface_probe(Chirp(20_000.0, 23_000.0))]

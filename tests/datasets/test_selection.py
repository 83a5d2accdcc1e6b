"""Takes without a probe cost themselves alone: what the table marks is left out, with `--skip-bad` all that is bad."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from small_study import PROBE, echo

from mien import cli
from mien.datasets.extract import extract
from mien.datasets.selection import bad_takes, usable, without
from mien.datasets.study import load_study
from mien.datasets.writer import StudyWriter
from mien.errors import StudyError
from mien.recording import Recording
from mien.sensing.front_ends import Spectrogram

FRONT_END = Spectrogram(window_s=0.25)


def noise(seed: int) -> Recording:
    samples = 0.1 * np.random.default_rng(seed).standard_normal((1, 14_400))
    return Recording(samples.astype(np.float32), 48_000, PROBE)


@pytest.fixture
def holed(tmp_path):
    """Four subjects of four takes; of the first one's, two hold no probe, one of them marked, and one is gone."""
    with StudyWriter(tmp_path / "study", "holed", "collected", PROBE) as writer:
        for subject in ("001", "002", "003", "004"):
            for take, expression in enumerate(("anger", "fear", "anger", "fear")):
                sound = echo(int(subject) * 10 + take)
                if subject == "001" and take == 1:
                    sound = replace(noise(1), quality=("no-probe",))
                if subject == "001" and take == 2:
                    sound = noise(2)
                writer.add_take(sound, subject, "01", f"{take + 1:04d}", expression)
    (tmp_path / "study/sub-001/ses-01/sub-001_ses-01_take-0004_echo.flac").unlink()
    return tmp_path / "study"


def test_what_the_table_marks_is_left_out_and_named_and_what_remains_is_said(holed):
    study = load_study(holed)
    kept, said = usable(study)
    assert len(kept) == 15 and kept.digest != study.digest
    assert (
        said[0].startswith("left out: subject 001")
        and "take 0002" in said[0]
        and "takes.tsv marks it no-probe" in said[0]
    )
    assert said[-1] == "1 of 16 takes left out; 15 of 4 subjects remain"
    with pytest.raises(StudyError, match="take 0003.*no probe found.*--skip-bad"):
        extract(kept, FRONT_END, progress=False)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_skip_bad_leaves_out_all_that_is_bad_and_names_all_of_it(holed, n_jobs):
    study = load_study(holed)
    kept, said = usable(study, [FRONT_END], skip_bad=True, n_jobs=n_jobs)
    assert len(kept) == 13
    assert [line.split(":")[1].strip().split()[-1] for line in said[:3]] == ["0002", "0003", "0004"]
    assert "no probe found" in said[1] and "does not exist" in said[2]
    features = extract(kept, FRONT_END, progress=False)
    assert sorted(set(features.row.tolist())) == list(range(13))
    assert kept.take(1).name == study.take(4).name


def test_a_study_without_bad_takes_stays_as_it_is(study_path):
    study = load_study(study_path)
    assert usable(study, [FRONT_END], skip_bad=True) == (study, [])


def test_a_study_of_bad_takes_alone_is_refused(holed):
    study = load_study(holed)
    with pytest.raises(StudyError, match="none of the 16 takes.*mien check"):
        without(study, dict.fromkeys(range(16), "x"))


def test_a_take_too_short_for_a_front_end_is_bad_for_it(study_path):
    found = bad_takes(load_study(study_path), [FRONT_END, Spectrogram(window_s=1.0)], progress=False)
    assert set(found) == set(range(6)) and "periods" in found[0]


def test_evaluate_and_train_go_on_without_bad_takes(holed, monkeypatch, capfd):
    def mien(*words):
        monkeypatch.setattr(sys, "argv", ["mien", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return int(stop.value.code or 0), capfd.readouterr().err

    monkeypatch.chdir(holed.parent)
    asked = ["--front-end", "spectrogram:window_s=0.25", "--jobs", "1"]
    evaluate = ["evaluate", "linear", "study", "--folds", "4", "--adaptations", "none", *asked]
    code, err = mien(*evaluate, "--out", "results")
    assert code == 1 and "--skip-bad leaves such takes out" in err and "Traceback" not in err
    code, err = mien(*evaluate, "--out", "results", "--skip-bad")
    assert code == 0, err
    assert err.count("left out: subject 001") == 3 and "3 of 16 takes left out; 13 of 4 subjects remain" in err
    code, err = mien("train", "linear", "study", *asked, "--out", "model", "--skip-bad")
    assert code == 0 and "3 of 16 takes left out; 13 of 4 subjects remain" in err

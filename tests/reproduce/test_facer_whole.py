"""The whole reproduction on four people: every case, table and figure; stopped and gone on with; one page alone."""

import re

import pandas as pd
import pytest

from mien.errors import StudyError
from mien.reproduce.facer import reproduce_facer
from mien.reproduce.facer.plan import CASES, Scale
from mien.reproduce.facer.run import CASE_FOLDER
from mien.sensing.front_ends import Spectrogram

pytestmark = pytest.mark.slow
NETWORK = {"width": 1, "epochs": 1}
ADAPTING = {**NETWORK, "adaptation_epochs": 1, "bank_windows": 32}
TINY = Scale(
    "tiny",
    sex_counts=(2, 2),
    n_takes=3,
    seeds=(0,),
    spectrogram=Spectrogram(hop_s=0.7),
    options={
        "facer": {**ADAPTING, "classifier_hidden": (8,)},
        "resnet": NETWORK,
        "xhar": ADAPTING,
        "dann": ADAPTING,
        "sonicface": {"epochs": 1},
        "mien": {"epochs": 1},
    },
    n_folds={"2-people": 2, "1a-folds": 2},
    screened=(1, 1, 2),
    training_people=(),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return reproduce_facer(tmp_path_factory.mktemp("whole") / "out", TINY, n_jobs=2)


def test_every_case_and_method_is_scored(made):
    scores = made.tables["scores"]
    for case in CASES:
        here = scores[scores["case"] == case.name]
        wanted = set(TINY.methods) if case.methods is None else set(case.methods)
        assert set(here["method"]) == wanted
        adapting = set(here[here["method"] == "facer"]["adaptation"])
        assert adapting == set(TINY.adaptations(case))
    assert {"calibrated-1", "calibrated-2"} <= set(scores["adaptation"]) and "calibrated-0" not in scores["adaptation"]
    assert made.tables["ablations"]["as trained"].notna().all()


def test_the_page_stands_by_itself_and_every_figure_says_simulated(made):
    page = (made.out / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page) and "url(http" not in page
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert len(captions) >= 14
    assert all("Simulated people, level medium; seed 0." in caption for caption in captions)
    for figure in (2, 3, 6, 7, 8, 9, 10):
        assert any(f"Fig. {figure}" in caption for caption in captions), figure
    assert page.count("LEAKS ON PURPOSE") >= 1


def test_files_agree_with_what_is_returned(made):
    results = pd.read_csv(made.out / "results.csv", dtype={"case": str, "subject": str})
    assert len(results) == len(made.found.results) and {"case", "method", "subject"} <= set(results.columns)
    for name in ("predictions.csv", "summary.csv", "classes.csv", "timings.csv", "ablations.csv", "run.json"):
        assert (made.out / name).stat().st_size > 100
    assert {path.name for path in (made.out / "arrays").iterdir()} == {
        "cleaning.npz",
        "embedding.npz",
        "spectrograms.npz",
    }


def test_it_goes_on_where_it_stopped_to_the_same_figures(made):
    with pytest.raises(StudyError, match="--resume"):
        reproduce_facer(made.out, TINY)
    gone = made.out / CASE_FOLDER / "1c-0"
    for path in gone.iterdir():
        path.unlink()
    again = reproduce_facer(made.out, TINY, n_jobs=1, resume=True)
    pd.testing.assert_frame_equal(again.found.predictions, made.found.predictions)

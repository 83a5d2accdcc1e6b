"""Reading a study: any program's, as long as it keeps the contract; and nothing that leaves the folder."""

import csv
import json
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.datasets.study import load_study
from mien.datasets.tables import format_cell, is_quantity, problem_of_path
from mien.errors import MienError, ProbeError, ProbeMismatch, RecordingError, StudyError
from mien.probe import Chirp, PureTones

PROBE = Chirp()


@pytest.fixture
def foreign(tmp_path):
    """A study as another program would write it: no sidecars, no digests, WAV of 16 bit, CRLF, a byte order mark."""
    path = tmp_path / "foreign"
    (path / "sound").mkdir(parents=True)
    probe = {"kind": "chirp", "low_hz": 19000, "high_hz": 23000, "sweep_s": 0.025, "period_s": 0.05, "rate_hz": 48000}
    header = {"mien_study": 1, "name": "by hand", "origin": "collected", "probe": probe, "licence": "CC0"}
    (path / "study.json").write_text(json.dumps(header), encoding="utf-8-sig")
    rng = np.random.default_rng(0)
    with (path / "takes.tsv").open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.writer(stream, delimiter="\t")
        writer.writerow(["path", "take", "session", "subject", "expression", "AU04", "distance_m", "weather", "n_cups"])
        for number, (subject, expression) in enumerate([("007", "anger"), ("007", "bored"), ("01e5", "n/a")]):
            soundfile.write(path / "sound" / f"{number}.wav", 0.1 * rng.standard_normal((14_400, 2)), 48_000)
            writer.writerow([f"sound/{number}.wav", number, "01", subject, expression, "n/a", 0.3, "wet", "n/a"])
    (path / "participants.tsv").write_text("subject\tage\tweather\n007\t31\tdry\n")
    return path


def test_a_study_by_another_program_loads(foreign):
    study = load_study(foreign)
    assert (study.name, study.origin, study.is_simulated, len(study)) == ("by hand", "collected", False, 3)
    assert study.probe == PROBE
    assert list(study.table["subject"]) == ["007", "007", "01e5"]
    assert list(study.table["expression"]) == ["anger", "bored", "n/a"]
    recording = study.recording(1)
    assert recording.samples.shape == (2, 14_400)
    assert recording.facts["weather"] == "wet" and recording.facts["age"] == 31.0
    assert "AU04" not in recording.facts and "n_cups" not in recording.facts


def test_text_stays_text_and_quantities_are_floats(foreign):
    table = load_study(foreign).table
    for name in ("subject", "session", "take", "expression", "path", "weather"):
        assert all(isinstance(value, str) for value in table[name]), name
    for name in ("AU04", "distance_m", "n_cups", "age"):
        assert table[name].dtype == np.float64, name
    assert table["AU04"].isna().all() and np.isnan(table["age"].iloc[2])


def test_a_column_is_looked_up_in_the_takes_first(foreign):
    assert set(load_study(foreign).table["weather"]) == {"wet"}


def test_a_users_column_that_only_looks_like_a_quantity_stays_text(foreign):
    text = (
        (foreign / "takes.tsv").read_text(encoding="utf-8-sig").replace("n/a\r\n", "two\r\n").replace("n/a\n", "two\n")
    )
    (foreign / "takes.tsv").write_text(text)
    assert list(load_study(foreign).table["n_cups"]) == ["two"] * 3


def test_facts_of_a_recording_come_from_its_row(study_path):
    recording = load_study(study_path).recording(1)
    assert recording.facts["neutral_until_s"] == 0.15 and isinstance(recording.facts["neutral_until_s"], float)
    assert (recording.facts["subject"], recording.facts["expression"], recording.facts["AU12"]) == (
        "001",
        "happiness",
        1.0,
    )
    assert recording.probe == PROBE and recording.quality == ()


def test_quality_of_the_table_is_kept(study_path):
    takes = study_path / "takes.tsv"
    takes.write_text(takes.read_text().replace("\tok\t", "\tdrift;low-snr\t", 1))
    assert load_study(study_path).recording(0).quality == ("low-snr", "drift")


@pytest.mark.parametrize("row", [-1, 6, 10_000])
def test_a_row_that_is_not_there_is_refused(study_path, row):
    with pytest.raises(StudyError, match="has rows 0 to 5"):
        load_study(study_path).recording(row)


def test_the_digest_follows_content_and_not_form(study_path):
    first = load_study(study_path).digest
    takes = study_path / "takes.tsv"
    text = takes.read_text()
    takes.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    moved = shutil.move(study_path, study_path.with_name("moved"))
    assert load_study(moved).digest == first
    (moved / "takes.tsv").write_text(text.replace("anger", "fear", 1))
    assert load_study(moved).digest != first


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../a.flac", "a/../../b.flac", "..", "C:/a.flac", "a\\..\\b.flac", "", "n/a", "a\0b"]
)
def test_a_path_that_leaves_the_study_is_refused(study_path, path):
    takes = study_path / "takes.tsv"
    old = load_study(study_path).table["path"][0]
    takes.write_text(takes.read_text().replace(old, path))
    with pytest.raises(StudyError, match=r"leaves the study|path is '"):
        load_study(study_path)


def test_a_link_that_leads_out_of_the_study_is_refused(study_path, tmp_path):
    study = load_study(study_path)
    file = study_path / study.table["path"][0]
    shutil.move(file, tmp_path / "elsewhere.flac")
    file.symlink_to(tmp_path / "elsewhere.flac")
    with pytest.raises(StudyError, match="leaves the study through a link"):
        study.recording(0)
    file.unlink()
    file.symlink_to(file)
    with pytest.raises(MienError):
        study.recording(0)


def test_a_link_within_the_study_is_followed(study_path):
    study = load_study(study_path)
    file = study_path / study.table["path"][0]
    file.rename(study_path / "inside.flac")
    file.symlink_to(study_path / "inside.flac")
    assert study.recording(0).n_samples == 14_400


def test_a_recording_that_is_not_the_studys_is_refused(study_path):
    study = load_study(study_path)
    first, second = (study_path / study.table["path"][row] for row in (0, 1))
    first.write_bytes(second.read_bytes())
    with pytest.raises(RecordingError, match="was altered"):
        study.recording(0)
    first.unlink()
    with pytest.raises(RecordingError, match="does not exist"):
        study.recording(0)
    soundfile.write(second.with_suffix(".wav"), np.random.default_rng(0).standard_normal(44_100) / 10, 44_100)
    takes = study_path / "takes.tsv"
    takes.write_text(takes.read_text().replace(study.table["path"][1], study.table["path"][1].replace("flac", "wav")))
    second.with_suffix(".json").unlink()
    with pytest.raises(RecordingError, match="44100 Hz, so all above 22050 Hz is lost"):
        load_study(study_path).recording(1)


def test_a_take_of_another_probe_is_refused(study_path):
    sidecar = study_path / load_study(study_path).table["path"][0].replace(".flac", ".json")
    sidecar.write_text(sidecar.read_text().replace('"low_hz": 19000.0', '"low_hz": 18000.0'))
    with pytest.raises(ProbeMismatch, match="18000-23000 Hz.*19000-23000 Hz"):
        load_study(study_path).recording(0)


def test_media_elsewhere_are_found_where_the_user_says(foreign, tmp_path):
    header = json.loads((foreign / "study.json").read_text(encoding="utf-8-sig")) | {"media": "given"}
    (foreign / "study.json").write_text(json.dumps(header))
    shutil.move(foreign / "sound", tmp_path / "corpus" / "sound")
    study = load_study(foreign)
    with pytest.raises(StudyError, match="--media DIR"):
        study.recording(0)
    assert load_study(foreign, media=tmp_path / "corpus").recording(0).n_channels == 2
    with pytest.raises(StudyError, match="not a folder"):
        load_study(foreign, media=tmp_path / "nowhere")


def test_media_given_for_a_study_that_holds_them_are_refused(study_path, tmp_path):
    with pytest.raises(StudyError, match="holds its media itself"):
        load_study(study_path, media=tmp_path)


def edit(name, old, new):
    def change(path):
        text = (path / name).read_text()
        assert old in text
        (path / name).write_text(text.replace(old, new, 1))

    return change


BREAKS = {
    "no header": (lambda path: (path / "study.json").unlink(), "is not a study"),
    "no table": (lambda path: (path / "takes.tsv").unlink(), "cannot be read"),
    "empty table": (lambda path: (path / "takes.tsv").write_text(""), "has no header"),
    "no folder": (lambda path: shutil.rmtree(path), "does not exist"),
    "bad JSON": (edit("study.json", "{", "{,"), "is not JSON"),
    "newer": (edit("study.json", '"mien_study": 1', '"mien_study": 2'), "version 2"),
    "no version": (edit("study.json", '"mien_study": 1,', ""), "mien_study: Field required"),
    "origin": (edit("study.json", '"simulated"', '"dreamt"'), "origin"),
    "probe": (edit("study.json", '"chirp"', '"bell"'), "probe kind 'bell'"),
    "column": (edit("takes.tsv", "expression", "feeling"), "has no column expression"),
    "column twice": (edit("takes.tsv", "mask", "place"), "names column 'place' 2 times"),
    "cells": (edit("takes.tsv", "\topen\t", "\t"), "line 2 has 10 cells; its header has 11"),
    "mask": (edit("takes.tsv", "\topen\t", "\tveil\t"), "mask is 'veil'"),
    "quality": (edit("takes.tsv", "\tok\t", "\tfine\t"), "quality has 'fine'"),
    "number": (edit("takes.tsv", "\t0.15\t", "\tearly\t"), "neutral_until_s holds 'early'"),
    "infinite": (edit("takes.tsv", "\t0.15\t", "\tinf\t"), "neutral_until_s holds 'inf'"),
    "identifier": (edit("takes.tsv", "001\t01\t0001", "001\t\t0001"), "session is ''"),
    "twice": (edit("takes.tsv", "001\t01\t0002", "001\t01\t0001"), "duplicate take"),
    "person twice": (edit("participants.tsv", "002", "001"), "subject 001 has 2 rows"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_the_contract_is_named_on_one_line(study_path, name):
    change, message = BREAKS[name]
    change(study_path)
    with pytest.raises((StudyError, ProbeError), match=message) as caught:
        load_study(study_path)
    assert "\n" not in str(caught.value)


def test_a_line_that_a_crash_cut_short_is_left_out_and_said(study_path):
    takes = study_path / "takes.tsv"
    whole = takes.read_bytes()
    last = whole[whole.rstrip().rindex(b"\n") + 1 :]
    for n_bytes in range(1, len(last)):
        takes.write_bytes(whole[: len(whole) - len(last) + n_bytes])
        # All but the line feed: nothing is missing from such a line, and other programs may end like this.
        expected = 6 if n_bytes == len(last) - 1 else 5
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            study = load_study(study_path)
        assert len(study) == expected
        assert (len(said), len(study.notes)) == ((0, 0) if expected == 6 else (1, 1)), n_bytes


@settings(deadline=None)
@given(st.floats(allow_infinity=False) | st.integers(-(2**53), 2**53))
def test_a_quantity_keeps_every_digit(value):
    cell = format_cell("distance_m", value)
    assert cell == "n/a" if value != value else float(cell) == value


@pytest.mark.parametrize("value", ["a\tb", "a\nb", "", " ", float("inf"), True, [1], b"a"])
def test_a_cell_that_cannot_stand_in_a_table_is_refused(value):
    with pytest.raises(StudyError, match="column place"):
        format_cell("place", value)


@pytest.mark.parametrize("value", [None, float("nan"), np.float32("nan"), pd.NA])
def test_what_is_not_known_is_written_so(value):
    assert format_cell("AU04", value) == "n/a"


def test_numpy_numbers_are_numbers():
    assert (format_cell("a", np.float64(0.1)), format_cell("a", np.int32(3))) == ("0.1", "3")


def test_columns_of_the_contract_that_hold_quantities():
    assert all(map(is_quantity, ["AU01", "AU43", "AU12_L", "distance_m", "neutral_until_s"]))
    assert not any(map(is_quantity, ["subject", "take", "AUDIO", "AU", "start", "age"]))


@settings(deadline=None)
@given(st.text(min_size=1))
def test_a_path_that_is_allowed_stays_inside(tmp_path_factory, path):
    root = tmp_path_factory.getbasetemp()
    if problem_of_path(path) is None:
        assert (root / path).is_relative_to(root) and ".." not in (root / path).parts


def test_pure_tones_are_a_studys_probe_too(foreign):
    header = json.loads((foreign / "study.json").read_text(encoding="utf-8-sig"))
    header["probe"] = {"kind": "pure-tones", "tones_hz": [19000.0], "rate_hz": 48000}
    (foreign / "study.json").write_text(json.dumps(header))
    assert load_study(foreign).recording(0).probe == PureTones((19_000.0,))

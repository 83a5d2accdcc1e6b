"""One subject is one person under any spelling, in one study and on one side of a split."""

import shutil
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from small_study import PROBE, echo

from mien.datasets.check import check_study
from mien.datasets.extract import extract
from mien.datasets.study import load_study
from mien.datasets.writer import StudyWriter
from mien.errors import LeakError, SplitError, StudyError
from mien.evaluation.benchmark import evaluate
from mien.identifiers import normal
from mien.recognizer import Recognizer
from mien.sensing.front_ends import RangeProfile
from mien.splits import Split, check_split, make_splits

SPELLINGS = ["1", "01", "1.0", "1,0", "001 ", " 001", "'001", "\uff10\uff10\uff11", "0\u200b01", "\ufeff001", "\u0661"]
WORDS = ["\u00e9va", "e\u0301va", "\u00c9va", "\uff45\u0301va", "\u00e9va\u2060"]


def errors(path):
    return [fault.message for fault in check_study(path, progress=False) if fault.severity == "error"]


def respell(path, old, new, name="takes.tsv", n_rows=1):
    """Write a subject otherwise in the table's first rows that have it."""
    table = path / name
    table.write_text(table.read_text().replace(f"\n{old}\t", f"\n{new}\t", n_rows))


@pytest.mark.parametrize("word", SPELLINGS)
def test_two_spellings_of_one_subject_are_an_error_that_names_both(study_path, word):
    respell(study_path, "001", word)
    with pytest.raises(StudyError) as caught:
        load_study(study_path)
    assert repr("001") in str(caught.value) and repr(word) in str(caught.value)
    assert any(repr("001") in message and repr(word) in message for message in errors(study_path))


@pytest.mark.parametrize("word", SPELLINGS)
def test_another_spelling_does_not_put_one_person_into_training_and_test(word):
    table = pd.DataFrame({"subject": ["001", word, "002", "003"], "session": "1", "expression": list("abab")})
    table["take"] = list("1234")
    with pytest.raises(SplitError, match="are spellings of one subject") as caught:
        make_splits(table, "leave-out:subject", n_folds=2)
    assert "'001'" in str(caught.value) and repr(word) in str(caught.value)
    split = Split("mine", 0, ("subject",), np.array([0, 2, 3])[:2], np.array([], int), np.array([1, 3]))
    with pytest.raises(LeakError, match="subject '1' stands on both sides"):
        check_split(split, table.assign(expression=list("abba")))


def test_unicode_forms_of_one_name_are_one():
    assert {normal(word) for word in WORDS} == {"\u00e9va"}


def test_numbers_that_differ_stay_apart():
    words = ["1", "10", "100", "1.5", "1.05", "1-1", "1-11", "a1", "b1", "0", "01e5", "1e5x"]
    assert len({normal(word) for word in words}) == len(words)


@given(st.text())
def test_any_text_can_be_compared_and_comparing_again_changes_nothing(word):
    assert normal(normal(word)) == normal(word) or not normal(word).isascii() or set(word) & set("'\"=`")


def test_a_subject_spelled_otherwise_in_the_other_table_is_an_error(study_path):
    people = study_path / "participants.tsv"
    people.write_text(people.read_text().replace("\n001\t", "\n1\t"))
    with pytest.raises(StudyError, match="'001' and '1' are spellings of one subject"):
        load_study(study_path)
    assert any("'001' in takes.tsv line 2, '1' in participants.tsv line 2" in message for message in errors(study_path))


def test_identifiers_that_lost_their_zeros_are_an_error_though_consistent(study_path):
    for name in ("takes.tsv", "participants.tsv"):
        respell(study_path, "001", "1", name, 9)
        respell(study_path, "002", "2", name, 9)
    with pytest.raises(StudyError, match="stored as subject 001, session 01, take 0001; a spreadsheet takes zeros"):
        load_study(study_path)
    assert any("6 takes were stored with" in message for message in errors(study_path))


@pytest.mark.parametrize("word", ["NaN", "nan", "None", "null", "#N/A", "<NA>", "\u200b", " "])
def test_a_program_s_word_for_nothing_is_no_expression_and_nobody(study_path, word):
    before = (study_path / "takes.tsv").read_text()
    (study_path / "takes.tsv").write_text(before.replace("\tanger\t", f"\t{word}\t", 1))
    with pytest.raises(StudyError, match="expression is"):
        load_study(study_path)
    (study_path / "takes.tsv").write_text(before.replace("\n001\t", f"\n{word}\t", 1))
    with pytest.raises(StudyError, match="an identifier is needed"):
        load_study(study_path)


@pytest.mark.parametrize(
    ("said", "read"),
    [("Happy", "happiness"), ("happiness ", "happiness"), ("HAPPINESS", "happiness"), ("\uff48appy", "happiness")],
)
def test_another_spelling_of_an_expression_is_no_class_of_its_own(study_path, said, read):
    takes = study_path / "takes.tsv"
    takes.write_text(takes.read_text().replace("\thappiness\t", f"\t{said}\t", 1))
    with pytest.warns(UserWarning, match="in 1 take is counted as 'happiness'"):
        study = load_study(study_path)
    assert sorted(set(study.table["expression"])) == ["anger", "happiness", "neutral"]
    assert any("is counted as" in note for note in study.notes)
    found = check_study(study_path, progress=False)
    assert ["is counted as" in fault.message for fault in found] == [True]


def test_foreign_words_are_joined_to_their_usual_spelling(study_path):
    takes = study_path / "takes.tsv"
    text = takes.read_text().replace("\tanger\t", "\tbored\t").replace("\tneutral\t", "\tBored \t", 1)
    takes.write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = load_study(study_path)
    assert sorted(study.table["expression"].value_counts().items()) == [("bored", 3), ("happiness", 2), ("neutral", 1)]


def test_an_unlabelled_take_spelled_otherwise_stays_unlabelled(study_path):
    takes = study_path / "takes.tsv"
    takes.write_text(takes.read_text().replace("\tanger\t", "\tN/A\t", 1))
    with pytest.warns(UserWarning, match="is counted as 'n/a'"):
        assert load_study(study_path).table["expression"][0] == "n/a"


def shared(study_path, how):
    """Give the second subject a sound of the first."""
    takes = study_path / "takes.tsv"
    cells = [line.split("\t") for line in takes.read_text().splitlines()]
    path = cells[0].index("path")
    source, target = (study_path / cells[row][path] for row in (1, 4))
    shutil.copy(source, target)
    shutil.copy(source.with_suffix(".json"), target.with_suffix(".json"))
    cells[4][-1] = cells[1][-1]
    if how != "digest":
        cells[1][-1] = cells[4][-1] = "n/a"
    if how == "samples":
        target.unlink()
        target.with_suffix(".json").unlink()
        cells[4][path] = cells[4][path].replace(".flac", ".wav")
        samples, rate_hz = soundfile.read(source, dtype="int32")
        soundfile.write(study_path / cells[4][path], samples, rate_hz, subtype="PCM_24")
    takes.write_text("".join("\t".join(row) + "\n" for row in cells))


@pytest.mark.parametrize("how", ["digest", "file", "samples"])
def test_one_sound_under_two_subjects_is_refused_by_evaluate_and_train(study_path, how):
    shared(study_path, how)
    study, short = load_study(study_path), RangeProfile(window_s=0.3)
    said = "subject 001, session 01, take 0001 and subject 002, session 01, take 0001 are the same sound under two"
    with pytest.raises(StudyError, match=said):
        evaluate(study, ["linear"], "leave-out:subject", n_folds=2, front_ends={"linear": short}, progress=False)
    with pytest.raises(StudyError, match=said):
        Recognizer("linear", short).fit(study, progress=False)
    with pytest.raises(StudyError, match=said):
        extract(study, short, n_jobs=2, progress=False)
    warned = [fault.message for fault in check_study(study_path, progress=False) if "refuse it" in fault.message]
    assert (
        len(warned) == 1 and ("under another subject, 001: " if how == "digest" else "another subject's: ") in warned[0]
    )


def test_one_sound_twice_of_one_subject_does_not_stand_in_training_and_test(study_path):
    with StudyWriter(study_path, "small", "simulated", PROBE, {"level": "none"}, resume=True) as writer:
        for take in ("0007", "0008"):
            writer.add_take(echo(77), "001", "01", take, "anger")
    table = load_study(study_path).table
    rows = np.flatnonzero(table["take"].isin(["0007", "0008"]))
    split = Split("mine", 0, ("take",), np.array([0, 1, rows[0]]), np.array([], int), rows[1:])
    with pytest.raises(LeakError, match="sha256"):
        check_split(split, table)


def test_a_table_changed_in_memory_is_refused_by_evaluate_and_train_too(study_path):
    study = load_study(study_path)
    subjects = study.table["subject"].where(np.arange(6) != 0, "1")
    changed = replace(study, table=study.table.assign(subject=subjects))
    for attempt in (
        lambda: evaluate(changed, ["linear"], "leave-out:subject", n_folds=2, progress=False),
        lambda: Recognizer("linear").fit(changed, progress=False),
    ):
        with pytest.raises(StudyError, match="'1' and '001' are spellings of one subject"):
            attempt()

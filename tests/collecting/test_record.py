"""A session's file: what it says, who is unfinished, and bad files told from good ones."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plays import QUICK, recording

from mien.collecting.people import next_subject, unfinished
from mien.collecting.record import new_record, read_record, record_from_json, record_path, write_record
from mien.collecting.session import Collection
from mien.errors import MienError, StudyError

RECORD = new_record(QUICK, "001", "01", 3)
FIELDS = list(type(RECORD).model_fields)
WORDS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})


def test_what_is_written_is_read_again(tmp_path):
    path = record_path(tmp_path, "001", "01")
    write_record(path, RECORD)
    assert read_record(path, None, None) == (RECORD, QUICK)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"subject": "002"}, "speaks of subject 002"),
        ({"plan": []}, None),
        ({"plan": [{"number": 2, "expression": "anger", "mask": "open"}]}, "numbered from 1"),
        ({"mien_session": 2}, "mien_session"),
        ({"protocol": {"n_takes": -1}}, "n_takes"),
        ({"more": 1}, "more"),
    ],
)
def test_a_file_that_was_changed_is_refused(tmp_path, change, said):
    path = record_path(tmp_path, "001", "01")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(RECORD.model_dump(mode="json") | change))
    if said is None:
        read_record(path, None, None)
    else:
        with pytest.raises(StudyError, match=said):
            read_record(path, None, None)


@settings(max_examples=1000, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), WORDS, min_size=1, max_size=3))
def test_no_values_end_in_a_traceback(change):
    try:
        record_from_json(RECORD.model_dump(mode="json") | change, record_path(Path(), "001", "01"), None, None)
    except MienError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null", b"[" * 50_000])
def test_a_file_that_is_no_json_object_is_refused(tmp_path, content):
    path = record_path(tmp_path, "001", "01")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(StudyError, match="session.json"):
        read_record(path, None, None)


def test_the_next_person_and_who_is_unfinished(tmp_path):
    study = tmp_path / "study"
    assert (next_subject(study), unfinished(study)) == ("001", [])
    for subject, n_takes in (("001", 10), ("007", 2), ("guest", 0)):
        with Collection(study, QUICK, subject, now=lambda: "now") as collection:
            collection.accept_consent()
            for _ in range(n_takes):
                prompt = collection.next_prompt()
                collection.store(prompt, recording(seed=100 * n_takes + prompt.number))
    assert next_subject(study) == "008"
    assert unfinished(study) == [("007", "01"), ("guest", "01")]

"""A protocol from a file: what it may say, and how it is told where it is wrong."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.collecting.protocol import Protocol, protocol_from_json, read_protocol
from mien.errors import MienError, StudyError
from mien.labels import EXPRESSIONS


def test_the_default_is_facers():
    protocol = Protocol()
    assert (protocol.expressions, protocol.n_takes, protocol.duration_s) == (EXPRESSIONS, 10, 5.0)
    assert (protocol.masks, protocol.order, protocol.emitted.band_hz) == (("open", "mask"), "random", (19_000, 23_000))
    assert protocol.n_all_takes == 6 * 10 * 2 + 2


def test_json_and_toml_say_the_same(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"n_takes": 3, "places": ["office", "garden"], "level": 1}))
    (tmp_path / "a.toml").write_text('n_takes = 3\nplaces = ["office", "garden"]\nlevel = 1\n')
    assert read_protocol(tmp_path / "a.json") == read_protocol(tmp_path / "a.toml")
    assert read_protocol(tmp_path / "a.json").n_all_takes == (6 * 3 + 1) * 2 * 2


def test_what_is_written_is_read_again():
    protocol = Protocol(name="mine", masks=("open",), probe={"kind": "chirp", "low_hz": 17_000, "high_hz": 20_000})
    assert protocol_from_json(protocol.to_json(), "here") == protocol


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"n_takes": 0}, "n_takes: Input should be greater than or equal to 1; found '0'"),
        ({"n_takes": "ten"}, "n_takes: Input should be a valid integer; found 'ten'"),
        ({"n_takes": 2.5}, "n_takes"),
        ({"takes": 3}, "takes is no field of a protocol; fields are mien_protocol, name, expressions"),
        ({"duration_s": 1e9}, "duration_s: Input should be less than or equal to 60"),
        ({"duration_s": None}, "duration_s"),
        ({"neutral_s": 5.0}, "neutral_s: 5 s of neutral face leave nothing of duration_s 5"),
        ({"expressions": []}, "expressions"),
        ({"expressions": ["joy", "joy"]}, "expressions: 'joy' is named twice"),
        ({"expressions": ["a\tb"]}, "expressions.0: 'a\\tb' cannot stand in a table"),
        ({"expressions": ["joy"]}, "'joy' is another spelling of 'happiness'; ask for that alone"),
        ({"expressions": ["bored", "Bored"]}, "'Bored' is another spelling of 'bored'"),
        ({"expressions": ["NaN"]}, "expression is 'NaN', which no face shows"),
        ({"expressions": ["neutral"]}, "ask for it with n_neutral_takes"),
        ({"masks": ["scarf"]}, "masks: 'scarf' is unknown; known are open, mask"),
        ({"n_takes": 1000}, "n_takes: 12002 takes in all; at most 9999"),
        ({"probe": {"kind": "whistle"}}, "probe: probe kind 'whistle' is unknown"),
        ({"level": 2}, "level"),
        ({"mien_protocol": 2}, "mien_protocol"),
        ([1, 2], "a protocol: "),
        (None, "a protocol: "),
    ],
)
def test_a_wrong_field_is_named_on_one_line(tmp_path, values, said):
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(values))
    with pytest.raises(StudyError) as error:
        read_protocol(path)
    assert str(error.value).startswith(f"{path}: ") and said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.yaml", b"", "must end in .json or .toml"),
        ("a.json", b"{", "is not JSON"),
        ("a.toml", b"=", "is not TOML"),
        ("a.json", b"\xff\xfe", "is not UTF-8"),
        ("a.json", b"[" * 100_000, "a.json"),
        ("a.json", b" " * (2 << 20), "at most 1048576"),
        ("a.toml", b"n_takes = 1979-05-27", "n_takes"),
        ("a.json", b'{"level": NaN}', "NaN is not JSON"),
    ],
)
def test_a_file_that_is_no_protocol(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError, match=said):
        read_protocol(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match="cannot be read"):
        read_protocol(tmp_path / "none.json")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=1000, deadline=None)
@given(st.dictionaries(st.sampled_from(list(Protocol.model_fields)), ANYTHING, max_size=4) | ANYTHING)
def test_no_values_end_in_a_traceback(values):
    try:
        protocol_from_json(values, "here")
    except MienError as error:
        assert "\n" not in str(error)


def test_consent_says_what_is_stored():
    words = Protocol(consent="Shall we?").consent_words(keep_audible=True, camera="landmarks")
    assert words.startswith("Shall we? ") and "SPEECH IS STORED" in words and "no images" in words
    assert "speech above all, is removed" in Protocol().consent_words(keep_audible=False, camera="off")

import errno
import json
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import ModelError, StorageError
from mien.files import read_json, read_text, sha256, write_atomically, write_json, write_text
from mien.terminal import refuse_finished


def test_what_is_written_is_read_again(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"a": [1, 2.5, None], "b": "é"})
    assert read_json(tmp_path / "new" / "a.json", ModelError) == {"a": [1, 2.5, None], "b": "é"}


def test_the_digest_is_that_of_the_standard(tmp_path):
    write_text(tmp_path / "a", "abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no"), OSError(errno.ENOSPC, "full")])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail(temporary):
        temporary.write_text("half of the ne")
        raise error

    with pytest.raises((StorageError, KeyboardInterrupt, ValueError)):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EIO])
def test_a_disk_that_refuses_is_named_with_a_remedy(tmp_path, monkeypatch, number):
    def refuse(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=r"cannot write .*a\.txt: .*choose"):
        write_text(tmp_path / "a.txt", "text")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("below", ["a.txt", "deep/er/a.txt"])
def test_a_file_where_a_folder_should_be_is_named(tmp_path, below):
    write_text(tmp_path / "out", "a file")
    with pytest.raises(StorageError, match="a file stands where a folder should be; choose another folder"):
        write_text(tmp_path / "out" / below, "text")


def test_an_error_that_is_no_refusal_of_the_disk_is_not_disguised(tmp_path):
    def fail(temporary):
        raise FileNotFoundError("something else is missing")

    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "a", fail)


def test_not_a_number_is_not_written(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[1]", "holds a JSON list"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_a_file_that_is_no_json_object_is_refused(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_json(path, ModelError)


def test_a_byte_order_mark_is_tolerated(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": 1}).encode())
    assert read_json(tmp_path / "a.json", ModelError) == {"a": 1}


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ModelError, match=f"{path.name}.* cannot be read"):
            read_json(path, ModelError)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_text_or_a_stated_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "a"
    path.write_bytes(content)
    try:
        assert isinstance(read_text(path, ModelError), str)
    except ModelError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("takes.tsv", "subject\n", "is a study; choose another --out"),
        ("model.safetensors", "another library's", "holds a model.safetensors already; choose another --out"),
        ("MODEL_CARD.md", "mine", "holds a MODEL_CARD.md already"),
        ("report.html", "mine", "holds a report.html already"),
        ("run.json", '{"mine": 1}', "holds a run.json that is not mien's; choose another --out"),
        ("run.json", '{"command": "evaluate"}', "holds what `mien evaluate` wrote"),
    ],
)
def test_a_study_or_somebody_s_files_in_out_are_not_written_over(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(StorageError, match=re.escape(said)):
        refuse_finished(tmp_path, "recognizer.json", "a model", "train")
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == content

"""Calibrated models on disk."""

import pytest

from mien.errors import StorageError
from mien.serving.kept_calibrations import FOLDER, forget, keep


class Model:
    def save(self, folder):
        (folder / "weights.safetensors").write_bytes(b"half of ")
        raise StorageError("the disk is full")


def test_of_what_could_not_be_written_whole_nothing_is_left(tmp_path):
    memory = {}
    with pytest.raises(StorageError, match="full"):
        keep(Model(), tmp_path, memory)
    assert not list(tmp_path.iterdir()) and FOLDER not in memory


def test_what_somebody_else_has_deleted_is_forgotten(tmp_path):
    memory = {"calibrated": Model(), FOLDER: tmp_path / "person-001"}
    forget(memory)
    assert memory == {}

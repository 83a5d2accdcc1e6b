"""Calibrated models on disk."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from mien.errors import StorageError
from mien.serving.kept_calibrations import FOLDER, forget, keep


class Kept:
    def save(self, folder):
        (folder / "weights.safetensors").write_bytes(b"whole")


class TooLarge:
    def save(self, folder):
        (folder / "weights.safetensors").write_bytes(b"half of ")
        raise StorageError("the disk is full")


def test_of_what_could_not_be_written_whole_nothing_is_left(tmp_path):
    memory = {}
    with pytest.raises(StorageError, match="full"):
        keep(TooLarge(), tmp_path, memory)
    assert not list(tmp_path.iterdir()) and FOLDER not in memory


def test_what_somebody_else_has_deleted_is_forgotten(tmp_path):
    memory = {"calibrated": TooLarge(), FOLDER: tmp_path / "person-001"}
    forget(memory)
    assert memory == {}


def test_people_who_are_calibrated_at_once_get_a_folder_each(tmp_path):
    memories = [{} for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda memory: keep(Kept(), tmp_path / "kept", memory), memories))
    assert len({memory[FOLDER] for memory in memories}) == len(list((tmp_path / "kept").iterdir())) == 40

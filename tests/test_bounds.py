"""What is read has bounds on memory, time and terminal: each of these once had none."""

import gzip
import os
import subprocess
import sys
import unicodedata
import zipfile

import numpy as np
import pytest
import soundfile

import mien.sound_files
from hostile import guarded
from mien import array_files
from mien.array_files import read_arrays, write_arrays
from mien.datasets.check import check_path, check_study
from mien.datasets.study import load_study, read_participants
from mien.datasets.tables import MOST_COLUMNS, MOST_FAULTS, read_table
from mien.datasets.writer import StudyWriter
from mien.errors import MienError, ModelError, ProbeError, RecordingError, StorageError, StudyError
from mien.files import files_below, read_json, refuse_unwritable, write_text
from mien.probe import Chirp, PureTones, probe_from_json
from mien.recording import Recording, read_recording
from mien.simulate import makehuman_files
from mien.sound_files import MOST_SAMPLES

HOSTILE = "x\x1b[2J\x1b]0;y\x07\x9b31m\u202ez"


@pytest.fixture
def study(tmp_path):
    with StudyWriter(tmp_path / "study", "small", "collected", Chirp()) as writer:
        writer.add_participant("001")
        samples = 0.4 * Chirp().emit(14_400) + 1e-3 * np.random.default_rng(0).standard_normal(14_400)
        writer.add_take(
            Recording(samples[None].astype(np.float32), 48_000, Chirp()), "001", "01", "0001", "anger", place="office"
        )
    return tmp_path / "study"


def test_a_small_flac_that_unfolds_to_gigabytes_is_refused_by_its_header(tmp_path):
    path = tmp_path / "bomb.flac"
    with soundfile.SoundFile(path, "w", 48_000, 8, "PCM_16") as stream:
        for _ in range(MOST_SAMPLES // 8 // 500_000 + 1):
            stream.write(np.zeros((500_000, 8), np.int16))
    assert path.stat().st_size < MOST_SAMPLES / 50
    with guarded(), pytest.raises(RecordingError, match=f"at most .* and {MOST_SAMPLES} samples in all are read"):
        read_recording(path)
    with guarded():
        assert check_path(path)[0].severity == "error"


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_gigabyte_behind_a_sound_is_not_hashed(tmp_path, monkeypatch, ending):
    path = tmp_path / f"long.{ending}"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 24_000), 48_000, subtype="PCM_16")
    os.truncate(path, 1 << 30)
    monkeypatch.setattr(mien.sound_files, "sha256", lambda *_: pytest.fail("it was hashed"))
    with guarded(), pytest.raises(RecordingError, match="bytes beside the sound are read"):
        read_recording(path, digest="0" * 64)


def test_arrays_that_unpack_to_more_than_the_bound_are_refused(tmp_path, monkeypatch):
    write_arrays(tmp_path / "a.npz", {"values": np.zeros(1 << 18)})
    assert read_arrays(tmp_path / "a.npz", StudyError)["values"].shape == (1 << 18,)
    monkeypatch.setattr(array_files, "MOST_BYTES", 1 << 20)
    with pytest.raises(StudyError, match="unpacks to 1 arrays of 2097280 bytes"):
        read_arrays(tmp_path / "a.npz", StudyError)


def test_an_array_that_claims_a_terabyte_takes_no_memory(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("values.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(80))
    with guarded(), pytest.raises(StudyError, match="claims 8000000000000 bytes"):
        read_arrays(tmp_path / "a.npz", StudyError)


def test_a_compressed_target_that_unfolds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(makehuman_files, "LARGEST_TEXT_BYTES", 1 << 16)
    (tmp_path / "a.target.gz").write_bytes(gzip.compress(bytes(1 << 20)))
    with pytest.raises(MienError, match="is no target"):
        makehuman_files._read_target(tmp_path / "a.target", 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": ' + "[" * 500 + "]" * 500 + "}", "deeper within each other"),
        ('{"a": ' + "[" * 200_000, "deeper within each other"),
        ('{"a": 1, "a": 2}', "'a' is named twice"),
        ('{"a": 1e999}', "larger than any number"),
        ('{"a": ' + "9" * 5_000 + "}", "is not JSON"),
        (" " * (33 << 20), "at most 33554432 are read"),
    ],
)
def test_json_that_is_deep_ambiguous_or_beyond_all_numbers_is_refused(tmp_path, content, said):
    (tmp_path / "a.json").write_text(content)
    with guarded(), pytest.raises(ModelError, match=said):
        read_json(tmp_path / "a.json", ModelError)


def test_a_table_is_read_in_time_linear_in_its_subjects(study):
    """Each of 200,000 subjects was counted through all of them: twenty minutes, where the guard waits for two."""
    write_text(study / "participants.tsv", "subject\n" + "".join(f"s{number}\n" for number in range(200_000)))
    with guarded():
        assert len(read_participants(study).rows) == 200_000


def test_a_table_of_too_many_columns_or_cells_is_refused_before_it_is_taken_apart(tmp_path):
    path = tmp_path / "takes.tsv"
    for text in ("\t".join(map(str, range(200_000))), "subject\tb\n" + "\t\n" * 3_000_000):
        write_text(path, text)
        with guarded(), pytest.raises(StudyError, match=f"at most {MOST_COLUMNS} columns and"):
            read_table(path, ("subject",))


def test_a_table_of_wrong_lines_is_not_named_line_by_line_without_end(study):
    head, row = (study / "takes.tsv").read_text().splitlines()
    write_text(study / "takes.tsv", "\n".join([head, *[row.replace("office", "at home")] * 3_000]) + "\n")
    faults = check_study(study, progress=False)
    assert len(faults) < 2 * MOST_FAULTS + 10
    assert any(fault.message == f"{2_999 - MOST_FAULTS} more errors are not named" for fault in faults)


def test_links_that_lead_in_circles_are_not_followed(study):
    (study / "sub-001" / "again").symlink_to("..")
    (study / "loop.flac").symlink_to("loop.flac")
    assert len([path for path in files_below(study) if path.suffix == ".flac"]) == 2
    faults = check_study(study, progress=False)
    assert [fault.path for fault in faults if "does not list" in fault.message] == ["loop.flac"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "chirp", "period_s": 1e308}, "a positive number is needed"),
        ({"kind": "chirp", "period_s": 11.0}, "at most 10 s"),
        ({"kind": "chirp", "low_hz": 10**400}, "a positive number is needed"),
        ({"kind": "pure-tones", "tones_hz": [1.0 + k for k in range(1_000_000)]}, "at most 64"),
        ({"kind": "composite", "parts": [{"kind": "chirp"}] * 100_000}, "at most 8"),
        ({"kind": "chirp", **{f"field{k}": 1 for k in range(100_000)}}, "characters left out"),
    ],
)
def test_a_probe_beyond_all_bounds_is_refused_in_a_short_message(values, said):
    with guarded(), pytest.raises(ProbeError, match=said) as caught:
        probe_from_json(values)
    assert len(str(caught.value)) < 2_000
    assert PureTones(tuple(float(k) for k in range(1, 65))).band_hz == (1, 64)


@pytest.mark.parametrize("place", ["/proc/nothing", "/proc/self/nothing", "n" * 300, "file/below", "loop/below"])
def test_where_nothing_can_be_written_is_said_on_one_line(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for write in (refuse_unwritable, lambda path: write_text(path / "a.txt", "a")):
        with pytest.raises(StorageError, match="cannot write .*choose"):
            write(tmp_path / place)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "loop"}


def test_a_folder_that_can_be_made_is_not_left_behind(tmp_path):
    refuse_unwritable(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


def test_an_error_is_short_and_does_nothing_to_a_terminal():
    said = str(StudyError(HOSTILE * 100_000))
    assert len(said) < 2_000 and said.isprintable()


def test_names_and_cells_are_printed_escaped(study):
    """A file's name that clears the screen, a cell that sets the title: in results, errors, and errors of usage."""
    (study / f"{HOSTILE}.flac").write_bytes(b"fLaC")
    text = (study / "takes.tsv").read_text()
    write_text(study / "takes.tsv", text.replace("office", HOSTILE).replace("anger", HOSTILE))
    for words in (["check", "study"], ["recognize", "builtin", "study"], ["check", "a", HOSTILE], ["check", HOSTILE]):
        done = subprocess.run(
            [sys.executable, "-m", "mien", *words], cwd=study.parent, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        assert "Traceback" not in said and r"\x1b[2J" in said, said
        assert not [sign for sign in said if unicodedata.category(sign) in ("Cc", "Cf") and sign not in "\n\t"]


def test_a_study_with_hostile_cells_is_refused_or_loaded_but_never_hangs(study):
    write_text(study / "takes.tsv", (study / "takes.tsv").read_text().replace("office", HOSTILE))
    assert load_study(study).table["place"].tolist() == [HOSTILE]

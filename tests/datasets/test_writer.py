"""Writing a study: every take whole or absent, whatever happens and whenever."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_study import PROBE, echo

from mien.datasets.check import check_study
from mien.datasets.forget import belongings, forget
from mien.datasets.simulated import simulate_study
from mien.datasets.study import load_study
from mien.datasets.writer import StudyWriter
from mien.errors import ProbeError, ProbeMismatch, StorageError, StudyError
from mien.probe import Chirp, PureTones
from mien.recording import Recording
from mien.simulate.options import SimulationOptions

SMALL = dict(name="small", origin="simulated", probe=PROBE, generator={"level": "none"})


def contents(path):
    return {
        entry.relative_to(path).as_posix(): entry.read_bytes()
        for entry in sorted(path.rglob("*"))
        if entry.is_file() and entry.name != ".lock"
    }


def test_what_is_written_is_read_again(written):
    study = load_study(written)
    assert (study.name, study.origin, study.probe, study.generator) == ("small", "simulated", PROBE, {"level": "none"})
    assert list(study.table["take"]) == ["0001", "0002", "0003"] * 2
    assert list(study.table["sex"]) == ["f"] * 3 + ["m"] * 3
    assert study.table["age"].tolist()[:3] == [30.0] * 3 and study.table["age"].isna().sum() == 3
    assert study.table["path"][0] == "sub-001/ses-01/sub-001_ses-01_take-0001_echo.flac"
    assert set(study.table["quality"]) == {"ok"}
    assert check_study(written, progress=False) == []


def test_the_filter_is_written_into_the_study(written, tmp_path):
    header = json.loads((written / "study.json").read_text())
    assert (header["high_pass_hz"], header["keep_audible"]) == (15_000.0, False)
    with StudyWriter(tmp_path / "loud", "loud", "collected", PureTones((3_000.0,)), keep_audible=True):
        pass
    assert json.loads((tmp_path / "loud" / "study.json").read_text())["keep_audible"] is True
    assert any("keep_audible" in fault.message for fault in check_study(tmp_path / "loud", progress=False))


def test_a_probe_within_speech_begins_no_study(tmp_path):
    with pytest.raises(ProbeError, match="keep-audible"):
        StudyWriter(tmp_path / "study", "loud", "collected", PureTones((3_000.0,)))
    assert not (tmp_path / "study").exists()


def test_a_study_is_not_begun_over_something_else(study_path, tmp_path):
    with pytest.raises(StudyError, match="holds a study already; use --resume"):
        StudyWriter(study_path, **SMALL)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(StudyError, match=r"not empty \(letter.txt"):
        StudyWriter(tmp_path / "home", **SMALL, resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="is a file"):
        StudyWriter(tmp_path / "file", **SMALL)


@pytest.mark.parametrize(
    "change",
    [{"name": "other"}, {"probe": Chirp(low_hz=18_000)}, {"generator": {"level": "hard"}}, {"keep_audible": True}],
)
def test_resuming_with_other_options_is_refused(study_path, change):
    before = contents(study_path)
    with pytest.raises(StudyError, match="cannot be resumed with"):
        StudyWriter(study_path, **(SMALL | change), resume=True)
    assert contents(study_path) == before


def test_resuming_goes_on_where_it_stopped(study_path):
    with StudyWriter(study_path, **SMALL, resume=True) as writer:
        assert writer.done == {(subject, "01", f"000{take}") for subject in ("001", "002") for take in (1, 2, 3)}
        with pytest.raises(StudyError, match="has subject 001, session 01, take 0001 already"):
            writer.add_take(echo(), "001", "01", "0001", "fear")
        writer.add_take(echo(99), "001", "02", "0001", "fear", mask="mask")
    assert len(load_study(study_path)) == 7 and check_study(study_path, progress=False) == []


def test_resuming_where_nothing_is_begins(tmp_path):
    with StudyWriter(tmp_path / "new", **SMALL, resume=True) as writer:
        assert writer.done == set()


def test_two_writers_do_not_meet(study_path):
    with StudyWriter(study_path, **SMALL, resume=True) as writer:
        for attempt in (lambda: StudyWriter(study_path, **SMALL, resume=True), lambda: forget(study_path, "001")):
            with pytest.raises(StudyError, match="being written by another process"):
                attempt()
        writer.add_take(echo(5), "003", "01", "0001", None)
    with pytest.raises(StudyError, match="was closed"):
        writer.add_take(echo(6), "003", "01", "0002", None)
    StudyWriter(study_path, **SMALL, resume=True).close()


def test_a_column_that_comes_late_is_unknown_before(study_path):
    with StudyWriter(study_path, **SMALL, resume=True) as writer:
        writer.add_take(echo(7), "001", "03", "0001", "fear", weather="wet", AU01=0.5)
        writer.add_take(echo(8), "001", "03", "0002", "fear")
    table = load_study(study_path).table
    assert list(table["weather"]) == ["n/a"] * 6 + ["wet", "n/a"]
    assert table["AU01"].isna().tolist() == [True] * 6 + [False, True]
    assert (study_path / "takes.tsv").read_text().split("\n")[0].endswith("\tsha256")


def test_a_person_entered_again_is_replaced(study_path):
    with StudyWriter(study_path, **SMALL, resume=True) as writer:
        writer.add_participant("001", sex="x", glasses="no")
    table = load_study(study_path).table
    assert list(table["sex"]) == ["x"] * 3 + ["m"] * 3 and list(table["glasses"])[3:] == ["n/a"] * 3
    assert table["age"].tolist()[:3] == [30.0] * 3, "what is not said again stays known"


@pytest.mark.parametrize("word", ["", "a/b", "../x", "a b", "a\tb", ".", "é", "x" * 65, "a_b", None, 1])
def test_an_identifier_that_could_not_be_a_name_is_refused(study_path, word):
    before = contents(study_path)
    with StudyWriter(study_path, **SMALL, resume=True) as writer:
        for names in ((word, "01", "9"), ("001", word, "9"), ("001", "01", word)):
            with pytest.raises(StudyError, match="text of letters"):
                writer.add_take(echo(), *names, "fear")
        with pytest.raises(StudyError, match="text of letters"):
            writer.add_participant(word)
    assert contents(study_path) == before


def test_what_does_not_belong_into_the_study_is_refused(study_path):
    before = contents(study_path)
    fresh = ("001", "01", "0009", "fear")
    refused = [
        (ProbeMismatch, "at 96000 Hz", lambda w: w.add_take(Recording(echo().samples, 96_000, PROBE), *fresh)),
        (ProbeMismatch, "no known probe", lambda w: w.add_take(Recording(echo().samples, 48_000), *fresh)),
        (ProbeMismatch, "18000", lambda w: w.add_take(echo(probe=Chirp(low_hz=18_000)), *fresh)),
        (StudyError, "mask is 'veil'", lambda w: w.add_take(echo(), *fresh, mask="veil")),
        (StudyError, "holds numbers", lambda w: w.add_take(echo(), *fresh, AU04="strong")),
        (StudyError, "filled in by the study", lambda w: w.add_take(echo(), *fresh, path="a.flac")),
        (StudyError, "cannot be called", lambda w: w.add_take(echo(), *fresh, **{"a b": 1})),
        (StudyError, "cannot stand in a table", lambda w: w.add_take(echo(), *fresh[:3], "two\nlines")),
    ]
    with StudyWriter(study_path, **SMALL, resume=True) as writer:
        for error, message, attempt in refused:
            with pytest.raises(error, match=message):
                attempt(writer)
    assert contents(study_path) == before


class Disk:
    """Stands in for the calls that reach the disk, and fails at one of them."""

    def __init__(self, monkeypatch, fail_at, error):
        self.n_calls, self.fail_at, self.error = 0, fail_at, error
        fsync, replace = os.fsync, Path.replace
        monkeypatch.setattr(os, "fsync", lambda descriptor: (self.pass_(), fsync(descriptor))[1])
        monkeypatch.setattr(Path, "replace", lambda path, target: (self.pass_(), replace(path, target))[1])

    def pass_(self):
        self.n_calls += 1
        if self.n_calls == self.fail_at:
            raise self.error


def test_a_full_disk_at_any_moment_leaves_the_study_as_it_was(study_path, monkeypatch):
    before = contents(study_path)
    fail_at, failed = 0, True
    while failed:
        fail_at += 1
        with StudyWriter(study_path, **SMALL, resume=True) as writer, monkeypatch.context() as patch:
            Disk(patch, fail_at, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            try:
                writer.add_take(echo(3), "001", "09", "0001", "fear", mask="open")
                failed = False
            except StorageError as error:
                assert "the disk is full" in str(error)
                assert contents(study_path) == before
                assert ("001", "09", "0001") not in writer.done
    assert fail_at > 5
    assert len(load_study(study_path)) == 7 and check_study(study_path, progress=False) == []


def test_a_disk_that_takes_half_a_line_keeps_none_of_it(study_path, monkeypatch):
    from mien.datasets import growing as module

    class HalfFull(module.FileIO):
        full = False

        def write(self, line):
            if HalfFull.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            HalfFull.full = True
            return super().write(line[: len(line) // 2])

    before = contents(study_path)
    with StudyWriter(study_path, **SMALL, resume=True) as writer, monkeypatch.context() as patch:
        patch.setattr(module, "FileIO", HalfFull)
        with pytest.raises(StorageError):
            writer.add_take(echo(3), "001", "09", "0001", "fear")
    assert contents(study_path) == before


class Killed(BaseException):
    pass


def test_a_crash_at_any_moment_loses_at_most_the_take_in_progress(study_path, tmp_path, monkeypatch):
    moment, done = 0, False
    while not done:
        moment += 1
        path = shutil.copytree(study_path, tmp_path / f"crash-{moment}")
        writer = StudyWriter(path, **SMALL, resume=True)
        with monkeypatch.context() as patch:
            Disk(patch, moment, Killed())
            # A killed process tidies nothing up: temporary files stay.
            patch.setattr(Path, "unlink", lambda path, missing_ok=False: None)
            try:
                writer.add_take(echo(3), "001", "09", "0001", "fear", weather="wet")
                done = True
            except Killed:
                pass
        writer.close()
        assert len(load_study(path)) in (6, 7)
        assert not [fault for fault in check_study(path, progress=False) if fault.severity == "error"]
        with StudyWriter(path, **SMALL, resume=True) as again:
            if ("001", "09", "0001") not in again.done:
                again.add_take(echo(3), "001", "09", "0001", "fear", weather="wet")
        assert check_study(path, progress=False) == [] and len(load_study(path)) == 7
    assert moment > 5


ENDLESS = """
import sys
sys.path.insert(0, sys.argv[2])
from small_study import PROBE, echo
from mien.datasets.writer import StudyWriter
with StudyWriter(sys.argv[1], "killed", "simulated", PROBE, {}, resume=True) as writer:
    number = len(writer.done)
    print("ready", flush=True)
    while True:
        writer.add_take(echo(number), "001", "01", f"{number:04d}", "fear", **{f"c{number // 4}": number})
        number += 1
"""


def test_a_process_killed_while_writing_leaves_a_study_that_resumes(tmp_path):
    root = Path(__file__).parent
    n_takes = 0
    for delay_s in (0.05, 0.13, 0.21):
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(tmp_path / "study"), str(root)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        n_found = len(load_study(tmp_path / "study"))
        assert n_found >= n_takes
        n_takes = n_found
        faults = check_study(tmp_path / "study", progress=False)
        assert not [fault for fault in faults if fault.severity == "error"], faults
    assert n_takes > 0


FILL = """
import sys
sys.path.insert(0, sys.argv[2])
from small_study import PROBE, echo
from mien.datasets.check import check_study
from mien.datasets.study import load_study
from mien.datasets.writer import StudyWriter
from mien.errors import StorageError
try:
    with StudyWriter(sys.argv[1], "full", "simulated", PROBE, {}, resume=True) as writer:
        for number in range(1000):
            writer.add_take(echo(number), "001", "01", f"{number:04d}", "fear")
except StorageError as error:
    print(error)
faults = [str(fault) for fault in check_study(sys.argv[1], progress=False) if "participants" not in fault.path]
print(len(load_study(sys.argv[1])), number, faults)
"""


def test_a_disk_that_is_really_full(tmp_path):
    """A file system of 300 kB, mounted where only this process sees it."""
    script = f'mount -t tmpfs -o size=300k tmpfs "{tmp_path}" && exec "$0" "$@"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, sys.executable, "-c", FILL]
    if (
        shutil.which("unshare") is None
        or subprocess.run(command[:5] + [script, "true"], capture_output=True).returncode
    ):
        pytest.skip("this machine lets nobody mount a small file system")
    arguments = [str(tmp_path / "study"), str(Path(__file__).parent)]
    done = subprocess.run(command + arguments, capture_output=True, text=True)
    said, found = done.stdout.splitlines()
    assert "the disk is full" in said, done.stderr
    n_takes, number, faults = found.split(" ", 2)
    assert int(n_takes) == int(number) > 2 and faults == "[]"


def test_a_torn_line_is_mended_on_resuming(study_path, capsys):
    takes = study_path / "takes.tsv"
    whole = takes.read_bytes()
    takes.write_bytes(whole[:-20])
    with StudyWriter(study_path, **SMALL, resume=True) as writer:
        assert len(writer.done) == 5
        writer.add_take(echo(22), "002", "01", "0003", "neutral", mask="open", place="office", neutral_until_s=0.15)
    assert "breaks off" in " ".join(capsys.readouterr().err.split())
    assert takes.read_bytes() == whole and check_study(study_path, progress=False) == []


def test_a_last_line_without_an_end_is_ended_before_another_follows(study_path):
    takes = study_path / "takes.tsv"
    takes.write_bytes(takes.read_bytes().rstrip(b"\n"))
    with StudyWriter(study_path, **SMALL, resume=True) as writer:
        writer.add_take(echo(22), "003", "01", "0003", "neutral")
    assert len(load_study(study_path)) == 7


def test_leftovers_of_a_killed_writer_are_removed_on_resuming_and_nothing_else(study_path):
    leftover = study_path / "sub-001" / "ses-01" / ".sub-001_ses-01_take-0009_echo-abcd1234.tmp.flac"
    leftover.write_bytes(b"half")
    (study_path / ".notes.tmp").write_text("mine")
    StudyWriter(study_path, **SMALL, resume=True).close()
    assert not leftover.exists() and (study_path / ".notes.tmp").exists()


def test_a_person_is_forgotten_whole(study_path):
    (study_path / "sub-001" / "ses-01" / "sub-001_ses-01_take-0001_landmarks.npz").write_bytes(b"x")
    others = {name: content for name, content in contents(study_path).items() if name.startswith("sub-002")}
    assert forget(study_path, "001") == 3
    assert not (study_path / "sub-001").exists()
    assert not [name for name, content in contents(study_path).items() if b"sub-001" in content or "sub-001" in name]
    assert {name: content for name, content in contents(study_path).items() if name.startswith("sub-002")} == others
    assert set(load_study(study_path).table["subject"]) == {"002"}
    assert "001" not in (study_path / "participants.tsv").read_text()
    assert check_study(study_path, progress=False) == []
    with pytest.raises(StudyError, match="knows no subject 001"):
        forget(study_path, "001")


def test_a_person_of_a_foreign_layout_is_forgotten_too(study_path):
    takes = study_path / "takes.tsv"
    (study_path / "flat").mkdir()
    for end in ("echo.flac", "echo.json", "video.mp4"):
        (study_path / "flat" / f"a_{end}").write_bytes(b"x")
    (study_path / "flat" / "b_echo.flac").write_bytes(b"y")
    text = takes.read_text().replace("sub-001/ses-01/sub-001_ses-01_take-0001_echo.flac", "flat/a_echo.flac")
    takes.write_text(text)
    forget(study_path, "001")
    assert [entry.name for entry in (study_path / "flat").iterdir()] == ["b_echo.flac"]


def test_forgetting_ends_where_it_would_take_another_persons_take(study_path):
    takes = study_path / "takes.tsv"
    text = takes.read_text()
    takes.write_text(text.replace("sub-002/ses-01/sub-002_ses-01_take-0001", "sub-001/ses-01/sub-001_ses-01_take-0001"))
    before = contents(study_path)
    with pytest.raises(StudyError, match="of another"):
        forget(study_path, "001")
    assert contents(study_path) == before


def respell(path, old, new, name="takes.tsv", n_rows=1):
    table = path / name
    table.write_text(table.read_text().replace(f"\n{old}\t", f"\n{new}\t", n_rows))


def test_forgetting_leaves_nothing_of_other_spellings_copies_and_what_was_set_aside(study_path):
    respell(study_path, "001", "1")
    respell(study_path, "001", "\uff11", "participants.tsv")
    shutil.copy(study_path / "takes.tsv", study_path / "takes.mended.tsv")
    for place in ("unlisted/sub-1/ses-01", "unlisted/2/sub-01/ses-01", "elsewhere"):
        (study_path / place).mkdir(parents=True)
        (study_path / place / "sub-01_ses-01_take-0009_video.mp4").write_bytes(b"a film of 001")
    shutil.copy(sorted(study_path.rglob("sub-001*.flac"))[0], study_path / "more.flac")
    shutil.copy(sorted(study_path.rglob("sub-001*_echo.json"))[0], study_path / "more.json")
    sidecar = json.loads((study_path / "more.json").read_text()) | {"facts": {"subject": "001"}}
    (study_path / "more.json").write_text(json.dumps(sidecar))
    others = {name: content for name, content in contents(study_path).items() if name.startswith("sub-002")}
    found = belongings(study_path, "01")
    assert found.spellings == ("1", "001", "\uff11", "01") and found.n_takes == 3
    assert forget(study_path, "01") == 3
    left = contents(study_path)
    assert {name for name in left if not name.startswith("sub-002")} == {
        "study.json",
        "takes.tsv",
        "participants.tsv",
        "takes.mended.tsv",
    }
    assert {name: content for name, content in left.items() if name.startswith("sub-002")} == others
    for name in ("takes.tsv", "participants.tsv", "takes.mended.tsv"):
        assert {line.split("\t")[0] for line in left[name].decode().splitlines()} == {"subject", "002"}


def test_forgetting_one_keeps_a_torn_line_of_another(study_path):
    takes = study_path / "takes.tsv"
    takes.write_bytes(takes.read_bytes()[:-20])
    last = takes.read_text().splitlines()[-1]
    forget(study_path, "001")
    assert takes.read_text().splitlines()[-1] == last
    forget(study_path, "002")
    assert takes.read_text().splitlines()[1:] == []


def test_a_torn_line_of_a_person_is_not_dropped_in_passing(study_path):
    people = study_path / "participants.tsv"
    people.write_text(people.read_text() + "003\tm")
    with pytest.raises(StudyError, match="the last line breaks off .'003.tm'.; complete it, or delete it"):
        StudyWriter(study_path, **SMALL, resume=True)
    assert people.read_text().endswith("003\tm")


def test_forgetting_ends_where_another_persons_take_lies_in_the_folder(study_path):
    takes = study_path / "takes.tsv"
    name = "sub-002_ses-01_take-0001_echo.flac"
    shutil.move(study_path / "sub-002/ses-01" / name, study_path / "sub-001" / name)
    takes.write_text(takes.read_text().replace(f"sub-002/ses-01/{name}", f"sub-001/{name}"))
    before = contents(study_path)
    with pytest.raises(StudyError, match="is a take of another"):
        forget(study_path, "001")
    assert contents(study_path) == before


def test_removing_a_take_leaves_others_whose_names_begin_alike(study_path):
    takes = study_path / "takes.tsv"
    (study_path / "flat").mkdir()
    for name in ("a_echo.flac", "a_echo.json", "a_video.mp4", "a_2_echo.flac", "a_b.flac", "a[b]_echo.flac"):
        (study_path / "flat" / name).write_bytes(name.encode())
    text = takes.read_text()
    for take, name in (("1", "a"), ("2", "a[b]")):
        text = text.replace(f"sub-001/ses-01/sub-001_ses-01_take-000{take}_echo.flac", f"flat/{name}_echo.flac")
    text = text.replace("sub-002/ses-01/sub-002_ses-01_take-0001_echo.flac", "flat/a_2_echo.flac")
    takes.write_text(text.replace("sub-002/ses-01/sub-002_ses-01_take-0002_echo.flac", "flat/a_b.flac"))
    forget(study_path, "001")
    assert {entry.name for entry in (study_path / "flat").iterdir()} == {"a_2_echo.flac", "a_b.flac"}


def test_simulating_on_a_table_that_lost_its_zeros_does_not_double_it(tmp_path):
    options = SimulationOptions(n_subjects=2, level="easy", n_takes=1, duration_s=0.5, places=("office",))
    study = simulate_study(tmp_path / "study", options, progress=False)
    before, table = contents(study), study / "takes.tsv"
    whole = table.read_text()
    plain = [re.sub(r"^0*(\d+)\t0*(\d+)\t0*(\d+)", r"\1\t\2\t\3", line) for line in whole.splitlines()]
    table.write_text("".join(f"{line}\n" for line in plain))
    with pytest.raises(StudyError, match=r"'1' and '001' are spellings of one subject.*--repair"):
        simulate_study(study, options, resume=True, progress=False)
    people = study / "participants.tsv"
    people.write_text(people.read_text().replace("\n00", "\n"))
    with pytest.raises(StudyError, match=r"no longer those.*stored as subject 001, session 01, take 0001.*--repair"):
        simulate_study(study, options, resume=True, progress=False)
    elsewhere = [re.sub(r"sub-(\d+)/ses-01/sub-\d+_ses-01_take-(\d+)_echo", r"s\1-\2", line) for line in plain]
    table.write_text("".join(f"{line}\n" for line in elsewhere))
    with pytest.raises(StudyError, match=r"has subject '1', and '001' is the same in another spelling"):
        simulate_study(study, options, resume=True, progress=False)
    assert len(table.read_text().splitlines()) == len(whole.splitlines())
    assert {name: content for name, content in contents(study).items() if "sub-" in name} == {
        name: content for name, content in before.items() if "sub-" in name
    }


def test_a_sound_without_a_row_is_not_written_over_by_another(study_path):
    orphan = study_path / "sub-001/ses-09/sub-001_ses-09_take-0001_echo.flac"
    orphan.parent.mkdir()
    orphan.write_bytes(b"somebody's only recording")
    with StudyWriter(study_path, **SMALL, resume=True) as writer:
        writer.add_take(echo(3), "001", "09", "0001", "fear")
    assert (study_path / "unlisted" / orphan.relative_to(study_path)).read_bytes() == b"somebody's only recording"
    with StudyWriter(study_path, **SMALL, resume=True) as writer:
        orphan = orphan.with_name("sub-001_ses-09_take-0002_echo.flac")
        shutil.copy(study_path / "unlisted/sub-001/ses-09/sub-001_ses-09_take-0001_echo.flac", orphan)
        writer.set_aside([orphan])
        orphan.write_bytes(b"another")
        writer.set_aside([orphan])
    aside = sorted(path.read_bytes() for path in (study_path / "unlisted").rglob("*take-0002*"))
    assert aside == [b"another", b"somebody's only recording"]


def test_a_path_that_another_row_has_is_not_written_over(study_path):
    takes = study_path / "takes.tsv"
    takes.write_text(takes.read_text().replace("\n001\t01\t0003", "\n003\t01\t0003"))
    before = contents(study_path)
    with StudyWriter(study_path, **SMALL, resume=True) as writer:
        with pytest.raises(StudyError, match="is another take's by takes.tsv"):
            writer.add_take(echo(3), "001", "01", "0003", "fear")
    assert contents(study_path) == before


@pytest.mark.parametrize("name", [".notes-20240101.tmp.flac", ".a-abcd1234.tmp.flac", ".takes-backup1.tmp", "x.tmp"])
def test_a_temporary_file_of_somebody_else_stays(study_path, name):
    (study_path / name).write_bytes(b"mine")
    StudyWriter(study_path, **SMALL, resume=True).close()
    assert (study_path / name).read_bytes() == b"mine"


@pytest.mark.parametrize("word", ["Happy", "happiness ", "NaN", "None", "N/A"])
def test_another_spelling_of_an_expression_is_not_written(study_path, word):
    with StudyWriter(study_path, **SMALL, resume=True) as writer, pytest.raises(StudyError, match="expression"):
        writer.add_take(echo(3), "001", "09", "0001", word)


def test_a_clipped_take_says_so_in_the_table(study_path):
    loud = Recording(np.clip(4 * echo().samples, -1, 1), 48_000, PROBE)
    with StudyWriter(study_path, **SMALL, resume=True) as writer:
        writer.add_take(loud, "001", "05", "0001", "fear")
    study = load_study(study_path)
    assert study.table["quality"].iloc[-1] == "clipped" and study.recording(6).quality == ("clipped",)

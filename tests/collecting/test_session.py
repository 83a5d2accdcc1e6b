"""A session: what is asked for, what is stored, and what is left of it whatever stops it."""

import json

import numpy as np
import pytest
from plays import QUICK, recording, silence

from mien.collecting.people import unfinished
from mien.collecting.protocol import Protocol
from mien.collecting.session import Collection
from mien.datasets.adopt import adopt
from mien.datasets.check import check_study
from mien.datasets.forget import forget
from mien.datasets.study import load_study
from mien.errors import DeviceError, ProbeMismatch, RecordingError, StorageError, StudyError
from mien.probe import Chirp
from mien.recording import Recording
from mien.vision.landmarks import Landmarks


def begin(path, subject="001", **options):
    made = Collection(path, options.pop("protocol", QUICK), subject, now=lambda: "2025-01-02T03:04:05+00:00", **options)
    if made.consented is None:
        made.accept_consent()
    return made


def collect(collection, n_takes=None, seed=0):
    while (prompt := collection.next_prompt()) is not None and n_takes != 0:
        assert collection.offer(prompt, recording(seed + prompt.number)).stored
        n_takes = None if n_takes is None else n_takes - 1


def faults(path):
    return [str(fault) for fault in check_study(path, progress=False)]


@pytest.fixture
def study(tmp_path):
    return tmp_path / "study"


def test_a_session_from_end_to_end(study):
    with begin(study, about={"sex": "f", "age": 30}, device="phone") as collection:
        collect(collection)
        assert collection.progress.n_left == 0 and collection.progress.n_stored == 10
    loaded = load_study(study)
    assert loaded.origin == "collected" and faults(study) == []
    assert loaded.table.groupby("mask")["expression"].value_counts().to_dict() == {
        (mask, word): n for mask in ("open", "mask") for word, n in (("neutral", 1), ("anger", 2), ("happiness", 2))
    }
    assert set(loaded.table["neutral_until_s"]) == {0.15} and set(loaded.table["device"]) == {"phone"}
    assert set(loaded.table["sex"]) == {"f"} and loaded.recording(3).facts["expression"] in ("anger", "happiness")


def test_nothing_is_stored_without_consent(study):
    with Collection(study, QUICK, "001") as collection:
        with pytest.raises(StudyError, match="without consent"):
            collection.store(collection.next_prompt(), recording())
    assert not list(study.rglob("*.flac")) and "001" not in (study / "participants.tsv").read_text()


def test_consent_is_written_down(study):
    with begin(study) as collection:
        assert collection.consent_text.startswith(QUICK.consent) and "No camera" in collection.consent_text
    record = json.loads((study / "sub-001/ses-01/sub-001_ses-01_session.json").read_text())
    assert record["consent"] == {"text": collection.consent_text, "accepted": "2025-01-02T03:04:05+00:00"}


def test_consent_to_less_is_none_to_more(study):
    with begin(study) as collection:
        collect(collection, 1)
    with Collection(study, QUICK, "001", resume=True, camera="video") as again:
        assert again.consented is None and "THE VIDEO IS STORED" in again.consent_text
    with Collection(study, QUICK, "001", resume=True) as again:
        assert again.consented


def test_resuming_keeps_the_order_and_goes_on_where_it_stopped(study):
    with begin(study, seed=5) as collection:
        planned = list(collection._agenda.plan.values())
        collect(collection, 4)
    with pytest.raises(StudyError, match="begun before; --resume"):
        Collection(study, QUICK, "001")
    with Collection(study, None, "001", resume=True) as again:
        assert again.consented and again.seed == 5 and again.next_prompt().number == 5
        assert list(again._agenda.plan.values()) == planned
        collect(again)
    assert len(load_study(study)) == 10 and faults(study) == []


def test_resuming_otherwise_is_refused(study):
    with begin(study, seed=5) as collection:
        collect(collection, 1)
    other = QUICK.model_copy(update={"n_takes": 3})
    with pytest.raises(StudyError, match="begun with n_takes 2 and cannot be resumed with 3"):
        Collection(study, other, "001", resume=True)
    with pytest.raises(StudyError, match="begun with seed 5"):
        Collection(study, QUICK, "001", seed=6, resume=True)
    with pytest.raises(StudyError, match="filtered out; leave out --keep-audible"):
        Collection(study, QUICK, "001", resume=True, keep_audible=True)


def test_two_collectors_do_not_meet(study):
    with begin(study) as collection:
        for subject, resume in (("001", False), ("001", True), ("002", False)):
            with pytest.raises(StudyError, match="being written by another process; wait"):
                Collection(study, QUICK, subject, resume=resume)
        collect(collection, 1)
    with begin(study, "002") as other:
        collect(other, 1)
    assert len(load_study(study)) == 2


def test_bad_takes_are_asked_for_again_and_then_kept_with_their_words(study):
    with begin(study) as collection:
        prompt = collection.next_prompt()
        loud = recording(1, probe_level=3.0)
        loud = type(loud)(np.clip(loud.samples, -1, 1), loud.rate_hz, loud.probe)
        for attempt in (1, 2):
            assert collection.next_prompt().attempt == attempt
            outcome = collection.offer(collection.next_prompt(), loud)
            assert not outcome.stored and "clipped" in outcome.quality and "overdriven" in outcome.message
        assert collection.offer(collection.next_prompt(), loud).stored
        assert collection.next_prompt().number == prompt.number + 1 and collection.next_prompt().attempt == 1
    assert "clipped" in load_study(study).table["quality"][0]
    assert all(fault.startswith("warning") for fault in faults(study))


def test_a_probe_that_is_never_heard_ends_it(study):
    with begin(study) as collection:
        for _ in range(2):
            assert collection.offer(collection.next_prompt(), silence()).quality == ("no-probe",)
        with pytest.raises(DeviceError, match="was recorded 3 times and the probe was not heard.*mien probe"):
            collection.offer(collection.next_prompt(), silence())
    assert len(load_study(study)) == 0


def test_sound_torn_to_pieces_is_asked_for_again(study, monkeypatch):
    def looks_like_another(_):
        raise ProbeMismatch("another probe was playing: its sweep takes -1.3 ms for these 4000 Hz")

    with begin(study) as collection:
        with monkeypatch.context() as patch:
            patch.setattr("mien.collecting.outcome.judged_quality", looks_like_another)
            outcome = collection.offer(collection.next_prompt(), recording())
        assert not outcome.stored and outcome.quality == ("no-probe",) and "busy" in outcome.message
        collect(collection, 1)


def test_a_take_of_another_probe_or_rate_is_refused(study):
    other = Chirp(low_hz=18_000)
    with begin(study) as collection:
        for samples, rate_hz, probe in ((recording().samples, 48_000, other), (recording().samples, 44_100, None)):
            with pytest.raises(ProbeMismatch, match="was asked for"):
                collection.offer(collection.next_prompt(), Recording(samples, rate_hz, probe))


def test_a_take_made_anew_replaces_the_old_one(study):
    with begin(study) as collection:
        assert collection.redo_last() is None
        collect(collection, 3)
        before = {path.name for path in study.rglob("*_echo.*")}
        assert (collection.redo_last().number, collection.redo_last().number) == (3, 3)
        collection.skip(collection.next_prompt())
        assert {path.name for path in study.rglob("*_echo.*")} == before, "skipping keeps what there was"
        prompt = collection.redo_last()
        landmarks = Landmarks(np.arange(2.0), np.zeros((2, 468, 3)), (640, 480))
        collection.store(prompt, recording(77), landmarks=landmarks)
        assert collection.next_prompt().number == 4
    table = load_study(study).table
    assert list(table["take"]) == ["0001", "0002", "0003-2"] and faults(study) == []
    assert not list(study.rglob("*take-0003_*")) and len(list(study.rglob("*take-0003-2_landmarks.npz"))) == 1
    with begin(study, resume=True) as again:
        assert again.redo_last().take == "0003-3"


def test_what_was_skipped_stays_skipped_until_it_is_made(study):
    with begin(study) as collection:
        collect(collection, 2)
        collection.skip(collection.next_prompt())
    with begin(study, resume=True) as again:
        assert again.progress.n_skipped == 1 and again.next_prompt().number == 4
        assert again.redo_last().take == "0003"
        collect(again)
        assert again.progress.n_stored == 10 and again._record.skipped == []


def test_another_take_than_the_due_one_is_refused(study):
    with begin(study) as collection:
        first = collection.next_prompt()
        collect(collection, 1)
        for attempt in (collection.skip, lambda prompt: collection.store(prompt, recording())):
            with pytest.raises(StudyError, match="take 0001 was given, 0002 is due"):
                attempt(first)


def test_samples_that_cannot_be_stored_are_refused(study):
    with begin(study) as collection:
        collect(collection, 1)
        prompt = collection.next_prompt()
        wrong = recording()
        wrong.samples[0, 5] = np.nan
        with pytest.raises(RecordingError, match="no numbers"):
            collection.offer(prompt, wrong)
        two = type(wrong)(np.repeat(recording().samples, 2, axis=0), wrong.rate_hz, wrong.probe)
        with pytest.raises(RecordingError, match="has 2 channels, those of .* have 1"):
            collection.offer(prompt, two)
        collect(collection, 1)
    assert len(load_study(study)) == 2 and faults(study) == []


def test_what_a_crash_leaves_is_set_aside_at_resuming_and_half_a_file_removed(study, capsys):
    with begin(study) as collection:
        collect(collection, 2)
    folder = study / "sub-001/ses-01"
    rows = (study / "takes.tsv").read_text().splitlines(keepends=True)
    (study / "takes.tsv").write_text("".join(rows[:-1]) + rows[-1][:20])
    (folder / ".sub-001_ses-01_take-0003_echo-abcdefgh.tmp.flac").write_bytes(b"half")
    (folder / "sub-001_ses-01_take-0003_landmarks.npz").write_bytes(b"orphan")
    sound = (folder / "sub-001_ses-01_take-0002_echo.flac").read_bytes()
    with begin(study, resume=True) as again:
        assert again.next_prompt().number == 2 and len(list(folder.iterdir())) == 3
        assert "3 files that takes.tsv does not list were moved aside" in " ".join(capsys.readouterr().err.split())
        collect(again, seed=50)
    assert len(load_study(study)) == 10
    assert faults(study) == [
        "warning: unlisted: holds 1 recordings that were set aside; `mien check --adopt` brings them back"
    ]
    aside = study / "unlisted/sub-001/ses-01"
    assert (aside / "sub-001_ses-01_take-0002_echo.flac").read_bytes() == sound
    assert (aside / "sub-001_ses-01_take-0003_landmarks.npz").read_bytes() == b"orphan"


def without_rows(study, subject):
    """Put an older copy of the table back, in which a subject was not yet."""
    table = study / "takes.tsv"
    kept = [line for line in table.read_text().splitlines(keepends=True) if not line.startswith(f"{subject}\t")]
    table.write_text("".join(kept))


@pytest.fixture
def two(study):
    for number, subject in enumerate(("001", "002")):
        with begin(study, subject) as collection:
            collect(collection, 3, seed=100 * number)
    return study


def sounds(study):
    return {path.read_bytes() for path in study.rglob("*.flac")}


def test_an_older_table_put_back_costs_no_recording_and_adopting_brings_all_back(two):
    before, rows = sounds(two), sorted((two / "takes.tsv").read_text().splitlines())
    without_rows(two, "002")
    with begin(two, "002", resume=True) as again:
        assert again.next_prompt().number == 1
    assert sounds(two) == before and not list((two / "sub-002").rglob("*.flac"))
    made = adopt(two)
    assert len(made.entered) == 3 and made.left == {}
    assert sorted((two / "takes.tsv").read_text().splitlines()) == rows and faults(two) == []
    assert not (two / "unlisted").exists()
    with begin(two, "002", resume=True) as again:
        assert again.next_prompt().number == 4


def test_what_was_recorded_again_meanwhile_stays_beside_what_is_adopted(two):
    before = sounds(two)
    without_rows(two, "002")
    with begin(two, "002", resume=True) as again:
        collect(again, 2, seed=300)
    made = adopt(two)
    assert sorted(made.entered.values()) == [
        f"subject 002, session 01, take {take}" for take in ("0001-2", "0002-2", "0003")
    ]
    assert before < sounds(two) and len(load_study(two)) == 8 and faults(two) == []


@pytest.mark.parametrize("word", ["2", "02", "2.0", "002 "])
def test_a_spreadsheet_s_table_costs_no_recording(two, word):
    table = two / "takes.tsv"
    table.write_text(table.read_text().replace("\n002\t", f"\n{word}\t"))
    before = {path: path.read_bytes() for path in two.rglob("*") if path.is_file()}
    with pytest.raises(StudyError, match=r"spellings of one subject|no longer those"):
        Collection(two, None, "002", resume=True)
    assert {path: path.read_bytes() for path in two.rglob("*") if path.is_file()} == before


def test_a_session_whose_rows_are_gone_is_not_begun_anew(two):
    without_rows(two, "002")
    with pytest.raises(StudyError, match="was begun before; --resume"):
        Collection(two, QUICK, "002")


@pytest.mark.parametrize("rows_are_gone", [False, True])
def test_a_subject_typed_otherwise_is_not_somebody_new(two, rows_are_gone):
    if rows_are_gone:
        without_rows(two, "002")
    with pytest.raises(StudyError, match="has subject '002', and '2' is the same in another spelling; use the first"):
        Collection(two, QUICK, "2")
    with pytest.raises(StudyError, match="has session '01', and '1' is the same in another spelling"):
        Collection(two, QUICK, "002", session="1")


def test_a_file_that_came_meanwhile_is_not_written_over(study):
    with begin(study) as collection:
        collect(collection, 1)
        there = study / "sub-001/ses-01/sub-001_ses-01_take-0002_echo.flac"
        for name, content in ((there, b"theirs"), (there.with_name("sub-001_ses-01_take-0002_landmarks.npz"), b"too")):
            name.write_bytes(content)
        collection.store(
            collection.next_prompt(), recording(5), landmarks=Landmarks(np.zeros(1), np.zeros((1, 468, 3)), (1, 1))
        )
    aside = {path.read_bytes() for path in (study / "unlisted").rglob("*") if path.is_file()}
    assert aside == {b"theirs", b"too"} and len(load_study(study)) == 2


def test_an_interruption_behind_the_row_costs_no_landmarks(study, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    points = Landmarks(np.arange(2.0), np.zeros((2, 468, 3)), (640, 480))
    with begin(study) as collection:
        collect(collection, 1)
        prompt = collection.redo_last()
        monkeypatch.setattr("mien.datasets.writer.remove_take_files", interrupted)
        with pytest.raises(KeyboardInterrupt):
            collection.store(prompt, recording(7), landmarks=points)
    assert list(load_study(study).table["take"]) == ["0001-2"]
    assert len(list(study.rglob("*take-0001-2_landmarks.npz"))) == 1


def test_agreeing_to_more_keeps_what_was_agreed_to_before(study):
    with begin(study) as collection:
        collect(collection, 1)
        first = collection._record.consent
    with begin(study, resume=True, camera="landmarks") as again:
        assert again._record.consents_before == [first] and again._record.consent != first
    with begin(study, resume=True, camera="landmarks") as again:
        assert again.consented and again._record.consents_before == [first]


def test_forgetting_leaves_nothing_of_a_person(study):
    for subject in ("001", "002"):
        with begin(study, subject, about={"name": "Josephine"} if subject == "001" else {}) as collection:
            collect(collection, 1)
    assert forget(study, "001") == 1
    left = [path for path in study.rglob("*") if "sub-001" in path.name]
    assert left == [] and b"Josephine" not in b"".join(
        path.read_bytes() for path in study.rglob("*.*") if path.is_file()
    )
    assert list(load_study(study).table["subject"]) == ["002"]


def test_a_full_disk_loses_nothing(study, monkeypatch):
    with begin(study) as collection:
        collect(collection, 2)
        prompt = collection.next_prompt()

        def full(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("mien.files.os.fsync", full)
            with pytest.raises(StorageError, match="the disk is full; free space"):
                collection.offer(prompt, recording(3), landmarks=Landmarks(np.zeros(1), np.zeros((1, 468, 3)), (1, 1)))
        assert collection.next_prompt() == prompt and len(list(study.rglob("*take-0003*"))) == 0
        collect(collection)
    assert len(load_study(study)) == 10 and faults(study) == []


def test_a_study_of_another_make_is_refused(study):
    study.mkdir()
    (study / "letter.txt").write_text("dear")
    with pytest.raises(StudyError, match="not empty"):
        Collection(study, QUICK, "001")
    with pytest.raises(StudyError, match="identifier|letters, digits"):
        Collection(study, QUICK, "../001")


def test_a_study_takes_other_protocols_of_the_same_probe(study):
    with begin(study) as collection:
        collect(collection, 1)
    with begin(study, "002", protocol=Protocol(expressions=("fear",), n_takes=1, duration_s=0.5, neutral_s=0.1)):
        pass
    low = Protocol(probe={"kind": "chirp", "low_hz": 17_000, "high_hz": 20_000})
    with pytest.raises(StudyError, match="probe.low_hz 19000.* cannot be resumed with 17000"):
        begin(study, "003", protocol=low)


def test_what_desktops_leave_in_a_study_is_passed_over(study):
    """A share that a Mac and a Windows machine have looked at, before a study is begun and between its sessions."""

    def clutter():
        for folder in {study, *study.rglob("ses-*")}:
            folder.mkdir(exist_ok=True)
            beside = [f"._{path.name}" for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
            for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._x_echo.flac", *beside):
                (folder / name).write_bytes(b"\0\5\x16\7")

    clutter()
    with begin(study) as collection:
        collect(collection, 2)
    clutter()
    assert faults(study) == [] and unfinished(study) == [("001", "01")]
    with begin(study, resume=True) as collection:
        collect(collection)
    assert faults(study) == [] and unfinished(study) == [] and not (study / "unlisted").exists()
    assert len(load_study(study)) == len(list(study.rglob("sub-*_echo.flac")))

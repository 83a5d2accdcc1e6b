"""The check names every fault and changes nothing."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from small_study import PROBE, echo

from mien.datasets.check import check_path, check_study
from mien.datasets.check_sound import check_sound
from mien.datasets.writer import StudyWriter
from mien.errors import MienError
from mien.probe import PureTones
from mien.recording import Recording, read_recording, write_recording


def sound(path, number):
    return sorted(path.rglob("*.flac"))[number]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def rewrite(path, number, samples, rate_hz=48_000, sidecar=False):
    """Replace a take's sound and say nothing, as another program might."""
    target = sound(path, number)
    soundfile.write(target, samples.T, rate_hz, subtype="PCM_24")
    if not sidecar:
        target.with_suffix(".json").unlink()
    takes = path / "takes.tsv"
    cells = [line.split("\t") for line in takes.read_text().splitlines()]
    cells[number + 1][-1] = "n/a"
    takes.write_text("".join("\t".join(row) + "\n" for row in cells))


def with_nan(path):
    target = sound(path, 0)
    samples = echo().samples.copy()
    samples[0, 5] = np.nan
    soundfile.write(target.with_suffix(".wav"), samples.T, 48_000, subtype="FLOAT")
    target.with_suffix(".json").unlink()
    target.unlink()
    edit(path / "takes.tsv", target.name, target.with_suffix(".wav").name)
    edit(path / "takes.tsv", (path / "takes.tsv").read_text().split("\n")[1].split("\t")[-1], "n/a")


def dropout(path):
    samples = echo().samples.copy()
    samples[:, 2_900:3_400] = 0
    rewrite(path, 0, samples)


def lost_samples(path):
    rewrite(path, 0, np.delete(echo().samples, slice(12_000, 12_005), axis=1))


def late_probe(path):
    samples = echo().samples.copy()
    samples[:, :4_800] = 1e-4 * np.random.default_rng(0).standard_normal((1, 4_800))
    rewrite(path, 0, samples)


def speech(path):
    target = sound(path, 0)
    recording = echo()
    talk = 0.1 * np.sin(2 * np.pi * 800 * np.arange(recording.n_samples) / 48_000)
    sidecar = json.loads(target.with_suffix(".json").read_text())
    del sidecar["sha256"]
    rewrite(path, 0, (recording.samples + talk).astype(np.float32), sidecar=True)
    target.with_suffix(".json").write_text(json.dumps(sidecar))


def link_out(path):
    target = sound(path, 0)
    shutil.move(target, path.parent / "outside.flac")
    target.symlink_to(path.parent / "outside.flac")


NOISE = 0.1 * np.random.default_rng(0).standard_normal((1, 14_400)).astype(np.float32)
FAULTS = {
    "missing": (lambda path: sound(path, 0).unlink(), "take-0001_echo.flac: does not exist"),
    "truncated": (
        lambda path: sound(path, 0).write_bytes(sound(path, 0).read_bytes()[:-900]),
        "is truncated or damaged",
    ),
    "altered": (lambda path: sound(path, 0).write_bytes(sound(path, 1).read_bytes()), "was altered"),
    "empty": (lambda path: sound(path, 0).write_bytes(b""), "is empty (0 bytes)"),
    "text": (lambda path: sound(path, 0).write_text("no sound"), "is not a FLAC or WAV file"),
    "rate": (lambda path: rewrite(path, 0, NOISE, 44_100), "44100 Hz, so all above 22050 Hz is lost"),
    "channels": (
        lambda path: rewrite(path, 0, echo(n_channels=2).samples),
        "wrong channel count: it has 2, 5 takes have 1",
    ),
    "NaN": (with_nan, "samples that are no numbers"),
    "silence": (lambda path: rewrite(path, 0, 0 * NOISE), "is silent"),
    "short": (lambda path: rewrite(path, 0, NOISE[:, :4_000]), "holds 0.0833 s of sound"),
    "clipping": (
        lambda path: rewrite(path, 0, (9 * echo().samples).clip(-1, 1)),
        "clipping: samples stand at full scale",
    ),
    "dropout": (dropout, "dropout: a stretch of exact zeros"),
    "lost samples": (lost_samples, "dropout: 5 samples lost near 0.2"),
    "late probe": (late_probe, "dropout: no whole probe for 0.1"),
    "no probe": (lambda path: rewrite(path, 0, NOISE), "no probe found"),
    "speech": (speech, "it may be speech"),
    "expression": (lambda path: edit(path / "takes.tsv", "\tanger\t", "\t\t"), "expression is empty"),
    "mask": (lambda path: edit(path / "takes.tsv", "\topen\t", "\tveil\t"), "mask is 'veil', an unknown word"),
    "quality": (lambda path: edit(path / "takes.tsv", "\tok\t", "\tfine\t"), "quality has 'fine', an unknown word"),
    "digest": (lambda path: edit(path / "takes.tsv", "\tn/a\t0.15\t", "\tn/a\t0.15\t0"), "64 hexadecimal digits"),
    "duplicate": (
        lambda path: edit(path / "takes.tsv", "001\t01\t0002", "001\t01\t0001"),
        "duplicate take: subject 001",
    ),
    "same file": (
        lambda path: edit(path / "takes.tsv", "take-0002_echo", "take-0001_echo"),
        "is also the take of line 2",
    ),
    "outside": (lambda path: edit(path / "takes.tsv", "\tsub-001/", "\t../sub-001/"), "leaves the study"),
    "absolute": (lambda path: edit(path / "takes.tsv", "\tsub-001/", "\t/sub-001/"), "leaves the study"),
    "link": (link_out, "leaves the study through a link"),
    "column": (lambda path: edit(path / "takes.tsv", "expression", "feeling"), "has no column expression"),
    "number": (lambda path: edit(path / "takes.tsv", "\t0.15\t", "\tearly\t"), "neutral_until_s holds 'early'"),
    "JSON": (lambda path: (path / "study.json").write_text("{"), "study.json: is not JSON"),
    "no study": (lambda path: (path / "study.json").unlink(), "is not a study"),
    "no table": (lambda path: (path / "takes.tsv").unlink(), "cannot be read"),
    "sidecar": (lambda path: sound(path, 0).with_suffix(".json").write_text("[]"), "holds a JSON list"),
    "sidecar rate": (
        lambda path: edit(
            sound(path, 0).with_suffix(".json"), '"rate_hz": 48000,\n "n_ch', '"rate_hz": 44100,\n "n_ch'
        ),
        "has rate_hz 48000, but its sidecar states 44100",
    ),
    "other probe": (lambda path: edit(sound(path, 0).with_suffix(".json"), "19000.0", "18000.0"), "is expected"),
    "participants": (lambda path: edit(path / "participants.tsv", "002", "001"), "subject 001 has 2 rows"),
}
WARNINGS = {
    "no sidecar": (lambda path: sound(path, 0).with_suffix(".json").unlink(), "has no sidecar"),
    "other words": (lambda path: edit(path / "takes.tsv", "\tanger\t", "\tboredom\t"), "'boredom' is kept as it is"),
    "no participants": (lambda path: (path / "participants.tsv").unlink(), "nothing is known of the people"),
    "stranger": (lambda path: edit(path / "participants.tsv", "002", "003"), "has no row for subject 002"),
    "unlisted": (
        lambda path: shutil.copy(sound(path, 0), path / "more.flac"),
        "more.flac: is a sound that takes.tsv does not",
    ),
    "leftover": (
        lambda path: (path / ".sub-1_ses-1_take-1_echo-abcd1234.tmp.flac").write_bytes(b""),
        "temporary file of a writer",
    ),
    "torn": (lambda path: (path / "takes.tsv").open("a").write("001\t0"), "the last line breaks off"),
    "stated": (lambda path: edit(path / "takes.tsv", "\tok\t", "\tdrift\t"), "is stated to be drift"),
}


def named(path, severity, n_jobs=1):
    return [str(fault) for fault in check_study(path, n_jobs=n_jobs, progress=False) if fault.severity == severity]


@pytest.mark.parametrize("name", FAULTS)
def test_an_error_is_named_on_one_line(study_path, name):
    make, message = FAULTS[name]
    make(study_path)
    found = named(study_path, "error")
    assert any(message in line for line in found), found
    assert all("\n" not in line and str(study_path) not in line.split(": ", 2)[1] for line in found)


@pytest.mark.parametrize("name", WARNINGS)
def test_a_warning_is_named_and_is_no_error(study_path, name):
    make, message = WARNINGS[name]
    make(study_path)
    assert any(message in line for line in named(study_path, "warning")), named(study_path, "warning")
    assert not named(study_path, "error")


def test_a_foreign_word_is_warned_of_once_with_its_count(study_path):
    table = study_path / "takes.tsv"
    text = table.read_text(encoding="utf-8")
    number = text.count("\tanger\t")
    table.write_text(text.replace("\tanger\t", "\tboredom\t"), encoding="utf-8")
    found = [line for line in named(study_path, "warning") if "boredom" in line]
    assert number > 1 and len(found) == 1 and f"'boredom' is kept as it is in {number} takes" in found[0]


def test_a_sound_study_has_no_fault(written):
    assert check_study(written, progress=False) == []


def test_all_faults_are_named_at_once_and_nothing_is_changed(study_path):
    names = ("missing", "mask", "participants")
    for name in names:
        FAULTS[name][0](study_path)
    sound(study_path, 3).write_bytes(b"RIFF")
    before = {entry: entry.read_bytes() for entry in study_path.rglob("*") if entry.is_file()}
    found = named(study_path, "error")
    assert all(any(FAULTS[name][1] in line for line in found) for name in names), found
    assert {entry: entry.read_bytes() for entry in study_path.rglob("*") if entry.is_file()} == before


def test_two_processes_find_the_same(study_path):
    for name in ("missing", "mask"):
        FAULTS[name][0](study_path)
    sound(study_path, 2).write_bytes(b"x")
    assert check_study(study_path, n_jobs=2, progress=False) == check_study(study_path, progress=False)


def test_clipping_that_is_stated_is_a_warning(study_path):
    loud = Recording(np.clip(4 * echo().samples, -1, 1), 48_000, PROBE)
    with StudyWriter(study_path, "small", "simulated", PROBE, {"level": "none"}, resume=True) as writer:
        writer.add_take(loud, "001", "05", "0001", "fear")
    assert not named(study_path, "error")
    assert any("stated to be clipped" in line for line in named(study_path, "warning"))


def test_a_silent_microphone_is_named(study_path):
    samples = np.concatenate([echo().samples, 0 * echo().samples])
    rewrite(study_path, 0, samples)
    assert any("channel 1 of 2 is silent" in line for line in named(study_path, "error"))


def test_one_recording_is_checked(tmp_path):
    write_recording(echo(), tmp_path / "a.flac")
    assert check_path(tmp_path / "a.flac") == []
    write_recording(Recording(NOISE, 48_000, PROBE), tmp_path / "b.flac")
    assert ["no probe found" in fault.message for fault in check_path(tmp_path / "b.flac")] == [True]
    tone = PureTones((19_000.0,))
    write_recording(Recording(NOISE, 48_000, tone), tmp_path / "tone.flac")
    assert check_path(tmp_path / "tone.flac") == []


@pytest.mark.parametrize("name", ["none.wav", "none"])
def test_a_path_that_is_not_there_is_a_fault(tmp_path, name):
    (fault,) = check_path(tmp_path / name)
    assert fault.severity == "error" and "does not exist" in fault.message


def test_what_the_check_calls_an_error_of_a_sound_a_reader_refuses(study_path):
    """Two ways through the same file agree: what cannot be read has an error, and what is clean can be read."""
    for name in ("truncated", "empty", "text", "silence", "short", "rate", "other probe", "sidecar"):
        path = shutil.copytree(study_path, study_path.with_name(name.replace(" ", "-")))
        FAULTS[name][0](path)
        with pytest.raises(MienError):
            read_recording(sound(path, 0), PROBE)
        assert "error" in {severity for severity, _ in check_sound(sound(path, 0), PROBE).faults}
        assert read_recording(sound(path, 1), PROBE) and not check_sound(sound(path, 1), PROBE).faults


@pytest.mark.parametrize("start", [0, 700, 1_300])
def test_silence_between_noiseless_sweeps_is_no_dropout(tmp_path, start):
    """A gate, or a cable, leaves exact zeros; the filter of storing rings into all of them but the last."""
    heard = 0.3 * PROBE.emit(100_000)[None, start : start + 96_000]
    write_recording(Recording(heard.astype(np.float32), 48_000, PROBE), tmp_path / "cable.flac")
    assert check_sound(tmp_path / "cable.flac").faults == ()


def test_what_was_done_to_read_a_sound_is_a_warning(tmp_path):
    """A header of a pipe, and a rate that is not the probe's."""
    path = tmp_path / "take.wav"
    soundfile.write(path, echo(1, 0.5, rate_hz=96_000).samples.T, 96_000, subtype="PCM_24")
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    faults = check_sound(path, PROBE).faults
    assert {severity for severity, _ in faults} == {"warning"}
    said = " ".join(message for _, message in faults)
    assert "leaves the length open" in said and "resampled from 96000 to 48000 Hz" in said

"""Gestures become a study, from basebands or from files, and both say the same."""

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from mien.datasets.check import check_study
from mien.datasets.gestures import PROBE, import_gestures, modulated
from mien.errors import RecordingError, StudyError
from mien.sensing.doppler import Doppler, baseband


def pack(folder: Path, n_clips: int = 4, seed: int = 0) -> Path:
    """Write a tiny pack: basebands of a tone with one moving echo each."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    rows, pairs, offsets, scales = ["index,file,user,environment,digit"], [], [0], []
    for index in range(n_clips):
        n_samples = 2_100 + 210 * index
        turns = 30 * (index + 1) * np.arange(n_samples) / 2_100
        values = 1 + 0.03 * np.exp(2j * np.pi * turns) + 1e-4 * rng.standard_normal((n_samples, 2)) @ [1, 1j]
        scale = np.abs(values).max() / 32_000
        pairs.append(np.round(np.stack([values.real, values.imag], axis=1) / scale).astype(np.int16))
        offsets.append(offsets[-1] + n_samples)
        scales.append(scale)
        room, user = ("lab", "out")[index % 2], f"p{1 + index // 2}"
        rows.append(
            f"{index},extracted/{index}/{user}-sss-{index}-1-{room}-none-{10 + index}.wav,{user},{room},{index}"
        )
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    arrays = {"iq": np.concatenate(pairs), "offset": np.array(offsets), "scale": np.array(scales, np.float32)}
    np.savez(folder / "iq_baseband_2100hz.npz", **arrays, fs=np.float32(2_100), carrier_hz=np.float32(19_000))
    return folder


def test_a_baseband_comes_back_from_the_sound_that_is_made_of_it():
    rng = np.random.default_rng(1)
    slow = resample_poly(rng.standard_normal((300, 2)) @ [1, 1j], 10, 1)
    original = 1 + 0.03 * slow / np.abs(slow).max()
    sound = modulated(original, 21)
    turn = np.exp(-2j * np.pi * (PROBE.tones_hz[0] / PROBE.rate_hz * np.arange(len(sound)) % 1.0))
    moved = sound * turn
    back = 2 / 0.25 * (resample_poly(moved - moved.mean(), 1, 21) + moved.mean())
    np.testing.assert_allclose(back[50:-50], original[50:-50], atol=2e-3)


def test_a_pack_becomes_a_study_whose_echoes_are_where_they_were(tmp_path):
    study = import_gestures(pack(tmp_path / "pack"), tmp_path / "study", progress=False)
    assert study.origin == "imported" and study.probe == PROBE
    assert study.table["expression"].tolist() == ["digit-0", "digit-1", "digit-2", "digit-3"]
    assert study.table["place"].tolist() == ["lab", "out", "lab", "out"]
    assert study.table["subject"].tolist() == ["p1", "p1", "p2", "p2"]
    for row, shift_hz in enumerate((30, 60, 90, 120)):
        features = Doppler(align="take").features(study.recording(row))
        found_hz = features.axis("freq").values[features.values[0, 0].mean(axis=1).argmax()]
        assert found_hz == shift_hz


def test_the_check_of_an_import_warns_of_each_foreign_word_once_and_knows_the_people(tmp_path):
    study = import_gestures(pack(tmp_path / "pack"), tmp_path / "study", progress=False)
    assert (study.path / "participants.tsv").read_text().splitlines() == ["subject", "p1", "p2"]
    faults = check_study(study.path, progress=False)
    assert not [fault for fault in faults if fault.severity == "error" or "row for subject" in fault.message]
    words = [fault.message.split(";")[0] for fault in faults if "is kept as it is" in fault.message]
    assert words == [f"expression 'digit-{digit}' is kept as it is in 1 take" for digit in range(4)]


def test_an_import_goes_on_where_it_stopped(tmp_path):
    folder = pack(tmp_path / "pack")
    import_gestures(folder, tmp_path / "study", progress=False)
    whole = (tmp_path / "study" / "takes.tsv").read_text()
    (tmp_path / "study" / "takes.tsv").write_text("\n".join(whole.splitlines()[:3]) + "\n")
    study = import_gestures(folder, tmp_path / "study", resume=True, progress=False)
    assert (tmp_path / "study" / "takes.tsv").read_text() == whole and len(study) == 4


def test_missing_and_foreign_packs_are_refused(tmp_path):
    folder = pack(tmp_path / "pack")
    with pytest.raises(StudyError, match="has no labels.csv"):
        import_gestures(tmp_path, tmp_path / "study", progress=False)
    with pytest.raises(StudyError, match="no WAV file named like"):
        import_gestures(folder, tmp_path / "study", source="raw", progress=False)
    labels = (folder / "labels.csv").read_text().splitlines()
    (folder / "labels.csv").write_text("\n".join(labels[:-1]) + "\n")
    with pytest.raises(StudyError, match="holds 4 clips, labels.csv names 3"):
        import_gestures(folder, tmp_path / "study", progress=False)
    (folder / "labels.csv").write_text("\n".join([*labels[:4], labels[1]]) + "\n")
    with pytest.raises(StudyError, match="are the same take"):
        import_gestures(folder, tmp_path / "study", progress=False)
    wrong = tmp_path / "wrong" / "0"
    wrong.mkdir(parents=True)
    soundfile.write(wrong / "p1-sss-0-1-lab-none-24.wav", np.zeros(48_000), 48_000)
    with pytest.raises(RecordingError, match="one at 44100 Hz is expected"):
        import_gestures(wrong, tmp_path / "other", source="raw", progress=False)


def real_pack() -> Path:
    root = Path(os.environ.get("MIEN_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    folder = root / "ultrasound_gesture_pack"
    if not (folder / "raw_wav.tar").exists():
        pytest.skip(f"recorded gestures are not here ({folder.name}); set MIEN_DATA")
    return folder


def test_published_files_and_their_basebands_say_the_same(tmp_path):
    folder = real_pack()
    with tarfile.open(folder / "raw_wav.tar") as archive:
        archive.extractall(tmp_path / "raw", filter="data")
    raw = import_gestures(tmp_path / "raw", tmp_path / "study", source="raw", progress=False)
    assert len(raw) == 20 and sorted(set(raw.table["place"])) == ["lab", "out"]
    few = tmp_path / "few"
    few.mkdir()
    subset(folder, few, {(cells["subject"], cells["place"], cells["take"]) for _, cells in raw.table.iterrows()})
    back = import_gestures(few, tmp_path / "back", progress=False)
    for row in range(len(raw)):
        cells = raw.table.iloc[row]
        same = back.table[
            (back.table[["subject", "session", "take"]] == cells[["subject", "session", "take"]]).all(axis=1)
        ]
        envelopes = [
            np.abs(baseband(recording, 19_000.0, 130.0).samples[0])
            for recording in (raw.recording(row), back.recording(int(same.index[0])))
        ]
        n_samples = min(len(envelope) for envelope in envelopes) - 60
        one, other = (envelope[60:n_samples] for envelope in envelopes)
        assert np.corrcoef(one, other)[0, 1] > 0.99, cells["path"]


def subset(folder: Path, target: Path, wanted: set[tuple[str, str, str]]) -> None:
    """Write those clips of a pack that are wanted, as a pack of their own."""
    lines = (folder / "labels.csv").read_text().splitlines()
    with np.load(folder / "iq_baseband_2100hz.npz") as arrays:
        held = {name: arrays[name] for name in arrays}
    rows, pairs, offsets, scales = [lines[0]], [], [0], []
    for line in lines[1:]:
        index, path, user, room, digit = line.split(",")
        number = path.split("-none-")[1].removesuffix(".wav")
        if (user, room, f"{digit}-{number}") in wanted:
            begin, end = held["offset"][int(index) : int(index) + 2]
            rows.append(f"{len(scales)},{path},{user},{room},{digit}")
            pairs.append(held["iq"][begin:end])
            offsets.append(offsets[-1] + end - begin)
            scales.append(held["scale"][int(index)])
    (target / "labels.csv").write_text("\n".join(rows) + "\n")
    arrays = {"iq": np.concatenate(pairs), "offset": np.array(offsets), "scale": np.array(scales, np.float32)}
    np.savez(target / "iq_baseband_2100hz.npz", **arrays, fs=held["fs"], carrier_hz=held["carrier_hz"])

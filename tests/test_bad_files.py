"""Every reader of files, a thousand damaged files each: what it reads, or one line that says what is wrong."""

import copy
import json
import shutil
import warnings

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.capture.sources import file_source, piped_source
from mien.collecting.protocol import Protocol, read_protocol
from mien.collecting.session import Collection
from mien.datasets.check import check_study
from mien.datasets.simulated import simulate_study
from mien.datasets.study import load_study
from mien.errors import MienError
from mien.probe import Chirp
from mien.recognizer import Recognizer
from mien.recording import read_recording, write_recording
from mien.simulate.options import SimulationOptions

THOUSAND = settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck), database=None)

ODD = st.sampled_from(
    [None, True, False, -1, 0, 1, 1e308, -1e308, 2**63, -(2**70), 0.5, "", "x", "../../etc/passwd", "/etc/passwd", "\0"]
    + ["a\nb", "NaN", [], {}, [[]], ["x", "x"], [None], {"kind": "chirp"}, {"x": 1}, float("nan"), float("inf")]
).map(copy.deepcopy)


@st.composite
def damaged_bytes(draw, whole: bytes):
    """Return content cut off, with some of it overwritten, left out or doubled."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, max(0, min(len(content), 3_000) - 1)))
        length = draw(st.integers(0, 12))
        how = draw(st.sampled_from(["overwritten", "left out", "doubled", "cut off", "zeros"]))
        piece = {
            "overwritten": draw(st.binary(min_size=length, max_size=length)),
            "left out": b"",
            "doubled": 2 * bytes(content[start : start + length]),
            "cut off": None,
            "zeros": bytes(length),
        }[how]
        content[start : None if piece is None else start + length] = piece or b""
    return bytes(content)


@st.composite
def damaged_json(draw, whole: bytes):
    """Return JSON with one to three values anywhere in it replaced, left out, or put where none was."""
    values = json.loads(whole)
    for _ in range(draw(st.integers(1, 3))):
        place, key = values, None
        while isinstance(place, dict | list) and len(place):
            inside, key = place, draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            place = inside[key]
            if draw(st.booleans()):
                break
        if key is None:
            continue
        how = draw(st.sampled_from(["odd", "odd", "left out", "added"]))
        if how == "odd":
            inside[key] = draw(ODD)
        elif how == "left out":
            del inside[key]
        elif isinstance(inside, dict):
            inside["more"] = draw(ODD)
    return json.dumps(values).encode()


def sound(name):
    def read(folder):
        assert np.isfinite(read_recording(folder / name).samples).all()

    return read


def read_study(folder):
    check_study(folder / "study", progress=False)
    load_study(folder / "study").recording(0)


def read_session(folder):
    """What is written on resuming must not spoil the next example: a copy is resumed."""
    shutil.rmtree(folder / "copy", ignore_errors=True)
    shutil.copytree(folder / "collected", folder / "copy")
    with Collection(folder / "copy", None, "001", resume=True) as collection:
        collection.next_prompt()


def read_rows(folder):
    for block in file_source(folder / "rows.txt").blocks:
        assert np.isfinite(block.samples).all()


def read_pipe(folder):
    with (folder / "bare.wav").open("rb") as stream:
        for block in piped_source(stream).blocks:
            assert np.isfinite(block.samples).all()


READERS = {
    "wav": ("bare.wav", damaged_bytes, sound("bare.wav")),
    "wav in a pipe": ("bare.wav", damaged_bytes, read_pipe),
    "flac": ("bare.flac", damaged_bytes, sound("bare.flac")),
    "w64": ("bare.w64", damaged_bytes, sound("bare.w64")),
    "rf64": ("bare.rf64", damaged_bytes, sound("bare.rf64")),
    "aiff": ("bare.aiff", damaged_bytes, sound("bare.aiff")),
    "caf": ("bare.caf", damaged_bytes, sound("bare.caf")),
    "sidecar": ("take.json", damaged_json, sound("take.wav")),
    "sidecar, bytes": ("take.json", damaged_bytes, sound("take.wav")),
    "study.json": ("study/study.json", damaged_json, read_study),
    "study.json, bytes": ("study/study.json", damaged_bytes, read_study),
    "takes.tsv": ("study/takes.tsv", damaged_bytes, read_study),
    "recognizer.json": ("model/recognizer.json", damaged_json, lambda folder: Recognizer.load(folder / "model")),
    "weights": ("model/weights.safetensors", damaged_bytes, lambda folder: Recognizer.load(folder / "model")),
    "protocol": ("protocol.json", damaged_json, lambda folder: read_protocol(folder / "protocol.json")),
    "protocol, bytes": ("protocol.toml", damaged_bytes, lambda folder: read_protocol(folder / "protocol.toml")),
    "session": ("session", damaged_json, read_session),
    "rows of numbers": ("rows.txt", damaged_bytes, read_rows),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One sound file of every kind that is read."""
    folder = tmp_path_factory.mktemp("files")
    options = SimulationOptions(n_subjects=1, n_takes=2, n_facets=6000, expressions=("anger", "fear"))
    made = load_study(simulate_study(folder / "study", options, progress=False))
    recording = made.recording(0)
    write_recording(recording, folder / "take.wav")
    for ending in ("wav", "flac", "w64", "rf64", "aiff", "caf"):  # without a sidecar no digest keeps damage off
        soundfile.write(folder / f"bare.{ending}", recording.samples[0, :24_000], 48_000, subtype="PCM_24")
    Recognizer("linear", options={"n_components": 4}).fit(made).save(folder / "model")
    rules = Protocol(expressions=("anger", "fear"), n_takes=2)
    (folder / "protocol.json").write_text(rules.model_dump_json())
    (folder / "protocol.toml").write_text('name = "quick"\nexpressions = ["anger"]\nn_takes = 2\nduration_s = 1.5\n')
    with Collection(folder / "collected", rules, "001") as collection:
        collection.accept_consent()
    rows = np.round(Chirp().emit(24_000) * 2**15).reshape(-1, 1_200)
    (folder / "rows.txt").write_text("\n".join(" ".join(f"{value:.0f}" for value in row) for row in rows))
    return folder


@pytest.mark.parametrize("name", READERS)
def test_a_thousand_damaged_files_are_read_or_refused_on_one_line(files, name):
    relative, damaged, read = READERS[name]
    path = next((files / "collected").rglob("*_session.json")) if relative == "session" else files / relative
    whole = path.read_bytes()
    read(files)

    @THOUSAND
    @given(damaged(whole))
    def check(content):
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read(files)
            except MienError as error:
                assert str(error).strip() and len(str(error)) < 2_000

    try:
        check()
    finally:
        path.write_bytes(whole)

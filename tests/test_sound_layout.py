"""Headers as sox, ffmpeg, arecord and killed recorders write them: the sound behind each is read, as file and as pipe.

The heads are those that the tools wrote; only the samples are made here.
"""

import io
import struct

import numpy as np
import pytest
import soundfile

from mien.capture.sources import file_source, piped_source
from mien.dsp import band_pass
from mien.errors import RecordingError
from mien.probe import Chirp
from mien.recording import read_recording
from mien.sound_files import read_header, read_samples

CHIRP = Chirp()
SOUND = 0.3 * CHIRP.emit(24_000)
STEPS = np.round(SOUND * 2**23).astype("<i4")
"""The sound in 24 bits."""

IN_3 = STEPS.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
IN_3_BIG = STEPS.view(np.uint8).reshape(-1, 4)[:, 2::-1].tobytes()
W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")


def fmt(code=1, n_channels=1, n_frame=3, n_bits=24, order="<") -> bytes:
    return struct.pack(f"{order}HHIIHH", code, n_channels, 48_000, 48_000 * n_frame, n_frame, n_bits)


def chunk(kind: bytes, content: bytes, size: int | None = None, padded: bool = True) -> bytes:
    head = struct.pack("<4sI", kind, len(content) if size is None else size)
    return head + content + b"\0" * (padded and len(content) % 2)


def wav(content: bytes = IN_3, size: int | None = None, description: bytes = fmt(), *before: bytes) -> bytes:
    body = chunk(b"fmt ", description) + b"".join(before) + chunk(b"data", content, size)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body) if size is None else size, b"WAVE") + body


def w64(size: int) -> bytes:
    head = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000") + struct.pack("<Q", size) + b"wave" + W64_TAIL
    described = b"fmt " + W64_TAIL + struct.pack("<Q", 40) + fmt()
    return head + described + b"data" + W64_TAIL + struct.pack("<Q", size) + IN_3


def rf64(n_data: int) -> bytes:
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, n_data, 0, 0))
    return b"RF64\xff\xff\xff\xffWAVE" + ds64 + chunk(b"fmt ", fmt()) + struct.pack("<4sI", b"data", 0xFFFFFFFF) + IN_3


def aiff(size: int, kind: bytes = b"AIFF") -> bytes:
    common = struct.pack(">HIHHQ", 1, 0, 24, 0x400E, 48_000 << 48) + (b"in24\0\0" if kind == b"AIFC" else b"")
    comm = struct.pack(">4sI", b"COMM", len(common)) + common
    return struct.pack(">4sI4s", b"FORM", size, kind) + comm + struct.pack(">4sIII", b"SSND", size, 0, 0) + IN_3_BIG


def caf(size: int, flags: int = 0) -> bytes:
    desc = struct.pack(">4sqd4sIIIII", b"desc", 32, 48_000.0, b"lpcm", flags, 3, 1, 1, 24)
    free = struct.pack(">4sq", b"free", 5) + bytes(5)
    return b"caff\0\1\0\0" + desc + free + struct.pack(">4sqI", b"data", size, 0) + (IN_3 if flags else IN_3_BIG)


OPEN = {
    f"{name}: {size:#x}": (ending, made(size))
    for name, ending, made, sizes in (
        ("wav", ".wav", lambda size: wav(size=size), (0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)),
        ("w64", ".w64", w64, (0, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)),
        ("rf64", ".rf64", rf64, (0, 0xFFFFFFFFFFFFFFFF)),
        ("aiff", ".aiff", aiff, (0, 0x7F000007, 0xFFFFFFFF)),
        ("caf", ".caf", caf, (-1, 0)),
    )
    for size in sizes
}
STATED = {
    "wav": (".wav", wav()),
    "wav, big-endian": (
        ".wav",
        b"RIFX" + struct.pack(">I", 36 + len(IN_3)) + b"WAVE" + struct.pack(">4sI", b"fmt ", 16) + fmt(order=">")
        + struct.pack(">4sI", b"data", len(IN_3)) + IN_3_BIG,
    ),
    "w64": (".w64", w64(24 + len(IN_3))),
    "rf64": (".wav", rf64(len(IN_3))),
    "aiff": (".aif", aiff(8 + len(IN_3))),
    "aifc": (".aifc", aiff(8 + len(IN_3), b"AIFC")),
    "caf": (".caf", caf(4 + len(IN_3))),
    "caf, little-endian": (".caf", caf(4 + len(IN_3), flags=2)),
    "an odd chunk that is padded": (".wav", wav(IN_3, None, fmt(), chunk(b"LIST", b"odd"))),
    "an odd chunk that is not": (".wav", wav(IN_3, None, fmt(), chunk(b"LIST", b"odd", padded=False))),
}  # fmt: skip
EXTENSIBLE = struct.pack("<HHI", 22, 24, 4) + struct.pack("<H", 1) + bytes(14)
IN_4 = {
    "low, as arecord -f S24_LE": (fmt(n_frame=4), STEPS.tobytes()),
    "low, the fourth byte zero": (fmt(n_frame=4), (STEPS & 0xFFFFFF).tobytes()),
    "high, as WAV has it": (fmt(n_frame=4), (STEPS << 8).tobytes()),
    "high, 24 of 32 valid": (fmt(0xFFFE, 1, 4, 32) + EXTENSIBLE, (STEPS << 8).tobytes()),
    "low, 24 of 32 valid": (fmt(0xFFFE, 1, 4, 32) + EXTENSIBLE, STEPS.tobytes()),
    "low, after silence": (fmt(n_frame=4), bytes(40_000) + STEPS.tobytes()),
}


def of_file(path, content: bytes) -> np.ndarray:
    path.write_bytes(content)
    found = read_samples(path, read_header(path))
    streamed = np.concatenate([block.samples for block in file_source(path).blocks], axis=1)
    np.testing.assert_array_equal(found, streamed)
    return found[0]


def of_pipe(content: bytes) -> np.ndarray:
    blocks = piped_source(io.BufferedReader(io.BytesIO(content), 1_024)).blocks
    return np.concatenate([block.samples for block in blocks], axis=1)[0]


@pytest.mark.parametrize("name", OPEN)
def test_a_header_that_leaves_its_length_open_is_read_to_the_end_and_says_so(name, tmp_path):
    ending, content = OPEN[name]
    np.testing.assert_allclose(of_file(tmp_path / f"take{ending}", content), SOUND, atol=2**-23)
    np.testing.assert_allclose(of_pipe(content), SOUND, atol=2**-23)
    assert any("to the end of the file, 0.5 s" in note for note in read_recording(tmp_path / f"take{ending}").notes)


@pytest.mark.parametrize("name", STATED)
def test_every_container_gives_the_same_sound(name, tmp_path):
    ending, content = STATED[name]
    np.testing.assert_allclose(of_file(tmp_path / f"take{ending}", content), SOUND, atol=2**-23)
    np.testing.assert_allclose(of_pipe(content), SOUND, atol=2**-23)
    assert read_recording(tmp_path / f"take{ending}").notes == ()


@pytest.mark.parametrize("name", IN_4)
def test_24_bits_in_4_bytes_are_no_noise(name, tmp_path):
    description, content = IN_4[name]
    whole = wav(content, None, description)
    for found in (of_file(tmp_path / "take.wav", whole), of_pipe(whole)):
        np.testing.assert_allclose(found[-len(SOUND) :], SOUND, atol=2**-23)


def test_a_recorder_killed_within_a_sample_loses_that_sample_alone(tmp_path):
    assert len(of_file(tmp_path / "take.wav", wav(IN_3[:-2], 0))) == len(SOUND) - 1
    assert len(of_pipe(wav(IN_3[:-2], 0xFFFFFFFF))) == len(SOUND) - 1


def test_a_file_that_states_its_length_and_lacks_some_of_it_is_truncated(tmp_path):
    path = tmp_path / "take.wav"
    path.write_bytes(wav()[:-4_000])
    with pytest.raises(RecordingError, match="is truncated: it has .* of .* bytes"):
        read_header(path)


def flac(total: int | None = None, before: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, SOUND, 48_000, subtype="PCM_24", format="FLAC")
    content = bytearray(buffer.getvalue())
    if total is not None:  # the low 36 bits of bytes 18 to 25
        content[21] &= 0xF0
        content[22:26] = struct.pack(">I", total)
    return before + bytes(content)


def test_flac_of_unknown_length_is_read_to_its_end_and_says_so(tmp_path):
    found = of_file(tmp_path / "take.flac", flac(total=0))
    np.testing.assert_allclose(found, SOUND, atol=2**-23)
    assert "0.5 s" in read_recording(tmp_path / "take.flac").notes[0]


def test_flac_behind_an_id3_tag_is_read(tmp_path):
    tag = b"ID3\x04\0\0" + bytes([0, 0, 0, 100]) + bytes(100)
    np.testing.assert_allclose(of_file(tmp_path / "take.flac", flac(before=tag)), SOUND, atol=2**-23)


@pytest.mark.parametrize("rate_hz", [96_000, 88_200, 192_000, 47_999, 50_000])
def test_another_rate_is_resampled_where_the_band_survives_and_quality_says_so(rate_hz, tmp_path):
    sound = 0.3 * CHIRP.at(np.arange(rate_hz // 2) / rate_hz)
    soundfile.write(tmp_path / "take.wav", sound, rate_hz, subtype="FLOAT")
    found = read_recording(tmp_path / "take.wav", CHIRP)
    assert (found.rate_hz, found.quality) == (48_000, ("resampled",))
    assert f"from {rate_hz} to 48000 Hz" in found.notes[0]
    expected = 0.3 * CHIRP.at(np.arange(found.n_samples) / 48_000)
    error = band_pass(found.samples[0] - expected, 48_000, *CHIRP.band_hz)[1_000:-1_000]
    assert np.linalg.norm(error) < 1e-3 * np.linalg.norm(expected)


def test_a_rate_that_cuts_the_band_is_refused(tmp_path):
    soundfile.write(tmp_path / "take.wav", SOUND, 44_100)
    with pytest.raises(RecordingError, match="so all above 22050 Hz is lost"):
        read_recording(tmp_path / "take.wav", CHIRP)


def test_sound_that_is_compressed_is_named(tmp_path):
    desc = struct.pack(">4sqd4sIIIII", b"desc", 32, 48_000.0, b"alac", 0, 0, 4096, 1, 0)
    (tmp_path / "take.caf").write_bytes(b"caff\0\1\0\0" + desc + struct.pack(">4sqI", b"data", 104, 0) + bytes(100))
    with pytest.raises(RecordingError, match="holds alac samples"):
        read_header(tmp_path / "take.caf")

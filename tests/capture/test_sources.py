"""Whatever a stream comes from, its blocks are the sound that was put in; what is none is refused on one line."""

import io
import struct
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.capture.resampled import resampled
from mien.capture.sources import ROW_SAMPLES, are_halves, file_source, piped_source, sources_in
from mien.dsp import resample_rate
from mien.errors import MienError, RecordingError
from mien.probe import Chirp

CHIRP = Chirp()


class Pipe(io.RawIOBase):
    """A pipe that gives what it has in pieces of odd sizes."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def readable(self) -> bool:
        return True

    def readinto(self, target) -> int:
        piece, self._rest = self._rest[: min(len(target), 997)], self._rest[min(len(target), 997) :]
        target[: len(piece)] = piece
        return len(piece)


def piped(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(Pipe(content), 1024)


def heard(source) -> np.ndarray:
    blocks = list(source.blocks)
    starts = np.cumsum([0, *[block.samples.shape[1] for block in blocks]])
    assert [block.first_sample for block in blocks] == starts[:-1].tolist()
    assert all(block.samples.dtype == np.float32 for block in blocks)
    return np.concatenate([block.samples for block in blocks], axis=1)


def chirps(n_samples: int = 30_000, n_channels: int = 1) -> np.ndarray:
    return np.repeat(0.3 * CHIRP.emit(n_samples)[None], n_channels, axis=0)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_pipe_of_wav_is_its_samples(subtype, n_channels):
    buffer = io.BytesIO()
    soundfile.write(buffer, chirps(n_channels=n_channels).T, 48_000, subtype=subtype, format="WAV")
    source = piped_source(piped(buffer.getvalue()))
    assert (source.rate_hz, source.n_channels) == (48_000, n_channels)
    np.testing.assert_allclose(heard(source), chirps(n_channels=n_channels), atol=2**-15)


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_pipe_that_does_not_know_its_length_is_heard_to_its_end(size):
    buffer = io.BytesIO()
    soundfile.write(buffer, chirps().T, 48_000, subtype="PCM_16", format="WAV")
    content = bytearray(buffer.getvalue())
    place = content.index(b"data")
    content[place + 4 : place + 8] = struct.pack("<I", size)
    np.testing.assert_allclose(heard(piped_source(piped(bytes(content)))), chirps(), atol=2**-15)


def test_a_pipe_that_breaks_off_says_so():
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(np.zeros(9_000, "<i2").tobytes())
    with pytest.raises(RecordingError, match="ended within a sample or before its stated length, after 8"):
        list(piped_source(piped(buffer.getvalue()[:-301])).blocks)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "neither WAV nor rows"),
        (b"fLaC....", "pipe WAV"),
        (b"RIFF....WAVX", "is no WAV"),
        (b"RIFF....WAVE", "ended within its header"),
        (b"RIFF....WAVEdata\0\0\0\0", "does not say what its samples are"),
        (b"RIFF....WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 2, 1, 48_000, 0, 0, 4) + b"data\0\0\0\0", "MS_ADPCM"),
        (b"RIFF....WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 99, 48_000, 0, 0, 16) + b"data\0\0\0\0", "99 chan"),
        (b"RIFF....WAVEjunk\xff\xff\xff\x7f", "before its sound"),
    ],
)
def test_what_is_no_wav_is_refused(content, words):
    with pytest.raises(RecordingError, match=words):
        list(piped_source(piped(content)).blocks)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0", b"1 2 ", b"-"]))
def test_no_bytes_bring_a_traceback(content, start):
    try:
        list(piped_source(piped(start + content)).blocks)
    except MienError as error:
        assert "\n" not in str(error)


def rows_of(samples: np.ndarray, form="{:.6f}", between=" ") -> bytes:
    lines = [between.join(form.format(value) for value in row) for row in samples.reshape(-1, ROW_SAMPLES)]
    return ("\n".join(lines) + "\n").encode()


def test_rows_that_follow_each_other_are_their_samples():
    samples = chirps(14_400)[0]
    source = piped_source(piped(rows_of(samples)))
    assert (source.rate_hz, source.n_channels) == (48_000, 1)
    np.testing.assert_allclose(heard(source)[0], samples, atol=1e-6)


@pytest.mark.parametrize("between", [" ", ",", ", ", "\t"])
def test_rows_of_halves_are_given_their_silence_back(between):
    """The app keeps the 25 ms of each period in which the sweep sounds; as 16 bit."""
    samples = np.round(chirps(24_000)[0] * 2**15)
    halves = samples.reshape(-1, 2 * ROW_SAMPLES)[:, :ROW_SAMPLES]
    found = heard(piped_source(piped(rows_of(halves, "{:.0f}", between))))
    np.testing.assert_allclose(found[0], samples / 2**15, atol=1e-6)


@pytest.mark.parametrize("start", [0, 300, 1_199])
def test_which_rows_they_are_shows_wherever_the_first_begins(start):
    sound = CHIRP.emit(30_000)[start:]
    rows = sound[: len(sound) // ROW_SAMPLES * ROW_SAMPLES].reshape(-1, ROW_SAMPLES)[:8]
    assert not are_halves(rows)
    halves = max(rows[::2], rows[1::2], key=np.linalg.norm)
    assert are_halves(halves + 0.01 * np.random.default_rng(0).standard_normal(halves.shape))


def test_a_choice_of_rows_is_kept_to(tmp_path):
    path = tmp_path / "rows.txt"
    path.write_bytes(rows_of(chirps(14_400)[0]))
    assert heard(file_source(path, rows="half")).shape == (1, 28_800)
    assert heard(file_source(path, rows="all")).shape == (1, 14_400)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (rows_of(np.zeros(1_200)) + b"1 2 3\n", "line 2 of .* holds 3 numbers; 1200"),
        (b"1 " * 1_199 + b"x\n", "no number"),
        (b"1 " * 1_199 + b"1e999\n", "not finite"),
        (b"1 " * 100_000, "numbers; 1200"),
        (rows_of(np.full(1_200, 40_000.0)), "beyond full scale"),
    ],
)
def test_rows_that_are_none_are_refused(content, words):
    with pytest.raises(RecordingError, match=words):
        list(piped_source(piped(content)).blocks)


def test_a_folder_is_its_files_by_name(tmp_path):
    (tmp_path / "sub").mkdir()
    soundfile.write(tmp_path / "b.flac", chirps().T, 48_000, subtype="PCM_24")
    soundfile.write(tmp_path / "sub" / "a.wav", chirps(20_000, 2).T, 48_000)
    (tmp_path / "c.txt").write_bytes(rows_of(chirps(14_400)[0]))
    (tmp_path / "notes.md").write_text("nothing to hear")
    sources = list(sources_in(tmp_path))
    assert [source.name.rpartition("/")[2] for source in sources] == ["b.flac", "c.txt", "a.wav"]
    assert [heard(source).shape for source in sources] == [(1, 30_000), (1, 14_400), (2, 20_000)]
    np.testing.assert_allclose(heard(file_source(tmp_path / "b.flac")), chirps(), atol=1e-6)


def test_an_empty_folder_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="holds nothing to hear"):
        list(sources_in(tmp_path))
    for name in ("missing.wav", "missing.txt"):
        with pytest.raises(RecordingError, match="does not exist|cannot be read"):
            list(sources_in(tmp_path / name))


def test_clipping_is_told():
    loud = np.clip(5 * chirps(), -1, 1)
    buffer = io.BytesIO()
    soundfile.write(buffer, loud.T, 48_000, subtype="FLOAT", format="WAV")
    assert any(block.clipped for block in piped_source(piped(buffer.getvalue())).blocks)


@pytest.mark.parametrize("rate_hz", [96_000, 88_200, 50_000])
@pytest.mark.parametrize("n_samples", [1_000, 77_777])
def test_a_stream_that_is_resampled_as_it_comes_is_the_whole_resampled(rate_hz, n_samples):
    sound = 0.3 * CHIRP.at(np.arange(n_samples) / rate_hz)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([sound, -sound], axis=1), rate_hz, subtype="FLOAT", format="WAV")
    source = resampled(piped_source(piped(buffer.getvalue())), 48_000)
    assert source.rate_hz == 48_000
    found = heard(source)
    whole = resample_rate(np.stack([sound, -sound]).astype(np.float32), rate_hz, 48_000)
    np.testing.assert_allclose(found, whole, atol=2e-5)

"""Recordings on disk: what comes back, what is refused; whatever bytes a file holds, the error is a stated one."""

import json
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.errors import MienError, ProbeError, ProbeMismatch, RecordingError
from mien.probe import Chirp, PureTones
from mien.recording import Recording, high_pass_hz, quality_of, read_recording, write_recording
from mien.sound_files import QUALITY_WORDS, SUBTYPES, read_header, read_samples

PROBE = Chirp()
STEP = {"PCM_16": 2.0**-15, "PCM_24": 2.0**-23, "PCM_32": 2.0**-24, "FLOAT": 2.0**-24, "DOUBLE": 2.0**-24}


def noise(n_channels=1, duration_s=0.5, rate_hz=48_000, level=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal((n_channels, round(duration_s * rate_hz)))).clip(-1, 1).astype(np.float32)


def chirps(duration_s=0.5, level=0.5):
    n_samples = round(duration_s * PROBE.rate_hz)
    return Recording(
        (level * PROBE.emit(n_samples)[None] + noise(1, duration_s, level=1e-3)).astype(np.float32), 48_000, PROBE
    )


ENDINGS = [(ending, subtype) for ending, subtypes in SUBTYPES.items() for subtype in subtypes]


@pytest.mark.parametrize("n_channels", [1, 2, 8])
@pytest.mark.parametrize(("ending", "subtype"), ENDINGS)
def test_samples_come_back_to_the_last_bit(tmp_path, ending, subtype, n_channels):
    samples = noise(n_channels)
    facts = {"place": "office", "neutral_until_s": 0.15, "nothing": None}
    recording = Recording(samples, 48_000, PROBE, facts, ("drift",))
    write_recording(recording, tmp_path / f"a{ending}", subtype=subtype, keep_audible=True)
    found = read_recording(tmp_path / f"a{ending}")
    assert np.abs(found.samples - samples).max() <= 1.01 * STEP[subtype]
    assert found.samples.dtype == np.float32
    assert (found.rate_hz, found.probe, found.quality) == (48_000, PROBE, ("drift",))
    assert dict(found.facts) == facts


def test_24_bit_flac_is_the_default(tmp_path):
    write_recording(chirps(), tmp_path / "a.flac")
    found = soundfile.info(tmp_path / "a.flac")
    assert (found.format, found.subtype, found.samplerate) == ("FLAC", "PCM_24", 48_000)


def test_speech_is_removed_and_the_probe_is_not(tmp_path):
    time_s = np.arange(48_000) / 48_000
    speech = 0.2 * sum(np.sin(2 * np.pi * tone_hz * time_s) for tone_hz in (150, 1_200, 3_400, 7_900))
    probe = 0.1 * np.sin(2 * np.pi * 21_000 * time_s + 0.3)
    recording = Recording((speech + probe).astype(np.float32)[None], 48_000, PROBE)
    sidecar = write_recording(recording, tmp_path / "a.flac")
    found = read_recording(tmp_path / "a.flac").samples[0]
    middle = slice(4_800, -4_800)
    assert sidecar.high_pass_hz == 15_000
    assert 20 * np.log10(np.abs(found - probe)[middle].max() / 0.2) < -70


def test_the_filter_displaces_no_echo(tmp_path):
    recording = chirps()
    write_recording(recording, tmp_path / "a.flac")
    found = read_recording(tmp_path / "a.flac").samples[0]
    spectrum = np.fft.rfft(found) * np.conj(np.fft.rfft(recording.samples[0]))
    band = slice(int(19_500 * 0.5), int(22_500 * 0.5))
    assert np.abs(np.angle(spectrum[band].sum())) < 1e-3


def test_audible_sound_stays_only_when_asked_for(tmp_path):
    recording = Recording(noise(), 48_000, PROBE)
    assert write_recording(recording, tmp_path / "a.flac", keep_audible=True).high_pass_hz is None
    low = np.abs(np.fft.rfft(read_recording(tmp_path / "a.flac").samples[0]))[: int(8_000 * 0.5)]
    write_recording(recording, tmp_path / "b.flac")
    filtered = np.abs(np.fft.rfft(read_recording(tmp_path / "b.flac").samples[0]))[: int(8_000 * 0.5)]
    assert filtered.max() < 0.02 * low.max()


def test_a_probe_within_speech_needs_an_explicit_word(tmp_path):
    probe = PureTones((3_000.0,))
    with pytest.raises(ProbeError, match="keep-audible"):
        write_recording(Recording(noise(), 48_000, probe), tmp_path / "a.flac")
    assert not list(tmp_path.iterdir())
    assert high_pass_hz(Chirp(low_hz=10_000, high_hz=14_000)) == 8_000


def test_an_unknown_probe_needs_an_explicit_word(tmp_path):
    with pytest.raises(RecordingError, match="keep_audible"):
        write_recording(Recording(noise(), 48_000), tmp_path / "a.flac")


def test_samples_beyond_full_scale_are_refused_where_they_would_be_clipped(tmp_path):
    recording = Recording(2 * chirps().samples / 0.9, 48_000, PROBE)
    with pytest.raises(RecordingError, match=r"up to 1\.1\d*, and PCM_24 would clip"):
        write_recording(recording, tmp_path / "a.flac", keep_audible=True)
    assert not list(tmp_path.iterdir())
    write_recording(recording, tmp_path / "a.wav", subtype="FLOAT", keep_audible=True)
    assert np.array_equal(read_recording(tmp_path / "a.wav").samples, recording.samples)


def test_a_clipped_recording_overshoots_after_the_filter_and_is_kept_whole(tmp_path):
    loud = (np.sign(np.sin(2 * np.pi * 15_100 * np.arange(24_000) / 48_000 + 0.1))).astype(np.float32)[None]
    sidecar = write_recording(Recording(loud, 48_000, PROBE), tmp_path / "a.flac")
    exact = write_recording(Recording(loud, 48_000, PROBE), tmp_path / "b.wav", subtype="FLOAT")
    assert sidecar.scale > 1 and exact.scale == 1
    stored, truth = read_recording(tmp_path / "a.flac"), read_recording(tmp_path / "b.wav")
    assert np.abs(stored.samples - truth.samples).max() < 1e-6
    assert stored.quality == ("clipped",)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_not_written(tmp_path, bad):
    samples = noise()
    samples[0, 7] = bad
    with pytest.raises(RecordingError, match="1 of them no numbers"):
        write_recording(Recording(samples, 48_000, PROBE), tmp_path / "a.flac")
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_sound_is_refused(tmp_path):
    for name, subtype in (("a.mp3", None), ("a", None), ("a.flac", "FLOAT"), ("a.wav", "ULAW")):
        with pytest.raises(RecordingError, match=r"\.flac|PCM_24"):
            write_recording(chirps(), tmp_path / name, subtype=subtype)


def test_writing_again_replaces_both_files(tmp_path):
    write_recording(chirps(), tmp_path / "a.flac")
    write_recording(Recording(chirps(0.6).samples, 48_000, PROBE, {"n": 2}), tmp_path / "a.flac")
    found = read_recording(tmp_path / "a.flac")
    assert found.n_samples == 28_800 and found.facts == {"n": 2}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.flac", "a.json"]


# What a person may bring instead of a recording.


def wav(path, samples, rate_hz=48_000, subtype="PCM_16"):
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def test_bad_input_is_named_in_one_line(tmp_path):
    long_enough = noise()[0]
    with_nan = long_enough.copy()
    with_nan[3] = np.nan
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("I am no sound at all")
    (tmp_path / "text.flac").write_text("neither am I")
    (tmp_path / "folder.wav").mkdir()
    soundfile.write(tmp_path / "lossy.ogg", long_enough, 48_000)
    truncated = wav(tmp_path / "whole.wav", long_enough).read_bytes()[:-1000]
    (tmp_path / "truncated.wav").write_bytes(truncated)
    soundfile.write(tmp_path / "whole.flac", long_enough, 48_000, subtype="PCM_24")
    (tmp_path / "truncated.flac").write_bytes((tmp_path / "whole.flac").read_bytes()[:-1000])
    cases = [
        ("none.wav", {}, "does not exist"),
        ("empty.wav", {}, "is empty"),
        ("text.wav", {}, "is not a FLAC or WAV file"),
        ("text.flac", {}, "is not a FLAC or WAV file"),
        ("folder.wav", {}, "is not a file"),
        ("lossy.ogg", {}, "is not a FLAC or WAV file"),
        (
            wav(tmp_path / "slow.wav", long_enough, 44_100).name,
            {"probe": PROBE},
            "44100 Hz, so all above 22050 Hz is lost",
        ),
        (wav(tmp_path / "stereo.wav", noise(2).T).name, {"n_channels": 1}, "has 2 channels; 1 needed"),
        (wav(tmp_path / "short.wav", long_enough[:4_800]).name, {}, "holds 0.1 s of sound; at least 0.2 s"),
        (wav(tmp_path / "zeros.wav", 0 * long_enough).name, {}, "is silent"),
        (wav(tmp_path / "constant.wav", 0 * long_enough + 0.5).name, {}, "is silent"),
        (wav(tmp_path / "nan.wav", with_nan, subtype="FLOAT").name, {}, "1 of 24000 samples that are no numbers"),
        (wav(tmp_path / "nothing.wav", long_enough[:0]).name, {}, "holds 0 s of sound"),
        (wav(tmp_path / "coded.wav", long_enough, subtype="IMA_ADPCM").name, {}, "holds IMA_ADPCM samples"),
        ("truncated.wav", {}, "is truncated"),
        ("truncated.flac", {}, "is truncated"),
    ]
    for name, options, message in cases:
        with pytest.raises(RecordingError) as caught:
            read_recording(tmp_path / name, **options)
        assert message in str(caught.value), (name, str(caught.value))
        assert str(caught.value).startswith(str(tmp_path / name)) and "\n" not in str(caught.value)


def test_sizes_are_refused_before_memory_is_taken(tmp_path):
    """A header that claims hours costs no memory, and says how much may be read."""
    soundfile.write(tmp_path / "a.flac", noise()[0], 48_000, subtype="PCM_24")
    content = bytearray((tmp_path / "a.flac").read_bytes())
    # Bytes 21-25 of STREAMINFO hold the 36-bit number of samples (after 4 + 4 + 13 bytes).
    content[21] = (content[21] & 0xF0) | 0x0F
    content[22:26] = b"\xff\xff\xff\xff"
    (tmp_path / "a.flac").write_bytes(content)
    with pytest.raises(RecordingError, match=r"claims \d+ s of 1 channels.*at most\s*3600 s"):
        read_recording(tmp_path / "a.flac")


def test_other_encodings_than_ours_are_read(tmp_path):
    samples = noise(2)
    for subtype in SUBTYPES[".wav"]:
        for kind in ("WAV", "WAVEX", "RF64"):
            soundfile.write(tmp_path / "a.wav", samples.T, 48_000, subtype=subtype, format=kind)
            assert np.abs(read_recording(tmp_path / "a.wav").samples - samples).max() <= 1.01 * STEP[subtype]


# Sidecars.


def test_a_sidecar_of_another_file_is_an_error(tmp_path):
    write_recording(chirps(), tmp_path / "a.flac")
    write_recording(chirps(0.6), tmp_path / "b.flac")
    (tmp_path / "a.json").write_bytes((tmp_path / "b.json").read_bytes())
    with pytest.raises(RecordingError, match="n_samples 24000, but its sidecar states 28800"):
        read_recording(tmp_path / "a.flac")
    values = json.loads((tmp_path / "a.json").read_text()) | {"n_samples": 24_000}
    (tmp_path / "a.json").write_text(json.dumps(values))
    with pytest.raises(RecordingError, match="was altered"):
        read_recording(tmp_path / "a.flac")


def test_a_sound_without_a_sidecar_is_read(tmp_path):
    write_recording(chirps(), tmp_path / "a.flac")
    (tmp_path / "a.json").unlink()
    assert read_recording(tmp_path / "a.flac").probe is None
    assert read_recording(tmp_path / "a.flac", PROBE).probe == PROBE


def test_another_probe_is_refused_naming_both(tmp_path):
    write_recording(chirps(), tmp_path / "a.flac")
    with pytest.raises(ProbeMismatch, match="19000-23000 Hz.*17000-20000 Hz"):
        read_recording(tmp_path / "a.flac", Chirp(low_hz=17_000, high_hz=20_000))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate_hz": "48000"}, "rate_hz"),
        ({"quality": ["fine"]}, "quality 'fine' is unknown"),
        ({"probe": {"kind": "bell"}}, "probe kind 'bell'"),
        ({"scale": 0}, "scale"),
        ({"mien_recording": 2}, "mien_recording"),
        ({"facts": []}, "facts"),
        ({"sha256": "0" * 64}, "was altered"),
    ],
)
def test_a_wrong_field_of_a_sidecar_is_named(tmp_path, change, message):
    write_recording(chirps(), tmp_path / "a.flac")
    values = json.loads((tmp_path / "a.json").read_text()) | change
    (tmp_path / "a.json").write_text(json.dumps(values))
    with pytest.raises(RecordingError, match=message):
        read_recording(tmp_path / "a.flac")


def test_what_another_program_adds_to_a_sidecar_becomes_a_fact(tmp_path):
    write_recording(chirps(), tmp_path / "a.flac")
    (tmp_path / "a.json").write_text('{"rate_hz": 48000, "Manufacturer": "somebody"}')
    assert read_recording(tmp_path / "a.flac").facts == {"Manufacturer": "somebody"}


# Quality.


def test_clipping_is_seen_and_a_loud_clean_sound_is_not():
    time_s = np.arange(24_000) / 48_000
    for tone_hz in (19_000, 20_000, 21_337, 440):
        tone = np.sin(2 * np.pi * tone_hz * time_s)[None]
        assert quality_of((0.99 * tone).astype(np.float32), 48_000) == ()
        assert quality_of((1.2 * tone).clip(-1, 1).astype(np.float32), 48_000) == ("clipped",)


def test_a_pause_of_the_chirp_is_no_dropout_and_a_lost_buffer_is():
    clean = PROBE.emit(24_000).astype(np.float32)[None] * 0.5
    assert quality_of(clean, 48_000, PROBE) == ()
    lost = clean.copy()
    lost[:, 7_200:7_680] = 0
    assert quality_of(lost, 48_000, PROBE) == ("dropout",)
    late = clean.copy()
    late[:, :4_800] = 0
    assert quality_of(late, 48_000, PROBE) == ("dropout",)


def test_an_unknown_word_of_quality_is_refused():
    with pytest.raises(RecordingError, match="'loud' is unknown; known are clipped"):
        Recording(noise(), 48_000, quality=("loud",))
    assert Recording(noise(), 48_000, quality=QUALITY_WORDS).quality == QUALITY_WORDS


# Fuzzing: whatever the bytes, a recording or a stated error.

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def _read(path):
    try:
        recording = read_recording(path)
    except MienError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(recording.samples).all()


@FUZZ
@given(
    st.sampled_from([b"", b"RIFF", b"fLaC", b"RF64", b"RIFX", b"RIFF\x24\x00\x00\x00WAVEfmt "]),
    st.binary(max_size=400),
    st.sampled_from([".wav", ".flac", ".WAV"]),
)
def test_random_bytes(tmp_path, start, content, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(start + content)
    _read(path)


@pytest.mark.parametrize("ending", [".wav", ".flac"])
@FUZZ
@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 3))
def test_mutated_headers(tmp_path, ending, changes, cut):
    path = tmp_path / f"a{ending}"
    soundfile.write(path, noise(duration_s=0.25)[0], 48_000, subtype="PCM_24")
    content = bytearray(path.read_bytes())
    for position, value in changes:
        content[position] = value
    path.write_bytes(content[: len(content) - cut * 3_001])
    _read(path)


@FUZZ
@given(st.integers(0, 2**32 - 1), st.integers(0, 65_535), st.integers(0, 2**32 - 1), st.integers(0, 65_535))
def test_headers_of_extreme_numbers(tmp_path, n_bytes, n_channels, rate_hz, n_bits):
    path = tmp_path / "a.wav"
    form = struct.pack("<HHIIHH", 1, n_channels, rate_hz, rate_hz, 4, n_bits)
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 0) + b"WAVEfmt \x10\x00\x00\x00" + form + b"data" + struct.pack("<I", n_bytes)
    )
    _read(path)


NAMES = ["probe", "kind", "parts", "rate_hz", "quality", "scale", "facts", "sha256", "tones_hz", "low_hz"]
PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["chirp", "composite", ""])
)
ANY_JSON = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
ANY_PROBE = st.fixed_dictionaries(
    {"kind": st.sampled_from(["chirp", "pure-tones", "composite"])},
    optional={
        "low_hz": PLAIN, "high_hz": PLAIN, "sweep_s": PLAIN, "period_s": PLAIN, "tones_hz": ANY_JSON, "parts": ANY_JSON
    },
)  # fmt: skip


@FUZZ
@given(ANY_JSON | st.fixed_dictionaries({"probe": ANY_PROBE}))
def test_any_json_as_a_sidecar(tmp_path, values):
    path = tmp_path / "a.wav"
    if not path.exists():
        wav(path, noise()[0])
    (tmp_path / "a.json").write_text(json.dumps(values))
    _read(path)


def test_header_and_samples_can_be_read_apart(tmp_path):
    wav(tmp_path / "a.wav", noise(3).T)
    header = read_header(tmp_path / "a.wav")
    assert (header.n_channels, header.n_samples, header.container) == (3, 24_000, "WAV")
    assert read_samples(tmp_path / "a.wav", header).shape == (3, 24_000)

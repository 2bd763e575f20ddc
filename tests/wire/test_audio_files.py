"""Audio files of every kind, whole or damaged."""

from __future__ import annotations

import io
import struct
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.audio_formats import EXACT, LOSSY, RATE, SAMPLES, at_8k, chunk, fmt, pcm, riff, stored

from dgsm_helpers.rules.sample import bundled_sample
from dgsm_helpers.wire import audio_files
from dgsm_helpers.wire.audio_files import read_audio
from dgsm_helpers.wire.samples import AudioUndecodable


def read(data: bytes, **how) -> tuple[int, list[np.ndarray]]:
    rate, channels = read_audio(io.BytesIO(data), **how)
    return rate, [np.frombuffer(channel, "<i2") for channel in channels]


@pytest.mark.parametrize("kind", EXACT)
def test_a_foreign_file_that_loses_nothing_is_read_sample_by_sample(kind):
    rate, (samples,) = read(EXACT[kind]())
    assert rate == RATE and samples.tobytes() == bundled_sample().pcm


@pytest.mark.parametrize("kind", LOSSY)
def test_a_foreign_file_that_loses_little_sounds_the_same(kind):
    rate, (samples,) = read(LOSSY[kind]())
    original = at_8k() if rate == 8000 else SAMPLES
    assert rate in (8000, RATE) and abs(len(samples) - len(original)) < rate / 5
    # A coder may delay: the spectra of the whole are compared, not the moments.
    length = 1 << 15
    loud, heard = (np.abs(np.fft.rfft(one[:length].astype(float))) for one in (original, samples))
    assert np.corrcoef(loud, heard)[0, 1] > 0.9


def test_channels_are_told_apart_or_mixed():
    stereo = np.stack([SAMPLES, np.zeros_like(SAMPLES)], axis=1)
    for data in (riff(fmt(channels=2), chunk(b"data", pcm(stereo.reshape(-1)))), stored("FLAC", "PCM_16", stereo)):
        _, (left, right) = read(data, separate=True)
        assert left.tobytes() == SAMPLES.tobytes() and not right.any()
        _, (mixed,) = read(data)
        assert np.abs(mixed.astype(int) - SAMPLES // 2).max() <= 1


def test_floats_that_are_no_numbers_are_silence_and_loud_ones_are_clipped():
    values = np.array([0.5, np.nan, np.inf, -np.inf, 3.0, -1.0, 1.0], "<f4")
    _, (samples,) = read(riff(fmt(3, bits=32), chunk(b"data", values.tobytes())))
    assert samples.tolist() == [16384, 0, 32767, -32768, 32767, -32768, 32767]


@given(cut=st.integers(0, 9), bits=st.sampled_from([8, 16, 24, 32]), channels=st.integers(1, 3))
def test_a_file_cut_off_anywhere_is_read_in_whole_samples(cut, bits, channels):
    """Case: a recorder that was killed in the middle of a sample."""
    data = riff(fmt(bits=bits, channels=channels), chunk(b"data", pcm(SAMPLES[:600], bits=bits)))
    _, heard = read(data[: len(data) - cut], separate=True)
    whole = SAMPLES[: 600 // channels * channels].reshape(-1, channels)
    expected = ((whole >> 8) << 8) if bits == 8 else whole
    left = -(-cut // (bits // 8 * channels))
    for number, samples in enumerate(heard):
        assert samples.tolist() == expected[: len(whole) - left, number].tolist()


@pytest.mark.parametrize("kind", ["FLAC", "MP3", "Ogg Opus", "AIFF", "AU", "W64", "Sphere", "mu-law at 8 kHz"])
def test_a_foreign_file_cut_off_is_read_as_far_as_it_goes(kind):
    whole = (EXACT | LOSSY)[kind]()
    _, (samples,) = read(whole[: len(whole) * 2 // 3 - 1])
    length_s = 11.0 if len(SAMPLES) else 0
    assert 0.3 * length_s < len(samples) / RATE <= length_s


def test_a_foreign_file_whose_head_was_never_finished_is_read_to_its_end():
    """Case: FLAC through a pipe, whose head says that its length is not known."""
    flac = EXACT["FLAC"]()
    _, (samples,) = read(flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:])
    assert len(SAMPLES) - 4096 <= len(samples) <= len(SAMPLES)
    assert samples.tobytes() == SAMPLES[: len(samples)].tobytes()
    au = stored("AU", "PCM_16")
    _, (samples,) = read(au[:8] + b"\xff" * 4 + au[12:])
    assert samples.tobytes() == SAMPLES.tobytes()


def test_an_mp3_of_any_length_is_read_without_a_word_on_the_error_output(capfd):
    """Case: its decoder calls what it meets after a seek an error."""
    _, (samples,) = read(stored("MP3", "MPEG_LAYER_III"))
    assert len(samples) == len(SAMPLES)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "an empty file"),
        (b"hello " * 500, "no audio"),
        (bytes(16000), "no audio"),
        (b"\xff" * 8000, "no audio"),
        (b"\xd5\x55" * 8000, "no audio"),
        (b"\0\0\0\x20ftypM4A " + bytes(500), "MPEG-4"),
        (b"#!AMR\n" + bytes(500), "AMR"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page or XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "a pointer of Git LFS"),
        (b"\x1aE\xdf\xa3" + bytes(500), "WebM"),
        (b"\xff\xf1" + bytes(500), "AAC"),
        (b"OggS" + bytes(500), "an Ogg file that is damaged"),
        (riff(fmt())[:30], "ends in its header"),
        (riff(fmt()), "ends in its header"),
        (riff(fmt(), chunk(b"data", b"")), "no audio"),
        (riff(fmt(), chunk(b"data", b""), chunk(b"LIST", b"INFO")), "no audio"),
        (riff(chunk(b"data", pcm())), "without a fmt chunk"),
        (riff(fmt(0x55, bits=0), chunk(b"data", b"x" * 100)), "format 85"),
        (riff(fmt(rate=4000), chunk(b"data", pcm())), "4000 Hz"),
        (riff(fmt(channels=0), chunk(b"data", pcm())), "0 channels"),
        (stored("FLAC", "PCM_16", SAMPLES, 192_000), "192000 Hz"),
        (stored("OGG", "VORBIS")[:3000], "an Ogg file that is damaged"),
        (b"ID3\4" + bytes(5) + b"\x11" + bytes(17) + EXACT["wav"](), "no audio"),
        (stored("FLAC", "PCM_16")[:20], "a damaged FLAC file"),
    ],
)
def test_what_is_no_audio_or_of_a_foreign_kind_is_named(data, says):
    with pytest.raises(AudioUndecodable, match=says):
        read(data)


@given(st.binary(max_size=400), st.sampled_from([b"", b"RIFF....WAVE", riff(fmt()), b"fLaC", b"OggS", b"ID3", b".snd"]))
def test_no_bytes_end_in_anything_but_audio_or_a_refusal(data, begin):
    try:
        rate, (samples,) = read(begin + data)
    except AudioUndecodable:
        return
    assert 8000 <= rate <= 96_000 and len(samples)


def test_hours_of_silence_in_a_small_file_are_refused_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(audio_files, "MOST_BYTES", 1 << 20)
    with pytest.raises(AudioUndecodable, match=r"longer than 0\.0 h at its 16000 Hz"):
        read(stored("FLAC", "PCM_16", np.zeros(1 << 21, np.int16)))


def test_without_the_library_plain_wav_is_read_and_the_rest_named(monkeypatch):
    flac, mulaw = stored("FLAC", "PCM_16"), LOSSY["mu-law at 8 kHz"]()
    monkeypatch.setitem(sys.modules, "soundfile", None)
    assert len(read(EXACT["wav"]())[1][0]) == len(SAMPLES)
    for data in (flac, mulaw):
        with pytest.raises(AudioUndecodable, match="package soundfile"):
            read(data)


def test_a_head_that_promises_a_chunk_without_end_is_refused_not_waited_for():
    endless = riff(struct.pack("<4sI", b"LIST", 0x7FFFFFFF) + bytes(100))
    with pytest.raises(AudioUndecodable, match="without a data chunk"):
        read(endless)

from __future__ import annotations

import io
import itertools
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.audio_formats import SAMPLES, chunk, fmt, pcm, riff, stored

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport import recordings
from dgsm_helpers.load.transport.recordings import (
    Recording,
    bundled_recording,
    chunks,
    read_recording,
    read_recordings,
)
from dgsm_helpers.rules.sample import sample_wav

ONE_SECOND = Recording(pcm=bytes(i % 251 for i in range(32000)), sample_rate=16000)


def wav(*, channels=1, width=2, rate=16000, seconds=1.0) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(b"\x40\x10" * (int(rate * seconds) * width * channels // 2))
    return target.getvalue()


def test_chunks_without_loop_are_the_recording_itself():
    recording = bundled_recording()
    assert b"".join(chunks(recording, loop=False)) == recording.pcm


@given(
    chunk_ms=st.integers(20, 100),
    offset_s=st.floats(0, 5),
    duration_s=st.floats(0.01, 4),
)
def test_looped_chunks_are_a_window_of_the_endless_recording(chunk_ms, offset_s, duration_s):
    parts = list(chunks(ONE_SECOND, chunk_ms=chunk_ms, offset_s=offset_s, duration_s=duration_s))
    start = round(offset_s * 16000) * 2
    length = round(duration_s * 16000) * 2
    assert b"".join(parts) == (ONE_SECOND.pcm * 12)[start : start + length]
    assert all(len(p) == 16 * chunk_ms * 2 for p in parts[:-1])


def test_a_loop_without_duration_goes_on_for_ever():
    endless = chunks(ONE_SECOND)
    assert sum(len(c) for c in itertools.islice(endless, 1000)) == 1000 * 3200


@pytest.mark.parametrize("bad", [{"chunk_ms": 19}, {"chunk_ms": 101}, {"offset_s": -1}, {"duration_s": 0}])
def test_impossible_chunking_is_refused_before_the_first_chunk(bad):
    with pytest.raises(InvalidInput):
        chunks(ONE_SECOND, **bad)


def test_a_recording_of_the_users_is_read_with_its_rate(tmp_path):
    path = tmp_path / "speech.wav"
    path.write_bytes(sample_wav())
    recording = read_recording(path, transcript="ask not")
    assert recording.pcm == bundled_recording().pcm
    assert (recording.sample_rate, recording.transcript) == (16000, "ask not")
    assert read_recording(recording.to_wav()).pcm == recording.pcm


@pytest.mark.parametrize(
    ("name", "bad", "says"),
    [
        ("short.wav", riff(fmt(), chunk(b"data", pcm(SAMPLES[:800]))), "shorter than 0.1 s"),
        ("silent.wav", riff(fmt(), chunk(b"data", bytes(32000))), "silent throughout"),
        ("idle line.wav", stored("WAV", "ALAW", np.zeros(8000, np.int16), 8000), "silent throughout"),
        ("call.m4a", b"\0\0\0\x20ftypM4A " + bytes(500), r"MPEG-4 .*ffmpeg -i \S*call.m4a -ac 1 -ar 16000"),
        ("my call.amr", b"#!AMR\n" + bytes(500), r"AMR .*ffmpeg -i '\S*/my call.amr' .*'\S*/my call-16k.wav'"),
        ("call.ulaw", b"\xff\x7f" * 8000, r"ffmpeg -f mulaw -ar 8000 -ac 1 -i \S*call.ulaw"),
        ("call.sln16", pcm(), r"ffmpeg -f s16le -ar 16000 -ac 1 -i"),
        ("call.raw", pcm(), r"ffmpeg -f s16le -ar 8000 -ac 1 -i"),
        ("fast.flac", stored("FLAC", "PCM_16", SAMPLES, 192_000), "192000 Hz"),
        ("head.wav", sample_wav()[:30], "ends in its header"),
        ("note.wav", b"hello", "no audio"),
        ("empty.wav", b"", "empty file"),
    ],
)
def test_a_foreign_recording_that_cannot_be_streamed_says_why_and_what_converts_it(tmp_path, name, bad, says):
    (tmp_path / name).write_bytes(bad)
    with pytest.raises(InvalidInput, match=says):
        read_recording(tmp_path / name)


FLOATS = {"WAV of 32 bits": (32, "<f4"), "WAV of 64 bits": (64, "<f8")}


@pytest.mark.parametrize("pause", [0, 3], ids=["speech throughout", "mostly digital silence"])
@pytest.mark.parametrize("kind", FLOATS)
def test_floats_of_16_bits_that_were_not_divided_are_refused_as_the_noise_they_would_be(kind, pause):
    bits, form = FLOATS[kind]
    spoken = np.concatenate([SAMPLES, np.zeros(pause * len(SAMPLES))])
    with pytest.raises(InvalidInput, match=r"The audio is noise: .*floats beyond ±1, divide them by 32768"):
        read_recording(riff(fmt(3, bits=bits), chunk(b"data", spoken.astype(form).tobytes())))
    divided = riff(fmt(3, bits=bits), chunk(b"data", (spoken / 32768).astype(form).tobytes()))
    assert read_recording(divided).pcm == spoken.astype("<i2").tobytes()


def test_floats_of_16_bits_in_a_foreign_container_or_in_stereo_are_refused_too():
    stereo = np.stack([SAMPLES, np.roll(SAMPLES, 800)], axis=1)
    for data in (
        riff(fmt(3, channels=2, bits=32), chunk(b"data", stereo.astype("<f4").tobytes())),
        stored("AU", "FLOAT", SAMPLES.astype(np.float32)),
    ):
        with pytest.raises(InvalidInput, match="noise"):
            read_recording(data)


@pytest.mark.parametrize("gain", [1.0, 2.0, 4.0])
def test_loud_speech_with_peaks_that_are_clipped_is_streamed(gain):
    loud = (SAMPLES / np.abs(SAMPLES).max() * gain).astype("<f4")
    assert read_recording(riff(fmt(3, bits=32), chunk(b"data", loud.tobytes()))).duration_s == 11


def test_channels_that_cancel_each_other_are_told_from_silence():
    for channels in ((SAMPLES, -SAMPLES), (SAMPLES, -SAMPLES, 0 * SAMPLES)):
        data = riff(fmt(channels=len(channels)), chunk(b"data", pcm(np.stack(channels, axis=1).reshape(-1))))
        with pytest.raises(InvalidInput, match=f"silent when its {len(channels)} channels are mixed to one"):
            read_recording(data)
    with pytest.raises(InvalidInput, match="silent throughout"):
        read_recording(riff(fmt(channels=2), chunk(b"data", bytes(64_000))))


def test_half_a_sample_at_the_end_is_left_out_of_every_lap():
    """Case: looped, it would swap the bytes of every second lap."""
    odd = Recording(pcm=bundled_recording().pcm[:6401], sample_rate=16000)
    laps = b"".join(chunks(odd, duration_s=0.6))
    assert laps == bundled_recording().pcm[:6400] * 3


@given(rate=st.integers(8000, 96_000), chunk_ms=st.integers(20, 100))
def test_a_foreign_rate_is_paced_exactly_however_odd(rate, chunk_ms):
    second = Recording(pcm=bytes(2 * rate), sample_rate=rate)
    sizes = [len(piece) // 2 for piece in chunks(second, chunk_ms=chunk_ms, duration_s=60.0)]
    assert sum(sizes) == 60 * rate
    sent, drift = 0, 0.0
    for number, size in enumerate(sizes[:-1], start=1):
        sent += size
        drift = max(drift, abs(sent / rate - number * chunk_ms / 1000))
    assert drift < 1 / rate


def test_a_file_of_a_wanted_length_is_looped():
    assert read_recording(ONE_SECOND.to_wav(duration_s=2.5)).duration_s == 2.5


def test_a_folder_or_a_pattern_of_recordings_is_read_in_order_of_names(tmp_path):
    for name in ("b.wav", "a.WAV", "note.txt", "._b.wav", "deep/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(wav(rate=8000))
    (tmp_path / "c.flac").mkdir()
    both = read_recordings(str(tmp_path))
    assert [Path(r.source).name for r in both] == ["a.WAV", "b.wav"]
    assert read_recordings(str(tmp_path / "*.wav")) == both[1:]
    assert read_recordings(str(tmp_path / "b.wav")) == both[1:]
    assert [Path(r.source).name for r in read_recordings(str(tmp_path / "**" / "*.wav"))] == ["b.wav", "c.wav"]


@pytest.mark.parametrize("name", ["b.m4a", "b.sln", "b.ulaw", "b.g729", "b.vox", "b.ds2"])
def test_of_a_folder_a_foreign_kind_is_refused_by_name_not_passed_over(tmp_path, name):
    (tmp_path / "a.wav").write_bytes(wav())
    (tmp_path / name).write_bytes(b"\0\0\0\x20ftypM4A ")
    with pytest.raises(InvalidInput, match=rf"{name} cannot be streamed: an MPEG-4 file"):
        read_recordings(str(tmp_path))


@pytest.mark.parametrize("name", ["call[en-US].wav", "what?.wav", "all*.wav", "[a-z].flac", "sure", "~.wav"])
def test_a_path_of_the_users_environment_that_exists_is_that_file(tmp_path, name, monkeypatch):
    (tmp_path / name).write_bytes(sample_wav())
    (tmp_path / "x.wav").write_bytes(wav(seconds=2.0))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for written in (str(tmp_path / name), name, f"~/{name}"):
        (recording,) = read_recordings(written)
        assert recording.duration_s == 11.0


@pytest.mark.parametrize(
    "name", ["~nobody/a.wav", "a\0b.wav", "x" * 5000 + ".wav", "", "[", "/dev/null", "/proc/1/mem"]
)
def test_a_path_of_the_users_environment_that_is_no_file_is_told_in_words(name):
    with pytest.raises(InvalidInput, match=r"no audio file|cannot be read|empty file"):
        read_recordings(name)


def test_a_folder_with_brackets_is_that_folder(tmp_path):
    (tmp_path / "calls [2026]").mkdir()
    (tmp_path / "calls [2026]" / "a.wav").write_bytes(wav())
    assert len(read_recordings(str(tmp_path / "calls [2026]"))) == 1


def test_recordings_that_would_not_fit_into_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(recordings, "MOST_BYTES", 70_000)
    for name in "abc":
        (tmp_path / f"{name}.wav").write_bytes(wav())
    with pytest.raises(InvalidInput, match=r"3 of 3 are more than 0 MB.*ffmpeg .* -t 600"):
        read_recordings(str(tmp_path))


def test_a_file_of_the_users_environment_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(wav())

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(InvalidInput, match=r"a.wav cannot be read: Permission denied"):
        read_recordings(str(tmp_path / "a.wav"))


def test_recordings_that_are_missing_or_of_several_rates_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no audio file"):
        read_recordings(str(tmp_path))
    (tmp_path / "low.wav").write_bytes(wav(rate=8000))
    (tmp_path / "high.wav").write_bytes(wav(rate=48000))
    with pytest.raises(InvalidInput, match=r"rates differ: .*low.wav has 8000 Hz, .*high.wav has 48000 Hz"):
        read_recordings(str(tmp_path))

from __future__ import annotations

import io
import itertools
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.recordings import Recording, bundled_recording, chunks, read_wav, read_wavs
from dgsm_helpers.rules.sample import sample_wav

ONE_SECOND = Recording(pcm=bytes(i % 251 for i in range(32000)), sample_rate=16000)


def wav(*, channels=1, width=2, rate=16000, seconds=1.0) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(int(rate * seconds) * width * channels))
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


def test_a_wav_of_the_users_is_read_with_its_rate(tmp_path):
    path = tmp_path / "speech.wav"
    path.write_bytes(sample_wav())
    recording = read_wav(path, transcript="ask not")
    assert recording.pcm == bundled_recording().pcm
    assert (recording.sample_rate, recording.transcript) == (16000, "ask not")
    assert read_wav(recording.to_wav()).pcm == recording.pcm


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (wav(channels=2), "2 channels"),
        (wav(width=1), "8 bits"),
        (wav(rate=96000), "96000 Hz"),
        (wav(seconds=0.05), "shorter"),
        (b"OggS not a wav", "could not be read"),
        (sample_wav()[:30], "could not be read"),
    ],
)
def test_a_wav_that_cannot_be_streamed_says_why(bad, reason):
    with pytest.raises(InvalidInput, match=reason):
        read_wav(bad)


def test_a_file_of_a_wanted_length_is_looped():
    assert read_wav(ONE_SECOND.to_wav(duration_s=2.5)).duration_s == 2.5


def test_a_folder_or_a_pattern_of_recordings_is_read_in_order_of_names(tmp_path):
    for name in ("b.wav", "a.WAV", "note.txt"):
        (tmp_path / name).write_bytes(wav(rate=8000))
    both = read_wavs(str(tmp_path))
    assert [Path(r.source).name for r in both] == ["a.WAV", "b.wav"]
    assert read_wavs(str(tmp_path / "*.wav")) == both[1:]
    assert read_wavs(str(tmp_path / "b.wav")) == both[1:]


def test_recordings_that_are_missing_or_of_several_rates_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no WAV file"):
        read_wavs(str(tmp_path))
    (tmp_path / "low.wav").write_bytes(wav(rate=8000))
    (tmp_path / "high.wav").write_bytes(wav(rate=48000))
    with pytest.raises(InvalidInput, match=r"rates differ: .*low.wav has 8000 Hz, .*high.wav has 48000 Hz"):
        read_wavs(str(tmp_path))

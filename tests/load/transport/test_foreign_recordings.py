"""Recordings of every kind on a real endpoint: streamed at their own rate, sent as files, their words recognised."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from kit import endpoints
from kit.audio_formats import EXACT, LOSSY, SAMPLES, at_8k, stored
from kit.waiting import until

from dgsm_helpers.aws.endpoint.invoke import transcribe_file, transcript_of
from dgsm_helpers.errors import AwsCallFailed, InvalidInput
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.load.transport.paced_audio import PacedAudio
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recordings import Recording, bundled_recording, read_recording
from dgsm_helpers.load.transport.sdk_transport import stream_recording
from dgsm_helpers.load.transport.trace import StreamTrace

SPOKEN = {"ask", "not", "what", "your", "country", "can", "do", "for", "you"}


@pytest.fixture(scope="module")
def heard_by_speech(embedded):
    """An endpoint that recognises what is said, whatever its samples are."""
    with endpoints.scaled_endpoint(embedded.home, "foreign-speech", listing="speech") as wb:
        yield wb


def heard_s(trace: StreamTrace) -> float:
    """Seconds of audio that the server has accounted for."""
    return max(result.cursor_s for result in trace.results)


def test_foreign_files_are_recognised_word_by_word(endpoint):
    for kind, made in EXACT.items():
        answer = transcribe_file(endpoint, made(), model="nova-3", punctuate=True)
        assert transcript_of(answer) == bundled_recording().transcript, kind
        assert answer["metadata"]["duration"] == 11.0, kind


@pytest.mark.parametrize("kind", ["mu-law at 8 kHz", "MP3", "Ogg Opus", "GSM in WAV"])
def test_foreign_files_of_other_samples_are_recognised_by_what_is_said(heard_by_speech, kind):
    said = transcript_of(transcribe_file(heard_by_speech, LOSSY[kind]())).lower().replace(",", "").split()
    assert len(SPOKEN & set(said)) >= 7, said


def test_a_foreign_file_that_the_container_cannot_decode_is_named(endpoint):
    with pytest.raises(AwsCallFailed, match=r"corrupt or unsupported data \(an MPEG-4 file"):
        transcribe_file(endpoint, b"\0\0\0\x20ftypM4A " + bytes(100))


def test_foreign_recordings_are_streamed_at_their_own_rate_whatever_else_is_asked(endpoint, tmp_path):
    """Case: a rate that was declared wrong plays the audio at twice its speed, and the trace says ok."""
    kinds = {
        "24 bits.wav": EXACT["wav of 24 bits"](),
        "stereo.wav": EXACT["stereo wav"](),
        "call.flac": EXACT["FLAC"](),
        "mulaw.wav": LOSSY["mu-law at 8 kHz"](),
        "alaw.au": stored("AU", "ALAW", at_8k(), 8000),
        "11025.wav": stored("WAV", "PCM_16", SAMPLES, 11_025),
        "44100.mp3": stored("MP3", "MPEG_LAYER_III", SAMPLES, 44_100),
    }
    for name, content in kinds.items():
        (tmp_path / name).write_bytes(content)

    def streamed(name):
        recording = read_recording(tmp_path / name)
        asked = "language=en-US"
        return name, recording, stream_recording(endpoint, recording, query=asked, duration_s=2.0)

    with ThreadPoolExecutor(len(kinds)) as pool:
        for name, recording, trace in pool.map(streamed, kinds):
            assert trace.ok, (name, trace.error)
            assert heard_s(trace) == pytest.approx(2.0, abs=0.15), name
            exact = recording.pcm == bundled_recording().pcm
            assert not exact or trace.transcript.startswith("And so"), name


def test_a_held_load_declares_the_recordings_rate_with_options_of_ones_own(endpoint):
    telephone = Recording(pcm=at_8k().tobytes(), sample_rate=8000, source="telephone")
    asked = {"workload": PacedAudio((telephone,)), "query": Query.parse("language=en-US")}
    with Load(endpoint, **asked, session_s=2.0) as load:
        load.set(1)
        load.wait_open()
        until(lambda: load.traces, "the first session ends")
    first = load.traces[0]
    assert first.ok and heard_s(first) == pytest.approx(2.0, abs=0.15)
    assert not load.snapshot().failed


@pytest.mark.parametrize(("query", "says"), [("language", "is no query"), ("sample_rate=8000", "sets sample_rate")])
def test_a_query_that_is_none_is_refused_before_anything_of_a_foreign_recording_is_sent(endpoint, query, says):
    with pytest.raises(InvalidInput, match=says):
        stream_recording(endpoint, query=query)

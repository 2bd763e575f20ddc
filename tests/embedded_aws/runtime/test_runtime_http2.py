"""The HTTP/2 side with a bare `h2` client: what no well-behaved SDK does, and what only frames show."""

import gc
import json
import socket
from hashlib import sha256

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest
from kit.raw_http2 import DATA, END_STREAM, HEADERS, PCM, RawHttp2, audio, close
from kit.runtime_sdk import QUERY
from kit.virtual_time import MovedClock
from kit.waiting import until

from dgsm_helpers.rules.sample import bundled_sample, sample_wav
from dgsm_helpers.wire.eventstream import CONTENT_TYPE, payload_part
from embedded_aws.runtime.gate import Limits
from embedded_aws.runtime.http2_writer import Http2Stream


@pytest.fixture
def raw(running):
    client = RawHttp2(running)
    yield client
    client.socket.close()


def test_headers_come_before_any_audio_and_thousands_of_streams_are_offered(raw):
    stream, _ = raw.open()
    raw.until(lambda: stream in raw.headers)
    assert raw.headers[stream][":status"] == "200"
    assert raw.headers[stream]["content-type"] == CONTENT_TYPE
    assert raw.headers[stream]["x-amzn-invoked-production-variant"] == "AllTraffic"
    assert raw.settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] >= 1000


def test_frames_may_be_cut_anywhere(raw):
    stream, signer = raw.open()
    wire = b"".join(audio(signer, n) for n in range(3)) + close(signer) + signer.sign(b"")
    for at in range(0, len(wire), 777):
        raw.send(stream, wire[at : at + 777])
    raw.send(stream, b"", end=True)
    kinds = [json.loads(m.payload)["type"] for m in raw.finish(stream)]
    assert kinds[:3] == ["Results"] * 3 and kinds[-1] == "Metadata"


def test_a_tampered_frame_ends_the_stream_with_an_in_stream_error(running, raw):
    stream, signer = raw.open()
    frame = bytearray(audio(signer))
    raw.send(stream, bytes(frame))
    _, other = raw.open()
    raw.send(stream, audio(other))
    *_, last = raw.finish(stream)
    assert last.headers[":message-type"] == "error" and last.headers[":error-code"] == "InvalidSignatureException"
    assert running.placement.leases[0].errors == ["4xx"] and running.placement.leases[0].released == 1


def test_bytes_that_are_no_frame_end_the_stream(raw):
    stream, _ = raw.open()
    raw.send(stream, b"x" * 64)
    *_, last = raw.finish(stream)
    assert last.headers[":error-code"] == "SerializationException"


def test_unsigned_frames_are_refused(raw):
    stream, _ = raw.open()
    raw.send(stream, payload_part(PCM[:3200], "BINARY"))
    *_, last = raw.finish(stream)
    assert last.headers[":error-code"] == "InvalidSignatureException"


def test_late_audio_after_the_end_is_dropped_and_the_connection_lives_on(raw):
    stream, signer = raw.open()
    raw.send(stream, audio(signer) + close(signer))
    raw.finish(stream)
    for n in range(3):
        raw.send(stream, audio(signer, n))
    raw.send(stream, signer.sign(b""), end=True)
    again, signer = raw.open()
    raw.send(again, audio(signer) + close(signer))
    assert json.loads(raw.finish(again)[-1].payload)["type"] == "Metadata"


def test_a_reader_without_window_is_waited_for_and_nothing_is_lost(running):
    raw = RawHttp2(running, window=1000)
    raw.acknowledge = False
    stream, signer = raw.open()
    for n in range(20):
        raw.send(stream, audio(signer, n))
    raw.send(stream, close(signer))
    raw.until(lambda: len(raw.body.get(stream, b"")) >= 1000)
    # A later stream of the same connection, which has room: when it has been answered, the first one was held back.
    later, later_signer = raw.open()
    raw.h2.increment_flow_control_window(1 << 20, later)
    raw.send(later, audio(later_signer) + close(later_signer))
    raw.finish(later)
    assert len(raw.body[stream]) == 1000 and stream not in raw.ended
    raw.acknowledge = True
    raw.h2.increment_flow_control_window(1 << 20, stream)
    raw.flush()
    kinds = [json.loads(m.payload)["type"] for m in raw.finish(stream)]
    assert kinds.count("Results") >= 20 and kinds[-1] == "Metadata"
    raw.socket.close()


def test_a_reader_that_never_reads_is_given_up(serve):
    running = serve(limits=Limits(max_unread_bytes=20_000))
    raw = RawHttp2(running, window=0)
    stream, signer = raw.open()
    for n in range(60):
        raw.send(stream, audio(signer, n % 30))
    raw.until(lambda: stream in raw.reset)
    assert running.lease.errors == ["midstream"] and running.lease.released == 1
    raw.socket.close()


def test_windows_are_given_back_however_much_is_sent(raw):
    stream, signer = raw.open(query="encoding=linear16&sample_rate=48000&endpointing=false")
    piece = bytes(256_000)
    for _ in range(80):
        raw.send(stream, signer.sign(payload_part(piece, "BINARY")))
    raw.send(stream, close(signer))
    *_, metadata = raw.finish(stream)
    assert json.loads(metadata.payload)["duration"] == round(80 * 256_000 / 96_000, 4)


def test_a_frame_that_is_too_large_ends_the_connection(raw):
    stream, _ = raw.open()
    raw.until(lambda: stream in raw.headers)
    raw.socket.sendall(b"\xff\xff\xff\x00\x00" + stream.to_bytes(4, "big") + bytes(100))
    with pytest.raises(ConnectionError):
        raw.until(lambda: False)


def test_audio_behind_the_end_of_a_stream_is_an_error_of_that_stream_only(running, raw):
    stream, signer = raw.open()
    raw.until(lambda: stream in raw.headers)
    other, other_signer = raw.open()
    raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    # Something is still to be answered, so the stream lives on where the client has ended its side.
    raw.frame(DATA, stream, audio(signer) + close(signer), flags=END_STREAM)
    raw.frame(DATA, stream, audio(signer))
    raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    raw.until(lambda: stream in raw.reset)
    assert raw.reset[stream] == h2.errors.ErrorCodes.STREAM_CLOSED
    assert running.placement.leases[0].released == 1
    raw.send(other, audio(other_signer) + close(other_signer))
    assert json.loads(raw.finish(other)[-1].payload)["type"] == "Metadata"


def test_audio_on_a_stream_that_was_never_opened_ends_the_connection(raw):
    raw.frame(DATA, 99, b"x")
    with pytest.raises(ConnectionError):
        raw.until(lambda: False)
    assert raw.goaway == h2.errors.ErrorCodes.PROTOCOL_ERROR


def test_audio_between_the_frames_of_a_header_block_ends_the_connection(raw):
    stream, signer = raw.open()
    raw.until(lambda: stream in raw.headers)
    raw.frame(HEADERS, stream + 2, b"\x83")
    raw.frame(DATA, stream, audio(signer))
    with pytest.raises(ConnectionError):
        raw.until(lambda: False)
    assert raw.goaway == h2.errors.ErrorCodes.PROTOCOL_ERROR


def test_padded_frames_are_read_between_plain_ones(raw):
    stream, signer = raw.open()
    for number in range(4):
        if number % 2:
            raw.h2.send_data(stream, audio(signer, number), pad_length=200)
            raw.flush()
        else:
            raw.send(stream, audio(signer, number))
    raw.send(stream, close(signer))
    assert json.loads(raw.finish(stream)[-1].payload)["duration"] == 0.4


def test_bytes_that_are_no_http_2_end_that_connection_only(running, raw):
    raw.socket.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    with pytest.raises(ConnectionError):
        raw.until(lambda: False)
    other = RawHttp2(running)
    stream, signer = other.open()
    other.send(stream, audio(signer) + close(signer))
    assert json.loads(other.finish(stream)[-1].payload)["type"] == "Metadata"
    other.socket.close()


def test_a_reset_of_the_client_releases_the_instance(running, raw):
    stream, signer = raw.open()
    raw.send(stream, audio(signer))
    raw.until(lambda: raw.body.get(stream))
    raw.h2.reset_stream(stream)
    raw.flush()
    assert until(lambda: running.lease.released, "the instance is released") == 1


def test_files_work_over_http_2_too(running, raw):
    body = sample_wav()
    asked = {"x-amzn-sagemaker-custom-attributes": "v1/listen?punctuate=true", "content-type": "audio/wav"}
    stream, _ = raw.request("/endpoints/demo/invocations", asked, payload_hash=sha256(body).hexdigest())
    raw.send(stream, body, end=True)
    raw.until(lambda: stream in raw.ended)
    document = json.loads(raw.body[stream])
    assert document["results"]["channels"][0]["alternatives"][0]["transcript"] == bundled_sample().transcript


def test_files_too_long_for_http_2_are_refused_too(serve):
    raw = RawHttp2(serve(limits=Limits(max_body_bytes=500_000)))
    body = bytes(500_001)
    stream, _ = raw.request("/endpoints/demo/invocations", {}, payload_hash=sha256(body).hexdigest())
    raw.send(stream, body, end=True)
    raw.until(lambda: stream in raw.ended)
    assert raw.headers[stream][":status"] == "413"
    raw.socket.close()


def test_unknown_paths_are_answered_on_their_headers(raw):
    stream, _ = raw.request("/endpoints/demo/elsewhere", {})
    raw.until(lambda: stream in raw.ended)
    assert raw.headers[stream][":status"] == "404"


def test_names_with_escapes_are_signed_and_read_as_sent(raw):
    stream, _ = raw.open("/endpoints/de%6Do/invocations-bidirectional-stream")
    raw.until(lambda: stream in raw.headers)
    assert raw.headers[stream][":status"] == "200"


def streams_in_memory():
    gc.collect()
    return sum(isinstance(held, Http2Stream) for held in gc.get_objects())


def test_memory_of_ended_streams_is_freed(running, raw):
    before = streams_in_memory()
    for _ in range(30):
        stream, signer = raw.open()
        raw.send(stream, audio(signer) + close(signer) + signer.sign(b""), end=True)
        raw.finish(stream)
    until(lambda: streams_in_memory() <= before, "the ended streams are forgotten")
    assert running.server.open_streams == 0


# Limits on time, by a clock that the test moves


@pytest.fixture
def timed(serve):
    """A server whose limits follow a clock, and a connection to it."""
    clock = MovedClock()

    def start(limits):
        running = serve(limits=limits, clock=clock)
        return clock, RawHttp2(running)

    return start


def failure(raw, stream):
    """The text of the error that ended a stream."""
    *_, last = raw.finish(stream)
    assert last.headers[":exception-type"] == "ModelStreamError"
    return json.loads(last.payload)["Message"]


def test_silence_ends_a_stream_and_keepalive_prevents_it(timed):
    clock, raw = timed(Limits(idle_s=10))
    (kept, keeper), (silent, signer) = raw.open(), raw.open()
    raw.send(silent, audio(signer))
    raw.roundtrip()
    clock.now_s = 9
    raw.send(kept, keeper.sign(payload_part(b'{"type":"KeepAlive"}')))
    raw.roundtrip()
    clock.now_s = 18
    # Both are looked at together: when the silent one is ended, the other has been spared.
    assert "NET-0001" in failure(raw, silent)
    raw.send(kept, close(keeper))
    assert json.loads(raw.finish(kept)[-1].payload)["type"] == "Metadata"
    raw.socket.close()


def test_a_connection_ends_after_its_longest_time_and_a_younger_one_goes_on(timed):
    clock, raw = timed(Limits(connection_s=1800, idle_s=10_000))
    old, _ = raw.open()
    raw.roundtrip()
    clock.now_s = 60
    young, signer = raw.open()
    raw.roundtrip()
    clock.now_s = 1800
    assert "maximum duration of 30 minutes" in failure(raw, old)
    raw.send(young, audio(signer) + close(signer))
    assert json.loads(raw.finish(young)[-1].payload)["type"] == "Metadata"
    raw.socket.close()


@pytest.mark.parametrize("digits", [3, 21, 4_301, 20_000])
def test_a_stream_that_is_refused_for_a_number_of_any_length_stops_counting_as_load(running, raw, digits):
    stream, _ = raw.open(query=f"{QUERY}&channels={'9' * digits}")
    raw.until(lambda: stream in raw.headers)
    assert raw.headers[stream][":status"] == "424"
    assert running.lease.released == 1

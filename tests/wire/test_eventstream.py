"""The event-stream codec, held to AWS's own implementations."""

import tracemalloc
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st
from smithy_aws_event_stream.events import EventMessage

from dgsm_helpers.errors import DgsmError
from dgsm_helpers.wire.eventstream import (
    Decoder,
    FrameError,
    decode,
    decode_headers,
    encode,
    encode_headers,
    error,
    exception,
    payload_part,
)

# Small alphabets: Hypothesis builds its Unicode tables for seconds otherwise.
NAMES = st.text("abcXYZ019-:", min_size=1, max_size=30)
TEXT = st.text("aZ é漢🎤\n\0", max_size=50)
HEADERS = st.dictionaries(NAMES, TEXT, max_size=6)


@given(HEADERS, st.binary(max_size=2000))
def test_what_is_encoded_decodes_to_itself(headers, payload):
    message = decode(encode(encode_headers(headers), payload))
    assert dict(message.headers) == headers
    assert message.payload == payload


@given(st.lists(st.binary(max_size=400), max_size=6), st.data())
def test_messages_survive_any_cut_of_the_transport(payloads, data):
    wire = b"".join(payload_part(p, "BINARY") for p in payloads)
    decoder, got, position = Decoder(), [], 0
    while position < len(wire):
        step = data.draw(st.integers(1, len(wire) - position))
        got += decoder.feed(wire[position : position + step])
        position += step
    assert [m.payload for m in got] == payloads


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_flipped_bit_never_passes(payload, data):
    frame = bytearray(payload_part(payload))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(FrameError):
        decode(bytes(frame))


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waited_for_but_never_crashes(garbage):
    try:
        Decoder().feed(garbage)
        decode_headers(garbage)
    except FrameError as refused:
        assert isinstance(refused, DgsmError)


@given(HEADERS, st.binary(max_size=500))
def test_bytes_equal_those_of_awss_encoder(headers, payload):
    assert encode(encode_headers(headers), payload) == EventMessage(headers=headers, payload=payload).encode()


def test_headers_of_awss_encoder_are_read_whatever_their_type():
    when = datetime(2026, 11, 24, 10, 0, 0, 123000, tzinfo=UTC)
    headers = {":date": when, "id": uuid.UUID(int=1), "raw": b"\0\1", "yes": True, "no": False, "text": "é"}
    block = decode(EventMessage(headers=headers, payload=b"").encode()).head
    ms = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert dict(decode_headers(block)) == headers | {":date": ms, "id": uuid.UUID(int=1).bytes}


def test_botocore_reads_parts_exceptions_and_errors():
    buffer = EventStreamBuffer()
    buffer.add_data(payload_part(b"{}") + exception("ModelStreamError", Message="gone") + error("Oops", "what"))
    part, failure, unmodelled = list(buffer)
    assert part.payload == b"{}" and part.headers["DataType"] == "UTF8" and part.headers[":event-type"] == "PayloadPart"
    assert failure.headers[":exception-type"] == "ModelStreamError" and failure.payload == b'{"Message": "gone"}'
    assert unmodelled.headers[":error-code"] == "Oops" and unmodelled.headers[":error-message"] == "what"


def test_data_type_may_be_left_out():
    assert "DataType" not in decode(payload_part(b"x", None)).headers


@pytest.mark.parametrize("length", [12, 15, 1 << 31])
def test_impossible_lengths_are_refused_before_buffering(length):
    from struct import pack
    from zlib import crc32

    prelude = pack("!II", length, 0)
    with pytest.raises(FrameError, match="impossible lengths"):
        Decoder().feed(prelude + pack("!I", crc32(prelude)) + bytes(4))


def test_two_messages_where_one_is_expected_are_refused():
    with pytest.raises(FrameError, match="exactly one"):
        decode(payload_part(b"a") + payload_part(b"b"))


@pytest.mark.parametrize("value", [uuid.UUID(int=1), b"bytes", "text", True])
def test_a_truncated_value_is_refused(value):
    block = decode(EventMessage(headers={"first": "one", "name": value}, payload=b"").encode()).head
    for cut in range(1, len(block) - len(encode_headers({"first": "one"}))):
        with pytest.raises(FrameError):
            decode_headers(block[:-cut])


def test_header_blocks_that_have_been_read_take_no_memory():
    def blocks():
        return [encode_headers({"name": f"{number:06}" + "y" * 30_000, "other": "z" * 30_000}) for number in range(50)]

    decode_headers(blocks()[0])
    tracemalloc.start()
    try:
        for block in blocks():
            decode_headers(block)
        del block
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()

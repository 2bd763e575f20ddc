"""The ``application/vnd.amazon.eventstream`` framing, both directions.

::

    frame  = u32 total | u32 headers | u32 crc32(first 8 bytes) | headers | payload | u32 crc32(all before)
    header = u8 length | name | u8 type | value

A stream's request frames are signed: an outer message ``{:date, :chunk-signature}`` whose payload is a whole inner
``PayloadPart`` message; an empty outer payload ends the input (`sigv4.FrameSigner` makes them). Response frames are
plain. Source: AWS's Transcribe streaming guide (event stream encoding) and the bytes of ``smithy-aws-event-stream``,
which the tests compare with.
"""

import json
import struct
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple
from zlib import crc32

from botocore.eventstream import EventStreamHeaderParser, ParserError

from dgsm_helpers.errors import InvalidInput

CONTENT_TYPE = "application/vnd.amazon.eventstream"
MAX_HEADERS_BYTES = 128 * 1024
MAX_PAYLOAD_BYTES = 24 * 1024 * 1024
"""What botocore's decoder admits; longer announcements are refused before anything is buffered for them."""

OVERHEAD_BYTES = 16

_PRELUDE = struct.Struct("!III")
_LENGTHS = struct.Struct("!II")
_U16 = struct.Struct("!H")
_U32 = struct.Struct("!I")
_END_NAME = "\0"
_END_MARK = b"\x01\0\x00"
"""A header of the name ``_END_NAME`` with the value True."""


class FrameError(InvalidInput):
    """The bytes are not an event stream; nothing after them can be read."""


type HeaderValue = str | bytes | bool | int
type DataType = Literal["UTF8", "BINARY"]


class Message(NamedTuple):
    """One decoded message: its raw header block and its payload."""

    head: bytes
    payload: bytes

    @property
    def headers(self) -> Mapping[str, HeaderValue]:
        return decode_headers(self.head)


class Decoder:
    """Incremental: ``feed`` takes whatever the transport delivered and returns the messages completed by it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._needed_bytes = OVERHEAD_BYTES
        self.held_bytes = 0

    def feed(self, data: bytes) -> list[Message]:
        """Messages completed by ``data``; ``held_bytes`` of one that is not complete are kept.

        Raises:
            FrameError: impossible lengths or a wrong checksum.
        """
        if self._parts:
            self._parts.append(data)
            self.held_bytes += len(data)
            if self.held_bytes < self._needed_bytes:
                # Joined when it is whole: of what comes byte by byte, each would copy all those before.
                return []
            data = b"".join(self._parts)
        messages = []
        self._needed_bytes = OVERHEAD_BYTES
        position, end = 0, len(data)
        while end - position >= OVERHEAD_BYTES:
            total, head_length = _announced(data, position)
            stop = position + total
            if stop > end:
                self._needed_bytes = total
                break
            messages.append(_message(data[position:stop] if position or stop != end else data, head_length))
            position = stop
        rest = data[position:] if position else data
        self._parts = [rest] if rest else []
        self.held_bytes = len(rest)
        return messages


def decode(frame: bytes) -> Message:
    """The one message that ``frame`` holds, neither more nor less; else FrameError."""
    if len(frame) >= OVERHEAD_BYTES:
        total, head_length = _announced(frame, 0)
        if total == len(frame):
            return _message(frame, head_length)
    raise FrameError("Expected exactly one event stream message.")


def _announced(data: bytes, at: int) -> tuple[int, int]:
    """Lengths of the message that begins at ``at``, and of its header block."""
    total, head_length, prelude_crc = _PRELUDE.unpack_from(data, at)
    if crc32(data[at : at + 8]) != prelude_crc:
        raise FrameError("Event stream prelude checksum does not match.")
    if head_length > MAX_HEADERS_BYTES or not 0 <= total - head_length - OVERHEAD_BYTES <= MAX_PAYLOAD_BYTES:
        raise FrameError(f"Event stream message announces impossible lengths ({total}, {head_length}).")
    return total, head_length


def _message(frame: bytes, head_length: int) -> Message:
    body = frame[:-4]
    if crc32(body) != _U32.unpack_from(frame, len(body))[0]:
        raise FrameError("Event stream message checksum does not match.")
    return Message(body[12 : 12 + head_length], body[12 + head_length :])


def decode_headers(block: bytes) -> Mapping[str, HeaderValue]:
    """Parse a header block (botocore's parser); read-only, as it is shared. Timestamps are milliseconds since 1970.

    Raises:
        FrameError: unknown type, a name that stands twice, or a truncated value.
    """
    return _decode_repeated(block) if len(block) <= _REPEATED_BYTES else _decode_headers(block)


def _decode_headers(block: bytes) -> Mapping[str, HeaderValue]:
    try:
        headers = EventStreamHeaderParser().parse(block + _END_MARK)
    except (struct.error, KeyError, UnicodeDecodeError, ParserError) as error:
        raise FrameError(f"Event stream header block cannot be read: {error}.") from error
    # The parser takes a truncated last value as it is, which then has swallowed the mark behind it.
    if headers.pop(_END_NAME, None) is not True:
        raise FrameError("Event stream header block ends inside a value.")
    return MappingProxyType(headers)


# Inner header blocks repeat on every chunk of a stream, so most parses are a dictionary look-up. Long ones do not, and
# would be kept for ever.
_REPEATED_BYTES = 1024
_decode_repeated = lru_cache(maxsize=512)(_decode_headers)


def encode_headers(headers: Mapping[str, str]) -> bytes:
    """A header block of texts, the only type that SageMaker's messages have besides a frame's date and signature."""
    parts = []
    for name, value in headers.items():
        raw_name, raw_value = name.encode(), value.encode()
        parts += [bytes((len(raw_name),)), raw_name, b"\x07", _U16.pack(len(raw_value)), raw_value]
    return b"".join(parts)


def encode(head: bytes, payload: bytes) -> bytes:
    lengths = _LENGTHS.pack(len(head) + len(payload) + OVERHEAD_BYTES, len(head))
    start = b"".join((lengths, _U32.pack(crc32(lengths)), head))
    return b"".join((start, payload, _U32.pack(crc32(payload, crc32(start)))))


def _part_head(data_type: DataType | None) -> bytes:
    # The order is the official client's, so that its bytes and ours are the same.
    headers = {":message-type": "event", ":event-type": "PayloadPart"}
    if data_type is not None:
        headers["DataType"] = data_type
    return encode_headers({**headers, ":content-type": "application/octet-stream"})


_PART_HEADS: dict[DataType | None, bytes] = {kind: _part_head(kind) for kind in ("UTF8", "BINARY", None)}


def payload_part(data: bytes, data_type: DataType | None = "UTF8") -> bytes:
    """A ``PayloadPart`` message: what a response frame is, and what a signed request frame carries inside.

    ``data_type`` None leaves the header out, which SageMaker reads as BINARY.
    """
    return encode(_PART_HEADS[data_type], data)


def exception(kind: str, **members: str) -> bytes:
    """A modelled in-stream error (``ModelStreamError``, ``InternalStreamFailure``) with its members as JSON."""
    head = encode_headers({":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"})
    return encode(head, json.dumps(members).encode())


def error(code: str, message: str) -> bytes:
    """An in-stream error outside the service's model; clients surface the code."""
    return encode(encode_headers({":message-type": "error", ":error-code": code, ":error-message": message}), b"")

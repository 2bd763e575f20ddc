"""The few HTTP/2 frames that both sides read and write past ``h2``: plain DATA and WINDOW_UPDATE (RFC 9113, 4.1)."""

from __future__ import annotations

from struct import Struct

HEAD = Struct("!HBBBI")
"""Length (16 bits and 8), type, flags, stream."""

HEAD_BYTES = HEAD.size
DATA, HEADERS, WINDOW_UPDATE, CONTINUATION = 0, 1, 8, 9
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
MAX_BYTES = 16_384
"""A frame's payload, unless the peer has allowed more."""

_WINDOW_UPDATE = Struct("!HBBBII")


def data_frame(stream_id: int, data: bytes) -> bytes:
    """A DATA frame that does not end the stream."""
    size = len(data)
    return HEAD.pack(size >> 8, size & 0xFF, DATA, 0, stream_id) + data


def window_update(stream_id: int, size: int) -> bytes:
    """``size`` more bytes may come on the stream, or on the connection when ``stream_id`` is 0."""
    return _WINDOW_UPDATE.pack(0, 4, WINDOW_UPDATE, 0, stream_id, size)

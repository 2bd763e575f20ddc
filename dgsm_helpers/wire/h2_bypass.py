"""What goes past ``h2`` on both sides: plain DATA and WINDOW_UPDATE frames, and the windows that sending uses up.

A stream in full flow is nothing but plain DATA frames both ways, ten and more a second. ``h2``'s state machine has
nothing to say about them and takes half of a chunk's time for it. So they are read and written by hand (RFC 9113, 4.1),
and what is sent is taken from ``h2``'s own windows, which it means to write alone. Every such reach stands here. It was
seen with h2 4.2 to 4.4; ``tests/wire/test_h2_bypass.py`` fails when a release keeps its windows otherwise.
"""

from collections.abc import Mapping
from struct import Struct

from h2.connection import H2Connection
from h2.events import RequestReceived, ResponseReceived
from h2.settings import SettingCodes, Settings

HEAD = Struct("!HBBBI")
"""Length (16 bits and 8), type, flags, stream."""

HEAD_BYTES = HEAD.size
DATA, HEADERS, WINDOW_UPDATE, CONTINUATION = 0, 1, 8, 9
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
MAX_BYTES = 16_384
"""A frame's payload, unless the peer has allowed more."""

_FIRST_WINDOW = 65_535
_WINDOW_UPDATE = Struct("!HBBBII")


def data_frame(stream_id: int, data: bytes) -> bytes:
    """A DATA frame that does not end the stream."""
    size = len(data)
    return HEAD.pack(size >> 8, size & 0xFF, DATA, 0, stream_id) + data


def window_update(stream_id: int, size: int) -> bytes:
    """``size`` more bytes may come on the stream, or on the connection when ``stream_id`` is 0."""
    return _WINDOW_UPDATE.pack(0, 4, WINDOW_UPDATE, 0, stream_id, size)


def initiate(connection: H2Connection, settings: Mapping[SettingCodes, int], *, window_bytes: int) -> None:
    """Queue the preface with ``settings``; ``window_bytes`` may then come on all streams together."""
    connection.local_settings = Settings(client=connection.config.client_side, initial_values=dict(settings))
    connection.initiate_connection()
    connection.increment_flow_control_window(window_bytes - _FIRST_WINDOW)


def text_headers(event: RequestReceived | ResponseReceived) -> list[tuple[str, str]]:
    """The headers as text, of a connection without a ``header_encoding``.

    With one, ``h2`` gives the whole connection up over a byte that does not fit.
    """
    return [(name.decode(errors="replace"), value.decode(errors="replace")) for name, value in event.headers]


def is_over(connection: H2Connection, stream_id: int) -> bool:
    """Whether the stream was closed by both sides, or reset, or never was."""
    stream = connection.streams.get(stream_id)
    return stream is None or stream.closed


def sendable_bytes(connection: H2Connection, stream_id: int) -> int:
    """What one DATA frame of the stream may carry now; KeyError when the stream is over."""
    size = connection.streams[stream_id].outbound_flow_control_window
    # Comparing is twice as fast as ``min``, and this is asked for every chunk.
    size = min(size, connection.outbound_flow_control_window)
    return size if size < connection.max_outbound_frame_size else connection.max_outbound_frame_size


def use_window(connection: H2Connection, stream_id: int, size: int) -> None:
    """Count ``size`` bytes that are sent past ``h2``."""
    connection.outbound_flow_control_window -= size
    connection.streams[stream_id].outbound_flow_control_window -= size


def take_window(connection: H2Connection, stream_id: int, size: int) -> bool:
    """Count ``size`` bytes (at most `MAX_BYTES`) if the windows have room for all of them; whether they had."""
    stream = connection.streams[stream_id]
    if connection.outbound_flow_control_window < size or stream.outbound_flow_control_window < size:
        return False
    connection.outbound_flow_control_window -= size
    stream.outbound_flow_control_window -= size
    return True

"""A connection's transport without a peer, as far as a connection looks at it."""

from __future__ import annotations


class SilentTransport:
    """Keeps what is written; ``unread`` bytes are said to wait for the peer, ``reading`` tells whether it reads."""

    def __init__(self) -> None:
        self.written, self.unread, self.reading, self.closed = b"", 0, True, False

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

"""A client's connection as whoever serves it sees it: nothing of it is kept once it is lost."""

from __future__ import annotations

import asyncio


class ClientTransport:
    """A transport until it is lost, and one that is closed from then on.

    Streams, exchanges and engines know each other both ways, so they are there until Python looks for such circles.
    That may take minutes, for which TLS would keep a third of a megabyte for each connection that was.
    """

    __slots__ = ("_transport",)

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport: asyncio.Transport | None = transport

    def lost(self) -> None:
        """It is gone."""
        self._transport = None

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport is None or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send ``data``."""
        if self._transport is not None:
            self._transport.write(data)

    def get_write_buffer_size(self) -> int:
        """Bytes that the socket has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """Take nothing more from the socket."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take from the socket again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close it when all is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Cut it."""
        if self._transport is not None:
            self._transport.abort()

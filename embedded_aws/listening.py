"""The sockets of the embedded AWS, listening from the moment a port is chosen: what starts beside it takes another."""

import socket

HOST = "127.0.0.1"
_BACKLOG = 2048
"""Connections that may wait: a rung of the ladder opens all its streams at once."""


def listen(port: int = 0, *, host: str = HOST) -> socket.socket:
    """A socket that listens on the port; on any free one when ``port`` is 0.

    Raises:
        OSError: the port is taken.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # Two may have bound the same port; the second that listens is refused.
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def listen_or_elsewhere(port: int) -> socket.socket:
    """A socket that listens on the port, or on any free one when that is taken."""
    try:
        return listen(port)
    except OSError:
        return listen()

"""Takes TLS connections, and not more at once that are yet to say what TLS asks for than a machine bears.

asyncio's own server takes whatever comes, a hundred at a time, and keeps the buffers of each that says nothing for as
long as a handshake may last. It gives nobody a hold on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
import ssl
from collections.abc import Callable

MOST_SILENT = 1000
"""Connections that have said nothing yet. One more, and the one that has been silent for longest is closed."""
MOST_HANDSHAKES = 250
"""Connections whose handshake is under way, which gives way to another handshake, never to silence."""
_HANDSHAKE_S = 15.0
_CLOSE_S = 1.0
"""How long a closed connection waits for the peer to agree; asyncio's own default is half a minute."""
_NO_DESCRIPTOR_S = 0.05
_IN_A_ROUND = 32
"""Connections that are accepted in one round of the event loop. One that says nothing costs no more than its socket."""
_log = logging.getLogger(__name__)


class _BoundedTasks:
    """Tasks of one kind, in the order in which they came to it."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], None] = {}

    def add(self, task: asyncio.Task[None], *, most: int) -> None:
        """One more; when there are more than ``most``, the one that has been at it for longest is cancelled."""
        self._tasks[task] = None
        if len(self._tasks) > most:
            oldest = next(iter(self._tasks))
            del self._tasks[oldest]
            oldest.cancel()

    def remove(self, task: asyncio.Task[None]) -> None:
        """It is of this kind no more."""
        self._tasks.pop(task, None)

    def cancel(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()


class TlsListener:
    """Accepts on one socket, from when it is made until `close`.

    Args:
        listening: the socket; it is closed at the end.
        context: the server's certificate and what it speaks.
        make: the protocol of a new connection.
    """

    def __init__(
        self, listening: socket.socket, context: ssl.SSLContext, make: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        listening.setblocking(False)
        self._listening = listening
        self._context = context
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._silent, self._handshakes = _BoundedTasks(), _BoundedTasks()
        self._accepting = self._loop.create_task(self._accept())

    def close(self) -> None:
        """Take no more."""
        self._accepting.cancel()
        self._silent.cancel()
        self._handshakes.cancel()
        self._listening.close()

    async def _accept(self) -> None:
        for number in itertools.count(1):
            try:
                connection, _ = await self._loop.sock_accept(self._listening)
            except OSError:  # no descriptor is free: it would be asked again at once, for ever
                await asyncio.sleep(_NO_DESCRIPTOR_S)
                continue
            task = self._loop.create_task(self._open(connection))
            task.add_done_callback(self._opened)
            self._silent.add(task, most=MOST_SILENT)
            if number % _IN_A_ROUND == 0:  # the others' turn, also while there is always one to accept
                await asyncio.sleep(0)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._silent.remove(task)
        self._handshakes.remove(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("A connection could not be opened", exc_info=error)

    async def _open(self, connection: socket.socket) -> None:
        # Who leaves in the middle of a handshake, or speaks something else, is nobody's concern.
        with contextlib.suppress(OSError, TimeoutError):
            try:
                await self._first_bytes(connection)
                if not connection.recv(1, socket.MSG_PEEK):
                    raise ConnectionError("it left without a word")
                if task := asyncio.current_task():
                    self._silent.remove(task)
                    self._handshakes.add(task, most=MOST_HANDSHAKES)
            except BaseException:
                connection.close()
                raise
            await self._loop.connect_accepted_socket(
                self._make,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE_S,
                ssl_shutdown_timeout=_CLOSE_S,
            )

    async def _first_bytes(self, connection: socket.socket) -> None:
        """Something has come, and waits in the socket."""
        come = asyncio.Event()
        self._loop.add_reader(connection, come.set)
        try:
            await asyncio.wait_for(come.wait(), _HANDSHAKE_S)
        finally:
            self._loop.remove_reader(connection)

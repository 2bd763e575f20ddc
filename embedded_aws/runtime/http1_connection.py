"""One HTTP/1.1 connection: one request after the other, chunked bodies and ``Expect: 100-continue`` included."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import h11

from embedded_aws.runtime.client_transport import ClientTransport
from embedded_aws.runtime.exchange import Refused, Request, Response, merge_headers
from embedded_aws.runtime.turns import Reading, Turns

type Answer = Callable[[Request, bytes], Awaitable[Response]]

_MAX_DISCARDED_BYTES = 256 << 20
_MOST_AHEAD_BYTES = 1 << 18
"""Of the next requests, while one is answered. What a client sends beyond that stays in the socket."""


class Http1ServerConnection:
    """A client's connection.

    Args:
        answer: makes the response to a whole request.
        max_body_bytes: longer bodies are refused with 413.
        hold: told by how much what the connection holds has grown, in bytes.
        turns: where it waits when it sends without end.
    """

    _request: Request

    def __init__(
        self,
        transport: ClientTransport,
        answer: Answer,
        max_body_bytes: int,
        hold: Callable[[int], None],
        turns: Turns,
    ) -> None:
        self._transport = transport
        self._reading = Reading(turns, transport, self._read, self._take_more)
        self._answer = answer
        self._max_body_bytes = max_body_bytes
        self._hold = hold
        self._ahead_bytes = 0
        self._without_body = False
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 16)
        self._body = bytearray()
        self._body_bytes = 0
        self._task: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        if self._task is not None:
            self._ahead_bytes += len(data)
            if self._ahead_bytes > _MOST_AHEAD_BYTES:
                self._transport.pause_reading()
        self._h11.receive_data(data)
        self._reading.go_on()

    def _take_more(self) -> None:
        if self._ahead_bytes <= _MOST_AHEAD_BYTES:
            self._transport.resume_reading()

    def _read(self, until_s: float) -> bool:
        try:
            return self._advance(until_s)
        except h11.RemoteProtocolError as error:
            self._bad_request(error)
            return False

    def _advance(self, until_s: float) -> bool:
        """Take one event after the other; whether more may be there."""
        while self._task is None:
            event = self._h11.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return False
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data):
                self._body_bytes += len(event.data)
                if self._body_bytes <= self._max_body_bytes:
                    self._body += event.data
                    self._hold(len(event.data))
                elif self._body_bytes > _MAX_DISCARDED_BYTES:
                    self._transport.abort()
                    return False
            elif isinstance(event, h11.EndOfMessage):
                self._task = asyncio.get_running_loop().create_task(self._respond())
            elif isinstance(event, h11.ConnectionClosed):
                self._transport.close()
                return False
            if time.monotonic() > until_s:
                return self._task is None
        return False

    def _begin(self, event: h11.Request) -> None:
        headers = merge_headers([(k.decode("ascii"), v.decode("latin-1")) for k, v in event.headers])
        self._without_body = event.method == b"HEAD"
        path, _, query = event.target.decode("latin-1").partition("?")
        self._request = Request(event.method.decode("ascii"), path, query, headers)
        self._body.clear()
        announced = headers.get("content-length", "")
        self._body_bytes = 0
        if self._h11.they_are_waiting_for_100_continue:
            if announced.isdigit() and int(announced) > self._max_body_bytes:
                # Its body is not asked for, so nothing more can be read on this connection either.
                self._send(too_long(self._max_body_bytes).response())
                self._transport.close()
                return
            self._transport.write(self._h11.send(h11.InformationalResponse(status_code=100, headers=[])))

    async def _respond(self) -> None:
        try:
            if self._body_bytes > self._max_body_bytes:
                # The body was read to its end all the same: a client that still writes would not see the answer.
                response = too_long(self._max_body_bytes).response()
            else:
                response = await self._answer(self._request, bytes(self._body))
        finally:
            self._hold(-len(self._body))
            self._body.clear()
        self._task = None
        self._send(response)
        if self._transport.is_closing():
            return
        if self._ahead_bytes > _MOST_AHEAD_BYTES:
            self._transport.resume_reading()
        self._ahead_bytes = 0
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
            self._reading.go_on()
        else:
            self._transport.close()

    def _send(self, response: Response) -> None:
        if self._transport.is_closing():
            return
        head = self._h11.send(h11.Response(status_code=response.status, headers=list(response.headers)))
        body = None if self._without_body else self._h11.send(h11.Data(data=response.body))
        # What comes next may be no request at all, and then its refusal has a body.
        self._without_body = False
        self._transport.write(b"".join((head or b"", body or b"", self._h11.send(h11.EndOfMessage()) or b"")))

    def _bad_request(self, error: h11.RemoteProtocolError) -> None:
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send(Refused(error.error_status_hint or 400, "SerializationException", str(error)).response())
        self._transport.close()

    @property
    def idle(self) -> bool:
        """Whether nothing is being answered."""
        return self._task is None

    def connection_lost(self) -> None:
        """The connection is gone; nobody waits for the answer any more."""
        if self._task is not None:
            self._task.cancel()

    def set_writable(self, writable: bool) -> None:
        """Responses are whole and small; the transport's own buffer holds one."""

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()


def too_long(max_body_bytes: int) -> Refused:
    """What the runtime's front answers to a body over the limit: a bare 413 whose code clients take from the status."""
    return Refused(413, "", f"HTTP content length exceeded {max_body_bytes} bytes.")

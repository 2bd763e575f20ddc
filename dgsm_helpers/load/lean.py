"""The lean transport: many paced streams for little CPU.

Same protocol, same `StreamTrace` as AWS's client (`stream`), several times cheaper per stream: connections are shared,
one pacer serves all streams of a process, and what is due at one moment leaves in one write. A test holds its bytes to
those of AWS's client.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import time
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from dgsm_helpers.errors import CredentialsProblem
from dgsm_helpers.load.audio import BYTES_PER_SAMPLE
from dgsm_helpers.load.http2 import Http2Connection
from dgsm_helpers.load.recorder import TraceRecorder
from dgsm_helpers.load.stream import CLOSE_STREAM, OPEN_TIMEOUT_S, SILENCE_S
from dgsm_helpers.load.target import ListenOptions, StreamTarget
from dgsm_helpers.load.trace import Ending, StreamTrace
from dgsm_helpers.wire import eventstream, sigv4

STREAMS_PER_CONNECTION = 100
TICK_S = 0.002
"""The pacer's grain: what falls due within it leaves together."""


class LeanTransport:
    """Streams of one process on one endpoint; use it within one running event loop and `close` it there."""

    name = "lean"

    def __init__(self, target: StreamTarget) -> None:
        if not target.access_key or not target.secret_key:
            raise CredentialsProblem("The stream has no credentials.", hint="Sign in (aws sso login) or set a profile.")
        self._target = target
        self._tls = target.tls_context()
        self._connections: list[Http2Connection] = []
        self._connecting = asyncio.Lock()
        self._due: list[tuple[float, int, _Stream]] = []
        self._count = 0
        self._wake = asyncio.Event()
        self._pacer = asyncio.get_running_loop().create_task(self._pace())

    async def run(
        self,
        audio: Iterable[bytes],
        *,
        options: ListenOptions | None = None,
        chunk_ms: int = 100,
        label: str = "stream",
        begin_in_s: float = 0.0,
        stop: asyncio.Event | None = None,
        recorder: TraceRecorder | None = None,
    ) -> StreamTrace:
        """One session; arguments and outcome as `stream.run_stream`."""
        options = options or ListenOptions()
        recorder = recorder or TraceRecorder(label=label, transport=self.name)
        begin = recorder.now() + begin_in_s
        stream = _Stream(audio, recorder, stop, sample_rate=options.sample_rate, chunk_s=chunk_ms / 1000)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                connection = await self._connection()
                stream.open(connection, self._target, options)
                connection.flush()
                await stream.answered
        except TimeoutError:
            recorder.failed(Ending.REFUSED, "OpenTimeout", f"No answer to the request within {OPEN_TIMEOUT_S:g} s.")
            stream.give_up()
        except OSError as error:
            recorder.failed(Ending.REFUSED, type(error).__name__, str(error))
            stream.give_up()
        if not recorder.done:
            stream.due = max(begin, recorder.now())
            self._schedule(stream)
            await self._until_ended(stream, recorder)
        return recorder.trace()

    async def close(self) -> None:
        """Stop pacing and close the connections."""
        self._pacer.cancel()
        for connection in self._connections:
            connection.close()
        await asyncio.sleep(0)

    async def _until_ended(self, stream: _Stream, recorder: TraceRecorder) -> None:
        try:
            while not stream.ended.done():
                patience = SILENCE_S
                if recorder.close_was_sent:
                    patience = recorder.last_message_s + SILENCE_S - recorder.now()
                if patience <= 0:
                    recorder.failed(Ending.TIMEOUT, "Silence", f"No message for {SILENCE_S:g} s and no end.")
                    break
                await asyncio.wait({stream.ended}, timeout=patience)
        finally:
            stream.give_up()

    async def _connection(self) -> Http2Connection:
        async with self._connecting:
            for connection in self._connections:
                if connection.usable and connection.open_streams < STREAMS_PER_CONNECTION:
                    return connection
            _, connection = await asyncio.get_running_loop().create_connection(
                Http2Connection, self._target.host, self._target.port, ssl=self._tls, server_hostname=self._target.host
            )
            await connection.ready()
            self._connections.append(connection)
            return connection

    def _schedule(self, stream: _Stream) -> None:
        self._count += 1
        heapq.heappush(self._due, (stream.clock_due, self._count, stream))
        if self._due[0][2] is stream:
            self._wake.set()

    async def _pace(self) -> None:
        due = self._due
        while True:
            now = time.monotonic()
            touched: set[Http2Connection] = set()
            while due and due[0][0] <= now:
                _, number, stream = due[0]
                if stream.send_next():
                    heapq.heapreplace(due, (stream.clock_due, number, stream))
                else:
                    heapq.heappop(due)
                if stream.connection is not None:
                    touched.add(stream.connection)
            for connection in touched:
                connection.flush()
            if due:
                wait = max(due[0][0] - time.monotonic(), TICK_S)
                if wait <= TICK_S or not self._wake.is_set():
                    await _wait(self._wake, wait)
            else:
                await self._wake.wait()
            self._wake.clear()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but no longer than ``seconds``; a short wait is a plain sleep, which is cheaper."""
    if seconds < 0.02:
        await asyncio.sleep(seconds)
        return
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


class _Stream:
    """One stream as its connection and the pacer see it."""

    def __init__(
        self,
        audio: Iterable[bytes],
        recorder: TraceRecorder,
        stop: asyncio.Event | None,
        *,
        sample_rate: int,
        chunk_s: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.connection: Http2Connection | None = None
        self.due = 0.0
        self._audio: Iterator[bytes] = iter(audio)
        self._next = next(self._audio, None)
        self._recorder, self._stop = recorder, stop
        self._bytes_per_s = sample_rate * BYTES_PER_SAMPLE
        self._chunk_s = chunk_s
        self._sent_bytes = 0
        self._id = 0
        self._signer: sigv4.FrameSigner | None = None
        self._decoder = eventstream.Decoder()
        self._refusal: tuple[int, str] | None = None
        self._body = b""

    @property
    def clock_due(self) -> float:
        """When the next chunk is due, on the monotonic clock."""
        return self._recorder.reading(self.due)

    def open(self, connection: Http2Connection, target: StreamTarget, options: ListenOptions) -> None:
        """Send the signed request."""
        path = f"/endpoints/{quote(target.endpoint_name, safe='')}/invocations-bidirectional-stream"
        headers = {
            "host": f"{target.host}:{target.port}",
            "content-type": eventstream.CONTENT_TYPE,
            "x-amzn-sagemaker-model-invocation-path": options.path,
            "x-amzn-sagemaker-model-query-string": options.query(),
        }
        if target.variant_name:
            headers["x-amzn-sagemaker-target-variant"] = target.variant_name
        signed = sigv4.sign_request(
            method="POST",
            path=path,
            headers=headers,
            credentials=sigv4.Credentials(target.access_key, target.secret_key, target.session_token),
            region=target.region,
            payload_hash=sigv4.EVENTS_PAYLOAD,
        )
        self._signer = sigv4.FrameSigner(signed)
        authority = headers.pop("host")
        pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", authority), (":path", path)]
        self.connection = connection
        self._id = connection.open([*pseudo, *headers.items(), *signed.headers.items()], self)

    def send_next(self) -> bool:
        """Send the chunk that is due, and CloseStream with the last one; False when nothing is left to send."""
        try:
            return self._send_next()
        except Exception as error:
            # One stream's trouble (its audio's, most likely) must not stop the pacer that serves them all.
            self._recorder.failed(Ending.DROPPED, type(error).__name__, str(error))
            self._over()
            return False

    def _send_next(self) -> bool:
        recorder, data = self._recorder, self._next
        if recorder.done:
            return False
        if data is not None and not self._stopped:
            self._sent_bytes += len(data)
            recorder.chunk(due_s=self.due, cursor_s=self._sent_bytes / self._bytes_per_s)
            self._send(data, "BINARY")
            self.due += self._chunk_s
            self._next = next(self._audio, None)
            if self._next is not None:
                return True
        recorder.close_sent()
        self._send(CLOSE_STREAM, "UTF8")
        return False

    @property
    def _stopped(self) -> bool:
        return self._stop is not None and self._stop.is_set()

    def _send(self, data: bytes, kind: eventstream.DataType) -> None:
        self.connection.send(self._id, self._signer.sign(eventstream.payload_part(data, kind)))

    def give_up(self) -> None:
        """Let go of the stream; nothing happens if it has ended."""
        if self.connection is not None and self._id:
            self.connection.cancel(self._id)
            self.connection.flush()

    def on_headers(self, status: int, headers: dict[str, str]) -> None:
        """Accepted, or refused with a body to come."""
        if status == 200:
            self._recorder.opened()
            self._settle(self.answered)
        else:
            self._refusal = (status, headers.get("x-amzn-errortype", "").split(":")[0] or f"HTTP{status}")

    def on_data(self, data: bytes) -> None:
        """Messages, or the text of a refusal."""
        if self._refusal is not None:
            self._body += data
            return
        try:
            for message in self._decoder.feed(data):
                self._on_message(message)
        except eventstream.FrameError as error:
            self._recorder.failed(Ending.ERROR, "FrameError", str(error))

    def _on_message(self, message: eventstream.Message) -> None:
        headers = message.headers
        match headers.get(":message-type"):
            case "event":
                self._recorder.message(message.payload)
            case "exception":
                name = str(headers.get(":exception-type", "exception"))
                self._recorder.failed(Ending.ERROR, name, _text(message.payload))
            case _:
                name = str(headers.get(":error-code", "error"))
                self._recorder.failed(Ending.ERROR, name, str(headers.get(":error-message", "")))

    def on_end(self) -> None:
        """The server is done."""
        if self._refusal is not None:
            self._recorder.failed(Ending.REFUSED, self._refusal[1], _text(self._body))
        self._recorder.ended()
        self._over()

    def on_lost(self, reason: str) -> None:
        """Reset, or the connection is gone."""
        if not self.answered.done():
            self._recorder.failed(Ending.REFUSED, "ConnectionDropped", reason)
        self._recorder.failed(Ending.DROPPED, "ConnectionDropped", reason)
        self._over()

    def _over(self) -> None:
        self._settle(self.answered)
        self._settle(self.ended)

    @staticmethod
    def _settle(future: asyncio.Future[None]) -> None:
        if not future.done():
            future.set_result(None)


def _text(body: bytes) -> str:
    """The message in an error's JSON body."""
    try:
        content = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    if not isinstance(content, dict):
        return str(content)
    return str(content.get("Message") or content.get("message") or content)

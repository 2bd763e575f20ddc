"""The lean transport: many paced streams for little CPU.

Same protocol and same `StreamTrace` as AWS's client (`sdk_transport`), several times cheaper per stream: connections
are shared, one pacer serves all streams of a process, and what is due at one moment leaves in one write. A test holds
its bytes to those of AWS's client.
"""

import asyncio
import heapq
import time

from dgsm_helpers.load.transport.connecting import connect
from dgsm_helpers.load.transport.http2_client import Http2Client
from dgsm_helpers.load.transport.lean_stream import LeanStream
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.sdk_transport import PATIENCE, Patience, wait_for_end
from dgsm_helpers.load.transport.stream_loops import stopped_within
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.load.transport.trace import Ending, StreamTrace
from dgsm_helpers.load.transport.workloads import Sender

STREAMS_PER_CONNECTION = 250
TICK_S = 0.002
"""The pacer's grain: what falls due within it leaves together."""
SHORT_S = 0.02
"""A wait below it is a plain sleep, which is cheaper than one that can be woken from."""


class LeanTransport:
    """Streams of one process on one endpoint; use it within one running event loop and `close` it there."""

    name = "lean"

    def __init__(self, target: StreamTarget, *, patience: Patience = PATIENCE) -> None:
        self._target, self._patience = target, patience
        self._tls = target.tls_context()
        self._connections: list[Http2Client] = []
        self._connecting = asyncio.Lock()
        self._due: list[tuple[float, int, LeanStream]] = []
        self._count = 0
        self._wake = asyncio.Event()
        self._pacer = asyncio.get_running_loop().create_task(self._pace())

    async def run(
        self,
        sender: Sender,
        *,
        query: Query | None = None,
        begin_in_s: float = 0.0,
        stop: asyncio.Event | None = None,
        recorder: TraceRecorder | None = None,
    ) -> StreamTrace:
        """One session; arguments and outcome as `SdkTransport.run`."""
        family = self._target.family
        query = query or Query(family)
        recorder = recorder or TraceRecorder(label="stream", transport=self.name, family=family)
        begin = recorder.now() + begin_in_s
        stream = LeanStream(sender, recorder, stop)
        try:
            async with asyncio.timeout(self._patience.open_s):
                connection = await self._connection()
                stream.ask(connection, self._target, query)
                await stream.answered
        except TimeoutError:
            open_s = self._patience.open_s
            recorder.failed(Ending.REFUSED, "OpenTimeout", f"No answer to the request within {open_s:g} s.")
            stream.give_up()
        except OSError as error:
            recorder.failed(Ending.REFUSED, type(error).__name__, str(error))
            stream.give_up()
        if not recorder.done:
            sender.due_s = max(begin, recorder.now())
            self._schedule(stream)
            try:
                await wait_for_end(stream.ended, recorder, self._patience.silence_s)
            finally:
                stream.give_up()
        return recorder.trace()

    async def close(self) -> None:
        self._pacer.cancel()
        for connection in self._connections:
            connection.close()
        await asyncio.sleep(0)

    async def _connection(self) -> Http2Client:
        async with self._connecting:
            for connection in self._connections:
                if connection.usable and connection.open_streams < STREAMS_PER_CONNECTION:
                    return connection
            connection = await connect(self._target, self._tls)
            self._connections.append(connection)
            return connection

    def _schedule(self, stream: LeanStream) -> None:
        self._count += 1
        heapq.heappush(self._due, (stream.clock_due, self._count, stream))
        if self._due[0][2] is stream:
            self._wake.set()

    async def _pace(self) -> None:
        due = self._due
        while True:
            now = time.monotonic()
            touched: set[Http2Client] = set()
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
                    await (asyncio.sleep(wait) if wait < SHORT_S else stopped_within(self._wake, wait))
            else:
                await self._wake.wait()
            self._wake.clear()

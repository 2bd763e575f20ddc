"""The streams of a load and the thread that carries them.

They stand apart from `background_load.Load`, so that the thread does not keep a load alive: one that nobody refers to
any more ends.
"""

import asyncio
import random
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass

from dgsm_helpers.load.transport.call_progress import CallProgress
from dgsm_helpers.load.transport.lean_transport import LeanTransport
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.sdk_transport import SdkTransport
from dgsm_helpers.load.transport.stream_loops import close_loop, stopped_within, stream_loop
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.load.transport.trace import StreamTrace
from dgsm_helpers.load.transport.workloads import Workload

STAGGER_S = 0.05
"""Between the openings of two streams: a real fleet of callers does not arrive in one instant, and TLS costs."""

RECONNECT_AFTER_S = 1.0

LEAN_ABOVE = 50
"""Streams from which on the lean transport carries new sessions: below, AWS's own client is cheap enough."""

END_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class SessionPlan:
    """What each session of a stream is made of: a workload from a random place, for ``session_s`` at most."""

    workload: Workload
    query: Query
    session_s: float


class Caller:
    """One held stream: sessions one after the other until told to stop."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.label = f"stream-{number}"
        self.stop = asyncio.Event()
        self.recorder: TraceRecorder | CallProgress | None = None


class HeldStreams:
    """Streams in a thread of their own, which ends with them (`end`). Its methods may be called from any thread."""

    def __init__(self, target: StreamTarget, session: SessionPlan, *, seed: int) -> None:
        self._target, self._session = target, session
        self._random = random.Random(seed)
        self._sdk = SdkTransport(target)
        self._lean: LeanTransport | None = None
        self._callers: dict[Caller, Future[None]] = {}
        self._leaving: list[Future[None]] = []
        self._traces: list[StreamTrace] = []
        self._made = 0
        self._next_open = 0.0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._end_by_itself: asyncio.TimerHandle | None = None
        self._loop = stream_loop()
        self._thread = threading.Thread(target=self._run, name="dgsm-load", daemon=True)
        self._thread.start()

    @property
    def ending(self) -> bool:
        """Whether `end` was called: no stream will be opened any more."""
        return self._ending.is_set()

    @property
    def callers(self) -> tuple[Caller, ...]:
        return () if self.ending else tuple(self._callers)

    @property
    def traces(self) -> tuple[StreamTrace, ...]:
        with self._lock:
            return tuple(self._traces)

    def set(self, n: int, *, for_s: float) -> None:
        """Hold ``n`` streams from now on, ``for_s`` at most; the youngest leave first. Nothing once it is ending."""
        with self._lock:
            if self.ending:
                return
            self._loop.call_soon_threadsafe(self._end_in, for_s)
            while len(self._callers) > n:
                caller, future = self._callers.popitem()
                self._loop.call_soon_threadsafe(caller.stop.set)
                self._leaving.append(future)
            while len(self._callers) < n:
                self._start_one()

    def end(self, timeout_s: float = END_TIMEOUT_S) -> None:
        """Close every stream cleanly, then let the thread end; returns at once (see `wait_ended`).

        Takes no lock: Python's collector may call it in the middle of anything.
        """
        if not self.ending:
            self._ending.set()
            asyncio.run_coroutine_threadsafe(self._end(timeout_s), self._loop)

    def _end_in(self, seconds: float) -> None:
        if self._end_by_itself is not None:
            self._end_by_itself.cancel()
        self._end_by_itself = self._loop.call_later(seconds, self.end)

    def wait_ended(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        self._loop.run_forever()
        close_loop(self._loop)

    async def _end(self, timeout_s: float) -> None:
        with self._lock:
            futures = [asyncio.wrap_future(future) for future in (*self._callers.values(), *self._leaving)]
        for caller in self._callers:
            caller.stop.set()
        if futures:
            _, late = await asyncio.wait(futures, timeout=timeout_s)
            for future in late:
                future.cancel()
        try:
            if self._lean is not None:
                await asyncio.wait_for(self._lean.close(), 5)
        finally:
            self._loop.stop()

    def _start_one(self) -> None:
        self._made += 1
        caller = Caller(self._made)
        now = time.monotonic()
        self._next_open = max(self._next_open + STAGGER_S, now)
        wait = self._next_open - now
        self._callers[caller] = asyncio.run_coroutine_threadsafe(self.hold(caller, wait), self._loop)

    async def hold(self, caller: Caller, wait_s: float) -> None:
        """Session after session, from ``wait_s`` seconds from now until the caller is to stop."""
        session, share = self._session, 1.0
        while not await stopped_within(caller.stop, wait_s):
            carrier = self._carrier()
            family = session.query.family
            recorder = caller.recorder = TraceRecorder(label=caller.label, transport=carrier.name, family=family)
            sender = session.workload.sender(
                caller.number, seed=self._random.getrandbits(32), family=family, duration_s=share * session.session_s
            )
            # They began together: from the second on they end one by one, as calls do.
            share = self._random.uniform(0.5, 1.0)
            # A random phase within a chunk keeps the streams from sending in step.
            trace = await carrier.run(
                sender,
                query=session.query,
                begin_in_s=self._random.uniform(0, session.workload.step_s),
                stop=caller.stop,
                recorder=recorder,
            )
            with self._lock:
                self._traces.append(trace)
            wait_s = 0.0 if trace.ok else RECONNECT_AFTER_S

    def _carrier(self) -> SdkTransport | LeanTransport:
        if len(self._callers) <= LEAN_ABOVE:
            return self._sdk
        if self._lean is None:
            self._lean = LeanTransport(self._target)
        return self._lean

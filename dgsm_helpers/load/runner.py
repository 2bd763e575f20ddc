"""Hold N real-time streams in the background while something else is watched: `Load`."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Self

import numpy as np

from dgsm_helpers.errors import InvalidInput, StreamFailed
from dgsm_helpers.load.audio import Recording, bundled_recording, chunks
from dgsm_helpers.load.lean import LeanTransport
from dgsm_helpers.load.recorder import TraceRecorder
from dgsm_helpers.load.stream import SdkTransport, close_loop, stream_loop
from dgsm_helpers.load.target import MAX_SESSION_S, ListenOptions, StreamingWorkbook, StreamTarget, check_reachable
from dgsm_helpers.load.trace import StreamTrace

STAGGER_S = 0.05
"""Between the openings of two streams: a real fleet of callers does not arrive in one instant, and TLS costs."""

RECONNECT_AFTER_S = 1.0

LEAN_ABOVE = 50
"""Streams from which on the lean transport carries new sessions: below, AWS's own client is cheap enough."""


@dataclass(frozen=True)
class LoadSnapshot:
    """A load at one moment.

    ``wanted`` streams are asked for, ``open`` are accepted by the server, ``finished`` sessions have ended
    (``failed`` of them not cleanly). ``lag_p50_ms`` and ``lag_p95_ms`` are over the last ten seconds, None without
    any interim result.
    """

    wanted: int
    open: int
    finished: int
    failed: int
    lag_p50_ms: float | None
    lag_p95_ms: float | None


class _Caller:
    """One held stream: sessions one after the other until told to stop."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.stop = asyncio.Event()
        self.recorder: TraceRecorder | None = None


class Load:
    """Streams held open in a thread of their own; change their number at any time, read the traces at the end.

    ::

        with Load(wb) as load:
            load.set(15)
            ...
            load.set(0)
        traces = load.traces

    Each stream loops the recording from a random offset (seeded, so that a run can be repeated), in real time. A
    session that breaks off is opened again after a second, one that nears SageMaker's 30-minute limit is closed and
    followed by another; each leaves its own trace.

    Args:
        wb: the workbook whose endpoint is loaded.
        recording: what is streamed; the bundled sample by default.
        chunk_ms: chunk length, 20-100 ms.
        session_s: longest session before it is followed by another.
        seed: of offsets and phases.

    Raises:
        StreamFailed, CredentialsProblem: nothing can be streamed from here.
        InvalidInput: session_s outside 1-1800.
    """

    def __init__(
        self,
        wb: StreamingWorkbook,
        *,
        recording: Recording | None = None,
        options: ListenOptions | None = None,
        chunk_ms: int = 100,
        session_s: float = MAX_SESSION_S - 60,
        seed: int = 0,
    ) -> None:
        if not 1 <= session_s <= MAX_SESSION_S:
            raise InvalidInput(
                f"session_s={session_s:g} is outside 1-{MAX_SESSION_S:g}.", hint="SageMaker ends at 30 min."
            )
        self._target = StreamTarget.of(wb)
        self._recording = recording or bundled_recording()
        self._options = options or ListenOptions(sample_rate=self._recording.sample_rate)
        self._chunk_ms, self._session_s = chunk_ms, session_s
        self._random = random.Random(seed)
        chunks(self._recording, chunk_ms=chunk_ms)  # refuses a bad chunk_ms here rather than in the background
        check_reachable(self._target)
        self._sdk = SdkTransport(self._target)
        self._lean: LeanTransport | None = None
        self._callers: dict[_Caller, Future[None]] = {}
        self._leaving: list[Future[None]] = []
        self._traces: list[StreamTrace] = []
        self._made = 0
        self._next_open = 0.0
        self._lock = threading.Lock()
        self._loop = stream_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dgsm-load", daemon=True)
        self._thread.start()

    @property
    def wanted(self) -> int:
        """How many streams are asked for."""
        return len(self._callers)

    @property
    def traces(self) -> tuple[StreamTrace, ...]:
        """Traces of the sessions that have ended, in the order of their ends."""
        with self._lock:
            return tuple(self._traces)

    def set(self, n: int) -> None:
        """Hold ``n`` streams from now on; returns at once (see `wait_open`)."""
        if n < 0:
            raise InvalidInput(f"{n} streams cannot be held.", hint="Give zero or more.")
        if not self._thread.is_alive():
            raise InvalidInput("This load has been stopped.", hint="Make a new Load.")
        while len(self._callers) > n:
            caller, future = self._callers.popitem()
            self._loop.call_soon_threadsafe(caller.stop.set)
            self._leaving.append(future)
        while len(self._callers) < n:
            self._start_one()

    def add(self, n: int = 1) -> None:
        """Hold ``n`` more."""
        self.set(self.wanted + n)

    def drop(self, n: int = 1) -> None:
        """Hold ``n`` fewer: the youngest close cleanly and leave their traces."""
        self.set(max(self.wanted - n, 0))

    def wait_open(self, *, timeout_s: float = 30.0) -> None:
        """Wait until as many streams are open as are asked for.

        Raises:
            StreamFailed: they are not after ``timeout_s``; the message has the newest error.
        """
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self.snapshot().open >= self.wanted:
                return
            time.sleep(0.05)
        errors = [t.error for t in self.traces if t.error]
        reason = f"{errors[-1].code}: {errors[-1].message}" if errors else "the endpoint does not answer."
        raise StreamFailed(f"{self.snapshot().open} of {self.wanted} streams opened in {timeout_s:g} s; {reason}")

    def snapshot(self) -> LoadSnapshot:
        """The load at this moment."""
        since = time.monotonic() - 10
        recorders = [c.recorder for c in list(self._callers) if c.recorder is not None]
        lags = [lag for r in recorders for at, lag in list(r.recent_lags) if at >= since]
        p50, p95 = (float(v) * 1000 for v in np.percentile(lags, [50, 95])) if lags else (None, None)
        traces = self.traces
        return LoadSnapshot(
            wanted=self.wanted,
            open=sum(r.is_open for r in recorders),
            finished=len(traces),
            failed=sum(not t.ok for t in traces),
            lag_p50_ms=p50,
            lag_p95_ms=p95,
        )

    def stop(self, *, timeout_s: float = 60.0) -> tuple[StreamTrace, ...]:
        """Close every stream cleanly, wait for their ends and return all traces. May be called again."""
        if self._thread.is_alive():
            self.set(0)
            until = time.monotonic() + timeout_s
            for future in self._leaving:
                try:
                    future.result(timeout=max(until - time.monotonic(), 0.1))
                except TimeoutError:
                    future.cancel()
            if self._lean is not None:
                asyncio.run_coroutine_threadsafe(self._lean.close(), self._loop).result(timeout=5)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=5)
            close_loop(self._loop)
        return self.traces

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _start_one(self) -> None:
        self._made += 1
        caller = _Caller(f"stream-{self._made}")
        now = time.monotonic()
        self._next_open = max(self._next_open + STAGGER_S, now)
        wait = self._next_open - now
        self._callers[caller] = asyncio.run_coroutine_threadsafe(self._hold(caller, wait), self._loop)

    async def _hold(self, caller: _Caller, wait_s: float) -> None:
        while not await _stopped_within(caller.stop, wait_s):
            carrier = self._carrier()
            caller.recorder = TraceRecorder(label=caller.label, transport=carrier.name)
            # A random phase within a chunk keeps the streams from sending in step.
            trace = await carrier.run(
                chunks(
                    self._recording,
                    chunk_ms=self._chunk_ms,
                    offset_s=self._random.uniform(0, self._recording.duration_s),
                    duration_s=self._session_s,
                ),
                options=self._options,
                chunk_ms=self._chunk_ms,
                begin_in_s=self._random.uniform(0, self._chunk_ms / 1000),
                stop=caller.stop,
                recorder=caller.recorder,
            )
            with self._lock:
                self._traces.append(trace)
            wait_s = 0.0 if trace.ok else RECONNECT_AFTER_S

    def _carrier(self) -> SdkTransport | LeanTransport:
        if self.wanted <= LEAN_ABOVE:
            return self._sdk
        if self._lean is None:
            self._lean = LeanTransport(self._target)
        return self._lean


async def _stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    """Whether ``stop`` is set by the time ``seconds`` have passed."""
    if seconds <= 0:
        return stop.is_set()
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True

"""Engines that compute in processes of their own: one worker for each processor, started when a stream needs it.

An instance has a seat, a processor's worth of computing. So one instance leaves the other processors to whoever loads
it, and scaling out adds capacity until the machine has no more; further instances share the workers there are.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import count
from typing import Any, ClassVar, Protocol

from embedded_aws.engines.worker_frames import HEAD, Ask, Tell, frame

IDLE_S = 60.0
"""A worker without streams ends after this long and gives its memory back."""

MOST_WORKERS = 4
"""Worker processes of an engine at most, however many processors there are: each holds 200 MB and more."""


class WorkerListener(Protocol):
    """Who waits for a stream's end."""

    def on_end(self) -> None:
        """All of it has been answered."""

    def on_failure(self, message: str) -> None:
        """It failed; nothing more follows."""


class WorkerProcess[L: WorkerListener](ABC):
    """One worker, on the event loop that makes it; what is asked before it runs waits.

    ``module`` is what the process runs. ``cpu_s`` is the time it says it has computed for.
    """

    module: ClassVar[str]

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._ids = count(1)
        self._listeners: dict[int, L] = {}
        self._waiting: list[bytes] = []
        self._process: asyncio.subprocess.Process | None = None
        self._stdin: asyncio.StreamWriter | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self.alive = True
        self.cpu_s = 0.0
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def load(self) -> int:
        """Streams pinned to it."""
        return len(self._listeners)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def open(self, listener: L, opening: bytes) -> int:
        """A new stream of the worker's."""
        if self._idle_timer:
            self._idle_timer.cancel()
            self._idle_timer = None
        stream = next(self._ids)
        self._listeners[stream] = listener
        self.ask(Ask.OPEN, stream, opening)
        return stream

    def ask(self, kind: Ask, stream: int, body: bytes = b"") -> None:
        if stream not in self._listeners or not self.alive:
            return
        data = frame(kind, stream, body)
        if self._stdin is None:
            self._waiting.append(data)
        else:
            self._stdin.write(data)

    def abort(self, stream: int) -> None:
        self.ask(Ask.ABORT, stream)
        self._forget(stream)

    def _forget(self, stream: int) -> None:
        self._listeners.pop(stream, None)
        if not self._listeners and self._idle_timer is None and self.alive:
            self._idle_timer = asyncio.get_running_loop().call_later(self._idle_s, self._retire)

    def _retire(self) -> None:
        # From here on no stream is pinned to it; the closed pipe tells it to go.
        self.alive = False
        if self._stdin:
            self._stdin.close()

    async def _run(self) -> None:
        command = (sys.executable, "-m", self.module)
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
        except OSError as error:
            self._fail(f"its worker process did not start: {error}")
            return
        stdin, stdout = process.stdin, process.stdout
        assert stdin and stdout  # pipes, as asked for
        self._process, self._stdin = process, stdin
        stdin.writelines(self._waiting)
        self._waiting.clear()
        if not self.alive:
            stdin.close()
        try:
            while True:
                kind, stream, length = HEAD.unpack(await stdout.readexactly(HEAD.size))
                self._tell(Tell(kind), stream, await stdout.readexactly(length))
        except asyncio.IncompleteReadError:
            code = await process.wait()
        finally:
            # Reached by cancellation too, when the event loop ends with the worker still running.
            self.kill()
            await process.wait()
        self._fail(f"its worker process ended with status {code}")

    def _fail(self, message: str) -> None:
        self.alive = False
        listeners, self._listeners = self._listeners, {}
        for listener in listeners.values():
            listener.on_failure(message)

    def _tell(self, kind: Tell, stream: int, body: bytes) -> None:
        listener = self._listeners.get(stream)
        if listener is None:
            return
        if kind is Tell.RESULT:
            self.take_result(listener, body)
        elif kind is Tell.END:
            listener.on_end()
            self._forget(stream)
        else:
            listener.on_failure(body.decode(errors="replace"))
            self._forget(stream)

    @abstractmethod
    def take_result(self, listener: L, body: bytes) -> None:
        """Hand a result to who waits for it."""

    def kill(self) -> None:
        self.alive = False
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)


class Seat[P: WorkerProcess[Any]]:
    """A processor's worth of computing, shared by ``instances``; its worker comes and goes with the streams."""

    def __init__(self, make: Callable[[], P]) -> None:
        self._make = make
        self._worker: P | None = None
        self.instances: set[SeatedInstance[P]] = set()

    @property
    def running(self) -> P | None:
        """The worker, if there is one now."""
        return self._worker if self._worker and self._worker.alive else None

    def worker(self) -> P:
        """The worker; a new one where there is none."""
        self._worker = self.running or self._make()
        return self._worker


class SeatedInstance[P: WorkerProcess[Any]]:
    """One container, and the seat it computes on."""

    knee: int | None = None

    def __init__(self, seat: Seat[P]) -> None:
        self.seat = seat
        seat.instances.add(self)
        self._looked = (time.monotonic(), self._cpu_s())

    def busy_share(self) -> float:
        """Share of its processor in use since the last call; instances of one seat see the same."""
        now = (time.monotonic(), self._cpu_s())
        (then_s, before_s), self._looked = self._looked, now
        elapsed_s = now[0] - then_s
        return min(1.0, max(0.0, (now[1] - before_s) / elapsed_s)) if elapsed_s > 0 else 0.0

    def _cpu_s(self) -> float:
        worker = self.seat.running
        return 0.0 if worker is None else worker.cpu_s

    def close(self) -> None:
        """Its worker may serve others, and ends by itself when idle."""
        self.seat.instances.discard(self)


class SeatedEngine[P: WorkerProcess[Any], I: SeatedInstance[Any]]:
    """An engine whose instances have seats.

    Args:
        process: starts a worker that ends after so many seconds without a stream.
        instance: makes a container on a seat; that starts no process yet.
        workers: most worker processes; None for one per processor, `MOST_WORKERS` at most.
        idle_s: how long a worker outlives its last stream.
    """

    def __init__(
        self,
        process: Callable[[float], P],
        instance: Callable[[Seat[P]], I],
        *,
        workers: int | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        most = workers or min(MOST_WORKERS, os.cpu_count() or 1)
        self._seats = tuple(Seat(lambda: process(idle_s)) for _ in range(most))
        self._instance = instance
        self._lock = threading.Lock()

    def new_instance(self, instance_id: str) -> I:
        """A container, on the seat that has fewest."""
        with self._lock:
            return self._instance(min(self._seats, key=lambda seat: len(seat.instances)))

    @property
    def workers(self) -> tuple[P, ...]:
        """The workers that run now."""
        return tuple(worker for seat in self._seats if (worker := seat.running))

    def close(self) -> None:
        """End the workers; may be called after the event loop has gone."""
        for worker in self.workers:
            worker.kill()

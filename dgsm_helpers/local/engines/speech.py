"""The ``speech`` engine: a real recogniser (Moonshine tiny-en, model in its package); its capacity is this machine's
CPU.

Work happens in worker processes, started when a stream needs one and ended when idle; streams are pinned to a worker.
All instances of the listing share the workers, for they share the machine: scaling out adds no capacity here, and says
so. Word times are apportioned by letters within a recognised line; the model's name says that too. Source: reference
stt.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

from ...errors import LocalError
from .base import Listener, Recognised, SpokenWord, StreamOptions
from .speech_pipe import HEAD, Ask, Tell, frame

MODEL = "moonshine tiny-en (word times apportioned within a line)"
IDLE_S = 60.0
"""A worker without streams ends after this long and gives its 200 MB back."""


def words_of(text: str, start_s: float, end_s: float) -> tuple[SpokenWord, ...]:
    """The words of a line, its time shared out by letters."""
    pieces = text.split()
    weights = [len(piece) for piece in pieces]
    total, at, words = sum(weights), start_s, []
    for piece, weight in zip(pieces, weights, strict=True):
        until = at + (end_s - start_s) * weight / total
        plain = "".join(c for c in piece.lower() if c.isalnum() or c in "'-")
        if plain:
            words.append(SpokenWord(plain, piece, at, until))
        at = until
    return tuple(words)


def _recognised(result: dict[str, Any]) -> Recognised:
    words = tuple(w for text, start_s, end_s in result["lines"] for w in words_of(text, start_s, end_s))
    return Recognised(
        start_s=result["start"],
        duration_s=result["end"] - result["start"],
        words=words,
        is_final=result["final"],
        model=MODEL,
        speech_final=result["final"] and bool(words),
        from_finalize=result["finalize"],
    )


class SpeechEngine:
    """All instances and the workers they share.

    Args:
        workers: most worker processes; None for one per core, two at most.
        idle_s: how long a worker outlives its last stream.
    """

    def __init__(self, *, workers: int | None = None, idle_s: float = IDLE_S) -> None:
        self._most = workers or min(2, os.cpu_count() or 1)
        self._idle_s = idle_s
        self._workers: list[_Worker] = []

    def new_instance(self, instance_id: str) -> SpeechInstance:
        """A container; it starts no process yet.

        Raises:
            LocalError: the recogniser is not installed.
        """
        if importlib.util.find_spec("moonshine_voice") is None:
            raise LocalError(
                "The speech listing needs the package moonshine-voice, which is not installed.",
                hint='Install it with: pip install "moonshine-voice==0.1.0" (Linux on x86-64).',
            )
        return SpeechInstance(self)

    def worker(self) -> _Worker:
        """The worker with the fewest streams; a new one while fewer than the most run and all have some."""
        self._workers = [w for w in self._workers if w.alive]
        idlest = min(self._workers, key=lambda w: w.load, default=None)
        if idlest is None or (idlest.load and len(self._workers) < self._most):
            idlest = _Worker(self._idle_s)
            self._workers.append(idlest)
        return idlest

    @property
    def pids(self) -> tuple[int, ...]:
        """Worker processes that run now."""
        return tuple(w.pid for w in self._workers if w.alive and w.pid)

    def cpu_s(self) -> float:
        """CPU seconds the workers have used."""
        return sum(w.cpu_s for w in self._workers)

    @property
    def most_workers(self) -> int:
        """How many workers it may run."""
        return self._most

    def close(self) -> None:
        """End the workers; may be called after the event loop has gone."""
        for worker in self._workers:
            worker.kill()
        self._workers = []


class SpeechInstance:
    """One container; see the module."""

    def __init__(self, engine: SpeechEngine) -> None:
        self._engine = engine
        self._looked = (time.monotonic(), engine.cpu_s())

    def open_stream(self, options: StreamOptions, listener: Listener) -> SpeechStream:
        """Start hearing a stream."""
        return SpeechStream(self._engine.worker(), options, listener)

    async def transcribe(self, pcm: bytes, sample_rate: int) -> Recognised:
        """Hear a whole recording.

        Raises:
            LocalError: the recogniser failed.
        """
        collected = _Collector()
        worker = self._engine.worker()
        stream = worker.open(collected)
        worker.ask(Ask.FILE, stream, sample_rate.to_bytes(4, "little") + pcm)
        try:
            results = await collected.done
        finally:
            worker.forget(stream)
        words = tuple(word for result in results for word in result.words)
        return Recognised(0.0, len(pcm) / 2 / sample_rate, words, is_final=True, speech_final=True, model=MODEL)

    def busy_share(self) -> float:
        """Share of the workers' cores in use since the last call; the workers are shared by all instances."""
        now = (time.monotonic(), self._engine.cpu_s())
        (then_s, before_s), self._looked = self._looked, now
        elapsed_s = (now[0] - then_s) * self._engine.most_workers
        return min(1.0, max(0.0, (now[1] - before_s) / elapsed_s)) if elapsed_s > 0 else 0.0

    def close(self) -> None:
        """Workers outlive an instance: others may use them, and idle ones end by themselves."""


class SpeechStream:
    """One live stream, pinned to a worker."""

    def __init__(self, worker: _Worker, options: StreamOptions, listener: Listener) -> None:
        self._worker = worker
        self._id = worker.open(_Filter(listener, options))
        worker.ask(Ask.OPEN, self._id, options.sample_rate.to_bytes(4, "little"))

    def audio(self, pcm: bytes) -> None:
        """Send audio to the worker."""
        self._worker.ask(Ask.AUDIO, self._id, pcm)

    def finalize(self) -> None:
        """Ask for a final result now."""
        self._worker.ask(Ask.FINALIZE, self._id)

    def finish(self) -> None:
        """Ask for what is left."""
        self._worker.ask(Ask.FINISH, self._id)

    def abort(self) -> None:
        """Forget the stream, here and there."""
        self._worker.ask(Ask.ABORT, self._id)
        self._worker.forget(self._id)


class _Filter:
    """Keeps interim results from listeners that did not ask for them."""

    def __init__(self, listener: Listener, options: StreamOptions) -> None:
        self._listener = listener
        self._interim = options.interim_results
        self.on_end = listener.on_end
        self.on_failure = listener.on_failure

    def on_result(self, result: Recognised) -> None:
        if result.is_final or self._interim:
            self._listener.on_result(result)


class _Collector:
    """A listener that waits for a whole file."""

    def __init__(self) -> None:
        self.done: asyncio.Future[Sequence[Recognised]] = asyncio.get_running_loop().create_future()
        self._results: list[Recognised] = []

    def on_result(self, result: Recognised) -> None:
        self._results.append(result)

    def on_end(self) -> None:
        if not self.done.done():
            self.done.set_result(self._results)

    def on_failure(self, message: str) -> None:
        if not self.done.done():
            self.done.set_exception(LocalError(f"The recogniser failed: {message}"))


class _Worker:
    """The server's side of one worker process; what is asked before it runs waits."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._ids = count(1)
        self._listeners: dict[int, Listener] = {}
        self._waiting: list[bytes] = []
        self._process: asyncio.subprocess.Process | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self.alive = True
        self.cpu_s = 0.0
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def load(self) -> int:
        return len(self._listeners)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def open(self, listener: Listener) -> int:
        if self._idle_timer:
            self._idle_timer.cancel()
            self._idle_timer = None
        stream = next(self._ids)
        self._listeners[stream] = listener
        return stream

    def ask(self, kind: Ask, stream: int, body: bytes = b"") -> None:
        if stream not in self._listeners or not self.alive:
            return
        data = frame(kind, stream, body)
        if self._process is None:
            self._waiting.append(data)
        else:
            self._process.stdin.write(data)

    def forget(self, stream: int) -> None:
        self._listeners.pop(stream, None)
        if not self._listeners and self._idle_timer is None and self.alive:
            self._idle_timer = asyncio.get_running_loop().call_later(self._idle_s, self._retire)

    def _retire(self) -> None:
        # From here on no stream is pinned to it; the closed pipe tells it to go.
        self.alive = False
        if self._process:
            self._process.stdin.close()

    async def _run(self) -> None:
        command = (sys.executable, "-m", "dgsm_helpers.local.engines.speech_worker")
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._process = process
        for data in self._waiting:
            process.stdin.write(data)
        self._waiting.clear()
        if not self.alive:
            process.stdin.close()
        try:
            while True:
                kind, stream, length = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
                self._tell(Tell(kind), stream, await process.stdout.readexactly(length))
        except asyncio.IncompleteReadError:
            code = await process.wait()
        self.alive = False
        for listener in list(self._listeners.values()):
            listener.on_failure(f"its worker process ended with status {code}")
        self._listeners.clear()

    def _tell(self, kind: Tell, stream: int, body: bytes) -> None:
        listener = self._listeners.get(stream)
        if listener is None:
            return
        if kind is Tell.RESULT:
            result = json.loads(body)
            self.cpu_s = result["cpu_s"]
            listener.on_result(_recognised(result))
        elif kind is Tell.END:
            listener.on_end()
            self.forget(stream)
        else:
            listener.on_failure(body.decode(errors="replace"))
            self.forget(stream)

    def kill(self) -> None:
        self.alive = False
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

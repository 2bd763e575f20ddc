"""The ``speech`` engine: a real recogniser (Moonshine tiny-en), whose capacity is this machine's processors.

An instance computes on one processor: a worker process of its own, started when a stream needs it and ended when idle.
So one instance leaves the other processors to whoever loads it, and scaling out adds capacity until the machine has no
more; further instances share the workers there are. Word times are apportioned by letters within a recognised line; the
model's name says that too. Source: reference stt.md. Where the recogniser is not installed, `engine_for_speech` has the
``metered`` engine stand in for it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import threading
import time
from collections.abc import Sequence

from dgsm_helpers.errors import LocalError
from embedded_aws.engines.base import Engine, Listener, Recognised, StreamOptions
from embedded_aws.engines.speech_process import MODEL, WorkerProcess
from embedded_aws.engines.speech_worker import Ask

IDLE_S = 60.0
"""A worker without streams ends after this long and gives its 200 MB back."""

FILE_PIECE_S = 5
"""A file is heard in pieces of this length, so that streams of the same worker do not wait for all of it."""

MOST_WORKERS = 4
"""Worker processes at most, however many processors there are: each holds 200 MB."""


def engine_for_speech(metered: Engine) -> tuple[Engine, str]:
    """The engine of the ``speech`` listing, and a sentence about it: "" where the recogniser is installed."""
    if importlib.util.find_spec("moonshine_voice"):
        return SpeechEngine(), ""
    machine = f"{platform.system()}, {platform.machine()}"
    return metered, (
        f"No recogniser is installed on this machine ({machine}), so the speech listing answers with the bundled "
        "sample's known words; where there is a wheel (Linux, Windows, macOS 15 on Apple silicon), "
        '`pip install "moonshine-voice==0.1.0"` and then `dgsm local down` bring one.'
    )


class Seat:
    """A processor's worth of recogniser, shared by ``instances``; its worker comes and goes with the streams."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._worker: WorkerProcess | None = None
        self.instances: set[SpeechInstance] = set()

    @property
    def running(self) -> WorkerProcess | None:
        """The worker, if there is one now."""
        return self._worker if self._worker and self._worker.alive else None

    def worker(self) -> WorkerProcess:
        """The worker; a new one where there is none."""
        self._worker = self.running or WorkerProcess(self._idle_s)
        return self._worker


class SpeechEngine:
    """All instances and the seats they have.

    Args:
        workers: most worker processes; None for one per processor, `MOST_WORKERS` at most.
        idle_s: how long a worker outlives its last stream.
    """

    def __init__(self, *, workers: int | None = None, idle_s: float = IDLE_S) -> None:
        most = workers or min(MOST_WORKERS, os.cpu_count() or 1)
        self._seats = tuple(Seat(idle_s) for _ in range(most))
        self._lock = threading.Lock()

    def new_instance(self, instance_id: str) -> SpeechInstance:
        """A container; it starts no process yet."""
        with self._lock:
            seat = min(self._seats, key=lambda s: len(s.instances))
            return SpeechInstance(seat)

    @property
    def workers(self) -> tuple[WorkerProcess, ...]:
        """The workers that run now."""
        return tuple(worker for seat in self._seats if (worker := seat.running))

    def close(self) -> None:
        """End the workers; may be called after the event loop has gone."""
        for worker in self.workers:
            worker.kill()


class SpeechInstance:
    """One container."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        seat.instances.add(self)
        self._looked = (time.monotonic(), self._cpu_s())

    def open_stream(self, options: StreamOptions, listener: Listener) -> SpeechStream:
        return SpeechStream(self._seat.worker(), options, listener)

    async def transcribe(self, pcm: bytes, sample_rate: int) -> Recognised:
        """Hear a whole recording.

        Raises:
            LocalError: the recogniser failed.
        """
        collected = _Collector()
        worker = self._seat.worker()
        stream = worker.open(collected, StreamOptions(sample_rate=sample_rate))
        piece_bytes = FILE_PIECE_S * sample_rate * 2
        try:
            for at in range(0, len(pcm), piece_bytes):
                piece = pcm[at : at + piece_bytes]
                collected.piece_done.clear()
                worker.ask(Ask.AUDIO, stream, piece)
                if len(piece) == piece_bytes:
                    await collected.piece_done.wait()
            worker.ask(Ask.FINISH, stream)
            results = await collected.done
        finally:
            worker.abort(stream)
        words = tuple(word for result in results for word in result.words)
        return Recognised(0.0, len(pcm) / 2 / sample_rate, words, is_final=True, speech_final=True, model=MODEL)

    def busy_share(self) -> float:
        """Share of its processor in use since the last call; instances of one seat see the same."""
        now = (time.monotonic(), self._cpu_s())
        (then_s, before_s), self._looked = self._looked, now
        elapsed_s = now[0] - then_s
        return min(1.0, max(0.0, (now[1] - before_s) / elapsed_s)) if elapsed_s > 0 else 0.0

    def _cpu_s(self) -> float:
        worker = self._seat.running
        return 0.0 if worker is None else worker.cpu_s

    def close(self) -> None:
        """Its worker may serve others, and ends by itself when idle."""
        self._seat.instances.discard(self)


class SpeechStream:
    """One live stream, pinned to a worker."""

    def __init__(self, worker: WorkerProcess, options: StreamOptions, listener: Listener) -> None:
        self._worker = worker
        self._listener = listener
        self._interim_results = options.interim_results
        self.on_end, self.on_failure = listener.on_end, listener.on_failure
        self._id = worker.open(self, options)

    def audio(self, pcm: bytes) -> None:
        self._worker.ask(Ask.AUDIO, self._id, pcm)

    def finalize(self) -> None:
        self._worker.ask(Ask.FINALIZE, self._id)

    def finish(self) -> None:
        self._worker.ask(Ask.FINISH, self._id)

    def abort(self) -> None:
        self._worker.abort(self._id)

    def on_result(self, result: Recognised) -> None:
        """The worker's results; it makes interim ones whether they were asked for or not."""
        if result.is_final or self._interim_results:
            self._listener.on_result(result)


class _Collector:
    """A listener that waits for a whole file; ``piece_done`` is set by each piece's result."""

    def __init__(self) -> None:
        self.done: asyncio.Future[Sequence[Recognised]] = asyncio.get_running_loop().create_future()
        self.piece_done = asyncio.Event()
        self._finals: list[Recognised] = []

    def on_result(self, result: Recognised) -> None:
        if result.is_final:
            self._finals.append(result)
        else:
            self.piece_done.set()

    def on_end(self) -> None:
        if not self.done.done():
            self.done.set_result(self._finals)

    def on_failure(self, message: str) -> None:
        self.piece_done.set()
        if not self.done.done():
            self.done.set_exception(LocalError(f"The recogniser failed: {message}"))

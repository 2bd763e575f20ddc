"""The server's side of a speech worker: starts the process, asks it, hands its results to the streams' listeners."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from itertools import count
from typing import Any

from embedded_aws.engines.base import Listener, Recognised, StreamOptions, words_of
from embedded_aws.engines.speech_worker import HEAD, OPENING, Ask, Tell, frame

MODEL = "moonshine tiny-en (word times apportioned within a line)"


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
        quiet_s=result["quiet"],
    )


class WorkerProcess:
    """One worker, on the event loop that makes it; what is asked before it runs waits."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._ids = count(1)
        self._listeners: dict[int, Listener] = {}
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

    def open(self, listener: Listener, options: StreamOptions) -> int:
        if self._idle_timer:
            self._idle_timer.cancel()
            self._idle_timer = None
        stream = next(self._ids)
        self._listeners[stream] = listener
        self.ask(Ask.OPEN, stream, OPENING.pack(options.sample_rate, options.interim_every_s))
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
        command = (sys.executable, "-m", "embedded_aws.engines.speech_worker")
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
            result = json.loads(body)
            self.cpu_s = result["cpu_s"]
            listener.on_result(_recognised(result))
        elif kind is Tell.END:
            listener.on_end()
            self._forget(stream)
        else:
            listener.on_failure(body.decode(errors="replace"))
            self._forget(stream)

    def kill(self) -> None:
        self.alive = False
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

"""The other kind of request: whole files through ``InvokeEndpoint``, beside streams (`Load`) or alone.

``ConcurrentRequestsPerModel`` counts a file that is being transcribed as it counts an open stream, so a target value
that was measured with streams alone may not hold for an endpoint that takes both.
"""

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

from dgsm_helpers.errors import DgsmError, InvalidInput
from dgsm_helpers.load.transport.trace import StreamError
from dgsm_helpers.progress.kernel import end_when_run_again

PAUSE_AFTER_ERROR_S = 1.0


@dataclass(frozen=True)
class FileTrace:
    """One file or text: sent at ``sent_unix_s``, answered (or refused) ``took_s`` seconds later.

    A file is ``audio_s`` long; a text has so many ``characters``.
    """

    label: str
    sent_unix_s: float
    took_s: float
    audio_s: float
    error: StreamError | None = None
    characters: int = 0

    @property
    def ok(self) -> bool:
        return self.error is None


class FileLoad:
    """Callers that send one file after the other, each waiting for its answer: ``n`` callers are ``n`` in flight.

        with FileLoad(file_sender(wb, wav), audio_s=11.0) as files:
            files.set(3)
            ...
        traces = files.traces

    The callers end with `stop`, and also when nothing refers to the load any more or when the notebook cell that made
    it is run again.

    Args:
        send: sends the file once, without retries, and waits for its answer (`aws.endpoint.invoke.file_sender`).
        audio_s: a file's length in seconds.
        characters: a text's.
    """

    def __init__(self, send: Callable[[], object], *, audio_s: float = 0.0, characters: int = 0) -> None:
        self._send, self._audio_s, self._characters = send, audio_s, characters
        self._traces: list[FileTrace] = []
        self._callers: list[tuple[threading.Event, threading.Thread]] = []
        # The callers know nothing of this load: one that nobody refers to any more, or whose cell is run again, ends.
        end_when_run_again(weakref.finalize(self, _end, self._callers))
        self._leaving: list[threading.Thread] = []
        self._made = 0

    @property
    def wanted(self) -> int:
        return len(self._callers)

    @property
    def traces(self) -> tuple[FileTrace, ...]:
        """The files answered so far."""
        return tuple(self._traces)

    def set(self, n: int) -> None:
        """Have ``n`` callers from now on, zero or more; one that leaves waits for its last answer first."""
        if n < 0:
            raise InvalidInput(f"{n} callers cannot be had.", hint="Give zero or more.")
        while len(self._callers) > n:
            stop, thread = self._callers.pop()
            stop.set()
            self._leaving.append(thread)
        while len(self._callers) < n:
            self._made += 1
            stop = threading.Event()
            label = f"file-caller-{self._made}"
            answered = partial(FileTrace, label=label, audio_s=self._audio_s, characters=self._characters)
            thread = threading.Thread(
                target=_call, args=(self._send, answered, self._traces, stop), name=label, daemon=True
            )
            self._callers.append((stop, thread))
            thread.start()

    def stop(self, *, timeout_s: float = 100.0) -> tuple[FileTrace, ...]:
        """Let all callers finish their last file; the traces of all."""
        self.set(0)
        until = time.monotonic() + timeout_s
        for thread in self._leaving:
            thread.join(max(until - time.monotonic(), 0.1))
        return self.traces

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def _call(
    send: Callable[[], object], answered: Callable[..., FileTrace], traces: list[FileTrace], stop: threading.Event
) -> None:
    """One caller: file after file until told to stop."""
    while not stop.is_set():
        sent, began, error = time.time(), time.monotonic(), None
        try:
            send()
        except DgsmError as refusal:
            error = StreamError(getattr(refusal, "code", "") or type(refusal).__name__, refusal.message)
        took_s = time.monotonic() - began
        traces.append(answered(sent_unix_s=sent, took_s=took_s, error=error))
        if error is not None:
            stop.wait(PAUSE_AFTER_ERROR_S)


def _end(callers: list[tuple[threading.Event, threading.Thread]]) -> None:
    for stop, _ in callers:
        stop.set()

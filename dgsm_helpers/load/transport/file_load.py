"""The other kind of request: whole files through ``InvokeEndpoint``, beside streams (`Load`) or alone.

``ConcurrentRequestsPerModel`` counts a file that is being transcribed as it counts an open stream, so a target value
that was measured with streams alone may not hold for an endpoint that takes both.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, nan
from typing import Any, Self

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
        """Whether it was answered."""
        return self.error is None


@dataclass(frozen=True)
class FileFigures:
    """What ``in_flight`` requests at once came to, in ``seconds``: those answered in that time, by their answers.

    ``took_p50_s`` and ``took_p95_s`` are from sending to the whole answer, NaN where none came; ``failed`` counts
    refusals by their code.
    """

    in_flight: int
    seconds: float
    answered: int
    failed: Mapping[str, int]
    took_p50_s: float
    took_p95_s: float
    audio_s: float
    characters: int

    @classmethod
    def of(cls, traces: Sequence[FileTrace], *, in_flight: int, from_unix_s: float, seconds: float) -> FileFigures:
        """Of the traces that ended within ``seconds`` from a moment on."""
        ended = [t for t in traces if from_unix_s <= t.sent_unix_s + t.took_s < from_unix_s + seconds]
        good = [t for t in ended if t.ok]
        took = sorted(t.took_s for t in good)
        middle, late = (took[ceil(share * len(took)) - 1] if took else nan for share in (0.5, 0.95))
        return cls(
            in_flight=in_flight,
            seconds=seconds,
            answered=len(good),
            failed=Counter(t.error.code for t in ended if t.error is not None),
            took_p50_s=middle,
            took_p95_s=late,
            audio_s=sum(t.audio_s for t in good),
            characters=sum(t.characters for t in good),
        )

    def __str__(self) -> str:
        made = f"{self.audio_s / self.seconds:.1f} s of audio" if self.audio_s else ""
        made = f"{self.characters / self.seconds:.0f} characters" if self.characters else made
        failed = ", ".join(f"{count} {code}" for code, count in self.failed.items())
        return (
            f"{self.in_flight} in flight: {self.answered} answered in {self.seconds:.0f} s, half within "
            f"{self.took_p50_s:.2f} s and 95 % within {self.took_p95_s:.2f} s"
            f"{f', {made} a second' if made else ''}{f'; failed: {failed}' if failed else ''}"
        )


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
        """How many callers there are."""
        return len(self._callers)

    @property
    def traces(self) -> tuple[FileTrace, ...]:
        """The files answered so far."""
        return tuple(self._traces)

    def set(self, n: int) -> None:
        """Have ``n`` callers from now on; one that leaves waits for its last answer first.

        Raises:
            InvalidInput: ``n`` is negative.
        """
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
            of_what = {"audio_s": self._audio_s, "characters": self._characters}
            call = partial(_call, self._send, of_what, traces=self._traces, label=label, stop=stop)
            thread = threading.Thread(target=call, name=label, daemon=True)
            self._callers.append((stop, thread))
            thread.start()

    def measure(self, n: int, seconds: float, *, settle_s: float = 0.0) -> FileFigures:
        """Keep ``n`` requests in flight for ``settle_s`` and then ``seconds``; what was answered in those.

        Raises:
            InvalidInput: no request, or no time.
        """
        if n < 1 or seconds <= 0:
            raise InvalidInput(f"{n} requests for {seconds:g} s measure nothing.", hint="Give one or more, and a time.")
        self.set(n)
        time.sleep(settle_s)
        began = time.time()
        time.sleep(seconds)
        return FileFigures.of(self.traces, in_flight=n, from_unix_s=began, seconds=seconds)

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
    send: Callable[[], object],
    of_what: Mapping[str, Any],
    *,
    traces: list[FileTrace],
    label: str,
    stop: threading.Event,
) -> None:
    """One caller: file after file until told to stop."""
    while not stop.is_set():
        sent, began, error = time.time(), time.monotonic(), None
        try:
            send()
        except DgsmError as refusal:
            error = StreamError(getattr(refusal, "code", "") or type(refusal).__name__, refusal.message)
        took_s = time.monotonic() - began
        traces.append(FileTrace(label=label, sent_unix_s=sent, took_s=took_s, error=error, **of_what))
        if error is not None:
            stop.wait(PAUSE_AFTER_ERROR_S)


def _end(callers: list[tuple[threading.Event, threading.Thread]]) -> None:
    for stop, _ in callers:
        stop.set()

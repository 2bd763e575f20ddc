"""Writes a `StreamTrace` down while the stream runs; both transports drive it."""

import time
from array import array
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from dgsm_helpers.load.transport.trace import Ending, StreamError, StreamResult, StreamTrace, chunk_holding


class TraceRecorder:
    """One stream's notebook. Times are seconds since its creation on ``clock`` (monotonic).

    The transport tells it what happens, in order: `opened`, `chunk` for every chunk, `message` for everything received,
    `close_sent`, and `ended` or `failed` once. ``trace()`` may be asked for at any time after that.
    """

    def __init__(self, *, label: str, transport: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._zero = clock()
        self._origin_unix_s = time.time()
        self._label, self._transport = label, transport
        self._due, self._sent, self._cursor = array("d"), array("d"), array("d")
        self._results: list[StreamResult] = []
        self._opened_s: float | None = None
        self._close_sent_s: float | None = None
        self._closed_s: float | None = None
        self._ending: Ending | None = None
        self._error: StreamError | None = None
        self._metadata: dict[str, Any] | None = None
        self._reached_s = 0.0
        self.last_message_s = 0.0
        self.recent_lags: deque[tuple[float, float]] = deque(maxlen=128)
        """The newest interim lags as (clock reading, seconds). What never came is missing; `lag_samples` counts it."""

    def now(self) -> float:
        """Seconds since the recorder began."""
        return self._clock() - self._zero

    def at(self, reading: float) -> float:
        """A reading of the clock as seconds since the recorder began."""
        return reading - self._zero

    def reading(self, at_s: float) -> float:
        """What the clock reads ``at_s`` seconds after the recorder began."""
        return self._zero + at_s

    @property
    def done(self) -> bool:
        """Whether the end is written down."""
        return self._ending is not None

    @property
    def is_open(self) -> bool:
        """Whether the server accepted and the end has not come."""
        return self._opened_s is not None and self._ending is None

    @property
    def close_was_sent(self) -> bool:
        """Whether CloseStream has left."""
        return self._close_sent_s is not None

    def opened(self) -> None:
        """The server accepted the request."""
        self._opened_s = self.last_message_s = self.now()

    def chunk(self, *, due_s: float, cursor_s: float) -> None:
        """A chunk leaves now that was due at ``due_s``; ``cursor_s`` is the audio up to its end."""
        self._due.append(due_s)
        self._sent.append(self.now())
        self._cursor.append(cursor_s)

    def close_sent(self) -> None:
        """CloseStream leaves now."""
        self._close_sent_s = self.now()

    def message(self, raw: bytes) -> None:
        """A message from the model arrived: results, metadata and errors are kept, others only show a sign of life."""
        now = self.last_message_s = self.now()
        try:
            body = orjson.loads(raw)
            kind = body.get("type")
            if kind == "Results":
                self._result(body, now)
            elif kind == "Metadata":
                self._metadata = body
            elif kind == "Error":
                self._error = StreamError(str(body.get("code", "Error")), str(body.get("description", body)))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            self._error = StreamError("UnreadableMessage", f"{type(error).__name__} in {raw[:80]!r}")

    def _result(self, body: dict[str, Any], now: float) -> None:
        best = body["channel"]["alternatives"][0]
        result = StreamResult(
            received_s=now,
            start_s=float(body["start"]),
            duration_s=float(body["duration"]),
            is_final=bool(body["is_final"]),
            transcript=best["transcript"],
        )
        self._results.append(result)
        if self._due and result.advances(self._reached_s):
            self._reached_s = result.cursor_s
            due_s = self._due[int(chunk_holding(result.cursor_s, self._cursor))]
            self.recent_lags.append((now + self._zero, max(now - due_s, 0.0)))

    def failed(self, ending: Ending, code: str, message: str) -> None:
        """It ended with an error."""
        if self._ending is None:
            self._ending, self._closed_s = ending, self.now()
            self._error = self._error or StreamError(code, message)

    def ended(self) -> None:
        """The server's side ended without saying why: clean only if Metadata came after CloseStream."""
        if self._ending is not None:
            return
        if self._metadata is not None and self._close_sent_s is not None and self._error is None:
            self._ending, self._closed_s = Ending.CLEAN, self.now()
            return
        missing = "CloseStream was sent" if self._close_sent_s is None else "Metadata came"
        self.failed(Ending.DROPPED, "ConnectionDropped", f"The stream ended before {missing}.")

    def trace(self) -> StreamTrace:
        """What has been written down."""
        return StreamTrace(
            label=self._label,
            transport=self._transport,
            origin_unix_s=self._origin_unix_s,
            opened_s=self._opened_s,
            scheduled_s=np.array(self._due),
            sent_s=np.array(self._sent),
            audio_cursor_s=np.array(self._cursor),
            results=tuple(self._results),
            close_sent_s=self._close_sent_s,
            closed_s=self.now() if self._closed_s is None else self._closed_s,
            ending=self._ending or Ending.TIMEOUT,
            error=self._error,
            metadata=self._metadata,
        )

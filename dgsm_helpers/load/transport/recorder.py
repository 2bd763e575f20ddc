"""Writes a `StreamTrace` down while the stream runs; both transports drive it."""

import re
import time
from array import array
from collections import deque
from collections.abc import Callable, Mapping
from copy import copy
from math import inf
from typing import Any

import numpy as np

from dgsm_helpers.families import NOVA, Family
from dgsm_helpers.load.transport.call_progress import OngoingCall, lag_now_ms
from dgsm_helpers.load.transport.message_readers import READERS, AudioPart, Fact, Farewell, Introduction, TurnDone
from dgsm_helpers.load.transport.trace import (
    CallTurn,
    Ending,
    StreamError,
    StreamResult,
    StreamTrace,
    chunk_holding,
)
from dgsm_helpers.rules.sample import BYTES_PER_SAMPLE

_REQUEST_ID = re.compile(rb'"request_id": ?"([^"]+)"')
RESULTS_SHOWN = 60
"""The newest results that a live view is told of: about ten seconds."""


class TraceRecorder:
    """One stream's notebook. Times are seconds since its creation on ``clock`` (monotonic).

    The transport and what it sends tell it what happens, in order: `opened`, `chunk` for every chunk or `asked` for
    every text, `message` for everything received, `close_sent`, and `ended` or `failed` once. ``trace()`` may be asked
    for at any time after that.

    Args:
        clock: in seconds.
        keep_audio: whether the trace holds the audio that arrives.
    """

    def __init__(
        self,
        *,
        label: str,
        transport: str,
        family: Family = NOVA,
        clock: Callable[[], float] = time.monotonic,
        keep_audio: bool = False,
    ) -> None:
        self._read = READERS[family.path]
        self._protocol = family.protocol
        self._bytes_per_s = int(family.fixed.get("sample_rate", 0)) * BYTES_PER_SAMPLE
        self._audio: list[bytes] | None = [] if keep_audio else None
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
        self._metadata: Mapping[str, Any] | None = None
        self._complete = False
        self._request_id = ""
        self._turns: list[CallTurn] = []
        self._played, self._arrived = array("d"), array("d")
        self._reached_s = 0.0
        self.quiet_since_s = 0.0
        """Since when the server has said nothing that was waited for."""
        self.recent_lags: deque[tuple[float, float]] = deque(maxlen=128)
        """The newest lags as (clock reading, seconds). What never came is missing; `lag_samples` counts it."""

    def now(self) -> float:
        return self._clock() - self._zero

    def at(self, reading: float) -> float:
        """A reading of the clock as seconds since the recorder began."""
        return reading - self._zero

    def reading(self, at_s: float) -> float:
        """What the clock reads ``at_s`` seconds after the recorder began."""
        return self._zero + at_s

    @property
    def done(self) -> bool:
        return self._ending is not None

    @property
    def is_open(self) -> bool:
        """Whether the server accepted and the end has not come."""
        return self._opened_s is not None and self._ending is None

    @property
    def open_turn(self) -> CallTurn | None:
        """The text whose audio has not all come."""
        newest = self._turns[-1] if self._turns else None
        return newest if newest is not None and newest.done_s == inf else None

    @property
    def awaits_answer(self) -> bool:
        """Whether the server owes something by itself, so that its silence means trouble."""
        return self._close_sent_s is not None or self.done or self.open_turn is not None

    @property
    def newest_turn(self) -> CallTurn | None:
        """The text that was asked for last."""
        return self._turns[-1] if self._turns else None

    def opened(self) -> None:
        self._opened_s = self.quiet_since_s = self.now()

    def chunk(self, *, due_s: float, cursor_s: float) -> None:
        """A chunk leaves now that was due at ``due_s``; ``cursor_s`` is the audio up to its end."""
        self._due.append(due_s)
        self._sent.append(self._clock() - self._zero)
        self._cursor.append(cursor_s)

    def asked(self, *, due_s: float, characters: int) -> None:
        """A text leaves now that was due at ``due_s``; the audio that follows is its."""
        self._due.append(due_s)
        self.quiet_since_s = self.now()
        self._sent.append(self.quiet_since_s)
        self._turns.append(CallTurn(due_s, characters))

    def close_sent(self) -> None:
        self._close_sent_s = self.quiet_since_s = self.now()

    def message(self, raw: bytes) -> None:
        """A message from the model arrived: its facts are kept, others only show a sign of life."""
        now = self.quiet_since_s = self._clock() - self._zero
        if not self._request_id and (named := _REQUEST_ID.search(raw)):
            self._request_id = named[1].decode()
        try:
            fact = self._read(raw, now)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            self._error = StreamError("UnreadableMessage", f"{type(error).__name__} in {raw[:80]!r}")
            return
        if type(fact) is StreamResult:
            self._heard(fact, now)
        elif type(fact) is AudioPart:
            self._spoken(fact.data, now)
        elif fact is not None:
            self._told(fact, now)

    def _heard(self, result: StreamResult, now: float) -> None:
        self._results.append(result)
        if self._cursor and result.advances(self._reached_s):
            self._reached_s = result.cursor_s
            due_s = self._due[chunk_holding(result.cursor_s, self._cursor)]
            self.recent_lags.append((now + self._zero, max(now - due_s, 0.0)))

    def _spoken(self, data: bytes, now: float) -> None:
        if self._audio is not None:
            self._audio.append(data)
        if (turn := self.open_turn) is None or not data:
            return
        if not turn.audio_s:
            turn.first_audio_s = now
        needed_s = turn.first_audio_s + turn.audio_s
        turn.audio_s += len(data) / self._bytes_per_s
        late_s = max(now - needed_s, 0.0)
        turn.late_s = max(turn.late_s, late_s)
        self._played.append(needed_s)
        self._arrived.append(now)
        self.recent_lags.append((now + self._zero, late_s))

    def _told(self, fact: Fact, now: float) -> None:
        match fact:
            case TurnDone():
                if (turn := self.open_turn) is not None:
                    turn.done_s = now
            case Introduction(body):
                self._metadata = body
                self._complete = not self._protocol.last_message
            case Farewell(body):
                self._metadata = {**(self._metadata or {}), **body}
                self._complete = True
            case StreamError():
                self._error = fact

    def failed(self, ending: Ending, code: str, message: str) -> None:
        """It ended with an error."""
        if self._ending is None:
            self._ending, self._closed_s = ending, self.now()
            self._error = self._error or StreamError(code, message)

    def ended(self) -> None:
        """The server's side ended without saying why: clean only if it was asked to and its last message came."""
        if self._ending is not None:
            return
        if self._complete and self._close_sent_s is not None and self._error is None:
            self._ending, self._closed_s = Ending.CLEAN, self.now()
            return
        says = self._protocol
        missing = f"{says.end_message} was sent" if self._close_sent_s is None else "anything was answered"
        if says.last_message and self._close_sent_s is not None:
            missing = f"{says.last_message} came"
        self.failed(Ending.DROPPED, "ConnectionDropped", f"The stream ended before {missing}.")

    def ongoing(self, label: str) -> OngoingCall:
        """The stream at this moment; callable from any thread."""
        newest = self._results[-RESULTS_SHOWN:]
        said = " ".join(r.transcript for r in newest if r.transcript and (r.is_final or r.ends_turn))
        guess = newest[-1].transcript if newest and not (newest[-1].is_final or newest[-1].ends_turn) else ""
        lag_ms = lag_now_ms(self.recent_lags)
        return OngoingCall(label=label, request_id=self._request_id, lag_ms=lag_ms, said=said, guess=guess)

    def trace(self) -> StreamTrace:
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
            turns=tuple(copy(turn) for turn in self._turns),
            played_s=np.array(self._played),
            arrived_s=np.array(self._arrived),
            audio=b"".join(self._audio or ()),
            has_finals=not self._protocol.turns,
        )

"""What happened in one stream, and what can be read off it.

A `StreamTrace` is a record: errors are facts in it, not exceptions. All measures are pure functions of it.

Latency is Deepgram's: audio cursor minus transcript cursor, from interim results only. The audio cursor is read from
the *schedule*, not from when a chunk really left, so a client that falls behind cannot make the server look better;
an interim result that never came counts (see `lag_samples`), so a server that answers rarely cannot either.

Where a model speaks, the lag is the player's: audio that arrives after its moment to be played is so much late.
"""

from array import array
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np

MAX_CADENCE_S = 1.0
"""The longest cadence in `lag_samples`: a stream that answers less often is late, whatever its habit."""


class Ending(StrEnum):
    """How a stream ended."""

    CLEAN = "clean"
    """The end was asked for, the protocol's last message came back if it has one, then the stream ended."""
    DROPPED = "dropped"
    """The stream or its connection ended without that."""
    ERROR = "error"
    """The server sent an in-stream error."""
    REFUSED = "refused"
    """The request was answered with an error, or could not be made; no audio was taken."""
    TIMEOUT = "timeout"
    """The server stayed silent longer than the client was willing to wait."""


@dataclass(frozen=True)
class StreamError:
    """An error as the client saw it: ``code`` is AWS's name (or the exception's), ``message`` its text."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class StreamResult:
    """How far a message has heard. Times in seconds; ``received_s`` on the trace's clock, ``start_s`` in the audio.

    ``ends_turn`` tells that somebody has finished speaking: its transcript is final, and it is as timely as an interim.
    """

    received_s: float
    start_s: float
    duration_s: float
    is_final: bool
    transcript: str = ""
    ends_turn: bool = False

    @property
    def cursor_s(self) -> float:
        """The transcript cursor: seconds of audio that this result accounts for."""
        return self.start_s + self.duration_s

    def advances(self, reached_s: float) -> bool:
        """Whether it is an interim result that reaches audio beyond ``reached_s``: only those show lag."""
        return not self.is_final and self.cursor_s > reached_s + 1e-6


@dataclass(slots=True)
class CallTurn:
    """One text that was asked for and what came of it; times on the trace's clock, inf where something never came.

    It was due at ``asked_s`` and has so many ``characters``; ``audio_s`` is what arrived of it, ``late_s`` by how long
    its playing had to stop in all.
    """

    asked_s: float
    characters: int
    first_audio_s: float = float("inf")
    done_s: float = float("inf")
    audio_s: float = 0.0
    late_s: float = 0.0

    @property
    def played_out_s(self) -> float:
        """When somebody who listens has heard all of it; inf before all of it has come."""
        if self.done_s == float("inf"):
            return self.done_s
        return max(self.first_audio_s + self.audio_s + self.late_s, self.done_s) if self.audio_s else self.done_s


@dataclass(frozen=True, eq=False)
class StreamTrace:
    """One stream from its opening to its end.

    Times are seconds since ``origin_unix_s`` (Unix time) on the client's monotonic clock. ``scheduled_s``,
    ``sent_s`` and ``audio_cursor_s`` are arrays of one length, an entry per chunk that was due: when it should have
    left, when it left (NaN: never), and the seconds of audio up to its end; a text that was due has no cursor.
    ``opened_s`` is None when the server never accepted, ``close_sent_s`` when the end was never asked for, ``closed_s``
    is the end in every case. ``turns`` are the texts that were asked for; ``played_s`` and ``arrived_s`` tell of each
    piece of their audio when a player needed it and when it came. ``audio`` is that audio where it was kept.
    ``has_finals`` is False where a protocol marks no result as final.
    """

    label: str
    transport: str
    origin_unix_s: float
    opened_s: float | None
    scheduled_s: np.ndarray
    sent_s: np.ndarray
    audio_cursor_s: np.ndarray
    results: tuple[StreamResult, ...]
    close_sent_s: float | None
    closed_s: float
    ending: Ending
    error: StreamError | None = None
    metadata: Mapping[str, Any] | None = None
    turns: tuple[CallTurn, ...] = ()
    played_s: np.ndarray = field(default_factory=partial(np.empty, 0))
    arrived_s: np.ndarray = field(default_factory=partial(np.empty, 0))
    audio: bytes = b""
    has_finals: bool = True

    @property
    def audio_s(self) -> float:
        """Seconds of audio that were due."""
        return float(self.audio_cursor_s[-1]) if len(self.audio_cursor_s) else 0.0

    @property
    def ok(self) -> bool:
        """Whether it ran to a clean end."""
        return self.ending is Ending.CLEAN

    @property
    def model(self) -> str:
        """The model that answered, by the name its container gives it; "" when the stream ended before that."""
        told = self.metadata or {}
        infos = told.get("model_info", {})
        return next((str(info["name"]) for info in infos.values()), str(told.get("model_name", "")))

    @property
    def transcript(self) -> str:
        """What was said: the final results, or those that end a turn, in order."""
        return " ".join(r.transcript for r in self.results if (r.is_final or r.ends_turn) and r.transcript)


@dataclass(frozen=True, eq=False)
class LagSamples:
    """Lag over a stream: audio that was due at ``due_s`` (trace clock) was answered ``lag_s`` later (inf: never)."""

    due_s: np.ndarray
    lag_s: np.ndarray


def cadence_s(trace: StreamTrace) -> float:
    """Seconds of audio between the stream's interim results: their median advance, at least one chunk, at most 1 s."""
    chunk_s = float(trace.audio_cursor_s[0]) if len(trace.audio_cursor_s) else 0.1
    cursors = np.maximum.accumulate([r.cursor_s for r in trace.results if not r.is_final] or [0.0])
    advances = np.diff(cursors, prepend=0.0)
    advances = advances[advances > 1e-6]
    usual = float(np.median(advances)) if len(advances) else chunk_s
    return min(max(usual, chunk_s), MAX_CADENCE_S)


def chunk_holding(point_s: float, audio_cursor_s: np.ndarray | array[float]) -> int:
    """Index of the chunk whose audio reaches ``point_s``: the one that must have been sent for a result up to there.

    Every lag, live or afterwards, is read from that chunk's scheduled time.
    """
    # Asked for each message that arrives: numpy takes ten times as long for a single point.
    return min(bisect_left(audio_cursor_s, point_s - 1e-6), len(audio_cursor_s) - 1)


def chunks_holding(points_s: np.ndarray, audio_cursor_s: np.ndarray) -> np.ndarray:
    """`chunk_holding` of many points."""
    return np.minimum(np.searchsorted(audio_cursor_s, points_s - 1e-6), len(audio_cursor_s) - 1)


def lag_samples(trace: StreamTrace, *, from_s: float = 0.0, to_s: float = float("inf")) -> LagSamples:
    """Lag of the audio that was due from ``from_s`` to ``to_s`` (trace clock).

    One sample per interim result: from the scheduled time of the audio it reaches to its arrival. An interim that
    advances by several times the stream's usual step stands in for others that never came: each of those counts too,
    from its own scheduled time. Audio that no interim ever reached is infinitely late, except the last moments of the
    audio if a final result took them (CloseStream cuts the last interim short).

    Of audio that was asked for: one sample per piece, from the moment a player needed it to its arrival.
    """
    scheduled, cursors = trace.scheduled_s, trace.audio_cursor_s
    if not len(cursors):
        needed = trace.played_s
        keep = (needed >= from_s) & (needed < to_s)
        return LagSamples(needed[keep], np.maximum(trace.arrived_s - needed, 0.0)[keep])
    step = cadence_s(trace)
    points: list[np.ndarray] = []
    arrivals: list[np.ndarray] = []
    reached = 0.0
    for result in trace.results:
        if not result.advances(reached):
            continue
        covered = _grid(reached, result.cursor_s, step)
        points.append(covered)
        arrivals.append(np.full(len(covered), result.received_s))
        reached = result.cursor_s
    end = trace.audio_s
    finals = max((r.cursor_s for r in trace.results if r.is_final), default=0.0)
    if not trace.has_finals and trace.ok:
        finals = end
    if reached < end - step - 1e-6 and not (finals >= end - step and end - reached <= step + MAX_CADENCE_S):
        missing = _grid(reached, end, step)
        points.append(missing)
        arrivals.append(np.full(len(missing), np.inf))
    if not points:
        return LagSamples(np.empty(0), np.empty(0))
    point, arrival = np.concatenate(points), np.concatenate(arrivals)
    due = scheduled[chunks_holding(point, cursors)]
    keep = (due >= from_s) & (due < to_s)
    return LagSamples(due[keep], np.maximum(arrival - due, 0.0)[keep])


def _grid(after: float, upto: float, step: float) -> np.ndarray:
    """Points ``upto``, ``upto - step``, ... that lie beyond ``after``, ascending.

    A remainder of less than half a step is the ordinary unevenness of a server's updates, not a missing result.
    """
    count = max(int((upto - after) / step + 0.5), 1)
    return upto - step * np.arange(count - 1, -1, -1.0)


def first_chunk_latency_s(trace: StreamTrace) -> float:
    """Seconds from the first chunk's scheduled time to the first result; inf if there was none."""
    if not trace.results or not len(trace.scheduled_s):
        return float("inf")
    return max(trace.results[0].received_s - float(trace.scheduled_s[0]), 0.0)


def finalisation_latency_s(trace: StreamTrace) -> float:
    """Seconds from the end of the audio (the last chunk's scheduled time) to the final result that reaches it.

    inf if none does, also when the stream broke off. A final that stops up to 0.1 s short of the end counts:
    recognisers round to their frames.
    """
    if not len(trace.scheduled_s) or trace.close_sent_s is None:
        return float("inf")
    finals = [r.received_s for r in trace.results if r.is_final and r.cursor_s >= trace.audio_s - 0.1]
    return max(min(finals, default=float("inf")) - float(trace.scheduled_s[-1]), 0.0)


def send_slip_s(trace: StreamTrace) -> np.ndarray:
    """By how many seconds each chunk left late, per chunk; inf for one that never left."""
    return np.nan_to_num(np.maximum(trace.sent_s - trace.scheduled_s, 0.0), nan=np.inf)

"""Calls that come and go in a thread of their own: what a `Load` holds when it is told how long calls last."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

import numpy as np

from dgsm_helpers.errors import DgsmError, InvalidInput
from dgsm_helpers.load.transport.call_progress import CallProgress
from dgsm_helpers.load.transport.call_record import CallRecord, hold_call
from dgsm_helpers.load.transport.continued_stream import ContinuedStream
from dgsm_helpers.load.transport.held_streams import RECONNECT_AFTER_S, Caller, HeldStreams, SessionPlan
from dgsm_helpers.load.transport.overload_watch import Leaving
from dgsm_helpers.load.transport.paced_audio import PacedAudio
from dgsm_helpers.load.transport.recordings import chunks
from dgsm_helpers.load.transport.stream_loops import stopped_within
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.session import Workbook

PAUSE_S = 2.0
"""Mean time between a caller's calls, exponentially distributed."""
WINDOW_S = 2.0
INSTANCE_S = 500.0
"""Seconds of the endpoint's time in which an instance comes: detected in 60 to 90, started in some 250 to 470."""


@dataclass(frozen=True, kw_only=True)
class CallsHeld:
    """What became of the calls of a load, held against the bundled sample.

    ``cut`` are hand-overs because a session ended before its call, ``moved`` those on purpose. ``lag_p95_ms`` is by
    time: the 95th percentile of all results' lag, of every two seconds in which there were results. ``example`` is the
    call that was handed over most often; None without a call.
    """

    calls: int
    cut: int
    moved: int
    words: int
    words_lost: int
    words_extra: int
    lag_p95_ms: tuple[tuple[datetime, float], ...]
    example: CallRecord | None = field(default=None, repr=False)

    @property
    def peak_lag_ms(self) -> float | None:
        """The highest of ``lag_p95_ms``; None without a result."""
        return max((lag for _, lag in self.lag_p95_ms), default=None)

    @classmethod
    def of(cls, records: Sequence[CallRecord], lag_p95_ms: Sequence[tuple[datetime, float]]) -> Self:
        counts = [record.against_sample() for record in records]
        causes = Counter(change.cause for record in records for change in record.hand_overs)
        return cls(
            calls=len(records),
            cut=causes["cut"],
            moved=causes["overload"],
            words=sum(count.said for count in counts),
            words_lost=sum(count.lost for count in counts),
            words_extra=sum(count.extra for count in counts),
            lag_p95_ms=tuple(lag_p95_ms),
            example=max(records, key=lambda record: len(record.hand_overs), default=None),
        )

    def __str__(self) -> str:
        told = (
            f"{self.calls} calls; the fleet cut {self.cut} of their sessions, {self.moved} moved; "
            f"{self.words_lost} of {self.words} words lost, {self.words_extra} heard twice"
        )
        if self.peak_lag_ms is None:
            return f"{told}."
        _, last_ms = self.lag_p95_ms[-1]
        return f"{told}. Lag, p95: {self.peak_lag_ms:.0f} ms at the worst, {last_ms:.0f} ms at the end."


class HeldCalls(HeldStreams):
    """As `HeldStreams`, but each caller holds one call of ``call_s`` seconds (from, to) after the other.

    Calls are continued, and may leave an overloaded instance.

    Raises:
        InvalidInput: the model speaks; only what listens has audio to hear again.
    """

    def __init__(
        self, wb: Workbook, target: StreamTarget, session: SessionPlan, *, call_s: tuple[float, float], seed: int
    ) -> None:
        if not isinstance(session.workload, PacedAudio):
            raise InvalidInput(
                f"{session.query.family.title} speaks, so its calls cannot be continued.", hint="Leave out call_s."
            )
        self._wb, self._call_s, self._audio = wb, call_s, session.workload
        # Before an instance has started there is nowhere better to go; afterwards, as such calls are short, soon.
        self._rule = Leaving(lag_s=1.0, for_s=wb.wall_seconds(INSTANCE_S), spread_s=4.0)
        self._lags: list[tuple[float, float]] = []
        self._records: list[CallRecord] = []
        super().__init__(target, session, seed=seed)

    @property
    def records(self) -> tuple[CallRecord, ...]:
        with self._lock:
            return tuple(self._records)

    def lag_p95_ms(self) -> list[tuple[datetime, float]]:
        """The 95th percentile of all results' lag by the workbook's time, of every `WINDOW_S` with results."""
        lags = np.array(self._lags).reshape(-1, 2)
        # The workbook's time goes evenly while there are streams.
        now, now_s, second = self._wb.now(), time.monotonic(), timedelta(seconds=1 / self._wb.wall_seconds(1))
        windows = np.split(lags, np.flatnonzero(np.diff(lags[:, 0] // WINDOW_S)) + 1) if len(lags) else []
        return [(now - (now_s - w[-1, 0]) * second, 1000 * float(np.percentile(w[:, 1], 95))) for w in windows]

    async def hold(self, caller: Caller, wait_s: float) -> None:
        session, audio_of = self._session, self._audio
        recording = audio_of.of[caller.number % len(audio_of.of)]
        rng = random.Random(self._random.getrandbits(32))
        while not await stopped_within(caller.stop, wait_s):
            progress = caller.recorder = CallProgress(self._lags)
            offset_s = rng.uniform(0, recording.duration_s)
            audio = chunks(
                recording, chunk_ms=audio_of.chunk_ms, offset_s=offset_s, duration_s=rng.uniform(*self._call_s)
            )
            call = ContinuedStream.of(
                self._wb,
                query=session.query,
                sample_rate=recording.sample_rate,
                leaving=self._rule,
                seed=rng.getrandbits(32),
            )
            try:
                record = await hold_call(
                    call, audio, chunk_s=audio_of.chunk_ms / 1000, stop=caller.stop, on_result=progress.result
                )
            except DgsmError:
                wait_s = RECONNECT_AFTER_S
            else:
                with self._lock:
                    self._records.append(replace(record, offset_s=offset_s))
                wait_s = rng.expovariate(1 / PAUSE_S)
            finally:
                progress.is_open = False

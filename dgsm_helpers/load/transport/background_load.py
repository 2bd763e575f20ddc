"""Hold N real-time streams in the background while something else is watched: `Load`."""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dgsm_helpers.errors import InvalidInput, StreamFailed
from dgsm_helpers.load.transport.call_progress import OngoingCall
from dgsm_helpers.load.transport.data_path import require_open
from dgsm_helpers.load.transport.held_calls import CallsHeld, HeldCalls
from dgsm_helpers.load.transport.held_streams import END_TIMEOUT_S, HeldStreams, SessionPlan
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.stream_target import MAX_SESSION_S, StreamTarget
from dgsm_helpers.load.transport.trace import StreamTrace
from dgsm_helpers.load.transport.workloads import Workload, workload_of
from dgsm_helpers.progress.kernel import end_when_run_again, keep_when_run_again
from dgsm_helpers.rules.call_effects import LOAD_PRICE
from dgsm_helpers.session import Workbook


@dataclass(frozen=True)
class LoadSnapshot:
    """A load at one moment.

    ``wanted`` streams are asked for, ``open`` are accepted by the server, ``finished`` sessions have ended
    (``failed`` of them not cleanly). ``lag_p50_ms`` and ``lag_p95_ms`` are over the last ten seconds, None without
    any interim result.
    """

    wanted: int
    open: int
    finished: int
    failed: int
    lag_p50_ms: float | None
    lag_p95_ms: float | None

    def __str__(self) -> str:
        lag = "" if self.lag_p95_ms is None else f"; p95 lag of the last ten seconds {self.lag_p95_ms:,.0f} ms"
        return f"{self.open} of {self.wanted} streams are open, {self.finished} sessions have ended{lag}"


_loads: weakref.WeakValueDictionary[tuple[str, str], Load] = weakref.WeakValueDictionary()
"""The newest load of each endpoint and variant, while somebody refers to it."""


class Load:
    """Streams held open in a thread of their own; change their number at any time, read the traces at the end.

        with Load(wb) as load:
            load.set(15)
            ...
            load.set(0)
        traces = load.traces

    Each stream loops a recording from a random offset (seeded, so that a run can be repeated), in real time; where the
    model speaks, each is a call that asks for one turn after the other. A session that breaks off is opened again after
    a second, one that nears SageMaker's 30-minute limit is closed and followed by another; each leaves its own trace.
    Its methods may be called from any thread.

    The streams end with `stop`, and also when nothing refers to the load any more, when the notebook cell that made it
    is run again, or ``max_s`` after `set` was called last: none must stream, and cost, for ever. A cell with `find`
    gets the same load again instead.

    Args:
        workload: what the streams send: `PacedAudio` to a model that listens, a `Conversation` to one that speaks; the
            family's usual one by default.
        query: what the model is asked for; its family's defaults when None.
        session_s: longest session before it is followed by another; from its second on a stream has shorter ones too,
            down to half of it, so that they turn over one by one.
        max_s: wall-clock seconds after which streams end that nobody has set anew.
        call_s: shortest and longest call: callers then come and go, each a `ContinuedStream`, and leave no traces but
            ``calls``. None: streams are held.
        seed: of offsets and phases.

    Raises:
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``; load makes an endpoint scale out.
        StreamFailed, CredentialsProblem, AccessDenied, NotFound: no stream can be opened from here (`require_open`).
        InvalidInput: session_s outside 1-1800, or call_s no range.
    """

    def __init__(
        self,
        wb: Workbook,
        *,
        workload: Workload | None = None,
        query: Query | None = None,
        session_s: float = MAX_SESSION_S - 60,
        call_s: tuple[float, float] | None = None,
        max_s: float = 7200.0,
        seed: int = 0,
    ) -> None:
        if not 1 <= session_s <= MAX_SESSION_S:
            raise InvalidInput(
                f"session_s={session_s:g} is outside 1-{MAX_SESSION_S:g}.", hint="SageMaker ends at 30 min."
            )
        if call_s is not None and not 0 < call_s[0] <= call_s[1]:
            raise InvalidInput(f"call_s={call_s} is no (shortest, longest) call.", hint="Give seconds: (20, 60).")
        wb.require_spend(f"Sending audio to {wb.endpoint_name}", price=LOAD_PRICE)
        target = StreamTarget.of(wb)
        workload = workload_of(target.family) if workload is None else workload
        require_open(wb)
        session = SessionPlan(workload=workload, query=query or Query(target.family), session_s=session_s)
        self._held = (
            HeldCalls(wb, target, session, call_s=call_s, seed=seed)
            if call_s
            else HeldStreams(target, session, seed=seed)
        )
        self._max_s = max_s
        self._end = weakref.finalize(self, self._held.end)
        end_when_run_again(self._end)
        _loads[wb.key, wb.variant_name] = self

    @classmethod
    def find(cls, wb: Workbook, **given: Any) -> Load:
        """The newest load of this endpoint that this kernel still holds, as it is; else one made of ``given``.

        A cell that is run again, after its page was closed or reloaded, so gets back the streams that go on meanwhile.
        """
        found = _loads.get((wb.key, wb.variant_name))
        if found is None or found.ended:
            return cls(wb, **given)
        keep_when_run_again(found._end)
        return found

    @property
    def ended(self) -> bool:
        """Whether its streams have been told to end, by `stop` or otherwise."""
        return self._held.ending

    @property
    def wanted(self) -> int:
        """How many streams are asked for."""
        return len(self._held.callers)

    @property
    def traces(self) -> tuple[StreamTrace, ...]:
        """Traces of the sessions that have ended, in the order of their ends."""
        return self._held.traces

    @property
    def calls(self) -> CallsHeld:
        """The calls that have ended, summed up; none where streams are held."""
        held = self._held
        return CallsHeld.of(held.records, held.lag_p95_ms()) if isinstance(held, HeldCalls) else CallsHeld.of((), [])

    def set(self, n: int) -> None:
        """Hold ``n`` streams from now on; returns at once (see `wait_open`)."""
        if n < 0:
            raise InvalidInput(f"{n} streams cannot be held.", hint="Give zero or more.")
        if self._held.ending:
            raise InvalidInput("This load has been stopped.", hint="Make a new Load.")
        self._held.set(n, for_s=self._max_s)

    def wait_open(self, *, timeout_s: float = 30.0) -> None:
        """Wait until as many streams are open as are asked for.

        Raises:
            StreamFailed: they are not after ``timeout_s``; the message has the newest error.
        """
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self.snapshot().open >= self.wanted:
                return
            time.sleep(0.05)
        errors = [t.error for t in self.traces if t.error]
        reason = f"{errors[-1].code}: {errors[-1].message}" if errors else "the endpoint does not answer."
        raise StreamFailed(f"{self.snapshot().open} of {self.wanted} streams opened in {timeout_s:g} s; {reason}")

    def ongoing(self) -> tuple[OngoingCall, ...]:
        """The calls or streams that are open at this moment, oldest first."""
        held = [(caller.label, caller.recorder) for caller in self._held.callers]
        return tuple(recorder.ongoing(label) for label, recorder in held if recorder is not None and recorder.is_open)

    def wait_lag(self, *, below_ms: float, timeout_s: float = 60.0) -> float | None:
        """Wait until results come sooner than that, by the 95th percentile of two seconds, but not for ever.

        Returns:
            The lag then; it is higher where it did not come to that, and None without any result.
        """
        until = time.monotonic() + timeout_s
        while True:
            lags_ms = self._lags_ms(2)
            lag_ms = float(np.percentile(lags_ms, 95)) if lags_ms else None
            if (lag_ms is not None and lag_ms < below_ms) or time.monotonic() >= until:
                return lag_ms
            time.sleep(0.2)

    def snapshot(self) -> LoadSnapshot:
        """The load at this moment."""
        callers = self._held.callers
        lags_ms = self._lags_ms(10)
        p50, p95 = map(float, np.percentile(lags_ms, [50, 95])) if lags_ms else (None, None)
        traces = self.traces
        return LoadSnapshot(
            wanted=len(callers),
            open=sum(caller.recorder.is_open for caller in callers if caller.recorder is not None),
            finished=len(traces),
            failed=sum(not t.ok for t in traces),
            lag_p50_ms=p50,
            lag_p95_ms=p95,
        )

    def _lags_ms(self, newest_s: float) -> list[float]:
        """Of all callers' results within so many seconds."""
        since = time.monotonic() - newest_s
        recorders = [caller.recorder for caller in self._held.callers if caller.recorder is not None]
        return [1000 * lag for r in recorders for at, lag in list(r.recent_lags) if at >= since]

    def stop(self, *, timeout_s: float = END_TIMEOUT_S) -> tuple[StreamTrace, ...]:
        """Close every stream cleanly, wait for their ends and return all traces. May be called again."""
        self._end.detach()
        self._held.end(timeout_s)
        # What has not ended by then is cut off, which takes a moment too.
        self._held.wait_ended(timeout_s + 10)
        return self.traces

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

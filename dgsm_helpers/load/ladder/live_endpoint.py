"""The live endpoint as the search sees it: ``measure(n, hold_s)`` over a crew of client processes."""

import math
import time
from collections.abc import Callable
from dataclasses import replace

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.ladder.crew import Crew, WorkerLost
from dgsm_helpers.load.ladder.criteria import Criteria
from dgsm_helpers.load.ladder.lag_histograms import merged_text
from dgsm_helpers.load.ladder.ramp import Ramp, openings_s
from dgsm_helpers.load.ladder.rung import Effort, Hold
from dgsm_helpers.load.ladder.share import LoadSpec, Share, ShareReport, Transport
from dgsm_helpers.load.transport.held_streams import LEAN_ABOVE
from dgsm_helpers.load.transport.stream_target import MAX_SESSION_S, StreamTarget

STREAMS_PER_PROCESS = {"sdk": 50, "lean": 250}
OPENINGS_PER_S = {"sdk": 40, "lean": 200}
MIN_RAMP_S = 1.0
"""Over which even few streams open: a model that answers every half or whole second would otherwise be asked by all of
them at once, throughout their sessions."""
LEAD_S = 0.3
"""From handing out the shares to the agreed start."""
MAX_CLIENT_CPU = 0.7
MIN_AUDIO = 0.99
"""Audio that was due over wall time and streams: less means that the load was not what it was meant to be."""
MAX_LATE_S = 0.5
MAX_PAUSE_S = 3

type Gauge = Callable[[float, float], float | None]
"""The server's own count of streams in flight per instance (Maximum) between two Unix times; None when unknown."""


class LiveEndpoint:
    """`search.Measure` on a real endpoint.

    Args:
        criteria: for stopping a hold whose failure is certain.
        effort: gives the settling time.
        gauge: the server's own count, to catch streams that went elsewhere.

    Raises:
        InvalidInput: there is no such transport.
    """

    def __init__(
        self,
        target: StreamTarget,
        crew: Crew,
        spec: LoadSpec,
        *,
        criteria: Criteria,
        effort: Effort,
        gauge: Gauge | None = None,
    ) -> None:
        if spec.transport not in ("auto", *STREAMS_PER_PROCESS):
            raise InvalidInput(f"transport is {spec.transport!r}.", hint="Give auto, sdk or lean.")
        self._target, self._crew, self._spec = target, crew, spec
        self._criteria, self._effort, self._gauge = criteria, effort, gauge
        self._visits: dict[int, int] = {}
        self._strained: dict[int, int] = {}
        self._holds = 0

    def __call__(self, n: int, hold_s: float) -> Hold:
        """Hold ``n`` fresh streams and report; a hold that proves nothing is void and says why."""
        transport, processes = self._carriers(n)
        ramp_s = max(n / OPENINGS_PER_S[transport], MIN_RAMP_S)
        settle_s = self._effort.settle_s * (1 if self._holds else 2)
        session_s = ramp_s + settle_s + hold_s
        if session_s > MAX_SESSION_S - 10:
            raise InvalidInput(f"A hold of {hold_s:g} s does not fit into SageMaker's 30-minute limit.")
        self._holds += 1
        # What kept the client busy may pass.
        time.sleep(min(self._strained.get(n, 0), MAX_PAUSE_S))
        begin = time.time()
        try:
            self._crew.warm()
            begin = time.time() + LEAD_S
            load = self._load(transport, n, begin, ramp_s=ramp_s, settle_s=settle_s, hold_s=hold_s)
            shares = [replace(load, numbers=tuple(range(k, n, processes))) for k in range(processes)]
            # The drain of an overloaded endpoint takes as long as its backlog: at most about the hold again.
            reports = self._crew.run(shares, timeout_s=session_s * 3 + 60)
        except WorkerLost as error:
            wall_s = time.time() - begin
            return Hold(n, hold_s, wall_s, (), client_processes=processes, started_unix_s=begin, void=f"{error}.")
        hold = self._hold(n, reports, begin)
        if hold.void is not None:
            self._strained[n] = self._strained.get(n, 0) + 1
        return hold

    def ramp(self, most: int) -> Ramp:
        """Add streams up to ``most``, or to what one client process carries, until they fall behind.

        One process, because each ends its streams by what it sees of them. A ramp without streams shows nothing.
        """
        transport: Transport = "sdk" if self._spec.transport == "sdk" else "lean"
        most = min(most, STREAMS_PER_PROCESS[transport])
        self._holds += 1
        begin = time.time()
        try:
            self._crew.warm()
            begin = time.time() + LEAD_S
            share = self._load(transport, most, begin, ramp_s=openings_s(most)[-1])
            return self._crew.ramp(share, timeout_s=share.ramp_s * 3 + 60)
        except WorkerLost:
            return Ramp((), (), time.time() - begin)

    def _load(self, transport: Transport, total: int, begin: float, **times_s: float) -> Share:
        """All of a rung's streams as one share."""
        return Share(
            target=self._target,
            spec=replace(self._spec, transport=transport, seed=self._spec.seed + self._holds),
            numbers=tuple(range(total)),
            total=total,
            begin_unix_s=begin,
            criteria=self._criteria,
            **times_s,
        )

    def _carriers(self, n: int) -> tuple[Transport, int]:
        """Transport and number of processes for ``n`` streams."""
        visit = self._visits[n] = self._visits.get(n, 0) + 1
        strained = self._strained.get(n, 0)
        transport = self._spec.transport
        if transport == "auto":
            transport = "lean" if n > LEAN_ABOVE or strained else "sdk"
        needed = math.ceil(n / STREAMS_PER_PROCESS[transport])
        # Every other visit uses twice the processes, because the answer must not depend on the client; and so does
        # one after a hold that the client spoilt.
        double = strained > 0 or visit % 2 == 0
        return transport, min(needed * (2 if double else 1), n, self._crew.size)

    def _hold(self, n: int, reports: list[ShareReport], begin: float) -> Hold:
        now = time.time()
        gauge = self._gauge(begin, now) if self._gauge is not None else None
        hold = Hold(
            n=n,
            hold_s=min(r.hold_s for r in reports),
            wall_s=now - begin,
            streams=tuple(o for r in reports for o in r.outcomes),
            slip_p99_s=max(r.slip_p99_s for r in reports),
            client_cpu=max(r.cpu for r in reports),
            client_processes=len(reports),
            gauge=None if gauge is None else gauge / n,
            histogram=merged_text([r.histogram for r in reports]),
            started_unix_s=begin,
        )
        return replace(hold, void=self._void(hold, max(r.late_s for r in reports)))

    def _void(self, hold: Hold, late_s: float) -> str | None:
        if late_s > MAX_LATE_S:
            return f"a client process began {late_s:.1f} s late: it was slow, or took over from one that was lost."
        open_streams = [s for s in hold.streams if s.error is None]
        due = sum(s.due_audio_s for s in open_streams)
        step_s = self._spec.workload.step_s
        if due < MIN_AUDIO * len(open_streams) * hold.hold_s - step_s * len(open_streams):
            return f"streams were still opening when the hold began ({due:.0f} s of audio were due in it)."
        if hold.slip_p99_s > step_s / 4:
            return f"the client sent late (p99 {hold.slip_p99_s * 1000:.0f} ms, limit {step_s * 250:.0f} ms)."
        if hold.client_cpu > MAX_CLIENT_CPU:
            return f"a client process used {hold.client_cpu:.0%} of a core (limit {MAX_CLIENT_CPU:.0%})."
        counted = f"the endpoint counted {(hold.gauge or 0) * hold.n:.0f} streams where {hold.n} were held"
        if hold.gauge is not None and hold.gauge > 1.1:
            return f"{counted}: others use it."
        # What the container did not take, or what broke, it need not count.
        if hold.gauge is not None and hold.gauge < 0.9 * len(open_streams) / hold.n:
            return f"{counted}: its metric lacks some of them."
        return None

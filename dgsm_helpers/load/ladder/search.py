"""Find how many streams one instance sustains: from about where the knee lies, confirm it or walk to where it is.

Pure: it is given a ``measure(n, hold_s)`` that holds N streams and says what happened, live or in virtual time, and
where to begin, as a ramp found it (`ramp.Ramp.knee`). An inconclusive rung shows the way at most; only PASS and FAIL
become ends of the answer.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dgsm_helpers.errors import MeasurementInvalid
from dgsm_helpers.load.ladder.criteria import Alone, Criteria
from dgsm_helpers.load.ladder.rung import Effort, Hold, Rung, rung_of
from dgsm_helpers.load.ladder.verdict import Verdict, streams_needed
from dgsm_helpers.load.transport.workloads import Workload

type Measure = Callable[[int, float], Hold]

MAX_VOID = 6
"""Attempts at a rung whose client was the bottleneck."""

FIRST_RUNG = 4
"""Where the ladder starts when nothing is known: below it a verdict needs many repetitions, which only a failing 4
makes necessary."""


@dataclass(frozen=True)
class Bracket:
    """The answer: ``feasible`` streams were sustained (0: not even one), ``infeasible`` were not (None: never reached).

    ``constraint`` is what the infeasible rung broke. ``tight`` tells whether the two are as close as asked for.
    """

    feasible: int
    infeasible: int | None
    constraint: str | None
    tight: bool


def tolerance(feasible: int) -> int:
    """The width of an answer that is tight enough: 5 % of ``feasible``, at least one stream."""
    return max(1, int(0.05 * feasible))


class Search:
    """One search; `run` it once. ``rungs`` holds all that was measured so far, also after an interrupt.

    Args:
        measure: holds ``n`` streams for ``hold_s`` seconds; fresh streams each time.
        effort: confidence and times.
        max_streams: never hold more than this.
        on_rung: called with each rung whenever it has been measured (again).
        begin_at: the first rung where nothing is known, from which steps double.
        around: about where the knee lies, as a ramp found it.
        unit: what a message calls the streams.
    """

    def __init__(
        self,
        measure: Measure,
        *,
        criteria: Criteria,
        effort: Effort,
        max_streams: int,
        on_rung: Callable[[Rung], None] | None = None,
        begin_at: int = FIRST_RUNG,
        around: float | None = None,
        unit: str = "streams",
    ) -> None:
        self._measure, self._criteria, self._effort = measure, criteria, effort
        self._max, self._on_rung = max_streams, on_rung
        self._first = self._step = begin_at
        if around is not None:
            expected = max(math.floor(around), 0)
            # Where the answer is wide, the end that passes leaves room to what is taken for the knee.
            width = tolerance(expected)
            passing = expected - (width // 2 if width > 3 else 0)
            # What fails shows it in seconds, so the first rung is the one that is expected to fail. Where it does not,
            # its hold is evidence all the same.
            self._step = tolerance(passing)
            self._first = passing + self._step
        self._first, self._unit, self._aimed = min(self._first, max_streams), unit, around is not None
        self._holds: dict[int, list[Hold]] = {}
        self._rungs: dict[int, Rung] = {}
        self._spent: set[int] = set()

    @property
    def rungs(self) -> tuple[Rung, ...]:
        return tuple(self._rungs[n] for n in sorted(self._rungs))

    def run(self) -> Bracket:
        """Measure until the answer is bracketed as tightly as asked for, or no more can be learnt.

        Raises:
            MeasurementInvalid: the client could not generate the load, or every stream ended in an error from the first
                rung down to a single stream.
        """
        while True:
            high = min(self._rungs_with(Verdict.FAIL), default=None)
            low = self._largest_passing_below(high)
            if (n := self._next_unvisited(low, high)) is not None:
                self._visit(n, self._effort.hold_s if self._near(n) else self._effort.probe_s)
            elif (n := self._next_undecided(low, high)) is not None:
                self._visit(n, self._next_hold(self._rungs[n]))
            elif not self._confirmed(low, high):
                continue
            else:
                return self._answer(low, high)

    def _rungs_with(self, verdict: Verdict) -> list[int]:
        return [n for n, r in self._rungs.items() if r.verdict is verdict]

    def _largest_passing_below(self, high: int | None) -> int:
        """The largest rung under ``high`` that passes or seems to; 0 when there is none."""
        seems = [n for n, r in self._rungs.items() if r.leaning is Verdict.PASS and n not in self._spent]
        passing = [*seems, *self._rungs_with(Verdict.PASS)]
        return max((n for n in passing if high is None or n < high), default=0)

    def _next_unvisited(self, low: int, high: int | None) -> int | None:
        """The next number of streams to try; None when the bracket is tight or nothing between is left.

        Away from the first rung in steps that double, then halves of what is left.
        """
        if not self._rungs:
            return self._first
        if high is None:
            reached = max(low, self._first)
            n = min(reached + self._step + (reached - self._first), self._max)
            while n in self._rungs and n < self._max:
                n = min(n + max(n // 4, 1), self._max)  # past a rung that could not be decided
            if n not in self._rungs:
                return n
            undecided = [n for n in self._rungs if n > low]
            if not undecided or self._next_undecided(low, high) is not None:
                return None
            high = min(undecided)
        if low == 0:
            below = [n for n in range(high - 1, 0, -1) if n not in self._rungs]
            reached = min(high, self._first)
            goal = reached - min(self._step, reached // 2 + 1) - (self._first - reached)
            return min(below, key=lambda n: abs(n - goal)) if below else None
        if high - low <= tolerance(low):
            return None
        middle = (low + high) // 2
        free = [n for n in range(low + 1, high) if n not in self._rungs]
        return min(free, key=lambda n: abs(n - middle)) if free else None

    def _near(self, n: int) -> bool:
        """Whether ``n`` is likely to become an end of the answer, so that its first hold is to count."""
        return self._aimed and abs(n - self._first) <= 2 * tolerance(n)

    def _next_undecided(self, low: int, high: int | None) -> int | None:
        """A rung strictly inside a bracket that is still too wide, or open, whose verdict more time may settle."""
        if high is not None and high - low <= tolerance(low):
            return None
        above = [n for n in self._rungs if n > low and (high is None or n < high)]
        inside = [n for n in above if self._valid_holds(n) < self._patience(n)]
        return min(inside, key=lambda n: abs(n - (low + (high or n)) // 2), default=None)

    def _valid_holds(self, n: int) -> int:
        return sum(h.void is None for h in self._holds[n])

    def _visit(self, n: int, hold_s: float) -> Rung:
        """Hold ``n`` streams once more and judge all that is known about them."""
        holds = self._holds.setdefault(n, [])
        for _ in range(MAX_VOID):
            holds.append(self._measure(n, hold_s))
            if holds[-1].void is None:
                break
        rung = self._rungs[n] = rung_of(n, holds, self._criteria, self._effort)
        if self._on_rung is not None:
            self._on_rung(rung)
        if holds[-1].void is not None:
            raise MeasurementInvalid(
                f"{n} {self._unit} could not be measured: {holds[-1].void}",
                hint="Keep others off the endpoint; use a larger or quieter client machine, or several (--cluster).",
            )
        # Fewer would be refused as well, and each look at that costs a hold.
        _require_taken([hold for held in self._holds.values() for hold in held])
        return rung

    def _confirmed(self, low: int, high: int | None) -> bool:
        """Whether both ends are proven; measures once more where they are not."""
        for n, expected in ((low, Verdict.PASS), (high, Verdict.FAIL)):
            if not n:
                continue
            rung = self._rungs[n]
            valid_holds = self._valid_holds(n)
            if rung.verdict is Verdict.INCONCLUSIVE or (
                valid_holds < self._effort.replicates and not self._obvious(rung)
            ):
                if valid_holds >= self._patience(n):
                    # It cannot be decided: never an end of the answer, so look further away.
                    self._spent.add(n)
                    return False
                self._visit(n, self._next_hold(rung))
                return False
            if rung.verdict is not expected:
                return False
        return True

    def _obvious(self, rung: Rung) -> bool:
        """A failure so plain that a repetition would teach nothing. Growth alone never is: lag rises and falls with
        what is said, and only fresh streams at other places in the audio tell that from overload."""
        return rung.verdict is Verdict.FAIL and rung.passed == 0 and rung.lag_p50_s > 2 * self._criteria.lag_s

    def _patience(self, n: int) -> int:
        """How many holds of ``n`` streams to spend before giving its verdict up."""
        effort = self._effort
        enough = streams_needed(effort.pass_share, effort.passing_confidence(1), failed=1)
        return max(-(-enough // n), self._effort.replicates) + 2

    def _next_hold(self, rung: Rung) -> float:
        """Longer when it is the growth that stays unclear: its uncertainty falls with the hold's length."""
        longest = max(h.hold_s for h in rung.holds)
        unclear = self._criteria.slope is not None and rung.trend.low <= self._criteria.slope < rung.trend.high
        if not unclear or rung.verdict is not Verdict.INCONCLUSIVE or longest < self._effort.hold_s * 0.9:
            return self._effort.hold_s
        if longest < self._effort.max_hold_s * 0.99:
            return min(2 * longest, self._effort.max_hold_s)
        # The longest has been tried. Where too few streams or too many failures are in the way, more holds tell more
        # than long ones.
        return self._effort.max_hold_s if rung.shown else self._effort.hold_s

    def _answer(self, low: int, high: int | None) -> Bracket:
        constraint = self._rungs[high].constraint if high is not None else None
        if low == 0:
            worst = self._rungs[min(self._rungs)]
            if all(s.error is not None for h in worst.holds for s in h.streams):
                raise MeasurementInvalid(
                    f"Every stream failed, from the first on ({worst.holds[-1].streams[0].error}).",
                    hint="Look at the endpoint's log and stream one file first (01_deploy).",
                )
        tight = high is not None and high - low <= tolerance(low)
        return Bracket(low, high, constraint, tight)


def hold_alone(measure: Measure, hold_s: float) -> tuple[Hold, ...]:
    """A single stream held until a hold is not void; all that was held, the good one last.

    Raises:
        MeasurementInvalid: the client could not keep one stream, or the container refused it.
    """
    holds: list[Hold] = []
    for _ in range(MAX_VOID):
        holds.append(measure(1, hold_s))
        if holds[-1].void is None:
            _require_taken(holds)
            return tuple(holds)
    raise MeasurementInvalid(
        f"A single stream could not be measured: {holds[-1].void}",
        hint="Keep others off the endpoint; use a larger or quieter client machine.",
    )


def _require_taken(holds: Sequence[Hold]) -> None:
    """Raise MeasurementInvalid where the container has refused every stream so far."""
    streams = [stream for hold in holds for stream in hold.streams]
    if streams and all(stream.refused for stream in streams):
        raise MeasurementInvalid(
            f"The container refused every stream, from the first on ({streams[-1].error}).",
            hint="The endpoint's log says why; mostly a query (--query) that the model does not know.",
        )


def alone_of(hold: Hold, workload: Workload) -> Alone | None:
    """What a single stream showed; None when it broke, which the ladder will say again.

    Turns are counted only where every stream hears the same recording: others have other turns.
    """
    (stream,) = hold.streams
    if stream.error is not None:
        return None
    return Alone(
        ending_s=stream.ending_s,
        turns_per_s=stream.turns / hold.hold_s if workload.heard_by_all_alike else None,
        characters_per_s=stream.characters / stream.spoken_s if stream.spoken_s else None,
    )

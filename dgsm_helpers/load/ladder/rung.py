"""A rung of the ladder: N streams held on one instance, once or several times, and what that proves."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil, isfinite, isnan
from typing import Any, Self

import numpy as np

from dgsm_helpers.load.ladder.criteria import Criteria
from dgsm_helpers.load.ladder.lag_histograms import merge_lags, percentiles_s
from dgsm_helpers.load.ladder.trend import Slopes, Trend, combined, common_and_own
from dgsm_helpers.load.ladder.verdict import (
    CLIFF,
    SHARED_GROWTH,
    Judged,
    StreamOutcome,
    Verdict,
    failures,
    far_from_bounds,
    judge,
)


@dataclass(frozen=True)
class Effort:
    """How much time is spent, and the confidence that it buys.

    ``pass_share`` of the streams has to pass, at ``confidence`` (one-sided, per verdict). A rung is ramped up, left
    alone for ``settle_s`` (twice that the first time, when models are still being loaded), then judged for ``probe_s``
    (on the way) or ``hold_s`` (where it matters); a single hold is never longer than ``max_hold_s``. Both ends of the
    answer are measured at least ``replicates`` times, with fresh streams each time.
    """

    name: str
    pass_share: float
    confidence: float
    settle_s: float
    probe_s: float
    hold_s: float
    max_hold_s: float
    replicates: int

    def passing_confidence(self, failed: int) -> float:
        """Of a PASS by counting with ``failed`` failures among the streams.

        A rung has several chances to pass: by distance, with no failure, and after more holds with some. Together they
        may err as often as the confidence says, so each has a part of that; most has the one that is needed most.
        """
        return 1 - (1 - self.confidence) * (0.35 if failed else 0.55)

    def lasting(self, *, turn_s: float, round_s: float) -> Self:
        """Long enough for calls: settled when those that spoke at first have ended, held until each has spoken."""
        return replace(
            self,
            settle_s=max(self.settle_s, turn_s),
            probe_s=max(self.probe_s, round_s),
            hold_s=max(self.hold_s, 1.5 * round_s),
            max_hold_s=max(self.max_hold_s, 3 * round_s),
        )


QUICK = Effort("quick", 0.80, 0.80, settle_s=3.0, probe_s=5.0, hold_s=11.0, max_hold_s=22.0, replicates=2)
"""Minutes; its hold is one round of the bundled sample, so that every stream hears the same."""

STANDARD = Effort("standard", 0.95, 0.95, settle_s=15.0, probe_s=20.0, hold_s=60.0, max_hold_s=240.0, replicates=2)
THOROUGH = Effort("thorough", 0.95, 0.99, settle_s=30.0, probe_s=60.0, hold_s=120.0, max_hold_s=900.0, replicates=3)
EFFORTS = {e.name: e for e in (QUICK, STANDARD, THOROUGH)}


@dataclass(frozen=True)
class Hold:
    """N streams held once.

    ``hold_s`` seconds were judged, ``wall_s`` seconds the instance was in use for it. ``histogram`` is an encoded
    HdrHistogram of lag in microseconds (empty: none kept). ``slip_p99_s`` and ``client_cpu`` (share of a core, the
    busiest client process) guard the client; ``gauge`` is the server's own count of streams over N, where it was asked.
    ``void`` says why the hold proves nothing, None when it does.
    """

    n: int
    hold_s: float
    wall_s: float
    streams: tuple[StreamOutcome, ...]
    slip_p99_s: float = 0.0
    client_cpu: float = 0.0
    client_processes: int = 1
    gauge: float | None = None
    histogram: str = ""
    started_unix_s: float = 0.0
    void: str | None = None
    _broken: dict[Criteria, list[str | None]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def trend(self) -> Trend:
        """The growth of lag that its streams share."""
        return self._growth[0] if self.streams else Trend(0.0, float("-inf"), float("inf"))

    @cached_property
    def _growth(self) -> tuple[Trend, Slopes]:
        """Of its streams together, and of each."""
        return common_and_own(np.array([s.bins for s in self.streams], dtype=float), hold_s=self.hold_s)

    @property
    def characters_per_s(self) -> float:
        """Characters spoken in a second, over all its calls."""
        return sum(s.characters for s in self.streams) / self.hold_s

    @property
    def duty(self) -> float:
        """Share of their time in which its calls spoke."""
        return sum(s.speaking_s for s in self.streams) / max(sum(s.due_audio_s for s in self.streams), 1e-9)

    @cached_property
    def has_cliff(self) -> bool:
        """Whether the container took some of the streams and refused the others."""
        return 0 < sum(s.refused for s in self.streams) < len(self.streams)

    def broken(self, criteria: Criteria) -> list[str | None]:
        """Per stream, the constraint that it broke (`verdict.failures`); remembered, as rungs are judged again."""
        if not self.streams:
            return []
        broken = self._broken.get(criteria)
        if broken is None:
            _, own = self._growth
            broken = self._broken[criteria] = failures(self.streams, own, criteria, hold_s=self.hold_s)
        return broken


@dataclass(frozen=True)
class Rung(Judged):
    """The verdict on all holds of N streams, and what they showed.

    Latencies are seconds over all judged streams; ``leaning`` is what an inconclusive rung would be if it had to be
    guessed, for finding the way only.
    """

    n: int
    leaning: Verdict
    trend: Trend
    lag_p50_s: float
    lag_p95_s: float
    lag_p99_s: float
    ending_p95_s: float
    first_chunk_p95_s: float
    holds: tuple[Hold, ...]
    void: str | None = None

    @property
    def characters_per_s(self) -> float:
        """Characters spoken in a second, over all calls of its newest valid hold; 0 where nothing speaks."""
        return next((h.characters_per_s for h in reversed(self.holds) if h.void is None), 0.0)

    @property
    def duty(self) -> float:
        """Share of their time in which the calls of its valid holds spoke, on average."""
        good = [h.duty for h in self.holds if h.void is None]
        return sum(good) / len(good) if good else 0.0

    @property
    def instance_s(self) -> float:
        """Seconds an instance was in use for it."""
        return sum(h.wall_s for h in self.holds)

    def to_dict(self) -> dict[str, Any]:
        """For the evidence: all of it but the single streams' parts."""
        return {
            "n": self.n,
            "verdict": self.verdict.value,
            "constraint": self.constraint,
            "void": self.void,
            "passed": self.passed,
            "total": self.total,
            "shown_by": self.shown,
            "pass_share": [round(self.pass_share_low, 4), round(self.pass_share_high, 4)],
            "lag_ms": {
                "p50": _ms(self.lag_p50_s),
                "p95": _ms(self.lag_p95_s),
                "p99": _ms(self.lag_p99_s),
            },
            "lag_growth_ms_per_s": [_ms(self.trend.low), _ms(self.trend.slope), _ms(self.trend.high)],
            "ending_p95_ms": _ms(self.ending_p95_s),
            "first_chunk_p95_ms": _ms(self.first_chunk_p95_s),
            "holds": [_hold_dict(h) for h in self.holds],
        }


def rung_of(n: int, holds: Sequence[Hold], criteria: Criteria, effort: Effort) -> Rung:
    """Judge ``holds`` of ``n`` streams together; void ones are kept as evidence, but prove nothing."""
    good = [h for h in holds if h.void is None]
    streams = [s for h in good for s in h.streams]
    trend = combined([h.trend for h in good])
    judged = _judged(good, trend, criteria, effort)
    if judged.verdict is Verdict.FAIL and len(good) > 1:
        # Streams of one hold share its hiccups: a FAIL has to be found in most holds, not in most streams alone.
        failing = sum(_judged([h], combined([h.trend]), criteria, effort).verdict is Verdict.FAIL for h in good)
        if failing * 2 <= len(good):
            judged = replace(judged, verdict=Verdict.INCONCLUSIVE)
    leaning = judged.verdict
    if leaning is Verdict.INCONCLUSIVE:
        growing = criteria.slope is not None and trend.low > 0 and trend.slope > _material_growth(good, criteria)
        enough = judged.total > 0 and judged.passed / judged.total >= effort.pass_share
        leaning = Verdict.PASS if enough and not growing else Verdict.FAIL
    void = None
    if not good:
        judged, leaning = replace(judged, verdict=Verdict.VOID), Verdict.VOID
        void = holds[-1].void if holds else "nothing was measured"
    p50, p95, p99 = _lag_percentiles(good, streams)
    return Rung(
        **vars(judged),
        n=n,
        leaning=leaning,
        trend=trend,
        lag_p50_s=p50,
        lag_p95_s=p95,
        lag_p99_s=p99,
        ending_p95_s=_quantile([s.ending_s for s in streams if not isnan(s.ending_s)], 0.95),
        first_chunk_p95_s=_quantile([s.first_chunk_s for s in streams if not isnan(s.first_chunk_s)], 0.95),
        holds=tuple(holds),
        void=void,
    )


def _judged(holds: Sequence[Hold], trend: Trend, criteria: Criteria, effort: Effort) -> Judged:
    due = sum(s.due_audio_s for h in holds for s in h.streams)
    transcribed = sum(s.transcribed_s for h in holds for s in h.streams)
    broken = [b for h in holds for b in h.broken(criteria)]
    judged = judge(
        broken,
        trend,
        criteria,
        pass_share=effort.pass_share,
        confidence=effort.confidence,
        throughput=transcribed / due if due else 1.0,
        material_growth=_material_growth(holds, criteria),
        flat_below=_flat_below(holds, criteria, effort),
        far=lambda: far_from_bounds([h.streams for h in holds], criteria, effort.pass_share, effort.confidence),
        passing_confidence=effort.passing_confidence(sum(b is not None for b in broken)),
    )
    # However few are refused, that an instance takes no more is no matter of shares.
    return replace(judged, verdict=Verdict.FAIL, constraint=CLIFF) if any(h.has_cliff for h in holds) else judged


def _material_growth(holds: Sequence[Hold], criteria: Criteria) -> float:
    """What growth matters within the longest of the holds, in seconds per second."""
    return SHARED_GROWTH * criteria.lag_s / max((h.hold_s for h in holds), default=1.0)


def _flat_below(holds: Sequence[Hold], criteria: Criteria, effort: Effort) -> float | None:
    """How well a PASS has to know that lag does not grow.

    As well as the criteria ask. Only where the longest hold that the effort allows cannot tell, because lag rises and
    falls with what is said, must it suffice that growth would use up less than half of the bound within such a hold.
    """
    longest = max((h.hold_s for h in holds), default=0.0)
    if criteria.slope is None or longest < 0.99 * effort.max_hold_s:
        return criteria.slope
    return max(criteria.slope, 0.5 * criteria.lag_s / effort.max_hold_s)


def _lag_percentiles(holds: Sequence[Hold], streams: Sequence[StreamOutcome]) -> tuple[float, float, float]:
    """Over all lags where a histogram was kept, else the median stream's."""
    texts = [h.histogram for h in holds if h.histogram]
    if not texts:
        lags = ([s.lag_p50_s for s in streams], [s.lag_p95_s for s in streams], [s.lag_p99_s for s in streams])
        return _quantile(lags[0], 0.5), _quantile(lags[1], 0.5), _quantile(lags[2], 0.5)
    p50, p95, p99 = percentiles_s(merge_lags(texts), (50, 95, 99))
    return p50, p95, p99


def _quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed; inf stays inf."""
    return sorted(values)[max(ceil(len(values) * share - 1), 0)] if values else float("nan")


def _ms(seconds: float) -> float | None:
    return None if not isfinite(seconds) else round(seconds * 1000, 3)


def _hold_dict(hold: Hold) -> dict[str, Any]:
    return {
        "hold_s": round(hold.hold_s, 3),
        "wall_s": round(hold.wall_s, 3),
        "started_unix_s": round(hold.started_unix_s, 3),
        "streams": len(hold.streams),
        "client_processes": hold.client_processes,
        "client_cpu": round(hold.client_cpu, 3),
        "send_slip_p99_ms": _ms(hold.slip_p99_s),
        "server_gauge": hold.gauge,
        "errors": dict(Counter(s.error for s in hold.streams if s.error is not None)),
        "refused": sum(s.refused for s in hold.streams),
        "turns": sum(s.turns for s in hold.streams),
        "characters_per_s": round(hold.characters_per_s, 2),
        "duty": round(hold.duty, 4),
        "void": hold.void,
        "lag_histogram": hold.histogram,
    }

"""Pass or fail, with confidence: first per stream, then per rung.

A stream passes when its lag stays low *and does not grow*, its end is finalised in time and nothing broke. A rung (N
streams held on one instance) passes when enough streams do, judged by exact binomial bounds (Clopper-Pearson), because
few streams prove little; in between it is inconclusive, and an inconclusive rung proves nothing either way.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import betaincinv  # all of scipy.stats would cost 40 MB in each client process

from dgsm_helpers.load.ladder.trend import Trend, common_trend, own_part, theil_sen


class Verdict(StrEnum):
    """What a rung proves."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    VOID = "VOID"
    """The client, not the endpoint, was measured."""


@dataclass(frozen=True)
class Criteria:
    """What a stream has to keep to.

    ``lag_s`` bounds the ``statistic`` of its lag (p95 or mean); ``finalisation_s`` the time from the end of the audio
    to its last final result; ``slope`` the growth of lag in seconds per second. None leaves a bound out.
    """

    name: str
    lag_s: float
    statistic: Literal["p95", "mean"] = "p95"
    finalisation_s: float | None = None
    slope: float | None = None


STRICT = Criteria(name="strict", lag_s=0.5, statistic="p95", finalisation_s=1.0, slope=0.001)
"""The default: p95 lag within 500 ms (Deepgram expects 200-500 ms in all), final within 1 s, no growth (1 ms/s)."""

DEEPGRAM = Criteria(name="deepgram", lag_s=0.4, statistic="mean")
"""Deepgram's guide: average latency under 400 ms. Looser: a mean hides starved streams, and growth in a short hold."""

MIN_THROUGHPUT = 0.99
"""Transcribed over due audio below which an endpoint falls behind, whatever its lags say (and its lag does grow)."""

OWN_GROWTH = 0.25
"""Share of the lag's bound that a single stream has to have gained over a hold before its growth counts."""

SHARED_GROWTH = 0.1
"""Share of the lag's bound that all streams together have to gain over a hold before their growth counts: what is said
makes the lag of a few streams rise and fall together for some seconds, and that is not overload."""

PRESETS = {c.name: c for c in (STRICT, DEEPGRAM)}


@dataclass(frozen=True)
class StreamOutcome:
    """One stream of a hold, reduced to what is judged. Seconds; inf where something never came.

    ``bins`` are the median lags over the hold (`trend.bin_medians`). ``transcribed_s`` and ``due_audio_s`` are seconds
    of audio: how far transcript and schedule advanced during the hold. ``error`` is None for a clean end.
    """

    label: str
    lag_p50_s: float
    lag_p95_s: float
    lag_p99_s: float
    lag_mean_s: float
    finalisation_s: float
    first_chunk_s: float
    bins: tuple[float, ...]
    due_audio_s: float
    transcribed_s: float
    error: str | None = None


@dataclass(frozen=True)
class Judged:
    """A rung's verdict: ``passed`` of ``total`` streams, and which constraint failed most often (None: none did)."""

    verdict: Verdict
    passed: int
    total: int
    pass_share_low: float
    pass_share_high: float
    constraint: str | None


def failures(streams: Sequence[StreamOutcome], criteria: Criteria, *, hold_s: float) -> list[str | None]:
    """Per stream: the first constraint that it breaks, or None. Errors come first, then growth, lag, finalisation.

    A stream's growth is judged against that of the others: what all share is one fact about the instance, not one per
    stream, and is judged once (`trend.common_trend`). It also has to matter within the hold (`OWN_GROWTH`), because lag
    rises and falls with what is said.
    """
    if not streams:
        return []
    slopes = theil_sen(own_part(np.array([s.bins for s in streams], dtype=float)), hold_s=hold_s)
    return [_failure(s, criteria, float(low), hold_s) for s, low in zip(streams, slopes.low, strict=True)]


def _failure(stream: StreamOutcome, criteria: Criteria, slope_low: float, hold_s: float) -> str | None:
    if stream.error is not None:
        return "errors"
    material = slope_low * hold_s > OWN_GROWTH * criteria.lag_s
    if criteria.slope is not None and slope_low > criteria.slope and material:
        return "lag growth"
    lag = stream.lag_p95_s if criteria.statistic == "p95" else stream.lag_mean_s
    if not lag <= criteria.lag_s:
        return f"{criteria.statistic} lag"
    if criteria.finalisation_s is not None and not stream.finalisation_s <= criteria.finalisation_s:
        return "finalisation"
    return None


def judge(
    constraints: Sequence[str | None],
    trend: Trend,
    criteria: Criteria,
    *,
    pass_share: float,
    confidence: float,
    throughput: float = 1.0,
    material_growth: float = 0.0,
    flat_below: float | None = None,
) -> Judged:
    """The verdict on a rung.

    Args:
        constraints: per stream and hold, the constraint it broke or None (`failures`).
        trend: the growth of lag that the streams share.
        criteria: gives the bound of the growth.
        pass_share: what share of streams has to pass.
        confidence: one-sided, of either verdict.
        throughput: transcribed over due audio; well below 1 the endpoint falls behind, whatever the lags say.
        material_growth: growth up to this does not matter within the time held, even where the criteria allow less.
        flat_below: what the growth's upper bound has to stay under for a PASS; the criteria's bound when None.
    """
    growing = trend.low > max(criteria.slope or 0.0, material_growth)
    flat_below = criteria.slope if flat_below is None else flat_below
    total = len(constraints)
    passed = sum(c is None for c in constraints)
    low, high = share_bounds(passed, total, confidence)
    reasons = Counter(c for c in constraints if c is not None)
    constraint = reasons.most_common(1)[0][0] if reasons else None
    if high < pass_share:
        verdict = Verdict.FAIL
    elif criteria.slope is not None and growing:
        verdict, constraint = Verdict.FAIL, "lag growth"
    elif throughput < MIN_THROUGHPUT and growing:
        verdict, constraint = Verdict.FAIL, "throughput"
    elif low >= pass_share and (flat_below is None or trend.high <= flat_below):
        verdict, constraint = Verdict.PASS, None
    else:
        verdict = Verdict.INCONCLUSIVE
    return Judged(verdict, passed, total, low, high, constraint)


@lru_cache(maxsize=4096)
def share_bounds(passed: int, total: int, confidence: float) -> tuple[float, float]:
    """One-sided Clopper-Pearson bounds of a share, lower and upper, each at ``confidence``."""
    if total == 0:
        return 0.0, 1.0
    low = 0.0 if passed == 0 else float(betaincinv(passed, total - passed + 1, 1 - confidence))
    high = 1.0 if passed == total else float(betaincinv(passed + 1, total - passed, confidence))
    return low, high


def streams_needed(pass_share: float, confidence: float, *, failed: int = 0) -> int:
    """How many streams must have been judged before ``failed`` failures still allow a PASS."""
    total = failed + 1
    while share_bounds(total - failed, total, confidence)[0] < pass_share:
        total += 1
    return total


def certain_failure(bins: np.ndarray, criteria: Criteria, *, elapsed_s: float) -> bool:
    """Whether a hold that has run for ``elapsed_s`` need not run on: its end cannot be anything but FAIL.

    ``bins`` is streams x BINS over the time elapsed. Certain is: most streams' lag is past twice the bound, or past the
    bound and, together, growing ten times as fast as they may.
    """
    if elapsed_s < 2.0 or not len(bins):
        return False
    newest = float(np.median([_last(row) for row in bins]))
    if newest > 2 * criteria.lag_s:
        return True
    if criteria.slope is None or newest <= criteria.lag_s:
        return False
    return common_trend(bins, hold_s=elapsed_s).low > 10 * criteria.slope


def _last(row: np.ndarray) -> float:
    present = row[~np.isnan(row)]
    return float(present[-1]) if len(present) else np.inf

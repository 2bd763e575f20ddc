"""Pass or fail, with confidence: first per stream, then per rung.

A stream passes when its lag stays low *and does not grow*, its ends are told in time and nothing broke. A rung (N
streams held on one instance) passes when enough streams do, judged by exact binomial bounds (Clopper-Pearson), because
few streams prove little; or, before there are enough to count, when all of them do and stay far from the bounds
(`distance`). In between it is inconclusive, and an inconclusive rung proves nothing either way.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Literal

import numpy as np

from dgsm_helpers.load.ladder.criteria import Alone, Criteria
from dgsm_helpers.load.ladder.distance import far_from
from dgsm_helpers.load.ladder.trend import Slopes, Trend, common_trend


class Verdict(StrEnum):
    """What a rung proves."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    VOID = "VOID"
    """The client, not the endpoint, was measured."""


MIN_THROUGHPUT = 0.99
"""Transcribed over due audio below which an endpoint falls behind, whatever its lags say (and its lag does grow)."""

OWN_GROWTH = 0.25
"""Share of the lag's bound that a single stream has to have gained over a hold before its growth counts."""

SHARED_GROWTH = 0.1
"""Share of the lag's bound that all streams together have to gain over a hold before their growth counts: what is said
makes the lag of a few streams rise and fall together for some seconds, and that is not overload."""

CLIFF = "refusals at opening: a configured maximum of streams"
"""What a rung broke where the container took some of its streams and refused the others."""

TURNS_OFF = 0.1
"""Share of the turns that a single stream's audio had, by which a stream's may differ; and in any case by two, because
one may lie across either end of a hold."""

PACE_OFF = 0.2
"""Share by which audio may be longer or shorter for its text than a single call's: then some of it is missing."""


@dataclass(frozen=True)
class StreamOutcome:
    """One stream of a hold, reduced to what is judged. Seconds; inf where something never came.

    ``bins`` are the median lags over the hold (`trend.bin_medians`). ``transcribed_s`` and ``due_audio_s`` are seconds
    of audio: how far transcript and schedule advanced during the hold; of a call, how long it was open. ``error`` is
    None for a clean end; ``refused``: the container did not take it. ``ending_s`` is the p95 of its ends and
    ``ending_mean_s`` their mean (None: there is one end only), NaN where nothing ended. ``turns`` have ended in the
    hold; where the model speaks, with ``characters`` that are ``spoken_s`` seconds of audio. ``speaking_s`` is how much
    of the hold it spoke.
    """

    label: str
    lag_p50_s: float
    lag_p95_s: float
    lag_p99_s: float
    lag_mean_s: float
    ending_s: float
    first_chunk_s: float
    bins: tuple[float, ...]
    due_audio_s: float
    transcribed_s: float
    error: str | None = None
    ending_mean_s: float | None = None
    turns: int = 0
    characters: int = 0
    spoken_s: float = 0.0
    speaking_s: float = 0.0
    refused: bool = False


@dataclass(frozen=True)
class Judged:
    """A rung's verdict: ``passed`` of ``total`` streams, and which constraint failed most often (None: none did).

    ``shown`` tells by what it is shown that enough streams pass, "" as long as it is not. By distance it is shown of
    lags and ends; how many streams break, for which there is no distance, is known as well as the bounds of the share
    that passes say.
    """

    verdict: Verdict
    passed: int
    total: int
    pass_share_low: float
    pass_share_high: float
    constraint: str | None
    shown: Literal["", "counting", "distance"]


def failures(streams: Sequence[StreamOutcome], own: Slopes, criteria: Criteria, *, hold_s: float) -> list[str | None]:
    """Per stream: the first constraint that it breaks, or None. Errors come first, then growth, lag, end, turns.

    A stream's growth is its ``own``, against that of the others: what all share is one fact about the instance, not one
    per stream, and is judged once (`trend.common_and_own`). It also has to matter within the hold (`OWN_GROWTH`),
    because lag rises and falls with what is said.
    """
    return [_failure(s, criteria, low, hold_s) for s, low in zip(streams, own.low.tolist(), strict=True)]


def _failure(stream: StreamOutcome, criteria: Criteria, slope_low: float, hold_s: float) -> str | None:
    if stream.error is not None:
        return "errors"
    material = slope_low * hold_s > OWN_GROWTH * criteria.lag_s
    if criteria.slope is not None and slope_low > criteria.slope and material:
        return "lag growth"
    lag, ending = measures(stream, criteria)
    if not lag <= criteria.lag_s:
        return f"{criteria.statistic} {criteria.lag_word}"
    if criteria.ending_s is not None and ending > criteria.ending_s:
        return criteria.ending_word
    if criteria.alone is not None and not _turns_as_alone(stream, criteria.alone, hold_s):
        return "turns"
    return None


def measures(stream: StreamOutcome, criteria: Criteria) -> tuple[float, float]:
    """The stream's lag and end as the criteria's statistic has them, in seconds."""
    if criteria.statistic == "p95":
        return stream.lag_p95_s, stream.ending_s
    return stream.lag_mean_s, stream.ending_s if stream.ending_mean_s is None else stream.ending_mean_s


def _turns_as_alone(stream: StreamOutcome, alone: Alone, hold_s: float) -> bool:
    """Whether it has the turns that a single stream has: late turns merge, and cut ones are short for their text."""
    if alone.turns_per_s is not None:
        expected = alone.turns_per_s * hold_s
        return abs(stream.turns - expected) <= max(TURNS_OFF * expected, 2.0)
    if alone.characters_per_s is not None and stream.spoken_s:
        return abs(stream.characters / stream.spoken_s / alone.characters_per_s - 1) <= PACE_OFF
    return alone.characters_per_s is None or not stream.characters


def far_from_bounds(
    holds: Sequence[Sequence[StreamOutcome]], criteria: Criteria, pass_share: float, confidence: float
) -> bool:
    """Whether lags and ends, by hold, stay so far from their bounds that ``pass_share`` of streams keep to all of them.

    Each bound is allowed its part of the streams that may break one.
    """
    both = [[measures(stream, criteria) for stream in streams] for streams in holds]
    limits = [limit for limit in (criteria.lag_s, criteria.ending_s) if limit is not None]
    share = 1 - (1 - pass_share) / len(limits)
    return all(
        far_from(limit, [[pair[which] for pair in hold] for hold in both], share=share, confidence=confidence)
        for which, limit in enumerate(limits)
    )


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
    far: Callable[[], bool] = lambda: False,
    passing_confidence: float | None = None,
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
        far: tells whether streams stay so far from the bounds that enough of all do. It is asked only where all pass
            and there are too few to count, which is known before they are looked at: two ways would err more often than
            one.
        passing_confidence: of the bound that a PASS by counting needs, where there is more than one chance to pass;
            ``confidence`` when None.
    """
    growing = trend.low > max(criteria.slope or 0.0, material_growth)
    flat_below = criteria.slope if flat_below is None else flat_below
    total = len(constraints)
    passed = sum(c is None for c in constraints)
    low, high = share_bounds(passed, total, confidence)
    shown: Literal["", "counting", "distance"] = ""
    passing = confidence if passing_confidence is None else passing_confidence
    if share_bounds(passed, total, passing)[0] >= pass_share:
        shown = "counting"
    elif passed == total < streams_needed(pass_share, passing) and far():
        shown = "distance"
    reasons = Counter(c for c in constraints if c is not None)
    constraint = reasons.most_common(1)[0][0] if reasons else None
    if high < pass_share:
        verdict = Verdict.FAIL
    elif criteria.slope is not None and growing:
        verdict, constraint = Verdict.FAIL, "lag growth"
    elif throughput < MIN_THROUGHPUT and growing:
        verdict, constraint = Verdict.FAIL, "throughput"
    elif shown and (flat_below is None or trend.high <= flat_below):
        verdict, constraint = Verdict.PASS, None
    else:
        verdict = Verdict.INCONCLUSIVE
    return Judged(verdict, passed, total, low, high, constraint, shown)


@lru_cache(maxsize=4096)
def share_bounds(passed: int, total: int, confidence: float) -> tuple[float, float]:
    """One-sided Clopper-Pearson bounds of a share, lower and upper, each at ``confidence``."""
    if total == 0:
        return 0.0, 1.0
    # Half a second, which client processes, that judge nothing, need not spend; scipy.stats would cost more.
    from scipy.special import betaincinv

    low = 0.0 if passed == 0 else float(betaincinv(passed, total - passed + 1, 1 - confidence))
    high = 1.0 if passed == total else float(betaincinv(passed + 1, total - passed, confidence))
    return low, high


@lru_cache(maxsize=256)
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
    last = bins[:, -1]
    newest = float(np.median(last if np.isfinite(last).all() else [_last(row) for row in bins]))
    if newest > 2 * criteria.lag_s:
        return True
    if criteria.slope is None or newest <= criteria.lag_s:
        return False
    return common_trend(bins, hold_s=elapsed_s).low > 10 * criteria.slope


def _last(row: np.ndarray) -> float:
    present = row[~np.isnan(row)]
    return float(present[-1]) if len(present) else np.inf

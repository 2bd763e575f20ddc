"""A simulated endpoint in virtual time: the live search runs on it unchanged, hundreds of times in a minute.

A fluid queue: N streams offer N/K of the capacity K; above 1 the backlog grows by the excess, below it drains. On top
come per-chunk jitter, streams of different speed, hiccups of the host that delay all streams at once, slow drift of the
capacity and of the network, and rare stream errors. Or no such queue: a container that takes no more streams than its
maximum, or one that works in batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from dgsm_helpers.load.ladder.criteria import Criteria
from dgsm_helpers.load.ladder.ramp import SENDS_AFTER_S, WATCHED, Ramp, openings_s, risen
from dgsm_helpers.load.ladder.rung import Hold
from dgsm_helpers.load.ladder.trend import BINS, medians
from dgsm_helpers.load.ladder.verdict import StreamOutcome, certain_failure

CHUNK_S = 0.1


@dataclass
class VirtualEndpoint:
    """An instance that sustains ``capacity`` streams (its knee is the whole part).

    Args:
        capacity: streams at which offered load is 1; not a whole number, or the knee is on the boundary.
        criteria: only for stopping a hold whose failure is certain, as the live client does.
        settle_s: left alone before the hold.
        ramp_s: opening the streams.
        base_lag_s: service and network at no load.
        jitter: relative spread (log-normal) of a single lag.
        capacity_drift: relative amplitude of the capacity's slow swing, as a share of its distance to a whole number.
        lag_drift_s: amplitude of the network's slow swing.
        hiccup_s: mean length of a hiccup; one comes every ``hiccup_every_s`` on average.
        speech_lag_s: how much later a stream's results come towards the end of a long utterance, whose whole length is
            recognised again and again.
        error_rate: share of streams that break off.
        refuses: whether it takes no more streams than its knee; those that it takes are never late.
        batch_s: how long a batch takes where hardly anything is to be done. The more arrives meanwhile, the longer the
            next one takes, so that the lag reaches its bound at ``capacity``, before the backlog grows; 0: no batches.
        seed: of all of it.
    """

    capacity: float
    criteria: Criteria
    settle_s: float = 1.0
    ramp_s: float = 1.0
    base_lag_s: float = 0.04
    jitter: float = 0.25
    capacity_drift: float = 0.3
    lag_drift_s: float = 0.01
    hiccup_s: float = 0.03
    hiccup_every_s: float = 20.0
    speech_lag_s: float = 0.0
    error_rate: float = 0.001
    refuses: bool = False
    batch_s: float = 0.0
    seed: int = 0
    now_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        self._phase = self._random.uniform(0, 2 * math.pi, 2)
        self._periods = self._random.uniform(120, 900, 2)
        margin = min(self.capacity - math.floor(self.capacity), math.ceil(self.capacity) - self.capacity)
        self._swing = self.capacity_drift * margin
        # Of what the queue sustains: a chunk waits for up to a whole batch, then its own is worked on.
        late_s = 2 * self.batch_s
        self._load_at_knee = 1 - late_s / (self.criteria.lag_s - 1.3 * self.base_lag_s - self.lag_drift_s)

    @property
    def knee(self) -> int:
        """The largest number of streams that it sustains."""
        return math.floor(self.capacity)

    def __call__(self, n: int, hold_s: float) -> Hold:
        """`search.Measure` in virtual time."""
        lead = self.ramp_s + self.settle_s
        times = np.arange(0.0, lead + hold_s, CHUNK_S) + CHUNK_S
        taken = min(n, self.knee) if self.refuses else n
        backlog = self._backlog(np.full(len(times), taken), times)
        lags = self._lags(taken, times, backlog)
        held = times > lead
        stop = hold_s
        for second in range(2, int(hold_s)):
            seen = held & (times <= lead + second)
            if certain_failure(self._bins(times[seen], lags[:, seen], lead, second), self.criteria, elapsed_s=second):
                stop = float(second)
                break
        judged = held & (times <= lead + stop)
        bins = self._bins(times[judged], lags[:, judged], lead, stop)
        final = backlog[judged][-1] + self._lags(taken, times[-1:], backlog[judged][-1:])[:, 0]
        broken = self._random.random(taken) < self.error_rate
        percentiles = np.percentile(lags[:, judged], [50, 95, 99], axis=1).T.tolist()
        streams = tuple(
            self._outcome(
                i, lags[i, judged], percentiles[i], bins[i], final=float(final[i]), hold_s=stop, broken=bool(broken[i])
            )
            for i in range(taken)
        )
        streams += tuple(_refused(i) for i in range(taken, n))
        wall = lead + stop + float(backlog[judged][-1])
        self.now_s += wall
        return Hold(n=n, hold_s=stop, wall_s=wall, streams=streams)

    def ramp(self, most: int) -> Ramp:
        """As `LiveEndpoint.ramp`, in virtual time."""
        opens = np.array(openings_s(most))
        times = np.arange(0.0, opens[-1] + 2.0, CHUNK_S) + CHUNK_S
        open_streams = np.searchsorted(opens, times, side="right")
        taken = np.minimum(open_streams, self.knee) if self.refuses else open_streams
        backlog = self._backlog(np.minimum(taken, np.searchsorted(opens + SENDS_AFTER_S, times, side="right")), times)
        sent = np.median(self._lags(min(WATCHED, most), times, backlog), axis=0)
        # A result is seen when it comes, and tells of the audio that was sent its lag ago.
        newest = np.searchsorted(np.maximum.accumulate(times + sent), times, side="right") - 1
        lags = np.where(newest < 0, math.nan, sent[np.maximum(newest, 0)]).tolist()
        end = 1
        while end < len(times) and taken[end] == open_streams[end] and not risen(lags[:end], self.criteria.lag_s):
            end += 1
        wall_s = float(times[end - 1] + backlog[end - 1])
        self.now_s += wall_s
        refused = bool((taken < open_streams)[: end + 1].any())
        return Ramp(tuple(taken[:end].tolist()), tuple(lags[:end]), wall_s, refused)

    def _backlog(self, streams: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Seconds by which all streams are late at ``times``, from an idle start."""
        clock = self.now_s + times
        capacity = self.capacity + self._swing * np.sin(2 * math.pi * clock / self._periods[0] + self._phase[0])
        sustained = np.full(len(times), math.inf) if self.refuses else capacity / self._load_at_knee
        growth = (streams / sustained - 1) * CHUNK_S
        hits = self._random.random(len(times)) < CHUNK_S / self.hiccup_every_s
        push = np.where(hits, self._random.exponential(self.hiccup_s, len(times)), 0.0)
        level, levels = 0.0, np.empty(len(times))
        for i in range(len(times)):
            level = max(level + growth[i], 0.0) + push[i]
            levels[i] = level
        return levels + self._batches(streams / sustained)

    def _batches(self, load: np.ndarray) -> np.ndarray:
        """Seconds that a chunk waits for its batch, and for the batch before it to end."""
        if not self.batch_s:
            return np.zeros(len(load))
        batch_s = np.minimum(self.batch_s / np.maximum(1 - load, 1e-3), self.criteria.lag_s)
        return batch_s * self._random.uniform(1.0, 2.0, len(load))

    def _lags(self, n: int, times: np.ndarray, backlog: np.ndarray) -> np.ndarray:
        """Streams x times: lag of each chunk."""
        own = self._random.lognormal(0.0, 0.1, (n, 1))
        noise = self._random.lognormal(0.0, self.jitter, (n, len(times)))
        drift = self.lag_drift_s * np.sin(2 * math.pi * (self.now_s + times) / self._periods[1] + self._phase[1])
        return self.base_lag_s * own * noise + drift + self.lag_drift_s + backlog + self._speech(n, times)

    def _speech(self, n: int, times: np.ndarray) -> np.ndarray:
        """Streams x times: what is said makes each stream's lag rise through an utterance and fall at its end."""
        if not self.speech_lag_s:
            return np.zeros((n, len(times)))
        utterance_s = self._random.uniform(2.0, 7.0, (n, 1))
        rise_s = self.speech_lag_s * utterance_s / 7.0
        return rise_s * ((times / utterance_s + self._random.uniform(0, 1, (n, 1))) % 1.0)

    @staticmethod
    def _bins(times: np.ndarray, lags: np.ndarray, lead: float, hold_s: float) -> np.ndarray:
        # All rows share their times, so each part is one median over some columns.
        part = np.clip(((times - lead) / hold_s * BINS - 1e-9).astype(int), 0, BINS - 1)
        begins = np.searchsorted(part, np.arange(BINS + 1)).tolist()
        bins = np.full((len(lags), BINS), np.nan)
        for number, (begin, end) in enumerate(pairwise(begins)):
            if begin < end:
                bins[:, number] = medians(lags[:, begin:end])
        return bins

    @staticmethod
    def _outcome(
        number: int,
        lags: np.ndarray,
        percentiles: list[float],
        bins: np.ndarray,
        *,
        final: float,
        hold_s: float,
        broken: bool,
    ) -> StreamOutcome:
        p50, p95, p99 = percentiles
        return StreamOutcome(
            label=f"virtual-{number}",
            lag_p50_s=p50,
            lag_p95_s=p95,
            lag_p99_s=p99,
            lag_mean_s=float(lags.mean()),
            ending_s=final,
            first_chunk_s=float(lags[0]),
            bins=tuple(bins.tolist()),
            due_audio_s=hold_s,
            transcribed_s=hold_s - float(bins[-1] - bins[0]),
            error="ModelStreamError" if broken else None,
        )


def _refused(number: int) -> StreamOutcome:
    never = (math.inf,) * 5
    return StreamOutcome(
        f"virtual-{number}", *never, math.nan, (math.nan,) * BINS, 0.0, 0.0, error="ModelError", refused=True
    )

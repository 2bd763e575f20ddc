"""Client processes that report at once what an endpoint of known capacity would have shown, without streaming."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from dgsm_helpers.load.ladder.lag_histograms import encode_lags
from dgsm_helpers.load.ladder.ramp import Ramp
from dgsm_helpers.load.ladder.ramp_share import ramp_share
from dgsm_helpers.load.ladder.share import Share, ShareReport
from dgsm_helpers.load.ladder.trend import BINS
from dgsm_helpers.load.ladder.verdict import StreamOutcome

LAG_S = 0.05


def report_of(share: Share, *, knee: int = 1000) -> ShareReport:
    """What a process that keeps up reports of its streams: a steady lag up to the knee, a growing one beyond."""
    growth = max(share.total / knee - 1, 0.0)
    bins = LAG_S + growth * share.hold_s * (np.arange(BINS) + 0.5) / BINS
    due = np.full(round(share.hold_s / share.spec.workload.step_s), bins.max())
    streams = []
    for number in share.numbers:
        p50, p95, mean = np.median(bins), bins.max(), bins.mean()
        transcribed = share.hold_s * (1 - growth)
        lags = (p50, p95, p95, mean, LAG_S, LAG_S)
        streams.append(StreamOutcome(f"stream-{number}", *lags, tuple(bins), share.hold_s, transcribed))
    histogram = encode_lags(np.tile(due, len(share.numbers)))
    return ShareReport(tuple(streams), share.hold_s, histogram, 0.001, 0.1, 0.0)


class ScriptedClients(ThreadPoolExecutor):
    """An executor that answers a share with ``report(share)``, and runs everything else."""

    def __init__(self, report: Callable[[Share], ShareReport] = report_of) -> None:
        super().__init__(1)
        self._report = report

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn is ramp_share:
            return super().submit(Ramp, (), (), 0.0)  # shows nothing, so that the ladder starts from the bottom
        if args and isinstance(args[0], Share):
            return super().submit(self._report_in_time, args[0])
        return super().submit(fn, *args, **kwargs)

    def _report_in_time(self, share: Share) -> ShareReport:
        time.sleep(max(share.begin_unix_s - time.time(), 0.0))
        return self._report(share)

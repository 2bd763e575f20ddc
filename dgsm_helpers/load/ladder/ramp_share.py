"""The client process that runs a ramp: it opens stream after stream and ends when the oldest fall behind."""

import asyncio
import contextlib
import gc
import math
import time
from statistics import median

from dgsm_helpers.load.ladder.ramp import LASTS_S, LOOK_S, WATCHED, Ramp, openings_s, risen
from dgsm_helpers.load.ladder.share import Share, carrier_of, hold_stream
from dgsm_helpers.load.ladder.stream_outcomes import was_refused
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.stream_loops import run_here, stopped_within
from dgsm_helpers.load.transport.trace import MAX_CADENCE_S, StreamTrace


def ramp_share(share: Share) -> Ramp:
    """Open up to ``share.total`` streams, as `ramp.openings_s` says; blocks until they have ended."""
    return run_here(_ramp(share))


async def _ramp(share: Share) -> Ramp:
    begin = time.monotonic() + share.begin_unix_s - time.time()
    transport, stop = carrier_of(share), asyncio.Event()
    recorders: list[TraceRecorder] = []
    running: list[asyncio.Future[StreamTrace]] = []

    async def open_all() -> None:
        for number, at_s in enumerate(openings_s(share.total)):
            if await stopped_within(stop, begin + at_s - time.monotonic()):
                return
            family = share.spec.query.family
            recorder = TraceRecorder(label=f"ramp-{number}", transport=transport.name, family=family)
            stream = hold_stream(
                share, transport, number=number, opens_at=time.monotonic(), stop=stop, recorder=recorder
            )
            recorders.append(recorder)
            running.append(asyncio.ensure_future(stream))

    opening = asyncio.ensure_future(open_all())
    streams: list[int] = []
    lags_s: list[float] = []
    refused, quiet_looks = False, 0
    gc.freeze()
    try:
        while quiet_looks * LOOK_S < 2 * LASTS_S:
            await asyncio.sleep(max(begin + (len(streams) + 1) * LOOK_S - time.monotonic(), 0))
            streams.append(sum(r.is_open for r in recorders))
            lags_s.append(_median_lag_s(recorders[:WATCHED]))
            refused = any(r.done and was_refused(r.trace()) for r in recorders)
            if refused or risen(lags_s, share.criteria.lag_s) or sum(r.done for r in recorders) * 2 > len(recorders):
                break
            quiet_looks += opening.done()
        stop.set()
        await opening
        await asyncio.gather(*running)
    finally:
        gc.unfreeze()
        with contextlib.suppress(Exception):
            await transport.close()
    return Ramp(tuple(streams), tuple(lags_s), time.monotonic() - begin, refused)


def _median_lag_s(recorders: list[TraceRecorder]) -> float:
    """Of the newest lags of those that are open; NaN before there is one."""
    lags = [_newest_lag_s(r) for r in recorders if r.is_open]
    known = [lag for lag in lags if not math.isnan(lag)]
    return median(known) if known else math.nan


def _newest_lag_s(recorder: TraceRecorder) -> float:
    """The newest lag, and what it has become since where nothing comes any more."""
    if not recorder.recent_lags:
        silent_s = recorder.now() - recorder.quiet_since_s - MAX_CADENCE_S
        return silent_s if silent_s > 0 else math.nan
    at, lag_s = recorder.recent_lags[-1]
    return lag_s + max(time.monotonic() - at - MAX_CADENCE_S, 0.0)

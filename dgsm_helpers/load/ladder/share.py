"""One client process's share of a rung: hold its streams for the agreed time and reduce their traces to what is judged.

`hold_share` is what an executor runs, in a process of this machine or on another one; everything it takes and returns
can be pickled.
"""

import asyncio
import contextlib
import gc
import math
import os
import platform
import threading
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

import numpy as np

from dgsm_helpers.load.ladder.criteria import Criteria
from dgsm_helpers.load.ladder.lag_histograms import encode_lags
from dgsm_helpers.load.ladder.stream_outcomes import outcome_of
from dgsm_helpers.load.ladder.trend import BINS, bin_medians
from dgsm_helpers.load.ladder.verdict import StreamOutcome, certain_failure
from dgsm_helpers.load.transport.lean_transport import LeanTransport
from dgsm_helpers.load.transport.paced_audio import PacedAudio
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.sdk_transport import SdkTransport
from dgsm_helpers.load.transport.speech_ends import SpokenUntil
from dgsm_helpers.load.transport.stream_loops import run_here
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.load.transport.trace import StreamTrace, lag_samples, send_slip_s
from dgsm_helpers.load.transport.workloads import Workload

OPEN_ALLOWANCE_S = 0.2
"""From a stream's opening to its first chunk: time for the handshake, so that the schedule starts as planned."""
GOLDEN = 0.6180339887

type Transport = Literal["auto", "sdk", "lean"]
type Carrier = SdkTransport | LeanTransport


@dataclass(frozen=True, kw_only=True)
class LoadSpec:
    """What the streams of a measurement send, what they ask for, and which client carries them.

    Attributes:
        workload: what each stream sends; by default the bundled sample.
        query: what the model is asked for.
        transport: ``sdk`` (AWS's client), ``lean``, or ``auto``: lean above 50 streams.
        seed: of the places where the streams begin, and of what calls say.
    """

    workload: Workload = field(default_factory=PacedAudio)
    query: Query = field(default_factory=Query)
    transport: Transport = "auto"
    seed: int = 0


def spoken_until(spec: LoadSpec, number: int) -> SpokenUntil | None:
    """When somebody stops speaking in what stream ``number`` sends; None where no ends of turns are told."""
    workload = spec.workload
    if not spec.query.family.protocol.turns or not isinstance(workload, PacedAudio):
        return None
    return SpokenUntil(workload.recording(number), workload.offset_s(number, spec.seed))


@dataclass(frozen=True)
class Share:
    """Which of a rung's ``total`` streams one process holds, and when.

    ``begin_unix_s`` is agreed between all processes. Stream ``k`` opens ``ramp_s * k / total`` later; judged are the
    ``hold_s`` seconds that follow ``ramp_s + settle_s``. Stream ``k`` sends the recordings in turn, each from a place
    of its own.
    """

    target: StreamTarget
    spec: LoadSpec
    numbers: tuple[int, ...]
    total: int
    begin_unix_s: float
    criteria: Criteria
    ramp_s: float
    settle_s: float = 0.0
    hold_s: float = 0.0


@dataclass(frozen=True)
class ShareReport:
    """What one process saw. It began ``late_s`` after the agreed time and used the share ``cpu`` of a core."""

    outcomes: tuple[StreamOutcome, ...]
    hold_s: float
    histogram: str
    slip_p99_s: float
    cpu: float
    late_s: float


def ready() -> str:
    """Nothing but to have this module imported in a client process before a start is agreed; returns which it is."""
    time.sleep(0.1)
    return f"{platform.node()}:{os.getpid()}:{threading.get_ident()}"


def hold_share(share: Share) -> ShareReport:
    """Hold the share's streams; blocks until they have ended."""
    return run_here(_hold(share))


async def _hold(share: Share) -> ShareReport:
    begin = time.monotonic() + share.begin_unix_s - time.time()
    late_s = max(time.monotonic() - begin, 0.0)
    start = begin + share.ramp_s + share.settle_s
    transport = carrier_of(share)
    stop = asyncio.Event()
    family = share.spec.query.family
    recorders = [TraceRecorder(label=f"stream-{k}", transport=transport.name, family=family) for k in share.numbers]
    try:
        running = [
            asyncio.ensure_future(
                hold_stream(
                    share,
                    transport,
                    number=number,
                    opens_at=begin + share.ramp_s * number / share.total,
                    stop=stop,
                    recorder=recorder,
                )
            )
            for number, recorder in zip(share.numbers, recorders, strict=True)
        ]
        await asyncio.sleep(max(start - share.settle_s - time.monotonic(), 0))
        # What lives by now lives to the end. Left to itself, Python's collector would walk through all of it during the
        # hold, and no stream would send for a tenth of a second (seconds, in a process with much else in it).
        gc.freeze()
        await asyncio.sleep(max(start - time.monotonic(), 0))
        wall, cpu = time.monotonic(), time.process_time()
        end = await _watch(share, recorders, start)
        stop.set()
        cpu_share = (time.process_time() - cpu) / max(time.monotonic() - wall, 1e-9)
        traces = await asyncio.gather(*running)
    finally:
        gc.unfreeze()
        with contextlib.suppress(Exception):
            await transport.close()
    return _report(share, list(zip(recorders, traces, strict=True)), start=start, end=end, cpu=cpu_share, late_s=late_s)


def carrier_of(share: Share) -> Carrier:
    return LeanTransport(share.target) if share.spec.transport == "lean" else SdkTransport(share.target)


async def hold_stream(
    share: Share,
    transport: Carrier,
    *,
    number: int,
    opens_at: float,
    stop: asyncio.Event,
    recorder: TraceRecorder,
) -> StreamTrace:
    """Stream ``number`` from ``opens_at`` (monotonic clock) until ``stop`` is set and its end has come."""
    spec = share.spec
    sender = spec.workload.sender(number, seed=spec.seed, family=spec.query.family)
    await asyncio.sleep(max(opens_at - time.monotonic(), 0))
    # Phases spread evenly over a chunk (a golden-ratio sequence): streams in step would queue behind each other.
    phase = (number * GOLDEN % 1) * spec.workload.step_s
    return await transport.run(
        sender,
        query=spec.query,
        begin_in_s=OPEN_ALLOWANCE_S + phase,
        stop=stop,
        recorder=recorder,
    )


async def _watch(share: Share, recorders: list[TraceRecorder], start: float) -> float:
    """Wait for the end of the hold, or for the moment when its failure is certain; returns that moment."""
    end = start + share.hold_s
    while (now := time.monotonic()) < end:
        await asyncio.sleep(min(1.0, end - now))
        now = time.monotonic()
        window = min(now - start, 6.0)
        # The whole judgement takes milliseconds for every ten streams, in the thread that sends their audio: only where
        # a look at the newest lags does not rule failure out already.
        if (
            # A call that says nothing need not have anything to say.
            not share.spec.query.family.speaks
            and now < end - 1.5
            and window >= 2.0
            and median(_newest(r, now - window) for r in recorders) > share.criteria.lag_s
        ):
            bins = np.array([_recent_bins(r, now - window, now) for r in recorders])
            if certain_failure(bins, share.criteria, elapsed_s=window):
                return now
    return end


def _newest(recorder: TraceRecorder, from_s: float) -> float:
    at, lag = recorder.recent_lags[-1] if recorder.recent_lags else (0.0, math.inf)
    return lag if at >= from_s else math.inf


def _recent_bins(recorder: TraceRecorder, from_s: float, to_s: float) -> np.ndarray:
    recent = [(at - lag, lag) for at, lag in recorder.recent_lags if at - lag >= from_s or at >= to_s - 1.0]
    if not recent:
        return np.full(BINS, np.nan)
    due, lag = np.array(recent).T
    return bin_medians(due, lag, from_s=from_s, to_s=to_s)


def _report(
    share: Share,
    streams: list[tuple[TraceRecorder, StreamTrace]],
    *,
    start: float,
    end: float,
    cpu: float,
    late_s: float,
) -> ShareReport:
    spec = share.spec
    outcomes, lags, slips = [], [], []
    for number, (recorder, trace) in zip(share.numbers, streams, strict=True):
        window = recorder.at(start), recorder.at(end)
        samples = lag_samples(trace, from_s=window[0], to_s=window[1])
        inside = (trace.scheduled_s >= window[0]) & (trace.scheduled_s < window[1])
        slips.append(send_slip_s(trace)[inside])
        lags.append(samples.lag_s)
        outcomes.append(
            outcome_of(
                trace,
                samples,
                family=spec.query.family,
                workload=spec.workload,
                window=window,
                spoken=spoken_until(spec, number),
            )
        )
    slip = np.concatenate(slips) if slips else np.empty(0)
    return ShareReport(
        outcomes=tuple(outcomes),
        hold_s=end - start,
        histogram=encode_lags(np.concatenate(lags)) if lags else "",
        slip_p99_s=float(np.quantile(slip, 0.99, method="higher")) if len(slip) else 0.0,
        cpu=cpu,
        late_s=late_s,
    )

"""Calls through all that ends a stream, beside plain streams: words lost, words twice, hand-overs by cause, gaps.

    python benchmarks/calls_survive.py [--calls 60] [--plain 20] [--seconds 900] [--speed 10] [--json FILE]

One embedded AWS, streams in real time. Meanwhile the endpoint scales out and in, is updated, loses an instance to a
crash, scales again, and SageMaker's limit on a stream is shortened: at first so that a call sees it coming, at the end
so that it does not. What a client sees of a cut changes from one removal to the next. A plain stream opens a new
session a second after it was cut, and its microphone does not wait.

A line of progress tells how late the microphones of this process are: a machine on which they fall behind is too slow
for so many calls, and what is measured there is its own. Every call ends with its audio or two minutes later.

0 when no continued call lost a word or got one twice, 1 when one did or did not end, 2 when something else failed, 3
instead of 1 when this machine is the reason: a word was lost and the microphones had fallen behind, or a call did not
end and they still were.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dgsm_helpers import local
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state, update
from dgsm_helpers.errors import DgsmError, NotReady, StreamFailed
from dgsm_helpers.load.transport.call_record import (
    CallRecord,
    count_words,
    final_words,
    hold_call,
    said_in_sample,
)
from dgsm_helpers.load.transport.continued_stream import ContinuedStream
from dgsm_helpers.load.transport.lean_session import LeanSessions, PushedSession
from dgsm_helpers.load.transport.listen_stitching import HeardWord
from dgsm_helpers.load.transport.overload_watch import Leaving
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recordings import bundled_recording, chunks
from dgsm_helpers.places import running_server
from dgsm_helpers.places.server_info import ServerInfo
from dgsm_helpers.session import Workbook, open_workbook

CHUNK_S = 0.1
REOPEN_AFTER_S = 1.0
COME_AFTER_S = 0.05
"""Callers do not come in one moment."""
END_WITHIN_S = 120.0
LOOKS = 30
"""Lines of progress."""
TOO_SLOW = 3
TOO_LATE_S = 5.0
"""A microphone that falls behind by more gives a call what no telephone gives: a minute's audio in a moment."""


def limits_s(seconds: float) -> tuple[float, float]:
    """SageMaker's limit at first and at the end: shares of the time, but never so short that nobody hears anything."""
    return max(0.16 * seconds, 20.0), max(0.05 * seconds, 10.0)


TYPE, OTHER_TYPE = "ml.g6.2xlarge", "ml.g5.2xlarge"


@dataclass
class PlainCall:
    """A call on one session after the other, without memory."""

    open_session: LeanSessions
    words: list[HeardWord] = field(default_factory=list)
    gaps_s: list[float] = field(default_factory=list)
    cuts: int = 0
    _spoken: int = 0
    _session: PushedSession | None = None
    _over: bool = False

    async def hold(self, offset_s: float, seconds: float) -> CallRecord:
        """Hold it in real time."""
        listening = asyncio.create_task(self._listen())
        begin_s = time.monotonic()
        for chunk in chunks(bundled_recording(), offset_s=offset_s, duration_s=seconds):
            await asyncio.sleep(begin_s + self._spoken * CHUNK_S - time.monotonic())
            self._spoken += 1
            if self._session is not None:
                await self._session.send(chunk)
        self._over = True
        if self._session is not None:
            await self._session.close_stream()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(listening, 20)
        return CallRecord(call_s=seconds, words=tuple(self.words))

    async def _listen(self) -> None:
        newest_s = time.monotonic()
        while not self._over:
            with contextlib.suppress(StreamFailed):
                session = await self.open_session()
                # Until then the microphone spoke to nobody.
                from_s, self._session, first = self._spoken * CHUNK_S, session, self.cuts > len(self.gaps_s)
                while (message := await session.receive()) is not None:
                    if first and message["type"] == "Results":
                        first = False
                        self.gaps_s.append(time.monotonic() - newest_s)
                    newest_s = time.monotonic()
                    self.words += [
                        HeardWord(word.word, word.start_s + from_s, word.end_s + from_s)
                        for word in final_words(message)
                    ]
            self._session = None
            if not self._over:
                self.cuts = len(self.gaps_s) + 1
                await asyncio.sleep(REOPEN_AFTER_S)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One kind of call: sums over all of them; ``causes`` are hand-overs, or cuts of a plain stream."""

    calls: int
    said: int
    lost: int
    extra: int
    causes: dict[str, int]
    gap_p50_ms: float
    gap_p95_ms: float
    gap_max_ms: float
    failures: dict[str, int]
    words_replayed: int = 0
    audio_lost_s: float = 0.0

    @classmethod
    def of(
        cls,
        held: Sequence[tuple[float, CallRecord | DgsmError]],
        causes: Counter[str],
        gaps_ms: Sequence[float],
        **more: Any,
    ) -> Outcome:
        """Summed up over calls by their offset in the sample; one that failed has no words to count."""
        counts = [
            count_words(said_in_sample(offset_s=offset_s, duration_s=record.call_s), record.words)
            for offset_s, record in held
            if isinstance(record, CallRecord)
        ]
        p50, p95, longest = (round(float(v)) for v in np.percentile(gaps_ms or [0.0], [50, 95, 100]))
        return cls(
            calls=len(held),
            said=sum(c.said for c in counts),
            lost=sum(c.lost for c in counts),
            extra=sum(c.extra for c in counts),
            causes=dict(causes),
            gap_p50_ms=p50,
            gap_p95_ms=p95,
            gap_max_ms=longest,
            failures=dict(Counter(str(record) for _, record in held if isinstance(record, DgsmError))),
            **more,
        )


async def play(wb: Workbook, info: ServerInfo, options: argparse.Namespace) -> tuple[Outcome, Outcome, list[float]]:
    """All calls, from their beginning to their end, while things happen to the endpoint.

    The continued ones, the plain ones, and how late the microphones were now and then, in seconds.
    """
    seconds: float = options.seconds
    offsets = [1.7 * number % 10 for number in range(options.calls + options.plain)]
    leaving = Leaving(per_minute=30)
    calls = [
        ContinuedStream.of(wb, session_s=0.75 * limits_s(seconds)[0], leaving=leaving, seed=number)
        for number in range(options.calls)
    ]
    asked = Query()
    plain = [PlainCall(LeanSessions(wb, asked.path, asked.text(16000))) for _ in range(options.plain)]
    over = threading.Event()
    troubles = asyncio.create_task(asyncio.to_thread(trouble, wb, info, seconds, over))
    late_s = [0.0]
    progress = asyncio.create_task(report(calls, seconds, late_s))

    async def later(number: int, call: ContinuedStream) -> CallRecord:
        await asyncio.sleep(COME_AFTER_S * number)
        return await hold_call(call, chunks(bundled_recording(), offset_s=offsets[number], duration_s=seconds))

    held = [later(number, call) for number, call in enumerate(calls)]
    held += [call.hold(offsets[options.calls + number], seconds) for number, call in enumerate(plain)]
    records = list(zip(offsets, await asyncio.gather(*(ended(call, seconds) for call in held)), strict=True))
    progress.cancel()
    over.set()
    await troubles
    changes = [change for call in calls for change in call.hand_overs]
    continued = Outcome.of(
        records[: options.calls],
        Counter(change.cause for change in changes),
        [change.gap_ms for change in changes],
        words_replayed=sum(change.words_replayed for change in changes),
        audio_lost_s=round(sum(change.audio_lost_s for change in changes), 2),
    )
    gaps_ms = [1000 * gap_s for call in plain for gap_s in call.gaps_s]
    cuts = Counter({"cut": sum(call.cuts for call in plain)})
    return continued, Outcome.of(records[options.calls :], cuts, gaps_ms), late_s


async def ended(call: Awaitable[CallRecord], seconds: float) -> CallRecord | DgsmError:
    """The call's record, or in a sentence why there is none."""
    try:
        async with asyncio.timeout(seconds + END_WITHIN_S):
            return await call
    except TimeoutError:
        return StreamFailed(f"The call had not ended {END_WITHIN_S:g} s after its {seconds:g} s.")
    except DgsmError as error:
        return error


async def report(calls: Sequence[ContinuedStream], seconds: float, late_s: list[float]) -> None:
    """Now and then, how the calls are doing; ``late_s`` gets how late the microphones are."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(max(seconds / LOOKS, 1.0))
        now_s = time.monotonic() - began
        behind_s = [min(now_s - COME_AFTER_S * number, seconds) - call.length_s for number, call in enumerate(calls)]
        late_s.append(max([0.0, *behind_s]))
        changes = Counter(change.cause for call in calls for change in call.hand_overs)
        causes = ", ".join(f"{count} {cause}" for cause, count in sorted(changes.items())) or "none"
        print(f"{now_s:6.1f} s  microphones {late_s[-1]:.1f} s late at most; hand-overs: {causes}", flush=True)


def trouble(wb: Workbook, info: ServerInfo, seconds: float, over: threading.Event) -> None:
    """What happens to the endpoint until it is ``over``, by the share of the time that has passed.

    Raises:
        NotReady: the endpoint has not done with one thing when the calls should all have ended.
    """
    began = time.monotonic()

    def fault(kind: str, **parameters: Any) -> None:
        running_server.admin(info, "DELETE", "faults", {"kind": kind})
        running_server.admin(info, "POST", "faults", {"kind": kind, "endpoint": wb.endpoint_name, **parameters})

    def scale(instances: int) -> None:
        change = {"VariantName": wb.variant_name, "DesiredInstanceCount": instances}
        wb.client("sagemaker").update_endpoint_weights_and_capacities(
            EndpointName=wb.endpoint_name, DesiredWeightsAndCapacities=[change]
        )

    changed = update.plan_change(wb, instance_types=[OTHER_TYPE, TYPE])
    first_s, last_s = limits_s(seconds)
    events: list[tuple[float, str, Callable[[], object]]] = [
        (0.0, f"the limit is {first_s:g} s", partial(fault, "session-limit", seconds=first_s)),
        (0.05, "scale-out to 3", partial(scale, 3)),
        (0.20, "scale-in to 2", partial(scale, 2)),
        (0.34, "cuts are resets from now on", partial(fault, "cut-ending", sees="reset")),
        (0.35, "update", partial(update.update_endpoint, wb, changed)),
        (0.54, "cuts are ends without Metadata from now on", partial(fault, "cut-ending", sees="clean-end")),
        (0.55, "crash", partial(fault, "crash", count=1)),
        (0.70, "scale-out to 4", partial(scale, 4)),
        (0.80, "scale-in to 2", partial(scale, 2)),
        (0.90, f"the limit is {last_s:g} s", partial(fault, "session-limit", seconds=last_s)),
    ]
    for share, name, strike in events:
        over.wait(max(0.0, began + share * seconds - time.monotonic()))
        while not over.is_set() and (status := endpoint_state.status(wb).status) != "InService":
            if time.monotonic() > began + seconds + END_WITHIN_S:
                raise NotReady(f"{wb.endpoint_name} is {status}, so that nothing came of: {name}.")
            over.wait(0.2)
        if over.is_set():
            return
        print(f"{time.monotonic() - began:6.1f} s  {name}", flush=True)
        strike()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 1 when a continued call lost a word or got one twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--plain", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=900.0)
    parser.add_argument("--speed", type=float, default=10.0, help="of the endpoint's time; streams are in real time")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        # One instance holds three quarters of all streams: two are enough, one is not.
        lanes = max(12, round(0.75 * (options.calls + options.plain)))
        info = local.up(home, speed=options.speed, metered={"lanes": lanes, "service_ms": 100})
        try:
            wb = open_workbook("local", home=home, endpoint_name="calls-survive")
            deployment.deploy(wb, deployment_plan.plan(wb, [TYPE, OTHER_TYPE], initial_count=2))
            continued, plain, late_s = asyncio.run(play(wb, info, options))
        except DgsmError as error:
            print(error)
            return 2
        finally:
            local.down(home)
    for name, outcome in (("continued", continued), ("plain", plain)):
        causes = ", ".join(f"{count} {cause}" for cause, count in sorted(outcome.causes.items())) or "none"
        print(
            f"{name:>9}: {outcome.calls} calls, {outcome.said} words said, {outcome.lost} lost, {outcome.extra} twice; "
            f"hand-overs: {causes}; gap p50 {outcome.gap_p50_ms:.0f} ms, p95 {outcome.gap_p95_ms:.0f} ms, "
            f"longest {outcome.gap_max_ms:.0f} ms"
        )
        for sentence, count in outcome.failures.items():
            print(f"{count} of them failed: {sentence}")
    document = {"seconds": options.seconds, "continued": asdict(continued), "plain": asdict(plain)}
    if options.json:
        options.json.write_text(json.dumps(document, indent=1), encoding="utf-8")
    print(json.dumps(document))
    if not (continued.lost or continued.extra or continued.failures):
        return 0
    # What a late microphone says at once may be lost; a call that is not ended long after that has no such excuse.
    behind_s = late_s[-1] if continued.failures else max(late_s)
    return TOO_SLOW if behind_s > TOO_LATE_S else 1


if __name__ == "__main__":
    sys.exit(main())

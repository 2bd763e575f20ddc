"""Calls for half an hour on an endpoint that scales, with a fault every twenty seconds: what became of each of them.

``make soak`` runs it; ``SECONDS`` and ``CALLS`` shorten it. Calls come and go, their number up and down, so that the
endpoint scales out and in under them. Each is a `ContinuedStream`, and is accounted for: it came to its end, or it was
refused with an error that has a name.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import linear_regression
from typing import Any

import psutil

from dgsm_helpers import local
from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.errors import DgsmError
from dgsm_helpers.load.transport.call_record import CallRecord, hold_call
from dgsm_helpers.load.transport.continued_stream import ContinuedStream
from dgsm_helpers.load.transport.recordings import bundled_recording, chunks
from dgsm_helpers.places import running_server
from dgsm_helpers.places.server_info import ServerInfo
from dgsm_helpers.session import Workbook, open_workbook
from kit import endpoints
from kit.waiting import until

NAME = "soak"
FAULT_EVERY_S = 20.0
CALL_S = (15.0, 60.0)
SESSION_S = 25.0
"""A session is handed over after this time at the latest, so that every longer call is."""
LOOK_EVERY_S = 15.0
FLAT = 1.15
"""Memory at the end may be this many times what it was when all had warmed up."""
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "mid-stream-error", "endpoint": NAME, "count": 3},
    {"kind": "dropped-connection", "endpoint": NAME, "count": 2},
    {"kind": "throttling", "service": "sagemaker-runtime", "count": 4},
    {"kind": "crash", "endpoint": NAME, "count": 1},
    {"kind": "expired-credentials", "count": 2},
    {"kind": "cut-ending", "endpoint": NAME, "sees": "reset", "count": 2},
    {"kind": "throttling", "service": "sagemaker", "count": 3},
)


@dataclass(frozen=True)
class Look:
    """One look at everything: wall seconds since the start, calls and instances, and what the server takes."""

    at_s: float
    calls: int
    instances: int
    server_mb: float
    descriptors: int
    threads: int


@dataclass
class Soak:
    """What happened so far."""

    seconds: float
    begun: int = 0
    open: int = 0
    ended: list[CallRecord] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    looks: list[Look] = field(default_factory=list)
    in_flight: int = -1
    left: str = ""

    @property
    def words(self) -> tuple[int, int, int]:
        """Words said, lost, and heard though nobody said them."""
        counts = [record.against_sample() for record in self.ended]
        return sum(c.said for c in counts), sum(c.lost for c in counts), sum(c.extra for c in counts)

    def problems(self) -> Iterator[str]:
        """What does not hold, in words."""
        told = len(self.ended) + self.refused.total() + self.broken.total()
        if told != self.begun or self.open:
            yield f"{self.begun} calls began, {told} are accounted for, {self.open} are open"
        if self.broken:
            yield f"calls ended with what is no error of ours: {dict(self.broken)}"
        said, lost, extra = self.words
        if lost or extra:
            yield f"of {said} words {lost} were lost and {extra} never said"
        if self.in_flight:
            yield f"{self.in_flight} streams count as in flight after the last call"
        if self.left:
            yield f"left behind: {self.left}"
        first, *_, last = self._halves()
        if last.server_mb > first.server_mb * FLAT:
            yield f"the server's memory grew from {first.server_mb:.0f} to {last.server_mb:.0f} MB"
        for name in ("descriptors", "threads"):
            if getattr(last, name) > getattr(first, name) * 1.5 + 10:
                yield f"the server's {name} grew from {getattr(first, name)} to {getattr(last, name)}"

    def _halves(self) -> list[Look]:
        """The greatest look of each sixth of the time, without the first: by then all has been used once."""
        sixth = self.seconds / 6
        groups = [[look for look in self.looks if look.at_s // sixth == number] for number in range(1, 6)]
        most = [
            replace(
                group[-1],
                server_mb=max(look.server_mb for look in group),
                descriptors=max(look.descriptors for look in group),
                threads=max(look.threads for look in group),
            )
            for group in groups
            if group
        ]
        return most if len(most) > 1 else [self.looks[0], self.looks[-1]]

    @property
    def mb_per_minute(self) -> float:
        """What the server's memory grows by, when all has been used once."""
        late = [look for look in self.looks if look.at_s >= self.seconds / 3] or self.looks
        slope, _ = linear_regression([look.at_s / 60 for look in late], [look.server_mb for look in late])
        return slope

    def table(self) -> str:
        """The looks, one a line, and what became of the calls."""
        step = max(1, len(self.looks) // 30)
        lines = [f"{'seconds':>8}{'calls':>7}{'instances':>11}{'server MB':>11}{'descriptors':>13}{'threads':>9}"]
        lines += [
            f"{look.at_s:>8.0f}{look.calls:>7}{look.instances:>11}{look.server_mb:>11.0f}{look.descriptors:>13}"
            f"{look.threads:>9}"
            for look in self.looks[::step]
        ]
        said, lost, extra = self.words
        causes = Counter(change.cause for record in self.ended for change in record.hand_overs)
        lines += [
            "",
            f"server's memory after a third of the time: {self.mb_per_minute:+.2f} MB a minute",
            f"calls begun {self.begun}, ended {len(self.ended)}, refused {self.refused.total()} {dict(self.refused)}",
            f"hand-overs {dict(causes)}; words said {said}, lost {lost}, never said {extra}",
            f"faults {dict(self.faults)}; in flight at the end {self.in_flight}; left behind {self.left or 'nothing'}",
        ]
        return "\n".join(lines + [f"DOES NOT HOLD: {problem}" for problem in self.problems()])


def soak(home: Path, *, seconds: float, calls: int, seed: int = 0) -> Soak:
    """Soak an embedded AWS of its own, with at most ``calls`` calls at once."""
    info = local.up(home, speed=30, metered={"lanes": 16, "service_ms": 40})
    try:
        wb = open_workbook("local", home=home, endpoint_name=NAME)
        deployment.deploy(wb, deployment_plan.plan(wb, initial_count=2))
        registration.register(wb, 2, 6)
        registration.apply(wb, ScalingPolicy(target_value=max(2.0, calls / 4)))
        done = asyncio.run(_soaked(wb, info, seconds, calls, random.Random(seed)))
        until(lambda: not _in_flight(info), "no stream counts as load any more")
        done.in_flight = _in_flight(info)
        endpoint_state.settle(wb, timeout_s=endpoints.local_seconds(wb), on_progress=None)
        deletion.delete(wb)
        done.left = ", ".join(item.name for item in deletion.prove_empty(wb))
        return done
    finally:
        local.down(home)


async def _soaked(wb: Workbook, info: ServerInfo, seconds: float, calls: int, rng: random.Random) -> Soak:
    done, ends_s = Soak(seconds), time.monotonic() + seconds
    began_s = ends_s - seconds

    async def caller(number: int) -> None:
        while time.monotonic() < ends_s:
            # Two thirds of the callers make a pause in every other sixth of the time: the endpoint scales in.
            resting = number % 3 and int((time.monotonic() - began_s) // (seconds / 6)) % 2
            if resting:
                await asyncio.sleep(1.0)
                continue
            await _call(wb, done, rng)
            await asyncio.sleep(rng.uniform(0.2, 2.0))

    async def faults() -> None:
        for fault in itertools.cycle(FAULTS):
            await asyncio.sleep(FAULT_EVERY_S)
            if time.monotonic() > ends_s - FAULT_EVERY_S:
                return
            await asyncio.to_thread(running_server.admin, info, "POST", "faults", fault)
            done.faults[fault["kind"]] += 1

    async def looks() -> None:
        server = psutil.Process(info.pid)
        while time.monotonic() < ends_s:
            state = await asyncio.to_thread(_state, wb)
            done.looks.append(
                Look(
                    time.monotonic() - began_s,
                    done.open,
                    state,
                    server.memory_info().rss / 1e6,
                    server.num_fds(),
                    server.num_threads(),
                )
            )
            await asyncio.sleep(min(LOOK_EVERY_S, seconds / 30))

    await asyncio.gather(faults(), looks(), *(caller(number) for number in range(calls)))
    await asyncio.to_thread(running_server.admin, info, "DELETE", "faults", {})
    return done


def _state(wb: Workbook) -> int:
    try:
        return endpoint_state.status(wb).running
    except DgsmError:  # a fault struck the look
        return -1


async def _call(wb: Workbook, done: Soak, rng: random.Random) -> None:
    recording = bundled_recording()
    offset_s = rng.uniform(0, recording.duration_s)
    audio = chunks(recording, chunk_ms=100, offset_s=offset_s, duration_s=rng.uniform(*CALL_S))
    call = ContinuedStream.of(wb, sample_rate=recording.sample_rate, session_s=SESSION_S, seed=rng.getrandbits(32))
    done.begun += 1
    done.open += 1
    try:
        done.ended.append(replace(await hold_call(call, audio), offset_s=offset_s))
    except DgsmError as error:
        done.refused[type(error).__name__] += 1
    except Exception as error:
        done.broken[repr(error)] += 1
    finally:
        done.open -= 1


def _in_flight(info: ServerInfo) -> int:
    endpoints = running_server.admin(info, "GET", "status")["endpoints"]
    return sum(endpoint["in_flight"] for endpoint in endpoints if endpoint["name"] == NAME)


def main() -> int:
    """Soak for ``SECONDS`` (1800) with ``CALLS`` (60), print the table, and exit with 1 if something does not hold."""
    with tempfile.TemporaryDirectory() as folder:
        done = soak(
            Path(folder), seconds=float(os.environ.get("SECONDS", "1800")), calls=int(os.environ.get("CALLS", "60"))
        )
    print(done.table())
    return 1 if any(done.problems()) else 0


if __name__ == "__main__":
    sys.exit(main())

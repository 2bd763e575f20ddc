"""How many real-time streams a client holds per core: the lean transport against AWS's client (and Deepgram's).

    python benchmarks/stream_client.py [--seconds 8] [--only sdk lean] [--total 450] [--json FILE]

The embedded AWS serves the ``metered`` engine with lanes to spare. One client process per transport holds more and more
streams (100 ms chunks) until its p99 send-slip passes 12 ms or a stream breaks; the largest level that held gives the
streams per client core. Then the lean transport holds ``--total`` streams, from two processes, with the server on the
same machine, and the answers must come in real time, too. When that does not hold, it goes down by tenths to what does,
and shows what takes the machine: each process's share, and the functions in which the server spends its own. What
others take of the machine is printed, since it decides how far the figures can be trusted. The last line is JSON. The
claims: eight times the streams per core of AWS's client, and 450 streams in all on two cores, answered within 20 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
from stacks import Spent, Stacks

from dgsm_helpers import local
from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.load.ladder.criteria import Criteria
from dgsm_helpers.load.ladder.share import LoadSpec, Share, ShareReport, hold_share, ready
from dgsm_helpers.load.transport.deepgram_session import redirect_deepgram_sagemaker
from dgsm_helpers.load.transport.recordings import bundled_recording, chunks
from dgsm_helpers.load.transport.stream_loops import close_loop, stream_loop
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.session import Workbook, open_workbook

MAX_SLIP_S = 0.012
MAX_LAG_S = 0.020
"""Of the 95th percentile of the answers: the server keeps up."""
LEAST_RATIO = 8
TOTAL = 450
"""Streams that two shared cores hold with the server beside the clients; with all of two cores it is some more."""
MIN_AUDIO = 0.98
DOWN = 0.9
PROFILE_ROWS = 15
HEAD = "transport streams procs   client   server   other  slip p99   lag p95 errors  streams/core"
LEVELS = {"sdk": (25, 50, 100, 150, 200), "lean": (100, 200, 400, 600, 800), "deepgram": (25, 50, 100, 150)}
OPENINGS_PER_S = {"sdk": 25, "lean": 200, "deepgram": 10}
CHUNK_S = 0.1
NEVER_STOP = Criteria(name="measure the client", lag_s=3600.0)


@dataclass(frozen=True)
class Level:
    """One level of one transport. CPU figures are shares of one core; ``client_cpus`` has one for each process.

    ``lag_p95_ms`` is None for Deepgram's client, whose results are not timed. ``audio_due`` is the share of the hold's
    audio that fell due, less than one when streams were not up in time.
    """

    transport: str
    streams: int
    client_cpus: tuple[float, ...]
    server_cpu: float
    other_cpu: float
    slip_p99_ms: float
    lag_p95_ms: float | None
    errors: int
    audio_due: float

    @property
    def client_cpu(self) -> float:
        """Cores that all client processes used."""
        return sum(self.client_cpus)

    @property
    def held(self) -> bool:
        """Whether all streams were up in time, the client kept its schedule, and none broke."""
        return self.errors == 0 and self.audio_due >= MIN_AUDIO and self.slip_p99_ms <= MAX_SLIP_S * 1000

    @property
    def real_time(self) -> bool:
        """Whether the server kept up, too."""
        return self.held and self.lag_p95_ms is not None and self.lag_p95_ms <= MAX_LAG_S * 1000

    @property
    def streams_per_core(self) -> float:
        """Streams that one core of clients would hold."""
        return self.streams / self.client_cpu if self.client_cpu else 0.0


def share_of(
    wb: Workbook, transport: str, n: int, *, processes: int, number: int, begin: float, seconds: float
) -> Share:
    """One process's part of a level."""
    return Share(
        target=StreamTarget.of(wb),
        spec=LoadSpec(transport=transport),
        numbers=tuple(range(number, n, processes)),
        total=n,
        begin_unix_s=begin,
        ramp_s=n / OPENINGS_PER_S[transport] + 1,
        settle_s=3.0,
        hold_s=seconds,
        criteria=NEVER_STOP,
    )


def deepgram_share(home: Path, n: int, seconds: float) -> tuple[float, float, int, float]:
    """Deepgram's own client with ``n`` streams: CPU share, p99 slip in seconds, streams that failed, audio due."""
    from deepgram.transport import restore_transport

    wb = open_workbook("local", home=home)
    redirect_deepgram_sagemaker(wb)
    loop = stream_loop()
    try:
        return loop.run_until_complete(_deepgram(wb.endpoint_name, wb.region, n, seconds))
    finally:
        # Its transport is patched in for the whole process, once.
        restore_transport()
        close_loop(loop)


async def _deepgram(endpoint: str, region: str, n: int, seconds: float) -> tuple[float, float, int, float]:
    from deepgram import AsyncDeepgramClient
    from deepgram_sagemaker import SageMakerConfig, SageMakerTransportFactory

    factory = SageMakerTransportFactory(config=SageMakerConfig(endpoint_name=endpoint, region=region))
    client = AsyncDeepgramClient(api_key="unused", transport_factory=factory)
    begin = time.monotonic() + n / OPENINGS_PER_S["deepgram"] + 4
    slips: list[float] = []
    failed = 0

    async def one(number: int) -> None:
        nonlocal failed
        await asyncio.sleep(number / OPENINGS_PER_S["deepgram"])
        try:
            async with client.listen.v1.connect(
                model="nova-3", encoding="linear16", sample_rate="16000", interim_results="true"
            ) as connection:
                listening = asyncio.create_task(connection.start_listening())
                due = begin - 2 + number / n * CHUNK_S
                for chunk in chunks(bundled_recording(), duration_s=seconds + 3):
                    await asyncio.sleep(max(due - time.monotonic(), 0))
                    if begin <= due < begin + seconds:
                        slips.append(time.monotonic() - due)
                    await connection.send_media(chunk)
                    due += CHUNK_S
                await connection.send_close_stream()
                await asyncio.wait({listening}, timeout=5)
        except Exception:
            failed += 1

    running = [asyncio.create_task(one(number)) for number in range(n)]
    await asyncio.sleep(max(begin - time.monotonic(), 0))
    cpu, wall = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    used = (time.process_time() - cpu) / (time.monotonic() - wall)
    await asyncio.gather(*running)
    slip_s = float(np.quantile(slips, 0.99, method="higher")) if slips else float("inf")
    return used, slip_s, failed, len(slips) * CHUNK_S / (n * seconds)


class Machine:
    """CPU of the server and of everything else, between two moments."""

    def __init__(self, server_pid: int) -> None:
        self._server = psutil.Process(server_pid)
        self.mark()

    def mark(self) -> None:
        """Begin here."""
        self._wall, self._own, self._busy = time.monotonic(), sum(self._server.cpu_times()[:2]), self._machine()

    @staticmethod
    def _machine() -> float:
        times = psutil.cpu_times()
        return sum(times) - times.idle - times.iowait - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0)

    def since(self) -> tuple[float, float]:
        """Cores that the server, and that all processes together, used since `mark`."""
        wall = time.monotonic() - self._wall
        return (sum(self._server.cpu_times()[:2]) - self._own) / wall, (self._machine() - self._busy) / wall


def measure(
    wb: Workbook,
    pool: ProcessPoolExecutor,
    machine: Machine,
    transport: str,
    n: int,
    *,
    processes: int,
    seconds: float,
    watch: Callable[[float], None] = time.sleep,
) -> Level:
    """Hold one level; ``watch`` is called when its hold begins, and returns when it is over."""
    if transport == "deepgram":
        future = pool.submit(deepgram_share, wb.home, n, seconds)
        time.sleep(n / OPENINGS_PER_S[transport] + 4)
        machine.mark()
        watch(seconds)
        server, every = machine.since()
        cpu, slip_s, failed, audio = future.result()
        return Level(transport, n, (cpu,), server, max(every - server - cpu, 0.0), slip_s * 1000, None, failed, audio)
    begin = time.time() + 0.5
    shares = [
        share_of(wb, transport, n, processes=processes, number=k, begin=begin, seconds=seconds)
        for k in range(processes)
    ]
    futures = [pool.submit(hold_share, share) for share in shares]
    time.sleep(max(begin + shares[0].ramp_s + shares[0].settle_s - time.time(), 0))
    machine.mark()
    watch(seconds)
    server, every = machine.since()
    reports: Sequence[ShareReport] = [future.result() for future in futures]
    outcomes = [o for r in reports for o in r.outcomes]
    cpus = tuple(r.cpu for r in reports)
    return Level(
        transport=transport,
        streams=n,
        client_cpus=cpus,
        server_cpu=server,
        other_cpu=max(every - server - sum(cpus), 0.0),
        slip_p99_ms=max(r.slip_p99_s for r in reports) * 1000,
        lag_p95_ms=sorted(o.lag_p95_s for o in outcomes)[int(len(outcomes) * 0.95)] * 1000,
        errors=sum(o.error is not None for o in outcomes),
        audio_due=sum(o.due_audio_s for o in outcomes) / (n * seconds),
    )


def show(level: Level) -> None:
    """One line."""
    shares = f"{level.client_cpu:>8.0%} {level.server_cpu:>8.0%} {level.other_cpu:>7.0%}"
    lag = "-" if level.lag_p95_ms is None else f"{level.lag_p95_ms:.1f}"
    head = f"{level.transport:>9} {level.streams:>7} {len(level.client_cpus):>5}"
    tail = f"{level.errors:>6} {level.streams_per_core:>13.0f}  {'held' if level.held else '-'}"
    print(f"{head} {shares} {level.slip_p99_ms:>9.1f} {lag:>9} {tail}", flush=True)


def explain(level: Level, at_work: float, spent: Sequence[Spent]) -> None:
    """What takes the machine at a level that did not hold."""
    clients = " + ".join(f"{cpu:.0%}" for cpu in level.client_cpus)
    print(
        f"\n{level.streams} streams did not hold. Shares of {psutil.cpu_count()} cores, one being 100 %: server",
        end=" ",
    )
    print(f"{level.server_cpu:.0%}, clients {clients}, everything else {level.other_cpu:.0%}.")
    print(f"The server's main thread was at work in {at_work:.0%} of the looks at it:\n\n   own  whole  function")
    for row in spent[:PROFILE_ROWS]:
        print(f"{row.own:>6.1%} {row.whole:>6.0%}  {row.function}")


def climb(hold: Callable[..., Level], transport: str) -> list[Level]:
    """One process holds more and more streams, until a level fails for want of processor."""
    levels: list[Level] = []
    for n in LEVELS[transport]:
        levels.append(hold(transport, n, processes=1))
        show(levels[-1])
        if not levels[-1].held and levels[-1].client_cpu > 0.5:
            break
    return levels


def find_total(hold: Callable[..., Level], stacks: Stacks, server_pid: int, total: int) -> list[Level]:
    """Two processes hold ``total`` streams; down by tenths until a level holds, and why the last one that did not."""
    levels: list[Level] = []
    n, because = total, None
    while n >= LEVELS["lean"][0]:
        levels.append(hold("lean", n, processes=2, watch=partial(stacks.sample, server_pid)))
        show(levels[-1])
        if levels[-1].real_time:
            break
        because = levels[-1], *stacks.spent()
        if levels[-1].errors == n:
            break
        n = int(n * DOWN)
    if because:
        explain(*because)
    return levels


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="hold per level (default: 8)")
    parser.add_argument("--only", nargs="+", choices=list(LEVELS), help="these transports (default: all installed)")
    parser.add_argument("--total", type=int, default=TOTAL, help="streams of the last level, 0 for none")
    parser.add_argument("--json", type=Path, help="write the result here too")
    asked = parser.parse_args()
    wanted = asked.only or [t for t in LEVELS if t != "deepgram" or find_spec("deepgram_sagemaker")]
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as seen:
        result = run(Path(home), Stacks(Path(seen)), wanted, asked.seconds, asked.total)
    print(json.dumps(result))
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1))


def run(home: Path, stacks: Stacks, wanted: Sequence[str], seconds: float, total: int) -> dict[str, object]:
    """All levels on a server of their own, and the ratios."""
    with stacks.watched():
        info = local.up(home, speed=60, metered={"lanes": 2000, "service_ms": 1})
    os.environ.update(info.env())
    try:
        wb = open_workbook("local", home=home)
        deployment.deploy(wb, deployment_plan.plan(wb))
        print(HEAD)
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            for future in [pool.submit(ready) for _ in range(2)]:
                future.result()
            hold = partial(measure, wb, pool, Machine(info.pid), seconds=seconds)
            alone = {transport: climb(hold, transport) for transport in wanted}
            together = find_total(hold, stacks, info.pid, total) if total and "lean" in wanted else []
    finally:
        local.down(home)
    return summary(alone, together)


def summary(alone: dict[str, list[Level]], together: list[Level]) -> dict[str, object]:
    """The claims and what came of them."""
    best = {}
    for transport, levels in alone.items():
        if held := [level for level in levels if level.held]:
            best[transport] = max(held, key=lambda x: x.streams).streams_per_core
    ratio = best["lean"] / best["sdk"] if {"lean", "sdk"} <= set(best) else None
    print(f"\nstreams per client core: {', '.join(f'{t} {v:.0f}' for t, v in best.items()) or 'none held'}", end="")
    print(f"; lean / sdk = {ratio:.1f} (claim: at least {LEAST_RATIO})" if ratio else "")
    limit = next((level.streams for level in together if level.real_time), None)
    if together:
        asked = together[0].streams
        print(f"with the server on {psutil.cpu_count()} cores: {limit or 'none'} of {asked} streams in all held")
    return {
        "claim": f"lean holds at least {LEAST_RATIO} times the streams per client core; {TOTAL} in all",
        "ratio": ratio,
        "kept": {"ratio": ratio is None or ratio >= LEAST_RATIO, "total": not together or (limit or 0) >= TOTAL},
        "streams_per_core": best,
        "total_held": together[0].real_time if together else None,
        "total_limit": limit,
        "levels": [asdict(level) for levels in (*alone.values(), together) for level in levels],
    }


if __name__ == "__main__":
    main()

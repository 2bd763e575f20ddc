"""How many real-time streams a client holds per core: the lean transport against AWS's client (and Deepgram's).

    python benchmarks/stream_client.py [--seconds 8] [--only sdk lean] [--total 1000] [--json FILE]

The embedded AWS serves the ``metered`` engine with lanes to spare. One client process per transport holds more and more
streams (100 ms chunks) until its p99 send-slip passes 10 ms or a stream breaks; the largest level that held gives the
streams per client core. Then the lean transport holds ``--total`` streams, from two processes, with the server on the
same machine. What others take of the machine is printed, since it decides how far the figures can be trusted. The last
line is JSON. The claims: five times the streams per core of AWS's client, and 1,000 streams in all on two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import psutil

from dgsm_helpers.aws import deploy
from dgsm_helpers.load.audio import bundled_recording, chunks
from dgsm_helpers.load.share import Share, ShareReport, hold_share, ready
from dgsm_helpers.load.target import ListenOptions, StreamTarget
from dgsm_helpers.load.verdict import Criteria
from dgsm_helpers.local import process
from dgsm_helpers.session import Workbook, open_workbook, redirect_deepgram_sagemaker

MAX_SLIP_S = 0.010
LEVELS = {"sdk": (25, 50, 100, 150, 200), "lean": (100, 200, 400, 600, 800), "deepgram": (25, 50, 100, 150)}
OPENINGS_PER_S = {"sdk": 25, "lean": 200}
NEVER_STOP = Criteria("measure the client", lag_s=3600.0)


@dataclass(frozen=True)
class Level:
    """One level of one transport. CPU figures are shares of one core."""

    transport: str
    streams: int
    processes: int
    client_cpu: float
    server_cpu: float
    other_cpu: float
    slip_p99_ms: float
    lag_p95_ms: float
    errors: int
    audio_due: float

    @property
    def held(self) -> bool:
        """Whether all streams were up in time, the client kept its schedule, and none broke."""
        return self.errors == 0 and self.audio_due >= 0.98 and self.slip_p99_ms <= MAX_SLIP_S * 1000

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
        options=ListenOptions(),
        numbers=tuple(range(number, n, processes)),
        total=n,
        begin_unix_s=begin,
        ramp_s=n / OPENINGS_PER_S[transport] + 1,
        settle_s=3.0,
        hold_s=seconds,
        criteria=NEVER_STOP,
        transport=transport,
    )


def deepgram_share(home: Path, n: int, seconds: float) -> tuple[float, float, int]:
    """Deepgram's own client with ``n`` streams: CPU share, p99 slip in seconds, streams that failed."""
    wb = open_workbook("local", home=home)
    redirect_deepgram_sagemaker(wb)
    return asyncio.run(_deepgram(wb.endpoint_name, wb.region, n, seconds))


async def _deepgram(endpoint: str, region: str, n: int, seconds: float) -> tuple[float, float, int]:
    from deepgram import AsyncDeepgramClient
    from deepgram_sagemaker import SageMakerConfig, SageMakerTransportFactory

    factory = SageMakerTransportFactory(config=SageMakerConfig(endpoint_name=endpoint, region=region))
    client = AsyncDeepgramClient(api_key="unused", transport_factory=factory)
    begin = time.monotonic() + n / 25 + 4
    slips: list[float] = []
    failed = 0

    async def one(number: int) -> None:
        nonlocal failed
        await asyncio.sleep(number / 25)
        try:
            async with client.listen.v1.connect(
                model="nova-3", encoding="linear16", sample_rate="16000", interim_results="true"
            ) as connection:
                listening = asyncio.create_task(connection.start_listening())
                due = begin - 2 + number / n * 0.1
                for chunk in chunks(bundled_recording(), duration_s=seconds + 3):
                    await asyncio.sleep(max(due - time.monotonic(), 0))
                    if due >= begin:
                        slips.append(time.monotonic() - due)
                    await connection.send_media(chunk)
                    due += 0.1
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
    return used, sorted(slips)[int(0.99 * len(slips))] if slips else float("inf"), failed


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
    wb: Workbook, pool: ProcessPoolExecutor, machine: Machine, transport: str, n: int, *, processes: int, seconds: float
) -> Level:
    """Hold one level."""
    if transport == "deepgram":
        future = pool.submit(deepgram_share, wb.home, n, seconds)
        time.sleep(n / 25 + 4)
        machine.mark()
        time.sleep(seconds)
        server, every = machine.since()
        cpu, slip_s, failed = future.result()
        return Level(transport, n, 1, cpu, server, every - server - cpu, slip_s * 1000, float("nan"), failed, 1.0)
    begin = time.time() + 0.5
    shares = [
        share_of(wb, transport, n, processes=processes, number=k, begin=begin, seconds=seconds)
        for k in range(processes)
    ]
    futures = [pool.submit(hold_share, share) for share in shares]
    time.sleep(max(begin + shares[0].ramp_s + shares[0].settle_s - time.time(), 0))
    machine.mark()
    time.sleep(seconds)
    server, every = machine.since()
    reports: Sequence[ShareReport] = [future.result() for future in futures]
    outcomes = [o for r in reports for o in r.outcomes]
    cpu = sum(r.cpu for r in reports)
    return Level(
        transport=transport,
        streams=n,
        processes=processes,
        client_cpu=cpu,
        server_cpu=server,
        other_cpu=max(every - server - cpu, 0.0),
        slip_p99_ms=max(r.slip_p99_s for r in reports) * 1000,
        lag_p95_ms=sorted(o.lag_p95_s for o in outcomes)[int(len(outcomes) * 0.95)] * 1000,
        errors=sum(o.error is not None for o in outcomes),
        audio_due=sum(o.due_audio_s for o in outcomes) / (n * seconds),
    )


def show(level: Level) -> None:
    """One line."""
    shares = f"{level.client_cpu:>8.0%} {level.server_cpu:>8.0%} {level.other_cpu:>7.0%}"
    times = f"{level.slip_p99_ms:>9.1f} {level.lag_p95_ms:>9.1f}"
    head = f"{level.transport:>9} {level.streams:>6} {level.processes:>5}"
    print(f"{head} {shares} {times} {level.errors:>6} {level.streams_per_core:>13.0f}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="hold per level (default: 8)")
    parser.add_argument("--only", nargs="+", choices=list(LEVELS), help="these transports (default: all installed)")
    parser.add_argument("--total", type=int, default=1000, help="streams of the last level, 0 for none")
    parser.add_argument("--json", type=Path, help="write the result here too")
    asked = parser.parse_args()
    wanted = asked.only or [t for t in LEVELS if t != "deepgram" or find_spec("deepgram_sagemaker")]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        info = process.up(home, speed=60, metered={"lanes": 2000, "service_ms": 1})
        os.environ.update(info.env())
        try:
            wb = open_workbook("local", home=home)
            deploy.deploy(wb, deploy.plan(wb))
            result = run(wb, info.pid, wanted, asked.seconds, asked.total)
        finally:
            process.down(home)
    print(json.dumps(result))
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1))


def run(wb: Workbook, server_pid: int, wanted: Sequence[str], seconds: float, total: int) -> dict[str, object]:
    """All levels, and the ratios."""
    machine = Machine(server_pid)
    levels: list[Level] = []
    print(f"{'transport':>9} {'streams':>6} procs   client   server   other  slip p99   lag p95 errors  streams/core")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for future in [pool.submit(ready) for _ in range(2)]:
            future.result()
        for transport in wanted:
            for n in LEVELS[transport]:
                level = measure(wb, pool, machine, transport, n, processes=1, seconds=seconds)
                levels.append(level)
                show(level)
                if not level.held and level.client_cpu > 0.5:
                    break
        if total and "lean" in wanted:
            levels.append(measure(wb, pool, machine, "lean", total, processes=2, seconds=seconds))
            show(levels[-1])
    best = {}
    for transport in wanted:
        held = [x for x in levels if x.transport == transport and x.held and x.processes == 1]
        if held:
            best[transport] = max(held, key=lambda x: x.streams).streams_per_core
    ratio = best["lean"] / best["sdk"] if {"lean", "sdk"} <= set(best) else None
    print(f"\nstreams per client core: {', '.join(f'{t} {v:.0f}' for t, v in best.items()) or 'none held'}", end="")
    print(f"; lean / sdk = {ratio:.1f} (claim: at least 5)" if ratio else "")
    return {
        "claim": "lean holds at least 5 times the streams per client core; 1000 in all",
        "ratio": ratio,
        "streams_per_core": best,
        "total_held": next((x.held for x in levels if x.processes == 2), None),
        "levels": [asdict(x) for x in levels],
    }


if __name__ == "__main__":
    main()

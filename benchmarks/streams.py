"""How the runtime server holds up under real-time streams of AWS's own client.

    python benchmarks/streams.py [--streams 10 200] [--seconds 10] [--json FILE]

The embedded AWS with the ``metered`` engine (lanes to spare, 1 ms per 100 ms of audio), client processes of at most
100 streams each. A sample is one 100 ms chunk: from the call of ``send`` to its parsed interim result. Prints p50 and
p95 per level, the server's CPU, what others took of the machine meanwhile (above a tenth of a core, run it again), and
the ratio of each level's p95 to the first one's; the last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from dgsm_helpers import local
from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.rules.sample import bundled_sample
from dgsm_helpers.session import open_workbook

CHUNK_S = 0.1
CHUNK_BYTES = 3200
PER_CLIENT = 100
WARM_UP_S = 2.0
OPEN_ALLOWANCE_S = 0.05
SETTINGS = {"lanes": 1000, "service_ms": 1}
QUERY = "model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true&endpointing=false"


# A client process


async def run_client(home: Path, streams: int, begin_s: float, seconds: float, seed: int) -> dict[str, Any]:
    """Hold ``streams`` real-time streams from ``begin_s`` (Unix time) on; latencies in milliseconds."""
    from aws_sdk_sagemaker_runtime_http2.client import AsyncSageMakerRuntimeHTTP2Client
    from aws_sdk_sagemaker_runtime_http2.config import AsyncSageMakerRuntimeHTTP2Config
    from smithy_aws_core.identity import EnvironmentCredentialsResolver
    from smithy_http.aio.crt import AWSCRTHTTPClient

    wb = open_workbook("local", home=home)
    config = await AsyncSageMakerRuntimeHTTP2Config.resolve(
        endpoint_uri=wb.stream_url,
        region="us-east-1",
        aws_credentials_identity_resolver=EnvironmentCredentialsResolver(),
        transport=AWSCRTHTTPClient(),
    )
    client = AsyncSageMakerRuntimeHTTP2Client(config=config)
    opened = []
    for _ in range(streams):
        opened.append(await open_stream(client, wb.endpoint_name))
    rng = random.Random(seed)
    late = begin_s - time.time()
    start = time.monotonic() + max(0.0, late)
    tasks = [
        hold(duplex, receiver, start + rng.random() * CHUNK_S, seconds, rng.randrange(100) * CHUNK_BYTES)
        for duplex, receiver in opened
    ]
    results = await asyncio.gather(*tasks)
    return {
        "latencies_ms": [ms for latencies, _, _ in results for ms in latencies],
        "sent": sum(sent for _, sent, _ in results),
        "slip_ms": max(slip for _, _, slip in results),
        "opened_in_time": late > 0,
        "cpu_s": time.process_time(),
    }


async def open_stream(client: Any, endpoint: str) -> tuple[Any, Any]:
    """One accepted stream."""
    from aws_sdk_sagemaker_runtime_http2.models import InvokeEndpointWithBidirectionalStreamInput

    asked = InvokeEndpointWithBidirectionalStreamInput(
        endpoint_name=endpoint, model_invocation_path="v1/listen", model_query_string=QUERY
    )
    duplex = await asyncio.wait_for(client.invoke_endpoint_with_bidirectional_stream(asked), 10)
    _, receiver = await asyncio.wait_for(duplex.await_output(), 10)
    return duplex, receiver


async def hold(duplex: Any, receiver: Any, start: float, seconds: float, offset: int) -> tuple[list[float], int, float]:
    """One stream on an absolute schedule; latencies of the chunks after the warm-up."""
    from aws_sdk_sagemaker_runtime_http2.models import RequestPayloadPart, RequestStreamEventPayloadPart

    audio = bundled_sample().pcm * 2
    period = len(bundled_sample().pcm)
    sent_at: list[float] = []
    latencies: list[float] = []

    async def read() -> None:
        heard = 0
        while (event := await receiver.receive()) is not None:
            message = json.loads(event.value.bytes_)
            if message["type"] == "Results" and not message["is_final"]:
                if sent_at[heard] - start >= WARM_UP_S:
                    latencies.append((time.monotonic() - sent_at[heard]) * 1000)
                heard += 1

    reading = asyncio.create_task(read())
    slip = 0.0
    for number in range(int((WARM_UP_S + seconds) / CHUNK_S)):
        due = start + number * CHUNK_S
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        slip = max(slip, time.monotonic() - due)
        at = (offset + number * CHUNK_BYTES) % period
        part = RequestPayloadPart(bytes_=audio[at : at + CHUNK_BYTES], data_type="BINARY")
        sent_at.append(time.monotonic())
        await duplex.input_stream.send(RequestStreamEventPayloadPart(value=part))
    close = RequestPayloadPart(bytes_=b'{"type":"CloseStream"}', data_type="UTF8")
    await duplex.input_stream.send(RequestStreamEventPayloadPart(value=close))
    await asyncio.wait_for(reading, 30)
    measured = sum(at - start >= WARM_UP_S for at in sent_at)
    await duplex.input_stream.close()
    return latencies, measured, slip * 1000


# The experiment


def percentile(values: list[float], share: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("inf")


def busy_s() -> float:
    """CPU seconds everything on this machine has used."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq + times.steal


def level(home: Path, server: psutil.Process, streams: int, seconds: float) -> dict[str, Any]:
    """Run one level and put its numbers together."""
    shares = [PER_CLIENT] * (streams // PER_CLIENT) + ([streams % PER_CLIENT] if streams % PER_CLIENT else [])
    begin_s = time.time() + 1.5 + OPEN_ALLOWANCE_S * max(shares)
    clients = [
        subprocess.Popen(
            [sys.executable, __file__, "--client", home, str(share), str(begin_s), str(seconds), str(seed)],
            stdout=subprocess.PIPE,
        )
        for seed, share in enumerate(shares)
    ]
    time.sleep(max(0.0, begin_s + WARM_UP_S - time.time()))
    ours = [server, *(psutil.Process(client.pid) for client in clients)]
    before, all_before, at = [p.cpu_times() for p in ours], busy_s(), time.monotonic()
    time.sleep(seconds)
    after, all_after, wall = [p.cpu_times() for p in ours], busy_s(), time.monotonic() - at
    answers = [json.loads(client.communicate()[0]) for client in clients]
    latencies = [ms for answer in answers for ms in answer["latencies_ms"]]
    used = [b.user + b.system - a.user - a.system for a, b in zip(before, after, strict=True)]
    return {
        "streams": streams,
        "p50_ms": round(percentile(latencies, 0.50), 2),
        "p95_ms": round(percentile(latencies, 0.95), 2),
        "p99_ms": round(percentile(latencies, 0.99), 2),
        "answered": round(len(latencies) / sum(answer["sent"] for answer in answers), 4),
        "client_slip_max_ms": round(max(answer["slip_ms"] for answer in answers), 1),
        "clients_ready": all(answer["opened_in_time"] for answer in answers),
        "server_cpu": round(used[0] / wall, 3),
        "clients_cpu": round(sum(used[1:]) / wall, 3),
        "other_cpu": round((all_after - all_before - sum(used)) / wall, 3),
        "server_rss_mb": server.memory_info().rss >> 20,
    }


def main() -> None:
    """Run the levels and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, nargs="+", default=[10, 200])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path, help="write the result here too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        info = local.up(home, metered=SETTINGS)
        os.environ.update(info.env())
        try:
            wb = open_workbook("local", home=home)
            deployment.deploy(wb, deployment_plan.plan(wb))
            server = psutil.Process(info.pid)
            levels = [level(home, server, n, asked.seconds) for n in asked.streams]
        finally:
            local.down(home)
    for row in levels:
        row["p95_ratio"] = round(row["p95_ms"] / levels[0]["p95_ms"], 2)
        print(
            f"{row['streams']:5d} streams: p50 {row['p50_ms']:.1f} ms, p95 {row['p95_ms']:.1f} ms "
            f"({row['p95_ratio']:.1f} x that of {levels[0]['streams']}), answered {row['answered']:.1%}, "
            f"server {row['server_cpu']:.0%} of a core and {row['server_rss_mb']} MB, others {row['other_cpu']:.0%}"
        )
    result = {"engine": SETTINGS, "levels": levels}
    print(json.dumps(result))
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        folder, count, begin, length, number = sys.argv[2:7]
        print(json.dumps(asyncio.run(run_client(Path(folder), int(count), float(begin), float(length), int(number)))))
    else:
        main()

"""What one refresh of the live view costs: AWS calls, time in the kernel, memory.

    python benchmarks/dashboard.py [--refreshes 1000] [--json FILE]

Starts an embedded AWS of its own at high speed, lets an endpoint publish three hours of metrics, and refreshes the
live view over that window. Prints, and with ``--json`` writes:

- HTTP requests of each refresh, whatever the service: of the two that make the first picture and of every later one;
- milliseconds of each refresh, processor time of the refreshing thread and wall, against asking for the whole window
  every time (a new feed for each picture);
- how many KB the process holds more at the end of the refreshes than at their begin, after a warm-up, and when (at this
  speed each refresh brings minutes of new data, more than in real time).

The proof that memory stays flat is ``--refreshes 10000``: some ten minutes.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from dgsm_helpers import local
from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.session import Workbook, open_workbook
from dgsm_helpers.views.feed import Feed
from dgsm_helpers.views.widgets.live_view import Live

SPEED = 300.0
WINDOW_S = 3 * 3600.0
WARM_UP = 50
MAX_CALLS = 3
MAX_MS = 150.0
MAX_GROWTH_KB = 2000
"""Over all refreshes: what a heap breathes. A leak of one picture a refresh would be 20 MB for every thousand."""
SERVICES = ("sagemaker", "cloudwatch", "application-autoscaling", "pricing")


def main() -> int:
    """Run it; 0 when a refresh keeps to its limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refreshes", type=int, default=1000, metavar="N", help="refreshes to measure (default 1000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        local.up(Path(home), speed=SPEED)
        try:
            found = measure(open_workbook("local", home=home, endpoint_name="dg-dashboard"), args.refreshes)
        finally:
            local.down(Path(home))
    report(found)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    return 0 if found["within_limits"] else 1


def measure(wb: Workbook, refreshes: int) -> dict:
    """Deploy, wait for three hours of metrics, refresh."""
    deployment.deploy(wb, deployment_plan.plan(wb))
    registration.register(wb)
    registration.apply(wb)
    wb.sleep(WINDOW_S)
    requests: Counter[str] = Counter()
    for service in SERVICES:
        wb.client(service).meta.events.register(
            "request-created", lambda operation_name, **_: requests.update([operation_name])
        )
    try:
        feed = Feed(wb, window_s=WINDOW_S)
        first = []
        while not feed.complete:
            requests.clear()
            feed.state()
            first.append(sorted(requests.elements()))
        view = Live(wb, window_s=WINDOW_S)
        whole = [refresh(Live(wb, window_s=WINDOW_S), requests) for _ in range(10)]
        for _ in range(WARM_UP):
            refresh(view, requests)
        # One row per refresh, made beforehand: the benchmark's own notes must not look like the view's memory.
        later = np.zeros(refreshes, dtype=[(name, float) for name in whole[0]])
        held_kb = [rss_kb()]
        for number in range(refreshes):
            later[number] = tuple(refresh(view, requests).values())
            if number % max(refreshes // 10, 1) == 0:
                held_kb.append(rss_kb())
        held_kb.append(rss_kb())
        points = len(view.state.concurrency)
    finally:
        deletion.delete(wb)
    calls = int(later["requests"].max())
    cpu_ms = percentiles(later["cpu_ms"].tolist())
    grown_kb = held_kb[-1] - held_kb[0]
    return {
        "window_s": WINDOW_S,
        "datapoints": points,
        "refreshes": refreshes,
        "requests_of_the_first_picture": first,
        "requests_a_refresh_max": calls,
        "cpu_ms": cpu_ms,
        "wall_ms": percentiles(later["wall_ms"].tolist()),
        "cpu_ms_whole_window_each_time": percentiles([one["cpu_ms"] for one in whole]),
        "html_kb": round(float(later["html_kb"].max()), 1),
        "held_kb": held_kb,
        "memory_growth_kb": grown_kb,
        "within_limits": max(calls, *map(len, first)) <= MAX_CALLS
        and cpu_ms["p95"] <= MAX_MS
        and grown_kb <= MAX_GROWTH_KB,
    }


def refresh(view: Live, requests: Counter[str]) -> dict[str, float]:
    """One refresh: how many requests, how long, how much the browser gets."""
    requests.clear()
    wall, cpu = time.perf_counter(), time.thread_time()
    view.once()
    cost = {"cpu_ms": (time.thread_time() - cpu) * 1000, "wall_ms": (time.perf_counter() - wall) * 1000}
    html = view.widget.children[1].value
    if view.state is None or view.state.trouble or "⚠" in html:
        raise SystemExit(f"The view shows trouble: {html[-300:]}")
    return {**cost, "requests": requests.total(), "html_kb": len(html) / 1000}


def percentiles(values: list[float]) -> dict[str, float]:
    """Median, p95 and maximum, rounded."""
    ordered = sorted(values)
    picked = (statistics.median(ordered), ordered[int(0.95 * (len(ordered) - 1))], ordered[-1])
    return dict(zip(("median", "p95", "max"), (round(value, 1) for value in picked), strict=True))


def rss_kb() -> int:
    """Resident memory now (Linux), else the largest so far."""
    gc.collect()
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmRSS")).split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def report(found: dict) -> None:
    """The numbers in words."""
    first, cpu, wall = found["requests_of_the_first_picture"], found["cpu_ms"], found["wall_ms"]
    whole = found["cpu_ms_whole_window_each_time"]["median"]
    print(f"window {found['window_s'] / 3600:g} h, {found['datapoints']} datapoints, {found['html_kb']:g} KB of HTML")
    for number, made in enumerate(first, 1):
        print(f"first picture, refresh {number} of {len(first)}: {len(made)} calls ({', '.join(made)})")
    print(f"refresh: at most {found['requests_a_refresh_max']} calls (limit {MAX_CALLS})")
    print(f"  in the kernel  median {cpu['median']} ms, p95 {cpu['p95']} ms, max {cpu['max']} ms (limit {MAX_MS:g} ms)")
    print(f"  wall           median {wall['median']} ms, p95 {wall['p95']} ms")
    print(
        f"  asking for the whole window each time: {whole} ms in the kernel, {whole / cpu['median']:.1f} times as much"
    )
    print(
        f"memory: {found['memory_growth_kb']:+d} KB over {found['refreshes']} refreshes (limit {MAX_GROWTH_KB:+d} KB)"
    )
    print(f"  MB held on the way: {', '.join(f'{kb / 1000:.1f}' for kb in found['held_kb'])}")
    print("within limits" if found["within_limits"] else "NOT within limits")


if __name__ == "__main__":
    raise SystemExit(main())

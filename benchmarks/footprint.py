"""What the package costs at rest: import time, start of the embedded AWS, its memory and processor when idle.

Prints one JSON object and writes it to benchmarks/results/footprint.json. The ratio compares with `import boto3` in
the same run, since machines differ.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from dgsm_helpers import local

RUNS = 5
IDLE_S = 20


def import_seconds(module: str) -> float:
    """Median time of `import module` in a fresh interpreter, less the interpreter's own start."""

    def once(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    return statistics.median(once(f"import {module}") - once("pass") for _ in range(RUNS))


def main() -> None:
    """Measure, print, write."""
    package, boto3 = import_seconds("dgsm_helpers"), import_seconds("boto3")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        start = time.perf_counter()
        info = local.up(home)
        up_s = time.perf_counter() - start
        try:
            server = psutil.Process(info.pid)
            family = [server, *server.children(recursive=True)]
            before = sum(sum(p.cpu_times()[:2]) for p in family)
            time.sleep(IDLE_S)
            cpu = (sum(sum(p.cpu_times()[:2]) for p in family) - before) / IDLE_S
            memory_mb = sum(p.memory_info().rss for p in family) / 2**20
        finally:
            start = time.perf_counter()
            local.down(home)
            down_s = time.perf_counter() - start
    result = {
        "import_dgsm_helpers_s": round(package, 3),
        "import_boto3_s": round(boto3, 3),
        "import_ratio_to_boto3": round(package / boto3, 3),
        "up_s": round(up_s, 2),
        "down_s": round(down_s, 2),
        "idle_memory_mb": round(memory_mb, 1),
        "idle_cpu_percent_of_a_core": round(100 * cpu, 2),
        "idle_seconds_observed": IDLE_S,
        "speed": info.speed,
    }
    print(json.dumps(result, indent=2))
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "footprint.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

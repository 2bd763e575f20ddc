"""What the package costs at rest: imports, help, opening a workbook, and the embedded AWS's start, memory and idling.

Prints one JSON object and writes it to benchmarks/results/footprint.json. Every time is of whole processes: the
smallest of several runs is what this machine can do, the median what a user sees on it today. ``targets`` says which
of the smallest keep to what is promised. The ratio compares with `import boto3` in the same run, since machines differ.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from dgsm_helpers import local

RUNS = 7
IDLE_S = 20
SPEED = 600.0

TARGETS_S = {"import_dgsm_helpers": 0.05, "open_workbook_local": 0.7, "deploy_imports": 1.0, "dgsm_help": 0.15}
OPEN = "from dgsm_helpers import open_workbook; wb = open_workbook('local')"
DEPLOY = f"{OPEN}; from dgsm_helpers import deploy; deploy.deploy(wb, deploy.plan(wb)); deploy.delete(wb)"


def run(*arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """One Python process, which must succeed."""
    env = {**os.environ, **({"DGSM_HOME": str(home)} if home else {})}
    return subprocess.run([sys.executable, *arguments], check=True, env=env, capture_output=True, text=True)


def wall_seconds(*arguments: str, home: Path | None = None) -> Callable[[], float]:
    """Measures one such process from its start to its end."""

    def measure() -> float:
        start = time.perf_counter()
        run(*arguments, home=home)
        return time.perf_counter() - start

    return measure


def import_seconds(code: str, home: Path) -> Callable[[], float]:
    """Measures what of one such process is spent on importing modules, as the interpreter itself counts it."""
    return lambda: (
        sum(map(int, re.findall(r"import time: +(\d+)", run("-X", "importtime", "-c", code, home=home).stderr))) / 1e6
    )


def summary(measure: Callable[[], float], *, less_s: float = 0.0) -> dict[str, float]:
    """The smallest and the median of several runs after one that fills the caches, without ``less_s``."""
    measure()
    seconds = [measure() - less_s for _ in range(RUNS)]
    return {"min_s": round(min(seconds), 3), "median_s": round(statistics.median(seconds), 3)}


def main() -> None:
    """Measure, print, write."""
    interpreter_s = summary(wall_seconds("-c", "pass"))["min_s"]
    times = {
        "interpreter": {"min_s": interpreter_s},
        "import_dgsm_helpers": summary(wall_seconds("-c", "import dgsm_helpers"), less_s=interpreter_s),
        "import_boto3": summary(wall_seconds("-c", "import boto3"), less_s=interpreter_s),
        "dgsm_help": summary(wall_seconds("-m", "dgsm_helpers.cli.main", "--help")),
    }
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        start = time.perf_counter()
        info = local.up(home, speed=SPEED)
        up_s = time.perf_counter() - start
        try:
            server = psutil.Process(info.pid)
            family = [server, *server.children(recursive=True)]
            before = sum(sum(p.cpu_times()[:2]) for p in family)
            time.sleep(IDLE_S)
            cpu = (sum(sum(p.cpu_times()[:2]) for p in family) - before) / IDLE_S
            memory_mb = sum(p.memory_info().rss for p in family) / 2**20
            times["open_workbook_local"] = summary(wall_seconds("-c", OPEN, home=home))
            times["deploy_imports"] = summary(import_seconds(DEPLOY, home))
        finally:
            start = time.perf_counter()
            local.down(home)
            down_s = time.perf_counter() - start
    result = {
        "times": times,
        "targets": {
            name: f"{times[name]['min_s']:.3f} s of {most_s:g} s: {'kept' if times[name]['min_s'] <= most_s else 'MISSED'}"
            for name, most_s in TARGETS_S.items()
        },
        "import_ratio_to_boto3": round(times["import_dgsm_helpers"]["min_s"] / times["import_boto3"]["min_s"], 3),
        "up_s": round(up_s, 2),
        "down_s": round(down_s, 2),
        "idle_memory_mb": round(memory_mb, 1),
        "idle_cpu_percent_of_a_core": round(100 * cpu, 2),
        "idle_seconds_observed": IDLE_S,
        "speed": info.speed,
        "load_average": os.getloadavg()[0],
    }
    print(json.dumps(result, indent=2))
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "footprint.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""What the package costs at rest: imports, help, opening a workbook, and the embedded AWS's start, memory and idling.

Prints one JSON object and writes it to benchmarks/results/footprint.json. Times are of whole processes. The smallest of
several runs is what the machine can do, the median what it does while other work is on it; ``kept`` holds the smallest
against what is promised. The ratio compares with `import boto3` in the same run, since machines differ.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from dgsm_helpers import local

RUNS = 7
IDLE_S = 20
DEPLOYMENTS = 3

MOST_S = {"import_dgsm_helpers": 0.05, "open_workbook_local": 0.7, "deploy_imports": 1.0, "dgsm_help": 0.15}
"""What each may take at most, the interpreter's own start included."""
MOST_UP_S, MOST_IDLE_MB = 1.0, 110.0
"""Of the embedded AWS: until its first answer, and at rest."""
STARTS = 3

OPEN = "from dgsm_helpers import open_workbook; wb = open_workbook('local')"
DEPLOY = f"{OPEN}; from dgsm_helpers import cleanup, deploy; deploy.deploy(wb, deploy.plan(wb)); cleanup.delete(wb)"


def run(*arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """One Python process, which must succeed."""
    env = {**os.environ, **({"DGSM_HOME": str(home)} if home else {})}
    return subprocess.run([sys.executable, *arguments], check=True, env=env, capture_output=True, text=True)


def processor_seconds() -> float:
    """What all processes that were waited for have used of a processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def whole_process(*arguments: str, home: Path | None = None) -> dict[str, float]:
    """Wall and processor seconds of a Python process from its start to its end, over several runs."""
    run(*arguments, home=home)  # fills the caches
    wall, processor = [], []
    for _ in range(RUNS):
        start, used = time.perf_counter(), processor_seconds()
        run(*arguments, home=home)
        wall.append(time.perf_counter() - start)
        processor.append(processor_seconds() - used)
    return {
        "min_s": round(min(wall), 3),
        "median_s": round(statistics.median(wall), 3),
        "processor_min_s": round(min(processor), 3),
    }


def imports_of(code: str, home: Path) -> dict[str, float]:
    """Seconds that a Python process spends on importing modules, as the interpreter itself counts them."""
    lines = (run("-X", "importtime", "-c", code, home=home).stderr for _ in range(DEPLOYMENTS))
    seconds = [sum(map(int, re.findall(r"import time: +(\d+)", text))) / 1e6 for text in lines]
    return {"min_s": round(min(seconds), 3), "median_s": round(statistics.median(seconds), 3)}


def main() -> None:
    """Measure, print, write."""
    times = {
        "interpreter": whole_process("-c", "pass"),
        "import_dgsm_helpers": whole_process("-c", "import dgsm_helpers"),
        "import_boto3": whole_process("-c", "import boto3"),
        "dgsm_help": whole_process("-m", "dgsm_helpers.cli.main", "--help"),
    }
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        starts = []
        for _ in range(STARTS):
            local.down(home)
            start = time.perf_counter()
            info = local.up(home)
            starts.append(time.perf_counter() - start)
        up_s = min(starts)
        try:
            server = psutil.Process(info.pid)
            family = [server, *server.children(recursive=True)]
            before = sum(sum(p.cpu_times()[:2]) for p in family)
            time.sleep(IDLE_S)
            cpu = (sum(sum(p.cpu_times()[:2]) for p in family) - before) / IDLE_S
            memory_mb = sum(p.memory_info().rss for p in family) / 2**20
            times["open_workbook_local"] = whole_process("-c", OPEN, home=home)
            times["deploy_imports"] = imports_of(DEPLOY, home)
        finally:
            start = time.perf_counter()
            local.down(home)
            down_s = time.perf_counter() - start

    def own(name: str) -> float:
        return times[name]["processor_min_s"] - times["interpreter"]["processor_min_s"]

    result = {
        "times": times,
        "kept": {name: times[name]["min_s"] <= most_s for name, most_s in MOST_S.items()}
        | {"up_s": up_s <= MOST_UP_S, "idle_memory_mb": memory_mb <= MOST_IDLE_MB},
        "import_ratio_to_boto3": round(own("import_dgsm_helpers") / own("import_boto3"), 3),
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

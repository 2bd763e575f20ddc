"""Runs `make test` several times while other processes keep every processor busy: ``python tests/kit/busy.py 5``.

Prints each run's closing line and stops at the first failure; the busy processes end whatever happens.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def _spin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():
        sum(range(1_000_000))


@contextmanager
def busy_processors(count: int | None = None) -> Iterator[None]:
    """Keeps ``count`` processors (default: all) busy for as long as the block lasts."""
    spinning = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(count or os.cpu_count() or 1)]
    for process in spinning:
        process.start()
    try:
        yield
    finally:
        for process in spinning:
            process.terminate()
            process.join()


def main(times: int, command: list[str]) -> int:
    """The exit code of the first run that failed, 0 when all passed."""
    with busy_processors():
        for number in range(1, times + 1):
            print(f"run {number} of {times} beside {os.cpu_count()} busy processes", flush=True)
            last = ""
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
                for last in run.stdout:
                    sys.stdout.write(last)
            print(f"run {number} of {times}: {last.strip()}", flush=True)
            if run.returncode:
                return run.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:] or ["make", "test"]))

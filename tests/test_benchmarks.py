"""Every script that gives a figure of README or docs runs in its smallest form; what it measures is no verdict here."""

import subprocess
import sys
from pathlib import Path

import pytest
from kit.machine import TOO_SLOW

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SMALLEST = {
    "abusers": ("--seconds", "1", "--only", "connections that say nothing"),
    "alarms": (),
    "calls_survive": ("--calls", "2", "--plain", "1", "--seconds", "30"),
    "dashboard": ("--refreshes", "5"),
    "footprint": (),
    "forecast": (),
    "search_cost": ("--efforts", "quick"),
    "simulate": ("--plans", "2"),
    "stream_client": ("--only", "lean", "--seconds", "1", "--total", "0"),
    "streams": ("--streams", "2", "--seconds", "1"),
}
JUDGE_TIME = {"abusers", "calls_survive"}
"""Scripts that may end with `TOO_SLOW`."""
TRIED_ELSEWHERE = {"backtest", "hand_over"}
NOT_TRIED = {"speech_knee"}
"""Minutes of a whole processor for the recogniser; the ladder that it climbs is what tests/load tries."""


def scripts():
    """The modules of the folder that are run, not imported."""
    return {path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")}


def test_every_benchmark_is_tried():
    assert scripts() == SMALLEST.keys() | TRIED_ELSEWHERE | NOT_TRIED


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("script", SMALLEST)
def test_a_benchmark_runs_to_its_end(script):
    run = subprocess.run(
        [sys.executable, FOLDER / f"{script}.py", *SMALLEST[script]], capture_output=True, text=True, check=False
    )
    assert run.returncode in ({0, TOO_SLOW} if script in JUDGE_TIME else {0}), run.stderr[-2000:]
    assert run.stdout.strip()

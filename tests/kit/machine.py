"""Whether this machine is too busy for a measurement in real time to say anything."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NoReturn

import pytest

from dgsm_helpers.errors import MeasurementInvalid
from dgsm_helpers.load.ladder.capacity import CapacityResult

LOOKS = 200
BUSY_S = 0.005
"""On a quiet machine a sleep ends within a millisecond of its time."""

TOO_SLOW = 3
"""How a benchmark ends that finds fault with nothing but this machine."""


def lateness_s() -> float:
    """By how much the latest of a hundred sleeps end late."""
    late = []
    for _ in range(LOOKS):
        began = time.monotonic()
        time.sleep(0.01)
        late.append(time.monotonic() - began - 0.01)
    return sorted(late)[int(0.99 * LOOKS)]


def in_real_time(agrees: bool, problem: str) -> None:
    """A comparison that a slow machine upsets: it has to hold on a quiet one."""
    if not agrees:
        could_not_measure(problem)


def require_measured(said: str) -> None:
    """Go on, unless a failed run says that its measurement was void, which says nothing of what was measured."""
    for line in said.splitlines():
        if "could not be measured" in line:
            could_not_measure(line.strip())


def measured(measure: Callable[[], CapacityResult]) -> CapacityResult:
    """What `measure` finds, in three attempts.

    A busy machine makes the client late, which voids a run, or the answers, so that a rung cannot be decided and the
    result says that it is not tight. Neither says anything of the knee.
    """
    for _ in range(3):
        try:
            result = measure()
        except MeasurementInvalid as error:
            problem = str(error)
        else:
            if result.tight:
                return result
            problem = f"nothing between {result.feasible_max} and {result.infeasible_min} could be decided"
    return could_not_measure(problem)


def could_not_measure(problem: str) -> NoReturn:
    """A measurement that was void: the test fails on a quiet machine, and is skipped where the machine explains it."""
    # The minute that is over counts, for what came in the way may be gone by now.
    wanted, processors = os.getloadavg()[0], os.cpu_count() or 1
    if wanted > processors:
        pytest.skip(f"{wanted:.1f} processes wanted {processors} processors, too busy to measure: {problem}")
    late_s = lateness_s()
    if late_s > BUSY_S:
        pytest.skip(f"this machine wakes processes {late_s * 1000:.0f} ms late, too busy to measure: {problem}")
    pytest.fail(problem)

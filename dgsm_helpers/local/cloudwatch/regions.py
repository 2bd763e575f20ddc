"""CloudWatch by region, for one embedded AWS a process: made at first use, all on one clock."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..clock import Clock
from .alarm import AlarmTransition
from .responder import CloudWatch

_lock = threading.Lock()
_by_region: dict[str, CloudWatch] = {}
_clock: Clock = Clock()


def install(clock: Clock) -> None:
    """Begin anew on ``clock``: no metrics, no alarms, no dashboards in any region."""
    global _clock
    with _lock:
        _clock = clock
        _by_region.clear()


def reset() -> None:
    """Forget all metrics, alarms and dashboards."""
    install(_clock)


def cloudwatch_for(region: str) -> CloudWatch:
    """CloudWatch of a region."""
    with _lock:
        if region not in _by_region:
            _by_region[region] = CloudWatch(region, _clock.now_s)
        return _by_region[region]


def evaluate_alarms(now_s: float) -> dict[str, list[AlarmTransition]]:
    """Evaluate the alarms that are due in all regions; the changes of state by region."""
    with _lock:
        regions = list(_by_region.items())
    return {region: cloudwatch.alarms.evaluate(now_s) for region, cloudwatch in regions}


def responders() -> dict[str, Callable[[str], object]]:
    """What the gateway needs to answer for CloudWatch."""
    return {"cloudwatch": cloudwatch_for}

"""The endpoint's own count of streams, to compare with what a load client holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from ..errors import DgsmError
from .metrics import CONCURRENCY, INVOCATION_NAMESPACE, Query, read

if TYPE_CHECKING:
    from ..session import Workbook

PERIOD_S = 10
OPENING_S = 2.0
"""Wall-clock seconds left out after the settling time: streams are opened one after the other."""


def gauge(wb: Workbook, *, settle_s: float) -> Callable[[float, float], float | None]:
    """A function of two wall-clock Unix times, a hold's begin and end: the most requests one instance held in between.

    It reads ``ConcurrentRequestsPerModel`` (Maximum, 10 s). None when CloudWatch has no whole period yet, or would not
    answer: the count guards a measurement and is not worth losing it.

    Args:
        settle_s: seconds after the begin that do not count.
    """
    dimensions = (("EndpointName", wb.endpoint_name), ("VariantName", wb.variant_name))
    query = Query("gauge", "streams", INVOCATION_NAMESPACE, CONCURRENCY, dimensions, "Maximum", PERIOD_S)
    pace = 1 / wb.wall_seconds(1.0)

    def count(begin_unix_s: float, end_unix_s: float) -> float | None:
        now, wall = wb.now(), time.time()

        def at(unix_s: float) -> float:
            return now.timestamp() + (unix_s - wall) * pace

        first, last = at(begin_unix_s + settle_s + OPENING_S), at(end_unix_s)
        if last - first < PERIOD_S:
            return None
        start, end = (now + timedelta(seconds=t - now.timestamp()) for t in (first - PERIOD_S, last))
        try:
            series, _ = read(wb, [query], start, end)
        except DgsmError:
            return None
        whole = [value for t, value in series[0].items() if first <= t.timestamp() <= last - PERIOD_S]
        return max(whole, default=None)

    return count

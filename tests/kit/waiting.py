"""Waiting for what must come, however slow the machine is.

No verdict of a test depends on how fast the machine is. What must happen is waited for with a generous end. What must
not happen is looked for after something later in the same queue was seen. Bounds on time are benchmarks' business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

AT_MOST_S = 300.0
"""An end for what hangs, far beyond what a busy machine needs."""


def until[T](
    condition: Callable[[], T],
    what: str = "what was waited for",
    *,
    at_most_s: float = AT_MOST_S,
    every_s: float = 0.05,
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """The first true answer of ``condition``. A workbook's ``sleep_s`` as ``sleep`` moves its time on meanwhile.

    Raises:
        AssertionError: none came within ``at_most_s``; it says ``what`` was waited for, and the last answer.
    """
    end = time.monotonic() + at_most_s
    while not (answer := condition()):
        assert time.monotonic() < end, f"{what}: not within {at_most_s:g} s; last answer: {answer!r}"
        sleep(every_s)
    return answer


async def until_async[T](
    condition: Callable[[], T],
    what: str = "what was waited for",
    *,
    at_most_s: float = AT_MOST_S,
    every_s: float = 0.01,
) -> T:
    """As `until`, while the event loop goes on."""
    end = time.monotonic() + at_most_s
    while not (answer := condition()):
        assert time.monotonic() < end, f"{what}: not within {at_most_s:g} s; last answer: {answer!r}"
        await asyncio.sleep(every_s)
    return answer

"""How a call of a load goes, while it goes on."""

from __future__ import annotations

import time
from collections import deque


class CallProgress:
    """A call that goes on, as `Load.snapshot` looks at it."""

    def __init__(self, lags: list[tuple[float, float]]) -> None:
        self.is_open = False
        self.recent_lags: deque[tuple[float, float]] = deque(maxlen=128)
        self._lags = lags

    def result(self, lag_s: float) -> None:
        """A result came so much later than its audio was spoken."""
        self.is_open = True
        at_s = time.monotonic()
        self.recent_lags.append((at_s, lag_s))
        self._lags.append((at_s, lag_s))

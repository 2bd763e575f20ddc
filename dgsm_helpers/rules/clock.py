"""Local time of the embedded AWS: wall time from the start on, running ``speed`` times as fast.

Metrics, alarms, cooldowns and provisioning follow it; streams always follow the wall.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    """``speed`` local seconds pass in one wall second; both read ``origin_s`` (Unix seconds) at the start."""

    speed: float = 1.0
    origin_s: float = 0.0

    @classmethod
    def starting_now(cls, speed: float) -> Clock:
        """A clock whose local time equals wall time at this moment."""
        return cls(speed=speed, origin_s=time.time())

    def now_s(self) -> float:
        """Local time in Unix seconds."""
        return self.origin_s + (time.time() - self.origin_s) * self.speed

    def now(self) -> datetime:
        """Local time as an aware UTC datetime."""
        return datetime.fromtimestamp(self.now_s(), UTC)

    def wall_delay_s(self, local_s: float) -> float:
        """Wall seconds in which ``local_s`` local seconds pass."""
        return local_s / self.speed

"""Local time of the embedded AWS: it runs ``speed`` times as fast as the wall, from the moment of the start.

Metrics, alarms, cooldowns and provisioning follow it; streams always follow the wall.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class LocalTime:
    """``speed`` local seconds pass in one wall second; both read ``origin_s`` (Unix seconds) at the start."""

    speed: float = 1.0
    origin_s: float = 0.0

    def local_s(self, wall_s: float) -> float:
        """Local time in Unix seconds when the wall shows ``wall_s``."""
        return self.origin_s + (wall_s - self.origin_s) * self.speed

    def wall_delay_s(self, local_delay_s: float) -> float:
        """Wall seconds in which ``local_delay_s`` local seconds pass."""
        return local_delay_s / self.speed

"""Local time of the embedded AWS: it runs ``speed`` times as fast as the wall, from the moment of the start.

Metrics, alarms, cooldowns and provisioning follow it; streams always follow the wall.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class LocalTime:
    """``speed`` local seconds pass in one wall second.

    At the start local time read ``origin_s`` (Unix seconds), and the machine's monotonic clock ``started_s``: that one
    is the same in all processes, and nobody sets it.
    """

    speed: float = 1.0
    origin_s: float = 0.0
    started_s: float = 0.0

    def local_s(self, monotonic_s: float) -> float:
        """Local time in Unix seconds when the monotonic clock shows ``monotonic_s``."""
        return self.origin_s + (monotonic_s - self.started_s) * self.speed

    def wall_delay_s(self, local_delay_s: float) -> float:
        """Wall seconds in which ``local_delay_s`` local seconds pass."""
        return local_delay_s / self.speed

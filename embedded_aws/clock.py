"""The embedded AWS's clock: local time, read from the wall."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from dgsm_helpers.rules.local_time import LocalTime


@dataclass(frozen=True)
class Clock(LocalTime):
    """Local time now."""

    @classmethod
    def starting_now(cls, speed: float) -> Clock:
        """A clock whose local time equals wall time at this moment."""
        return cls(speed=speed, origin_s=time.time())

    def now_s(self) -> float:
        """Local time in Unix seconds."""
        return self.local_s(time.time())

    def now(self) -> datetime:
        """Local time as an aware UTC datetime."""
        return moment(self.now_s())


def moment(at_s: float) -> datetime:
    """Unix seconds as an aware UTC datetime."""
    return datetime.fromtimestamp(at_s, UTC)

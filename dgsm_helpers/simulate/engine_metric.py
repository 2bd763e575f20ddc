"""The concurrency metric as alarms see it: the instances' samples of every beat as a statistic over a period."""

from __future__ import annotations

from dgsm_helpers.errors import InvalidInput

STATISTICS = ("Average", "Maximum", "Sum")


class Datapoints:
    """Collects the samples of each tick and yields a datapoint at the end of each period."""

    def __init__(self, *, statistic: str, period_s: float, tick_s: float) -> None:
        if statistic not in STATISTICS:
            raise InvalidInput(f"The simulator has the statistics {', '.join(STATISTICS)}, not {statistic!r}.")
        ticks = period_s / tick_s
        if ticks < 1 or ticks != int(ticks):
            raise InvalidInput(f"An alarm's period must be a multiple of {tick_s:g} s, not {period_s:g} s.")
        self.ticks = int(ticks)
        self._statistic = statistic
        self._sum = self._samples = self._top = 0

    def add(self, total: int, samples: int, top: int) -> None:
        """One tick: the sum of the samples, how many there are, and the largest."""
        self._sum += total
        self._samples += samples
        self._top = max(self._top, top)

    def take(self) -> float | None:
        """The period's datapoint, None when there was no sample; starts the next period."""
        total, samples, top = self._sum, self._samples, self._top
        self._sum = self._samples = self._top = 0
        if not samples:
            return None
        if self._statistic == "Average":
            return total / samples
        return float(top if self._statistic == "Maximum" else total)

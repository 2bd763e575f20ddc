"""An alarm fed one datapoint at a time: the states of `alarms.evaluate` on the whole history, at less cost."""

from __future__ import annotations

from collections import deque

from dgsm_helpers.rules.alarms import AlarmSpec, AlarmStateName, deciding_datapoints, evaluate


class AlarmTracker:
    """One alarm in virtual time; starts in INSUFFICIENT_DATA at ``now_s``.

    While no datapoint is missing, M of N needs only a count of breaching ones. As soon as one is missing within the
    evaluation range, the documented table decides (`evaluate`).
    """

    def __init__(self, spec: AlarmSpec, now_s: float) -> None:
        self.spec = spec
        self.state: AlarmStateName = "INSUFFICIENT_DATA"
        self.since_s = now_s
        self._points: deque[float | None] = deque([None] * spec.evaluation_range, maxlen=spec.evaluation_range)
        self._flags = deque([False] * spec.evaluation_periods, maxlen=spec.evaluation_periods)
        self._breaching = 0
        self._missing = spec.evaluation_range
        self._needed = spec.datapoints_to_alarm
        self._breaches = spec.breaches

    def push(self, value: float | None, now_s: float) -> bool:
        """Take the next period's datapoint (None: missing) and evaluate; whether the state has changed."""
        points, flags = self._points, self._flags
        if points[0] is None:
            self._missing -= 1
        points.append(value)
        flag = value is not None and self._breaches(value)
        self._breaching += flag - flags[0]
        flags.append(flag)
        if value is None:
            self._missing += 1
        if self._missing == 0:
            state: AlarmStateName = "ALARM" if self._breaching >= self._needed else "OK"
        else:
            state = evaluate(self.spec, list(points)) or self.state
        if state == self.state:
            return False
        self.state, self.since_s = state, now_s
        return True

    def datapoints(self) -> tuple[float, ...]:
        """The datapoints it was judged on, oldest first."""
        return deciding_datapoints(self.spec, list(self._points))

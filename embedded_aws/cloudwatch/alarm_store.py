"""The alarms of one region: kept, evaluated on the local clock, remembered in their history.

When a state changes is decided by ``rules.alarms.evaluate``, the same function that the planner uses.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import floor

from dgsm_helpers.rules import alarms as rules
from dgsm_helpers.rules.alarms import AlarmStateName
from embedded_aws.clock import Failures
from embedded_aws.cloudwatch.metric_alarm import (
    INITIAL,
    AlarmStatus,
    HistoryItem,
    MetricAlarm,
    Point,
    reason,
    reason_data,
    recent_datapoints,
)
from embedded_aws.cloudwatch.metric_store import MetricStore
from embedded_aws.cloudwatch.query_run import QueryRun, read
from embedded_aws.cloudwatch.refusals import not_found

Carried = Iterable[tuple[str, Mapping[str, object]]]
"""Summary and data of each action that was carried out."""

HISTORY_KEPT_S = 30 * 86400.0
"""CloudWatch keeps an alarm's history for 30 days, also when the alarm is gone."""
_HISTORY_ITEMS = 20_000


class AlarmStore:
    """The alarms of one region, over its metrics; thread-safe.

    ``carry_out`` is told the status before and after a change of state, and carries out the actions of it.
    """

    def __init__(
        self, store: MetricStore, now_s: Callable[[], float], carry_out: Callable[[AlarmStatus, AlarmStatus], Carried]
    ) -> None:
        self._store = store
        self._now_s = now_s
        self._carry_out = carry_out
        self._lock = threading.RLock()
        self._by_name: dict[str, AlarmStatus] = {}
        self._slots: dict[str, int] = {}
        """Number of the interval of 10 or 60 seconds in which an alarm was last evaluated."""
        self._history: deque[HistoryItem] = deque(maxlen=_HISTORY_ITEMS)
        self._failures = Failures()
        self._by_hand: dict[str, AlarmStatus] = {}
        self._changes: list[tuple[AlarmStatus, AlarmStatus]] = []
        """Of states, whose actions are still to be carried out: outside the lock, as subscribers may ask back."""

    def put(self, alarm: MetricAlarm) -> None:
        """Create an alarm in INSUFFICIENT_DATA, or replace the configuration of one and leave its state and tags.

        Raises:
            AwsRefusal: its metrics do not fit together.
        """
        now_s = self._now_s()
        start_s = floor(now_s / alarm.spec.period_s) * alarm.spec.period_s
        QueryRun(self._store, alarm.queries, start_s, now_s, now_s).only_series()
        with self._lock:
            old = self._by_name.get(alarm.name)
            if old is None:
                self._by_name[alarm.name] = AlarmStatus(
                    alarm=alarm,
                    state="INSUFFICIENT_DATA",
                    reason=INITIAL,
                    reason_data="",
                    configured_s=now_s,
                    updated_s=now_s,
                    transitioned_s=now_s,
                    actions_enabled=alarm.actions_enabled,
                    tags=dict(alarm.tags),
                )
            else:
                updated = replace(old, alarm=alarm, configured_s=now_s, actions_enabled=alarm.actions_enabled)
                self._by_name[alarm.name] = updated
            self._slots.pop(alarm.name, None)
            kind = "Create" if old is None else "Update"
            self._remember(
                alarm.name, "ConfigurationUpdate", f'Alarm "{alarm.name}" {kind.lower()}d', {"type": kind}, now_s
            )

    def get(self, name: str) -> AlarmStatus | None:
        """One alarm, or None."""
        with self._lock:
            return self._by_name.get(name)

    def describe(self, names: Iterable[str] | None = None, *, prefix: str = "") -> list[AlarmStatus]:
        """Alarms by name, those that exist of ``names``; all without it."""
        with self._lock:
            existing = sorted(self._by_name) if names is None else sorted(set(names) & self._by_name.keys())
            return [self._by_name[name] for name in existing if name.startswith(prefix)]

    def delete(self, names: Iterable[str]) -> None:
        """Delete alarms; names that do not exist are passed over."""
        with self._lock:
            for name in names:
                if self._by_name.pop(name, None):
                    self._slots.pop(name, None)
                    self._by_hand.pop(name, None)
                    self._remember(
                        name, "ConfigurationUpdate", f'Alarm "{name}" deleted', {"type": "Delete"}, self._now_s()
                    )

    def set_state(self, name: str, state: AlarmStateName, why: str, data: str = "") -> None:
        """Set a state by hand; it lasts until the next evaluation. ``data`` is StateReasonData, JSON or empty."""
        with self._lock:
            status, now_s = self._existing(name), self._now_s()
            if status.state != state:
                datapoints = recent_datapoints(data)
                self._change(status, state, why=why, data=data, at_s=now_s, datapoints=datapoints)
                self._by_hand[name] = self._by_name[name]
            else:
                self._by_name[name] = replace(status, reason=why, reason_data=data, updated_s=now_s)
        self._act()

    def set_by_hand(self, name: str, *, since_s: float) -> AlarmStatus | None:
        """The status that SetAlarmState gave an alarm at ``since_s`` or later, else None."""
        with self._lock:
            status = self._by_hand.get(name)
            return status if status and status.transitioned_s >= since_s else None

    def enable_actions(self, names: Iterable[str], enabled: bool) -> None:
        """Whether a change of state triggers the actions; names that do not exist are passed over."""
        with self._lock:
            for status in self.describe(names):
                self._by_name[status.alarm.name] = replace(status, actions_enabled=enabled)

    def set_tags(self, name: str, tags: Mapping[str, str]) -> None:
        """Replace an alarm's tags. Raises AwsRefusal: ResourceNotFound."""
        with self._lock:
            self._by_name[name] = replace(self._existing(name), tags=dict(tags))

    def record_action(self, name: str, summary: str, data: Mapping[str, object]) -> None:
        """Note in the history that an action was carried out, such as "Successfully executed action arn:…"."""
        self._remember(name, "Action", summary, data, self._now_s())

    def history(self, name: str | None = None) -> list[HistoryItem]:
        """What happened in the last 30 days, oldest first; to all alarms without ``name``."""
        since_s = self._now_s() - HISTORY_KEPT_S
        with self._lock:
            return [i for i in self._history if i.at_s >= since_s and name in (None, i.alarm_name)]

    def evaluate(self, now_s: float) -> None:
        """Evaluate the alarms that are due: each once in 10 s with a period below a minute, else once a minute."""
        with self._lock:
            for name, status in list(self._by_name.items()):
                slot = floor(now_s / status.alarm.spec.evaluated_every_s)
                if slot > self._slots.get(name, -1):
                    self._slots[name] = slot
                    with self._failures.logged(f"alarm {name}"):
                        self._evaluate(status, now_s)
        self._act()

    def _act(self) -> None:
        """Carry out the actions of the states that have changed."""
        with self._lock:
            changes, self._changes = self._changes, []
        for before, after in changes:
            for summary, data in self._carry_out(before, after):
                self._remember(after.alarm.name, "Action", summary, data, after.transitioned_s)

    def _evaluate(self, status: AlarmStatus, now_s: float) -> None:
        spec = status.alarm.spec
        end_s = floor(now_s / spec.period_s) * spec.period_s
        starts = [float(end_s - age * spec.period_s) for age in range(spec.evaluation_range, 0, -1)]
        series = self._series(status.alarm, starts[0], end_s, now_s)
        values = [series.get(start) for start in starts]
        state = rules.evaluate(spec, values) or status.state
        existing = [(start, value) for start, value in zip(starts, values, strict=True) if value is not None]
        points = existing[-spec.evaluation_periods :]
        datapoints = tuple(value for _, value in points)
        if state == status.state:
            self._by_name[status.alarm.name] = replace(status, datapoints=datapoints)
            return
        data = reason_data(
            status.alarm,
            points,
            periods=starts[-spec.evaluation_periods :],
            now_s=now_s,
            sample_counts=self._sample_counts(status.alarm, points),
        )
        why = reason(spec, state, points, m_of_n=status.alarm.m_of_n)
        self._change(status, state, why=why, data=data, at_s=now_s, datapoints=datapoints)

    def _series(self, alarm: MetricAlarm, start_s: float, end_s: float, now_s: float) -> Mapping[float, float]:
        if alarm.metric:
            return read(self._store, alarm.metric, start_s=start_s, end_s=end_s)
        return QueryRun(self._store, alarm.queries, start_s, end_s, now_s).only_series()

    def _sample_counts(self, alarm: MetricAlarm, points: Sequence[Point]) -> Mapping[float, float]:
        if alarm.metric is None or not points:
            return {}
        counted = replace(alarm.metric, stat="SampleCount")
        return read(self._store, counted, start_s=points[0][0], end_s=points[-1][0] + counted.period_s)

    def _change(
        self,
        status: AlarmStatus,
        state: AlarmStateName,
        *,
        why: str,
        data: str,
        at_s: float,
        datapoints: tuple[float, ...] = (),
    ) -> None:
        after = self._by_name[status.alarm.name] = replace(
            status,
            state=state,
            reason=why,
            reason_data=data,
            updated_s=at_s,
            transitioned_s=at_s,
            datapoints=datapoints,
        )
        self._changes.append((status, after))
        changed = {"oldState": _state(status), "newState": _state(after)}
        summary = f"Alarm updated from {status.state} to {state}"
        self._remember(status.alarm.name, "StateUpdate", summary, changed, at_s)

    def _remember(self, name: str, kind: str, summary: str, data: Mapping[str, object], at_s: float) -> None:
        item = HistoryItem(
            alarm_name=name, at_s=at_s, kind=kind, summary=summary[:255], data=json.dumps({"version": "1.0", **data})
        )
        with self._lock:
            self._history.append(item)

    def _existing(self, name: str) -> AlarmStatus:
        status = self._by_name.get(name)
        if status is None:
            raise not_found(f"The alarm {name} does not exist.")
        return status


def _state(status: AlarmStatus) -> dict[str, object]:
    """A state as a line of the history has it."""
    told: dict[str, object] = {"stateValue": status.state, "stateReason": status.reason}
    return told | ({"stateReasonData": json.loads(status.reason_data)} if status.reason_data else {})

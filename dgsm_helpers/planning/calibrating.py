"""From what a real endpoint shows (alarms, activities, alarm history, metric) to its scaling model.

What the endpoint does not show stays an assumption, and the result says which.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from dgsm_helpers.aws.core.tables import Table, folded, html_table
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling.scalable_target import AlarmState
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.metrics import CONCURRENCY, read, variant_query
from dgsm_helpers.aws.watch.observe import ScalingActivity
from dgsm_helpers.places.kept_recording import kept_recording
from dgsm_helpers.planning.cloudwatch_exports import METRIC_EVERY_S
from dgsm_helpers.rules.alarms import AlarmSpec, Comparison, TreatMissing
from dgsm_helpers.rules.fleet import LEAST_OUTSTANDING_REQUESTS
from dgsm_helpers.rules.model import GRADES, Assumption, ScalingModel, recorded_model
from dgsm_helpers.session import Workbook

TEN_SECOND_DATA = timedelta(hours=3)
"""How long CloudWatch keeps the ten-second datapoints that a faithful replay needs."""
_STARTS_WANTED = 3
"""Fewer completed scale-outs give a median but no spread."""
_SILENCE_WANTED = 6
"""Intervals in a row without a datapoint that mean more than one which came late."""
_ANSWERED_WITHIN_S = 180.0
"""AWS looks at an alarm again every minute and writes nothing down during a cooldown or while scaling is suspended: an
activity that comes later than a few looks tells when that ended, not how long AWS takes to react."""
_BARE_UNITS = ("rule", "mode", "code", "strategy", "statistic", "yes/no")
"""Units that only say what kind of value it is."""


def read_model(wb: Workbook) -> Calibration:
    """The scaling model of the workbook's endpoint: alarms, activities, alarm history, metric history and routing.

    Alarms settle statistic, datapoints and period; activities how long starts and removals take, and with the alarms'
    history the reaction; the metric whether idle instances publish a zero. Parts that are not there yet (no alarm, no
    scale-out) are left as assumed.

    Raises:
        NotFound: there is no endpoint.
    """
    endpoint = EndpointReading(wb)
    model = recorded_model(kept_recording(wb.home))
    source = f"endpoint {wb.endpoint_name} in {wb.region}, read {wb.now():%Y-%m-%d %H:%M} UTC"
    if routing := endpoint.configured.routing:
        model = model.with_evidence(source, routing=routing)
    alarms = _of_one_policy(observe.alarm_states(wb))
    return calibrate(
        model,
        source=source,
        alarms=recorded_alarms(alarms),
        activities=observe.read_activities(wb),
        into_alarm_s=observe.times_in_alarm(wb, [alarm.name for alarm in alarms]),
        least_streams=_least_streams(wb, endpoint.state.created),
    )


def _of_one_policy(alarms: Sequence[AlarmState]) -> list[AlarmState]:
    """The alarms of the policy on concurrency; where there is none, those on the same metric as the first."""
    metrics = [alarm.metric for alarm in alarms]
    followed = CONCURRENCY if CONCURRENCY in metrics else next(iter(metrics), "")
    return [alarm for alarm in alarms if alarm.metric == followed]


def model_for(wb: Workbook) -> Calibration:
    """`read_model`; while there is no endpoint, the assumptions with the routing of a deployment plan."""
    if endpoint_state.find(wb) is not None:
        return read_model(wb)
    model = replace(recorded_model(kept_recording(wb.home)), routing=LEAST_OUTSTANDING_REQUESTS)
    return calibrate(model, source="")


def recorded_alarms(states: Iterable[AlarmState]) -> list[AlarmSpec]:
    """What alarms compare, as the calibration takes it; those on several metrics have no period and are left out.

    Raises:
        InvalidInput: one compares in a way that no alarm of target tracking does.
    """
    return [
        AlarmSpec(
            threshold=state.threshold,
            comparison=cast(Comparison, state.comparison),
            period_s=state.period_s,
            evaluation_periods=state.evaluation_periods,
            datapoints_to_alarm=state.datapoints_to_alarm,
            statistic=state.statistic,
            treat_missing=cast(TreatMissing, state.missing_data),
        )
        for state in states
        if state.threshold is not None and state.period_s is not None
    ]


def _least_streams(wb: Workbook, created: datetime | None) -> list[float | None]:
    """The concurrency's minimum in each ten seconds from its first datapoint of the last hours on; None: no sample."""
    minimum = variant_query(wb, CONCURRENCY, "Minimum", METRIC_EVERY_S)
    start = wb.now() - TEN_SECOND_DATA + timedelta(seconds=60)
    (points,), _ = read(wb, [minimum], max(created or start, start), wb.now())
    if not points:
        return []
    first, every = min(points), timedelta(seconds=METRIC_EVERY_S)
    return [points.get(first + i * every) for i in range((max(points) - first) // every + 1)]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A model with what could be read; ``read`` and ``assumed`` are its table, split."""

    model: ScalingModel
    read: tuple[Assumption, ...]
    assumed: tuple[Assumption, ...]


def calibrate(
    model: ScalingModel,
    *,
    source: str,
    alarms: Sequence[AlarmSpec] = (),
    activities: Sequence[ScalingActivity] = (),
    into_alarm_s: Mapping[str, Sequence[float]] | None = None,
    least_streams: Sequence[float | None] = (),
) -> Calibration:
    """Fill the model with what an endpoint shows.

    Args:
        model: where unread values come from.
        source: endpoint and time of reading, for the table.
        alarms: of the policy, from DescribeAlarms. They settle statistic, periods and datapoints.
        activities: any order. Completed scale-outs give the start-up time, completed scale-ins that of a removal.
        into_alarm_s: when each alarm, by name, went into ALARM. With the activities it gives the
            reaction overhead.
        least_streams: the metric's minimum in every interval of a time in service, None where nothing was published:
            shows whether an instance without streams publishes a zero or nothing.
    """
    values = alarm_values(alarms)
    grown, shrunk = _lengths(activities)
    values.update(_from_starts(grown))
    if shrunk:
        values["scale_in_s"] = float(statistics.median(shrunk))
    if into_alarm_s:
        values.update(reaction_values(activities, into_alarm_s))
    values.update(_from_idle(least_streams))
    filled = model.with_evidence(source, **values)
    table = filled.assumptions()
    return Calibration(
        model=filled,
        read=tuple(row for row in table if row.grade == "READ"),
        assumed=tuple(row for row in table if row.grade != "READ"),
    )


def alarm_values(alarms: Sequence[AlarmSpec]) -> dict[str, Any]:
    """The model's values that a policy's alarms show."""
    high = next((a for a in alarms if a.comparison in (">", ">=")), None)
    low = next((a for a in alarms if a.comparison in ("<", "<=")), None)
    values: dict[str, Any] = {}
    for alarm, name in ((high, "high"), (low, "low")):
        if alarm is None:
            continue
        fine = alarm.period_s < 60
        values["high_resolution_period_s" if fine else "minute_period_s"] = alarm.period_s
        values[f"{name}_periods" if fine else f"minute_{name}_periods"] = alarm.evaluation_periods
        values["treat_missing"] = alarm.treat_missing
        if alarm.statistic in ("Average", "Maximum"):
            values["statistic"] = alarm.statistic
    if high and low and high.threshold:
        values["low_factor"] = round(low.threshold / high.threshold, 6)
    return values


def _lengths(activities: Sequence[ScalingActivity]) -> tuple[list[float], list[float]]:
    """Seconds that completed changes took: those to more instances than before, and those to fewer."""
    grown: list[float] = []
    shrunk: list[float] = []
    former: int | None = None
    for activity in sorted(activities, key=lambda a: a.started):
        capacity = activity.desired_instances
        if capacity is None or activity.status != "Successful":
            continue
        length = activity.duration_s
        if length:
            if "AlarmHigh" in activity.cause if former is None else capacity > former:
                grown.append(length)
            elif "AlarmLow" in activity.cause if former is None else capacity < former:
                shrunk.append(length)
        former = capacity
    return grown, shrunk


def _from_starts(times_s: Sequence[float]) -> dict[str, Any]:
    if not times_s:
        return {}
    values = {"provision_cached_s": float(statistics.median(times_s))}
    if len(times_s) >= _STARTS_WANTED:
        values["provision_cached_spread"] = statistics.stdev(map(math.log, times_s))
        # What was read holds every kind of start; a second, assumed kind beside it would count some twice.
        values["uncached_share"] = 0.0
    return values


def reaction_values(
    activities: Sequence[ScalingActivity], into_alarm_s: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """How long activities came after the alarms that caused them; what AWS decided against is an answer, too."""
    # Of the activities that one alarm caused only the first tells the reaction; later ones are re-invocations.
    first: dict[tuple[str, float], float] = {}
    for activity in activities:
        started_s = activity.started.timestamp()
        for name, moments in into_alarm_s.items():
            before = [m for m in moments if m <= started_s]
            if name in activity.cause and before:
                alarm = name, max(before)
                first[alarm] = min(started_s - alarm[1], first.get(alarm, math.inf))
    prompt = [delay for delay in first.values() if delay <= _ANSWERED_WITHIN_S]
    return {"reaction_overhead_s": float(statistics.median(prompt))} if prompt else {}


def _from_idle(least_streams: Sequence[float | None]) -> dict[str, Any]:
    if any(value == 0 for value in least_streams):
        return {"idle_instance_emits_zero": True}
    gaps = [len(list(run)) for missing, run in itertools.groupby(least_streams, lambda v: v is None) if missing]
    return {"idle_instance_emits_zero": False} if max(gaps, default=0) >= _SILENCE_WANTED else {}


class Assumptions(Table):
    """The scaling model's table: what was read from the endpoint first, then what is assumed, by how well it is known.

    Shown as a table in a notebook; ``str()`` is the same as text.
    """

    _columns = ("rule", "value", "grade", "meaning and source")

    def __init__(self, model: ScalingModel) -> None:
        order = ["READ", *GRADES]
        self.rows = tuple(sorted(model.assumptions(), key=lambda row: order.index(row.grade)))

    @property
    def headline(self) -> str:
        """How much of it is known, for the caption of a figure."""
        read = sum(row.grade == "READ" for row in self.rows)
        return f"{read} of {len(self.rows)} rules read from the endpoint, {len(self.rows) - read} assumed"

    def __repr__(self) -> str:
        return f"<Assumptions: {self.headline}>"

    def _repr_html_(self) -> str:
        """How much is known; the rules can be opened."""
        return folded(self._caption(), html_table("", self._columns, self._rows()))

    def _caption(self) -> str:
        return f"The scaling model: {self.headline}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (r.name, r.value if r.unit in _BARE_UNITS else f"{r.value} {r.unit}", r.grade, f"{r.meaning} [{r.source}]")
            for r in self.rows
        ]

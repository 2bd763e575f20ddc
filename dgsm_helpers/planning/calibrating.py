"""A real endpoint as the simulator sees it: its scaling model and its plan.

What the endpoint does not show stays an assumption, and the result says which.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.endpoint_config import read_endpoint_config
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import scalable_target, scheduled_actions
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.alarm_history import times_in_alarm
from dgsm_helpers.aws.watch.metrics import CONCURRENCY, read, variant_query
from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.planning.sources import METRIC_EVERY_S
from dgsm_helpers.rules.alarms import AlarmSpec, Comparison, TreatMissing
from dgsm_helpers.rules.fleet import LEAST_OUTSTANDING_REQUESTS
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import Bounds, ScheduledChange, TargetTracking
from dgsm_helpers.rules.schedules import parse_schedule
from dgsm_helpers.simulate.calibration import Calibration, RecordedActivity, calibrate
from dgsm_helpers.simulate.scaling_plan import ScalingPlan

if TYPE_CHECKING:
    from datetime import datetime

    from dgsm_helpers.aws.scaling.scaling_state import AlarmState
    from dgsm_helpers.aws.scaling.scheduled_actions import ScheduledAction
    from dgsm_helpers.aws.watch.observe import ScalingActivity
    from dgsm_helpers.session import Workbook

TEN_SECOND_DATA = timedelta(hours=3)
"""How long CloudWatch keeps the ten-second datapoints that a faithful replay needs."""


def read_model(wb: Workbook, model: ScalingModel | None = None) -> Calibration:
    """The scaling model of the workbook's endpoint: alarms, activities, alarm history, metric history and routing.

    Alarms settle statistic, datapoints and period; activities how long starts and removals take, and with the alarms'
    history the reaction; the metric whether idle instances publish a zero. Parts that are not there yet (no alarm, no
    scale-out) are left as assumed.

    Args:
        model: where unread values come from; the nominal assumptions by default.

    Raises:
        NotFound: there is no endpoint.
    """
    state = endpoint_state.status(wb)
    model = model or ScalingModel()
    source = f"endpoint {wb.endpoint_name} in {wb.region}, read {wb.now():%Y-%m-%d %H:%M} UTC"
    if routing := read_endpoint_config(wb, state.config_name).variant(wb.variant_name).routing:
        model = model.with_evidence(source, routing=routing)
    alarms = observe.alarm_states(wb)
    return calibrate(
        model,
        source=source,
        alarms=recorded_alarms(alarms),
        activities=recorded_activities(observe.read_activities(wb)),
        into_alarm_s=times_in_alarm(wb, [alarm.name for alarm in alarms]),
        least_streams=_least_streams(wb, state.created),
    )


def model_for(wb: Workbook, model: ScalingModel | None = None) -> Calibration:
    """`read_model`; while there is no endpoint, the assumptions with the routing of a deployment plan."""
    if endpoint_state.find(wb) is not None:
        return read_model(wb, model)
    return calibrate(replace(model or ScalingModel(), routing=LEAST_OUTSTANDING_REQUESTS), source="")


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


def recorded_activities(activities: Iterable[ScalingActivity]) -> list[RecordedActivity]:
    """Scaling activities as the calibration takes them."""
    return [
        RecordedActivity(
            start_s=activity.started.timestamp(),
            end_s=activity.ended.timestamp() if activity.ended else None,
            capacity=activity.desired_instances,
            cause=activity.cause,
            status=activity.status,
        )
        for activity in activities
    ]


def active_plan(wb: Workbook, *, begin: datetime, horizon_s: float, initial_count: int | None = None) -> ScalingPlan:
    """The plan that AWS holds for the variant now: policies, bounds, scheduled actions, instance types.

    Args:
        begin: when the traffic begins, for the scheduled actions.
        horizon_s: length of the traffic.
        initial_count: instances at the begin; the minimum by default.

    Raises:
        NotFound: no endpoint, or the variant is not registered.
        NotReady: it has no policy.
        InvalidInput: a policy that is not target tracking, whose alarm is the account's own.
    """
    target = scalable_target.require_target(wb)
    policies = []
    for policy in scalable_target.policies(wb):
        if policy.policy_type != "TargetTrackingScaling":
            raise InvalidInput(
                f"Policy {policy.name!r} is of type {policy.policy_type}; only target tracking can be read back.",
                hint="Plan it with rules.policies.StepScaling and its alarm.",
            )
        tracking = TargetTracking.from_configuration(policy.name, policy.configuration)
        # What a metric of the account's own counts is not known, so that it cannot be played as concurrency.
        policies.append(tracking if tracking.metric == "high-resolution" else replace(tracking, metric="metric-math"))
    if not policies:
        raise NotReady(f"{wb.resource_id} has no scaling policy.", hint="Apply one: register.apply(wb).")
    count = None if initial_count is None else min(max(initial_count, target.min_capacity), target.max_capacity)
    return ScalingPlan(
        name=f"as applied to {wb.endpoint_name}",
        policies=tuple(policies),
        bounds=Bounds(
            min_capacity=target.min_capacity,
            max_capacity=target.max_capacity,
            scaling_in_suspended=target.suspension.scale_in,
            scaling_out_suspended=target.suspension.scale_out,
            scheduled_suspended=target.suspension.scheduled,
        ),
        schedule=scheduled_changes(scheduled_actions.listed(wb), begin, horizon_s),
        instance_types=EndpointReading(wb).instance_types,
        initial_count=count,
    )


def scheduled_changes(
    actions: Iterable[ScheduledAction], begin: datetime, horizon_s: float
) -> tuple[ScheduledChange, ...]:
    """All that scheduled actions do to traffic from ``begin`` on, for ``horizon_s``, in order of time."""
    begin_s, changes = begin.timestamp(), []
    for action in actions:
        next_after = parse_schedule(action.schedule, action.timezone)
        first_s = -1.0 if action.start is None else (action.start - begin).total_seconds()
        last_s = horizon_s if action.end is None else (action.end - begin).total_seconds()
        moment_s = next_after(begin_s - 1)
        while moment_s is not None and moment_s < begin_s + horizon_s:
            at_s = moment_s - begin_s
            if first_s <= at_s <= last_s:
                low, high = action.min_capacity, action.max_capacity
                changes.append(ScheduledChange(at_s=at_s, min_capacity=low, max_capacity=high, name=action.name))
            moment_s = next_after(moment_s)
    return tuple(sorted(changes, key=lambda change: change.at_s))


def _least_streams(wb: Workbook, created: datetime | None) -> list[float | None]:
    """The concurrency's minimum in each ten seconds from its first datapoint of the last hours on; None: no sample."""
    minimum = variant_query(wb, CONCURRENCY, "Minimum", METRIC_EVERY_S)
    start = wb.now() - TEN_SECOND_DATA + timedelta(seconds=60)
    (points,), _ = read(wb, [minimum], max(created or start, start), wb.now())
    if not points:
        return []
    first, every = min(points), timedelta(seconds=METRIC_EVERY_S)
    return [points.get(first + i * every) for i in range((max(points) - first) // every + 1)]

"""A real endpoint as the simulator sees it: its scaling model, its plan, its traffic, and the back-test of all three.

What the endpoint does not show stays an assumption, and the result says which.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import scalable_target, scheduled_actions
from dgsm_helpers.aws.scaling.policy import PREDEFINED_METRIC
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.metrics import CONCURRENCY, finest_period_s, read, variant_query
from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.planning.scheduled_changes import planned
from dgsm_helpers.planning.sources import METRIC_EVERY_S, STREAM_S
from dgsm_helpers.rules.fleet import LEAST_OUTSTANDING_REQUESTS
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import Bounds, TargetTracking
from dgsm_helpers.simulate.calibration import (
    Backtest,
    Calibration,
    RecordedActivity,
    RecordedAlarm,
    alarm_moments,
    backtest,
    calibrate,
)
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.instance_capacity import Capacity
from dgsm_helpers.simulate.replay import replay, series_of
from dgsm_helpers.simulate.scaling_plan import Plan

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from dgsm_helpers.session import Workbook
    from dgsm_helpers.simulate.simulated_run import Run
    from dgsm_helpers.simulate.traffic import Traffic

TEN_SECOND_DATA = timedelta(hours=3)
"""How long CloudWatch keeps the ten-second datapoints that a faithful replay needs."""
_HISTORY_ROWS = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class Replayed:
    """A recorded period played again.

    ``counts`` has one row a minute: ``recorded_instances`` and ``simulated_instances`` by UTC time.
    """

    result: Backtest
    calibration: Calibration
    run: Run
    counts: pd.DataFrame

    def __str__(self) -> str:
        minutes, r = len(self.result.recorded), self.result
        return (
            f"Back-test of {minutes} minutes: the simulated instance count equals the recorded one in "
            f"{r.equal_share:.0%} of them; mean difference {r.mean_error:.2f} instances, bias {r.bias:+.2f}. "
            f"{len(self.calibration.read)} rules read, {len(self.calibration.assumed)} assumed."
        )


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
    if routing := _routing(wb, state):
        model = model.with_evidence(source, routing=routing)
    alarms = observe.alarm_states(wb)
    return calibrate(
        model,
        source=source,
        alarms=[
            RecordedAlarm(
                name=a.name,
                comparison=a.comparison,
                threshold=a.threshold,
                period_s=a.period_s,
                evaluation_periods=a.evaluation_periods,
                datapoints_to_alarm=a.datapoints_to_alarm,
                statistic=a.statistic,
                treat_missing=a.missing_data,
            )
            for a in alarms
            if a.threshold is not None and a.period_s is not None
        ],
        activities=_recorded_activities(wb),
        into_alarm_s=alarm_moments([row for alarm in alarms for row in _history(wb, alarm.name)]),
        least_streams=_least_streams(wb, state.created),
    )


def model_for(wb: Workbook, model: ScalingModel | None = None) -> Calibration:
    """`read_model`; while there is no endpoint, the assumptions with the routing that `deploy.plan` asks for."""
    if endpoint_state.find(wb) is not None:
        return read_model(wb, model)
    return calibrate(dataclasses.replace(model or ScalingModel(), routing=LEAST_OUTSTANDING_REQUESTS), source="")


def active_plan(wb: Workbook, *, begin: datetime, horizon_s: float, initial_count: int | None = None) -> Plan:
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
    for held in scalable_target.policies(wb):
        if held.policy_type != "TargetTrackingScaling":
            raise InvalidInput(
                f"Policy {held.name!r} is of type {held.policy_type}; only target tracking can be read back.",
                hint="Plan it with simulate.policies.StepScaling and its alarm.",
            )
        policies.append(_tracking(held.name, held.configuration))
    if not policies:
        raise NotReady(f"{wb.resource_id} has no scaling policy.", hint="Apply one: scaling.apply(wb).")
    count = None if initial_count is None else min(max(initial_count, target.min_capacity), target.max_capacity)
    return Plan(
        name=f"as applied to {wb.endpoint_name}",
        policies=tuple(policies),
        bounds=Bounds(
            min_capacity=target.min_capacity,
            max_capacity=target.max_capacity,
            scaling_in_suspended=target.scale_in_suspended,
            scaling_out_suspended=target.scale_out_suspended,
            scheduled_suspended=target.scheduled_suspended,
        ),
        schedule=planned(scheduled_actions.listed(wb), begin, horizon_s),
        instance_types=endpoint_state.instance_types(wb, endpoint_state.status(wb)),
        initial_count=count,
    )


def recorded_traffic(
    wb: Workbook,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    mean_s: float = STREAM_S,
    seed: int = 0,
) -> tuple[Traffic, datetime]:
    """The endpoint's own concurrency of a period as sessions, and when it begins.

    Args:
        start, end: aware datetimes; default: the last three hours, as long as ten-second data is kept.
        mean_s: mean length of a stream, which CloudWatch does not know.
        seed: of the lengths.

    Raises:
        NotReady: no concurrency was recorded in that period.
        InvalidInput: the record has a gap (the endpoint was not in service, or metrics came late).
    """
    end = end or wb.now() - timedelta(seconds=2 * METRIC_EVERY_S)
    start = start or wb.now() - TEN_SECOND_DATA + timedelta(seconds=60)
    found = observe.metrics(wb, start, end, period_s=finest_period_s(wb.now() - start))
    frame = found.concurrency
    # One sample per instance and interval: their sum is the variant's concurrency, averaged over a longer period.
    total = frame["concurrency_mean_streams"] * frame["samples_count"] / (found.period_s / METRIC_EVERY_S)
    first, last = total.first_valid_index(), total.last_valid_index()
    if first is None or first == last:
        raise NotReady(
            f"CloudWatch has no concurrency of {wb.resource_id} from {start:%Y-%m-%d %H:%M} to {end:%H:%M} UTC.",
            hint="Choose a period in which the endpoint was in service.",
        )
    kept = total.loc[first:last].dropna()
    times = [time.timestamp() for time in kept.index]
    series = series_of(times, kept.tolist(), name=f"concurrency of {wb.endpoint_name}")
    return replay(series, mean_s=mean_s, seed=seed), first.to_pydatetime()


def back_test(
    wb: Workbook,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    model: ScalingModel | None = None,
    mean_s: float = STREAM_S,
    seed: int = 0,
) -> Replayed:
    """Play a recorded period again under the plan that AWS holds, and compare instance counts minute by minute.

    Bounds and policies must have been the same throughout: AWS keeps no history of them.

    Args:
        start, end: aware datetimes; default: from the policy's creation, at most three hours back, until now.
        model: where what cannot be read comes from; the nominal assumptions by default.
        mean_s: mean length of a stream, which CloudWatch does not know.
        seed: of what is random.

    Raises:
        NotFound, NotReady, InvalidInput: as `active_plan` and `recorded_traffic`.
    """
    calibration = read_model(wb, model)
    start = start or max(_policy_created(wb), wb.now() - TEN_SECOND_DATA + timedelta(seconds=60))
    traffic, begin = recorded_traffic(wb, start, end, mean_s=mean_s, seed=seed)
    recorded = _counts_since(observe.instances(wb), begin)
    plan = active_plan(wb, begin=begin, horizon_s=traffic.horizon_s, initial_count=round(recorded[0][1]))
    # Instance counts do not depend on what an instance can carry; a knee is only needed to judge overload.
    run = simulate(traffic, plan, capacity=Capacity(knee=1), model=calibration.model, seed=seed)
    result = backtest(run, recorded)
    return Replayed(result=result, calibration=calibration, run=run, counts=_per_minute(result, begin))


def _least_streams(wb: Workbook, created: datetime) -> list[float | None]:
    """The concurrency's minimum in each ten seconds from its first datapoint of the last hours on; None: no sample."""
    minimum = variant_query(wb, CONCURRENCY, "Minimum", METRIC_EVERY_S)
    start = max(created, wb.now() - TEN_SECOND_DATA + timedelta(seconds=60))
    (found,), _ = read(wb, [minimum], start, wb.now())
    if not found:
        return []
    first, every = min(found), timedelta(seconds=METRIC_EVERY_S)
    return [found.get(first + i * every) for i in range((max(found) - first) // every + 1)]


def _recorded_activities(wb: Workbook) -> list[RecordedActivity]:
    import pandas as pd

    return [
        RecordedActivity(
            start_s=row.started.timestamp(),
            end_s=None if pd.isna(row.ended) else row.ended.timestamp(),
            capacity=None if pd.isna(row.desired_instances) else int(row.desired_instances),
            cause=row.cause,
            status=row.status,
        )
        for row in observe.activities(wb).itertuples(index=False)
    ]


def _history(wb: Workbook, alarm_name: str) -> list[dict[str, Any]]:
    rows = pages(
        wb,
        "cloudwatch",
        "DescribeAlarmHistory",
        "AlarmHistoryItems",
        AlarmName=alarm_name,
        HistoryItemType="StateUpdate",
    )
    return [row for row, _ in zip(rows, range(_HISTORY_ROWS), strict=False)]


def _routing(wb: Workbook, state: endpoint_state.EndpointState) -> str | None:
    config = call(wb, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=state.config_name)
    variant = next((v for v in config["ProductionVariants"] if v["VariantName"] == wb.variant_name), {})
    return (variant.get("RoutingConfig") or {}).get("RoutingStrategy")


def _tracking(name: str, held: Any) -> TargetTracking:
    predefined = (held.get("PredefinedMetricSpecification") or {}).get("PredefinedMetricType")
    return TargetTracking(
        name=name,
        target_value=held["TargetValue"],
        metric="high-resolution" if predefined == PREDEFINED_METRIC else "metric-math",
        scale_out_cooldown_s=held.get("ScaleOutCooldown", 300),
        scale_in_cooldown_s=held.get("ScaleInCooldown", 300),
        disable_scale_in=held.get("DisableScaleIn", False),
    )


def _policy_created(wb: Workbook) -> datetime:
    rows = pages(
        wb, scalable_target.SERVICE, "DescribeScalingPolicies", "ScalingPolicies", **scalable_target.triple(wb)
    )
    created = [row["CreationTime"] for row in rows]
    if not created:
        raise NotReady(f"{wb.resource_id} has no scaling policy.", hint="Apply one: scaling.apply(wb).")
    return max(created)


def _counts_since(instances: pd.DataFrame, begin: datetime) -> list[tuple[float, float]]:
    """(seconds since ``begin``, running instances), the first at 0; of several changes at one time the last."""
    running = instances["running_instances"]
    before = running[running.index <= begin]
    points = {0.0: float(before.iloc[-1] if len(before) else running.iloc[0])}
    for time, count in running[running.index > begin].items():
        points[(time - begin).total_seconds()] = float(count)
    return sorted(points.items())


def _per_minute(result: Backtest, begin: datetime) -> pd.DataFrame:
    import pandas as pd

    index = pd.date_range(begin + timedelta(minutes=1), periods=len(result.recorded), freq="min", name="time")
    return pd.DataFrame({"recorded_instances": result.recorded, "simulated_instances": result.simulated}, index=index)

"""Reading what the doctor judges, in few calls: each part once, a part that may not be read noted and left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from math import isfinite
from typing import Any

from dgsm_helpers import state as evidence
from dgsm_helpers.aws.account.quotas import endpoint_quotas
from dgsm_helpers.aws.account.recommended import alarm_names
from dgsm_helpers.aws.core.calls import pages
from dgsm_helpers.aws.core.money import prices_of
from dgsm_helpers.aws.doctor.snapshot import PARTS, Expected, PolicyAlarm, Snapshot, TrafficSnapshot
from dgsm_helpers.aws.endpoint.endpoint_config import ConfiguredVariant, EndpointConfig
from dgsm_helpers.aws.endpoint.endpoint_kind import EndpointKind, kind_of
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState
from dgsm_helpers.aws.scaling import journal
from dgsm_helpers.aws.scaling.policy import NAMESPACE
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, described_alarms, read_alarms, read_policy, read_target
from dgsm_helpers.aws.watch.engine_metrics import EngineWord, read_engine
from dgsm_helpers.aws.watch.metrics import CONCURRENCY, ERROR_METRICS, MINUTE_S, read, variant_query
from dgsm_helpers.aws.watch.observe import ScalingActivity, read_activities
from dgsm_helpers.errors import AccessDenied, InvalidInput, NotFound
from dgsm_helpers.session import Workbook

WINDOW = timedelta(days=3)
_SAMPLES_PER_MINUTE = 6
_NEWEST_ACTIVITIES = 200


def gather(
    wb: Workbook, expected: Expected, *, activities: Callable[[], Sequence[ScalingActivity]] | None = None
) -> Snapshot:
    """Read the endpoint's configuration, scaling, alarms, last days, quotas, price and measured capacity.

    Args:
        activities: reads the variant's activities, newest first; default: the newest 200.

    Raises:
        NotFound: no such endpoint or variant.
        DgsmError: a call that says nothing about the endpoint (throttled, expired credentials) failed.
    """
    unread: dict[str, str] = {}
    unjudged: dict[str, str] = {}
    gone: list[tuple[str, str]] = []

    def read_or_default[T](part: str, reader: Callable[[], T], default: T) -> T:
        try:
            return reader()
        except (AccessDenied, NotFound, InvalidInput) as error:
            if isinstance(error, NotFound) and part in ("config", "model"):
                gone.append((error.message, error.hint))
                unjudged[part] = f"the {part} was deleted"
            else:
                unread[part] = error.message
            return default

    def of_endpoint(part: str, operation: str, key: str) -> list[Mapping[str, Any]]:
        default: list[Mapping[str, Any]] = []
        return read_or_default(part, lambda: _of_endpoint(wb, operation, key), default)

    endpoint = EndpointReading(wb)
    state, kind = endpoint.state, kind_of(endpoint.state, wb.variant_name)
    config: EndpointConfig | None = None
    model: Mapping[str, Any] = {}
    if kind.supported and (config := read_or_default("config", lambda: endpoint.config, config)):
        kind = endpoint.kind
    if not kind.supported:
        return _unjudged(wb, state, kind)
    variant = config.variant(wb.variant_name) if config else ConfiguredVariant(wb.variant_name)
    if config:
        model = read_or_default("model", lambda: endpoint.model, model)
    else:
        for reasons in (unread, unjudged):
            reasons.update({"model": reasons["config"]} if "config" in reasons else {})
    targets = of_endpoint("target", "DescribeScalableTargets", "ScalableTargets")
    policies = of_endpoint("policies", "DescribeScalingPolicies", "ScalingPolicies")
    nothing: Sequence[ScalingActivity] = ()
    newest = read_or_default(
        "activities", activities or partial(read_activities, wb, limit=_NEWEST_ACTIVITIES), nothing
    )
    lately = [activity for activity in newest if activity.started >= wb.now() - WINDOW]
    succeeded = [activity for activity in lately if activity.status == "Successful"]
    own = tuple(read_policy(policy) for policy in policies if policy["ResourceId"] == wb.resource_id)
    policy_alarms = [alarm["AlarmName"] for policy in policies for alarm in policy.get("Alarms") or ()]
    return Snapshot(
        now=wb.now(),
        region=wb.region,
        resource_id=wb.resource_id,
        kind=kind,
        gone=gone[0] if gone else None,
        # Beside a policy nothing is judged by them.
        scheduled=() if own else read_or_default("schedule", lambda: _scheduled(wb), ()),
        model_package_arn=(endpoint.model_package_arn or "") if model else "",
        endpoint=state,
        variant=variant,
        enhanced_metrics=config is not None and config.enhanced_metrics,
        network_isolated=bool(model.get("EnableNetworkIsolation")) if model else None,
        target=next((read_target(t) for t in targets if t["ResourceId"] == wb.resource_id), None),
        policies=own,
        elsewhere=tuple(sorted({r["ResourceId"] for r in (*targets, *policies)} - {wb.resource_id})),
        alarms=read_or_default("alarms", lambda: _alarms(wb, [*policy_alarms, *alarm_names(wb)]), {}),
        traffic=read_or_default("metrics", lambda: _traffic(wb), TrafficSnapshot(WINDOW)),
        at_max=tuple(a.started for a in lately if "AlreadyAtMaxCapacity" in a.not_scaled_reasons),
        provisioning_s=tuple(a.duration_s for a in succeeded if a.alarm_side == "high" and a.duration_s is not None),
        failures=tuple(
            (a.started, f"{a.description} {a.message}".strip())
            for a in lately
            if a.status in ("Failed", "Unfulfilled") and not a.not_scaled_reasons
        ),
        last_success=max((a.started for a in succeeded), default=None),
        quotas=read_or_default("quotas", lambda: endpoint_quotas(wb, variant.instance_types), {}),
        # A file of a newer version, or one that somebody edited, must not keep the other rules from answering.
        evidence=read_or_default("evidence", lambda: evidence.newest(wb), None),
        engine=read_or_default("engine", lambda: _engine(wb, endpoint.model_package_arn), None),
        prices=dict(prices_of(wb, [name for name, count in state.instances_by_type.items() if count])),
        unfinished=tuple(map(str, journal.unfinished(wb, state))),
        expected=expected,
        unread=unread,
        unjudged=unjudged,
    )


def _unjudged(wb: Workbook, state: EndpointState, kind: EndpointKind) -> Snapshot:
    """An endpoint of a kind that no rule knows: nothing more is read of it."""
    return Snapshot(
        now=wb.now(),
        region=wb.region,
        resource_id=wb.resource_id,
        kind=kind,
        endpoint=state,
        variant=ConfiguredVariant(wb.variant_name),
        traffic=TrafficSnapshot(WINDOW),
        unjudged=dict.fromkeys(PARTS, f"the variant is {kind.hosting}"),
    )


def _engine(wb: Workbook, model_package_arn: str | None) -> EngineWord:
    """Asked of the model that the endpoint really runs."""
    return read_engine(replace(wb, model_package_arn=model_package_arn or wb.model_package_arn))


def _scheduled(wb: Workbook) -> tuple[str, ...]:
    on = {"ServiceNamespace": NAMESPACE, "ResourceId": wb.resource_id}
    described = pages(wb, SERVICE, "DescribeScheduledActions", "ScheduledActions", **on)
    return tuple(action["ScheduledActionName"] for action in described)


def _of_endpoint(wb: Workbook, operation: str, key: str) -> list[Mapping[str, Any]]:
    """Targets or policies of all the endpoint's variants; asked for without a name, so that a stray one is seen."""
    described = pages(wb, SERVICE, operation, key, ServiceNamespace=NAMESPACE)
    return [item for item in described if item["ResourceId"].startswith(f"endpoint/{wb.endpoint_name}/variant/")]


def _alarms(wb: Workbook, names: Sequence[str]) -> dict[str, PolicyAlarm]:
    return {
        alarm["AlarmName"]: PolicyAlarm(
            state=read_alarms([alarm])[0],
            actions_enabled=alarm.get("ActionsEnabled", True),
            actions=tuple(alarm.get("AlarmActions") or ()),
            metric=alarm.get("MetricName", ""),
            dimensions={d["Name"]: d["Value"] for d in alarm.get("Dimensions") or ()},
            namespace=alarm.get("Namespace", ""),
        )
        for alarm in described_alarms(wb, names)
    }


def _traffic(wb: Workbook) -> TrafficSnapshot:
    """Three days per minute: four statistics of 4,320 points each and a few counts, within one page's 100,800."""
    queries = [
        variant_query(wb, CONCURRENCY, "Average", MINUTE_S),
        variant_query(wb, CONCURRENCY, "SampleCount", MINUTE_S),
        *(variant_query(wb, metric, "Sum", 300) for metric in ("Invocations", *ERROR_METRICS)),
    ]
    end = wb.now()
    series, _ = read(wb, queries, end - WINDOW, end)
    mean, samples, invocations, *errors = series
    hour_ago = end - timedelta(hours=1)
    return TrafficSnapshot(
        window=WINDOW,
        streams=tuple(
            (time.timestamp(), value * samples.get(time, 0) / _SAMPLES_PER_MINUTE)
            for time, value in sorted(mean.items())
            if isfinite(value)
        ),
        newest=max(mean, default=None),
        invocations=sum(invocations.values()),
        errors_last_hour={
            metric: sum(count for time, count in counts.items() if time >= hour_ago)
            for metric, counts in zip(ERROR_METRICS, errors, strict=True)
        },
    )

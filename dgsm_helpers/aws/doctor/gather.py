"""Reading what the doctor judges, in few calls: each part once, a part that may not be read noted and left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from dgsm_helpers import state as evidence
from dgsm_helpers.aws.account.quotas import endpoint_quotas
from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.core.price_list import price_per_hour
from dgsm_helpers.aws.doctor.snapshot import Expected, PolicyAlarm, Snapshot, Traffic, Variant, finite
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling.policy import NAMESPACE
from dgsm_helpers.aws.scaling.scalable_target import SERVICE
from dgsm_helpers.aws.scaling.scaling_state import Target, read_alarms, read_policy, read_target
from dgsm_helpers.aws.watch.metrics import CONCURRENCY, INVOCATION_NAMESPACE, Query, read
from dgsm_helpers.errors import AccessDenied, InvalidInput, NotFound

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

WINDOW = timedelta(days=3)
_SAMPLES_PER_MINUTE = 6
_NEWEST_ACTIVITIES = 200
_ERRORS = ("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors", "MidStreamErrors")


def gather(wb: Workbook, expected: Expected) -> Snapshot:
    """Read the endpoint's configuration, scaling, alarms, last days, quotas, price and measured capacity.

    Raises:
        NotFound: no such endpoint or variant.
        DgsmError: a call that says nothing about the endpoint (throttled, expired credentials) failed.
    """
    unread: dict[str, str] = {}

    def part[T](name: str, ask: Callable[[], T], otherwise: T) -> T:
        try:
            return ask()
        except (AccessDenied, NotFound, InvalidInput) as error:
            unread[name] = error.message
            return otherwise

    state = endpoint_state.status(wb)
    state.variant(wb.variant_name)
    config = call(wb, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=state.config_name)
    variant = _variant(config, wb.variant_name)
    model = part("model", lambda: call(wb, "sagemaker", "DescribeModel", ModelName=variant.model_name), {})
    ours = f"endpoint/{wb.endpoint_name}/variant/"
    targets = part("target", lambda: _of_endpoint(wb, "DescribeScalableTargets", "ScalableTargets", ours), [])
    policies = part("policies", lambda: _of_endpoint(wb, "DescribeScalingPolicies", "ScalingPolicies", ours), [])
    activities = part("activities", lambda: _activities(wb), _Activities())
    mine: Target | None = next((read_target(t) for t in targets if t["ResourceId"] == wb.resource_id), None)
    return Snapshot(
        now=wb.now(),
        region=wb.region,
        resource_id=wb.resource_id,
        model_package_arn=(model.get("PrimaryContainer") or {}).get("ModelPackageName", ""),
        endpoint=state,
        variant=variant,
        enhanced_metrics=bool((config.get("MetricsConfig") or {}).get("EnableEnhancedMetrics")),
        network_isolated=bool(model.get("EnableNetworkIsolation")) if model else None,
        target=mine,
        policies=tuple(read_policy(p) for p in policies if p["ResourceId"] == wb.resource_id),
        elsewhere=tuple(sorted({r["ResourceId"] for r in (*targets, *policies)} - {wb.resource_id})),
        alarms=part("alarms", lambda: _alarms(wb), {}),
        traffic=part("metrics", lambda: _traffic(wb), Traffic(WINDOW)),
        at_max=activities.at_max,
        provisioning_s=activities.provisioning_s,
        failures=activities.failures,
        last_success=activities.last_success,
        quotas=part("quotas", lambda: endpoint_quotas(wb, variant.instance_types), {}),
        # A file of a newer version, or one that somebody edited, must not keep the other rules from answering.
        evidence=part("evidence", lambda: evidence.newest(wb), None),
        usd_per_hour=_usd_per_hour(wb, state.instances_by_type),
        expected=expected,
        unread=unread,
    )


def _variant(config: Mapping[str, Any], name: str) -> Variant:
    raw = next((v for v in config["ProductionVariants"] if v["VariantName"] == name), {})
    pools = sorted(raw.get("InstancePools") or (), key=lambda pool: pool["Priority"])
    types = tuple(pool["InstanceType"] for pool in pools) or tuple(filter(None, [raw.get("InstanceType")]))
    return Variant(
        instance_types=types,
        routing=(raw.get("RoutingConfig") or {}).get("RoutingStrategy", ""),
        ami=raw.get("InferenceAmiVersion", ""),
        model_name=raw.get("ModelName", ""),
    )


def _of_endpoint(wb: Workbook, operation: str, key: str, prefix: str) -> list[Mapping[str, Any]]:
    """Targets or policies of all the endpoint's variants; asked for without a name, so that a stray one is seen."""
    found = pages(wb, SERVICE, operation, key, ServiceNamespace=NAMESPACE)
    return [item for item in found if item["ResourceId"].startswith(prefix)]


def _alarms(wb: Workbook) -> dict[str, PolicyAlarm]:
    prefix = f"TargetTracking-endpoint/{wb.endpoint_name}/"
    raw = list(pages(wb, "cloudwatch", "DescribeAlarms", "MetricAlarms", AlarmNamePrefix=prefix))
    return {
        alarm["AlarmName"]: PolicyAlarm(
            state=read_alarms([alarm])[0],
            actions_enabled=alarm.get("ActionsEnabled", True),
            actions=tuple(alarm.get("AlarmActions") or ()),
            metric=alarm.get("MetricName", ""),
            dimensions={d["Name"]: d["Value"] for d in alarm.get("Dimensions") or ()},
            namespace=alarm.get("Namespace", ""),
        )
        for alarm in raw
    }


def _traffic(wb: Workbook) -> Traffic:
    """Three days per minute: four statistics of 4,320 points each and a few counts, within one page's 100,800."""
    where = (("EndpointName", wb.endpoint_name), ("VariantName", wb.variant_name))

    def of(metric: str, stat: str, period_s: int) -> Query:
        return Query("", metric, INVOCATION_NAMESPACE, metric, where, stat, period_s)

    queries = [of(CONCURRENCY, "Average", 60), of(CONCURRENCY, "SampleCount", 60), of("Invocations", "Sum", 300)]
    queries += [of(metric, "Sum", 300) for metric in _ERRORS]
    end = wb.now()
    series, _ = read(wb, queries, end - WINDOW, end)
    mean, samples, invocations, *errors = series
    hour_ago = end - timedelta(hours=1)
    return Traffic(
        window=WINDOW,
        streams=tuple(
            (time.timestamp(), value * samples.get(time, 0) / _SAMPLES_PER_MINUTE) for time, value in finite(mean)
        ),
        newest=max(mean, default=None),
        invocations=sum(invocations.values()),
        errors_last_hour={
            metric: sum(v for time, v in found.items() if time >= hour_ago)
            for metric, found in zip(_ERRORS, errors, strict=True)
        },
    )


@dataclass(frozen=True)
class _Activities:
    """What the newest activities tell; the attributes are Snapshot's."""

    at_max: tuple[datetime, ...] = ()
    provisioning_s: tuple[float, ...] = ()
    failures: tuple[tuple[datetime, str], ...] = ()
    last_success: datetime | None = None


def _activities(wb: Workbook) -> _Activities:
    found = pages(
        wb,
        SERVICE,
        "DescribeScalingActivities",
        "ScalingActivities",
        ServiceNamespace=NAMESPACE,
        ResourceId=wb.resource_id,
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        IncludeNotScaledActivities=True,
    )
    since = wb.now() - WINDOW
    # Newest first. While the fleet stays at a limit AWS adds one a minute, so without an end this would be long.
    newest = [a for a in islice(found, _NEWEST_ACTIVITIES) if a["StartTime"] >= since]
    codes = [{reason["Code"] for reason in activity.get("NotScaledReasons") or ()} for activity in newest]
    succeeded = [a for a in newest if a["StatusCode"] == "Successful"]
    return _Activities(
        at_max=tuple(a["StartTime"] for a, c in zip(newest, codes, strict=True) if "AlreadyAtMaxCapacity" in c),
        provisioning_s=tuple(
            (a["EndTime"] - a["StartTime"]).total_seconds() for a in succeeded if "AlarmHigh" in a.get("Cause", "")
        ),
        failures=tuple(
            (a["StartTime"], f"{a.get('Description', '')} {a.get('StatusMessage', '')}".strip())
            for a, c in zip(newest, codes, strict=True)
            if a["StatusCode"] in ("Failed", "Unfulfilled") and not c
        ),
        last_success=max((a["StartTime"] for a in succeeded), default=None),
    )


def _usd_per_hour(wb: Workbook, running: Mapping[str, int]) -> float | None:
    prices = [(count, price_per_hour(wb, name).amount_usd) for name, count in running.items() if count]
    return sum(count * usd for count, usd in prices) if prices and None not in [usd for _, usd in prices] else None

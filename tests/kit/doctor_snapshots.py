"""A healthy endpoint as the doctor sees it, to be broken in one place per test."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dgsm_helpers.aws.doctor.snapshot import PolicyAlarm, Snapshot, TrafficSnapshot
from dgsm_helpers.aws.endpoint.deployment_plan import INFERENCE_AMI
from dgsm_helpers.aws.endpoint.endpoint_config import ConfiguredVariant
from dgsm_helpers.aws.endpoint.endpoint_kind import EndpointKind, Hosting
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState, VariantState
from dgsm_helpers.aws.scaling.policy import PREDEFINED_METRIC
from dgsm_helpers.aws.scaling.scalable_target import AlarmState, PolicyState, Suspension, Target
from dgsm_helpers.prices import Price

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/deepgram-stt-nova-3/1"
POLICY_ARN = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/sagemaker/x:policyName/p"
DIMENSIONS = {"EndpointName": "dg", "VariantName": "AllTraffic"}


_OF_THE_WHOLE = {*PolicyAlarm.__annotations__} - {"state"}


def alarm(side: str, threshold: float, **changed: Any) -> PolicyAlarm:
    state = AlarmState(
        name=f"TargetTracking-endpoint/dg/variant/AllTraffic-Alarm{side.title()}-1",
        side=side,
        state="OK",
        comparison=">" if side == "high" else "<",
        threshold=threshold,
        statistic="Average",
        period_s=10,
        datapoints_to_alarm=3 if side == "high" else 90,
        evaluation_periods=3 if side == "high" else 90,
        missing_data="missing",
        updated=NOW - timedelta(hours=1),
        reason="",
    )
    of_state = {name: changed.pop(name) for name in list(changed) if name not in _OF_THE_WHOLE}
    metric = ("ConcurrentRequestsPerModel", DIMENSIONS, "AWS/SageMaker")
    whole = PolicyAlarm(replace(state, **of_state), True, (POLICY_ARN,), *metric)
    return replace(whole, **changed)


def alarms(*given: PolicyAlarm) -> dict[str, PolicyAlarm]:
    return {one.state.name: one for one in given}


def policy(**configuration: Any) -> PolicyState:
    held = {
        "TargetValue": 7.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": PREDEFINED_METRIC},
        "ScaleInCooldown": 300,
        "ScaleOutCooldown": 60,
        **configuration,
    }
    names = tuple(alarms(alarm("high", 7.0), alarm("low", 6.3)))
    return PolicyState("deepgram", POLICY_ARN, "TargetTrackingScaling", held, names)


def streams(*counts: float, every_s: int = 60) -> tuple[tuple[float, float], ...]:
    """Counts that end now."""
    first = NOW.timestamp() - every_s * len(counts)
    return tuple((first + every_s * i, count) for i, count in enumerate(counts))


def endpoint(running: int = 1, status: str = "InService", **given: Any) -> EndpointState:
    desired = given.pop("desired", running)
    variant = VariantState("AllTraffic", running, desired, 1.0, {"ml.g6.2xlarge": running}, ())
    created = given.pop("created", NOW - timedelta(days=7))
    reason = given.pop("failure_reason", "")
    return EndpointState("dg", "arn", status, reason, "dg-config", (variant,), created, created)


def evidence(knee: int = 10, **fingerprint: Any) -> dict[str, Any]:
    taken = {"model_package_arn": PACKAGE, "instance_type": "ml.g6.2xlarge", "region": "us-east-1", **fingerprint}
    return {"feasible_max": knee, "infeasible_min": knee + 1, "measured_at": NOW.isoformat(), "fingerprint": taken}


def target(low: int = 1, high: int = 4, **suspended: bool) -> Target:
    return Target("endpoint/dg/variant/AllTraffic", low, high, Suspension(**suspended))


def healthy(**changed: Any) -> Snapshot:
    """Every rule is OK with it, unless something is ``changed``."""
    given: dict[str, Any] = {
        "now": NOW,
        "region": "us-east-1",
        "resource_id": "endpoint/dg/variant/AllTraffic",
        "kind": EndpointKind("dg", "AllTraffic", Hosting.REAL_TIME),
        "model_package_arn": PACKAGE,
        "endpoint": endpoint(),
        "variant": ConfiguredVariant(
            "AllTraffic",
            model_name="dg-model",
            instance_types=("ml.g6.2xlarge", "ml.g5.2xlarge"),
            routing="LEAST_OUTSTANDING_REQUESTS",
            ami=INFERENCE_AMI,
        ),
        "enhanced_metrics": True,
        "network_isolated": True,
        "target": target(),
        "policies": (policy(),),
        "elsewhere": (),
        "alarms": alarms(alarm("high", 7.0), alarm("low", 6.3)),
        "traffic": TrafficSnapshot(
            timedelta(days=3), streams(2, 3, 3, 4, 4, 3), NOW - timedelta(minutes=1), invocations=10
        ),
        "quotas": {"ml.g6.2xlarge": 8, "ml.g5.2xlarge": 8},
        "evidence": evidence(),
        "prices": {"ml.g6.2xlarge": Price(amount_usd=1.2, source="AWS Price List")},
        **changed,
    }
    return Snapshot(**given)

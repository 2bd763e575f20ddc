"""Endpoints on the embedded AWS as tests need them: in service, scaling, held still, waited for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.core.calls import call_or_none
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.aws.scaling import registration, scheduled_actions
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.watch.metrics import Metrics, read_metrics
from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.places import running_server
from dgsm_helpers.places.server_info import ServerInfo
from dgsm_helpers.session import Workbook, open_workbook
from kit.waiting import AT_MOST_S, until

PATIENT_S = 3600
"""`provision_timeout_s` of an endpoint that `Operator.hold_starts` is to hold: half a minute of wall time per type."""


def deployed(wb: Workbook, **plan: Any) -> Workbook:
    """The workbook, its endpoint in service; ``plan`` goes to `deployment_plan.plan`."""
    deployment.deploy(wb, deployment_plan.plan(wb, **plan))
    return wb


def scaled(wb: Workbook, low: int = 1, high: int = 4, policy: ScalingPolicy | None = None, **plan: Any) -> Workbook:
    """The workbook, its endpoint in service and scaling, by the guide's policy unless another is given."""
    deployed(wb, **plan)
    registration.register(wb, low, high)
    registration.apply(wb, policy)
    return wb


@contextmanager
def scaled_endpoint(home: Path, name: str, low: int = 1, high: int = 4, **given: Any) -> Iterator[Workbook]:
    """A deployed endpoint with the guide's policy, for a module or a session; deleted afterwards."""
    wb = scaled(open_workbook("local", home=home, endpoint_name=name, **given), low, high)
    yield wb
    deletion.delete(wb)


def deleted(wb: Workbook) -> None:
    """Delete the workbook's endpoint where it has one, once no change of it is in progress."""

    def refused_no_more() -> bool:
        try:
            call_or_none(wb, "sagemaker", "DeleteEndpoint", EndpointName=wb.endpoint_name)
        except NotReady:
            return False
        return True

    until(refused_no_more, f"the endpoint {wb.endpoint_name} can be deleted", sleep=wb.sleep_s)


def deleted_with_all(wb: Workbook) -> None:
    """Delete the workbook's endpoint with its config, models and targets, whoever made them and however they are
    called."""
    sagemaker = wb.client("sagemaker")
    config = sagemaker.describe_endpoint(EndpointName=wb.endpoint_name)["EndpointConfigName"]
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    pools = [pool for variant in variants for pool in variant.get("InstancePools", ())]
    models = {variant["ModelName"] for variant in variants} | {pool.get("ModelNameOverride") for pool in pools}
    for variant in variants:
        registration.remove(replace(wb, variant_name=variant["VariantName"]))
    deleted(wb)
    until(lambda: endpoint_state.find(wb) is None, f"the endpoint {wb.endpoint_name} is gone")
    sagemaker.delete_endpoint_config(EndpointConfigName=config)
    for name in models - {None}:
        sagemaker.delete_model(ModelName=name)


def names(wb: Workbook) -> list[str]:
    """What every endpoint, endpoint config and model of the workbook's account is called."""
    sagemaker = wb.client("sagemaker")
    return [
        one[key]
        for operation, field, key in (
            ("list_endpoints", "Endpoints", "EndpointName"),
            ("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
            ("list_models", "Models", "ModelName"),
        )
        for page in sagemaker.get_paginator(operation).paginate()
        for one in page[field]
    ]


def settled(wb: Workbook) -> endpoint_state.EndpointState:
    """The endpoint once no change of it is in progress."""
    state = endpoint_state.settle(wb, timeout_s=local_seconds(wb), on_progress=None)
    assert state is not None
    return state


def local_seconds(wb: Workbook, wall_s: float = AT_MOST_S) -> float:
    """Seconds of the workbook's time that pass in ``wall_s`` of wall time, for its timeouts."""
    return wall_s / wb.wall_seconds(1.0)


def running(wb: Workbook, count: int) -> endpoint_state.EndpointState:
    """The endpoint once it is in service with so many instances of the workbook's variant."""

    def looked() -> endpoint_state.EndpointState | None:
        state = endpoint_state.status(wb)
        there = (state.status, state.variant(wb.variant_name).running) == ("InService", count)
        return state if there else None

    return until(looked, f"{count} instances of {wb.resource_id} run", sleep=wb.sleep_s)


def streams_seen(wb: Workbook, count: float, since: datetime) -> Metrics:
    """CloudWatch's metrics since then, once it has seen so many streams on one instance."""

    def looked() -> Metrics | None:
        metrics = read_metrics(wb, start=since)
        return metrics if metrics.concurrency["concurrency_max_streams"].max() >= count else None

    return until(looked, f"CloudWatch has seen {count:g} streams on one instance of {wb.resource_id}")


def let_beats_pass(wb: Workbook, seconds: float) -> None:
    """Wait until the autoscaler has run for so many seconds of local time: it publishes what is seen here itself."""
    begin = wb.now()
    end = begin + timedelta(seconds=seconds)

    def looked() -> bool:
        seen = read_metrics(wb, start=begin - timedelta(seconds=60)).concurrency.dropna()
        return not seen.empty and seen.index[-1] >= end

    until(looked, f"{seconds:g} s of metrics of {wb.resource_id}", sleep=wb.sleep_s)


SELDOM = "cron(0 7 29 2 ? *)"
"""A schedule that a test may leave on an endpoint: local time goes through a night in minutes, and every weekday's
seven o'clock comes to some test in the middle."""


def schedule_soon(wb: Workbook, name: str, *, in_s: float = 120.0, **bounds: int) -> datetime:
    """A scheduled action that fires soon; its time. Put again where that time passed before it was put."""
    while True:
        soon = (wb.now() + timedelta(seconds=in_s)).replace(microsecond=0)
        try:
            scheduled_actions.put(wb, name, f"at({soon:%Y-%m-%dT%H:%M:%S})", **bounds)
        except InvalidInput as error:
            assert "would never fire" in str(error)
        else:
            return soon


class Operator:
    """What an operator may do to the embedded AWS; undone after the test."""

    def __init__(self, info: ServerInfo) -> None:
        self._info = info
        self._quotas: list[dict[str, Any]] = []

    def fault(self, kind: str, **parameters: Any) -> None:
        """Set a fault."""
        running_server.admin(self._info, "POST", "faults", {"kind": kind, **parameters})

    def hold_starts(self) -> None:
        """No instance starts before `undo`: what is Creating or Updating stays so (`PATIENT_S`)."""
        self.fault("shortage", instance_type="*")

    def quota(self, wb: Workbook, instance_type: str, value: float) -> None:
        """Set the quota of a type."""
        where = {"region": wb.region, "instance_type": instance_type}
        running_server.admin(self._info, "PUT", "quotas", {**where, "value": value})
        self._quotas.append({**where, "value": 20})

    def undo(self) -> None:
        """End every fault and set the quotas back."""
        running_server.admin(self._info, "DELETE", "faults", {})
        for quota in self._quotas:
            running_server.admin(self._info, "PUT", "quotas", quota)

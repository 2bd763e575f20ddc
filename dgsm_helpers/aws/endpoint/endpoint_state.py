"""The endpoint as it is now, and waiting for it.

Which model package is behind an endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.core import tables
from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.endpoint.deployment_plan import ASYNC_REFUSAL
from dgsm_helpers.aws.watch import logs
from dgsm_helpers.errors import NotFound, NotReady, Throttled, UnsupportedFeature

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

POLL_S = 10.0
_LOOK_AT_LOGS_EVERY_S = 60.0
MOVING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


@dataclass(frozen=True)
class VariantState:
    """One production variant; ``status`` holds SageMaker's VariantStatus values with their messages."""

    name: str
    running: int
    desired: int
    weight: float | None
    instances_by_type: Mapping[str, int]
    status: tuple[str, ...]


@dataclass(frozen=True)
class EndpointState:
    """What DescribeEndpoint says. ``running`` and ``desired`` count instances over all variants."""

    name: str
    arn: str
    status: str
    failure_reason: str
    config_name: str
    variants: tuple[VariantState, ...]
    created: datetime | None
    modified: datetime | None
    asynchronous: bool = False

    @property
    def running(self) -> int:
        return sum(variant.running for variant in self.variants)

    @property
    def desired(self) -> int:
        return sum(variant.desired for variant in self.variants)

    @property
    def instances_by_type(self) -> dict[str, int]:
        """Running instances per type; empty when SageMaker does not say (an endpoint of one type)."""
        counts: dict[str, int] = {}
        for variant in self.variants:
            for instance_type, count in variant.instances_by_type.items():
                counts[instance_type] = counts.get(instance_type, 0) + count
        return counts

    def variant(self, name: str) -> VariantState:
        """One variant.

        Raises:
            NotFound: the endpoint has none of that name; the message lists those it has.
        """
        found = next((variant for variant in self.variants if variant.name == name), None)
        if found is None:
            names = ", ".join(variant.name for variant in self.variants) or "none"
            raise NotFound(
                f"Endpoint {self.name!r} has no variant {name!r} (it has: {names}).",
                hint="Open the workbook with variant_name= one of those.",
            )
        return found

    def __str__(self) -> str:
        return tables.text_table(self._caption(), _COLUMNS, self._rows(), notes=self._notes())

    def _repr_html_(self) -> str:
        return tables.html_table(self._caption(), _COLUMNS, self._rows(), notes=self._notes())

    def _caption(self) -> str:
        return f"Endpoint {self.name}: {self.status}"

    def _notes(self) -> list[str]:
        return [self.failure_reason] if self.failure_reason else []

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (v.name, v.running, v.desired, _counts(v.instances_by_type), "; ".join(v.status), self.config_name)
            for v in self.variants
        ]


_COLUMNS = ("variant", "running", "desired", "by type", "variant status", "endpoint config")


@dataclass(frozen=True)
class Progress:
    """How a deployment, update or deletion stands. ``str()`` is one line for people.

    ``elapsed_s`` is workbook time; ``hint`` is what the container's log says, in words.
    """

    status: str
    elapsed_s: float
    running: int = 0
    desired: int = 0
    instances_by_type: Mapping[str, int] = field(default_factory=dict)
    variant_statuses: tuple[str, ...] = ()
    hint: str = ""

    def __str__(self) -> str:
        parts = [f"{self.elapsed_s:5.0f} s  {self.status}", f"{self.running} of {self.desired} instances running"]
        parts += [_counts(self.instances_by_type)] if any(self.instances_by_type.values()) else []
        parts += [", ".join(self.variant_statuses)] if self.variant_statuses else []
        parts += [self.hint] if self.hint else []
        return " · ".join(parts)


type OnProgress = Callable[[Progress], object]


def on_change(callback: OnProgress) -> OnProgress:
    """A progress callback that passes on only what differs from the last by more than the time."""
    last: list[tuple] = []

    def changed(progress: Progress) -> None:
        seen = (
            progress.status,
            progress.running,
            progress.desired,
            tuple(sorted(progress.instances_by_type.items())),
            progress.variant_statuses,
            progress.hint,
        )
        if last != [seen]:
            last[:] = [seen]
            callback(progress)

    return changed


def find(wb: Workbook) -> EndpointState | None:
    """The workbook's endpoint, or None when there is none."""
    try:
        answer = call(wb, "sagemaker", "DescribeEndpoint", EndpointName=wb.endpoint_name)
    except NotFound:
        return None
    return _state(answer)


def status(wb: Workbook) -> EndpointState:
    """The workbook's endpoint.

    Raises:
        NotFound: there is none of that name in the region.
    """
    found = find(wb)
    if found is None:
        raise NotFound(
            f"There is no endpoint {wb.endpoint_name!r} in {wb.region}.", hint="Deploy it first, or check the name."
        )
    return found


def require_in_service(wb: Workbook) -> EndpointState:
    """The workbook's endpoint, once it is ``InService``.

    Raises:
        NotFound: there is none.
        NotReady: its status is another one.
        UnsupportedFeature: it is asynchronous.
    """
    found = status(wb)
    require_real_time(found)
    if found.status != "InService":
        wait = "Wait until it is InService" if found.status in MOVING else "Delete it and deploy again"
        reason = f" ({found.failure_reason})" if found.failure_reason else ""
        raise NotReady(f"Endpoint {found.name!r} is {found.status}{reason}, not InService.", hint=f"{wait}.")
    return found


def require_real_time(state: EndpointState) -> None:
    """Refuse an asynchronous endpoint, in the manual's words.

    Raises:
        UnsupportedFeature: it is one.
    """
    if state.asynchronous:
        raise UnsupportedFeature(f"Endpoint {state.name!r} is asynchronous. {ASYNC_REFUSAL}")


def instance_types(wb: Workbook, state: EndpointState) -> tuple[str, ...]:
    """The variant's instance types in order of preference, from the endpoint config."""
    config = call(wb, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=state.config_name)
    return instance_types_of(config, wb.variant_name)


def instance_types_of(config: Mapping[str, Any], variant_name: str) -> tuple[str, ...]:
    """The instance types of a variant of an endpoint config as DescribeEndpointConfig shows it, in order."""
    variants = [v for v in config["ProductionVariants"] if v["VariantName"] == variant_name]
    if not variants:
        return ()
    pools = sorted(variants[0].get("InstancePools") or (), key=lambda pool: pool["Priority"])
    if pools:
        return tuple(pool["InstanceType"] for pool in pools)
    return (variants[0]["InstanceType"],) if variants[0].get("InstanceType") else ()


def settle(wb: Workbook, *, timeout_s: float, on_progress: OnProgress | None) -> EndpointState | None:
    """Wait until the endpoint's status is a lasting one; None once it is gone.

    Raises:
        NotReady: it still moves after ``timeout_s`` of workbook time.
    """
    started = wb.now()
    hint, looked_s = "", 0.0
    while True:
        try:
            state = find(wb)
        except Throttled:
            # Half an hour's waiting is not given up because a look was throttled; the time limit still holds.
            if (wb.now() - started).total_seconds() >= timeout_s:
                raise
            wb.sleep(POLL_S)
            continue
        elapsed_s = (wb.now() - started).total_seconds()
        if state is not None and state.status == "Creating" and elapsed_s - looked_s >= _LOOK_AT_LOGS_EVERY_S:
            hint, looked_s = logs.hint(logs.recent(wb, since=state.created)), elapsed_s
        if on_progress is not None:
            on_progress(_progress(state, elapsed_s, hint))
        if state is None or state.status not in MOVING:
            return state
        if elapsed_s >= timeout_s:
            raise NotReady(
                f"Endpoint {wb.endpoint_name!r} is still {state.status} after {elapsed_s:.0f} s."
                + (f" Its log: {hint}." if hint else ""),
                hint="Running the cell again goes on waiting; deleting it stops the billing.",
            )
        wb.sleep(POLL_S)


def _progress(state: EndpointState | None, elapsed_s: float, hint: str) -> Progress:
    if state is None:
        return Progress("gone", elapsed_s)
    statuses = tuple(text for variant in state.variants for text in variant.status)
    shown = hint if state.status == "Creating" else ""
    return Progress(state.status, elapsed_s, state.running, state.desired, state.instances_by_type, statuses, shown)


def _state(answer: Mapping[str, Any]) -> EndpointState:
    return EndpointState(
        name=answer["EndpointName"],
        arn=answer["EndpointArn"],
        status=answer["EndpointStatus"],
        failure_reason=answer.get("FailureReason", ""),
        config_name=answer.get("EndpointConfigName", ""),
        variants=tuple(map(_variant, answer.get("ProductionVariants") or _pending(answer))),
        created=answer.get("CreationTime"),
        modified=answer.get("LastModifiedTime"),
        asynchronous=bool(answer.get("AsyncInferenceConfig")),
    )


def _pending(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """While an endpoint is created, its variants are only in the summary of what is being deployed."""
    return (answer.get("PendingDeploymentSummary") or {}).get("ProductionVariants") or []


def _variant(raw: Mapping[str, Any]) -> VariantState:
    statuses = (
        f"{s['Status']}: {s['StatusMessage']}" if s.get("StatusMessage") else s["Status"]
        for s in raw.get("VariantStatus") or ()
    )
    pools = {pool["InstanceType"]: pool["CurrentInstanceCount"] for pool in raw.get("InstancePools") or ()}
    running = raw.get("CurrentInstanceCount", 0)
    if not pools and raw.get("InstanceType"):
        pools = {raw["InstanceType"]: running}
    return VariantState(
        name=raw["VariantName"],
        running=running,
        desired=raw.get("DesiredInstanceCount", 0),
        weight=raw.get("CurrentWeight"),
        instances_by_type=pools,
        status=tuple(statuses),
    )


def _counts(instances_by_type: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {instance_type}" for instance_type, count in instances_by_type.items() if count)


def deployed_package(wb: Workbook, state: EndpointState) -> str | None:
    """The model package ARN of the workbook's variant; None when its model was not made from one."""
    config = call(wb, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=state.config_name)
    variant = next((v for v in config["ProductionVariants"] if v["VariantName"] == wb.variant_name), {})
    if "ModelName" not in variant:
        return None
    model = call(wb, "sagemaker", "DescribeModel", ModelName=variant["ModelName"])
    containers = model.get("Containers") or [model.get("PrimaryContainer") or {}]
    return containers[0].get("ModelPackageName")

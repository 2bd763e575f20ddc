"""The endpoint as it is now, and waiting for it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from dgsm_helpers.aws.core.calls import call_or_none
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.aws.watch import logs
from dgsm_helpers.errors import NotFound, NotReady, Throttled
from dgsm_helpers.progress.progress_line import ProgressLine
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.names import account_of
from dgsm_helpers.session import Workbook
from dgsm_helpers.state import journal_files

POLL_S = 10.0
_LOOK_AT_LOGS_EVERY_S = 60.0
_USUAL_S = {"Creating": ScalingModel().provision_uncached_s, "Updating": ScalingModel().provision_cached_s}
"""How long these usually last, in workbook time: the model's medians from a new count to serving instances."""
MOVING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


@dataclass(frozen=True)
class VariantState:
    """One production or shadow variant; ``status`` holds SageMaker's VariantStatus values with their messages.

    ``serverless`` is its CurrentServerlessConfig, empty for a variant on instances; ``managed_scaling`` says that
    SageMaker scales its instances itself.
    """

    name: str
    running: int
    desired: int
    weight: float | None
    instances_by_type: Mapping[str, int]
    status: tuple[str, ...]
    serverless: Mapping[str, int] = field(default_factory=dict)
    managed_scaling: bool = False

    @property
    def running_types(self) -> tuple[str, ...]:
        """The instance types that run now; empty when SageMaker does not say."""
        return tuple(instance_type for instance_type, count in self.instances_by_type.items() if count)


@dataclass(frozen=True)
class EndpointState(Table):
    """What DescribeEndpoint says. ``running`` and ``desired`` count instances over all production variants.

    ``captures_to`` is where data capture stores what is sent and answered, empty while it is off; ``last_deployment``
    the DeploymentConfig of the newest update, empty when SageMaker names none.
    """

    name: str
    arn: str
    status: str
    failure_reason: str
    config_name: str
    variants: tuple[VariantState, ...]
    created: datetime | None
    modified: datetime | None
    asynchronous: bool = False
    shadows: tuple[VariantState, ...] = ()
    captures_to: str = ""
    last_deployment: Mapping[str, Any] = field(default_factory=dict)

    _columns = ("variant", "running", "desired", "by type", "variant status", "endpoint config")

    @property
    def account(self) -> str:
        """The number of the account that it is in."""
        return account_of(self.arn)

    @property
    def running(self) -> int:
        return sum(variant.running for variant in self.variants)

    @property
    def desired(self) -> int:
        return sum(variant.desired for variant in self.variants)

    @property
    def instances_by_type(self) -> dict[str, int]:
        """Running instances per type; empty when SageMaker does not say (an endpoint of one type)."""
        counts: Counter[str] = Counter()
        for variant in self.variants:
            counts.update(variant.instances_by_type)
        return dict(counts)

    def variant(self, name: str) -> VariantState:
        """One variant. Raises NotFound: the endpoint has none of that name; the message lists those it has."""
        variant = next((variant for variant in self.variants if variant.name == name), None)
        if variant is None:
            names = ", ".join(variant.name for variant in self.variants) or "none"
            raise NotFound(
                f"Endpoint {self.name!r} has no variant {name!r} (it has: {names}).",
                hint="Open the workbook with variant_name= one of those.",
            )
        return variant

    def _caption(self) -> str:
        return f"Endpoint {self.name}: {self.status}"

    def _notes(self) -> list[str]:
        return [self.failure_reason] if self.failure_reason else []

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (v.name, v.running, v.desired, _counts(v.instances_by_type), "; ".join(v.status), self.config_name)
            for v in self.variants
        ]


@dataclass(frozen=True)
class Progress:
    """How a deployment, update or deletion stands. ``str()`` is one line for people.

    ``state`` is None once the endpoint is gone. ``elapsed_s`` is workbook time; ``hint`` is what the container's log
    says, in words.
    """

    state: EndpointState | None
    elapsed_s: float
    hint: str = ""

    @property
    def status(self) -> str:
        """SageMaker's status of the endpoint, or ``gone``."""
        return "gone" if self.state is None else self.state.status

    def __str__(self) -> str:
        return f"{self.elapsed_s:5.0f} s  {self.text}"

    @property
    def text(self) -> str:
        """The line without the time."""
        running, desired = (self.state.running, self.state.desired) if self.state else (0, 0)
        variants = self.state.variants if self.state else ()
        parts = [
            self.status,
            f"{running} of {desired} instances running",
            _counts(self.state.instances_by_type) if self.state else "",
            ", ".join(text for variant in variants for text in variant.status),
            self.hint,
        ]
        return " · ".join(filter(None, parts))


type OnProgress = Callable[[Progress], object]


def on_change(callback: OnProgress) -> OnProgress:
    """A progress callback that passes on only what reads differently from the last, the time aside."""
    last = ""

    def changed(progress: Progress) -> None:
        nonlocal last
        timeless = str(replace(progress, elapsed_s=0.0))
        if timeless != last:
            last = timeless
            callback(progress)

    return changed


def find(wb: Workbook) -> EndpointState | None:
    """The workbook's endpoint, or None when there is none."""
    answer = call_or_none(wb, "sagemaker", "DescribeEndpoint", EndpointName=wb.endpoint_name)
    return None if answer is None else _state(answer)


def status(wb: Workbook) -> EndpointState:
    """The workbook's endpoint. Raises NotFound: there is none of that name in the region."""
    state = find(wb)
    if state is None:
        hint = "Deploy it first, or check the name."
        if journal_files(wb, "pause"):
            hint = "It is paused: cleanup.resume(wb) makes it again."
        raise NotFound(f"There is no endpoint {wb.endpoint_name!r} in {wb.region}.", hint=hint)
    return state


def in_service(state: EndpointState) -> EndpointState:
    """The same state, once it is ``InService``. Raises NotReady: its status is another one."""
    if state.status != "InService":
        wait = "Wait until it is InService" if state.status in MOVING else "Delete it and deploy again"
        wait = "Wait until it is gone and deploy again" if state.status == "Deleting" else wait
        reason = f" ({state.failure_reason})" if state.failure_reason else ""
        raise NotReady(f"Endpoint {state.name!r} is {state.status}{reason}, not InService.", hint=f"{wait}.")
    return state


def settle(wb: Workbook, *, timeout_s: float, on_progress: OnProgress | None) -> EndpointState | None:
    """Wait until the endpoint's status is a lasting one; None once it is gone.

    Whoever waits in a notebook sees a clock, the state and an estimate meanwhile; in a terminal where ``on_progress``
    is None.

    Raises:
        NotReady: it still moves after ``timeout_s`` of workbook time.
    """
    with ProgressLine(in_terminal=on_progress is None) as line:

        def tell(progress: Progress) -> None:
            usual_s = _USUAL_S.get(progress.status)
            left_s = None if usual_s is None else wb.wall_seconds(usual_s - progress.elapsed_s)
            line.show(progress.text, left_s=left_s)
            if on_progress is not None:
                on_progress(progress)

        return _settled(wb, timeout_s, tell)


def _settled(wb: Workbook, timeout_s: float, on_progress: OnProgress) -> EndpointState | None:
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
        on_progress(Progress(state, elapsed_s, hint if state and state.status == "Creating" else ""))
        if state is None or state.status not in MOVING:
            return state
        if elapsed_s >= timeout_s:
            raise NotReady(
                f"Endpoint {wb.endpoint_name!r} is still {state.status} after {elapsed_s:.0f} s."
                + (f" Its log: {hint}." if hint else ""),
                hint="Running the cell again goes on waiting; deleting it stops the billing.",
            )
        wb.sleep(POLL_S)


def _state(answer: Mapping[str, Any]) -> EndpointState:
    # While an endpoint is created, its variants are only in the summary of what is being deployed.
    deployed = answer if answer.get("ProductionVariants") else answer.get("PendingDeploymentSummary") or {}
    capture = answer.get("DataCaptureConfig") or {}
    return EndpointState(
        name=answer["EndpointName"],
        arn=answer["EndpointArn"],
        status=answer["EndpointStatus"],
        failure_reason=answer.get("FailureReason", ""),
        config_name=answer.get("EndpointConfigName", ""),
        variants=tuple(map(_variant, deployed.get("ProductionVariants") or ())),
        created=answer.get("CreationTime"),
        modified=answer.get("LastModifiedTime"),
        asynchronous=bool(answer.get("AsyncInferenceConfig")),
        shadows=tuple(map(_variant, deployed.get("ShadowProductionVariants") or ())),
        captures_to=capture.get("DestinationS3Uri", "") if capture.get("EnableCapture") else "",
        last_deployment=answer.get("LastDeploymentConfig") or {},
    )


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
        serverless=raw.get("CurrentServerlessConfig") or raw.get("DesiredServerlessConfig") or {},
        managed_scaling="ManagedInstanceScaling" in raw,
    )


def _counts(instances_by_type: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {instance_type}" for instance_type, count in instances_by_type.items() if count)

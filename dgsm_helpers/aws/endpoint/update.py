"""Updates of an endpoint that scales: scaling off, update, wait, scaling on again; put back whatever happens.

Application Auto Scaling must not change an endpoint that is being updated, and SageMaker refuses to change the instance
types of a registered variant (SageMaker guide, "Update or delete endpoints that use automatic scaling").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dgsm_helpers.aws.account.quotas import endpoint_quotas
from dgsm_helpers.aws.core import tables
from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.core.interrupts import termination_raises
from dgsm_helpers.aws.core.price_list import price_per_hour
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.aws.endpoint.create import differences
from dgsm_helpers.aws.endpoint.deployment_plan import DeploymentPlan
from dgsm_helpers.aws.endpoint.endpoint_state import MOVING, EndpointState, OnProgress
from dgsm_helpers.aws.scaling import restore, scaling_setup
from dgsm_helpers.aws.scaling.scaling_setup import Setup
from dgsm_helpers.aws.watch import metrics
from dgsm_helpers.errors import DeployFailed, DgsmError, InvalidInput, NotFound, NotReady

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

_STREAMS_WITHIN_S = 120.0
_TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class Updated:
    """An endpoint after an update or a roll-back.

    ``former_config_name`` is what to roll back to, None when nothing changed; ``restored`` names the scaling that is
    on again; ``warnings`` are those given beforehand.
    """

    state: EndpointState
    former_config_name: str | None
    restored: tuple[str, ...]
    warnings: tuple[str, ...]
    took_s: float

    def __str__(self) -> str:
        return tables.text_table(*self._table(), notes=self.warnings)

    def _repr_html_(self) -> str:
        return tables.html_table(*self._table(), notes=self.warnings)

    def _table(self) -> tuple[str, tuple[str, str], list[tuple[object, ...]]]:
        changed = "was as asked for" if self.former_config_name is None else f"is updated, in {self.took_s:.0f} s"
        rows: list[tuple[object, ...]] = [
            ("endpoint config", self.state.config_name),
            ("roll back to", self.former_config_name),
            ("scaling", ", ".join(self.restored) or "none"),
        ]
        return f"Endpoint {self.state.name} {changed}", ("what", "value"), rows


def plan_change(
    wb: Workbook,
    model_package_arn: str | None = None,
    instance_types: Sequence[str] = (),
    *,
    single_type_reason: str = "",
) -> DeploymentPlan:
    """The endpoint as it is, with another model package or other instance types: a plan for :func:`update`.

    Role, environment, timeouts and initial count are those of the variant's endpoint config and model.

    Raises:
        NotFound: there is no such endpoint, or it has no such variant.
        InvalidInput, InvalidRequest, UnsupportedFeature: as ``deploy.plan``.
    """
    state = endpoint_state.status(wb)
    state.variant(wb.variant_name)
    config = call(wb, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=state.config_name)
    variant = next(v for v in config["ProductionVariants"] if v["VariantName"] == wb.variant_name)
    model = call(wb, "sagemaker", "DescribeModel", ModelName=variant["ModelName"])
    container = (model.get("Containers") or [model["PrimaryContainer"]])[0]
    types = tuple(instance_types) or endpoint_state.instance_types_of(config, wb.variant_name)
    unchanged_single = not instance_types and len(types) == 1
    settings = {
        "download_timeout_s": variant.get("ModelDataDownloadTimeoutInSeconds"),
        "health_check_timeout_s": variant.get("ContainerStartupHealthCheckTimeoutInSeconds"),
        "provision_timeout_s": variant.get("VariantInstanceProvisionTimeoutInSeconds"),
        "metric_publish_s": config.get("MetricsConfig", {}).get("MetricPublishFrequencyInSeconds"),
    }
    return deployment_plan.plan(
        replace(
            wb,
            model_package_arn=model_package_arn or container.get("ModelPackageName"),
            role_arn=model["ExecutionRoleArn"],
        ),
        types,
        initial_count=variant.get("InitialInstanceCount", 1),
        single_type_reason=single_type_reason or ("the endpoint has no other." if unchanged_single else ""),
        environment=container.get("Environment"),
        **{name: value for name, value in settings.items() if value is not None},
    )


def warnings(wb: Workbook, plan: DeploymentPlan) -> tuple[str, ...]:
    """What to know before an update to ``plan``: live streams that would be cut, quota for a second fleet.

    Raises:
        NotFound, NotReady: there is no such endpoint, or it is not ``InService``.
        InvalidInput: the endpoint has variants that the plan does not have.
    """
    state = _changeable(wb)
    _require_variants(state, "The plan", (plan.variant_name,))
    if not differences(wb, plan, state.config_name):
        return ()
    return _warnings(wb, state, plan.instance_types)


def update(
    wb: Workbook,
    plan: DeploymentPlan,
    *,
    on_progress: OnProgress | None = None,
    on_warning: Callable[[str], object] = print,
    timeout_s: float | None = None,
) -> Updated:
    """Change model version, types or environment of an endpoint that scales; its instance count stays.

    Args:
        plan: what it should be; ``deploy.plan(wb, …)``.
        on_warning: told of each warning before anything is changed.

    Raises:
        NotFound: there is no such endpoint.
        NotReady: it is ``Updating`` or otherwise not ``InService``; nothing was changed.
        DeployFailed: SageMaker went back to the former config; scaling is on again.
        InvalidInput: the endpoint has variants that the plan does not have, and would lose.
        SpendNotConfirmed, QuotaExceeded: see ``deploy.update``; scaling is as it was.
    """
    state = _changeable(wb)
    _require_variants(state, "The plan", (plan.variant_name,))
    if not differences(wb, plan, state.config_name):
        return Updated(state, None, (), (), 0.0)
    said = _warnings(wb, state, plan.instance_types)
    for warning in said:
        on_warning(warning)
    started = wb.now()
    with _scaling_off(wb) as restored:
        done = deployment.update(wb, plan, on_progress=on_progress, timeout_s=timeout_s)
    took_s = (wb.now() - started).total_seconds()
    return Updated(endpoint_state.status(wb), done.previous_config_name, tuple(restored), said, took_s)


def roll_back(
    wb: Workbook,
    config_name: str,
    *,
    on_progress: OnProgress | None = None,
    on_warning: Callable[[str], object] = print,
    timeout_s: float = _TIMEOUT_S,
) -> Updated:
    """Return to a former endpoint config (``Updated.former_config_name``), in the same way.

    Raises:
        NotFound: there is no such endpoint or config.
        InvalidInput: the config lacks a variant that the endpoint has.
        NotReady, DeployFailed, SpendNotConfirmed: as :func:`update`.
    """
    state = _changeable(wb)
    if state.config_name == config_name:
        return Updated(state, None, (), (), 0.0)
    config = call(wb, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=config_name)
    names = tuple(variant["VariantName"] for variant in config["ProductionVariants"])
    _require_variants(state, f"Endpoint config {config_name!r}", names)
    types = endpoint_state.instance_types_of(config, wb.variant_name)
    prices = [price_per_hour(wb, instance_type).amount_usd for instance_type in types]
    count = state.variant(wb.variant_name).desired
    wb.require_spend(
        f"Rolling {wb.endpoint_name} back (a second fleet of {count} until the first is gone)",
        None if None in prices or not prices else max(prices) * count,
    )
    said = _warnings(wb, state, types)
    for warning in said:
        on_warning(warning)
    started = wb.now()
    with _scaling_off(wb) as restored:
        call(
            wb,
            "sagemaker",
            "UpdateEndpoint",
            EndpointName=wb.endpoint_name,
            EndpointConfigName=config_name,
            RetainAllVariantProperties=True,
        )
        after = endpoint_state.settle(wb, timeout_s=timeout_s, on_progress=on_progress)
        if after is None or after.config_name != config_name or after.status != "InService":
            reason = f"is {after.status} with {after.config_name}: {after.failure_reason}" if after else "is gone"
            raise DeployFailed(f"Endpoint {wb.endpoint_name!r} {reason}.", hint="Look at its log, then try again.")
    took_s = (wb.now() - started).total_seconds()
    return Updated(after, state.config_name, tuple(restored), said, took_s)


def _changeable(wb: Workbook) -> EndpointState:
    state = endpoint_state.status(wb)
    if state.status in MOVING:
        raise NotReady(
            f"Endpoint {state.name!r} is {state.status}: SageMaker takes one change at a time.",
            hint="Wait until it is InService, then repeat; nothing was changed.",
        )
    return endpoint_state.require_in_service(wb)


def _require_variants(state: EndpointState, what: str, names: tuple[str, ...]) -> None:
    lost = [variant.name for variant in state.variants if variant.name not in names]
    if lost:
        raise InvalidInput(
            f"{what} has the variants {', '.join(names)}, and endpoint {state.name!r} has {', '.join(lost)} beside: an "
            "update would end it together with its scaling.",
            hint="Make an endpoint config that keeps every variant's name and give that to updating.roll_back.",
        )


@contextmanager
def _scaling_off(wb: Workbook) -> Iterator[list[str]]:
    """Within it no variant is registered; afterwards all is as before. Yields what was put back, once it is."""
    before: Setup = scaling_setup.read(wb)
    restored: list[str] = []
    with termination_raises():
        try:
            restore.take_off(wb, before)
            _wait_for_scaling(wb)
            yield restored
        except BaseException as error:
            try:
                _settled(wb)
                back = restore.put_back(wb, before)
                error.add_note(f"Scaling is on again: {', '.join(back) or 'there was none'}.")
            except (DgsmError, KeyboardInterrupt) as also:
                error.add_note(f"Scaling is off and could not be put back ({also}): register and apply it again.")
            raise
        restored += restore.put_back(wb, before)


def _wait_for_scaling(wb: Workbook) -> None:
    """A change that scaling had begun goes on after the target is gone, and would refuse the update."""
    state = endpoint_state.settle(wb, timeout_s=_TIMEOUT_S, on_progress=None)
    if state is None:
        raise NotFound(f"Endpoint {wb.endpoint_name!r} was deleted meanwhile.")


def _settled(wb: Workbook) -> None:
    endpoint_state.settle(wb, timeout_s=_TIMEOUT_S, on_progress=None)


def _warnings(wb: Workbook, state: EndpointState, types: tuple[str, ...]) -> tuple[str, ...]:
    said = []
    streams = _live_streams(wb, state)
    if streams:
        said.append(
            f"About {streams:.0f} streams are live: they are cut when the old fleet goes (SageMaker moves none). "
            "Clients that reconnect lose a moment; update in a quiet hour otherwise."
        )
    count = state.variant(wb.variant_name).desired
    try:
        quotas = endpoint_quotas(wb, types)
    except DgsmError:
        return (*said, "The quotas could not be read: a second fleet needs quota beside the first.")
    running = state.instances_by_type
    for instance_type, quota in quotas.items():
        need = count + running.get(instance_type, 0)
        if quota is not None and need > quota:
            said.append(
                f"Both fleets run for a while: {need} × {instance_type} may be needed, the quota is {quota}. SageMaker "
                "refuses the update, or it falls back to the next type."
            )
    return tuple(said)


def _live_streams(wb: Workbook, state: EndpointState) -> float:
    """Streams in flight over the variant's instances, as CloudWatch had it within the last two minutes."""
    frame = metrics.metrics(wb, last_s=_STREAMS_WITHIN_S).concurrency["concurrency_mean_streams"].dropna()
    return float(frame.iloc[-1]) * state.variant(wb.variant_name).running if len(frame) else 0.0

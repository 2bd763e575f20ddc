"""Updates of an endpoint that scales: scaling off, update, wait, scaling on again; put back whatever happens.

Application Auto Scaling must not change an endpoint that is being updated, and SageMaker refuses to change the instance
types of a registered variant (SageMaker guide, "Update or delete endpoints that use automatic scaling").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dgsm_helpers.aws.account.quotas import endpoint_quotas
from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.core.money import require_spend
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.aws.endpoint import create, deployment, deployment_plan, endpoint_state
from dgsm_helpers.aws.endpoint.deployment_plan import DeploymentPlan
from dgsm_helpers.aws.endpoint.endpoint_config import beyond_plans, differences, read_endpoint_config
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.endpoint.endpoint_state import MOVING, EndpointState, OnProgress, in_service
from dgsm_helpers.aws.scaling import journal, scaling_setup, setup_calls
from dgsm_helpers.aws.watch import metrics
from dgsm_helpers.errors import DeployFailed, DgsmError, InvalidInput, NotFound, UnsupportedFeature
from dgsm_helpers.session import Workbook

_STREAMS_WITHIN_S = 120.0
"""Streams count as live when CloudWatch had them so lately."""
_TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class Updated(Table):
    """An endpoint after an update or a roll-back.

    ``former_config_name`` is what to roll back to, None when nothing changed; ``restored`` names the scaling that is
    on again; ``warnings`` are those given beforehand, and what of the scaling somebody else has changed meanwhile.
    """

    state: EndpointState
    former_config_name: str | None
    restored: tuple[str, ...]
    warnings: tuple[str, ...]
    took_s: float

    _columns = ("what", "value")

    def _caption(self) -> str:
        changed = "was as asked for" if self.former_config_name is None else f"is updated, in {self.took_s:.0f} s"
        return f"Endpoint {self.state.name} {changed}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            ("endpoint config", self.state.config_name),
            ("roll back to", self.former_config_name),
            ("scaling", ", ".join(self.restored) or "none"),
        ]

    def _notes(self) -> tuple[str, ...]:
        return self.warnings


def plan_change(
    wb: Workbook,
    model_package_arn: str | None = None,
    instance_types: Sequence[str] = (),
    *,
    single_type_reason: str = "",
) -> DeploymentPlan:
    """The endpoint as it is, with another model package or other instance types: a plan for :func:`update_endpoint`.

    Role, environment, timeouts and initial count are those of the variant's endpoint config and model.

    Raises:
        NotFound: there is no such endpoint, or it has no such variant.
        InvalidInput, InvalidRequest, UnsupportedFeature: as ``deploy.plan``.
    """
    endpoint = EndpointReading(wb)
    endpoint.state.variant(wb.variant_name)
    described, metrics_config = endpoint.configured.described, endpoint.config.described.get("MetricsConfig", {})
    settings = {
        "download_timeout_s": described.get("ModelDataDownloadTimeoutInSeconds"),
        "health_check_timeout_s": described.get("ContainerStartupHealthCheckTimeoutInSeconds"),
        "provision_timeout_s": described.get("VariantInstanceProvisionTimeoutInSeconds"),
        "metric_publish_s": metrics_config.get("MetricPublishFrequencyInSeconds"),
    }
    types = tuple(instance_types) or endpoint.instance_types
    unchanged_single = not instance_types and len(types) == 1
    package_arn = model_package_arn or endpoint.model_package_arn
    return deployment_plan.plan(
        replace(wb, model_package_arn=package_arn, role_arn=endpoint.model.get("ExecutionRoleArn")),
        types,
        initial_count=endpoint.configured.initial_count or 1,
        single_type_reason=single_type_reason or ("the endpoint has no other." if unchanged_single else ""),
        environment=endpoint.container.get("Environment"),
        **{name: value for name, value in settings.items() if value is not None},
    )


def update_endpoint(
    wb: Workbook,
    plan: DeploymentPlan,
    *,
    on_progress: OnProgress | None = None,
    on_warning: Callable[[str], object] = print,
) -> Updated:
    """Change model version, types or environment of the endpoint; its instance count and its scaling stay.

    SageMaker changes all instances at once, blue/green. Both fleets run, and need quota, for a while; live streams are
    cut when the old fleet goes. The former endpoint config is kept to roll back to.

    Args:
        plan: what it should be; ``deploy.plan(wb, …)``.
        on_warning: told of each warning before anything is changed.

    Raises:
        NotFound: there is no such endpoint.
        NotReady: it is ``Updating`` or otherwise not ``InService``; nothing was changed.
        DeployFailed: SageMaker went back to the former config; scaling is on again.
        InvalidInput: the endpoint has variants that the plan would remove, or the plan is for another endpoint.
        UnsupportedFeature: it has what no plan states (data capture, shadow variants, …), or is of another kind.
        SpendNotConfirmed, QuotaExceeded: see ``deploy.deploy``; nothing was changed.
    """
    deployment.require_same_endpoint(wb, plan)
    state = _changeable(wb)
    _require_variants(state, "The plan", (plan.variant_name,))
    if not differences(wb, plan, state):
        return Updated(state, None, (), (), 0.0)
    if lost := beyond_plans(wb, plan.variant_name, state):
        raise UnsupportedFeature(
            f"Endpoint {state.name!r} has {', '.join(lost)}: no plan states that, so that the update would end it.",
            hint="Make an endpoint config that has all of it, and give its name to deploy.roll_back (dgsm update "
            "--roll-back), which only changes over.",
        )
    _require_spend(wb, state, f"Updating {wb.endpoint_name}", plan.instance_types)
    deployment.refuse_zero_quota(wb, plan)

    def change() -> EndpointState:
        made = create.make(wb, plan, lambda: _start(wb, plan.config_name))
        after = deployment.wait_in_service(wb, plan.longest_s, on_progress)
        if after.config_name != plan.config_name:
            create.undo(wb, made)
            rolled_back = f"Endpoint {plan.endpoint_name!r} was rolled back to {after.config_name}."
            deployment.raise_failure(wb, after, rolled_back)
        return after

    return _update(wb, state, plan.instance_types, change, what="update", on_warning=on_warning)


def roll_back(
    wb: Workbook,
    config_name: str,
    *,
    on_progress: OnProgress | None = None,
    on_warning: Callable[[str], object] = print,
) -> Updated:
    """Return to a former endpoint config (``Updated.former_config_name``), in the same way.

    Raises:
        NotFound: there is no such endpoint or config.
        InvalidInput: the config lacks a variant that the endpoint has.
        NotReady, DeployFailed, SpendNotConfirmed: as :func:`update_endpoint`.
    """
    state = _changeable(wb)
    if state.config_name == config_name:
        return Updated(state, None, (), (), 0.0)
    config = read_endpoint_config(wb, config_name)
    names = tuple(variant.name for variant in (*config.variants, *config.shadows))
    _require_variants(state, f"Endpoint config {config_name!r}", names)
    instance_types = config.variant(wb.variant_name).instance_types
    _require_spend(wb, state, f"Rolling {wb.endpoint_name} back", instance_types)

    def change() -> EndpointState:
        _start(wb, config_name)
        after = endpoint_state.settle(wb, timeout_s=_TIMEOUT_S, on_progress=on_progress)
        if after is None or after.config_name != config_name or after.status != "InService":
            reason = f"is {after.status} with {after.config_name}: {after.failure_reason}" if after else "is gone"
            raise DeployFailed(f"Endpoint {wb.endpoint_name!r} {reason}.", hint="Look at its log, then try again.")
        return after

    return _update(wb, state, instance_types, change, what="roll-back", on_warning=on_warning)


def _require_spend(wb: Workbook, state: EndpointState, what: str, instance_types: tuple[str, ...]) -> None:
    count = state.variant(wb.variant_name).desired
    require_spend(wb, f"{what} (a second fleet of {count} until the first is gone)", instance_types, count)


def _update(
    wb: Workbook,
    state: EndpointState,
    instance_types: tuple[str, ...],
    change: Callable[[], EndpointState],
    *,
    what: str,
    on_warning: Callable[[str], object],
) -> Updated:
    """Warn, take scaling off, ``change`` the endpoint, and put scaling on again."""
    warned = warnings(wb, state, instance_types)
    for warning in warned:
        on_warning(warning)
    started, setup = wb.now(), scaling_setup.read(wb)
    with journal.written(wb, what, state, {"setup": asdict(setup)}) as page:
        setup_calls.remove_scaling(wb, setup)
        # A change that scaling had begun goes on after the target is gone, and would refuse the update.
        if endpoint_state.settle(wb, timeout_s=_TIMEOUT_S, on_progress=None) is None:
            raise NotFound(f"Endpoint {wb.endpoint_name!r} was deleted meanwhile.")
        after = change()
        back = page.put_back()
    warned += tuple(f"Meanwhile {change}: that was left as it is." for change in back.meanwhile)
    return Updated(after, state.config_name, back.restored, warned, (wb.now() - started).total_seconds())


def _start(wb: Workbook, config_name: str) -> None:
    # Without retaining, the fleet would fall back to its initial count whatever auto scaling had made of it.
    names = {"EndpointName": wb.endpoint_name, "EndpointConfigName": config_name}
    call(wb, "sagemaker", "UpdateEndpoint", **names, RetainAllVariantProperties=True)


def _changeable(wb: Workbook) -> EndpointState:
    """The endpoint, once SageMaker takes a change of it and what an earlier command left undone is finished."""
    journal.finish(wb)
    endpoint = EndpointReading(wb)
    if endpoint.state.status in MOVING:
        in_service(endpoint.state)  # SageMaker takes one change at a time
    return endpoint.ready()


def _require_variants(state: EndpointState, what: str, names: tuple[str, ...]) -> None:
    lost = [variant.name for variant in (*state.variants, *state.shadows) if variant.name not in names]
    if lost:
        raise InvalidInput(
            f"{what} has the variants {', '.join(names)}, and endpoint {state.name!r} has {', '.join(lost)} beside: an "
            "update would end it together with its scaling.",
            hint="Make an endpoint config that keeps every variant's name and give that to deploy.roll_back.",
        )


def warnings(wb: Workbook, state: EndpointState, types: tuple[str, ...]) -> tuple[str, ...]:
    """What to know before an update to ``types``: live streams that would be cut, quota for a second fleet."""
    warned = []
    variant = state.variant(wb.variant_name)
    means = metrics.read_metrics(wb, last_s=_STREAMS_WITHIN_S).concurrency["concurrency_mean_streams"].dropna()
    streams = float(means.iloc[-1]) * variant.running if len(means) else 0.0
    if streams:
        warned.append(
            f"About {streams:.0f} streams are live: they are cut when the old fleet goes (SageMaker moves none). "
            "Clients that reconnect lose a moment; update in a quiet hour otherwise."
        )
    if _in_steps(state.last_deployment):
        warned.append(
            "Its last update went in steps (canary, linear or rolling); this one changes all instances at once, as AWS "
            "demands of Marketplace models."
        )
    try:
        quotas = endpoint_quotas(wb, types)
    except DgsmError:
        return (*warned, "The quotas could not be read: a second fleet needs quota beside the first.")
    running = state.instances_by_type
    for instance_type, quota in quotas.items():
        need = variant.desired + running.get(instance_type, 0)
        if quota is not None and need > quota:
            warned.append(
                f"Both fleets run for a while: {need} × {instance_type} may be needed, the quota is {quota}. SageMaker "
                "refuses the update, or it falls back to the next type."
            )
    return tuple(warned)


def _in_steps(deployment: Mapping[str, Any]) -> bool:
    """Whether a DeploymentConfig shifts traffic or replaces instances a part at a time."""
    routing = (deployment.get("BlueGreenUpdatePolicy") or {}).get("TrafficRoutingConfiguration") or {}
    return "RollingUpdatePolicy" in deployment or routing.get("Type", "ALL_AT_ONCE") != "ALL_AT_ONCE"

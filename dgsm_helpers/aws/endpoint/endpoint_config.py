"""The one reader of endpoint configs, and how a config differs from a deployment plan."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.endpoint.deployment_plan import DeploymentPlan
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState
from dgsm_helpers.errors import NotFound
from dgsm_helpers.session import Workbook


@dataclass(frozen=True)
class ConfiguredVariant:
    """A production variant as an endpoint config states it; what the config leaves out is empty or None.

    ``instance_types`` are in order of preference. ``model_names`` holds ``model_name`` and the models that single pools
    have instead of it. ``described`` is AWS's whole answer about the variant.
    """

    name: str
    model_name: str = ""
    model_names: tuple[str, ...] = ()
    instance_types: tuple[str, ...] = ()
    initial_count: int | None = None
    routing: str = ""
    ami: str = ""
    described: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class EndpointConfig:
    """An endpoint config; ``described`` is AWS's whole answer, for what is compared or made again member by member."""

    name: str
    arn: str
    variants: tuple[ConfiguredVariant, ...]
    shadows: tuple[ConfiguredVariant, ...]
    enhanced_metrics: bool
    described: Mapping[str, Any]

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models of all its variants, shadow variants last."""
        every = (name for variant in (*self.variants, *self.shadows) for name in variant.model_names)
        return tuple(dict.fromkeys(every))

    def variant(self, name: str) -> ConfiguredVariant:
        """The variant of that name; one that says nothing when the config has none of it."""
        return next((variant for variant in self.variants if variant.name == name), ConfiguredVariant(name))


def read_endpoint_config(wb: Workbook, config_name: str) -> EndpointConfig:
    """The endpoint config of that name. Raises NotFound: there is none."""
    described = call(wb, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=config_name)
    return EndpointConfig(
        name=described["EndpointConfigName"],
        arn=described["EndpointConfigArn"],
        variants=tuple(map(_variant, described["ProductionVariants"])),
        shadows=tuple(map(_variant, described.get("ShadowProductionVariants") or ())),
        enhanced_metrics=bool((described.get("MetricsConfig") or {}).get("EnableEnhancedMetrics")),
        described=described,
    )


def config_in_use(wb: Workbook, state: EndpointState) -> EndpointConfig:
    """The endpoint config that the endpoint runs by. Raises NotFound: somebody deleted it; it serves on without."""
    try:
        return read_endpoint_config(wb, state.config_name)
    except NotFound as error:
        raise NotFound(
            f"The endpoint config {state.config_name!r} of endpoint {state.name!r} was deleted: SageMaker can neither "
            "update nor patch the endpoint, and its model and instance types cannot be read any more.",
            hint="Make an endpoint config of that name again, as it was, or delete the endpoint and deploy it anew; "
            "until then it serves on, and bills.",
        ) from error


def model_in_use(wb: Workbook, name: str) -> Mapping[str, Any]:
    """What DescribeModel says of a model that runs. Raises NotFound: somebody deleted it; it is served on."""
    try:
        return call(wb, "sagemaker", "DescribeModel", ModelName=name)
    except NotFound as error:
        raise NotFound(
            f"The model {name!r} of endpoint {wb.endpoint_name!r} was deleted: SageMaker can neither update nor patch "
            "the endpoint, and what it runs cannot be read any more.",
            hint="Make a model of that name again, as it was, or delete the endpoint and deploy it anew; until then it "
            "serves on, and bills.",
        ) from error


def _variant(raw: Mapping[str, Any]) -> ConfiguredVariant:
    pools = sorted(raw.get("InstancePools") or (), key=lambda pool: pool["Priority"])
    types = [pool["InstanceType"] for pool in pools] or [raw.get("InstanceType")]
    models = [raw.get("ModelName"), *(pool.get("ModelNameOverride") for pool in raw.get("InstancePools") or ())]
    return ConfiguredVariant(
        name=raw["VariantName"],
        model_name=raw.get("ModelName", ""),
        model_names=tuple(dict.fromkeys(filter(None, models))),
        instance_types=tuple(filter(None, types)),
        initial_count=raw.get("InitialInstanceCount"),
        routing=(raw.get("RoutingConfig") or {}).get("RoutingStrategy", ""),
        ami=raw.get("InferenceAmiVersion", ""),
        described=raw,
    )


_NAMES = frozenset({"EndpointConfigName", "ModelName", "Tags"})


def differences(wb: Workbook, plan: DeploymentPlan, state: EndpointState) -> tuple[str, ...]:
    """Each value that an existing endpoint's config, or its model, holds differently from ``plan``; empty when none.

    Only what the plan states is compared: AWS adds defaults of its own. Names do not count, so that an identical
    endpoint made by hand is recognised too.
    """
    config = config_in_use(wb, state)
    differing = list(_differing(plan.endpoint_config_request(), config.described, ""))
    model_name = config.variant(plan.variant_name).model_name
    if model_name:
        differing += _differing(plan.model_request(), model_in_use(wb, model_name), "")
    return tuple(differing)


_BEYOND_PLANS = {
    "endpoint config": (
        "DataCaptureConfig",
        "ShadowProductionVariants",
        "ExplainerConfig",
        "KmsKeyId",
        "VpcConfig",
        "CrossRegionTrafficConfig",
    ),
    "variant": (
        "AcceleratorPartitionLayouts",
        "CapacityReservationConfig",
        "CoreDumpConfig",
        "EnableSSMAccess",
        "VolumeSizeInGB",
    ),
    "model": ("VpcConfig", "InferenceExecutionConfig"),
}
"""What SageMaker takes and no deployment plan states."""


def beyond_plans(wb: Workbook, variant_name: str, state: EndpointState) -> tuple[str, ...]:
    """What the endpoint has and no plan can state, in words: an update to a plan would end it without a word."""
    config = config_in_use(wb, state)
    variant = config.variant(variant_name)
    model = model_in_use(wb, variant.model_name) if variant.model_name else {}
    described = {"endpoint config": config.described, "variant": variant.described, "model": model}
    found = [f"{m} of its {part}" for part, members in _BEYOND_PLANS.items() for m in members if described[part].get(m)]
    if len(variant.model_names) > 1:
        found.append(f"models of single instance types ({', '.join(variant.model_names)})")
    if len(model.get("Containers") or ()) > 1:
        found.append(f"the {len(model['Containers'])} containers of its model")
    return tuple(found)


def _differing(planned: Any, described: Any, path: str) -> Iterator[str]:
    if isinstance(planned, Mapping) and isinstance(described, Mapping):
        for key, value in planned.items():
            if key not in _NAMES:
                yield from _differing(value, described.get(key), f"{path}.{key}" if path else key)
    elif isinstance(planned, list) and isinstance(described, list) and len(planned) == len(described):
        for index, (one, other) in enumerate(zip(planned, described, strict=True)):
            yield from _differing(one, other, f"{path}[{index}]")
    elif planned != described:
        yield f"{path} is {_shown(described)}, the plan says {_shown(planned)}"


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(i, Mapping) and "InstanceType" in i for i in value):
        return ", ".join(item["InstanceType"] for item in value)
    return "not set" if value is None else str(value)

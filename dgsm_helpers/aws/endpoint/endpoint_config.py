"""The one reader of endpoint configs, and how a config differs from a deployment plan."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.endpoint.deployment_plan import DeploymentPlan
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
    enhanced_metrics: bool
    described: Mapping[str, Any]

    def variant(self, name: str) -> ConfiguredVariant:
        """The variant of that name; one that says nothing when the config has none of it."""
        return next((variant for variant in self.variants if variant.name == name), ConfiguredVariant(name))


def read_endpoint_config(wb: Workbook, config_name: str) -> EndpointConfig:
    """The endpoint config of that name.

    Raises:
        NotFound: there is none.
    """
    described = call(wb, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=config_name)
    return EndpointConfig(
        name=described["EndpointConfigName"],
        arn=described["EndpointConfigArn"],
        variants=tuple(map(_variant, described["ProductionVariants"])),
        enhanced_metrics=bool((described.get("MetricsConfig") or {}).get("EnableEnhancedMetrics")),
        described=described,
    )


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


def differences(wb: Workbook, plan: DeploymentPlan, config_name: str) -> tuple[str, ...]:
    """Each value that an existing endpoint config, or its model, holds differently from ``plan``; empty when none.

    Only what the plan states is compared: AWS adds defaults of its own. Names do not count, so that an identical
    endpoint made by hand is recognised too.
    """
    config = read_endpoint_config(wb, config_name)
    differing = list(_differing(plan.endpoint_config_request(), config.described, ""))
    model_name = config.variant(plan.variant_name).model_name
    if model_name:
        model = call(wb, "sagemaker", "DescribeModel", ModelName=model_name)
        differing += _differing(plan.model_request(), model, "")
    return tuple(differing)


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

"""How what is deployed differs from a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .calls import call
from .plan import DeploymentPlan

if TYPE_CHECKING:
    from ..session import Workbook

_NAMES = frozenset({"EndpointConfigName", "ModelName", "Tags"})


def differences(wb: Workbook, plan: DeploymentPlan, config_name: str) -> tuple[str, ...]:
    """Each value that an existing endpoint config, or its model, holds differently from ``plan``; empty when none.

    Only what the plan states is compared: AWS adds defaults of its own. Names do not count, so that an identical
    endpoint made by hand is recognised too.
    """
    config = call(wb, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=config_name)
    found = list(_differing(plan.endpoint_config_request(), config, ""))
    variant = next((v for v in config["ProductionVariants"] if v["VariantName"] == plan.variant_name), {})
    if variant.get("ModelName"):
        model = call(wb, "sagemaker", "DescribeModel", ModelName=variant["ModelName"])
        found += _differing(plan.model_request(), model, "")
    return tuple(found)


def _differing(wanted: Any, found: Any, path: str) -> Iterator[str]:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key, value in wanted.items():
            if key not in _NAMES:
                yield from _differing(value, found.get(key), f"{path}.{key}" if path else key)
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _differing(one, other, f"{path}[{index}]")
    elif wanted != found:
        yield f"{path} is {_shown(found)}, the plan says {_shown(wanted)}"


def _shown(value: Any) -> str:
    if (
        isinstance(value, list)
        and value
        and all(isinstance(item, Mapping) and "InstanceType" in item for item in value)
    ):
        return ", ".join(item["InstanceType"] for item in value)
    return "not set" if value is None else str(value)

"""Which model package is behind an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .calls import call

if TYPE_CHECKING:
    from ..session import Workbook
    from .endpoint import EndpointState


def deployed_package(wb: Workbook, state: EndpointState) -> str | None:
    """The model package ARN of the workbook's variant; None when its model was not made from one."""
    config = call(wb, "sagemaker", "DescribeEndpointConfig", EndpointConfigName=state.config_name)
    variant = next((v for v in config["ProductionVariants"] if v["VariantName"] == wb.variant_name), {})
    if "ModelName" not in variant:
        return None
    model = call(wb, "sagemaker", "DescribeModel", ModelName=variant["ModelName"])
    containers = model.get("Containers") or [model.get("PrimaryContainer") or {}]
    return containers[0].get("ModelPackageName")

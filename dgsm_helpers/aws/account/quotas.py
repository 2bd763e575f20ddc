"""SageMaker's quotas for endpoints, by instance type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgsm_helpers.aws.core.calls import pages

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook


def quota_name(instance_type: str) -> str:
    """The quota's name in Service Quotas, such as ``ml.g6.2xlarge for endpoint usage``."""
    return f"{instance_type} for endpoint usage"


def endpoint_quotas(wb: Workbook, instance_types: Sequence[str]) -> dict[str, int | None]:
    """How many instances of each type the account may run behind endpoints; None where Service Quotas lists none.

    Quota codes differ between types and are looked up by name. Reading stops at the page where the last type is found,
    since the whole list has thousands of rows.

    Raises:
        AccessDenied: ``servicequotas:ListServiceQuotas`` is not allowed (``AmazonSageMakerFullAccess`` lacks it).
        AwsCallFailed: any other refusal.
    """
    wanted = {quota_name(instance_type): instance_type for instance_type in instance_types}
    found: dict[str, int | None] = dict.fromkeys(instance_types)
    for quota in pages(wb, "service-quotas", "ListServiceQuotas", "Quotas", ServiceCode="sagemaker"):
        instance_type = wanted.pop(quota.get("QuotaName", ""), None)
        if instance_type is not None:
            found[instance_type] = int(quota["Value"])
        if not wanted:
            break
    return found

"""What each call of AWS's does to an account: reads it, changes it, starts or raises billing, or deletes."""

from enum import StrEnum
from types import MappingProxyType


class Effect(StrEnum):
    """What a call does; all but the first need the user's agreement."""

    READS = "reads"
    CHANGES = "changes"
    BILLS = "starts or raises billing"
    DELETES = "deletes"


LOAD_PRICE = "what the instances cost that it makes the endpoint scale out to"
"""Of audio sent to an endpoint, in words."""

BILLS = MappingProxyType(
    {
        "CreateEndpoint": "instances run",
        "UpdateEndpoint": "a second fleet runs until the first is gone",
        "UpdateEndpointWeightsAndCapacities": "more instances may be asked for",
        "RegisterScalableTarget": "a minimum above what runs starts instances; scaling let go on may",
        "PutScalingPolicy": "it starts instances, up to the registered maximum",
        "PutScheduledAction": "it may raise the bounds",
        "PutMetricAlarm": "CloudWatch bills each alarm by the month",
        "PutDashboard": "CloudWatch bills each dashboard beyond the third by the month",
        "InvokeEndpoint": f"audio costs {LOAD_PRICE}",
        "InvokeEndpointWithBidirectionalStream": f"audio costs {LOAD_PRICE}",
    }
)
"""The calls that start or raise billing, with how."""

_READS = ("Describe", "Filter", "Get", "List", "Search", "Simulate")
_DELETES = ("Delete", "Deregister")


def effect_of(operation: str) -> Effect:
    """What an operation does, by its name in AWS's API; one that is not known to only read changes something."""
    if operation in BILLS:
        return Effect.BILLS
    if operation.startswith(_DELETES):
        return Effect.DELETES
    return Effect.READS if operation.startswith(_READS) else Effect.CHANGES


IAM_PREFIX = {
    "sagemaker-runtime": "sagemaker",
    "service-quotas": "servicequotas",
    "resourcegroupstaggingapi": "tag",
    "marketplace-agreement": "aws-marketplace",
}
"""IAM's prefix of a service where boto3 has another name for it."""


def iam_action(service: str, operation: str) -> str:
    """What IAM calls a call: ``sagemaker:InvokeEndpoint`` of boto3's sagemaker-runtime."""
    return f"{IAM_PREFIX.get(service, service)}:{operation}"

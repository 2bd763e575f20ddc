"""What the tests of several clients share: the sample, an endpoint and its scaling and refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

SCRIPTS = Path(__file__).parents[1] / "clients" / "scripts"
SAMPLE_WAV = Path(str(files("dgsm_helpers") / "data" / "jfk.wav"))
ACCOUNT = "123456789012"
NAMESPACE = {"ServiceNamespace": "sagemaker"}
POLICY = {
    "TargetValue": 5.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    },
}
POOL = {"InstancePools": [{"InstanceType": "ml.g6.2xlarge", "Priority": 1}]}


def model_request(package_arn: str, role_arn: str, **changes: Any) -> dict[str, Any]:
    """A model of a Marketplace package, as CreateModel wants it, with ``changes``."""
    whole = {
        "PrimaryContainer": {"ModelPackageName": package_arn},
        "ExecutionRoleArn": role_arn,
        "EnableNetworkIsolation": True,
    }
    return {**whole, **changes}


def make_endpoint(sagemaker: Any, name: str, package_arn: str, role_arn: str, **variant: Any) -> None:
    """Create a model, a configuration and an endpoint, all called ``name``; returns while it is Creating."""
    sagemaker.create_model(ModelName=name, **model_request(package_arn, role_arn))
    whole = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, **(variant or POOL)}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[whole])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def wait_until_in_service(sagemaker: Any, name: str) -> None:
    """AWS's own waiter, asking every half second."""
    waiter = sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=name, WaiterConfig={"Delay": 0.5, "MaxAttempts": 240})


def refused(call: Callable[..., Any], *, code: str = "ValidationException", **given: Any) -> str:
    """The message of the refusal, whose code must be ``code``."""
    with pytest.raises(ClientError) as caught:
        call(**given)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]


@dataclass(frozen=True)
class Scaling:
    """Application Auto Scaling's calls on the session's endpoint."""

    client: Any
    resource_id: str

    @property
    def target(self) -> dict[str, str]:
        dimension = {"ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
        return {**NAMESPACE, **dimension, "ResourceId": self.resource_id}

    def register(self, low: int, high: int) -> None:
        self.client.register_scalable_target(**self.target, MinCapacity=low, MaxCapacity=high)

    def policy_request(self, name: str = "p", **configuration: Any) -> dict[str, Any]:
        kind = {"PolicyType": "TargetTrackingScaling", "PolicyName": name}
        return {**self.target, **kind, "TargetTrackingScalingPolicyConfiguration": configuration or POLICY}

    def policies(self) -> dict[str, dict]:
        rows = self.client.describe_scaling_policies(**NAMESPACE, ResourceId=self.resource_id)["ScalingPolicies"]
        return {row["PolicyName"]: row for row in rows}

    def targets(self) -> list[dict]:
        return self.client.describe_scalable_targets(**NAMESPACE, ResourceIds=[self.resource_id])["ScalableTargets"]

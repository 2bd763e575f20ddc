"""What the tests of several clients share: the sample, an endpoint made through boto3, and patience."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent / "scripts"
SAMPLE_WAV = Path(str(files("dgsm_helpers") / "data" / "jfk.wav"))
POOL = {"InstancePools": [{"InstanceType": "ml.g6.2xlarge", "Priority": 1}]}


def make_endpoint(sagemaker: Any, name: str, package_arn: str, role_arn: str, **variant: Any) -> None:
    """Create a model, a configuration and an endpoint, all called ``name``; returns while it is Creating."""
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"ModelPackageName": package_arn},
        ExecutionRoleArn=role_arn,
        EnableNetworkIsolation=True,
    )
    whole = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, **(variant or POOL)}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[whole])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def wait_until_in_service(sagemaker: Any, name: str) -> None:
    """AWS's own waiter, asking every half second."""
    waiter = sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=name, WaiterConfig={"Delay": 0.5, "MaxAttempts": 60})


def eventually(ask: Callable[[], Any], *, within_s: float = 30.0, every_s: float = 0.5) -> Any:
    """The first true answer of ``ask``; the last one is in the failure when none is true within the time."""
    deadline = time.monotonic() + within_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"nothing within {within_s:g} s; last answer: {answer!r}"
        time.sleep(every_s)
    return answer

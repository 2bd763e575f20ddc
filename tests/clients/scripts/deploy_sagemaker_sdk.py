"""Takes an endpoint from nothing to nothing with the SageMaker SDK's resources, and prints as JSON what each step saw.

Session, region and addresses are left to the SDK, which finds them in the environment.
"""

import argparse
import json
from pathlib import Path

from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, InstancePool, MetricsConfig, ProductionVariant

WAIT = {"poll": 1, "timeout": 600}


def main() -> None:
    """Create, read, list, update, invoke and delete."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--package", required=True)
    parser.add_argument("--role", required=True)
    parser.add_argument("--wav", required=True)
    options = parser.parse_args()
    name, seen = options.name, {}

    model = Model.create(
        model_name=name,
        execution_role_arn=options.role,
        enable_network_isolation=True,
        primary_container=ContainerDefinition(model_package_name=options.package),
    )
    seen["isolated"] = Model.get(model_name=name).enable_network_isolation
    configs = [_config(name, f"{name}-{count}", count) for count in (1, 2)]
    pools = EndpointConfig.get(endpoint_config_name=f"{name}-1").production_variants[0].instance_pools
    seen["pools"] = [(pool.instance_type, pool.priority) for pool in pools]

    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=f"{name}-1")
    seen["created"] = endpoint.endpoint_status
    endpoint.wait_for_status("InService", **WAIT)
    endpoint.refresh()
    seen["in_service"] = _counts(endpoint)
    seen["listed"] = [e.endpoint_name for e in Endpoint.get_all(name_contains=name)]

    answer = endpoint.invoke(
        body=Path(options.wav).read_bytes(),
        content_type="audio/wav",
        custom_attributes="v1/listen?model=nova-3&punctuate=true",
    )
    seen["document"] = json.loads(answer.body.read())

    endpoint.endpoint_config_name = f"{name}-2"
    endpoint.update()
    endpoint.wait_for_status("InService", **WAIT)
    seen["updated"] = _counts(Endpoint.get(endpoint_name=name))

    endpoint.delete()
    endpoint.wait_for_delete(**WAIT)
    for config in configs:
        config.delete()
    model.delete()
    seen["left"] = [r for kind in (Endpoint, EndpointConfig, Model) for r in map(str, kind.get_all(name_contains=name))]
    print()  # the SDK's live panel leaves the cursor in its last line
    print(json.dumps(seen))


def _config(model: str, name: str, count: int) -> EndpointConfig:
    return EndpointConfig.create(
        endpoint_config_name=name,
        production_variants=[
            ProductionVariant(
                variant_name="AllTraffic",
                model_name=model,
                initial_instance_count=count,
                instance_pools=[
                    InstancePool(instance_type="ml.g6.2xlarge", priority=1),
                    InstancePool(instance_type="ml.g5.2xlarge", priority=2),
                ],
                inference_ami_version="al2023-ami-sagemaker-inference-gpu-4-1",
                variant_instance_provision_timeout_in_seconds=600,
            )
        ],
        metrics_config=MetricsConfig(enable_enhanced_metrics=True),
    )


def _counts(endpoint: Endpoint) -> list:
    variant = endpoint.production_variants[0]
    pools = {pool.instance_type: pool.current_instance_count for pool in variant.instance_pools}
    return [endpoint.endpoint_status, variant.current_instance_count, pools]


if __name__ == "__main__":
    main()

"""What SageMaker refuses: wrong order, wrong values, things that are missing, taken or busy.

Every refusal is followed by a look at what was left: nothing may be half-made.
"""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from kit.client_setup import ACCOUNT, make_endpoint, model_request, refused, wait_until_in_service

from dgsm_helpers.places import running_server

POOL_TYPES = ("ml.g6.2xlarge", "ml.g6e.2xlarge", "ml.g5.2xlarge", "ml.g7e.2xlarge", "ml.g4dn.2xlarge", "ml.g6.xlarge")


def arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:{kind}/{name}"


def pools(*types: str) -> list[dict]:
    return [{"InstanceType": t, "Priority": min(5, n)} for n, t in enumerate(types, start=1)]


def _model(boto: Any, **changes: Any) -> dict[str, Any]:
    return model_request(boto.listings["metered"], boto.role_arn, **changes)


# Missing things


@pytest.mark.parametrize(
    ("operation", "member", "kind", "words"),
    [
        ("describe_endpoint", "EndpointName", "endpoint", "endpoint"),
        ("delete_endpoint", "EndpointName", "endpoint", "endpoint"),
        ("describe_endpoint_config", "EndpointConfigName", "endpoint-config", "endpoint configuration"),
        ("delete_endpoint_config", "EndpointConfigName", "endpoint-config", "endpoint configuration"),
        ("describe_model", "ModelName", "model", "model"),
        ("delete_model", "ModelName", "model", "model"),
    ],
)
def test_what_does_not_exist_cannot_be_described_or_deleted(boto, operation, member, kind, words):
    message = refused(getattr(boto("sagemaker"), operation), **{member: "no-such-thing"})
    assert message == f'Could not find {words} "{arn(kind, "no-such-thing")}".'


def test_each_step_needs_the_one_before(boto, model):
    sagemaker = boto("sagemaker")
    variant = {"VariantName": "AllTraffic", "InitialInstanceCount": 1, "InstanceType": "ml.g5.2xlarge"}
    message = refused(
        sagemaker.create_endpoint_config,
        EndpointConfigName="dg-early",
        ProductionVariants=[{**variant, "ModelName": "no-such-model"}],
    )
    assert message == f'Could not find model "{arn("model", "no-such-model")}".'
    message = refused(sagemaker.create_endpoint, EndpointName="dg-early", EndpointConfigName="dg-early")
    assert message == f'Could not find endpoint configuration "{arn("endpoint-config", "dg-early")}".'
    assert not sagemaker.list_endpoints(NameContains="dg-early")["Endpoints"]


def test_the_cli_says_it_in_awss_words(local_env):
    done = subprocess.run(
        ["aws", "sagemaker", "describe-endpoint", "--endpoint-name", "no-such-thing"],
        env=local_env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (254, 255)  # version 2 and version 1
    assert done.stderr.strip().endswith(
        "An error occurred (ValidationException) when calling the DescribeEndpoint operation: "
        f'Could not find endpoint "{arn("endpoint", "no-such-thing")}".'
    )


# Models


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"EnableNetworkIsolation": False}, "EnableNetworkIsolation must be set to true"),
        ({"PrimaryContainer": {"Image": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/x"}}, "ModelPackageName"),
        ({"ExecutionRoleArn": "not-an-arn-but-long-enough"}, "executionRoleArn"),
    ],
    ids=["no-isolation", "no-package", "no-role-arn"],
)
def test_a_model_that_marketplace_would_refuse_is_not_made(boto, changes, words):
    sagemaker = boto("sagemaker")
    assert words in refused(sagemaker.create_model, ModelName="dg-not-made", **_model(boto, **changes))
    assert not sagemaker.list_models(NameContains="dg-not-made")["Models"]


def test_a_package_of_another_region_is_refused_with_both_regions_named(boto):
    package = boto.listings["metered"].replace("us-east-1", "eu-west-1")
    message = refused(
        boto("sagemaker").create_model,
        ModelName="dg-not-made",
        **_model(boto, PrimaryContainer={"ModelPackageName": package}),
    )
    assert "eu-west-1" in message and "us-east-1" in message


def test_an_environment_is_refused_as_marketplace_packages_do(boto):
    container = {"ModelPackageName": boto.listings["metered"], "Environment": {"DEEPGRAM_API_01": "x"}}
    request = _model(boto, PrimaryContainer=container)
    message = refused(boto("sagemaker").create_model, ModelName="dg-not-made", **request)
    assert message.startswith("Environment variable map cannot be specified when using a ModelPackage")


def test_names_are_taken_whatever_their_case(boto, model, endpoint):
    sagemaker = boto("sagemaker")
    message = refused(sagemaker.create_model, ModelName=model.upper(), **_model(boto))
    assert message == f'Cannot create already existing model "{arn("model", model)}".'
    message = refused(sagemaker.create_endpoint, EndpointName=endpoint, EndpointConfigName=endpoint)
    assert message == f'Cannot create already existing endpoint "{arn("endpoint", endpoint)}".'


# Endpoint configurations


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ({"InstancePools": pools(*POOL_TYPES)}, "length less than or equal to 5"),
        ({"InstanceType": "ml.nope.large"}, "productionVariants.1.member.instanceType"),
        ({"InstanceType": "ml.m5.large"}, "ml.m5.large is not supported by model package"),
        ({"InstancePools": [{"InstanceType": "ml.g5.2xlarge", "Priority": 6}]}, "less than or equal to 5"),
        ({"InstancePools": pools("ml.g5.2xlarge", "ml.g5.2xlarge")}, "ml.g5.2xlarge"),
        ({"InstanceType": "ml.g5.2xlarge", "InstancePools": pools("ml.g5.2xlarge")}, "InstanceType"),
        ({}, "InstanceType"),
        ({"InstanceType": "ml.g5.2xlarge", "ModelDataDownloadTimeoutInSeconds": 3601}, "less than or equal to 3600"),
        ({"InstanceType": "ml.g5.2xlarge", "InferenceAmiVersion": "newest"}, "inferenceAmiVersion"),
    ],
    ids=[
        "6-pools",
        "unknown-type",
        "cpu-type",
        "priority-6",
        "same-type-twice",
        "type-and-pools",
        "neither-type-nor-pools",
        "timeout-out-of-range",
        "unknown-ami",
    ],
)
def test_a_variant_that_cannot_be_is_refused(boto, model, variant, words):
    sagemaker = boto("sagemaker")
    whole = {"VariantName": "AllTraffic", "ModelName": model, "InitialInstanceCount": 1, **variant}
    given = {"EndpointConfigName": "dg-not-made", "ProductionVariants": [whole]}
    assert words in refused(sagemaker.create_endpoint_config, **given)
    assert not sagemaker.list_endpoint_configs(NameContains="dg-not-made")["EndpointConfigs"]


def test_asynchronous_inference_is_refused_with_the_guides_words(boto, model):
    variant = {"VariantName": "A", "ModelName": model, "InitialInstanceCount": 1, "InstanceType": "ml.g5.2xlarge"}
    message = refused(
        boto("sagemaker").create_endpoint_config,
        EndpointConfigName="dg-not-made",
        ProductionVariants=[variant],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://bucket/out"}},
    )
    assert "temporarily not supported" in message


# Endpoints


def test_a_type_without_quota_fails_the_whole_endpoint(boto, embedded, model):
    sagemaker = boto("sagemaker")
    variant = {"VariantName": "AllTraffic", "ModelName": model, "InitialInstanceCount": 1}
    types = pools("ml.g6.2xlarge", "ml.g6e.12xlarge")
    sagemaker.create_endpoint_config(
        EndpointConfigName="dg-no-quota", ProductionVariants=[{**variant, "InstancePools": types}]
    )
    quota = {"region": "us-east-1", "instance_type": "ml.g6e.12xlarge"}
    running_server.admin(embedded.info, "PUT", "quotas", {**quota, "value": 0})
    try:
        given = {"EndpointName": "dg-no-quota", "EndpointConfigName": "dg-no-quota"}
        message = refused(sagemaker.create_endpoint, code="ResourceLimitExceeded", **given)
    finally:
        running_server.admin(embedded.info, "PUT", "quotas", {**quota, "value": 20})
        sagemaker.delete_endpoint_config(EndpointConfigName="dg-no-quota")
    assert message.startswith(
        "The account-level service limit 'ml.g6e.12xlarge for endpoint usage' is 0 Instances, "
        "with current utilization of 0 Instances and a request delta of 1 Instances."
    )
    assert not sagemaker.list_endpoints(NameContains="dg-no-quota")["Endpoints"]


def test_while_it_is_creating_an_endpoint_takes_no_requests_and_no_changes(boto):
    sagemaker, name = boto("sagemaker"), "dg-creating"
    make_endpoint(sagemaker, name, boto.listings["metered"], boto.role_arn)
    busy = f'Cannot update in-progress endpoint "{arn("endpoint", name)}".'
    wanted = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]
    change = sagemaker.update_endpoint_weights_and_capacities
    assert refused(change, EndpointName=name, DesiredWeightsAndCapacities=wanted) == busy
    assert refused(sagemaker.update_endpoint, EndpointName=name, EndpointConfigName=name) == busy
    assert refused(sagemaker.delete_endpoint, EndpointName=name) == busy
    message = refused(
        boto("sagemaker-runtime").invoke_endpoint,
        code="ValidationError",
        EndpointName=name,
        CustomAttributes="v1/listen",
        Body=b"",
    )
    assert name in message and "Creating" in message

    wait_until_in_service(sagemaker, name)
    sagemaker.delete_endpoint(EndpointName=name)
    assert refused(sagemaker.delete_endpoint, EndpointName=name) == busy
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig={"Delay": 0.5, "MaxAttempts": 240})
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"VariantName": "Other", "DesiredInstanceCount": 2}, "ValidationException", "Other"),
        ({"VariantName": "AllTraffic", "DesiredInstanceCount": 0}, "ValidationException", "0"),
        ({"VariantName": "AllTraffic", "DesiredInstanceCount": 1000}, "ResourceLimitExceeded", "for endpoint usage"),
    ],
    ids=["unknown-variant", "to-zero", "over-quota"],
)
def test_a_count_that_cannot_be_is_refused_and_changes_nothing(boto, endpoint, change, code, words):
    sagemaker = boto("sagemaker")
    call = sagemaker.update_endpoint_weights_and_capacities
    assert words in refused(call, code=code, EndpointName=endpoint, DesiredWeightsAndCapacities=[change])
    now = sagemaker.describe_endpoint(EndpointName=endpoint)
    assert now["EndpointStatus"] == "InService"
    assert now["ProductionVariants"][0]["DesiredInstanceCount"] == 1


def test_marketplace_containers_are_replaced_all_at_once_only(boto, endpoint):
    canary = {"Type": "CANARY", "WaitIntervalInSeconds": 60, "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10}}
    message = refused(
        boto("sagemaker").update_endpoint,
        EndpointName=endpoint,
        EndpointConfigName=endpoint,
        DeploymentConfig={"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": canary}},
    )
    assert "Marketplace" in message


def test_a_registered_variant_keeps_its_instance_types(boto, endpoint, scaling, model):
    sagemaker = boto("sagemaker")
    scaling.register(1, 4)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.g5.xlarge",
    }
    sagemaker.create_endpoint_config(EndpointConfigName="dg-other-type", ProductionVariants=[variant])
    message = refused(sagemaker.update_endpoint, EndpointName=endpoint, EndpointConfigName="dg-other-type")
    assert "instance type" in message and "Deregister" in message
    sagemaker.delete_endpoint_config(EndpointConfigName="dg-other-type")

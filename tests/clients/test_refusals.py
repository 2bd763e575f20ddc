"""What AWS refuses, asked by boto3: wrong order, wrong values, things that exist, that are missing, that are in use.

Every refusal is followed by a look at what was left: nothing may be half-made.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from client_setup import SAMPLE_WAV, eventually, make_endpoint, wait_until_in_service

from dgsm_helpers.local import process

ACCOUNT = "123456789012"
NAMESPACE = {"ServiceNamespace": "sagemaker"}
HIGH_RESOLUTION = {"PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"}
POLICY = {"TargetValue": 5.0, "PredefinedMetricSpecification": HIGH_RESOLUTION}
POOL_TYPES = ("ml.g6.2xlarge", "ml.g6e.2xlarge", "ml.g5.2xlarge", "ml.g7e.2xlarge", "ml.g4dn.2xlarge", "ml.g6.xlarge")


def refused(call: Callable[..., Any], *, code: str = "ValidationException", **given: Any) -> str:
    """The message of the refusal, whose code must be ``code``."""
    with pytest.raises(ClientError) as caught:
        call(**given)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]


def arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:{kind}/{name}"


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


@pytest.fixture
def scaling(boto, endpoint) -> Iterator[Scaling]:
    """The endpoint is not registered before, nor after."""
    calls = Scaling(boto("application-autoscaling"), f"endpoint/{endpoint}/variant/AllTraffic")
    yield calls
    if calls.targets():
        calls.client.deregister_scalable_target(**calls.target)


@pytest.fixture
def model(boto) -> Iterator[str]:
    sagemaker = boto("sagemaker")
    sagemaker.create_model(ModelName="dg-refused", **model_request(boto))
    yield "dg-refused"
    sagemaker.delete_model(ModelName="dg-refused")


def model_request(boto: Any, **changes: Any) -> dict[str, Any]:
    whole = {
        "PrimaryContainer": {"ModelPackageName": boto.listings["metered"]},
        "ExecutionRoleArn": boto.role_arn,
        "EnableNetworkIsolation": True,
    }
    return {**whole, **changes}


def pools(*types: str) -> list[dict]:
    return [{"InstanceType": t, "Priority": min(5, n)} for n, t in enumerate(types, start=1)]


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
    assert words in refused(sagemaker.create_model, ModelName="dg-not-made", **model_request(boto, **changes))
    assert not sagemaker.list_models(NameContains="dg-not-made")["Models"]


def test_a_package_of_another_region_is_refused_with_both_regions_named(boto):
    package = boto.listings["metered"].replace("us-east-1", "eu-west-1")
    message = refused(
        boto("sagemaker").create_model,
        ModelName="dg-not-made",
        **model_request(boto, PrimaryContainer={"ModelPackageName": package}),
    )
    assert "eu-west-1" in message and "us-east-1" in message


def test_an_environment_is_refused_as_marketplace_packages_do(boto):
    container = {"ModelPackageName": boto.listings["metered"], "Environment": {"DEEPGRAM_API_01": "x"}}
    request = model_request(boto, PrimaryContainer=container)
    message = refused(boto("sagemaker").create_model, ModelName="dg-not-made", **request)
    assert message.startswith("Environment variable map cannot be specified when using a ModelPackage")


def test_names_are_taken_whatever_their_case(boto, model, endpoint):
    sagemaker = boto("sagemaker")
    message = refused(sagemaker.create_model, ModelName=model.upper(), **model_request(boto))
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
    process.admin(embedded.info, "PUT", "quotas", {**quota, "value": 0})
    try:
        given = {"EndpointName": "dg-no-quota", "EndpointConfigName": "dg-no-quota"}
        message = refused(sagemaker.create_endpoint, code="ResourceLimitExceeded", **given)
    finally:
        process.admin(embedded.info, "PUT", "quotas", {**quota, "value": 20})
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
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig={"Delay": 0.5, "MaxAttempts": 60})
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


# Application Auto Scaling


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"MinCapacity": 5, "MaxCapacity": 4}, "capacity"),
        ({"MinCapacity": -1, "MaxCapacity": 4}, "-1"),
        ({"MinCapacity": 1}, "MaxCapacity"),
        ({}, "MinCapacity"),
        (
            {"MinCapacity": 1, "MaxCapacity": 4, "ResourceId": "endpoint/no-such-thing/variant/AllTraffic"},
            "no-such-thing",
        ),
        ({"MinCapacity": 1, "MaxCapacity": 4, "ResourceId": "no-such-shape"}, "no-such-shape"),
        ({"MinCapacity": 1, "MaxCapacity": 4, "ScalableDimension": "ecs:service:DesiredCount"}, "ecs:service"),
    ],
    ids=["min-over-max", "min-below-0", "no-max", "no-bounds", "no-endpoint", "no-resource-id", "other-dimension"],
)
def test_a_target_that_cannot_be_is_not_registered(scaling, given, words):
    assert words in refused(scaling.client.register_scalable_target, **{**scaling.target, **given})
    assert scaling.targets() == []


def test_bounds_that_would_cross_leave_the_target_as_it_was(scaling):
    scaling.register(1, 3)
    refused(scaling.client.register_scalable_target, **scaling.target, MinCapacity=4)
    assert [(t["MinCapacity"], t["MaxCapacity"]) for t in scaling.targets()] == [(1, 3)]


def test_a_policy_needs_its_target_first(scaling):
    message = refused(scaling.client.put_scaling_policy, code="ObjectNotFoundException", **scaling.policy_request())
    assert message == (
        f"No scalable target registered for service namespace: sagemaker, resource ID: {scaling.resource_id}, "
        "scalable dimension: sagemaker:variant:DesiredInstanceCount"
    )
    assert scaling.policies() == {}


@pytest.mark.parametrize(
    "operation", ["deregister_scalable_target", "delete_scaling_policy", "delete_scheduled_action"]
)
def test_what_was_never_made_cannot_be_taken_away(scaling, operation):
    more = {"delete_scaling_policy": {"PolicyName": "p"}, "delete_scheduled_action": {"ScheduledActionName": "a"}}
    call = getattr(scaling.client, operation)
    refused(call, code="ObjectNotFoundException", **scaling.target, **more.get(operation, {}))


def _metric(**changes: Any) -> dict:
    metric = {"Namespace": "AWS/SageMaker", "MetricName": "ConcurrentRequestsPerModel"}
    return {"Id": "a", "MetricStat": {"Metric": metric, "Stat": "Average"}, "ReturnData": False, **changes}


def _expression(text: str, **changes: Any) -> dict:
    return {"Id": "x", "Expression": text, "ReturnData": True, **changes}


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({**POLICY, "TargetValue": 0.0}, "TargetValue"),
        ({**POLICY, "ScaleInCooldown": -1}, "ScaleInCooldown"),
        ({**POLICY, "PredefinedMetricSpecification": {"PredefinedMetricType": "Bogus"}}, "predefinedMetricType"),
        (
            {**POLICY, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}},
            "ECSServiceAverageCPUUtilization",
        ),
        ({"TargetValue": 5.0}, "MetricSpecification"),
        ({"TargetValue": 1.0, "CustomizedMetricSpecification": {"Metrics": [_metric(), _expression("a/")]}}, "a/"),
        ({"TargetValue": 1.0, "CustomizedMetricSpecification": {"Metrics": [_metric(), _expression("b*2")]}}, "b"),
        (
            {
                "TargetValue": 1.0,
                "CustomizedMetricSpecification": {"Metrics": [_metric(ReturnData=True), _expression("a*2")]},
            },
            "return data",
        ),
    ],
    ids=[
        "target-0",
        "negative-cooldown",
        "unknown-metric-type",
        "other-services-metric-type",
        "no-metric",
        "broken-expression",
        "unknown-id",
        "two-results",
    ],
)
def test_a_policy_that_cannot_be_leaves_the_former_one_and_its_alarms(boto, scaling, configuration, words):
    scaling.register(1, 4)
    scaling.client.put_scaling_policy(**scaling.policy_request())
    before = scaling.policies()
    assert words in refused(scaling.client.put_scaling_policy, **scaling.policy_request("p", **configuration))
    assert words in refused(scaling.client.put_scaling_policy, **scaling.policy_request("another", **configuration))
    assert scaling.policies() == before
    names = [alarm["AlarmName"] for alarm in before["p"]["Alarms"]]
    alarms = boto("cloudwatch").describe_alarms(AlarmNamePrefix=f"TargetTracking-{scaling.resource_id}")
    assert [alarm["AlarmName"] for alarm in alarms["MetricAlarms"]] == sorted(names)


def test_two_policies_on_one_metric_are_refused(scaling):
    scaling.register(1, 4)
    scaling.client.put_scaling_policy(**scaling.policy_request("one"))
    assert "Only one TargetTrackingScaling policy" in refused(
        scaling.client.put_scaling_policy, **scaling.policy_request("two")
    )


def test_predictive_scaling_is_not_for_sagemaker(scaling):
    scaling.register(1, 4)
    request = {**scaling.target, "PolicyName": "p", "PolicyType": "PredictiveScaling"}
    configuration = {"MetricSpecifications": [{"TargetValue": 5.0}]}
    refused(scaling.client.put_scaling_policy, **request, PredictiveScalingPolicyConfiguration=configuration)
    assert scaling.policies() == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"Schedule": "every day"}, "every day"),
        ({"Schedule": "cron(0 8 * * ? *)", "Timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({}, "Schedule"),
        ({"Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 2}}, "capacity"),
    ],
    ids=["no-schedule-expression", "unknown-time-zone", "no-schedule", "min-over-max"],
)
def test_a_scheduled_action_that_cannot_be_is_not_kept(scaling, given, words):
    scaling.register(1, 4)
    request = {**scaling.target, "ScheduledActionName": "a", "ScalableTargetAction": {"MinCapacity": 2}, **given}
    assert words in refused(scaling.client.put_scheduled_action, **request)
    assert scaling.client.describe_scheduled_actions(**NAMESPACE)["ScheduledActions"] == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"MaxResults": 51}, "ValidationException"),
        ({"NextToken": "garbage"}, "InvalidNextTokenException"),
        ({"ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}, "ValidationException"),
    ],
    ids=["page-of-51", "broken-token", "dimension-without-resource"],
)
@pytest.mark.parametrize("what", ["scaling_policies", "scalable_targets", "scaling_activities", "scheduled_actions"])
def test_a_list_that_cannot_be_is_refused(scaling, what, given, code):
    refused(getattr(scaling.client, f"describe_{what}"), code=code, **NAMESPACE, **given)


def test_with_its_endpoint_goes_all_that_scaled_it(boto):
    sagemaker, name = boto("sagemaker"), "dg-scaled"
    make_endpoint(sagemaker, name, boto.listings["metered"], boto.role_arn)
    wait_until_in_service(sagemaker, name)
    calls = Scaling(boto("application-autoscaling"), f"endpoint/{name}/variant/AllTraffic")
    calls.register(1, 4)
    calls.client.put_scaling_policy(**calls.policy_request())
    sagemaker.delete_endpoint(EndpointName=name)
    eventually(lambda: not calls.targets() and not calls.policies())
    alarms = boto("cloudwatch").describe_alarms(AlarmNamePrefix=f"TargetTracking-{calls.resource_id}")
    assert alarms["MetricAlarms"] == []
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)


# Runtime


@pytest.fixture
def invoke(boto, endpoint) -> Callable[..., Any]:
    def run(client: Any = None, **changes: Any) -> Any:
        whole = {"EndpointName": endpoint, "ContentType": "audio/wav", "CustomAttributes": "v1/listen?model=nova-3"}
        body = {"Body": SAMPLE_WAV.read_bytes()}
        return (client or boto("sagemaker-runtime")).invoke_endpoint(**{**whole, **body, **changes})

    return run


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"CustomAttributes": ""}, 404, "No such path"),
        ({"CustomAttributes": "v2/listen?model=flux-general-en"}, 404, "v2/listen"),
        ({"CustomAttributes": "v1/listen?no_such_parameter=1"}, 400, "unsupported_parameter"),
        ({"Body": b"this is no recording"}, 400, "corrupt or unsupported data"),
        ({"Body": b""}, 400, "corrupt or unsupported data"),
    ],
    ids=["no-path", "other-path", "unsupported-parameter", "no-audio", "empty"],
)
def test_what_the_container_refuses_is_a_model_error_with_its_own_words(invoke, changes, status, words):
    with pytest.raises(ClientError) as caught:
        invoke(**changes)
    answer = caught.value.response
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == status
    assert words in answer["OriginalMessage"]
    assert f"Received client error ({status}) from primary with message" in answer["Error"]["Message"]
    assert answer["LogStreamArn"].startswith(f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/")


def test_a_file_over_25_mb_is_refused_before_the_container_sees_it(invoke):
    with pytest.raises(ClientError) as caught:
        invoke(Body=bytes(26_000_000))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    message = refused(invoke, code="ModelError", Body=bytes(24_900_000))
    assert "from primary" in message


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"aws_secret_access_key": "not-the-secret"}, "InvalidSignatureException"),
        ({"aws_access_key_id": "AKIANOBODY", "aws_secret_access_key": "x"}, "UnrecognizedClientException"),
        ({"config": Config(signature_version=UNSIGNED)}, "MissingAuthenticationTokenException"),
    ],
    ids=["bad-signature", "unknown-key", "unsigned"],
)
def test_who_cannot_be_told_is_refused(boto, embedded, invoke, given, code):
    if "aws_secret_access_key" in given:
        given = {"aws_access_key_id": embedded.env["AWS_ACCESS_KEY_ID"], **given}
    with pytest.raises(ClientError) as caught:
        invoke(boto("sagemaker-runtime", **given))
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_variant_that_is_not_there_is_named(invoke, endpoint):
    message = refused(invoke, code="ValidationError", TargetVariant="Other")
    assert message == f"Variant Other of endpoint {endpoint} of account {ACCOUNT} not found."


def test_custom_attributes_longer_than_1024_characters_are_refused(invoke):
    fits = "v1/listen?tag="
    message = refused(invoke, code="ValidationError", CustomAttributes=fits + "x" * (1025 - len(fits)))
    assert "customAttributes" in message and "1024" in message
    invoke(CustomAttributes=fits + "x" * (1024 - len(fits)))


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_an_endpoint_is_found_in_its_own_region_only(boto, invoke, endpoint, region):
    name = endpoint if region != "us-east-1" else "no-such-endpoint"
    message = refused(
        invoke, code="ValidationError", client=boto("sagemaker-runtime", region_name=region), EndpointName=name
    )
    assert message == f"Endpoint {name} of account {ACCOUNT} not found."


# CloudWatch


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Namespace": "AWS/SageMaker"}, "InvalidParameterValue"),
        ({"MetricData": [{"MetricName": "m"}]}, "MissingParameter"),
        ({"MetricData": [{"MetricName": "m", "Value": 1.0, "StorageResolution": 10}]}, "InvalidParameterValue"),
        ({"MetricData": [{"MetricName": "m", "Values": [1.0, 2.0], "Counts": [1.0]}]}, "InvalidParameterValue"),
    ],
    ids=["awss-namespace", "no-value", "resolution-10", "unequal-counts"],
)
def test_metric_data_that_cannot_be_is_not_kept(boto, given, code):
    cloudwatch = boto("cloudwatch")
    whole = {"Namespace": "DGSM/Refused", "MetricData": [{"MetricName": "m", "Value": 1.0}], **given}
    refused(cloudwatch.put_metric_data, code=code, **whole)
    assert cloudwatch.list_metrics(Namespace="DGSM/Refused")["Metrics"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"Expression": "SEARCH('{AWS/SageMaker,EndpointName}', 'Maximum', 10)"},
        {"Expression": "missing * 2"},
        {"Expression": "x + 1"},
        {"MetricStat": {"Metric": {"Namespace": "N", "MetricName": "m"}, "Period": 7, "Stat": "Sum"}},
        {"MetricStat": {"Metric": {"Namespace": "N", "MetricName": "m"}, "Period": 60, "Stat": "p101"}},
    ],
    ids=["unsupported-function", "unknown-id", "self-reference", "period-7", "p101"],
)
def test_a_query_that_cannot_be_answered_is_refused_rather_than_answered_empty(boto, query):
    times = {"StartTime": "2026-01-01T00:00:00Z", "EndTime": "2026-01-01T01:00:00Z"}
    refused(
        boto("cloudwatch").get_metric_data, code="ValidationError", MetricDataQueries=[{"Id": "x", **query}], **times
    )

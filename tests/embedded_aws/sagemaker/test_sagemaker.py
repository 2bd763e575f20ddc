"""SageMaker's refusals and answers, through boto3."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, WaiterError
from kit.stepped_plane import PACKAGE, ROLE, pool_variant

from embedded_aws.listings import LISTINGS

ARN = "arn:aws:sagemaker:us-east-1:123456789012"


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def model_request(**changes):
    return {
        "ModelName": "m",
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"ModelPackageName": PACKAGE},
        "EnableNetworkIsolation": True,
    } | changes


# Model packages and models


def test_the_local_listings_are_model_packages(plane):
    client = plane.client("sagemaker")
    rows = client.list_model_packages(ModelPackageType="Unversioned")["ModelPackageSummaryList"]
    assert [row["ModelPackageArn"] for row in rows] == sorted(listing.arn("us-east-1") for listing in LISTINGS)
    package = client.describe_model_package(ModelPackageName=rows[0]["ModelPackageArn"])
    assert package["ModelPackageStatus"] == "Completed"
    assert "ml.g6e.2xlarge" in package["InferenceSpecification"]["SupportedRealtimeInferenceInstanceTypes"]


def test_an_arn_of_another_region_is_refused(plane):
    elsewhere = LISTINGS[0].arn("eu-west-1")
    for call, params in (
        (plane.client("sagemaker").describe_model_package, {"ModelPackageName": elsewhere}),
        (plane.client("sagemaker").create_model, model_request(PrimaryContainer={"ModelPackageName": elsewhere})),
    ):
        text = refusal(call, **params)
        assert text.startswith("ValidationException")
        assert "eu-west-1" in text
        assert "us-east-1" in text


@pytest.mark.parametrize("name", ["model-package/deepgram-stt-nova-3/1", "model-package/deepgram-stt-metered/3"])
def test_an_unknown_package_is_refused(plane, name):
    params = model_request(PrimaryContainer={"ModelPackageName": f"{ARN}:{name}"})
    assert refusal(plane.client("sagemaker").create_model, **params) == (
        f"ValidationException: ModelPackage {ARN}:{name} does not exist."
    )


def test_a_marketplace_model_needs_network_isolation(plane):
    text = refusal(plane.client("sagemaker").create_model, **model_request(EnableNetworkIsolation=False))
    assert "EnableNetworkIsolation must be set to true" in text
    assert plane.client("sagemaker").list_models()["Models"] == []


def test_an_environment_is_refused_unless_the_listing_allows_it(plane):
    container = {"ModelPackageName": PACKAGE, "Environment": {"DEEPGRAM_ENGINE_01": "max_active_requests=120"}}
    assert refusal(plane.client("sagemaker").create_model, **model_request(PrimaryContainer=container)) == (
        "ValidationException: Environment variable map cannot be specified when using a ModelPackage subscribed from "
        "AWS Marketplace."
    )


def test_a_model_comes_back_as_made_with_its_tags(plane):
    plane.make_model(Tags=[{"Key": "dgsm:endpoint", "Value": "demo"}])
    client = plane.client("sagemaker")
    model = client.describe_model(ModelName="m")
    assert model["EnableNetworkIsolation"] is True
    assert model["PrimaryContainer"] == {"ModelPackageName": PACKAGE}
    assert not {"VpcConfig", "Containers", "Tags"} & set(model)
    assert client.list_tags(ResourceArn=model["ModelArn"])["Tags"] == [{"Key": "dgsm:endpoint", "Value": "demo"}]


def test_a_second_model_of_the_same_name_is_refused(plane):
    plane.make_model()
    assert refusal(plane.client("sagemaker").create_model, **model_request(ModelName="M")) == (
        f'ValidationException: Cannot create already existing model "{ARN}:model/m".'
    )


@pytest.mark.parametrize(
    ("operation", "params", "text"),
    [
        ("describe_model", {"ModelName": "x"}, f'Could not find model "{ARN}:model/x".'),
        ("delete_model", {"ModelName": "x"}, f'Could not find model "{ARN}:model/x".'),
        (
            "describe_endpoint_config",
            {"EndpointConfigName": "x"},
            f'Could not find endpoint configuration "{ARN}:endpoint-config/x".',
        ),
        ("describe_endpoint", {"EndpointName": "x"}, f'Could not find endpoint "{ARN}:endpoint/x".'),
        ("delete_endpoint", {"EndpointName": "x"}, f'Could not find endpoint "{ARN}:endpoint/x".'),
        (
            "update_endpoint",
            {"EndpointName": "x", "EndpointConfigName": "c"},
            f'Could not find endpoint "{ARN}:endpoint/x".',
        ),
        (
            "create_endpoint",
            {"EndpointName": "x", "EndpointConfigName": "c"},
            f'Could not find endpoint configuration "{ARN}:endpoint-config/c".',
        ),
        ("list_tags", {"ResourceArn": f"{ARN}:endpoint/x"}, f'Could not find endpoint "{ARN}:endpoint/x".'),
    ],
)
def test_what_does_not_exist_is_named(plane, operation, params, text):
    assert refusal(getattr(plane.client("sagemaker"), operation), **params) == f"ValidationException: {text}"


# Endpoint configurations


def test_a_configuration_comes_back_as_made(plane):
    plane.make_model()
    variant = {
        "InitialInstanceCount": 2,
        "VariantInstanceProvisionTimeoutInSeconds": 600,
        "ModelDataDownloadTimeoutInSeconds": 1800,
        "ContainerStartupHealthCheckTimeoutInSeconds": 900,
        "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
    }
    plane.make_config(
        variant=variant,
        ExecutionRoleArn=ROLE,
        MetricsConfig={"EnableEnhancedMetrics": True, "MetricPublishFrequencyInSeconds": 10},
    )
    config = plane.client("sagemaker").describe_endpoint_config(EndpointConfigName="c")
    assert config["ProductionVariants"] == [pool_variant() | variant | {"InitialVariantWeight": 1.0}]
    assert config["MetricsConfig"] == {
        "EnableEnhancedMetrics": True,
        "EnableDetailedObservability": True,
        "MetricPublishFrequencyInSeconds": 10,
    }
    assert config["ExecutionRoleArn"] == ROLE
    assert {"DataCaptureConfig", "VpcConfig", "KmsKeyId"}.isdisjoint(config)


@pytest.mark.parametrize("instance_type", ["ml.g5.2xlarge", "ml.g6e.12xlarge", "ml.g7e.2xlarge"])
def test_current_gpu_types_are_taken(plane, instance_type):
    plane.make_model()
    variant = pool_variant() | {"InstanceType": instance_type}
    del variant["InstancePools"]
    sagemaker = plane.client("sagemaker")
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    (made,) = sagemaker.describe_endpoint_config(EndpointConfigName="c")["ProductionVariants"]
    assert made["InstanceType"] == instance_type


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"variant": {"ModelName": "other"}}, 'Could not find model "'),
        ({"variant": pool_variant("ml.m5.large")}, "The instance type ml.m5.large is not supported by model package"),
        ({"variant": pool_variant("ml.g99.large")}, "Member must satisfy enum value set"),
        ({"variant": pool_variant(*[f"ml.g6.{n}xlarge" for n in (2, 4, 8, 12, 16, 24)])}, "less than or equal to 5"),
        ({"variant": {"InstanceType": "ml.g6.2xlarge"}}, "Exactly one of InstanceType, InstancePools"),
        ({"ProductionVariants": [pool_variant(), pool_variant()]}, "names must be unique"),
        (
            {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}}},
            "asynchronous inference is temporarily not supported for Marketplace-hosted Deepgram",
        ),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(plane, changes, text):
    plane.make_model()
    assert text in refusal(plane.make_config, **changes)
    assert plane.client("sagemaker").list_endpoint_configs()["EndpointConfigs"] == []


def test_an_endpoint_serves_on_when_its_configuration_is_deleted_under_it(plane):
    client = plane.in_service()
    client.delete_endpoint_config(EndpointConfigName="c")
    shown = client.describe_endpoint(EndpointName="e")
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", "c")
    assert "c" in refusal(client.describe_endpoint_config, EndpointConfigName="c")


# Endpoints


def test_an_endpoint_shows_how_it_comes_up(plane):
    plane.make_model()
    plane.make_config()
    plane.make_endpoint(Tags=[{"Key": "a", "Value": "b"}])
    client = plane.client("sagemaker")
    endpoint = client.describe_endpoint(EndpointName="e")
    (variant,) = endpoint["ProductionVariants"]
    assert endpoint["EndpointStatus"] == variant["VariantStatus"][0]["Status"] == "Creating"
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (0, 1)
    plane.fleet.settle()
    endpoint = client.describe_endpoint(EndpointName="e")
    (variant,) = endpoint["ProductionVariants"]
    assert endpoint["EndpointStatus"] == "InService"
    assert variant["InstancePools"] == [
        {"InstanceType": "ml.g6.2xlarge", "CurrentInstanceCount": 1},
        {"InstanceType": "ml.g5.2xlarge", "CurrentInstanceCount": 0},
    ]
    assert {"VariantStatus", "RoutingConfig"}.isdisjoint(variant)
    assert {"FailureReason", "DataCaptureConfig", "PendingDeploymentSummary"}.isdisjoint(endpoint)
    assert client.list_tags(ResourceArn=endpoint["EndpointArn"])["Tags"] == [{"Key": "a", "Value": "b"}]


def test_a_failed_endpoint_says_why_and_can_be_deleted(plane):
    plane.make_model()
    plane.make_config()
    plane.make_endpoint()
    plane.fleet.fail("us-east-1", "e", "Unable to provision requested ML compute capacity")
    client = plane.client("sagemaker")
    assert client.describe_endpoint(EndpointName="e")["FailureReason"].startswith("Unable to provision")
    with pytest.raises(WaiterError):
        client.get_waiter("endpoint_in_service").wait(EndpointName="e", WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    assert "in status Failed" in refusal(client.update_endpoint, EndpointName="e", EndpointConfigName="c")
    client.delete_endpoint(EndpointName="e")


def test_a_second_endpoint_of_the_same_name_is_refused(plane):
    plane.in_service()
    assert refusal(plane.make_endpoint) == (
        f'ValidationException: Cannot create already existing endpoint "{ARN}:endpoint/e".'
    )


def test_of_many_creations_at_once_exactly_one_succeeds(plane):
    plane.make_model()
    plane.make_config()

    def create(_):
        try:
            plane.make_endpoint()
        except ClientError as error:
            return error.response["Error"]["Message"].partition(" endpoint")[0]
        return "created"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(create, range(16)))
    assert sorted(outcomes) == ["Cannot create already existing"] * 15 + ["created"]


def test_a_deleted_endpoints_name_is_free_again_once_it_is_gone(plane):
    client = plane.in_service()
    client.delete_endpoint(EndpointName="e")
    assert "already existing" in refusal(plane.make_endpoint)
    plane.fleet.settle()
    client.get_waiter("endpoint_deleted").wait(EndpointName="e", WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    plane.make_endpoint()


def test_a_type_with_zero_quota_fails_the_whole_endpoint(plane):
    plane.make_model()
    plane.make_config()
    plane.control.quotas.set("us-east-1", "ml.g5.2xlarge", 0)
    assert refusal(plane.make_endpoint) == (
        "ResourceLimitExceeded: The account-level service limit 'ml.g5.2xlarge for endpoint usage' is 0 Instances, "
        "with current utilization of 0 Instances and a request delta of 1 Instances. Please use AWS Service Quotas to "
        "request an increase for this quota. If AWS Service Quotas is not available, contact AWS support to request "
        "an increase for this quota."
    )
    assert plane.client("sagemaker").list_endpoints()["Endpoints"] == []


def test_quota_counts_what_other_endpoints_use(plane):
    plane.in_service()
    plane.control.quotas.set("us-east-1", "ml.g6.2xlarge", 1)
    assert "current utilization of 1 Instances and a request delta of 1" in refusal(plane.make_endpoint, name="f")
    desired = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 3}]
    assert "request delta of 2" in refusal(
        plane.client("sagemaker").update_endpoint_weights_and_capacities,
        EndpointName="e",
        DesiredWeightsAndCapacities=desired,
    )


def test_capacity_changes_keep_the_weight(plane):
    client = plane.in_service()
    desired = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 3}]
    client.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=desired)
    assert client.describe_endpoint(EndpointName="e")["EndpointStatus"] == "Updating"
    plane.fleet.settle()
    (variant,) = client.describe_endpoint(EndpointName="e")["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (3, 1.0)


@pytest.mark.parametrize("count", [0, -1])
def test_fewer_than_one_instance_is_refused(plane, count):
    client = plane.in_service()
    desired = [{"VariantName": "AllTraffic", "DesiredInstanceCount": count}]
    with pytest.raises(Exception, match=r"at least 1|valid min value"):
        client.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=desired)


def test_an_unknown_variant_is_named(plane):
    client = plane.in_service()
    desired = [{"VariantName": "Other", "DesiredInstanceCount": 1}]
    assert 'Could not find variant "Other"' in refusal(
        client.update_endpoint_weights_and_capacities, EndpointName="e", DesiredWeightsAndCapacities=desired
    )


def test_an_endpoint_in_progress_is_left_alone(plane):
    plane.make_model()
    plane.make_config()
    plane.make_endpoint()
    client = plane.client("sagemaker")
    desired = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]
    expected = f'ValidationException: Cannot update in-progress endpoint "{ARN}:endpoint/e".'
    assert refusal(client.update_endpoint, EndpointName="e", EndpointConfigName="c") == expected
    assert refusal(client.delete_endpoint, EndpointName="e") == expected
    change = client.update_endpoint_weights_and_capacities
    assert refusal(change, EndpointName="e", DesiredWeightsAndCapacities=desired) == expected


def test_an_update_starts_over_unless_told_to_retain(plane):
    client = plane.in_service()
    desired = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 3, "DesiredWeight": 2.0}]
    client.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=desired)
    plane.fleet.settle()
    plane.make_config("c2")

    def update(**how):
        client.update_endpoint(EndpointName="e", EndpointConfigName="c2", **how)
        pending = client.describe_endpoint(EndpointName="e")["PendingDeploymentSummary"]
        plane.fleet.settle()
        endpoint = client.describe_endpoint(EndpointName="e")
        assert pending["EndpointConfigName"] == endpoint["EndpointConfigName"] == "c2"
        (variant,) = endpoint["ProductionVariants"]
        return variant["DesiredInstanceCount"], variant["DesiredWeight"]

    assert update(RetainAllVariantProperties=True) == (3, 2.0)
    excluded = [{"VariantPropertyType": "DesiredWeight"}]
    assert update(RetainAllVariantProperties=True, ExcludeRetainedVariantProperties=excluded) == (3, 1.0)
    assert update() == (1, 1.0)


def test_a_registered_variant_keeps_its_instance_types(plane):
    client = plane.in_service()
    plane.make_config("c2", variant=pool_variant("ml.g6e.2xlarge"))
    plane.registered.add("endpoint/e/variant/AllTraffic")
    text = refusal(client.update_endpoint, EndpointName="e", EndpointConfigName="c2")
    assert "registered with Application Auto Scaling" in text
    plane.make_config("c3", variant={"InferenceAmiVersion": "al2-ami-sagemaker-inference-gpu-3-1"})
    client.update_endpoint(EndpointName="e", EndpointConfigName="c3")
    plane.fleet.settle()
    plane.registered.clear()
    client.update_endpoint(EndpointName="e", EndpointConfigName="c2")


def test_only_all_at_once_updates_are_offered(plane):
    client = plane.in_service()
    canary = {"Type": "CANARY", "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 60}
    deployment = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": canary}}
    assert "guardrails are not supported" in refusal(
        client.update_endpoint, EndpointName="e", EndpointConfigName="c", DeploymentConfig=deployment
    )


def test_an_endpoint_serves_on_when_its_model_is_deleted(plane):
    client = plane.in_service()
    client.delete_model(ModelName="m")
    assert client.describe_endpoint(EndpointName="e")["EndpointStatus"] == "InService"
    desired = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]
    client.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=desired)
    assert "Could not find model" in refusal(plane.make_endpoint, name="f")


# Lists and tags


def test_lists_are_filtered_sorted_and_paged(plane):
    plane.make_model()
    plane.make_config()
    for name in [f"demo-{n:02d}" for n in range(12)] + ["other"]:
        plane.make_endpoint(name)
    client = plane.client("sagemaker")
    assert len(client.list_endpoints()["Endpoints"]) == 10
    pages = client.get_paginator("list_endpoints").paginate(
        NameContains="DEMO", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 5}
    )
    assert [e["EndpointName"] for page in pages for e in page["Endpoints"]] == [f"demo-{n:02d}" for n in range(12)]
    assert client.list_endpoints(StatusEquals="InService")["Endpoints"] == []
    hour = timedelta(hours=1)
    assert client.list_endpoints(CreationTimeAfter=datetime.now(UTC) + hour)["Endpoints"] == []
    assert len(client.list_endpoints(CreationTimeAfter=datetime.now(UTC) - hour, MaxResults=100)["Endpoints"]) == 13
    assert "Invalid pagination token" in refusal(client.list_endpoints, NextToken="nonsense")


def test_tags_are_added_searched_and_taken_off(plane):
    client = plane.in_service()
    arn = f"{ARN}:endpoint/e"
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "dgsm:endpoint", "Value": "e"}, {"Key": "x", "Value": ""}])
    tagging = plane.client("resourcegroupstaggingapi")
    filters = [{"Key": "dgsm:endpoint", "Values": ["e"]}]
    found = tagging.get_resources(TagFilters=filters)["ResourceTagMappingList"]
    assert [row["ResourceARN"] for row in found] == [arn]
    wrong = [{"Key": "dgsm:endpoint", "Values": ["f"]}]
    assert tagging.get_resources(TagFilters=wrong)["ResourceTagMappingList"] == []
    models_only = tagging.get_resources(TagFilters=filters, ResourceTypeFilters=["sagemaker:model"])
    assert models_only["ResourceTagMappingList"] == []
    client.delete_tags(ResourceArn=arn, TagKeys=["x"])
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "dgsm:endpoint", "Value": "e"}]


def test_more_tags_than_aws_takes_are_refused(plane):
    client = plane.in_service()
    for start in (0, 30):
        tags = [{"Key": f"k{n}", "Value": ""} for n in range(start, start + 30)]
        if start == 0:
            client.add_tags(ResourceArn=f"{ARN}:model/m", Tags=tags)
        else:
            assert "at most 50 tags" in refusal(client.add_tags, ResourceArn=f"{ARN}:model/m", Tags=tags)


# Endpoints as other tools make and leave them


def test_managed_scaling_beside_a_model_is_refused_in_awss_words(plane):
    plane.make_model()
    managed = {"ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2}}
    assert "only supported for inference component endpoints" in refusal(plane.make_config, variant=managed)


def test_a_foreign_endpoint_whose_config_was_deleted_is_updated_only_once_it_is_there_again(plane):
    client = plane.in_service()
    plane.make_config("next")
    client.delete_endpoint_config(EndpointConfigName="c")
    said = refusal(client.update_endpoint, EndpointName="e", EndpointConfigName="next")
    assert said.endswith(
        'Could not find endpoint configuration "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/c".'
    )
    plane.make_config("c")
    client.update_endpoint(EndpointName="e", EndpointConfigName="next")
    plane.fleet.settle()
    assert client.describe_endpoint(EndpointName="e")["EndpointConfigName"] == "next"


def test_the_deployment_configuration_of_the_last_update_is_shown(plane):
    client = plane.in_service()
    plane.make_config("next")
    assert "LastDeploymentConfig" not in client.describe_endpoint(EndpointName="e")
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 60}
    how = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}
    client.update_endpoint(EndpointName="e", EndpointConfigName="next", DeploymentConfig=how)
    plane.fleet.settle()
    assert client.describe_endpoint(EndpointName="e")["LastDeploymentConfig"] == how
    client.update_endpoint(EndpointName="e", EndpointConfigName="c", RetainDeploymentConfig=True)
    plane.fleet.settle()
    assert client.describe_endpoint(EndpointName="e")["LastDeploymentConfig"] == how
    client.update_endpoint(EndpointName="e", EndpointConfigName="next")
    plane.fleet.settle()
    assert "LastDeploymentConfig" not in client.describe_endpoint(EndpointName="e")


@pytest.mark.parametrize(
    ("given", "shown"), [({}, (True, "Started")), ({"EnableCapture": False}, (False, "Stopped"))], ids=str
)
def test_data_are_captured_unless_that_is_switched_off(plane, given, shown):
    client = plane.in_service()
    [variant] = client.describe_endpoint_config(EndpointConfigName="c")["ProductionVariants"]
    modes = [{"CaptureMode": "Input"}]
    capture = {"InitialSamplingPercentage": 50, "DestinationS3Uri": "s3://b/p", "CaptureOptions": modes}
    client.create_endpoint_config(
        EndpointConfigName="next", ProductionVariants=[variant], DataCaptureConfig=capture | given
    )
    client.update_endpoint(EndpointName="e", EndpointConfigName="next")
    plane.fleet.settle()
    answer = client.describe_endpoint(EndpointName="e")["DataCaptureConfig"]
    assert (answer["EnableCapture"], answer["CaptureStatus"]) == shown


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize("by", ["Name", "CreationTime"])
def test_what_is_deleted_while_a_list_is_paged_hides_nothing(plane, by, order):
    client = plane.client("sagemaker")
    for number in range(25):
        client.create_model(**model_request(ModelName=f"m-{number:02d}", Tags=[{"Key": "k", "Value": "v"}]))
    for page in client.get_paginator("list_models").paginate(SortBy=by, SortOrder=order):
        for model in page["Models"]:
            client.delete_model(ModelName=model["ModelName"])
    assert client.list_models()["Models"] == []


def test_what_is_deleted_while_tagged_resources_are_paged_hides_nothing(plane):
    client, tagging = plane.client("sagemaker"), plane.client("resourcegroupstaggingapi")
    for number in range(9):
        client.create_model(**model_request(ModelName=f"m-{number:02d}", Tags=[{"Key": "k", "Value": "v"}]))
    for size in (0, 101):
        assert f"between 1 and 100, not {size}" in refusal(tagging.get_resources, ResourcesPerPage=size)
    for page in tagging.get_paginator("get_resources").paginate(ResourcesPerPage=4):
        for row in page["ResourceTagMappingList"]:
            client.delete_model(ModelName=row["ResourceARN"].rpartition("/")[2])
    assert client.list_models()["Models"] == []

"""boto3 with nothing but the environment of `dgsm local env`, a test per service."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from kit.client_setup import ACCOUNT, SAMPLE_WAV, make_endpoint, model_request, wait_until_in_service
from kit.waiting import until

from dgsm_helpers.places import running_server
from dgsm_helpers.rules.sample import bundled_sample

DIMENSION = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
HIGH_RESOLUTION = {
    "TargetValue": 5.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    },
    "ScaleInCooldown": 300,
    "ScaleOutCooldown": 60,
}


def service(name: str) -> pytest.MarkDecorator:
    """Names the client in the test's id."""
    return pytest.mark.parametrize("client", [pytest.param(name, id=f"boto3-{name}")])


@service("sagemaker")
def test_an_endpoint_with_pools_lives_from_creating_to_gone(boto, client):
    sagemaker = boto(client)
    name = "dg-boto3"
    pools = [{"InstanceType": "ml.g6.2xlarge", "Priority": 1}, {"InstanceType": "ml.g5.2xlarge", "Priority": 2}]
    make_endpoint(sagemaker, name, boto.listings["metered"], boto.role_arn, InstancePools=pools)
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating"
    assert sagemaker.describe_model(ModelName=name)["EnableNetworkIsolation"] is True

    wait_until_in_service(sagemaker, name)
    described = sagemaker.describe_endpoint(EndpointName=name)
    variant = described["ProductionVariants"][0]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 1)
    assert {p["InstanceType"]: p["CurrentInstanceCount"] for p in variant["InstancePools"]} == {
        "ml.g6.2xlarge": 1,
        "ml.g5.2xlarge": 0,
    }
    assert described["MetricsConfig"]["EnableDetailedObservability"] is True
    assert described["CreationTime"] < described["LastModifiedTime"]

    wanted = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=wanted)
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating"
    wait_until_in_service(sagemaker, name)
    variant = sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"][0]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (2, 1.0)

    sagemaker.delete_endpoint(EndpointName=name)
    waiter = sagemaker.get_waiter("endpoint_deleted")
    waiter.wait(EndpointName=name, WaiterConfig={"Delay": 0.5, "MaxAttempts": 240})
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)
    assert not sagemaker.list_models(NameContains=name)["Models"]


@service("sagemaker")
def test_lists_go_from_page_to_page_without_loss(boto, client):
    sagemaker = boto(client)
    names = [f"dg-page-{number:02}" for number in range(7)]
    for name in names:
        sagemaker.create_model(ModelName=name, **model_request(boto.listings["metered"], boto.role_arn))
    pages = list(
        sagemaker.get_paginator("list_models").paginate(
            NameContains="dg-page-", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 3}
        )
    )
    assert [len(page["Models"]) for page in pages] == [3, 3, 1]
    assert [m["ModelName"] for page in pages for m in page["Models"]] == names
    for name in names:
        sagemaker.delete_model(ModelName=name)


@service("sagemaker")
def test_tags_given_at_creation_are_listed_and_can_change(boto, client):
    sagemaker = boto(client)
    arn = sagemaker.create_model(
        ModelName="dg-tagged",
        **model_request(boto.listings["metered"], boto.role_arn),
        Tags=[{"Key": "dgsm:workbook", "Value": "one"}],
    )["ModelArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "speech"}])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [
        {"Key": "dgsm:workbook", "Value": "one"},
        {"Key": "team", "Value": "speech"},
    ]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert [t["Key"] for t in sagemaker.list_tags(ResourceArn=arn)["Tags"]] == ["dgsm:workbook"]
    sagemaker.delete_model(ModelName="dg-tagged")


@service("sagemaker-runtime")
def test_a_file_comes_back_transcribed(boto, endpoint, client):
    answer = boto(client).invoke_endpoint(
        EndpointName=endpoint,
        ContentType="audio/wav",
        CustomAttributes="v1/listen?model=nova-3&language=en&punctuate=true",
        Body=SAMPLE_WAV.read_bytes(),
    )
    document = json.loads(answer["Body"].read())
    best = document["results"]["channels"][0]["alternatives"][0]
    assert best["transcript"] == bundled_sample().transcript
    assert document["metadata"]["duration"] == pytest.approx(bundled_sample().duration_s, abs=0.01)
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("application/json", "AllTraffic")


@service("application-autoscaling")
def test_the_guides_registration_and_policy_are_kept_and_make_two_alarms(boto, endpoint, client):
    scaling, cloudwatch = boto(client), boto("cloudwatch")
    target = {**DIMENSION, "ResourceId": f"endpoint/{endpoint}/variant/AllTraffic"}
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=4)
    put = scaling.put_scaling_policy(
        **target,
        PolicyName="deepgram-streaming-concurrency-policy",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=HIGH_RESOLUTION,
    )
    described = scaling.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=target["ResourceId"])
    policy = described["ScalingPolicies"][0]
    assert policy["TargetTrackingScalingPolicyConfiguration"] == HIGH_RESOLUTION
    assert policy["PolicyARN"] == put["PolicyARN"] and policy["Alarms"] == put["Alarms"]

    prefix = f"TargetTracking-{target['ResourceId']}-Alarm"
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
    high, low = sorted(alarms, key=lambda alarm: alarm["AlarmName"])
    assert high["AlarmName"].startswith(f"{prefix}High-") and low["AlarmName"].startswith(f"{prefix}Low-")
    assert (high["Threshold"], low["Threshold"]) == (5.0, 4.5)
    assert high["AlarmActions"] == low["AlarmActions"] == [put["PolicyARN"]]
    assert {(d["Name"], d["Value"]) for d in high["Dimensions"]} == {
        ("EndpointName", endpoint),
        ("VariantName", "AllTraffic"),
    }

    scaling.deregister_scalable_target(**target)
    assert not scaling.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=target["ResourceId"])[
        "ScalingPolicies"
    ]
    assert not cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]


@service("application-autoscaling")
def test_suspension_alone_changes_nothing_else(boto, endpoint, client):
    scaling = boto(client)
    target = {**DIMENSION, "ResourceId": f"endpoint/{endpoint}/variant/AllTraffic"}
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=3)
    scaling.register_scalable_target(**target, SuspendedState={"DynamicScalingInSuspended": True})
    row = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[target["ResourceId"]])
    row = row["ScalableTargets"][0]
    assert (row["MinCapacity"], row["MaxCapacity"]) == (1, 3)
    assert row["SuspendedState"] == {
        "DynamicScalingInSuspended": True,
        "DynamicScalingOutSuspended": False,
        "ScheduledScalingSuspended": False,
    }
    scaling.deregister_scalable_target(**target)


@service("cloudwatch")
def test_the_endpoints_metrics_are_there_and_listed_once(boto, endpoint, client):
    cloudwatch, runtime = boto(client), boto("sagemaker-runtime")
    runtime.invoke_endpoint(
        EndpointName=endpoint,
        ContentType="audio/wav",
        CustomAttributes="v1/listen?model=nova-3",
        Body=SAMPLE_WAV.read_bytes(),
    )
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}]

    def invocations() -> float:
        now = datetime.now(UTC)  # local time is ahead of it, by days in a long run
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            Dimensions=dimensions[::-1],
            StartTime=now - timedelta(days=1),
            EndTime=now + timedelta(days=50),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    assert until(invocations, "an invocation is counted") >= 1

    def listed() -> list[tuple[str, str]]:
        pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace="AWS/SageMaker", Dimensions=dimensions)
        return [(m["MetricName"], str(sorted(map(str, m["Dimensions"])))) for page in pages for m in page["Metrics"]]

    # A request counts in the minute in which it begins, its latency in that of its end.
    wanted = {"Invocations", "ConcurrentRequestsPerModel", "ModelLatency"}
    until(lambda: wanted <= {name for name, _ in listed()}, "each metric of a request is listed")
    assert len(listed()) == len(set(listed()))


@service("cloudwatch")
def test_own_metrics_come_back_with_percentiles_and_mathematics(boto, embedded, client):
    cloudwatch = boto(client)
    # Local time runs faster than this machine's, so what "now" is must be asked.
    now = datetime.fromisoformat(_local_now(embedded))
    minute = now.replace(second=0, microsecond=0) - timedelta(minutes=5)
    cloudwatch.put_metric_data(
        Namespace="DGSM/Workbook",
        MetricData=[
            {"MetricName": "Lag", "Timestamp": minute, "Values": [float(n) for n in range(1, 101)], "Unit": "Count"},
            {"MetricName": "Other", "Timestamp": minute, "Value": 7.0},
        ],
    )

    def query(name: str, stat: str, **more: object) -> dict:
        metric = {"Namespace": "DGSM/Workbook", "MetricName": name}
        return {"MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}, **more}

    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[
            query("Lag", "p90", Id="lag"),
            query("Other", "Sum", Id="other", ReturnData=False),
            {"Id": "both", "Expression": "MAX([lag/10, FILL(other,0)])", "Label": "both"},
        ],
        StartTime=minute,
        EndTime=minute + timedelta(minutes=1),
    )
    values = {row["Id"]: row["Values"] for row in answer["MetricDataResults"]}
    assert values["lag"] == [pytest.approx(90, abs=1)]
    assert values["both"] == [pytest.approx(9, abs=0.1)]


def _local_now(embedded) -> str:

    return running_server.admin(embedded.info, "GET", "status")["now"]


@service("service-quotas")
def test_the_quota_of_a_type_is_found_by_its_name(boto, client):
    quotas = boto(client)
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    found = {q["QuotaName"]: q for page in pages for q in page["Quotas"]}
    quota = found["ml.g6.2xlarge for endpoint usage"]
    same = quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode=quota["QuotaCode"])["Quota"]
    assert same == quota and quota["Value"] >= 1


@service("pricing")
def test_the_hosting_price_of_a_type_is_a_number_of_dollars(boto, client):
    pricing = boto(client)
    found = pricing.get_products(
        ServiceCode="AmazonSageMaker",
        Filters=[
            {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"},
            {"Type": "TERM_MATCH", "Field": "instanceName", "Value": "ml.g6.2xlarge"},
            {"Type": "TERM_MATCH", "Field": "component", "Value": "Hosting"},
        ],
    )["PriceList"]
    product = json.loads(found[0])
    terms = [d for t in product["terms"]["OnDemand"].values() for d in t["priceDimensions"].values()]
    assert float(terms[0]["pricePerUnit"]["USD"]) > 0


@service("sts")
def test_the_caller_has_an_account(boto, client):
    identity = boto(client).get_caller_identity()
    assert identity["Account"] == ACCOUNT and f":{ACCOUNT}:" in identity["Arn"]


@service("iam")
def test_the_execution_role_can_be_read(boto, client):
    role = boto(client).get_role(RoleName=boto.role_arn.rpartition("/")[2])["Role"]
    assert role["Arn"] == boto.role_arn
    assert "sagemaker.amazonaws.com" in json.dumps(role["AssumeRolePolicyDocument"])


@service("logs")
def test_the_container_log_of_each_instance_is_there(boto, endpoint, client):
    logs = boto(client)
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    assert group in [g["logGroupName"] for g in logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]]
    streams = [s["logStreamName"] for s in logs.describe_log_streams(logGroupName=group)["logStreams"]]
    assert streams and all(name.startswith("AllTraffic/") for name in streams)
    events = logs.filter_log_events(logGroupName=group, filterPattern='"Deepgram Engine is ready"')["events"]
    assert len(events) == len(streams)

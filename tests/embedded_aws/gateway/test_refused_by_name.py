"""What moto would answer from a state of its own is refused by name; what it answers differently is corrected."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import boto3
import pytest
from botocore.exceptions import ClientError
from kit.moved_aws import MovedAws

AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/monitoring/aws4_request, Signature=x"
JSON = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "GraniteServiceVersion20100801.",
    "Authorization": AUTHORIZATION,
}


@pytest.fixture(scope="module")
def aws():
    return MovedAws()


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] < 500
    return answer["Error"]["Code"], answer["Error"]["Message"]


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("sagemaker", "search", {"Resource": "Endpoint"}),
        ("sagemaker", "search", {"Resource": "Model"}),
        ("sagemaker", "create_model_package", {"ModelPackageName": "p"}),
        ("sagemaker", "create_model_package_group", {"ModelPackageGroupName": "g"}),
        ("sagemaker", "list_training_jobs", {}),
        ("sagemaker", "create_inference_component", {"InferenceComponentName": "i", "EndpointName": "e"}),
        ("resourcegroupstaggingapi", "get_compliance_summary", {}),
        ("service-quotas", "get_association_for_service_quota_template", {}),
        ("cloudwatch", "put_composite_alarm", {"AlarmName": "a", "AlarmRule": "TRUE"}),
    ],
)
def test_operations_over_what_is_kept_here_are_never_motos(aws, service, operation, params):
    code, message = refusal(getattr(aws.client(service), operation), **params)
    assert code in ("UnknownOperationException", "InvalidAction")
    assert "does not implement" in message


def test_a_part_of_moto_that_is_missing_is_no_server_error(aws):
    template = {"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}
    call = aws.client("cloudformation").create_stack
    try:
        answer = call(StackName="s", TemplateBody=json.dumps(template))
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
    else:
        assert answer["StackId"]


def test_tags_are_found_changed_and_counted_by_the_tagging_api(aws):
    tagging, sagemaker = aws.client("resourcegroupstaggingapi"), aws.client("sagemaker")
    arn = sagemaker.describe_endpoint(EndpointName="e")["EndpointArn"]
    nowhere = "arn:aws:sns:us-east-1:123456789012:topic"
    answer = tagging.tag_resources(ResourceARNList=[arn, nowhere], Tags={"team": "speech", "stage": "test"})
    assert list(answer["FailedResourcesMap"]) == [nowhere]
    assert tagging.get_tag_keys()["TagKeys"] == ["stage", "team"]
    assert tagging.get_tag_values(Key="team")["TagValues"] == ["speech"]
    assert tagging.get_tag_values(Key="nobody")["TagValues"] == []
    assert {t["Key"] for t in sagemaker.list_tags(ResourceArn=arn)["Tags"]} == {"stage", "team"}
    tagging.untag_resources(ResourceARNList=[arn], TagKeys=["stage"])
    [row] = tagging.get_resources(ResourceTypeFilters=["sagemaker:endpoint"])["ResourceTagMappingList"]
    assert row["Tags"] == [{"Key": "team", "Value": "speech"}]
    assert "logs" in refusal(tagging.get_resources, ResourceTypeFilters=["logs"])[1]


def test_ec2_and_classic_load_balancers_are_read_in_their_own_form(aws):
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "mine"}])
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"] == [{"Key": "Name", "Value": "mine"}]
    listeners = [{"Protocol": "tcp", "LoadBalancerPort": 80, "InstancePort": 80}]
    made = aws.client("elb").create_load_balancer(
        LoadBalancerName="old", Listeners=listeners, AvailabilityZones=["us-east-1a"]
    )
    assert made["DNSName"]


def test_queues_take_the_names_of_system_attributes(aws):
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    [message] = sqs.receive_message(QueueUrl=url, AttributeNames=["SentTimestamp"])["Messages"]
    assert message["Attributes"]["SentTimestamp"]
    assert "enum" in refusal(sqs.receive_message, QueueUrl=url, AttributeNames=["NoSuchThing"])[1]


def test_a_role_that_is_none_is_refused_as_aws_does(aws):
    sts = aws.client("sts")
    answer = refusal(sts.assume_role, RoleArn="nothing-valid-in-here", RoleSessionName="session")
    assert answer == ("ValidationError", "nothing-valid-in-here is invalid")
    assert sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="session")["Credentials"]


def test_log_streams_and_groups_are_told_apart(aws):
    logs = aws.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    assert refusal(logs.create_log_stream, logGroupName="g", logStreamName="s") == (
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
    )
    assert "log group" in refusal(logs.create_log_group, logGroupName="g")[1]
    assert logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"][0]["logGroupClass"] == "STANDARD"


def ask(aws, operation, body, **headers):
    target = {"X-Amz-Target": JSON["X-Amz-Target"] + operation}
    return aws.send("POST", "/", JSON | target | headers, json.dumps(body).encode())


def test_answers_and_errors_in_json_are_shaped_as_cloudwatchs(aws):
    status, headers, _ = ask(aws, "ListMetrics", {})
    assert (status, headers["Content-Type"]) == (200, "application/x-amz-json-1.0")
    missing = {"DashboardName": "none"}
    status, headers, body = ask(aws, "GetDashboard", missing)
    assert (status, headers["x-amzn-query-error"]) == (400, "ResourceNotFound;Sender")
    assert json.loads(body)["__type"].startswith("com.amazonaws.cloudwatch#")
    status, headers, _ = ask(aws, "GetDashboard", missing, **{"x-amzn-query-mode": "true"})
    assert status == 404
    status, headers, body = ask(aws, "GetMetricStatistics", {"Namespace": "N"})
    assert json.loads(body)["__type"].endswith("#ValidationException")
    assert headers["x-amzn-query-error"] == "ValidationError;Sender"


def test_errors_of_the_query_protocol_name_their_namespace(aws):
    form = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": AUTHORIZATION}
    body = b"Action=GetDashboard&Version=2010-08-01&DashboardName=none"
    _, _, answer = aws.send("POST", "/", form, body)
    assert ElementTree.fromstring(answer).tag == "{http://monitoring.amazonaws.com/doc/2010-08-01/}ErrorResponse"


def test_values_of_an_enumeration_are_listed_in_awss_order(aws):
    alarm = {"AlarmName": "a", "StateReason": "r", "StateValue": "BAD"}
    assert "[INSUFFICIENT_DATA, ALARM, OK]" in refusal(aws.client("cloudwatch").set_alarm_state, **alarm)[1]
    policy = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/e/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "PolicyName": "p",
        "PolicyType": "BAD",
    }
    message = refusal(aws.client("application-autoscaling").put_scaling_policy, **policy)[1]
    assert "[PredictiveScaling, StepScaling, TargetTrackingScaling]" in message


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_arns_are_of_their_regions_partition(aws, region, partition):
    cloudwatch = aws.client("cloudwatch", region)
    cloudwatch.put_dashboard(DashboardName="d", DashboardBody="{}")
    assert cloudwatch.get_dashboard(DashboardName="d")["DashboardArn"].startswith(f"arn:{partition}:cloudwatch::")
    packages = aws.client("sagemaker", region).list_model_packages()["ModelPackageSummaryList"]
    assert all(p["ModelPackageArn"].startswith(f"arn:{partition}:sagemaker:{region}:") for p in packages)
    aws.client("sagemaker", region).create_model(
        ModelName="m",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/r-role-r-role",
        PrimaryContainer={"ModelPackageName": packages[0]["ModelPackageArn"]},
        EnableNetworkIsolation=True,
    )
    assert boto3.Session().get_partition_for_region(region) == partition


def test_an_approval_status_is_of_packages_of_a_group_only(aws):
    sagemaker = aws.client("sagemaker")
    assert sagemaker.list_model_packages()["ModelPackageSummaryList"]
    for status in ("Approved", "Rejected"):
        assert sagemaker.list_model_packages(ModelApprovalStatus=status)["ModelPackageSummaryList"] == []


def test_a_variant_is_changed_once_a_request_and_with_what_applies_to_it(aws):
    call = aws.client("sagemaker").update_endpoint_weights_and_capacities
    twice = [{"VariantName": "AllTraffic", "DesiredWeight": w} for w in (1.0, 2.0)]
    message = refusal(call, EndpointName="e", DesiredWeightsAndCapacities=twice)[1]
    assert message == 'The variant name "AllTraffic" was non-unique within the request.'
    serverless = [{"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"MaxConcurrency": 1}}]
    assert "ServerlessUpdateConfig" in refusal(call, EndpointName="e", DesiredWeightsAndCapacities=serverless)[1]


def test_a_variant_shows_the_images_that_it_runs(aws):
    [variant] = aws.client("sagemaker").describe_endpoint(EndpointName="e")["ProductionVariants"]
    [image] = variant["DeployedImages"]
    assert image["ResolvedImage"].startswith(f"{image['SpecifiedImage']}@sha256:")

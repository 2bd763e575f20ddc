"""The front door: recognition, refusals, faults, administration, each over a real socket."""

import gzip
import json
import urllib.error
import urllib.request
from xml.etree import ElementTree

import cbor2
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from embedded_aws.listings import ACCESS_KEY_ID, SECRET_ACCESS_KEY

ONCE = Config(retries={"max_attempts": 0})


def send(plane, service, *, path="/", body=b"", headers=None, method="POST"):
    """A signed request as any client may make it; returns (status, headers, body)."""
    request = AWSRequest(method=method, url=plane.url + path, data=body, headers=headers or {})
    SigV4Auth(Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY), service, "eu-west-1").add_auth(request)
    return plain(plane, path, body=body, headers=dict(request.headers), method=method)


def plain(plane, path, *, body=None, headers=None, method="GET"):
    request = urllib.request.Request(plane.url + path, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def json_call(plane, target, params, service="sagemaker", **headers):
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"} | headers
    body = params if isinstance(params, bytes) else json.dumps(params).encode()
    return send(plane, service, body=body, headers=headers)


def cbor_call(plane, operation, params):
    path = f"/service/GraniteServiceVersion20100801/operation/{operation}"
    headers = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor", "Accept": "application/cbor"}
    status, headers, body = send(plane, "monitoring", path=path, body=cbor2.dumps(params), headers=headers)
    assert headers["smithy-protocol"] == "rpc-v2-cbor"
    return status, cbor2.loads(body)


def test_values_that_only_the_service_model_knows_are_refused_in_aws_words(plane):
    plane.make_model()
    with pytest.raises(ClientError) as caught:
        plane.make_config(variant={"ModelDataDownloadTimeoutInSeconds": 3601})
    error = caught.value.response
    assert error["Error"]["Code"] == "ValidationException"
    assert error["Error"]["Message"] == (
        "1 validation error detected: Value '3601' at 'productionVariants.1.member.modelDataDownloadTimeoutInSeconds' "
        "failed to satisfy constraint: Member must have value less than or equal to 3600"
    )
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert plane.client("sagemaker").list_endpoint_configs()["EndpointConfigs"] == []


def test_a_json_error_names_its_type_in_header_and_body(plane):
    status, headers, body = json_call(plane, "SageMaker.CreateEndpoint", {"EndpointName": "e"})
    assert status == 400
    assert headers["Content-Type"] == "application/x-amz-json-1.1"
    assert headers["x-amzn-ErrorType"] == json.loads(body)["__type"] == "ValidationException"
    assert headers["x-amzn-RequestId"]
    assert "Value null at 'endpointConfigName'" in json.loads(body)["message"]


def test_a_query_error_is_xml(plane):
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = b"Action=AssumeRole&Version=2011-06-15&RoleSessionName=x"
    status, headers, body = send(plane, "sts", body=body, headers=headers)
    error = ElementTree.fromstring(body).find("{*}Error")
    assert status == 400
    assert error.findtext("{*}Code") == "ValidationError"
    assert "Value null at 'roleArn'" in error.findtext("{*}Message")


def test_cbor_calls_reach_the_backend_and_errors_come_back_in_cbor(plane):
    alarm = {"AlarmName": "a", "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 1.5}
    metric = {"MetricName": "M", "Namespace": "N", "Period": 60, "Statistic": "Average"}
    assert cbor_call(plane, "PutMetricAlarm", alarm | metric)[0] == 200
    status, answer = cbor_call(plane, "DescribeAlarms", {})
    assert (status, answer["MetricAlarms"][0]["Threshold"]) == (200, 1.5)
    assert plane.client("cloudwatch", "eu-west-1").describe_alarms()["MetricAlarms"][0]["AlarmName"] == "a"
    status, answer = cbor_call(plane, "PutMetricAlarm", alarm | metric | {"Period": 0})
    assert (status, answer["__type"]) == (400, "com.amazonaws.cloudwatch#ValidationException")
    assert cbor_call(plane, "DeleteAlarms", {"AlarmNames": ["a"]})[0] == 200


def test_packed_bodies_are_read(plane):
    body = gzip.compress(json.dumps({"NameContains": "x"}).encode())
    headers = {"X-Amz-Target": "SageMaker.ListModels", "Content-Encoding": "gzip"}
    assert send(plane, "sagemaker", body=body, headers=headers)[0] == 200
    assert send(plane, "sagemaker", body=b"not packed", headers=headers)[0] == 400


@pytest.mark.parametrize("body", [b"{", b"[]", b"3"])
def test_an_unreadable_body_is_a_serialization_error(plane, body):
    status, _, answer = json_call(plane, "SageMaker.ListModels", body)
    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")


def test_the_region_is_the_one_the_request_was_signed_for(plane):
    plane.make_model()
    names = {
        region: [m["ModelName"] for m in plane.client("sagemaker", region).list_models()["Models"]]
        for region in ("us-east-1", "eu-west-1")
    }
    assert names == {"us-east-1": ["m"], "eu-west-1": []}


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("sagemaker", lambda c: c.list_hubs(), "UnknownOperationException"),
        ("iam", lambda c: c.simulate_principal_policy(PolicySourceArn="a" * 20, ActionNames=["a:b"]), "InvalidAction"),
        ("marketplace-agreement", lambda c: c.describe_agreement(agreementId="a"), "UnknownOperationException"),
        ("marketplace-catalog", lambda c: c.list_entities(Catalog="a", EntityType="b"), "UnknownOperationException"),
    ],
)
def test_what_nothing_implements_is_a_clean_error_without_retries(plane, service, call, code):
    with pytest.raises(ClientError) as caught:
        call(plane.client(service))
    assert caught.value.response["Error"]["Code"] == code
    assert "does not implement" in caught.value.response["Error"]["Message"]
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_an_operation_that_does_not_exist_is_a_clean_error(plane):
    status, _, body = json_call(plane, "SageMaker.CreateEverything", {})
    assert (status, json.loads(body)["__type"]) == (400, "UnknownOperationException")


def test_runtime_calls_at_the_wrong_door_are_told_where_to_go(plane):
    with pytest.raises(ClientError, match="AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"):
        plane.client("sagemaker-runtime").invoke_endpoint(EndpointName="e", Body=b"x")


def test_moto_answers_what_is_not_ours(plane):
    assert plane.client("sts").get_caller_identity()["Account"] == "123456789012"
    plane.client("logs").create_log_group(logGroupName="/aws/sagemaker/Endpoints/e")
    assert plane.client("sns").create_topic(Name="alarms")["TopicArn"].endswith(":alarms")
    role = plane.control.create_execution_role()
    name = role.rpartition("/")[2]
    trust = plane.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    plane.client("iam").delete_role(RoleName=name)


@pytest.mark.parametrize(
    ("kind", "code", "text", "status"),
    [
        ("throttling", "ThrottlingException", "Rate exceeded", 400),
        ("expired-credentials", "ExpiredTokenException", "The security token included in the request is expired", 400),
        (
            "denied",
            "AccessDeniedException",
            "User: arn:aws:sts::123456789012:user/moto is not authorized to perform: sagemaker:DescribeEndpoint on "
            "resource: arn:aws:sagemaker:us-east-1:123456789012:endpoint/demo because no identity-based policy allows "
            "the sagemaker:DescribeEndpoint action",
            400,
        ),
    ],
)
def test_faults_strike_as_aws_would_say_it(plane, kind, code, text, status):
    plane.faults.add(kind, count=1)
    client = plane.session().client("sagemaker", endpoint_url=plane.url, config=ONCE)
    with pytest.raises(ClientError) as caught:
        client.describe_endpoint(EndpointName="demo")
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["Error"]["Message"]) == (code, text)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    with pytest.raises(ClientError, match="Could not find endpoint"):
        client.describe_endpoint(EndpointName="demo")


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [("throttling", "Throttling", 400), ("expired-credentials", "ExpiredToken", 403), ("denied", "AccessDenied", 403)],
)
def test_faults_have_the_query_services_own_names(plane, kind, code, status):
    plane.faults.add(kind, count=1)
    client = plane.session().client("iam", endpoint_url=plane.url, config=ONCE)
    with pytest.raises(ClientError) as caught:
        client.list_users()
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_boto3_rides_out_throttling_that_ends(plane):
    plane.faults.add("throttling", service="sagemaker", operation="ListModels", count=2)
    answer = plane.client("sagemaker").list_models()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2


def test_a_denial_of_one_operation_leaves_the_others(plane):
    plane.faults.add("denied", service="sagemaker", operation="CreateModel")
    with pytest.raises(ClientError, match=r"sagemaker:CreateModel on resource: .*:model/m "):
        plane.make_model()
    assert plane.client("sagemaker").list_models()["Models"] == []


def test_faults_and_quotas_are_administered_as_json(plane):
    status, _, body = plain(plane, "/_dgsm/faults", body=b'{"kind": "crash", "endpoint": "demo"}', method="POST")
    assert (status, json.loads(body)["endpoint"]) == (200, "demo")
    assert json.loads(plain(plane, "/_dgsm/faults")[2])[0]["kind"] == "crash"
    assert json.loads(plain(plane, "/_dgsm/faults", body=b'{"kind": "crash"}', method="DELETE")[2]) == {"cleared": 1}
    quota = b'{"region": "us-east-1", "instance_type": "ml.g5.2xlarge", "value": 0}'
    assert plain(plane, "/_dgsm/quotas", body=quota, method="PUT")[0] == 200
    assert plane.control.quotas.get("us-east-1", "ml.g5.2xlarge") == 0


def test_the_running_server_tells_which_faults_there_are(plane):
    status, _, body = plain(plane, "/_dgsm/faults/kinds")
    kinds = {kind["name"]: kind for kind in json.loads(body)["kinds"]}
    assert (status, kinds["crash"]["help"]) == (200, "a serving instance crashes")
    instance_type, failure, count = kinds["failed-start"]["parameters"]
    assert instance_type == {
        "name": "instance_type",
        "help": "such as ml.g6.2xlarge, or * for any",
        "type": "str",
        "required": False,
        "default": "*",
        "choices": [],
    }
    assert failure["choices"] == ["container-failed", "driver", "container-never-started"]
    assert (count["type"], count["required"], count["default"]) == ("int", False, None)
    [seconds] = kinds["slow-metrics"]["parameters"]
    assert (seconds["type"], seconds["required"], seconds["default"]) == ("float", True, None)


@pytest.mark.parametrize(
    ("method", "route", "body", "status"),
    [
        ("POST", "faults", b'{"kind": "flood"}', 400),
        ("POST", "faults", b"{", 400),
        ("DELETE", "faults", b'{"name": "x"}', 400),
        ("PUT", "quotas", b'{"region": "us-east-1", "instance_type": "ml.nope", "value": 1}', 400),
        ("PUT", "quotas", b'{"value": 1}', 400),
        ("GET", "nothing", None, 404),
        ("GET", "busy", None, 409),
    ],
)
def test_wrong_administration_is_refused_with_a_message(plane, method, route, body, status):
    got, _, answer = plain(plane, f"/_dgsm/{route}", body=body, method=method)
    assert got == status
    assert json.loads(answer)["message"]


def test_a_responder_that_breaks_is_an_internal_failure_and_logged(plane, caplog, monkeypatch):
    monkeypatch.setattr(plane.control.sagemaker("us-east-1"), "list_models", lambda _: 1 / 0)
    client = plane.session().client("sagemaker", endpoint_url=plane.url, config=ONCE)
    with pytest.raises(ClientError) as caught:
        client.list_models()
    assert caught.value.response["Error"]["Code"] == "InternalFailure"
    assert "sagemaker:ListModels failed" in caplog.text

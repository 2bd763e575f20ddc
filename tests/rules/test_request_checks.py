"""Requests against botocore's service models."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput, InvalidRequest
from dgsm_helpers.rules import java_regex, request_checks

OPERATIONS_WE_USE = {
    "sagemaker": """
        CreateModel CreateEndpointConfig CreateEndpoint UpdateEndpoint UpdateEndpointWeightsAndCapacities DescribeModel
        DescribeEndpointConfig DescribeEndpoint DeleteModel DeleteEndpointConfig DeleteEndpoint ListModels ListEndpoints
        ListEndpointConfigs DescribeModelPackage ListModelPackages AddTags ListTags DeleteTags""",
    "application-autoscaling": """
        RegisterScalableTarget DeregisterScalableTarget DescribeScalableTargets PutScalingPolicy DeleteScalingPolicy
        DescribeScalingPolicies DescribeScalingActivities PutScheduledAction DeleteScheduledAction TagResource""",
    "cloudwatch": "GetMetricData PutMetricData PutMetricAlarm DescribeAlarms PutDashboard DeleteAlarms",
    "service-quotas": "ListServiceQuotas GetServiceQuota RequestServiceQuotaIncrease",
    "pricing": "GetProducts",
    "logs": "FilterLogEvents",
    "iam": "CreateRole",
    "sts": "GetCallerIdentity",
}


def config(**variant):
    pools = [{"InstanceType": "ml.g6.2xlarge", "Priority": 1}]
    return {
        "EndpointConfigName": "c",
        "ProductionVariants": [
            {"VariantName": "AllTraffic", "ModelName": "m", "InitialInstanceCount": 1, "InstancePools": pools} | variant
        ],
    }


def config_problems(**variant):
    return request_checks.problems("sagemaker", "CreateEndpointConfig", config(**variant))


def test_a_correct_request_has_no_problems():
    assert config_problems(InferenceAmiVersion="al2023-ami-sagemaker-inference-gpu-4-1") == ()


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        (
            {"ModelDataDownloadTimeoutInSeconds": 3601},
            "'productionVariants.1.member.modelDataDownloadTimeoutInSeconds' failed to satisfy constraint: "
            "Member must have value less than or equal to 3600",
        ),
        (
            {"VariantInstanceProvisionTimeoutInSeconds": 60},
            "Member must have value greater than or equal to 300",
        ),
        ({"InferenceAmiVersion": "ubuntu"}, "Member must satisfy enum value set: [al2-ami"),
        ({"VariantName": "no_underscore"}, "Member must satisfy regular expression pattern: [a-zA-Z0-9]"),
        ({"RoutingConfig": {}}, "Value null at 'productionVariants.1.member.routingConfig.routingStrategy'"),
        ({"InitialInstanceCount": "1"}, "Member must be an integer"),
        ({"InitialInstanceCount": True}, "Member must be an integer"),
        (
            {"Sise": 1},
            'Unknown parameter in productionVariants.1.member: "Sise", must be one of: VariantName',
        ),
        ({"InstanceType": "ml.g6.2xlarge"}, "Exactly one of InstanceType, InstancePools and ServerlessConfig"),
        ({"InstancePools": None}, "not none"),
        (
            {"InstancePools": [{"InstanceType": "ml.g6.2xlarge", "Priority": p} for p in (1, 2)]},
            "one pool only: ml.g6.2xl",
        ),
    ],
)
def test_a_wrong_variant_is_described_as_aws_would(variant, expected):
    found = config_problems(**variant)
    assert len(found) == 1
    assert expected in found[0]


def test_six_pools_are_one_too_many():
    types = ["ml.g4dn.xlarge", "ml.g5.xlarge", "ml.g6.xlarge", "ml.g6e.xlarge", "ml.g5.2xlarge", "ml.g6.2xlarge"]
    (found,) = config_problems(InstancePools=[{"InstanceType": t, "Priority": 1} for t in types])
    assert "'productionVariants.1.member.instancePools'" in found
    assert found.endswith("Member must have length less than or equal to 5")


def test_every_reason_is_listed_not_only_the_first():
    request = config(VolumeSizeInGB=513, InitialVariantWeight=-1) | {"EndpointConfigName": "a" * 64, "Tags": []}
    with pytest.raises(InvalidRequest, match="4 validation errors detected") as caught:
        request_checks.validate("sagemaker", "CreateEndpointConfig", request)
    assert len(caught.value.problems) == 4  # the long name breaks its length and its pattern


@pytest.mark.parametrize("seconds", request_checks.METRIC_FREQUENCIES_S)
def test_documented_metric_frequencies_pass(seconds):
    request = config() | {"MetricsConfig": {"MetricPublishFrequencyInSeconds": seconds}}
    assert request_checks.problems("sagemaker", "CreateEndpointConfig", request) == ()


def test_another_metric_frequency_is_refused_though_the_model_has_no_enumeration():
    request = config() | {"MetricsConfig": {"MetricPublishFrequencyInSeconds": 7}}
    (found,) = request_checks.problems("sagemaker", "CreateEndpointConfig", request)
    assert "enum value set: [10, 30, 60, 120, 180, 240, 300]" in found


def test_a_minimum_above_the_maximum_is_refused():
    request = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/e/variant/v",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "MinCapacity": 5,
        "MaxCapacity": 4,
    }
    (found,) = request_checks.problems("application-autoscaling", "RegisterScalableTarget", request)
    assert found == "Maximum capacity (4) must be greater than or equal to minimum capacity (5)"


def test_keys_and_values_of_a_map_are_checked():
    container = {"Environment": {"not valid": "x", "GOOD": "y" * 1025}}
    keys, values = request_checks.problems(
        "sagemaker", "CreateModel", {"ModelName": "m", "PrimaryContainer": container}
    )
    assert "Map keys must satisfy constraint: [Member must satisfy regular expression pattern" in keys
    assert "Map value must satisfy constraint: [Member must have length less than or equal to 1024]" in values


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1, tzinfo=UTC), 1767225600, 1767225600.5, "2026-01-01T00:00:00Z"])
def test_timestamps_pass_as_boto3_takes_them_and_as_json_holds_them(moment):
    assert request_checks.problems("sagemaker", "ListEndpoints", {"CreationTimeAfter": moment}) == ()


def test_ranges_hold_for_decimals():
    (found,) = config_problems(InitialVariantWeight=Decimal("-0.5"))
    assert "greater than or equal to 0" in found


@pytest.mark.parametrize(("service", "operation"), [("sagemaker", "CreateEndpont"), ("sagemakr", "CreateEndpoint")])
def test_an_unknown_service_or_operation_is_named(service, operation):
    with pytest.raises(InvalidInput, match=operation if service == "sagemaker" else service):
        request_checks.problems(service, operation, {})


@pytest.mark.parametrize(
    ("service", "operation"),
    [(service, name) for service, names in OPERATIONS_WE_USE.items() for name in names.split()],
)
def test_no_pattern_of_an_operation_we_use_is_skipped(service, operation):
    shape = request_checks.service_model(service).operation_model(operation).input_shape
    assert [p for p in patterns(shape) if java_regex.compiled(p) is None] == []


def patterns(shape, seen=()):
    if shape is None or shape.name in seen:
        return
    if pattern := shape.metadata.get("pattern"):
        yield pattern
    if shape.type_name == "structure":
        members = list(shape.members.values())
    else:
        members = [getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)]
    for member in members:
        yield from patterns(member, (*seen, shape.name))


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "dgsm:workbook é 漢 ١", "a#b"),
        (r"\p{Print}+", "policy name!", "tab\there"),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "emoji 😀 ok", "\x00"),
        (r"arn:[\p{Alnum}\-]+:x", "arn:aws-cn:x", "arn:aws_cn:x"),
        (r"[\w-_]*", "a-b_c", "a b"),
        (r"\d{12}", "123456789012", "١٢٣٤٥٦٧٨٩٠١٢"),
    ],
)
def test_java_patterns_mean_the_same_in_python(pattern, matching, other):
    compiled = java_regex.compiled(pattern)
    assert compiled.fullmatch(matching)
    assert not compiled.fullmatch(other)


@pytest.mark.parametrize("pattern", [r"([a-z]*)${1,128}", r"\p{NoSuchClass}+", r"[a-z&&[^b]]"])
def test_what_python_cannot_express_is_not_checked(pattern):
    assert java_regex.compiled(pattern) is None


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_letters_are_what_unicode_calls_letters(text):
    expected = re.fullmatch(r"[^\W\d_]*", text) is not None  # Python's own idea of letters, numerals like Ⅷ aside
    if not any((c.isnumeric() and not c.isdigit()) or (c.isdigit() and not c.isdecimal()) for c in text):
        assert (java_regex.compiled(r"\p{L}*").fullmatch(text) is not None) == expected

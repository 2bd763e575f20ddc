"""A plan is complete, valid by AWS's model, and refuses what cannot work before anything is made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.aws.endpoint.deployment_plan import name_stem, plan
from dgsm_helpers.errors import InvalidInput, InvalidRequest, UnsupportedFeature
from dgsm_helpers.rules import request_checks


def planned(scripted, *types, amounts=None, workbook=None, **given):
    s = scripted(**(workbook or {}))
    s.prices(*(amounts or [1.0] * (len(types) or 3)))
    return plan(s.wb, types or None, **given)


def test_default_plan_is_the_guides(scripted):
    made = planned(scripted)
    variant = made.endpoint_config_request()["ProductionVariants"][0]
    assert [pool["InstanceType"] for pool in variant["InstancePools"]] == [
        "ml.g6.2xlarge",
        "ml.g6e.2xlarge",
        "ml.g5.2xlarge",
    ]
    assert [pool["Priority"] for pool in variant["InstancePools"]] == [1, 2, 3]
    assert variant["VariantName"] == "AllTraffic"
    assert variant["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"
    assert variant["ModelDataDownloadTimeoutInSeconds"] == 600
    assert variant["RoutingConfig"] == {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}
    assert made.model_request()["EnableNetworkIsolation"] is True
    assert made.endpoint_config_request()["MetricsConfig"]["EnableEnhancedMetrics"] is True
    assert {"Key": "dgsm:endpoint", "Value": "dg"} in made.endpoint_request()["Tags"]


def test_price_stated_is_of_the_dearest_type_times_the_count(scripted):
    made = planned(scripted, amounts=[1.2, 2.5, 1.5], initial_count=2)
    assert made.usd_per_hour == 5.0
    assert "$5.000" in str(made)
    assert "$2.500" in made._repr_html_()


def test_same_content_has_the_same_names_and_another_content_others(scripted):
    one, same, other = planned(scripted), planned(scripted), planned(scripted, download_timeout_s=1800)
    assert one.config_name == same.config_name
    assert one.config_name != other.config_name
    assert one.model_name == other.model_name


def test_longest_endpoint_name_leaves_room_for_the_hash(scripted):
    made = planned(scripted, workbook={"endpoint_name": "a" * 63})
    assert len(made.config_name) == 63


@given(st.from_regex(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", fullmatch=True).filter(lambda name: len(name) <= 63))
def test_names_made_from_any_endpoint_name_are_valid(name):
    request = {"EndpointName": name, "EndpointConfigName": f"{name_stem(name)}-0123abcd"}
    assert request_checks.problems("sagemaker", "CreateEndpoint", request) == ()


@pytest.mark.parametrize(
    ("types", "text"),
    [
        (("ml.g6.huge", "ml.g5.2xlarge"), "knows no instance type 'ml.g6.huge'"),
        (("ml.g5.2xlarge", "ml.g5.2xlarge"), "in the pool twice"),
        (("ml.g6.2xlarge",), "nothing to fall back to"),
        (tuple(f"ml.g5.{n}xlarge" for n in (2, 4, 8, 12, 16, 24)), "6 instance types"),
    ],
)
def test_pools_that_cannot_work_are_refused(scripted, types, text):
    with pytest.raises(InvalidInput, match=text):
        plan(scripted().wb, types)


def test_empty_pool_is_refused(scripted):
    with pytest.raises(InvalidInput, match="empty"):
        plan(scripted().wb, ())


def test_one_type_is_taken_with_a_reason(scripted):
    made = planned(scripted, "ml.g5.2xlarge", single_type_reason="a Savings Plan")
    variant = made.endpoint_config_request()["ProductionVariants"][0]
    assert variant["InstanceType"] == "ml.g5.2xlarge"
    assert "InstancePools" not in variant
    assert "a Savings Plan" in str(made)


def test_arn_of_another_region_is_refused(scripted):
    with pytest.raises(InvalidInput, match="us-east-1 and the workbook of eu-west-1"):
        plan(scripted(region="eu-west-1").wb)


@pytest.mark.parametrize("arn", [None, "", "deepgram", "arn:aws:sagemaker:us-east-1:123456789012:model/x"])
def test_what_is_no_model_package_arn_is_refused(scripted, arn):
    with pytest.raises(InvalidInput, match="model package ARN"):
        plan(scripted(model_package_arn=arn).wb)


def test_scale_to_zero_and_asynchronous_are_refused_with_the_manuals_words(scripted):
    with pytest.raises(UnsupportedFeature, match="cannot scale to zero"):
        plan(scripted().wb, initial_count=0)
    with pytest.raises(UnsupportedFeature, match="temporarily not supported"):
        plan(scripted().wb, async_inference_config={"OutputConfig": {}})


@pytest.mark.parametrize(
    "given",
    [{"download_timeout_s": 3601}, {"provision_timeout_s": 60}, {"metric_publish_s": 7}, {"health_check_timeout_s": 5}],
)
def test_values_outside_sagemakers_model_are_refused(scripted, given):
    with pytest.raises(InvalidRequest):
        planned(scripted, **given)


def test_environment_goes_into_the_container(scripted):
    made = planned(scripted, environment={"DEEPGRAM_ENGINE_01": "max_active_requests=120"})
    container = made.model_request()["PrimaryContainer"]
    assert container["Environment"] == {"DEEPGRAM_ENGINE_01": "max_active_requests=120"}


def test_unsuitable_type_is_refused_with_the_recommended_pool(scripted):
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package/deepgram-tts-aura-2/1"
    with pytest.raises(InvalidInput, match=r"needs 4 GPUs .* recommends ml.g6.12xlarge"):
        plan(scripted(model_package_arn=arn).wb, ("ml.g6.12xlarge", "ml.g6.2xlarge"))

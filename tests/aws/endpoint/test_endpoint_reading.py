"""One look at an endpoint reads each part once, and the steps that use it ask AWS few questions."""

from __future__ import annotations

from kit.call_counter import counted_calls

from dgsm_helpers.aws.endpoint.endpoint_config import read_endpoint_config
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import retargeting
from dgsm_helpers.aws.scaling.pin import one_instance
from dgsm_helpers.rules.guide import POLICY_NAME


def test_each_part_is_read_once_and_only_when_it_is_used(scaled):
    with counted_calls(scaled) as calls:
        endpoint = EndpointReading(scaled)
        assert not calls
        for _ in range(2):
            assert endpoint.state.status == "InService"
            assert endpoint.running_types == ("ml.g6.2xlarge",)
            assert endpoint.instance_types[:2] == ("ml.g6.2xlarge", "ml.g6e.2xlarge")
            assert endpoint.target.max_capacity == 4
            assert [policy.name for policy in endpoint.policies] == [POLICY_NAME]
            assert [alarm.side for alarm in endpoint.alarms] == ["high", "low"]
            assert endpoint.model_package_arn == scaled.model_package_arn
    assert calls == {
        "DescribeEndpoint": 1,
        "DescribeEndpointConfig": 1,
        "DescribeModel": 1,
        "DescribeScalableTargets": 1,
        "DescribeScalingPolicies": 1,
        "DescribeAlarms": 1,
    }


def test_retargeting_takes_four_calls(scaled):
    with counted_calls(scaled) as calls:
        retargeting.retarget(scaled, 6.0)
    assert calls.total() <= 4, calls


def test_pinning_with_one_check_takes_ten_calls(scaled):
    with counted_calls(scaled) as calls, one_instance(scaled, say=lambda _: None) as pinned:
        pinned.check()
    assert calls.total() <= 10, calls


def test_config_says_what_each_variant_and_each_pool_is_made_of(workbook):
    wb = workbook()
    sagemaker = wb.client("sagemaker")
    role = "arn:aws:iam::123456789012:role/any"
    for name in ("one", "two"):
        package = {"ModelPackageName": wb.model_package_arn}
        model = f"{wb.endpoint_name}-{name}"
        sagemaker.create_model(
            ModelName=model, PrimaryContainer=package, ExecutionRoleArn=role, EnableNetworkIsolation=True
        )
    pools = [
        {"InstanceType": "ml.g5.2xlarge", "Priority": 2, "ModelNameOverride": f"{wb.endpoint_name}-two"},
        {"InstanceType": "ml.g6.2xlarge", "Priority": 1},
    ]
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": f"{wb.endpoint_name}-one",
        "InitialInstanceCount": 2,
        "InstancePools": pools,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=wb.endpoint_name, ProductionVariants=[variant])
    config = read_endpoint_config(wb, wb.endpoint_name)
    read = config.variant("AllTraffic")
    assert read.instance_types == ("ml.g6.2xlarge", "ml.g5.2xlarge"), "in order of priority"
    assert read.model_names == (f"{wb.endpoint_name}-one", f"{wb.endpoint_name}-two")
    assert (read.initial_count, read.routing, read.ami, config.enhanced_metrics) == (2, "", "", False)
    assert config.variant("Other").instance_types == ()
    sagemaker.delete_endpoint_config(EndpointConfigName=wb.endpoint_name)
    for name in ("one", "two"):
        sagemaker.delete_model(ModelName=f"{wb.endpoint_name}-{name}")

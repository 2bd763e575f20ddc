"""Exports of endpoints that others made hold all that was read, or a note says what they leave out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import hcl2
import pytest

from dgsm_helpers.aws.export.cloudformation import UNKNOWN, expressible
from dgsm_helpers.aws.export.setup_export import FORMATS
from dgsm_helpers.aws.export.template_values import parametrised
from dgsm_helpers.aws.scaling import scaling_setup
from dgsm_helpers.aws.scaling.setup_calls import Setup, SetupCall

HERE = "arn:aws:sagemaker:us-east-1:123456789012"
AT = "2026-01-01T00:00:00Z"
LIVE = {"CurrentWeight": 1.0, "DesiredWeight": 1.0, "CurrentInstanceCount": 1, "DesiredInstanceCount": 1}
MADE = {"InitialInstanceCount": 1, "InstanceType": "ml.g6.2xlarge", "InitialVariantWeight": 1.0}


@pytest.fixture
def shadow(scripted):
    """An endpoint with a shadow variant of another model, and a roll-back alarm, as Terraform makes it."""
    s = scripted(endpoint_name="shadow")
    last = {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
            "WaitIntervalInSeconds": 60,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
    }
    s.answers(
        "sagemaker",
        "describe_endpoint",
        {
            "EndpointName": "shadow",
            "EndpointArn": f"{HERE}:endpoint/shadow",
            "EndpointConfigName": "shadow-cfg",
            "EndpointStatus": "InService",
            "CreationTime": AT,
            "LastModifiedTime": AT,
            "ProductionVariants": [{**LIVE, "VariantName": "AllTraffic"}],
            "ShadowProductionVariants": [{**LIVE, "VariantName": "canary"}],
            "LastDeploymentConfig": last,
        },
    )
    s.answers(
        "sagemaker",
        "describe_endpoint_config",
        {
            "EndpointConfigName": "shadow-cfg",
            "EndpointConfigArn": f"{HERE}:endpoint-config/shadow-cfg",
            "CreationTime": AT,
            "ProductionVariants": [{**MADE, "VariantName": "AllTraffic", "ModelName": "of-now"}],
            "ShadowProductionVariants": [{**MADE, "VariantName": "canary", "ModelName": "of-tomorrow"}],
        },
    )
    for number, name in enumerate(("of-now", "of-tomorrow"), start=1):
        model = {
            "ModelName": name,
            "ModelArn": f"{HERE}:model/{name}",
            "CreationTime": AT,
            "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
            "EnableNetworkIsolation": True,
            "PrimaryContainer": {"ModelPackageName": f"{HERE}:model-package/deepgram-stt/{number}"},
        }
        s.answers("sagemaker", "describe_model", model, {"ModelName": name})
    for _ in range(4):
        s.answers("sagemaker", "list_tags", {"Tags": []})
    s.answers("application-autoscaling", "describe_scalable_targets", {"ScalableTargets": []})
    s.answers("application-autoscaling", "describe_scaling_policies", {"ScalingPolicies": []})
    s.answers("application-autoscaling", "describe_scheduled_actions", {"ScheduledActions": []})
    return parametrised(scaling_setup.read(s.wb))


def test_foreign_endpoint_with_a_shadow_variant_takes_the_shadows_model_along(shadow):
    resources = json.loads(FORMATS["cloudformation"](shadow))["Resources"]
    config = resources["EndpointConfig"]["Properties"]
    named = [config[kind][0]["ModelName"] for kind in ("ProductionVariants", "ShadowProductionVariants")]
    assert named == [{"Fn::GetAtt": ["Model", "ModelName"]}, {"Fn::GetAtt": ["Model2", "ModelName"]}]
    assert [p.name for p in shadow.parameters] == [
        "endpoint_name",
        "model_package_arn",
        "role_arn",
        "model_package_arn_2",
    ]


@pytest.mark.parametrize("to", FORMATS)
def test_foreign_endpoint_with_a_shadow_variant_names_no_model_that_is_not_made(shadow, to):
    text = FORMATS[to](shadow)
    made = re.search(r"of-tomorrow|Model2", text)
    assert made
    assert made.start() < text.index("canary")


@pytest.mark.parametrize("to", FORMATS)
def test_foreign_endpoint_says_at_the_top_which_alarms_are_left_out(shadow, to):
    head = FORMATS[to](shadow)[:1000]
    assert "The alarms that roll an update back (errors) are your own" in head


def test_foreign_endpoint_with_a_shadow_variant_passes_the_linters(shadow):
    lint = Path(sys.executable).with_name("cfn-lint")
    text = FORMATS["cloudformation"](shadow)
    done = subprocess.run([lint], input=text, capture_output=True, text=True, check=False, timeout=240)
    assert (done.returncode, done.stdout) == (0, "")
    assert hcl2.loads(FORMATS["terraform"](shadow))["resource"]


def members_without_a_property(shape, schema, node):
    """Members of a request for which a CloudFormation resource has no property."""
    while "$ref" in node:
        node = schema["definitions"][node["$ref"].rpartition("/")[2]]
    if shape.type_name == "list" and "items" in node:
        return members_without_a_property(shape.member, schema, node["items"])
    if shape.type_name != "structure":
        return set()
    known = node.get("properties", {})
    inside = (members_without_a_property(m, schema, known[n]) for n, m in shape.members.items() if n in known)
    return set(shape.members) - set(known) | set().union(*inside)


def test_case_of_what_cloudformation_does_not_know_is_what_its_schemas_lack(scripted):
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # half a second, for whoever collects the tests

    client = scripted().wb.client("sagemaker")
    lacking = set()
    for kind in ("Model", "EndpointConfig", "Endpoint"):
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", f"AWS::SageMaker::{kind}").schema
        request = client.meta.service_model.operation_model(f"Create{kind}").input_shape
        lacking |= members_without_a_property(request, schema, schema)
    assert lacking <= UNKNOWN


def test_foreign_endpoint_with_what_cloudformation_does_not_know_leaves_it_out_and_says_so():
    variant = {**MADE, "VariantName": "AllTraffic", "ModelName": "m", "AcceleratorType": "ml.eia2.medium"}
    config = {"EndpointConfigName": "c", "ProductionVariants": [variant], "Tags": [{"Key": "ETag", "Value": "x"}]}
    template = expressible(parametrised(Setup("dg", "r", (SetupCall("sagemaker", "CreateEndpointConfig", config),))))
    assert template.notes == ("CloudFormation does not know AcceleratorType of CreateEndpointConfig: it is left out.",)
    assert "AcceleratorType" not in template.steps[0].request["ProductionVariants"][0]
    assert template.steps[0].request["Tags"] == config["Tags"]

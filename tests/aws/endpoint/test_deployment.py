"""Deploying, repeating and failing, on the embedded AWS."""

from __future__ import annotations

import dataclasses
from typing import NoReturn

import pytest
from kit.sabotage import struck

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.errors import AccessDenied, DeployFailed, InvalidInput, NotFound, QuotaExceeded


def names(wb, operation, key, field):
    client = wb.client("sagemaker")
    found = getattr(client, operation)(NameContains=wb.endpoint_name, MaxResults=100)[key]
    return {entry[field] for entry in found}


def everything(wb):
    """Names of endpoint, configs and models that carry the workbook's endpoint name."""
    return (
        names(wb, "list_endpoints", "Endpoints", "EndpointName")
        | names(wb, "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName")
        | names(wb, "list_models", "Models", "ModelName")
    )


@pytest.fixture(scope="module")
def plan(deployed):
    return deployment_plan.plan(deployed)


def test_endpoint_is_as_planned(deployed, plan):
    client = deployed.client("sagemaker")
    config = client.describe_endpoint_config(EndpointConfigName=plan.config_name)
    model = client.describe_model(ModelName=plan.model_name)
    variant = config["ProductionVariants"][0]
    assert [pool["InstanceType"] for pool in variant["InstancePools"]] == list(plan.instance_types)
    assert variant["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"
    assert config["MetricsConfig"]["EnableEnhancedMetrics"] is True
    assert model["EnableNetworkIsolation"] is True
    assert model["PrimaryContainer"]["ModelPackageName"] == deployed.model_package_arn


def test_every_resource_is_tagged(deployed, plan):
    client = deployed.client("sagemaker")
    arns = (
        client.describe_endpoint(EndpointName=plan.endpoint_name)["EndpointArn"],
        client.describe_endpoint_config(EndpointConfigName=plan.config_name)["EndpointConfigArn"],
        client.describe_model(ModelName=plan.model_name)["ModelArn"],
    )
    for arn in arns:
        assert client.list_tags(ResourceArn=arn)["Tags"] == deployed.tags


def test_state_says_what_runs_on_which_type(deployed):
    state = endpoint_state.status(deployed)
    assert (state.status, state.running, state.desired) == ("InService", 1, 1)
    assert sum(state.instances_by_type.values()) == 1
    assert "InService" in str(state)
    assert "<table" in state._repr_html_()


def test_identical_deployment_is_reused(deployed, plan):
    before = everything(deployed)
    again = deployment.deploy(deployed, plan)
    assert again.reused
    assert everything(deployed) == before


def test_different_deployment_is_refused_with_the_differences(deployed):
    before = everything(deployed)
    other = deployment_plan.plan(deployed, ("ml.g5.2xlarge", "ml.g6.2xlarge"), download_timeout_s=1800)
    with pytest.raises(InvalidInput, match=r"1800.*deploy\.update") as caught:
        deployment.deploy(deployed, other)
    assert "the plan says ml.g5.2xlarge, ml.g6.2xlarge" in str(caught.value)
    assert everything(deployed) == before


def test_plan_of_another_workbook_is_refused(deployed, plan):
    with pytest.raises(InvalidInput, match="The plan is for"):
        deployment.deploy(deployed, dataclasses.replace(plan, endpoint_name="other"))


def test_missing_endpoint_is_not_found(workbook):
    with pytest.raises(NotFound, match="There is no endpoint"):
        endpoint_state.status(workbook())


def test_another_region_works_by_itself(workbook):
    wb = workbook(region="eu-west-1")
    made = deployment.deploy(wb, deployment_plan.plan(wb))
    assert ":eu-west-1:" in made.state.arn
    deletion.delete(wb)
    assert everything(wb) == set()


def test_progress_names_status_and_instances(workbook):
    wb, seen = workbook(), []
    deployment.deploy(wb, deployment_plan.plan(wb), on_progress=seen.append)
    assert [seen[0].status, seen[-1].status] == ["Creating", "InService"]
    assert seen[-1].state.running == 1
    assert any(progress.state.variants[0].status for progress in seen if progress.state.variants)
    assert "InService · 1 of 1 instances running · 1 × ml.g6.2xlarge" in str(seen[-1])


def test_shortage_falls_back_to_the_next_type(workbook, operator):
    operator.fault("shortage", instance_type="ml.g6.2xlarge")
    wb = workbook()
    made = deployment.deploy(wb, deployment_plan.plan(wb))
    assert made.state.instances_by_type["ml.g6e.2xlarge"] == 1


def test_no_capacity_at_all_is_a_capacity_failure(workbook, operator):
    operator.fault("shortage", instance_type="*")
    wb = workbook()
    with pytest.raises(DeployFailed) as caught:
        deployment.deploy(wb, deployment_plan.plan(wb, ("ml.g6.2xlarge", "ml.g5.2xlarge")))
    assert caught.value.kind == "capacity"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ("container-failed", "container-failed"),
        ("driver", "driver"),
        # SageMaker then says no more than "Request to service failed", which Deepgram's manual reads as no capacity.
        ("container-never-started", "capacity"),
    ],
)
def test_each_failed_start_is_classified_and_the_next_deploy_replaces_it(workbook, operator, failure, kind):
    operator.fault("failed-start", instance_type="*", failure=failure)
    wb = workbook()
    plan = deployment_plan.plan(wb)
    with pytest.raises(DeployFailed, match="kept for inspection") as caught:
        deployment.deploy(wb, plan)
    assert caught.value.kind == kind
    operator.undo()
    made = deployment.deploy(wb, plan)
    assert (made.reused, made.state.status) == (False, "InService")


def test_zero_quota_leaves_nothing(workbook, operator):
    wb = workbook()
    operator.quota(wb, "ml.g6e.2xlarge", 0)
    with pytest.raises(QuotaExceeded, match=r"ml\.g6e\.2xlarge"):
        deployment.deploy(wb, deployment_plan.plan(wb))
    assert everything(wb) == set()


def test_zero_quota_that_could_not_be_read_leaves_nothing_either(workbook, operator):
    wb = workbook()
    operator.quota(wb, "ml.g6e.2xlarge", 0)
    operator.fault("denied", service="service-quotas", operation="*")
    with pytest.raises(QuotaExceeded, match=r"ml\.g6e\.2xlarge"):
        deployment.deploy(wb, deployment_plan.plan(wb))
    assert everything(wb) == set()


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"])
def test_denied_step_leaves_nothing(workbook, operator, operation):
    operator.fault("denied", service="sagemaker", operation=operation)
    wb = workbook()
    with pytest.raises(Exception, match=f"Allow sagemaker:{operation}"):
        deployment.deploy(wb, deployment_plan.plan(wb))
    assert everything(wb) == set()


def test_a_model_that_was_denied_is_not_said_to_be_left_behind(workbook, operator):
    for operation in ("CreateModel", "DeleteModel"):
        operator.fault("denied", service="sagemaker", operation=operation)
    wb = workbook()
    with pytest.raises(AccessDenied, match="Allow sagemaker:CreateModel") as caught:
        deployment.deploy(wb, deployment_plan.plan(wb))
    assert not getattr(caught.value, "__notes__", ())


def test_environment_the_listing_does_not_allow_is_named(workbook):
    wb = workbook()
    plan = deployment_plan.plan(wb, environment={"DEEPGRAM_ENGINE_01": "max_active_requests=120"})
    with pytest.raises(DeployFailed, match="environment=") as caught:
        deployment.deploy(wb, plan)
    assert caught.value.kind == "environment-not-allowed"
    assert everything(wb) == set()


def test_listing_that_does_not_exist_leaves_nothing(workbook):
    wb = workbook(listing="arn:aws:sagemaker:us-east-1:123456789012:model-package/deepgram-stt-other/1")
    with pytest.raises(Exception, match="deepgram-stt-other"):
        deployment.deploy(wb, deployment_plan.plan(wb))
    assert everything(wb) == set()


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig"])
def test_interrupt_while_making_leaves_nothing(workbook, operation):
    wb = workbook()

    def interrupt() -> NoReturn:
        raise KeyboardInterrupt

    with struck(wb, interrupt, at=("CreateModel", "CreateEndpointConfig").index(operation) + 1) as asked:
        with pytest.raises(KeyboardInterrupt):
            deployment.deploy(wb, deployment_plan.plan(wb))
        assert operation in asked
    assert everything(wb) == set()

"""Clean-up finds by tag and name, deletes in order, leaves what is not ours, and proves that nothing bills."""

from __future__ import annotations

import pytest
from kit import endpoints
from kit.command_line import run_line

from dgsm_helpers.aws.account import deletion, inventory
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state, update
from dgsm_helpers.aws.scaling import registration, scalable_target
from dgsm_helpers.errors import AccessDenied, NotReady
from dgsm_helpers.rules.names import alarm_prefix


@pytest.fixture
def everything(workbook):
    """An endpoint with scaling, an alarm and a dashboard of the workbook's own."""
    wb = endpoints.scaled(workbook())
    cloudwatch = wb.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=f"{alarm_prefix(wb.endpoint_name)}errors",
        MetricName="Invocation5XXErrors",
        Namespace="AWS/SageMaker",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=2,
        Threshold=5,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Tags=wb.tags,
    )
    body = '{"widgets": []}'
    cloudwatch.put_dashboard(DashboardName=f"{inventory.dashboard_prefix(wb)}main", DashboardBody=body)
    yield wb
    deletion.delete(wb)


def test_everything_is_found_and_nothing_touched(everything):
    found = inventory.find(everything)
    assert [item.kind for item in found.items] == [
        "scaling policy",
        "scalable target",
        "policy alarm",
        "policy alarm",
        "endpoint",
        "endpoint config",
        "model",
        "alarm",
        "dashboard",
    ]
    assert all(item.ours for item in found.items)
    assert endpoint_state.status(everything).status == "InService"
    assert "9 to delete" in str(found)
    assert {item.kind for item in deletion.prove_empty(everything)} == {
        "policy alarm",
        "endpoint",
        "alarm",
        "dashboard",
    }


def test_everything_goes_in_order_and_the_second_time_nothing(everything):
    wb, seen = everything, []
    gone = deletion.delete(wb, on_progress=seen.append)
    kinds = [" ".join(text.split()[:-1]) for text in gone.removed]
    assert kinds == ["policy", "scalable target", "endpoint", "endpoint config", "model", "alarm", "dashboard"]
    assert seen[-1].status == "gone"
    assert deletion.prove_empty(wb) == ()
    assert inventory.find(wb).items == ()
    assert deletion.delete(wb).removed == ()


def test_older_configs_go_too(workbook):
    wb = endpoints.deployed(workbook())
    update.update_endpoint(wb, deployment_plan.plan(wb, download_timeout_s=1800))
    assert sum(item.kind == "endpoint config" for item in inventory.find(wb).items) == 2
    deletion.delete(wb)
    assert inventory.find(wb).items == ()


def test_neighbours_with_a_longer_name_are_not_touched(workbook):
    wb = workbook(endpoint_name="dg-near")
    other = workbook(endpoint_name="dg-near-2")
    deployment.deploy(wb, deployment_plan.plan(wb))
    deployment.deploy(other, deployment_plan.plan(other))
    deletion.delete(wb)
    assert endpoint_state.status(other).status == "InService"
    assert len(inventory.find(other).items) == 3
    deletion.delete(other)


@pytest.fixture
def foreign(workbook):
    """An endpoint of the workbook's name that somebody else made, without tags."""
    wb = workbook()
    client = wb.client("sagemaker")
    plan = deployment_plan.plan(wb)
    client.create_model(**{k: v for k, v in plan.model_request().items() if k != "Tags"})
    client.create_endpoint_config(**{k: v for k, v in plan.endpoint_config_request().items() if k != "Tags"})
    client.create_endpoint(EndpointName=wb.endpoint_name, EndpointConfigName=plan.config_name)
    endpoints.settled(wb)
    return wb, plan


def test_untagged_endpoint_is_left_alone_with_its_scaling(foreign):
    wb, _ = foreign
    registration.register(wb)
    found = inventory.find(wb)
    assert {item.kind for item in found.items} == {"scalable target", "endpoint", "endpoint config", "model"}
    assert not any(item.ours for item in found.items)
    gone = deletion.delete(wb)
    assert gone.removed == ()
    assert len(gone.kept) == 4
    assert endpoint_state.status(wb).status == "InService"
    assert scalable_target.target(wb) is not None


def test_untagged_resources_go_when_named(foreign):
    wb, plan = foreign
    found = inventory.find(wb, also=[wb.endpoint_name, plan.config_name, plan.model_name])
    assert all(item.ours for item in found.items)
    deletion.delete(wb, found)
    assert inventory.find(wb).items == ()


def test_endpoint_still_creating_is_waited_for(workbook, operator):
    wb, seen = workbook(), []
    operator.hold_starts()
    with pytest.raises(NotReady):
        deployment.deploy(wb, deployment_plan.plan(wb, provision_timeout_s=endpoints.PATIENT_S), timeout_s=1)

    def let_it_start(progress):
        seen.append(progress.status)
        operator.undo()

    deletion.delete(wb, on_progress=let_it_start)
    assert seen[0] == "Creating"
    assert inventory.find(wb).items == ()


def test_what_cannot_be_read_proves_nothing(workbook, operator):
    operator.fault("denied", service="sagemaker", operation="ListModels")
    with pytest.raises(AccessDenied):
        deletion.prove_empty(workbook())


@pytest.mark.parametrize(
    ("service", "operation", "said"),
    [
        ("cloudwatch", "ListDashboards", "Dashboards could not be listed, and may bill"),
        ("cloudwatch", "DescribeAlarms", "Alarms could not be listed, and may bill"),
        ("application-autoscaling", "DescribeScheduledActions", "Scheduled actions could not be listed"),
        ("application-autoscaling", "DescribeScalingPolicies", "Scaling policies could not be listed"),
        ("application-autoscaling", "DescribeScalableTargets", "The scalable target could not be listed"),
        ("sagemaker", "ListModels", "Models could not be listed"),
        ("sagemaker", "ListEndpointConfigs", "Endpoint configs could not be listed"),
        ("sagemaker", "ListTags", "Tags could not be read"),
    ],
)
def test_what_may_not_be_listed_is_said_and_everything_else_goes(everything, operator, service, operation, said):
    wb = everything
    operator.fault("denied", service=service, operation=operation)
    found = inventory.find(wb)
    (unread,) = found.unread
    assert unread.startswith(said)
    assert operation in unread
    assert unread in str(found)
    with pytest.raises(AccessDenied, match=said):
        deletion.prove_empty(wb)
    run = run_line(wb.home, "clean-up", wb.endpoint_name, "--yes")
    assert f"endpoint {wb.endpoint_name}" in run.stdout, run.output
    assert endpoint_state.find(wb) is None
    if operation == "ListTags":  # nothing with tags is left
        assert run.exit_code == 0
    else:
        assert run.exit_code == 1
        assert unread in run.stdout
        assert "Nothing of" not in run.stdout
        again = run_line(wb.home, "clean-up", wb.endpoint_name)
        assert (again.exit_code, "Nothing is left" in again.stdout) == (1, False)
    operator.undo()
    assert {item.kind for item in inventory.find(wb).items} <= {"alarm", "policy alarm", "dashboard"}


def test_without_tags_and_the_search_for_them_nothing_is_taken_for_ours(everything, operator):
    operator.fault("denied", service="sagemaker", operation="ListTags")
    operator.fault("denied", service="resourcegroupstaggingapi", operation="*")
    found = inventory.find(everything)
    assert {item.kind for item in found.items if item.ours} == {"alarm", "dashboard"}
    assert "Still bills in us-east-1: endpoint" in found.bill()
    operator.undo()


def test_search_by_tag_that_is_not_allowed_is_said(workbook, operator):
    operator.fault("denied", service="resourcegroupstaggingapi", operation="*")
    found = inventory.find(workbook())
    assert "account-wide search by tag failed" in found.notes[0]


def test_interrupted_clean_up_says_how_far_it_came_and_can_go_on(workbook, operator):
    wb = endpoints.deployed(workbook())
    operator.fault("denied", service="sagemaker", operation="DeleteModel")
    with pytest.raises(AccessDenied) as caught:
        deletion.delete(wb)
    assert f"endpoint {wb.endpoint_name}" in caught.value.__notes__[0]
    operator.undo()
    assert [text.split()[0] for text in deletion.delete(wb).removed] == ["model"]


def test_tagged_resources_of_any_name_are_found(workbook):
    wb = workbook()
    plan = deployment_plan.plan(wb)
    wb.client("sagemaker").create_model(**{**plan.model_request(), "ModelName": f"renamed-{id(wb)}"})
    found = inventory.find(wb)
    assert [(item.kind, item.found_by) for item in found.items] == [("model", "tag")]
    deletion.delete(wb)
    assert inventory.find(wb).items == ()

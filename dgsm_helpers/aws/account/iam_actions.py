"""The IAM actions of the workbook: which step needs each, which notebooks call it, and what AWS checks behind it.

A test holds the calls of the notebooks to recorded runs, each alone on a fresh endpoint. Source of the
steps: SageMaker's and Application Auto Scaling's prerequisites pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class IamAction(NamedTuple):
    """One action.

    Attributes:
        name: as IAM writes it.
        step: the preflight's name of the step that needs it; "" for what the preflight does not ask about.
        notebooks: numbers of the notebooks that call it when they run alone on a fresh endpoint.
        sometimes: those that call it with other parameters, or on an endpoint that has been used before.
        managed: whether the managed policy ``AmazonSageMakerFullAccess`` allows it.
    """

    name: str
    step: str
    notebooks: str
    sometimes: str = ""
    managed: bool = True


IAM_ACTIONS = (
    IamAction("sagemaker:CreateModel", "deploy", "01 02 03 04 05 06"),
    IamAction("sagemaker:CreateEndpointConfig", "deploy", "01 02 03 04 05 06"),
    IamAction("sagemaker:CreateEndpoint", "deploy", "01 02 03 04 05 06"),
    IamAction("sagemaker:UpdateEndpoint", "deploy", ""),
    IamAction("sagemaker:DescribeModelPackage", "deploy", "00"),
    IamAction("sagemaker:DescribeModel", "deploy", "01 02 03 04 05 06"),
    IamAction("sagemaker:DescribeEndpointConfig", "deploy", "01 02 03 04 05 06"),
    IamAction("sagemaker:DescribeEndpoint", "deploy", "01 02 03 04 05 06 99"),
    IamAction("sagemaker:AddTags", "deploy", ""),
    IamAction("sagemaker:ListTags", "deploy", "01 99"),
    IamAction("iam:GetRole", "deploy", "00", managed=False),
    IamAction("iam:PassRole", "deploy", ""),
    IamAction("servicequotas:ListServiceQuotas", "deploy", "00 01 02 03 04 05 06", managed=False),
    IamAction("pricing:GetProducts", "deploy", "00 01 02 03 04 05 06", managed=False),
    IamAction("sagemaker:InvokeEndpoint", "invoke", "01 04"),
    IamAction("sagemaker:InvokeEndpointWithBidirectionalStream", "invoke", "01 03 04 05 06"),
    IamAction("application-autoscaling:RegisterScalableTarget", "scaling", "02 03 04 06", sometimes="05"),
    IamAction("application-autoscaling:DeregisterScalableTarget", "scaling", "99"),
    IamAction("application-autoscaling:DescribeScalableTargets", "scaling", "01 02 03 04 05 06 99"),
    IamAction("application-autoscaling:PutScalingPolicy", "scaling", "02 03 04 06", sometimes="05"),
    IamAction("application-autoscaling:DeleteScalingPolicy", "scaling", "99"),
    IamAction("application-autoscaling:DescribeScalingPolicies", "scaling", "01 02 03 04 06 99", sometimes="05"),
    IamAction("application-autoscaling:DescribeScalingActivities", "scaling", "04 05"),
    IamAction("application-autoscaling:DescribeScheduledActions", "scaling", "01 99"),
    IamAction("application-autoscaling:PutScheduledAction", "scaling", "", sometimes="05"),
    IamAction("application-autoscaling:DeleteScheduledAction", "scaling", "", sometimes="05"),
    IamAction("application-autoscaling:TagResource", "scaling", "", managed=False),
    IamAction("application-autoscaling:ListTagsForResource", "scaling", "", managed=False),
    IamAction("sagemaker:UpdateEndpointWeightsAndCapacities", "scaling", ""),
    IamAction("cloudwatch:PutMetricAlarm", "scaling", "04"),
    IamAction("cloudwatch:DescribeAlarms", "scaling", "01 02 03 04 05 06 99"),
    IamAction("cloudwatch:DeleteAlarms", "scaling", ""),
    IamAction("iam:CreateServiceLinkedRole", "scaling", ""),
    IamAction("cloudwatch:GetMetricData", "monitoring", "03 04 05 06"),
    IamAction("cloudwatch:ListMetrics", "monitoring", "04 06", sometimes="05"),
    IamAction("cloudwatch:DescribeAlarmHistory", "monitoring", "", sometimes="05", managed=False),
    IamAction("cloudwatch:PutDashboard", "monitoring", "04", managed=False),
    IamAction("cloudwatch:GetDashboard", "monitoring", "04", managed=False),
    IamAction("cloudwatch:TagResource", "monitoring", "", managed=False),
    IamAction("logs:DescribeLogStreams", "monitoring", "01 02 03 04 05 06"),
    IamAction("logs:GetLogEvents", "monitoring", "04"),
    IamAction("logs:FilterLogEvents", "monitoring", "04", managed=False),
    IamAction("sagemaker:DeleteEndpoint", "clean-up", "01 99"),
    IamAction("sagemaker:DeleteEndpointConfig", "clean-up", "01 99"),
    IamAction("sagemaker:DeleteModel", "clean-up", "01 99"),
    IamAction("sagemaker:ListEndpoints", "clean-up", ""),
    IamAction("sagemaker:ListEndpointConfigs", "clean-up", "01 99"),
    IamAction("sagemaker:ListModels", "clean-up", "01 99"),
    IamAction("tag:GetResources", "clean-up", "01 99"),
    IamAction("cloudwatch:ListDashboards", "clean-up", "01 99", managed=False),
    IamAction("cloudwatch:DeleteDashboards", "clean-up", "", managed=False),
    IamAction("logs:DescribeLogGroups", "clean-up", "01 99"),
    IamAction("iam:SimulatePrincipalPolicy", "", "00"),
)

NOTEBOOKS = (
    "00_start_here",
    "01_deploy",
    "02_register",
    "03_tune",
    "04_monitor",
    "05_plan",
    "06_mixed_fleet",
    "99_clean_up",
)

ACTIONS: Mapping[str, tuple[str, ...]] = {
    step: tuple(action.name for action in IAM_ACTIONS if action.step == step)
    for step in dict.fromkeys(action.step for action in IAM_ACTIONS if action.step)
}
"""The actions of each step of the preflight."""

NOT_IN_FULL_ACCESS = frozenset(action.name for action in IAM_ACTIONS if not action.managed)

NOTEBOOK_CALLS: Mapping[str, tuple[str, ...]] = {
    notebook: tuple(sorted(action.name for action in IAM_ACTIONS if notebook[:2] in action.notebooks.split()))
    for notebook in NOTEBOOKS
}
"""The actions that each notebook calls when it runs alone on a fresh endpoint (the caller's identity aside)."""

BEHIND: Mapping[str, tuple[str, ...]] = {
    # Only when no role is given, and once a container has written something.
    "sagemaker:CreateModel": ("iam:PassRole", "iam:GetRole", "sagemaker:AddTags"),
    "logs:DescribeLogStreams": ("logs:GetLogEvents",),
    "sagemaker:CreateEndpointConfig": ("sagemaker:AddTags",),
    "sagemaker:CreateEndpoint": ("sagemaker:AddTags",),
    "sagemaker:DeleteEndpoint": ("application-autoscaling:DeregisterScalableTarget",),
    "application-autoscaling:RegisterScalableTarget": (
        "application-autoscaling:TagResource",
        "iam:CreateServiceLinkedRole",
        "sagemaker:DescribeEndpoint",
        "sagemaker:DescribeEndpointConfig",
        "sagemaker:UpdateEndpointWeightsAndCapacities",
    ),
    "application-autoscaling:PutScalingPolicy": (
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:DeleteAlarms",
    ),
    "cloudwatch:PutMetricAlarm": ("cloudwatch:TagResource",),
    "application-autoscaling:DeleteScalingPolicy": ("cloudwatch:DeleteAlarms",),
    # Only when there are some.
    "application-autoscaling:DescribeScheduledActions": ("application-autoscaling:DeleteScheduledAction",),
    "cloudwatch:ListDashboards": ("cloudwatch:DeleteDashboards", "cloudwatch:DeleteAlarms"),
}
"""What AWS checks beside an action that is called, or what the same step calls in some runs only.

Sources: SageMaker guide, "Actions, resources and condition keys" (dependent actions) and the prerequisites of
automatic scaling.
"""


def with_those_behind(actions: Iterable[str]) -> set[str]:
    """The actions and what AWS checks beside them."""
    called = set(actions)
    return called | {other for action in called for other in BEHIND.get(action, ())}

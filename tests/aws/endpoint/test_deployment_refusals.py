"""Deployments that AWS refuses or delays: retried where it passes, undone where it does not."""

from __future__ import annotations

import pytest

from dgsm_helpers.aws.endpoint.deployment import deploy
from dgsm_helpers.aws.endpoint.deployment_plan import plan
from dgsm_helpers.aws.endpoint.endpoint_state import Progress, on_change
from dgsm_helpers.errors import AccessDenied, DeployFailed, NotReady, QuotaExceeded, SpendNotConfirmed

ENDPOINT_ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/dg"
MISSING = ("ValidationException", 'Could not find "dg".')


class Script:
    """The calls of a deployment in their order, one method per outcome."""

    def __init__(self, scripted, **given):
        self.s = scripted(**given)
        self.s.prices(1.0, 1.0, 1.0)
        self.plan = plan(self.s.wb)
        self.describe_endpoint_missing()

    def deploy(self, **given):
        return deploy(self.s.wb, self.plan, **given)

    def describe_endpoint_missing(self):
        self.s.refuses("sagemaker", "describe_endpoint", *MISSING)

    def describe_endpoint(self, status, reason=""):
        answer = {
            "EndpointName": "dg",
            "EndpointArn": ENDPOINT_ARN,
            "EndpointConfigName": self.plan.config_name,
            "EndpointStatus": status,
            "CreationTime": self.s.wb.now(),
            "LastModifiedTime": self.s.wb.now(),
            "ProductionVariants": [{"VariantName": "AllTraffic", "CurrentInstanceCount": 1, "DesiredInstanceCount": 1}],
        }
        self.s.answers("sagemaker", "describe_endpoint", answer | ({"FailureReason": reason} if reason else {}))

    def quotas(self, value):
        quotas = [{"QuotaName": f"{t} for endpoint usage", "Value": value} for t in self.plan.instance_types]
        self.s.answers("service-quotas", "list_service_quotas", {"Quotas": quotas})

    def model_is_missing(self):
        self.s.refuses("sagemaker", "describe_model", *MISSING)

    def create_model(self):
        self.s.answers("sagemaker", "create_model", {"ModelArn": f"{ENDPOINT_ARN}-model"}, self.plan.model_request())

    def create_config(self):
        self.s.refuses("sagemaker", "describe_endpoint_config", *MISSING)
        arn = f"{ENDPOINT_ARN}-config"
        request = self.plan.endpoint_config_request()
        self.s.answers("sagemaker", "create_endpoint_config", {"EndpointConfigArn": arn}, request)

    def create_endpoint(self):
        self.s.answers("sagemaker", "create_endpoint", {"EndpointArn": ENDPOINT_ARN}, self.plan.endpoint_request())

    def undo(self, config=False, model=True):
        self.describe_endpoint_missing()
        if config:
            self.s.answers("sagemaker", "delete_endpoint_config", {}, {"EndpointConfigName": self.plan.config_name})
        if model:
            self.s.answers("sagemaker", "delete_model", {}, {"ModelName": self.plan.model_name})


def test_requests_sent_are_the_plans_own(scripted):
    script = Script(scripted)
    script.quotas(2)
    script.model_is_missing()
    script.create_model()
    script.create_config()
    script.create_endpoint()
    script.describe_endpoint("Creating")
    script.describe_endpoint("InService")
    lines = []
    made = script.deploy(on_progress=on_change(lines.append))
    assert (made.reused, made.state.config_name, made.took_s) == (False, script.plan.config_name, 10.0)
    assert [line.status for line in lines] == ["Creating", "InService"]


def test_nothing_is_made_without_confirmed_spending(scripted):
    script = Script(scripted, confirm_spend=False)
    with pytest.raises(SpendNotConfirmed, match=r"\$1.00 per hour"):
        script.deploy()


def test_zero_quota_stops_before_anything_is_made(scripted):
    script = Script(scripted)
    script.quotas(0)
    with pytest.raises(QuotaExceeded, match=r"deploy\.choose_pool"):
        script.deploy()


def test_a_role_made_moments_ago_is_waited_for(scripted):
    script = Script(scripted)
    script.quotas(2)
    script.model_is_missing()
    for _ in range(2):
        script.s.refuses("sagemaker", "create_model", "ValidationException", "Could not assume role x.")
    script.create_model()
    script.create_config()
    script.create_endpoint()
    script.describe_endpoint("InService")
    script.deploy()
    assert script.s.slept == [5.0, 5.0]


def test_a_role_that_stays_unusable_is_given_up_and_nothing_stays(scripted):
    script = Script(scripted)
    script.quotas(2)
    script.model_is_missing()
    for _ in range(25):
        script.s.refuses("sagemaker", "create_model", "ValidationException", "Could not assume role x.")
    script.undo()
    with pytest.raises(Exception, match="Could not assume role"):
        script.deploy()
    assert sum(script.s.slept) == 120.0


def test_a_config_not_yet_visible_is_waited_for(scripted):
    script = Script(scripted)
    script.quotas(2)
    script.model_is_missing()
    script.create_model()
    script.create_config()
    script.s.refuses("sagemaker", "create_endpoint", "ValidationException", "Could not find endpoint configuration.")
    script.create_endpoint()
    script.describe_endpoint("InService")
    assert script.deploy().state.status == "InService"


def test_refused_endpoint_leaves_neither_config_nor_model(scripted):
    script = Script(scripted)
    script.s.refuses("service-quotas", "list_service_quotas", "AccessDeniedException", "no")
    script.model_is_missing()
    script.create_model()
    script.create_config()
    text = "The account-level service limit 'ml.g6e.2xlarge for endpoint usage' is 0 Instances"
    script.s.refuses("sagemaker", "create_endpoint", "ResourceLimitExceeded", text)
    script.undo(config=True)
    with pytest.raises(QuotaExceeded, match=r"ml\.g6e\.2xlarge"):
        script.deploy()


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("AccessDeniedException", "Caller is not subscribed to the marketplace offering.", "not-subscribed"),
        (
            "ValidationException",
            "Environment variable map cannot be specified when using a ModelPackage subscribed from AWS Marketplace.",
            "environment-not-allowed",
        ),
    ],
)
def test_refused_model_says_which_kind_of_failure_it_is(scripted, code, message, kind):
    script = Script(scripted)
    script.quotas(2)
    script.model_is_missing()
    script.s.refuses("sagemaker", "create_model", code, message)
    script.undo(model=code != "AccessDeniedException")  # a denied one was not made
    with pytest.raises(DeployFailed, match=message) as caught:
        script.deploy()
    assert caught.value.kind == kind


def test_what_could_not_be_undone_is_said(scripted):
    script = Script(scripted)
    script.quotas(2)
    script.model_is_missing()
    script.create_model()
    script.s.refuses("sagemaker", "describe_endpoint_config", "AccessDeniedException", "no")
    script.describe_endpoint_missing()
    script.s.refuses("sagemaker", "delete_model", "AccessDeniedException", "no")
    with pytest.raises(AccessDenied) as caught:
        script.deploy()
    assert f"Model {script.plan.model_name} is left behind" in caught.value.__notes__[0]


def test_interrupt_while_waiting_says_what_goes_on(scripted):
    script = Script(scripted)
    script.quotas(2)
    script.model_is_missing()
    script.create_model()
    script.create_config()
    script.create_endpoint()
    script.describe_endpoint("Creating")

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="goes on by itself and bills"):
        script.deploy(on_progress=interrupt)


def test_endless_creation_ends_in_a_typed_error(scripted):
    script = Script(scripted)
    script.quotas(2)
    script.model_is_missing()
    script.create_model()
    script.create_config()
    script.create_endpoint()
    for _ in range(4):
        script.describe_endpoint("Creating")
    with pytest.raises(NotReady, match="still Creating after 30 s"):
        script.deploy(timeout_s=30)


def test_throttled_looks_do_not_end_the_waiting(scripted):
    script = Script(scripted)
    script.quotas(2)
    script.model_is_missing()
    script.create_model()
    script.create_config()
    script.create_endpoint()
    script.s.refuses("sagemaker", "describe_endpoint", "ThrottlingException", "Rate exceeded")
    script.describe_endpoint("InService")
    assert script.deploy().state.status == "InService"


def test_failed_endpoint_is_classified_and_kept_for_inspection(scripted):
    script = Script(scripted)
    script.quotas(2)
    script.model_is_missing()
    script.create_model()
    script.create_config()
    script.create_endpoint()
    script.describe_endpoint("Failed", "Request to service failed.")
    script.s.refuses(
        "logs", "describe_log_streams", "ResourceNotFoundException", "The specified log group does not exist."
    )
    with pytest.raises(DeployFailed, match="kept for inspection") as caught:
        script.deploy()
    assert caught.value.kind == "capacity"

"""Updates of an endpoint that scales: everything is as before afterwards, whatever came in between."""

from __future__ import annotations

import pytest
from kit import endpoints
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state, update
from dgsm_helpers.aws.endpoint.desired_count import set_desired
from dgsm_helpers.aws.scaling import registration, scalable_target, scaling_setup, scheduled_actions
from dgsm_helpers.errors import AwsCallFailed, DeployFailed, InvalidInput, NotFound, NotReady
from dgsm_helpers.load.transport.background_load import Load

OTHER = ("ml.g6e.2xlarge", "ml.g5.2xlarge")


@pytest.fixture
def scaled(workbook):
    wb = endpoints.scaled(workbook(), 1, 3, provision_timeout_s=endpoints.PATIENT_S)
    scheduled_actions.put(wb, "morning", endpoints.SELDOM, min_capacity=2)
    return wb


def config_names(wb):
    configs = wb.client("sagemaker").list_endpoint_configs(NameContains=wb.endpoint_name)["EndpointConfigs"]
    return {config["EndpointConfigName"] for config in configs}


def scaling_of(wb):
    return [step for step in scaling_setup.read(wb).steps if step.service == "application-autoscaling"]


def test_update_changes_types_and_keeps_count_and_scaling_and_rolls_back(scaled):
    registration.register(scaled, 2, 3)
    endpoints.running(scaled, 2)
    before, former = scaling_of(scaled), endpoint_state.status(scaled).config_name
    done = update.update_endpoint(scaled, deployment_plan.plan(scaled, OTHER))
    assert done.former_config_name == former
    assert (done.state.status, done.state.desired) == ("InService", 2)
    assert done.state.instances_by_type == {"ml.g6e.2xlarge": 2, "ml.g5.2xlarge": 0}
    assert scaling_of(scaled) == before
    assert registration.verify(scaled, min_capacity=2, max_capacity=3).ok
    assert former in str(done)
    back = update.roll_back(scaled, former)
    assert (back.state.config_name, back.state.desired) == (former, 2)
    assert scaling_of(scaled) == before
    assert registration.verify(scaled).ok
    again = update.roll_back(scaled, former)
    assert (again.former_config_name, "was as asked for" in again._repr_html_()) == (None, True)
    same = deployment_plan.plan(scaled, provision_timeout_s=endpoints.PATIENT_S)
    assert update.update_endpoint(scaled, same).former_config_name is None


def test_update_that_sagemaker_takes_back_leaves_scaling_on(scaled, operator):
    before, former = scaling_of(scaled), endpoint_state.status(scaled).config_name
    operator.fault("failed-start", instance_type="ml.g6e.2xlarge", failure="container-failed")
    with pytest.raises(DeployFailed) as failed:
        update.update_endpoint(scaled, deployment_plan.plan(scaled, OTHER))
    assert any("The endpoint is as before" in note for note in failed.value.__notes__)
    assert (endpoint_state.status(scaled).config_name, endpoint_state.status(scaled).status) == (former, "InService")
    assert scaling_of(scaled) == before
    assert registration.verify(scaled).ok


def test_update_that_is_refused_leaves_scaling_on(scaled, operator):
    before = scaling_of(scaled)
    operator.fault("denied", service="sagemaker", operation="CreateEndpointConfig", count=1)
    with pytest.raises(AwsCallFailed):
        update.update_endpoint(scaled, deployment_plan.plan(scaled, OTHER))
    assert scaling_of(scaled) == before


def test_update_while_updating_is_refused_and_changes_nothing(scaled, operator):
    before = scaling_of(scaled)
    operator.hold_starts()
    set_desired(scaled, 3)
    for change in (
        lambda: update.update_endpoint(scaled, deployment_plan.plan(scaled, OTHER)),
        lambda: update.roll_back(scaled, endpoint_state.status(scaled).config_name),
    ):
        with pytest.raises(NotReady, match="is Updating, not InService"):
            change()
    assert scaling_of(scaled) == before
    operator.undo()
    endpoints.settled(scaled)


def test_update_warns_of_live_streams_and_of_quota_for_two_fleets(scaled, operator):
    operator.quota(scaled, "ml.g5.2xlarge", 0)
    types = ("ml.g6.2xlarge", "ml.g5.2xlarge")
    with Load(scaled) as load:
        load.set(3)
        load.wait_open(timeout_s=AT_MOST_S)
        state = endpoint_state.status(scaled)
        said = until(lambda: live(3, update.warnings(scaled, state, types)), "three live streams are warned of")
    assert "About 3 streams are live" in said[0]
    assert "1 × ml.g5.2xlarge may be needed, the quota is 0" in said[1]
    same = deployment_plan.plan(scaled, provision_timeout_s=endpoints.PATIENT_S)
    assert update.update_endpoint(scaled, same).warnings == ()


def live(streams, warnings):
    return warnings if warnings and f"About {streams} streams" in warnings[0] else None


def test_update_of_an_endpoint_that_does_not_scale_leaves_it_so(workbook):
    wb = endpoints.deployed(workbook())
    assert update.update_endpoint(wb, deployment_plan.plan(wb, OTHER)).restored == ()
    assert scalable_target.target(wb) is None


def test_roll_back_to_what_is_not_there_or_another_variant_is_refused(scaled):
    with pytest.raises(NotFound):
        update.roll_back(scaled, "never-made")
    config = scaled.client("sagemaker").describe_endpoint_config(
        EndpointConfigName=endpoint_state.status(scaled).config_name
    )
    variant = {**config["ProductionVariants"][0], "VariantName": "Blue"}
    name = f"{scaled.endpoint_name}-blue"
    scaled.client("sagemaker").create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    with pytest.raises(InvalidInput, match=r"has the variants Blue, and endpoint .* has AllTraffic beside"):
        update.roll_back(scaled, name)


def test_update_that_would_end_another_variant_is_refused(workbook):
    blue = workbook(variant_name="Blue")
    sagemaker, plan = blue.client("sagemaker"), deployment_plan.plan(blue)
    sagemaker.create_model(**plan.model_request())
    request = plan.endpoint_config_request()
    (variant,) = request["ProductionVariants"]
    request["ProductionVariants"] = [variant, {**variant, "VariantName": "Green"}]
    sagemaker.create_endpoint_config(**request)
    sagemaker.create_endpoint(**plan.endpoint_request())
    endpoints.settled(blue)
    with pytest.raises(InvalidInput, match=r"The plan has the variants Blue, and endpoint .* has Green beside"):
        update.update_endpoint(blue, deployment_plan.plan(blue, OTHER))


def test_update_keeps_name_and_count_and_the_former_config(workbook):
    wb = workbook()
    first = deployment.deploy(wb, deployment_plan.plan(wb))
    set_desired(wb, 2)
    endpoints.settled(wb)
    other = deployment_plan.plan(wb, ("ml.g5.2xlarge", "ml.g6.2xlarge"))
    updated = update.update_endpoint(wb, other)
    assert updated.former_config_name == first.state.config_name
    assert updated.state.config_name == other.config_name
    assert (updated.state.running, updated.state.instances_by_type["ml.g5.2xlarge"]) == (2, 2)
    assert update.update_endpoint(wb, other).former_config_name is None


def test_update_that_cannot_start_is_taken_back_and_leaves_nothing_new(workbook, operator):
    wb = workbook()
    first = deployment.deploy(wb, deployment_plan.plan(wb))
    before = config_names(wb)
    operator.fault("failed-start", instance_type="*", failure="container-failed")
    with pytest.raises(DeployFailed) as caught:
        update.update_endpoint(wb, deployment_plan.plan(wb, download_timeout_s=1800))
    assert caught.value.kind == "container-failed"
    assert endpoint_state.status(wb).config_name == first.state.config_name
    assert config_names(wb) == before


def test_update_of_nothing_is_not_found(workbook):
    wb = workbook()
    with pytest.raises(NotFound):
        update.update_endpoint(wb, deployment_plan.plan(wb))


def test_interrupted_wait_ends_once_the_update_that_goes_on_is_done(workbook):
    wb = workbook()
    deployment.deploy(wb, deployment_plan.plan(wb))
    other = deployment_plan.plan(wb, download_timeout_s=1800)

    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="run the cell again"):
        update.update_endpoint(wb, other, on_progress=interrupt)
    again = update.update_endpoint(wb, other)
    assert (again.state.status, again.state.config_name) == ("InService", other.config_name)

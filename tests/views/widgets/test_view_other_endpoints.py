"""Endpoints that are not the guide's are watched like it: a custom variant name, several variants, one type, files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from kit import endpoints
from kit.waiting import until

from dgsm_helpers.aws.endpoint import deployment, deployment_plan, invoke
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.metrics import read_metrics
from dgsm_helpers.errors import NotFound
from dgsm_helpers.load.transport.recordings import bundled_recording
from dgsm_helpers.views.feed import Feed
from dgsm_helpers.views.figures import timeline
from dgsm_helpers.views.figures.live_svg import live_html
from dgsm_helpers.views.figures.terminal import live_text
from dgsm_helpers.views.widgets.live_view import Live


def seen(wb):
    """The first whole picture."""
    *_, state = Feed(wb).states()
    return state


def made(wb, *variants):
    """An endpoint of the workbook's listing whose variants differ from the plan's by ``variants``."""
    plan, sagemaker = deployment_plan.plan(wb), wb.client("sagemaker")
    request = plan.endpoint_config_request()
    request["ProductionVariants"] = [{**request["ProductionVariants"][0], **variant} for variant in variants]
    for variant in request["ProductionVariants"]:
        if "InstanceType" in variant:
            variant.pop("InstancePools", None)
    sagemaker.create_model(**plan.model_request())
    sagemaker.create_endpoint_config(**request)
    sagemaker.create_endpoint(**plan.endpoint_request())
    endpoints.settled(wb)


def test_a_custom_variant_is_watched_by_its_name(workbook):
    wb = workbook(variant_name="Nova3")
    deployment.deploy(wb, deployment_plan.plan(wb))
    registration.register(wb)
    registration.apply(wb, ScalingPolicy(target_value=3))
    state = seen(wb)
    assert (state.target_value, len(state.alarms), state.trouble) == (3, 2, "")
    assert state.instances[-1][1:] == (1.0, 1.0) and state.instances_by_type == [("ml.g6.2xlarge", 1)]
    with pytest.raises(NotFound, match="no variant 'AllTraffic'"):
        Feed(replace(wb, variant_name="AllTraffic")).state()


def test_each_of_two_variants_is_watched_for_itself(workbook):
    blue = workbook(variant_name="Blue")
    green = replace(blue, variant_name="Green")
    two = {"InitialInstanceCount": 2}
    made(blue, {"VariantName": "Blue"}, {"VariantName": "Green", **two})
    one, other = seen(blue), seen(green)
    assert one.endpoint_name == f"{blue.endpoint_name}/Blue" and other.endpoint_name.endswith("/Green")
    assert one.instances_by_type == [("ml.g6.2xlarge", 1)] and other.instances_by_type == [("ml.g6.2xlarge", 2)]
    assert one.instances[-1][1:] == (1.0, 1.0) and other.instances[-1][1:] == (2.0, 2.0)
    hours = [float(state.cost.split()[1]) for state in (one, other)]
    assert hours[1] > 1.8 * hours[0]  # twice the instances, and looked at a moment later
    assert "1 instance running" in Live(blue).wait_until(running_instances=1)
    assert "2 instances running" in Live(green).wait_until(running_instances=2)


def test_an_endpoint_of_one_plain_type_shows_it_with_its_cost(workbook):
    wb = workbook()
    made(wb, {"InstanceType": "ml.g6.2xlarge"})
    state = seen(wb)
    assert state.instances_by_type == [("ml.g6.2xlarge", 1)] and "$" in state.cost
    assert state.alarms == [] and "no alarms: no policy is applied" in live_html(state)


def with_latency(state):
    return state if state.latency else None


def test_an_endpoint_that_takes_files_shows_the_latency_of_whole_files(workbook):
    wb = workbook()
    deployment.deploy(wb, deployment_plan.plan(wb))
    wav = bundled_recording().to_wav(duration_s=2)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: invoke.transcribe_file(wb, wav), range(12)))
    state = until(lambda: with_latency(seen(wb)), "the latency of the files", every_s=0.3)
    assert state.latency_of == "whole files" and state.latency[-1][1] > 0
    assert "whole files, ms" in live_html(state) and "whole files  p50" in live_text(state)
    assert max(p[3] for p in state.concurrency) > 0
    metrics = read_metrics(wb, last_s=1800)
    timeline.timeline(
        metrics.concurrency, observe.instances(wb), observe.activities(wb), target_value=5, origin="this test"
    )
    assert "no new streams" in timeline.first_chunk_latency(metrics.traffic, origin="this test").to_json()

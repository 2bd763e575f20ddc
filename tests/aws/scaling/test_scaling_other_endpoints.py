"""Endpoints that are not the guide's: custom variant names, several variants, files only, asynchronous."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from kit import endpoints
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import deployment_plan, endpoint_state, invoke, pause
from dgsm_helpers.aws.export.setup_export import export
from dgsm_helpers.aws.scaling import registration, scaling_setup
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.metrics import read_metrics
from dgsm_helpers.errors import UnsupportedFeature
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.load.transport.recordings import bundled_recording


def test_custom_variant_name_is_registered_loaded_and_watched_like_the_guides(workbook):
    wb = endpoints.deployed(workbook(variant_name="Nova3"))
    registration.register(wb, 1, 3)
    with Load(wb) as load:
        begin = wb.now()
        load.set(4)
        load.wait_open(timeout_s=AT_MOST_S)
        metrics = endpoints.streams_seen(wb, 4, begin)
        assert metrics.concurrency["concurrency_max_streams"].max() == 4
        registration.apply(wb, ScalingPolicy(target_value=2))
        assert registration.verify(wb, ScalingPolicy(target_value=2)).target.resource_id.endswith("/variant/Nova3")
        endpoints.running(wb, 2)
        assert observe.activities(wb)["desired_instances"].dropna().tolist()[0] == 2
        assert observe.instances(wb)["running_instances"].tolist()[-1] == 2
    assert "variant/Nova3" in export(wb, "cli").text
    deletion.delete(wb)
    assert deletion.prove_empty(wb) == ()


def test_two_variants_are_registered_and_watched_each_for_itself(workbook):
    blue = workbook(variant_name="Blue")
    green = replace(blue, variant_name="Green")
    sagemaker = blue.client("sagemaker")
    plan = deployment_plan.plan(blue)
    sagemaker.create_model(**plan.model_request())
    request = plan.endpoint_config_request()
    variant = request["ProductionVariants"][0]
    request["ProductionVariants"] = [
        {**variant, "VariantName": "Blue", "InitialVariantWeight": 1.0},
        {**variant, "VariantName": "Green", "InitialVariantWeight": 3.0},
    ]
    sagemaker.create_endpoint_config(**request)
    sagemaker.create_endpoint(**plan.endpoint_request())
    endpoints.running(blue, 1)
    registration.register(blue, 1, 2)
    registration.register(green, 1, 3)
    registration.apply(blue, ScalingPolicy(target_value=50))
    registration.apply(green, ScalingPolicy(target_value=1))
    with Load(green) as load:
        begin = green.now()
        load.set(8)
        load.wait_open(timeout_s=AT_MOST_S)
        endpoints.running(green, 3)
        metrics = {wb.variant_name: read_metrics(wb, start=begin) for wb in (blue, green)}
    seen = {name: found.concurrency["concurrency_max_streams"].max() for name, found in metrics.items()}
    # On a busy machine the fleet grows before the last of them has opened: no instance need ever have had all.
    assert seen["Blue"] == 0
    assert 1 < seen["Green"] <= 8
    assert endpoint_state.status(blue).variant("Blue").running == 1
    assert set(observe.activities(blue)["desired_instances"].dropna()) == set()
    made = scaling_setup.read(blue)
    assert [r["ResourceId"].rpartition("/")[2] for r in made.of("RegisterScalableTarget")] == ["Blue", "Green"]
    assert [r["MaxCapacity"] for r in made.of("RegisterScalableTarget")] == [2, 3]
    registration.remove(green)
    assert registration.verify(blue, ScalingPolicy(target_value=50)).ok
    registration.remove(blue)


def test_endpoint_that_takes_files_only_is_scaled_by_its_files(workbook):
    wb = endpoints.scaled(workbook(), 1, 2, ScalingPolicy(target_value=2))
    # Each takes the instance longer than it takes any client to send it.
    wav = bundled_recording().to_wav(duration_s=20)
    begin = wb.now()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: invoke.transcribe_file(wb, wav), range(24)))
    assert all(invoke.transcript_of(answer) for answer in answers)

    def counted():
        found = read_metrics(wb, start=begin)
        return found if found.traffic["invocations_count"].sum() >= 24 else None

    metrics = until(counted, "every file is counted")
    assert metrics.concurrency["concurrency_max_streams"].max() > 2
    assert metrics.traffic["invocations_count"].sum() == 24
    assert metrics.traffic["model_latency_p99_ms"].max() > 0
    assert metrics.traffic["first_chunk_p50_ms"].dropna().empty
    until(lambda: 2 in observe.activities(wb)["desired_instances"].tolist(), "a scale-out to two")


def test_asynchronous_endpoint_is_refused_with_the_manuals_words(deployed, scripted):
    with pytest.raises(UnsupportedFeature, match="temporarily not supported"):
        deployment_plan.plan(deployed, async_inference_config={"OutputConfig": {"S3OutputPath": "s3://bucket/out"}})
    s = scripted()
    described = {
        "EndpointName": "dg",
        "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/dg",
        "EndpointConfigName": "c",
        "EndpointStatus": "InService",
        "CreationTime": s.wb.now(),
        "LastModifiedTime": s.wb.now(),
        "ProductionVariants": [{"VariantName": "AllTraffic", "CurrentInstanceCount": 1, "DesiredInstanceCount": 1}],
        "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}},
    }
    for refused in (registration.register, lambda wb: export(wb, "cli"), pause.pause_endpoint):
        s.answers("sagemaker", "describe_endpoint", described)
        with pytest.raises(UnsupportedFeature, match="temporarily not supported"):
            refused(s.wb)

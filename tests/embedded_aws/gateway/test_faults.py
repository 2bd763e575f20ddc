"""Faults on demand."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import get_args, get_type_hints

import pytest

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.model import ScalingModel
from embedded_aws.gateway.faults import KINDS, Faults


@pytest.fixture
def faults():
    return Faults()


def test_without_faults_nothing_strikes(faults):
    assert faults.api("sagemaker", "CreateEndpoint") is None
    assert not faults.shortage("ml.g6.2xlarge")
    assert faults.failed_start("ml.g6.2xlarge") is None
    assert not faults.take("crash", "demo")
    assert faults.metrics_delay_s() == 0


def test_throttling_strikes_the_named_operation_only(faults):
    faults.add("throttling", service="sagemaker", operation="CreateEndpoint")
    assert faults.api("sagemaker", "CreateEndpoint") == "throttling"
    assert faults.api("sagemaker", "DescribeEndpoint") is None
    assert faults.api("cloudwatch", "CreateEndpoint") is None


def test_a_counted_fault_ends_after_its_strikes(faults):
    faults.add("throttling", count="2")
    assert [faults.api("sts", "AssumeRole") for _ in range(3)] == ["throttling", "throttling", None]
    assert faults.list() == ()


def test_an_uncounted_fault_stays_until_cleared(faults):
    faults.add("shortage", instance_type="ml.g6.2xlarge")
    assert [faults.shortage("ml.g6.2xlarge") for _ in range(5)] == [True] * 5
    assert not faults.shortage("ml.g5.2xlarge")
    assert faults.clear("shortage") == 1
    assert not faults.shortage("ml.g6.2xlarge")


def test_expired_credentials_come_before_denial_before_throttling(faults):
    for kind in ("throttling", "denied"):
        faults.add(kind)
    faults.add("expired-credentials", count=1)
    assert faults.api("sagemaker", "ListModels") == "expired-credentials"
    assert faults.api("sagemaker", "ListModels") == "denied"


def test_get_caller_identity_is_never_denied(faults):
    faults.add("denied")
    assert faults.api("sts", "GetCallerIdentity") is None


def test_a_crash_strikes_once_and_only_its_endpoint(faults):
    faults.add("crash", endpoint="demo")
    assert [faults.take("crash", name) for name in ("other", "demo", "demo")] == [False, True, False]


def test_a_failed_start_tells_how(faults):
    faults.add("failed-start", failure="driver", count=1)
    assert faults.failed_start("ml.g5.2xlarge") == "driver"
    assert faults.failed_start("ml.g5.2xlarge") is None


def test_the_longest_metric_delay_counts(faults):
    faults.add("slow-metrics", seconds=30)
    faults.add("slow-metrics", seconds="90.5")
    assert faults.metrics_delay_s() == 90.5


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("flood", {}, "Known faults: throttling"),
        ("crash", {"endpont": "demo"}, "has no parameter endpont"),
        ("shortage", {}, "needs instance_type"),
        ("slow-metrics", {"seconds": 0}, "not a number above 0"),
        ("slow-metrics", {"seconds": "soon"}, "not a number above 0"),
        ("throttling", {"count": -1}, "whole number above 0"),
        ("throttling", {"count": True}, "whole number above 0"),
        ("failed-start", {"failure": "bad luck"}, "Choose one of container-failed"),
    ],
)
def test_a_wrong_fault_is_refused_and_not_set(faults, kind, parameters, message):
    with pytest.raises(InvalidInput, match=message):
        faults.add(kind, **parameters)
    assert faults.list() == ()


@pytest.mark.parametrize("body", [None, [], {"endpoint": "demo"}, {"kind": 3}])
def test_a_body_that_is_no_fault_is_refused(faults, body):
    with pytest.raises(InvalidInput, match="JSON object with a kind"):
        faults.add_json(body)


def test_faults_go_through_json_and_back(faults):
    first = faults.add("failed-start", instance_type="ml.g5.2xlarge", count=3)
    body = json.loads(json.dumps(first.to_json()))
    assert body == {
        "id": 1,
        "kind": "failed-start",
        "instance_type": "ml.g5.2xlarge",
        "failure": "container-failed",
        "count": 3,
    }
    body.pop("id")
    assert faults.add_json(body).to_json() == first.to_json() | {"id": 2}


def test_one_fault_can_be_cleared_by_its_number(faults):
    keep, drop = faults.add("crash"), faults.add("crash")
    assert faults.clear(fault_id=drop.id) == 1
    assert faults.list() == (keep,)
    assert faults.clear() == 1


def test_each_strike_is_counted_once_across_threads(faults):
    faults.add("dropped-connection", count=50)
    with ThreadPoolExecutor(8) as pool:
        struck = list(pool.map(lambda _: faults.take("dropped-connection", "demo"), range(400)))
    assert sum(struck) == 50


def test_how_a_cut_stream_ends_is_one_of_the_models_ways(faults):
    assert faults.cut_ending("demo") is None
    with pytest.raises(InvalidInput, match="sees"):
        faults.add("cut-ending", sees="politely")
    faults.add("cut-ending", endpoint="demo", sees="reset", count=1)
    assert [faults.cut_ending(name) for name in ("other", "demo", "demo")] == [None, "reset", None]


def test_a_session_limit_holds_for_its_endpoint_until_it_is_cleared(faults):
    faults.add("session-limit", endpoint="demo", seconds="60")
    assert [faults.session_limit_s(name) for name in ("demo", "demo", "other")] == [60.0, 60.0, None]


def test_every_kind_describes_its_parameters():
    assert set(KINDS) == {
        "throttling", "denied", "expired-credentials", "shortage", "failed-start", "crash", "mid-stream-error",
        "dropped-connection", "slow-metrics", "cut-ending", "late-routing", "session-limit",
    }  # fmt: skip
    assert all(parameter.help for kind in KINDS.values() for parameter in kind.parameters)


def test_a_cut_stream_can_end_in_every_way_that_the_scaling_model_knows():
    (sees,) = (parameter for parameter in KINDS["cut-ending"].parameters if parameter.name == "sees")
    assert sees.choices == get_args(get_type_hints(ScalingModel)["cut_stream_sees"])

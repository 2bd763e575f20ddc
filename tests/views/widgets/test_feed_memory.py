"""Memory of the live view over two thousand refreshes, with answers made here in place of a network."""

from __future__ import annotations

import gc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.awsrequest import AWSResponse

from dgsm_helpers.places.clients import Clients
from dgsm_helpers.session import AWS, Workbook
from dgsm_helpers.views.feed import Feed
from dgsm_helpers.views.figures.live_svg import live_html

BEGIN = datetime(2026, 11, 24, tzinfo=UTC)
REFRESHES = 2_000
WARM_UP = 500
ALLOWED_KB = 1000
WINDOW_S = 900


class Clock:
    """Ten seconds a refresh."""

    def __init__(self):
        self.refreshes = 0

    def now_s(self) -> float:
        return (BEGIN + timedelta(seconds=10 * self.refreshes)).timestamp()


def answers(clock):
    """What AWS would say now, by operation."""

    def now():
        return datetime.fromtimestamp(clock.now_s(), UTC)

    def metrics(params):
        results = []
        for query in params["MetricDataQueries"]:
            period = query["MetricStat"]["Period"]
            first = int(params["StartTime"].timestamp()) // period * period
            times = range(first, int(params["EndTime"].timestamp()), period)
            stamps = [datetime.fromtimestamp(t, UTC) for t in times]
            results.append({"Id": query["Id"], "Timestamps": stamps, "Values": [float(t % 7) for t in times]})
        return {"MetricDataResults": results}

    def activity(minute):
        started = now() - timedelta(minutes=minute)
        return {
            "ActivityId": str(started),
            "StartTime": started,
            "EndTime": started + timedelta(seconds=200),
            "StatusCode": "Successful",
            "Description": f"Setting desired instance count to {1 + minute % 3}.",
            "Cause": "monitor alarm TargetTracking-x-AlarmHigh-1 in state ALARM triggered policy p",
        }

    variant = {
        "VariantName": "AllTraffic",
        "CurrentInstanceCount": 1,
        "DesiredInstanceCount": 1,
        "InstancePools": [{"InstanceType": "ml.g6.2xlarge", "CurrentInstanceCount": 1}],
    }
    configured = {
        "VariantName": "AllTraffic",
        "ModelName": "m",
        "InitialInstanceCount": 1,
        "InstancePools": [{"InstanceType": "ml.g6.2xlarge", "Priority": 1}],
    }
    return {
        "DescribeEndpoint": lambda _: {
            "EndpointName": "dg",
            "EndpointArn": "arn",
            "EndpointStatus": "InService",
            "EndpointConfigName": "c",
            "CreationTime": BEGIN - timedelta(days=1),
            "ProductionVariants": [variant],
        },
        "DescribeEndpointConfig": lambda _: {
            "EndpointConfigName": "c",
            "EndpointConfigArn": "arn",
            "ProductionVariants": [configured],
        },
        "GetMetricData": metrics,
        "DescribeAlarms": lambda _: {"MetricAlarms": []},
        "DescribeScalingActivities": lambda _: {"ScalingActivities": [activity(m) for m in range(0, 500, 10)]},
        "GetProducts": lambda _: {"PriceList": []},
    }


@pytest.fixture
def offline(tmp_path: Path):
    """A workbook whose clients answer from `answers`, and its clock."""
    clock = Clock()
    known = answers(clock)
    session = boto3.Session("AKIDEXAMPLE", "secret", region_name="us-east-1")

    def answer(model, params, context, **_):
        return AWSResponse("", 200, {}, None), known[model.name](context["asked"])

    def keep(params, context, **_):
        context["asked"] = params

    session.events.register("before-parameter-build", keep)
    session.events.register("before-call", answer)
    wb = Workbook(
        **AWS,
        now_s=clock.now_s,
        region="us-east-1",
        endpoint_name="dg",
        variant_name="AllTraffic",
        model_package_arn=None,
        role_arn=None,
        confirm_spend=False,
        home=tmp_path,
        clients=Clients(session),
        stream_url="https://127.0.0.1:8443",
        ca_bundle=None,
    )
    return wb, clock


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_memory_is_flat_over_two_thousand_refreshes(offline):
    wb, clock = offline
    feed, this = Feed(wb, window_s=WINDOW_S), psutil.Process()

    def refresh(times):
        for _ in range(times):
            clock.refreshes += 1
            html = live_html(feed.state())
        gc.collect()
        return html, this.memory_info().rss

    _, before = refresh(WARM_UP)
    html, after = refresh(REFRESHES)
    assert "<b>dg</b> InService" in html
    assert (after - before) / 1000 < ALLOWED_KB
    assert len(feed.state().concurrency) <= WINDOW_S / 10 + 1

"""One period in which an endpoint goes from one instance to three and back, as observe's frames and as a live state."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pandas as pd
import pytest

from dgsm_helpers.views.live_state import Alarm, LiveState, Mark

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CAUSE = (
    "monitor alarm TargetTracking-endpoint/deepgram-demo/variant/AllTraffic-AlarmHigh-1 in state ALARM triggered policy"
)


def _time(minutes_ago: float) -> float:
    return NOW.timestamp() - 60 * minutes_ago


@pytest.fixture
def live_state():
    """Half an hour: 15 streams on one instance, then shared by three, then none."""
    points = []
    for i in range(180):
        streams = 15.0 if 30 < i < 110 else 0.0
        count = 1 if i < 60 else 3
        least = streams if count == 1 else 0.0
        points.append((_time(30 - i / 6), least, streams / count, streams))
    points[20] = (points[20][0], math.nan, math.nan, math.nan)
    return LiveState(
        endpoint_name="deepgram-demo",
        status="InService",
        now=NOW,
        window_s=1800,
        origin="CloudWatch of deepgram-demo, a made-up period",
        target_value=5.0,
        concurrency=points,
        instances=[(_time(30), 1, 1), (_time(24), 3, 1), (_time(20), 3, 3), (_time(2), 1, 3), (_time(1), 1, 1)],
        latency=[(_time(25), 80.0, 110.0), (_time(24), 90.0, 180.0), (_time(15), 70.0, 100.0)],
        alarms=[Alarm("high", "OK", "Average > 5", 0, 3), Alarm("low", "ALARM", "Average < 4.5", 90, 90)],
        marks=[
            Mark(_time(24), "11:36:00 high alarm: desired 3", CAUSE),
            Mark(_time(23), "11:37:00 not scaled: AlreadyAtDesiredCapacity", CAUSE, scaled=False),
        ],
        instances_by_type=[("ml.g6.2xlarge", 1)],
        errors_count=2,
        streams="15 of 15 streams open",
    )


@pytest.fixture
def frames(live_state):
    """(concurrency, instances, activities) of the same period."""

    def index(points):
        return pd.to_datetime([point[0] for point in points], unit="s", utc=True)

    names = ["concurrency_min_streams", "concurrency_mean_streams", "concurrency_max_streams"]
    concurrency = pd.DataFrame(
        [p[1:] for p in live_state.concurrency], columns=names, index=index(live_state.concurrency)
    )
    instances = pd.DataFrame(
        [p[1:] for p in live_state.instances],
        columns=["desired_instances", "running_instances"],
        index=index(live_state.instances),
    )
    activities = pd.DataFrame(
        {
            "started": pd.to_datetime([mark.time_s for mark in live_state.marks], unit="s", utc=True),
            "status": ["Successful", "Failed"],
            "description": ["Setting desired instance count to 3.", "Attempting to scale due to alarm triggered"],
            "cause": [CAUSE, CAUSE],
            "not_scaled_reasons": [(), ("AlreadyAtDesiredCapacity",)],
        }
    )
    return concurrency, instances, activities

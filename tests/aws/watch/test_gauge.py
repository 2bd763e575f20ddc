"""The endpoint's own count of streams, on the embedded AWS."""

from __future__ import annotations

import time

import pytest
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.aws.watch.metrics import gauge
from dgsm_helpers.load.transport.background_load import Load


@pytest.fixture(scope="module")
def held(deployed):
    """Three streams held until they are counted: the wall-clock times of begin and end, and when all had ended."""
    count = gauge(deployed, settle_s=0.5)
    with Load(deployed) as load:
        load.set(3)
        load.wait_open(timeout_s=AT_MOST_S)
        begin = time.time()
        until(lambda: count(begin, time.time()) == 3.0, "three streams are counted")
        end = time.time()
    return begin, end, time.time()


def test_streams_that_are_held_are_counted(deployed, held):
    begin, end, _ = held
    assert gauge(deployed, settle_s=0.5)(begin, end) == 3.0


def test_streams_before_are_not_counted_in(deployed, held):
    *_, over = held
    count = gauge(deployed, settle_s=0.0)
    until(lambda: count(over, time.time()) is not None, "a whole period after the streams has passed")
    assert count(over, time.time()) == 0.0


def test_what_is_shorter_than_a_datapoint_has_no_count(deployed):
    now = time.time()
    assert gauge(deployed, settle_s=1.0)(now - 2, now) is None


def test_cloudwatch_that_would_not_answer_is_no_count(deployed, held, operator):
    operator.fault("denied", service="cloudwatch", operation="*")
    begin, end, _ = held
    assert gauge(deployed, settle_s=0.5)(begin, end) is None

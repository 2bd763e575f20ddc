"""The endpoint's own count of streams, on the embedded AWS."""

from __future__ import annotations

import time

import pytest

from dgsm_helpers.aws.watch.metrics import gauge
from dgsm_helpers.load.transport.background_load import Load


@pytest.fixture(scope="module")
def held(deployed):
    """Three streams held for some seconds: the wall-clock times of begin and end."""
    with Load(deployed) as load:
        load.set(3)
        load.wait_open()
        begin = time.time()
        time.sleep(4)
        end = time.time()
    return begin, end


def test_streams_that_are_held_are_counted(deployed, held):
    assert gauge(deployed, settle_s=0.5)(*held) == 3.0


def test_streams_before_are_not_counted_in(deployed, held):
    _, end = held
    time.sleep(4)
    assert gauge(deployed, settle_s=0.0)(end + 0.5, end + 4) == 0.0


def test_what_is_shorter_than_a_datapoint_has_no_count(deployed):
    now = time.time()
    assert gauge(deployed, settle_s=1.0)(now - 2, now) is None


def test_cloudwatch_that_would_not_answer_is_no_count(deployed, held, operator):
    operator.fault("denied", service="cloudwatch", operation="*")
    assert gauge(deployed, settle_s=0.5)(*held) is None

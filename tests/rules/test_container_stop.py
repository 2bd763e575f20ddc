"""SIGTERM, thirty seconds, SIGKILL."""

from __future__ import annotations

from dgsm_helpers.rules.fleet import ContainerStop
from dgsm_helpers.rules.model import ScalingModel


def test_sigkill_comes_thirty_seconds_after_sigterm_as_aws_documents():
    stop = ContainerStop.of(ScalingModel())
    assert [stop.killed(age_s) for age_s in (0, 29.9, 30)] == [False, False, True]
    rows = {row.name: row for row in ScalingModel().assumptions()}
    assert (rows["sigkill_after_s"].value, rows["sigkill_after_s"].grade) == (30.0, "AWS")


def test_no_stream_is_routed_after_the_sigterm_unless_that_is_assumed():
    assert not ContainerStop().takes_streams(0)
    late = ContainerStop.of(ScalingModel(routed_until="SIGKILL"))
    assert [late.takes_streams(age_s) for age_s in (0, 29.9, 30)] == [True, True, False]


def test_a_longer_drain_is_a_what_if_that_says_so():
    what_if = ScalingModel(sigkill_after_s=1800)
    assert not ContainerStop.of(what_if).killed(1799)
    assert {row.name: row.grade for row in what_if.assumptions()}["sigkill_after_s"] == "CHOSEN"

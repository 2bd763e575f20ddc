"""SageMaker's reasons and the container's log lead to the kinds of Deepgram's manual."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.aws.endpoint.failures import classify
from dgsm_helpers.aws.watch import logs

READY = ("Deepgram Engine is ready",)


@pytest.mark.parametrize(
    ("reason", "lines", "kind"),
    [
        ("The account-level service limit 'ml.g6.2xlarge for endpoint usage' is 0 Instances", None, "quota"),
        ("InsufficientInstanceCapacity: Unable to provision requested ML compute capacity", None, "capacity"),
        ("Request to service failed. If failure persists after retry, contact support.", None, "capacity"),
        ("Caller is not subscribed to the marketplace offering.", None, "not-subscribed"),
        (
            "Environment variable map cannot be specified when using a ModelPackage subscribed from AWS",
            None,
            "environment-not-allowed",
        ),
        ("InstanceType ml.g4dn.xlarge is not supported for model package", None, "type-not-supported"),
        ("The primary container did not pass the ping health check.", ("[cuda-preflight] driver 550 < 580",), "driver"),
        ("The primary container did not pass the ping health check.", ("ERROR no licence",), "container-failed"),
        ("The primary container did not pass the ping health check.", None, "container-never-started"),
        ("Model data download timed out after 600 s", None, "download-timeout"),
        ("Something else", None, "container-never-started"),
        ("Something else", READY, "container-failed"),
        ("Something else", (), "unknown"),
    ],
)
def test_each_failure_is_named(reason, lines, kind):
    assert classify(reason, lines).kind == kind


@given(st.text(), st.none() | st.lists(st.text()))
def test_every_failure_has_a_next_step(reason, lines):
    assert classify(reason, lines).next_step


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (None, "has not started"),
        (("/ping returning 503",), "normal until"),
        (("/ping returning 503", "Deepgram Engine is ready"), "ready"),
        (("Deepgram Engine is ready", "thread 'main' panicked at engine.rs:1"), "crashed"),
        (("nothing known",), ""),
    ],
)
def test_newest_known_log_line_is_explained(lines, words):
    assert words in logs.hint(lines)
    assert bool(words) == bool(logs.hint(lines))

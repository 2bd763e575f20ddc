"""Containers' logs by instance, on the embedded AWS's log group and on scripted pages."""

from __future__ import annotations

import time

import pytest

from dgsm_helpers.aws.watch.logs import PATTERNS, Known, explain, tail
from dgsm_helpers.errors import InvalidInput, NotFound

LONG_AGO_S = 1e7


@pytest.fixture
def written(workbook):
    """Two instances' logs under a name of their own: the newest line is instance b's."""
    wb = workbook()
    logs, group = wb.client("logs"), f"/aws/sagemaker/Endpoints/{wb.endpoint_name}"
    logs.create_log_group(logGroupName=group)
    now_ms = int(time.time() * 1000) - 60_000
    for instance, messages in {
        "i-a": ["/ping returning 503", "Deepgram Engine is ready", "ERROR something odd"],
        "i-b": ["INFO loading", "panicked at src/main.rs:1", "WARNING DEEPGRAM_ENGINE_01 skipped"],
    }.items():
        stream = f"AllTraffic/{instance}"
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        later = 500 if instance == "i-b" else 0
        events = [{"timestamp": now_ms + 1000 * i + later, "message": m} for i, m in enumerate(messages)]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    yield wb
    logs.delete_log_group(logGroupName=group)


def test_all_instances_are_read_together_in_order_of_time(written):
    newest = tail(written, last_s=LONG_AGO_S)
    assert [line.instance for line in newest.lines] == ["i-a", "i-b"] * 3
    assert newest.instances == ("i-a", "i-b")


def test_only_the_newest_lines_are_kept(written):
    newest = tail(written, last_s=LONG_AGO_S, lines=2)
    assert [line.message for line in newest.lines] == ["ERROR something odd", "WARNING DEEPGRAM_ENGINE_01 skipped"]


def test_one_instance_is_read_alone(written):
    newest = tail(written, instance="i-b", last_s=LONG_AGO_S, lines=2)
    assert [line.message.split()[0] for line in newest.lines] == ["panicked", "WARNING"]


def test_known_lines_are_explained_with_what_to_do(written):
    newest = tail(written, last_s=LONG_AGO_S)
    assert [line.pattern.meaning for line in newest.problems] == [
        "the engine crashed",
        "the container logged an error",
    ]
    assert "1 × the engine crashed. Send the lines" in str(newest)
    assert "still starting" in newest._repr_html_()


def test_lines_are_searched_for(written):
    newest = tail(written, last_s=LONG_AGO_S, containing="ready")
    assert [line.message for line in newest.lines] == ["Deepgram Engine is ready"]


def test_an_unknown_instance_is_answered_with_those_there_are(written):
    with pytest.raises(NotFound, match="i-a"):
        tail(written, instance="i-z")


def test_no_log_group_means_that_no_container_started(workbook):
    with pytest.raises(NotFound, match="first container starts"):
        tail(workbook(endpoint_name="never-made"))


@pytest.mark.parametrize("lines", [0, 10_001])
def test_a_count_out_of_range_is_refused(written, lines):
    with pytest.raises(InvalidInput):
        tail(written, lines=lines)


def test_every_page_of_one_instance_is_read_until_the_token_repeats(scripted):
    script = scripted()
    streams = {"logStreams": [{"logStreamName": "AllTraffic/i-a", "creationTime": 1}]}
    script.answers("logs", "describe_log_streams", streams)

    def page(times, token):
        events = [{"timestamp": t, "message": f"line {t}"} for t in times]
        return {"events": events, "nextBackwardToken": token, "nextForwardToken": "f"}

    for times, token in (((5, 6), "b1"), ((3, 4), "b2"), ((), "b2")):
        script.answers("logs", "get_log_events", page(times, token))
    newest = tail(script.wb, instance="i-a", last_s=60)
    assert [line.message for line in newest.lines] == ["line 3", "line 4", "line 5", "line 6"]


def test_every_page_of_all_instances_is_read(scripted):
    script = scripted()
    event = {"logStreamName": "AllTraffic/i-a", "message": "x"}
    script.answers("logs", "filter_log_events", {"events": [{**event, "timestamp": 1}], "nextToken": "t"})
    script.answers("logs", "filter_log_events", {"events": [{**event, "timestamp": 2}]})
    assert len(tail(script.wb).lines) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[cuda-preflight] driver 535 found", "driver"),
        ("ERROR composite health check failed", "unhealthy"),
        ("thread 'main' panicked at x.rs", "crashed"),
        ("400 unsupported_parameter: foo", "parameter"),
        ("2026 WARNING DEEPGRAM_API_01 skipped", "skipped"),
        ("/ping returning 503", "normal"),
        ("INFO Deepgram Engine is ready", "serves"),
    ],
)
def test_each_known_pattern_is_recognised(line, said):
    assert said in explain(line).meaning


def test_an_unknown_line_is_left_alone():
    assert explain("INFO request 17 done") is None
    assert all(p.action for p in PATTERNS if p.problem)


def test_each_known_pattern_matches_its_own_example_and_is_in_the_table():
    for pattern in PATTERNS:
        assert explain(pattern.example) is pattern
        assert pattern.meaning in str(Known()) and pattern.example in Known()._repr_html_()

"""The report: one page that is whole, true, harmless and needs no network."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest
from kit import endpoints
from kit.browser import browser_page
from kit.call_counter import counted_calls

from dgsm_helpers.aws.account import operator_alarms
from dgsm_helpers.aws.doctor.examine import RuleVerdict
from dgsm_helpers.cli import main
from dgsm_helpers.errors import NotFound
from dgsm_helpers.load.transport.call_record import CallRecord, said_in_sample
from dgsm_helpers.load.transport.held_calls import CallsHeld
from dgsm_helpers.load.transport.session_leg import HandOver
from dgsm_helpers.session import open_workbook
from dgsm_helpers.views.pages import report


@pytest.fixture(scope="module")
def endpoint(embedded):
    """A deployed endpoint with the guide's policy, evidence of capacity and alarms for operators."""
    with endpoints.scaled_endpoint(embedded.home, "dg-reported") as wb:
        leave_evidence(wb)
        operator_alarms.put(wb)
        yield wb


def leave_evidence(wb):
    rung = {
        "n": 10,
        "verdict": "PASS",
        "constraint": None,
        "passed": 59,
        "total": 60,
        "lag_ms": {"p50": 210, "p95": 380, "p99": 420},
        "ending_p95_ms": 300,
        "first_chunk_p95_ms": 400,
    }
    taken = {"model_package_arn": wb.model_package_arn, "instance_type": "ml.g6.2xlarge", "region": wb.region}
    evidence = {
        "criteria": {"name": "strict", "statistic": "p95", "lag_s": 0.5},
        "schema": 2,
        "unit": "streams",
        "problem": "",
        "feasible_max": 10,
        "infeasible_min": 11,
        "binding_constraint": "slope",
        "confidence": 0.95,
        "measured_at": "2026-11-24T11:00:00+00:00",
        "fingerprint": taken,
        "rungs": [rung],
    }
    wb.state_path("capacity/dg-reported/2026-11-24T110000Z.json").write_text(json.dumps(evidence))


@pytest.fixture(scope="module")
def data(endpoint):
    return report.gather(endpoint)


def test_it_holds_configuration_evidence_story_doctor_alarms_and_cost(data):
    page = report.page(data)
    for said in (
        "endpoint/dg-reported/variant/AllTraffic",
        "LEAST_OUTSTANDING_REQUESTS",
        "TargetValue 5, cooldowns out 60 s and in 300 s",
        "sustains <b>10 streams</b>; 11 do not, by slope",
        "59 of 60",
        "Lag against concurrent streams on one instance",
        "p95 lag (strict)",
        "ml.g6.2xlarge at $",
        "FirstChunkLatency p99 &gt; 1,200,000 µs",
        "AllTraffic-AlarmHigh<",
        "Concurrency, instances and activities",
        "target-below-knee",
        "concurrency-near-capacity",
        "instance-hours since",
        "AWS Price List",
        "the embedded AWS (simulated)",
    ):
        assert said in page, said


def rush(data):
    """The same endpoint, after calls that made it scale out and back."""
    times = pd.date_range(end=data.snapshot.now, periods=61, freq="1min").tz_convert("UTC")
    means = [4.0] * 20 + [14.0] * 10 + [14 / 3] * 20 + [4 / 3] * 5 + [4.0] * 6
    concurrency = pd.DataFrame({f"concurrency_{name}_streams": means for name in ("min", "mean", "max")}, index=times)
    counts = [(times[0], 1), (times[30], 3), (times[55], 1), (times[-1], 1)]
    running = pd.DataFrame(
        {"desired_instances": [n for _, n in counts], "running_instances": [n for _, n in counts]},
        index=pd.DatetimeIndex([time for time, _ in counts]),
    )
    return replace(data, metrics=replace(data.metrics, concurrency=concurrency), running=running)


def held(words_lost=0):
    """Calls of which one was handed over."""
    said = said_in_sample(offset_s=0.0, duration_s=11.0)
    change = HandOver(cause="cut", reason="gone", at_s=3.0, gap_ms=300.0, words_replayed=2, audio_lost_s=0.0)
    record = CallRecord(call_s=11.0, words=said[words_lost:], hand_overs=(change,))
    return CallsHeld.of([record], [])


def test_it_opens_with_what_scaling_did_and_the_moments_follow(data):
    page = report.page(replace(rush(data), calls=held()))
    opening = re.search(r"<p class=opening>(.*?)</p>", page)[1]
    assert opening.startswith(
        "When calls rose from 4 to 14 at once, the endpoint grew from 1 instance to 3 by itself; with the calls the "
        "instances went, down to 1. In this time that cost $"
    )
    assert "No word of 1 call was lost." in opening
    places = [page.index(text) for text in ("at the peak", "24 s more a minute", "<audio controls", "sustains <b>10")]
    assert places == sorted(places)


def test_a_call_is_heard_with_where_it_was_handed_over_and_what_is_missing(data):
    page = report.page(replace(rush(data), calls=held(words_lost=1)))
    assert "A call of 11 s, handed over 1 time to another instance; of its 22 words 1 is missing." in page
    assert "so my fellow americans (cut: goes on elsewhere)" in page


def test_policies_are_played_on_the_calls_of_this_time(data):
    page = report.page(rush(data))
    assert "What policies would make of this time" in page and "guide at the measured target 8" in page
    unknown = replace(rush(data), snapshot=replace(data.snapshot, evidence=None))
    assert "What policies would make of this time" not in report.page(unknown)


def test_an_endpoint_that_did_not_scale_says_so_and_what_is_to_be_mended_first(data):
    stop = replace(data.diagnosis.findings[0], verdict=RuleVerdict.STOP, rule="something-is-wrong")
    page = report.page(replace(data, diagnosis=replace(data.diagnosis, findings=(stop, *data.diagnosis.findings[1:]))))
    assert (
        "It did not have to scale out in this time; it has 1 instance. To be mended first: something-is-wrong" in page
    )


def test_it_is_made_of_at_most_fifteen_calls(endpoint, embedded):
    wb = open_workbook("local", home=embedded.home, endpoint_name=endpoint.endpoint_name)
    with counted_calls(wb) as counts:
        report.gather(wb)
    twice = {operation for operation, count in counts.items() if count > 1}
    # Two windows of metrics, two pages of quotas, and the price of each type of the pool.
    assert twice <= {"GetMetricData", "ListServiceQuotas", "GetProducts"}
    assert counts.total() <= 15


def test_alarms_that_may_not_be_read_are_said_to_be_unread(data):
    unread = replace(data, snapshot=replace(data.snapshot, unread={"alarms": "cloudwatch:DescribeAlarms was refused"}))
    page = report.page(unread)
    assert "The alarms could not be read: cloudwatch:DescribeAlarms was refused" in page
    assert "No alarms for operators" not in page


def test_it_needs_no_network_and_carries_plotly_once(data):
    page = report.page(data)
    assert not re.search(r"<(?:script|img|link|iframe)[^>]*\s(?:src|href)=", page)
    assert page.count("plotly.js v") == 1
    assert len(page) < 6_000_000


def test_what_was_not_measured_is_said(data):
    bare = replace(data, snapshot=replace(data.snapshot, evidence=None), own_alarms=())
    page = report.page(bare)
    assert "every TargetValue is a guess" in page
    assert "No alarms for operators" in page


def test_a_period_without_data_has_a_sentence_instead_of_a_figure(data):
    empty = replace(data, metrics=replace(data.metrics, concurrency=data.metrics.concurrency.iloc[:0]))
    assert "There is no concurrency to draw in this window" in report.page(empty)


def test_what_is_in_order_stands_after_what_is_not(data):
    page = report.page(data)
    rules = {finding.verdict: finding.rule for finding in data.diagnosis.findings}
    assert {"OK", "WARN"} <= set(rules)
    assert page.index(f">{rules['WARN']}<") < page.index("in order</summary>") < page.index(f">{rules['OK']}<")


def test_scaling_before_the_timeline_is_pointed_to(data):
    row = {"started": data.metrics.start - timedelta(minutes=90), "not_scaled_reasons": (), "duration_s": 60.0}
    told = pd.DataFrame([{column: row.get(column, "") for column in data.activities.columns}])
    assert "dgsm report --hours" in report.page(replace(data, activities=told))
    assert "dgsm report --hours" not in report.page(data)


def test_evidence_without_criteria_or_with_a_lag_that_never_came_is_shown_all_the_same(data):
    taken = data.snapshot.evidence
    (rung,) = taken["rungs"]
    never = {**rung, "lag_ms": {"p50": None, "p95": None, "p99": None}, "verdict": "FAIL", "constraint": "p95 lag"}
    for changed in ({"criteria": None}, {"rungs": [rung, {**never, "n": 12}]}, {"rungs": []}):
        snapshot = replace(data.snapshot, evidence={**taken, **changed})
        assert "sustains <b>10 streams</b>" in report.page(replace(data, snapshot=snapshot))


def test_values_are_escaped(data):
    state = replace(data.snapshot.endpoint, name="<script>x", failure_reason="<b>")
    assert "<script>x" not in report.page(replace(data, snapshot=replace(data.snapshot, endpoint=state)))


def test_the_command_writes_it_and_says_where(endpoint, embedded, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DGSM_HOME", str(embedded.home))
    out = tmp_path / "deep" / "report.html"
    assert main.main(["report", "dg-reported", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert out.read_text().startswith("<!doctype html>")
    assert main.main(["report", "never-made", "--out", str(out)]) == 2


def test_a_missing_endpoint_writes_nothing(workbook, tmp_path):
    with pytest.raises(NotFound):
        report.write_report(workbook(endpoint_name="never-made"), tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_it_opens_offline_in_a_browser_with_its_figure_drawn(data, tmp_path):
    """In Chromium with the network off: nothing is asked for, nothing fails, the figure is there, also at 900 px."""
    page_file = tmp_path / "report.html"
    page_file.write_text(report.page(data), encoding="utf-8")
    with browser_page(viewport={"width": 900, "height": 900}, color_scheme="dark") as page:
        page.context.set_offline(True)
        asked, problems = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(page_file.as_uri())
        page.wait_for_selector(".plotly-graph-div .main-svg")
        width = page.evaluate("document.documentElement.scrollWidth")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert (problems, width) == ([], 900)

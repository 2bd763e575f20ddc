"""Every observation of AWS in this folder, played against the embedded AWS. A new one is a file, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kit.replaying import Mismatch, Replay

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.rglob("*.json"))
GRADES = ("recorded", "measured", "documented")
"""Answers as AWS sent them; what somebody measured on AWS; what AWS's documentation shows."""


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_embedded_aws_answers_as_recorded(path):
    recording = read(path)
    if reason := recording.get("not_replayed"):
        pytest.skip(reason)
    Replay(recording).run()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_file_says_where_it_comes_from(path):
    recording = read(path)
    assert all(recording[member] for member in ("about", "source", "date", "service"))
    assert recording["grade"] in GRADES
    assert recording.get("not_replayed") or any(
        {"answers", "refuses", "until"} & set(step) for step in recording["steps"]
    ), "it observes nothing"


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([{"call": "cloudwatch.ListDashboards", "answers": {"DashboardEntries": [{}]}}], "1 items"),
        ([{"call": "cloudwatch.ListDashboards", "refuses": {"Code": "X"}}], "observed was a refusal"),
        ([{"call": "cloudwatch.GetDashboard", "with": {"DashboardName": "d"}}], "observed was a answer"),
        ([{"call": "cloudwatch.DescribeAlarms", "answers": {"absent": ["MetricAlarms"]}}], "has MetricAlarms"),
        ([{"call": "cloudwatch.DescribeAlarms", "answers": {"Alarms": []}}], "has no Alarms"),
        (
            [{"call": "sagemaker.DescribeEndpoint", "with": {"EndpointName": "e"}, "answers": {"EndpointName": "f"}}],
            "observed was 'f'",
        ),
        (
            [
                {
                    "until": {"call": "cloudwatch.DescribeAlarms", "answers": {"MetricAlarms": []}},
                    "within_s": [30, 60],
                }
            ],
            "it took 0 s",
        ),
        ([{"ask": "assumption", "with": {"name": "low_factor"}, "answers": 0.5}], "observed was 0.5"),
        ([{"sing": 1}], "no such step"),
    ],
)
def test_a_recorded_answer_that_differs_is_seen(steps, problem):
    with pytest.raises(Mismatch) as caught:
        Replay({"steps": steps}).run()
    assert problem in str(caught.value)

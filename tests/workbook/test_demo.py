"""The demo: an honest verdict, a page that works offline, and the whole of it on the embedded AWS."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from dgsm_helpers import local
from dgsm_helpers.aws.account import deletion
from dgsm_helpers.errors import InvalidInput, NotFound
from dgsm_helpers.session import open_workbook
from dgsm_helpers.workbook import demo
from dgsm_helpers.workbook.notebook_page import PLOTLY_MIME
from dgsm_helpers.workbook.run_notebooks import NotebookOutcome

VALUES = {
    **{"running_instances": [1, 2, 3, 1], "wer_percent": 4.5, "left_behind": [], "deployed_in_s": 240},
    **{"detected_in_s": 160, "scaled_out_in_s": 470, "calls": 31, "calls_cut": 2, "words_lost": 0},
    "lag_p95_ms": {"after": 640.4, "before": 52.1, "peak": 2900.0},
    **{"feasible_max": 10, "infeasible_min": 11, "target_value": 8.0, "instance_minutes": 1.2, "knee": 10},
    **{"recommended": "guide at 8", "reason": "Recommended: guide at 8\n  The cheapest <one>.\nRunner-up: x"},
    **{"transcribed_by": "moonshine tiny-en", "captions": [[1.0, "", "And"], [2.0, "And so", ""]]},
    "story": {
        "before": {"calls": 4, "instances": 1, "lag_ms": 52.1},
        "peak": {"calls": 14, "instances": 1, "lag_ms": 2900.0},
        "after": {"calls": 14, "instances": 3, "lag_ms": 640.4},
        "end": {"calls": 4, "instances": 1, "lag_ms": 60.0},
        **{"most": 3, "hours": 0.5, "instance_hours": 0.8, "usd_per_hour": 1.222, "knee": None},
    },
}


def outcome(tmp_path, *, ok=True, name="04_monitor", **changes):
    figure = {"data": [{"type": "scatter", "x": [1, 2], "y": [3, 4]}], "layout": {"title": {"text": "A figure"}}}
    cell = new_code_cell("show(figure)", outputs=[new_output("display_data", {PLOTLY_MIME: figure})])
    path = tmp_path / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=[cell]), path)
    error = "" if ok else "ValueError: <b>no</b>"
    values = {**VALUES, **changes}
    return NotebookOutcome(notebook=Path(f"{name}.ipynb"), output=path, ok=ok, took_s=1.0, error=error, values=values)


def test_it_succeeds_when_all_ran_scaled_were_understood_and_left_nothing(tmp_path):
    assert demo.succeeded([outcome(tmp_path)])


@pytest.mark.parametrize(
    "broken",
    [
        {"ok": False},
        {"running_instances": [1, 1]},
        {"running_instances": [1, 3]},
        {"running_instances": [1, 3, 2]},
        {"running_instances": []},
        {"wer_percent": 10.1},
        {"left_behind": ["endpoint deepgram-demo"]},
        {"words_lost": 1},
        {"calls": 0},
        {"feasible_max": 9},
    ],
)
def test_any_of_it_missing_is_a_failure(tmp_path, broken):
    assert not demo.succeeded([outcome(tmp_path, **broken)])


def test_notebooks_that_said_nothing_are_a_failure(tmp_path):
    assert not demo.succeeded([])


def run_all(tmp_path, **changes):
    return [outcome(tmp_path, name=name, **changes) for name in ("03_tune", "04_monitor", "05_plan")]


def index_of(tmp_path, outcomes, wb, *, left_behind=()):
    rows = demo.summary(outcomes, wb, left_behind=left_behind, took_s=100)
    return demo.write_index(outcomes, rows, tmp_path).read_text()


def test_the_page_opens_with_what_scaling_did_in_a_sentence(tmp_path, workbook):
    page = index_of(tmp_path, run_all(tmp_path), workbook())
    opening = re.search(r"<p class=opening>(.*?)</p>", page)[1]
    assert opening == (
        "When calls rose from 4 to 14 at once, the endpoint grew from 1 instance to 3 by itself: the text fell 2.9 s "
        "behind the voice, and was 0.64 s behind again once they served; with the calls the instances went, down to 1. "
        "In this time that cost $0.98, where 3 instances always on cost $1.83. No word of the calls was lost, although "
        "instances that went away cut 2 of their sessions."
    )


def test_then_come_the_moments_a_player_the_knee_the_plan_and_the_notebooks(tmp_path, workbook):
    page = index_of(tmp_path, run_all(tmp_path), workbook())
    told = (
        "at the peak",
        "24 s more a minute",
        "<audio controls",
        "Up to 10 calls at once",
        "The cheapest &lt;one&gt;.",
    )
    places = [page.index(text) for text in (*told, '<a href="04_monitor.html">04_monitor</a> ran in 1 s')]
    assert places == sorted(places)
    assert page.count("Plotly.newPlot(") == 3
    assert "1 → 2 → 3 → 1" in page
    assert "0.1 s → 2.9 s → 0.6 s" in page and "2, whose calls went on" in page


def test_the_page_carries_what_it_draws_with_once_and_loads_nothing(tmp_path, workbook):
    page = index_of(tmp_path, run_all(tmp_path), workbook())
    assert page.count("plotly.js v") == 1
    assert not re.findall(r"<(?:script|link|img|video|track)[^>]+(?:src|href)=[\"']https?:", page)


def test_what_was_not_reached_and_what_failed_is_said_as_such(tmp_path, workbook):
    rows = demo.summary([], workbook(), left_behind=["endpoint x"], took_s=1)
    assert {row.label: row.value for row in rows}["Word error rate"] == "not reached"
    assert {row.label: row.value for row in rows}["Left behind"] == "endpoint x"
    bare = replace(outcome(tmp_path, ok=False), values={})
    page = index_of(tmp_path, [bare], workbook())
    assert "It did not come to scaling" in page
    assert "failed: ValueError: &lt;b&gt;no&lt;/b&gt;" in page


def test_the_summary_file_holds_what_was_measured_by_these_names(tmp_path):
    path = demo.write_summary(demo.measured([outcome(tmp_path)], left_behind=["endpoint x"]), tmp_path / "out")
    assert json.loads(path.read_text()) == {
        "deployed_in_s": 240,
        "detected_in_s": 160,
        "scaled_out_in_s": 470,
        "instances": [1, 2, 3, 1],
        "word_error_rate": 0.045,
        "lag_p95_ms": {"before": 52, "peak": 2900, "after": 640},
        "calls": 31,
        "calls_cut": 2,
        "words_lost": 0,
        "knee": 10,
        "target_value": 8.0,
        "recommended": "guide at 8",
        "left_behind": ["endpoint x"],
    }


def test_what_was_not_measured_is_null_in_the_summary_file():
    measured = demo.measured([], left_behind=[])
    assert tuple(measured) == demo.MEASURED
    assert measured.pop("left_behind") == [] and set(measured.values()) == {None}


def test_every_number_of_the_summary_says_where_it_comes_from(tmp_path, workbook):
    assert all(row.origin for row in demo.summary([outcome(tmp_path)], workbook(), left_behind=[], took_s=1))


def test_a_folder_without_notebooks_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(NotFound, match="00_start_here"):
        demo.run_demo(out=tmp_path, notebooks_dir=tmp_path)


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_whole_demo_passes_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    home = tmp_path / "home"
    monkeypatch.setenv("DGSM_HOME", str(home))
    local.up(home)
    try:
        assert demo.run_demo(out=tmp_path / "out") == 0
        for name in (demo.ENDPOINT_NAME, demo.MEASURED_ENDPOINT):
            assert not deletion.prove_empty(open_workbook("local", endpoint_name=name))
    finally:
        local.down(home)
    said = capsys.readouterr().out
    assert re.search(r"Instances over time +1 → (2 → )?3 → ([24] → )*1\n", said)
    assert re.search(r"Left behind +nothing\n", said)
    measured = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (measured["words_lost"], measured["left_behind"]) == (0, [])
    assert measured["calls"] > 10 and measured["calls_cut"] > 0
    assert measured["lag_p95_ms"]["peak"] > 2 * max(measured["lag_p95_ms"][when] for when in ("before", "after"))
    assert (measured["knee"], measured["target_value"]) == (10, 8.0) and measured["recommended"]
    pages = {"index", f"report-{demo.ENDPOINT_NAME}", *demo.NOTEBOOKS, *demo.BESIDE}
    assert {path.stem for path in (tmp_path / "out").glob("*.html")} <= pages


def test_an_embedded_aws_in_real_time_is_refused(tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setenv("DGSM_HOME", str(home))
    local.up(home, speed=1)
    try:
        with pytest.raises(InvalidInput, match="speed 1"):
            demo.run_demo(out=tmp_path / "out")
    finally:
        local.down(home)

"""Still figures: what each shows, and that each says where its numbers come from."""

from __future__ import annotations

import pandas as pd
import pytest
from kit.contrast import contrast

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.views.figures import timeline

ORIGIN = "CloudWatch of deepgram-demo, a made-up period"


def all_figures(frames):
    concurrency, instances, activities = frames
    traffic = pd.DataFrame(
        {"first_chunk_p50_ms": [80.0, None], "first_chunk_p99_ms": [110.0, None]}, index=concurrency.index[:2]
    )
    return {
        "timeline": timeline.timeline(concurrency, instances, activities, target_value=5.0, origin=ORIGIN),
        "first chunk": timeline.first_chunk_latency(traffic, origin=ORIGIN),
        "lag": timeline.lag_distribution([120.0, 80.0, 200.0], origin=ORIGIN, limit_ms=400),
    }


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def test_every_figure_states_its_origin(frames):
    for name, figure in all_figures(frames).items():
        assert f"Source: {ORIGIN}" in figure.layout.title.text, name


def test_the_words_of_every_figure_have_a_contrast_of_four_and_a_half_to_one_on_its_own_paper(frames):
    for name, figure in all_figures(frames).items():
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor, name
        inks = {figure.layout.font.color, *(note.font.color for note in figure.layout.annotations)} - {None}
        assert min(contrast(ink, figure.layout.paper_bgcolor) for ink in inks) >= 4.5, name


def test_the_timeline_has_the_metric_the_target_and_the_line_below_it(frames):
    figure = all_figures(frames)["timeline"]
    assert max(named(figure, "mean of the instances").y) == 15
    lines = {shape.y0 for shape in figure.layout.shapes}
    assert lines == {5.0, 4.5}
    assert named(figure, "TargetValue 5")
    assert named(figure, "scale-in below 4.5 (0.9 × target)")


def test_the_timeline_shows_desired_and_running_instances_as_steps(frames):
    figure = all_figures(frames)["timeline"]
    assert list(named(figure, "desired instances").y) == [1, 3, 3, 1, 1]
    assert list(named(figure, "running instances").y) == [1, 1, 3, 3, 1]
    assert named(figure, "running instances").line.shape == "hv"


def test_the_timeline_tells_activities_and_those_decided_against_apart(frames):
    figure = all_figures(frames)["timeline"]
    scaled, not_scaled = named(figure, "scaling activity"), named(figure, "decided against")
    assert len(scaled.x) == len(not_scaled.x) == 1
    assert scaled.marker.symbol != not_scaled.marker.symbol
    assert "Setting desired instance count to 3." in scaled.hovertext[0]
    assert "AlreadyAtDesiredCapacity" in not_scaled.hovertext[0]


def test_lag_stands_between_calls_per_instance_and_instances_where_it_is_known(frames):
    concurrency, instances, activities = frames
    lag = [(concurrency.index[0], 120.0), (concurrency.index[1], 3400.0)]
    drawn = (concurrency, instances, activities)
    figure = timeline.timeline(*drawn, target_value=5.0, origin=ORIGIN, lag_p95_ms=lag)
    (trace,) = [trace for trace in figure.data if trace.name == "callers' lag (p95)"]
    assert list(trace.y) == [0.12, 3.4]
    titles = [axis.title.text for axis in figure.select_yaxes()]
    assert titles == ["streams per instance", "lag (s)", "instances"]
    assert len(list(timeline.timeline(*drawn, target_value=5.0, origin=ORIGIN).select_yaxes())) == 2


def test_a_period_without_activities_still_has_a_timeline(frames):
    concurrency, instances, activities = frames
    figure = timeline.timeline(concurrency, instances, activities[:0], target_value=5.0, origin=ORIGIN)
    assert "scaling activity" not in {trace.name for trace in figure.data}


def test_concurrency_that_was_never_published_is_an_error_and_not_an_empty_figure(frames):
    concurrency, instances, activities = frames
    with pytest.raises(InvalidInput, match="no concurrency"):
        timeline.timeline(concurrency * float("nan"), instances, activities, target_value=5.0, origin=ORIGIN)


def test_the_lag_distribution_rises_to_all_updates():
    figure = timeline.lag_distribution([300.0, 100.0], origin=ORIGIN)
    assert list(figure.data[0].x) == [100.0, 300.0]
    assert list(figure.data[0].y) == [50.0, 100.0]
    with pytest.raises(InvalidInput, match="no lags"):
        timeline.lag_distribution([], origin=ORIGIN)


def test_a_figure_in_the_notebook_stays_small(frames):
    assert len(all_figures(frames)["timeline"].to_json()) < 60_000

"""Still figures: pure functions from data frames to a plotly Figure.

The frames are those of `aws.watch.observe` (UTC times, units in the column names). Every figure says where its
numbers come from: ``origin`` is printed below its title.
"""

from collections.abc import Iterable
from datetime import datetime
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.views.figures import palette
from dgsm_helpers.views.figures.look import finished

LOW_FACTOR = 0.9
"""Target tracking scales in below this share of the target (assumption, shown as such in every label)."""

_WIDTH_OF_A_CAUSE = 70
_MOST_POINTS = 60
"""Of a drawn series; beyond them each point stands for several."""


def timeline(
    concurrency: pd.DataFrame,
    instances: pd.DataFrame,
    activities: pd.DataFrame,
    *,
    target_value: float,
    origin: str,
    lag_p95_ms: Iterable[tuple[datetime, float]] = (),
    title: str = "Concurrency, instances and scaling activities",
) -> go.Figure:
    """The whole scaling story of a period on one time axis.

    Above: concurrent requests per instance (mean line in a band from the idlest to the busiest instance) against the
    target and the line below which it scales in. Below: desired and running instances, and each scaling activity as
    a mark (hollow: decided against) whose cause shows under the pointer. Between them, if it is known, how far results
    were behind the callers.

    Args:
        concurrency: ``concurrency_{min,mean,max}_streams`` by time (``read_metrics(wb).concurrency``).
        instances: ``desired_instances`` and ``running_instances`` by time (``observe.instances(wb)``).
        activities: ``started``, ``description``, ``cause``, ``status``, ``not_scaled_reasons``
            (``observe.activities(wb)``).
        target_value: the policy's TargetValue, in concurrent requests per instance.
        origin: where the numbers come from, such as "CloudWatch, measured on the embedded AWS".
        lag_p95_ms: lag of the callers' results by time (`CallsHeld`).

    Raises:
        InvalidInput: there is no concurrency to draw.
    """
    lags = list(lag_p95_ms)
    heights = [0.46, 0.24, 0.3] if lags else [0.62, 0.38]
    last = len(heights)
    figure = make_subplots(rows=last, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=heights)
    _add_concurrency(figure, concurrency, target_value, row=1)
    if lags:
        _add_lag(figure, lags, row=2)
    _add_instances(figure, instances, row=last)
    _add_activities(figure, activities, row=last)
    start, end = concurrency.index[0], concurrency.index[-1]
    figure.update_xaxes(range=[start, end])
    figure.update_xaxes(title_text="time (UTC)", row=last, col=1)
    return finished(figure, title=title, origin=origin, height=680 if lags else 560)


def first_chunk_latency(traffic: pd.DataFrame, *, origin: str) -> go.Figure:
    """p50 and p99 of FirstChunkLatency in ms, one sample per stream (``read_metrics(wb).traffic``)."""
    shown = traffic.dropna(subset=["first_chunk_p50_ms"])
    figure = go.Figure()
    for column, name, dash in (("first_chunk_p50_ms", "p50", "solid"), ("first_chunk_p99_ms", "p99", "dot")):
        line = {"color": palette.LATENCY, "dash": dash}
        figure.add_scatter(x=shown.index, y=shown[column], name=name, mode="lines+markers", line=line)
    if shown.empty:
        figure.add_annotation(text="no new streams in this window", showarrow=False, xref="paper", yref="paper")
    figure.update_yaxes(title_text="first chunk (ms)", rangemode="tozero")
    # The whole window, so that a single minute with new streams is seen where it was.
    figure.update_xaxes(title_text="time (UTC)", range=[traffic.index[0], traffic.index[-1]])
    return finished(figure, title="Streaming latency: FirstChunkLatency", origin=origin, height=300)


def lag_distribution(lags_ms: Iterable[float], *, origin: str, limit_ms: float | None = None) -> go.Figure:
    """Share of transcript updates that came within so many ms, from 0 to 100 %.

    Args:
        lags_ms: audio cursor minus transcript cursor of every interim result, in ms (`lag_samples`).
        limit_ms: a limit to compare with, drawn as a line.

    Raises:
        InvalidInput: there are no lags.
    """
    ordered = sorted(lags_ms)
    if not ordered:
        raise InvalidInput("There are no lags to draw.", hint="Stream some audio first.")
    share = [100 * (i + 1) / len(ordered) for i in range(len(ordered))]
    figure = go.Figure()
    line = {"color": palette.LATENCY, "shape": "hv"}
    figure.add_scatter(x=ordered, y=share, mode="lines", name=f"{len(ordered)} updates", line=line)
    if limit_ms is not None:
        figure.add_vline(
            x=limit_ms, line={"color": palette.TARGET, "dash": "dash"}, annotation_text=f"limit {limit_ms:g} ms"
        )
    figure.update_xaxes(title_text="transcript latency (ms)", rangemode="tozero")
    figure.update_yaxes(title_text="updates (%)", range=[0, 101])
    return finished(figure, title="Transcript latency", origin=origin, height=300)


def _add_concurrency(figure: go.Figure, frame: pd.DataFrame, target_value: float, *, row: int) -> None:
    shown = frame.dropna(subset=["concurrency_mean_streams"])
    if shown.empty:
        raise InvalidInput(
            "There is no concurrency to draw in this window.", hint="Ask for a longer one, or stream something."
        )
    # Calls come and go with every datapoint: an hour of them all would not fit into a notebook.
    place = np.arange(len(shown)) // -(-len(shown) // _MOST_POINTS)
    low, mean, high = (
        getattr(shown[f"concurrency_{statistic}_streams"].groupby(place), statistic)().set_axis(
            shown.index[np.flatnonzero(np.diff(place, prepend=-1))]
        )
        for statistic in ("min", "mean", "max")
    )
    no_line = {"width": 0, "shape": "hv"}
    figure.add_scatter(x=low.index, y=low, line=no_line, showlegend=False, hoverinfo="skip", row=row, col=1)
    figure.add_scatter(
        x=high.index,
        y=high,
        line=no_line,
        fill="tonexty",
        fillcolor="rgba(47,143,208,0.25)",
        name="idlest to busiest instance",
        row=row,
        col=1,
    )
    line = {"color": palette.METRIC, "width": 2, "shape": "hv"}
    figure.add_scatter(x=mean.index, y=mean.round(2), line=line, name="mean of the instances", row=row, col=1)
    for value, dash, text in (
        (target_value, "solid", f"TargetValue {target_value:g}"),
        (LOW_FACTOR * target_value, "dot", f"scale-in below {LOW_FACTOR * target_value:g} (0.9 × target)"),
    ):
        figure.add_hline(y=value, line={"color": palette.TARGET, "dash": dash, "width": 1.5}, row=row, col=1)
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="lines",
            line={"color": palette.TARGET, "dash": dash},
            name=text,
            row=row,
            col=1,
        )
    figure.update_yaxes(title_text="streams per instance", rangemode="tozero", row=row, col=1)


def _add_lag(figure: go.Figure, lags: list[tuple[datetime, float]], *, row: int) -> None:
    times = [time.replace(microsecond=0) for time, _ in lags]
    seconds = [round(lag_ms / 1000, 2) for _, lag_ms in lags]
    line = {"color": palette.LATENCY, "width": 2}
    figure.add_scatter(x=times, y=seconds, line=line, name="callers' lag (p95)", row=row, col=1)
    figure.update_yaxes(title_text="lag (s)", rangemode="tozero", row=row, col=1)


def _add_instances(figure: go.Figure, frame: pd.DataFrame, *, row: int) -> None:
    for column, name, dash, width in (
        ("desired_instances", "desired instances", "dot", 2),
        ("running_instances", "running instances", "solid", 3),
    ):
        line = {"color": palette.INSTANCES, "dash": dash, "width": width, "shape": "hv"}
        figure.add_scatter(x=frame.index, y=frame[column], mode="lines", name=name, line=line, row=row, col=1)
    figure.update_yaxes(title_text="instances", rangemode="tozero", dtick=1, row=row, col=1)


def _add_activities(figure: go.Figure, frame: pd.DataFrame, *, row: int) -> None:
    for scaled, name, symbol in (
        (True, "scaling activity", "triangle-up"),
        (False, "decided against", "triangle-up-open"),
    ):
        shown = frame[[(not reasons) == scaled for reasons in frame["not_scaled_reasons"]]]
        if shown.empty:
            continue
        figure.add_scatter(
            x=shown["started"],
            y=[0.25] * len(shown),
            mode="markers",
            marker={"symbol": symbol, "size": 11 if scaled else 7, "color": palette.ALARM},
            hovertext=[_description(activity) for activity in shown.itertuples(index=False)],
            hoverinfo="text+x",
            name=name,
            row=row,
            col=1,
        )


def _description(activity: Any) -> str:
    """The activity in AWS's words, wrapped for the box under the pointer."""
    reasons = ", ".join(activity.not_scaled_reasons)
    parts = (f"{activity.status}: {activity.description}", activity.cause, reasons)
    return "<br>".join("<br>".join(wrap(part, _WIDTH_OF_A_CAUSE)) for part in parts if part)

"""Figures of simulated plans: pure functions from the frames of `dgsm_helpers.planning` to a plotly Figure.

Every figure says that it is simulated, and under which assumptions: ``origin``, where the numbers come from, is printed
below its title with "simulated" before it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.views.figures import palette
from dgsm_helpers.views.figures.look import finished

_STYLES = (
    (palette.METRIC, "solid"),
    (palette.TARGET, "dash"),
    (palette.INSTANCES, "dot"),
)
"""Three can be told apart where they lie over each other."""
_SETTINGS: Mapping[str, Callable[[Any], str]] = {
    "metric": lambda v: {"high-resolution": "10 s metric", "one-minute": "1-minute metric"}.get(v, str(v)),
    "scale_out_cooldown_s": lambda v: f"out {v:g} s",
    "scale_in_cooldown_s": lambda v: f"in {v:g} s",
    "min_capacity": lambda v: f"min {v:g}",
    "max_capacity": lambda v: f"max {v:g}",
    "scheduled_minimum": lambda v: "no schedule" if pd.isna(v) else f"scheduled {v:g}",
    "scheduled_until_h": lambda v: "" if pd.isna(v) else f"till {v:g} h",
}


def policies_side_by_side(frames: Mapping[str, pd.DataFrame], *, knee: int, origin: str) -> go.Figure:
    """The same traffic under several plans, one below the other: instances, concurrency, lag and cost over time.

    Args:
        frames: by plan name, as `planning.frames.over_time` gives them; all over the same hours.
        knee: streams that one instance sustains, drawn into the concurrency.

    Raises:
        InvalidInput: no plan, or more than can be told apart.
    """
    if not 1 <= len(frames) <= len(_STYLES):
        raise InvalidInput(f"{len(frames)} plans cannot be drawn side by side.", hint=f"Give 1 to {len(_STYLES)}.")
    spent = "cost_usd" if all("cost_usd" in frame for frame in frames.values()) else "instance_hours"
    lag_known = not all(frame["lag_p95_ms"].isna().all() for frame in frames.values())
    rows = (
        ("running_instances", "instances", 0, "hv"),
        ("max_streams", "streams on the<br>fullest instance", 1, "linear"),
        *([("lag_p95_ms", "lag p95 (ms)", 0, "linear")] if lag_known else []),
        (spent, {"cost_usd": "cost (US$)", "instance_hours": "instance-hours"}[spent], 2, "linear"),
    )
    figure = make_subplots(rows=len(rows), cols=1, shared_xaxes=True, vertical_spacing=0.035)
    for (name, frame), (colour, dash) in zip(frames.items(), _STYLES, strict=False):
        for row, (column, _, digits, shape) in enumerate(rows, start=1):
            figure.add_scatter(
                x0=round(float(frame.index[0]), 6),
                dx=round(float(frame.index[1] - frame.index[0]), 6),
                y=_numbers(frame[column], digits),
                mode="lines",
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                line={"color": colour, "dash": dash, "width": 1.6, "shape": shape},
                row=row,
                col=1,
            )
    figure.add_hline(
        y=knee,
        line={"color": palette.MUTED, "dash": "dot"},
        row=2,
        col=1,
        annotation_text=f"knee {knee}",
        annotation_position="top left",
    )
    for row, (_, label, _, _) in enumerate(rows, start=1):
        figure.update_yaxes(title_text=label, rangemode="tozero", row=row, col=1)
    figure.update_xaxes(title_text="hours", row=len(rows), col=1)
    origin = f"simulated; {origin}{'' if lag_known else '; no lag was measured'}"
    return finished(figure, title="The same traffic under each policy", origin=origin, height=195 * len(rows))


def sweep_heat_map(outcomes: pd.DataFrame, *, origin: str) -> go.Figure:
    """Every plan of a sweep: stream-time over capacity, cost and the calls cut; a column for each target.

    A row is one combination of the other settings; settings that are the same everywhere are left out of its label.

    Args:
        outcomes: as `planning.frames.swept` gives them, of plans with a target.
    """
    varied = [name for name in _SETTINGS if outcomes[name].nunique(dropna=False) > 1]
    labels = [
        " · ".join(filter(None, (_SETTINGS[name](value) for name, value in zip(varied, row, strict=True))))
        or "guide's cooldowns"
        for row in outcomes[varied].itertuples(index=False, name=None)
    ]
    grid = outcomes.assign(settings=labels)
    money = outcomes["cost_usd"].notna().all()
    panels = (
        ("over_capacity_percent", "over capacity (%)", ".2f"),
        ("cost", "cost (US$)" if money else "cost (instance-hours)", ".0f"),
        ("calls_cut", "calls cut", ".0f"),
    )
    figure = make_subplots(
        rows=1,
        cols=len(panels),
        shared_yaxes=True,
        horizontal_spacing=0.03,
        subplot_titles=[title for _, title, _ in panels],
    )
    for column, (value, _, form) in enumerate(panels, start=1):
        table = grid.pivot(index="settings", columns="target_value", values=value).sort_index()
        figure.add_heatmap(
            x=[f"{target:g}" for target in table.columns],
            y=list(table.index),
            z=[_numbers(row, 3) for row in table.to_numpy()],
            texttemplate=f"%{{z:{form}}}",
            colorscale="Cividis",
            reversescale=True,
            showscale=False,
            xgap=1,
            ygap=1,
            row=1,
            col=column,
        )
        figure.update_xaxes(title_text="TargetValue", type="category", row=1, col=column)
    height = 170 + 22 * grid["settings"].nunique()
    title = f"{len(outcomes)} policies on this traffic"
    drawn = finished(figure, title=title, origin=f"simulated; {origin}", height=max(height, 260))
    # The labels of the rows are wide: a title that began where the cells do would run out of the picture.
    drawn.update_layout(margin={"l": 8, "t": 105}, title={"x": 0.01, "xref": "container"})
    drawn.update_annotations(font_size=12)  # at 900 pixels the panels are narrow
    return drawn.update_yaxes(automargin=True)


def pareto_front(
    outcomes: pd.DataFrame, *, front: Sequence[str], best: str, runner_up: str | None = None, origin: str
) -> go.Figure:
    """Cost against overload: every plan a point, the front joined, the recommended one a star; calls cut by its name.

    Plans that cannot be applied as they are (``can_be_applied`` False) are crosses and not part of the front.

    Args:
        outcomes: as `planning.frames.swept` gives them.
        front: names of the plans on the front, cheapest first.
        best, runner_up: names of the recommended plan and the next.
    """
    money = outcomes["cost_usd"].notna().all()
    figure = go.Figure()
    others = outcomes.drop(index=[name for name in {*front, best} if name in outcomes.index])
    usable = others["can_be_applied"]
    joined = outcomes.loc[list(front)]
    grey, star = palette.MUTED, {"color": palette.ALARM, "size": 15, "symbol": "star"}
    marked = [
        (others[usable], "other policies", "markers", {"color": grey, "size": 6, "symbol": "circle-open"}),
        (others[~usable], "for comparison only", "markers", {"color": grey, "size": 6, "symbol": "x-thin-open"}),
        (joined, "none of the others is better in both", "lines+markers", {"color": palette.METRIC, "size": 7}),
        (outcomes.loc[[best]], f"recommended: {_cut(outcomes, best)}", "markers", star),
    ]
    if runner_up:
        # Open, and wider than the star: seen where both lie on one point.
        diamond = {"color": palette.TARGET, "size": 20, "symbol": "diamond-open"}
        marked.insert(3, (outcomes.loc[[runner_up]], f"runner-up: {_cut(outcomes, runner_up)}", "markers", diamond))
    for frame, name, mode, marker in marked:
        if frame.empty:
            continue
        figure.add_scatter(
            x=_numbers(frame["cost"], 2),
            y=_numbers(frame["over_capacity_stream_s"], 1),
            mode=mode,
            name=name,
            marker=marker,
            line={"color": palette.METRIC, "shape": "hv", "width": 1.5},
            hovertext=[f"{plan}: {_cut(outcomes, plan)}" for plan in frame.index],
            hoverinfo="text+x+y",
            cliponaxis=False,
        )
    figure.update_xaxes(title_text="cost (US$)" if money else "cost (instance-hours)")
    figure.update_yaxes(title_text="stream-seconds over capacity", rangemode="tozero")
    return finished(figure, title="Cost against overload", origin=f"simulated; {origin}", height=430)


def _cut(outcomes: pd.DataFrame, plan: str) -> str:
    calls = int(outcomes.loc[plan, "calls_cut"])
    return f"{calls} call{'s' * (calls != 1)} cut"


def recorded_and_simulated(counts: pd.DataFrame, *, origin: str) -> go.Figure:
    """Instances that the endpoint had and those that the simulator has on the same traffic, minute by minute.

    ``counts`` are those of `planning.back_testing.Replayed`.
    """
    figure = go.Figure()
    for column, name, colour, dash in (
        ("recorded_instances", "recorded", palette.INSTANCES, "solid"),
        ("simulated_instances", "simulated", palette.METRIC, "dot"),
    ):
        line = {"color": colour, "dash": dash, "shape": "hv", "width": 2.5}
        figure.add_scatter(x=counts.index, y=counts[column].tolist(), mode="lines", name=name, line=line)
    figure.update_yaxes(title_text="running instances", rangemode="tozero", dtick=1)
    figure.update_xaxes(title_text="time (UTC)")
    return finished(figure, title="Back-test", origin=f"simulated against recorded; {origin}", height=300)


def known_and_forecast(
    history: pd.Series, minimums: pd.Series, *, end: datetime, target_value: float, origin: str
) -> go.Figure:
    """The last two days of the traffic by the hour, and the load that the minimums of the next two carry.

    Args:
        history: streams by UTC time, a minute apart.
        minimums: instances by the time from which each holds, until ``end``.
    """
    known = history[history.index > history.index[-1] - (end - minimums.index[0])].resample("1h").max()
    carried = pd.concat([minimums, pd.Series({end: minimums.iloc[-1]})]) * target_value
    figure = go.Figure()
    for values, name, colour, dash, shape in (
        (known, "streams, as known", palette.METRIC, "solid", "linear"),
        (carried, "carried by the forecast minimum", palette.TARGET, "dash", "hv"),
    ):
        line = {"color": colour, "dash": dash, "shape": shape, "width": 1.8}
        times = [f"{time:%Y-%m-%dT%H:%M}" for time in values.index]
        figure.add_scatter(x=times, y=_numbers(values, 1), mode="lines", name=name, line=line)
    figure.update_yaxes(title_text="streams", rangemode="tozero")
    figure.update_xaxes(title_text="time (UTC)")
    return finished(figure, title="Forecast minimums", origin=origin, height=320)


def _numbers(values: Iterable[float], digits: int) -> list[float | None]:
    """Plain rounded numbers, which keep a figure small; a gap is None."""
    return [None if pd.isna(value) else round(float(value), digits) for value in values]

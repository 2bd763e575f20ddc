"""The live view's picture: pure functions from numbers to SVG and HTML text.

Text and grid take the page's own colour (``currentColor``), so the view is right on light and on dark pages without
asking which it is; the series' colours are those of `palette`. Nothing is fetched and no script runs.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import product
from math import ceil, isfinite

from dgsm_helpers.aws.watch.observe import AT_THE_MINIMUM
from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.views.figures import palette
from dgsm_helpers.views.figures.fleet_svg import fleet_html
from dgsm_helpers.views.figures.svg_frame import TEXT, Frame, area, coordinates, line, picture, trouble_html
from dgsm_helpers.views.live_state import Alarm, LiveState, Mark, Rows

_WIDTH, _LEFT, _RIGHT = 760.0, 40.0, 136.0
_LEAST_WIDTH_PX = 560
"""Narrower its text could not be read: there the picture is scrolled sideways instead."""

_FAINT = 'stroke="currentColor" stroke-opacity=".1"'
_TIME_STEPS_S = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400)
_MOST_TIMES = 8
_SAME_CLOCK_S = 60


def live_html(state: LiveState) -> str:
    """The whole live view as one HTML fragment."""
    return (
        f'<div style="color:inherit;max-width:960px;line-height:1.4">{_headline(state)}{trouble_html(state.trouble)}'
        f"{fleet_html(state.fleet)}"
        f'<div style="overflow-x:auto;contain:inline-size">{live_svg(state)}</div>'
        f"{_events(state)}{_footer(state)}</div>"
    )


def live_svg(state: LiveState) -> str:
    """Concurrency against the target, instances, and first-chunk latency, one below the other on one time axis."""
    end_s = state.now.timestamp()
    start_s = end_s - state.window_s
    busiest = max((point[3] for point in state.concurrency if isfinite(point[3])), default=0.0)
    target = state.target_value or 0.0
    most = max((max(point[1:]) for point in state.instances), default=1.0)
    slowest = max((point[2] for point in state.latency if isfinite(point[2])), default=0.0)

    def frame(top: float, height: float, peak: float) -> Frame:
        right = _WIDTH - _RIGHT
        edges = {"left": _LEFT, "right": right, "top": top, "floor": top + height}
        return Frame(**edges, start=start_s, end=end_s, peak=peak, grid_opacity=".25")

    above = frame(24, 150, max(busiest, target, 1.0) * 1.15)
    middle = frame(212, 66, max(most, 1.0) + 0.5)
    below = frame(316, 44, max(slowest, 1.0) * 1.2)
    body = "".join(
        (
            _time_axis(above.top, below, state.now),
            concurrency_band(above, state.concurrency, state.target_value),
            instance_steps(middle, state.instances, state.marks),
            latency_sparkline(below, state.latency, of=state.latency_of),
        )
    )
    label = f"Live view of {state.endpoint_name}"
    return picture(body, width=_WIDTH, height=390, label=label, style=f"min-width:{_LEAST_WIDTH_PX}px")


def concurrency_band(frame: Frame, points: Rows, target_value: float | None) -> str:
    """Streams per instance: mean line in a band from idlest to busiest, against the target and 0.9 of it."""
    parts = [_grid(frame, _ticks(frame.peak))]
    newest: tuple[float, ...] | None = None
    for run in _runs(points):
        upper = [(frame.x(p[0]), frame.y(p[3])) for p in run]
        lower = [(frame.x(p[0]), frame.y(p[1])) for p in reversed(run)]
        parts.append(area(upper + lower, palette.METRIC, opacity=".25"))
        parts.append(line([(frame.x(p[0]), frame.y(p[2])) for p in run], palette.METRIC, width=2))
        newest = run[-1]
    if target_value:
        for value, dash, text in (
            (target_value, "", f"target {target_value:g}"),
            (0.9 * target_value, "2 4", f"0.9 target {0.9 * target_value:g}"),
        ):
            ends = [(frame.left, frame.y(value)), (frame.right, frame.y(value))]
            parts.append(line(ends, palette.TARGET, width=1.5, dash=dash))
            shift = -4 if not dash else 10
            parts.append(frame.beside(frame.y(value) + shift, text, palette.TARGET))
    now = f": mean {newest[2]:.1f}, from {newest[1]:g} to {newest[3]:g}" if newest else ": no data"
    return "".join([_title(frame, f"streams per instance{now}"), *parts])


def instance_steps(frame: Frame, points: Rows, marks: Sequence[Mark]) -> str:
    """Desired (dashed) and running instances as steps, with a triangle for each activity (hollow: not scaled)."""
    parts = [_title(frame, "instances"), _grid(frame, _ticks(frame.peak))]
    for column, dash, width in ((1, "5 4", 1.5), (2, "", 2.5)):
        steps = list(_steps([(p[0], p[column]) for p in points], frame.end))
        parts.append(line([(frame.x(t), frame.y(v)) for t, v in steps], palette.INSTANCES, width=width, dash=dash))
    if points:
        text = f"{points[-1][2]:g} running, {points[-1][1]:g} desired"
        parts.append(frame.beside(frame.y(points[-1][2]), text, palette.INSTANCES))
    floor = frame.floor
    for mark in marks:
        if mark.time_s >= frame.start:
            x = frame.x(mark.time_s)
            size = 10 if mark.scaled else 6
            corners = coordinates([(x, floor - size), (x - size / 2, floor), (x + size / 2, floor)])
            fill = palette.ALARM if mark.scaled else "none"
            tip = in_html(f"{mark.text}\n{mark.detail}".strip())
            parts.append(
                f'<polygon points="{corners}" fill="{fill}" stroke="{palette.ALARM}"><title>{tip}</title></polygon>'
            )
    return "".join(parts)


def latency_sparkline(frame: Frame, points: Rows, *, of: str) -> str:
    """p50 (solid) and p99 (dotted) of a latency in ms; ``of`` says which."""
    shown = [p for p in points if isfinite(p[1]) and isfinite(p[2])]
    parts = [_title(frame, f"{of}, ms"), _grid(frame, [0, round(max(p[2] for p in shown))] if shown else [])]
    if not shown:
        return "".join([*parts, f'<text x="{frame.left + 8:g}" y="{frame.top + 26:g}" {TEXT}>no new streams</text>'])
    # Minutes without new streams are gaps.
    for run, (column, dash) in product(_runs(points), ((1, ""), (2, "2 3"))):
        dots = [(frame.x(p[0]), frame.y(p[column])) for p in run]
        parts.append(line(dots, palette.LATENCY, width=1.8, dash=dash))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="{palette.LATENCY}"/>' for x, y in dots]
    parts.append(frame.beside(frame.top + 14, f"p50 {shown[-1][1]:.0f}, p99 {shown[-1][2]:.0f}", palette.LATENCY))
    return "".join(parts)


def _headline(state: LiveState) -> str:
    types = ", ".join(f"{count} × {in_html(name)}" for name, count in state.instances_by_type) or "no instance"
    parts = [f"<b>{in_html(state.endpoint_name)}</b> {in_html(state.status)}", types]
    if state.streams:
        parts.append(in_html(state.streams))
    parts.append(f"{state.errors_count} errors in the window")
    none = "alarms not known yet" if state.alarms is None else "no alarms: no policy is applied"
    alarms = "".join(_alarm_chip(alarm, state) for alarm in state.alarms or ()) or none
    return f'<div>{" · ".join(parts)}</div><div style="margin-top:.3em">{alarms}</div>'


def _alarm_chip(alarm: Alarm, state: LiveState) -> str:
    """One alarm. Only the high one is drawn as an alarm: the low one rings whenever traffic is low, as it should."""
    ringing = alarm.state == "ALARM"
    colour = palette.ALARM if ringing and alarm.side == "high" else palette.MUTED
    share = 100 * (alarm.breaching or 0) / alarm.needed if alarm.needed else 0
    progress = (
        f"{alarm.needed} datapoints" if alarm.breaching is None else f"{alarm.breaching} of {alarm.needed} datapoints"
    )
    sign = "▲" if alarm.side == "high" else "▼"
    return (
        f'<span style="display:inline-block;margin:0 1em .3em 0;padding:.15em .6em;border:1.5px solid {colour};'
        f"border-radius:.4em;background:linear-gradient(to right,{colour}40 {share:.0f}%,transparent "
        f'{share:.0f}%)">{sign} {in_html(alarm.side)} alarm <b>{in_html(alarm.state)}</b> · {in_html(alarm.rule)} · '
        f"{progress}{' · nothing to remove' if ringing and _at_the_minimum(alarm, state) else ''}</span>"
    )


def _at_the_minimum(alarm: Alarm, state: LiveState) -> bool:
    """Whether a low alarm changes nothing: AWS said so last, or one instance runs, below which none can go."""
    fewest = bool(state.instances) and state.instances[-1][2] <= 1
    return alarm.side == "low" and (fewest or (bool(state.marks) and AT_THE_MINIMUM in state.marks[-1].text))


def _events(state: LiveState) -> str:
    scaled = [mark for mark in state.marks if mark.scaled]
    lines = "".join(f"<div>▲ {in_html(mark.text)}</div>" for mark in scaled[-3:])
    return f'<div style="font-size:.9em;opacity:.85">{lines}</div>' if lines else ""


def _footer(state: LiveState) -> str:
    parts = [_recorded(state), in_html(state.cost), f"Source: {in_html(state.origin)}"]
    return f'<div style="font-size:.8em;opacity:.7">{" · ".join(filter(None, parts))}</div>'


def _recorded(state: LiveState) -> str:
    """When the picture was made: one that is looked at later, in a saved notebook, must not pass for the present."""
    if state.recorded is None:
        return f"{state.now:%H:%M:%S} UTC"
    apart_s = abs((state.now - state.recorded).total_seconds())
    local = f", at {state.now:%d %b %H:%M:%S} of this endpoint's clock" if apart_s > _SAME_CLOCK_S else ""
    return f"Recorded {state.recorded:%d %b %Y, %H:%M:%S} UTC{local}"


def _title(frame: Frame, text: str) -> str:
    return f'<text x="{frame.left:g}" y="{frame.top - 7:g}" {TEXT} font-weight="bold">{in_html(text)}</text>'


def _grid(frame: Frame, values: Sequence[float]) -> str:
    return "".join(frame.level(frame.y(value), f"{value:g}") for value in values)


def _ticks(peak: float) -> list[float]:
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, peak) if peak / s <= 5)
    return [i * step for i in range(int(peak / step) + 1)]


def _time_axis(top: float, frame: Frame, now: datetime) -> str:
    """The window's ends in words, and full minutes or hours between them, from ``top`` down to the lowest frame."""
    floor = frame.floor
    y = floor + 18
    ago = frame.end - frame.start
    left = f"{ago / 60:g} min ago" if ago >= 60 else f"{ago:g} s ago"
    parts = [
        f'<text x="{frame.left:g}" y="{y:g}" {TEXT}>{left}</text>',
        f'<text x="{frame.right:g}" y="{y:g}" text-anchor="end" {TEXT}>now {now:%H:%M:%S} UTC</text>',
    ]
    step_s = next((step for step in _TIME_STEPS_S if ago / step <= _MOST_TIMES), ago)
    for number in range(ceil(frame.start / step_s), int(frame.end / step_s) + 1):
        x = frame.x(number * step_s)
        parts.append(f'<line x1="{x:.1f}" y1="{top:g}" x2="{x:.1f}" y2="{floor:g}" {_FAINT}/>')
        if frame.left + 100 < x < frame.right - 150:  # beside the words at the ends
            text = datetime.fromtimestamp(number * step_s, UTC)
            parts.append(f'<text x="{x:.1f}" y="{y:g}" text-anchor="middle" {TEXT}>{text:%H:%M}</text>')
    return "".join(parts)


def _runs(points: Rows) -> Iterator[list[tuple[float, ...]]]:
    """Stretches without a missing value: a gap in the metric is drawn as a gap."""
    run: list[tuple[float, ...]] = []
    for point in points:
        if all(isfinite(value) for value in point):
            run.append(point)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _steps(points: Sequence[tuple[float, float]], end_s: float) -> Iterator[tuple[float, float]]:
    held: float | None = None
    for time_s, value in points:
        if held is not None:
            yield time_s, held
        yield time_s, value
        held = value
    if held is not None:
        yield end_s, held

"""The live view for a terminal: a pure function from the same numbers as the SVG to lines of text."""

from collections.abc import Sequence
from math import isfinite
from textwrap import wrap

from dgsm_helpers.rules.foreign_text import in_terminal
from dgsm_helpers.views.live_state import Alarm, LiveState

_LEVELS = " ▁▂▃▄▅▆▇█"
_HEIGHT = 6
_LEFT, _RIGHT = 6, 16


def live_text(state: LiveState, *, width: int = 100) -> str:
    """The whole view, at most ``width`` columns wide (60 at least)."""
    width = max(width, 60)
    columns = width - _LEFT - _RIGHT
    types = ", ".join(f"{count} × {name}" for name, count in state.instances_by_type) or "no instance"
    head = [f"{state.endpoint_name} {state.status}", types, f"{state.errors_count} errors", state.streams]
    lines = [" · ".join(part for part in head if part)]
    lines += [f"⚠ {state.trouble}"] if state.trouble else []
    none = "alarms not known yet" if state.alarms is None else "no alarms: no policy is applied"
    lines += ["", *([_alarm(alarm) for alarm in state.alarms or ()] or [none])]
    lines += ["", *_concurrency(state, columns), "", *_instances(state, columns), _axis(state, columns), ""]
    latency = [p for p in state.latency if isfinite(p[1]) and isfinite(p[2])]
    lines.append(
        f"{state.latency_of}  p50 {latency[-1][1]:.0f} ms, p99 {latency[-1][2]:.0f} ms"
        if latency
        else f"{state.latency_of}  no new streams"
    )
    lines += [f"▲ {mark.text}" for mark in [m for m in state.marks if m.scaled][-4:]]
    lines += ["", *filter(None, [state.cost]), f"{state.now:%H:%M:%S} UTC · Source: {state.origin}"]
    return "\n".join(part for line in lines for part in _fitting(line, width))


def _fitting(line: str, width: int) -> list[str]:
    """A line too long is broken, never cut: its end may say what to do."""
    line = in_terminal(line.replace("\n", " "))
    return [line] if len(line) <= width else wrap(line, width, subsequent_indent="  ")


def _alarm(alarm: Alarm) -> str:
    cells = 12
    sign = "▲" if alarm.side == "high" else "▼"
    if alarm.breaching is None:
        progress = f"{alarm.needed} datapoints"
    else:
        done = round(cells * alarm.breaching / alarm.needed) if alarm.needed else 0
        progress = f"{'█' * done}{'░' * (cells - done)} {alarm.breaching} of {alarm.needed}"
    return f"{sign} {alarm.side:<4} {alarm.state:<17} {progress}  {alarm.rule}"


def _concurrency(state: LiveState, columns: int) -> list[str]:
    """Mean streams per instance as bars, the target as a line through them."""
    means = _by_column([(p[0], p[2]) for p in state.concurrency], state, columns)
    busiest = max((p[3] for p in state.concurrency if isfinite(p[3])), default=0.0)
    target = state.target_value or 0.0
    peak = max(busiest, target, 1.0) * 1.05
    newest = next((p for p in reversed(state.concurrency) if isfinite(p[2])), None)
    now = f"mean {newest[2]:.1f}, from {newest[1]:g} to {newest[3]:g}" if newest else "no data"
    rows = [f"streams per instance: {now}"]
    target_row = min(int(target / peak * _HEIGHT), _HEIGHT - 1)
    for row in reversed(range(_HEIGHT)):
        cells = [_cell(None if v is None else v / peak * _HEIGHT - row) for v in means]
        mark = ""
        if state.target_value and row == target_row:
            cells = ["─" if cell == " " else cell for cell in cells]
            mark = f" target {target:g}"
        label = f"{(row + 1) / _HEIGHT * peak:.1f}" if row in (0, _HEIGHT - 1) else ""
        rows.append(f"{label:>{_LEFT - 1}} {''.join(cells)}{mark}".rstrip())
    return rows


def _instances(state: LiveState, columns: int) -> list[str]:
    if not state.instances:
        return ["instances: unknown"]
    _, desired, running = state.instances[-1]
    held = _steps([(p[0], p[2]) for p in state.instances], state, columns)
    digits = "".join("·" if v is None else f"{v:.0f}" if v < 10 else "+" for v in held)
    return [f"instances: {running:g} running, {desired:g} desired", f"{'':<{_LEFT}}{digits}"]


def _axis(state: LiveState, columns: int) -> str:
    left = f"{state.window_s / 60:g} min ago"
    return f"{'':<{_LEFT}}{left}{'now':>{columns - len(left)}}"


def _by_column(points: Sequence[tuple[float, float]], state: LiveState, columns: int) -> list[float | None]:
    """The highest value of each column's time; None where there is none."""
    start_s = state.now.timestamp() - state.window_s
    highest: list[float | None] = [None] * columns
    for time_s, value in points:
        column = int((time_s - start_s) / state.window_s * columns)
        if 0 <= column < columns and isfinite(value):
            highest[column] = max(value, highest[column] or 0.0)
    return highest


def _steps(points: Sequence[tuple[float, float]], state: LiveState, columns: int) -> list[float | None]:
    """The value in force at the end of each column's time."""
    start_s = state.now.timestamp() - state.window_s
    ends = [start_s + (column + 1) * state.window_s / columns for column in range(columns)]
    return [next((value for time_s, value in reversed(points) if time_s <= end), None) for end in ends]


def _cell(level: float | None) -> str:
    if level is None:
        return " "
    return _LEVELS[min(max(int(level * 8 + 0.5), 0), 8)]

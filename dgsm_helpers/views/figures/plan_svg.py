"""What a plan does to a day, as SVG in HTML for sliders: streams against what the instances sustain."""

from collections.abc import Sequence
from dataclasses import dataclass

from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.views.figures import palette
from dgsm_helpers.views.figures.svg_frame import TEXT, Frame, area, line, picture, trouble_html

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 920.0, 260.0, 46.0, 130.0, 14.0, 30.0


@dataclass(frozen=True, kw_only=True)
class PlanState:
    """One picture. ``hours``, ``streams`` and ``instances`` have one value a moment, evenly spaced.

    ``knee`` is what one instance sustains, ``facts`` are (name, value) pairs shown above, ``origin`` says under which
    assumptions it is simulated, ``trouble`` is an error to show, "" when all is well.
    """

    knee: int
    origin: str
    hours: Sequence[float] = ()
    streams: Sequence[float] = ()
    instances: Sequence[int] = ()
    facts: Sequence[tuple[str, str]] = ()
    trouble: str = ""


def plan_html(state: PlanState) -> str:
    """The picture with its facts, as one HTML fragment."""
    facts = " · ".join(f"{in_html(name)} <b>{in_html(value)}</b>" for name, value in state.facts)
    return (
        f'<div style="color:inherit;max-width:1100px;line-height:1.4"><div>{facts}</div>{plan_svg(state)}'
        f"{trouble_html(state.trouble)}"
        f'<div style="font-size:.8em;opacity:.7">Source: simulated; {in_html(state.origin)}</div></div>'
    )


def plan_svg(state: PlanState) -> str:
    """Streams in progress (filled) against the streams that the running instances sustain (steps)."""
    sustained = [count * state.knee for count in state.instances]
    peak = max([*state.streams, *sustained, 1])
    last = max(state.hours[-1], 1e-9) if state.hours else 1.0

    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    frame = Frame(left=_LEFT, right=right, top=_TOP, floor=floor, start=0, end=last, peak=peak)
    parts = [frame.level(frame.y(level), f"{level:g}") for level in (round(peak * share) for share in (0, 0.5, 1))]
    for hour in (last * quarter / 4 for quarter in range(5)):
        place = f'x="{frame.x(hour):.1f}" y="{_HEIGHT - 8:g}" text-anchor="middle"'
        parts.append(f"<text {place} {TEXT}>{hour:.3g} h</text>")
    if state.hours:
        streams = [(frame.x(hour), frame.y(value)) for hour, value in zip(state.hours, state.streams, strict=True)]
        ground = [(streams[-1][0], frame.y(0)), (streams[0][0], frame.y(0))]
        parts.append(area([*streams, *ground], palette.METRIC, opacity=".3"))
        parts.append(line(streams, palette.METRIC, width=1.8))
        steps, held = [], sustained[0]
        for hour, value in zip(state.hours, sustained, strict=True):
            steps += [(frame.x(hour), frame.y(held)), (frame.x(hour), frame.y(value))]
            held = value
        parts.append(line(steps, palette.INSTANCES, width=1.8))
        for y, text, colour in ((12, "sustained", palette.INSTANCES), (28, "streams", palette.METRIC)):
            place = f'x="{right + 8:g}" y="{_TOP + y:g}"'
            parts.append(f'<text {place} font-size="12" fill="{colour}">{text}</text>')
    label = "Simulated streams against what the instances sustain"
    return picture("".join(parts), width=_WIDTH, height=_HEIGHT, label=label)

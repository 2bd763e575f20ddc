"""The picture of an endpoint's instances with the calls on them, its money, and the calls' captions. Pure.

An instance is a box, from requested over starting to serving; a call is a dot on it: a green disc while its text is
within the limit, a red diamond beyond.
"""

from collections.abc import Sequence
from math import ceil

from dgsm_helpers.load.transport.call_progress import OngoingCall
from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.views.figures import palette
from dgsm_helpers.views.figures.svg_frame import TEXT, picture
from dgsm_helpers.views.fleet_state import REQUESTED, SERVING, STARTING, STOPPING, FleetState, ShownInstance

_WIDTH, _ACROSS, _GAP, _TOP = 760, 4, 10, 4
_BOX_WIDTH, _HEAD, _STEP, _DOTS_ACROSS = (_WIDTH - 3 * _GAP) / _ACROSS, 40, 20, 8
_LEAST_DOT_ROWS = 2
_LEAST_WIDTH_PX = 560
CAPTIONS = 5
"""Calls whose words are shown; more could not be read at once."""
_CAPTION_CHARACTERS = 90

_LOOKS = {
    REQUESTED: (palette.MUTED, ' stroke-dasharray="2 4"'),
    STARTING: (palette.TARGET, ' stroke-dasharray="7 4"'),
    SERVING: (palette.INSTANCES, ""),
    STOPPING: (palette.ALARM, ' stroke-dasharray="2 2"'),
}


def fleet_html(fleet: FleetState) -> str:
    """Money, instances and captions as one HTML fragment; nothing where there are neither instances nor calls."""
    if not (fleet.instances or fleet.calls):
        return ""
    # Each is scrolled by itself where the page is narrow, so that all other text still wraps.
    scroll = '<div style="overflow-x:auto;contain:inline-size">'
    return f"{_money(fleet)}{scroll}{fleet_svg(fleet)}</div>{_legend(fleet)}{scroll}{_captions(fleet)}</div>"


def fleet_svg(fleet: FleetState) -> str:
    """The boxes in rows of four; below them the calls of which it is not known where they are."""
    held = [fleet.on(instance) for instance in fleet.instances]
    dot_rows = max([_LEAST_DOT_ROWS, *(ceil(len(calls) / _DOTS_ACROSS) for calls in held)])
    height = _HEAD + dot_rows * _STEP + 6
    parts = []
    for number, (instance, calls) in enumerate(zip(fleet.instances, held, strict=True)):
        left = number % _ACROSS * (_BOX_WIDTH + _GAP)
        top = _TOP + number // _ACROSS * (height + _GAP)
        parts.append(_box(instance, left, top, height) + _dots(fleet, calls, left + 16, top + _HEAD + 10, _DOTS_ACROSS))
    floor = _TOP + ceil(len(fleet.instances) / _ACROSS) * (height + _GAP)
    if others := fleet.elsewhere:
        where = "on their way to an instance" if fleet.placed else "AWS does not tell which instance a call is on"
        parts.append(f'<text x="0" y="{floor + 14:g}" {TEXT}>{len(others)} calls of this client: {where}</text>')
        across = int(_WIDTH / _STEP) - 1
        parts.append(_dots(fleet, others, 10, floor + 32, across))
        floor += 32 + ceil(len(others) / across) * _STEP
    phases = ", ".join(f"{sum(i.phase == phase for i in fleet.instances)} {phase}" for phase in _LOOKS)
    label = f"Instances: {phases}; {len(fleet.calls)} calls, {fleet.late} of them late"
    return picture("".join(parts), width=_WIDTH, height=floor, label=label, style=f"min-width:{_LEAST_WIDTH_PX}px")


def _box(instance: ShownInstance, left: float, top: float, height: float) -> str:
    colour, dash = _LOOKS[instance.phase]
    age = "" if instance.age_s is None or instance.phase == SERVING else f" {_minutes(instance.age_s)}"
    name = instance.instance_id[:10] or "instance"
    version = f"v{instance.version}" if instance.version else ""
    inner = f'x="{left + 10:.1f}"'
    return (
        f'<g data-phase="{instance.phase}"><title>{in_html(instance.instance_id or "instance")} '
        f"{in_html(instance.instance_type)} {in_html(version)}: {instance.phase}</title>"
        f'<rect x="{left + 1:.1f}" y="{top:g}" width="{_BOX_WIDTH - 2:.1f}" height="{height:g}" rx="8" '
        f'fill="{colour}" fill-opacity=".08" stroke="{colour}" stroke-width="2"{dash}/>'
        f'<text {inner} y="{top + 17:g}" {TEXT} font-weight="bold">{in_html(f"{instance.phase}{age}")}</text>'
        f'<text {inner} y="{top + 32:g}" {TEXT}>'
        f"{in_html(' '.join(filter(None, (name, instance.instance_type.removeprefix('ml.'), version))))}</text></g>"
    )


def _dots(fleet: FleetState, calls: Sequence[OngoingCall | None], left: float, top: float, across: int) -> str:
    places = ((left + number % across * _STEP, top + number // across * _STEP) for number in range(len(calls)))
    return "".join(_dot(fleet, call, x, y) for call, (x, y) in zip(calls, places, strict=True))


def _dot(fleet: FleetState, call: OngoingCall | None, x: float, y: float) -> str:
    if call is None:
        ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="none" stroke="{palette.MUTED}" stroke-width="2"/>'
        return f"<g><title>a request of another client</title>{ring}</g>"
    behind = "no text yet" if call.lag_ms is None else f"text {call.lag_ms:,.0f} ms behind"
    if late := fleet.is_late(call):
        drawn = f'<rect x="{x - 6:.1f}" y="{y - 6:.1f}" width="12" height="12" fill="{palette.LATE}" '
        drawn += f'transform="rotate(45 {x:.1f} {y:.1f})"/>'
    else:
        colour = palette.MUTED if call.lag_ms is None else palette.INSTANCES
        drawn = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6.5" fill="{colour}"/>'
    name = in_html(call.label)
    return f'<g data-call="{name}" data-late="{str(late).lower()}"><title>{name}: {behind}</title>{drawn}</g>'


def _money(fleet: FleetState) -> str:
    if fleet.usd_per_hour is None:
        return ""
    words = f"<b>${fleet.usd_per_hour:.2f} an hour</b> now"
    if fleet.always_usd_per_hour is not None and fleet.most > 1:
        words += f" · always {fleet.most} instance{'s' * (fleet.most != 1)}: ${fleet.always_usd_per_hour:.2f} an hour"
    if fleet.spent_usd is not None and fleet.always_usd is not None and fleet.most > 1:
        words += f" · in the time shown ${fleet.spent_usd:.2f} instead of ${fleet.always_usd:.2f}"
    return f'<div style="margin:.4em 0">{words}</div>'


def _legend(fleet: FleetState) -> str:
    signs = [(palette.INSTANCES, "●", f"call, text within {fleet.limit_ms:g} ms"), (palette.LATE, "◆", "later")]
    if any(call is None for instance in fleet.instances for call in fleet.on(instance)):
        signs.append((palette.MUTED, "○", "request of another client, or whose text is not followed"))
    words = " &nbsp; ".join(f'<span style="color:{colour}">{sign}</span> {text}' for colour, sign, text in signs)
    return f'<div style="font-size:.85em">{words}</div>'


def _captions(fleet: FleetState) -> str:
    """What is being said on the first calls: final words, then those that may still change, in grey."""
    speaking = [call for call in fleet.calls if call.said or call.guess][:CAPTIONS]
    rows = "".join(f"<tr><td>{_lag(fleet, call)}</td><td>{_words(call)}</td></tr>" for call in speaking)
    if not rows:
        return ""
    # One line each, so that nothing below moves with every word.
    style = "font-size:.9em;border-collapse:collapse;margin:.4em 0;white-space:nowrap"
    return f'<table style="{style}" aria-label="captions">{rows}</table>'


def _lag(fleet: FleetState, call: OngoingCall) -> str:
    late = fleet.is_late(call)
    sign, colour = ("◆", palette.LATE) if late else ("●", palette.INSTANCES)
    behind = "" if call.lag_ms is None else f"{call.lag_ms:,.0f} ms behind"
    coloured = f'<span style="color:{colour}">{sign}</span>'
    return f'<span style="padding-right:.8em">{coloured} {in_html(call.label)} {behind}</span>'


def _words(call: OngoingCall) -> str:
    room = max(_CAPTION_CHARACTERS - len(call.guess), 20)
    said = call.said if len(call.said) <= room else "… " + call.said[-room:].partition(" ")[2]
    guess = call.guess[-_CAPTION_CHARACTERS:]
    return f'{in_html(said)} <span style="opacity:.7">{in_html(guess)}</span>'


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"

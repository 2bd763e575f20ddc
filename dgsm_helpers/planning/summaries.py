"""A plan's figures in words, and as a row of the text that a shell prints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dgsm_helpers.planning.comparing import Played
    from dgsm_helpers.simulate.merits import Merits
    from dgsm_helpers.simulate.reaction import Comparison

COLUMNS = ("plan", "cost", "instance-hours", "most", "over capacity", "new above knee", "streams cut", "lag p95")
"""Of `row`."""


def told(detection: Comparison) -> str:
    """The guide's claim on this traffic, in a sentence: detection alone, and end to end."""
    fast, slow = detection.high_resolution, detection.one_minute
    text = (
        f"A step to that height: detected in {fast.detection_s:.0f} s with the 10 s metric, {slow.detection_s:.0f} s "
        f"with a 1-minute one ({detection.detection_factor:.1f}x sooner; the guide says up to 6x)"
    )
    if detection.total_factor is None:
        return f"{text}. The new instance did not serve within this traffic."
    return (
        f"{text}; end to end, until the new instance serves, {fast.total_s:.0f} s against {slow.total_s:.0f} s "
        f"({detection.total_factor:.1f}x)."
    )


def rerouted(random: Merits, evenly: Merits) -> str:
    """What the other routing would change, in a sentence."""
    return (
        f"Routing: with LEAST_OUTSTANDING_REQUESTS instead of RANDOM the recommended plan has "
        f"{evenly.over_capacity_share:.3%} of stream-time over capacity instead of {random.over_capacity_share:.3%}, "
        f"in {evenly.instance_hours:.1f} instead of {random.instance_hours:.1f} instance-hours."
    )


def row(item: Played) -> tuple[object, ...]:
    """A plan's row under `COLUMNS`; in brackets what the alarms' other statistic gives, while that is unsettled."""

    def both(figure: Callable[[Merits], str]) -> str:
        return figure(item.merits) + (f" ({figure(item.other)})" if item.other else "")

    return (
        item.plan.name,
        both(lambda m: "?" if m.cost_usd is None else f"${m.cost_usd:.2f}"),
        both(lambda m: f"{m.instance_hours:.1f}"),
        item.merits.peak_instances,
        both(lambda m: f"{m.over_capacity_share:.2%}"),
        f"{item.merits.new_above_knee_share:.1%}",
        item.merits.streams_cut,
        _lag(item),
    )


def _lag(item: Played) -> str:
    p95_ms, beyond = item.lag.p95_ms, f"{item.lag.unmeasured_share:.1%} beyond the ladder"
    if math.isnan(p95_ms):
        return "not measured"
    if math.isinf(p95_ms):
        return beyond
    return f"{p95_ms:.0f} ms" + (f" ({beyond})" if item.lag.unmeasured_share > 0 else "")

"""From three instances to fewer: the band in which nothing is removed, by which datapoints, and how many at once."""

from dataclasses import replace
from typing import Any

from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.recording.ground import MOST_INSTANCES, POLICY, Ground, Observed, codes

_LOW_S = 1800.0
"""How long AlarmLow and what follows may take: twice the 15 minutes that are assumed."""
_NEWEST_S = 150.0
"""By then a removal judged by the newest datapoint has begun; one by the mean of 15 minutes has not."""
_HIGH_TARGET = 12.0
"""At it one instance carries all that is in flight, by any datapoint of the last 15 minutes."""


def shrinking(ground: Ground) -> Observed:
    """Three streams an instance for 15 minutes, then one, then a target at which one instance is enough."""
    ground.at(MOST_INSTANCES)
    begin = ground.wb.now()
    values: dict[str, Any] = {}
    with ground.streams(0) as load:
        ground.spread(load, 3 * MOST_INSTANCES)

        def low() -> list[str]:
            return [c for a in ground.activities(begin) if a.alarm_side == "low" for c in a.not_scaled_reasons]

        reasons = ground.until(lambda: low() or ground.desired < MOST_INSTANCES, at_most_s=_LOW_S)
        if not isinstance(reasons, list):
            return Observed(values={}, seen=f"AlarmLow of 3 streams on 3 instances: {ground.desired} asked for")
        values["dead_band_code"] = reasons[0]
        load.set(MOST_INSTANCES)
        ground.until(lambda: ground.desired < MOST_INSTANCES, at_most_s=_NEWEST_S)
        after_drop = ground.desired
        values["capacity_metric"] = "latest" if after_drop == 1 else "mean"
        seen = f"three streams an instance: {codes(ground.activities(begin))}; one: {after_drop} instances asked for"
        if after_drop < MOST_INSTANCES:
            ground.at(MOST_INSTANCES)
            ground.spread(load, MOST_INSTANCES)
        raised = ground.wb.now()
        registration.apply(ground.wb, replace(POLICY, target_value=_HIGH_TARGET))
        ground.until(lambda: ground.desired < MOST_INSTANCES, at_most_s=_LOW_S)
        ground.until(lambda: ground.in_service, at_most_s=_LOW_S)
        ground.wb.sleep(30)
    removals = [a for a in ground.activities(raised) if a.desired_instances and a.alarm_side == "low"]
    if removals:
        left = removals[0].desired_instances
        values["scale_in_rule"] = "proportional" if left == 1 else "one-at-a-time"
        seen += f"; at target {_HIGH_TARGET:g}: {left} asked for"
        if removals[0].duration_s:
            values["scale_in_s"] = removals[0].duration_s
            seen += f", after {removals[0].duration_s:.0f} s there"
    return Observed(values=values, seen=seen)

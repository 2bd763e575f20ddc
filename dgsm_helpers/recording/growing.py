"""From one instance to three: when, to how many, and what happens while the endpoint is Updating."""

import json
from typing import Any

from dgsm_helpers.aws.watch import observe
from dgsm_helpers.planning.calibrating import reaction_values
from dgsm_helpers.recording.ground import POLICY, Ground, Observed, codes
from dgsm_helpers.recording.resting import policy_calls

_STREAMS = {4: "up", 6: "nearest", 8: "down"}
"""On one instance at target 3.5 they want 1.1, 1.7 and 2.3 instances: with so many a second one comes, by rounding."""
_REST_S, _WAIT_S = 90.0, 300.0
_MANY = {"up": 10, "nearest": 10, "down": 11}
"""Want three instances, on one and on two, by rounding: less what the second counts, none until its cooldown ends."""
_BUSY_S = 65.0
"""How long a third instance is wanted while the second starts: an alarm triggers its policy every minute."""
_REPLAY_WITHIN_S = 30


def growth(ground: Ground) -> Observed:
    """So many streams on one instance that a second comes, and, while it starts, so many that a third is wanted."""
    ground.at(1)
    with ground.streams(0) as load:
        for number in _STREAMS:
            load.set(0)
            ground.wb.sleep(_REST_S)  # the alarm is to go into ALARM anew
            begin = ground.wb.now()
            load.set(number)
            load.wait_open()
            if ground.until(lambda: ground.desired > 1, at_most_s=_WAIT_S):
                break
        else:
            return Observed(values={}, seen=f"{number} streams on one instance did not make it scale out")
        asked_s = (ground.wb.now() - begin).total_seconds()
        few, many = number, _MANY[_STREAMS[number]]
        load.set(many)
        ground.until(lambda: codes(ground.activities(begin)), at_most_s=_BUSY_S)
        load.set(few)  # what is judged once the second is there shall not be of now
        ground.until(lambda: ground.in_service, at_most_s=1800)
        ground.spread(load, many)
        ground.until(lambda: ground.desired > 2, at_most_s=_WAIT_S + POLICY.scale_out_cooldown_s)
        ground.until(lambda: ground.in_service, at_most_s=1800)
        ground.wb.sleep(30)  # the activity ends a moment after the endpoint is InService
    activities = ground.activities(begin)
    grown = [a for a in activities if a.desired_instances and a.trigger == "alarm"]
    high = {alarm.name for alarm in observe.alarm_states(ground.wb) if alarm.side == "high"}
    values: dict[str, Any] = {
        "capacity_rounding": _STREAMS[number],
        **reaction_values(grown[:1], observe.times_in_alarm(ground.wb, high)),
    }
    starts_s = [a.duration_s for a in grown if a.duration_s]
    if starts_s:
        # The faster of two, as the other may have pulled the image.
        values["provision_cached_s"] = min(starts_s)
    gap = ""
    if len(grown) > 1 and grown[0].ended is not None:
        after_s = (grown[1].started - grown[0].ended).total_seconds()
        values["cooldown_anchor"] = "completion" if after_s >= 0.75 * POLICY.scale_out_cooldown_s else "start"
        gap = f"; the third was asked for {after_s:.0f} s after the second was there"
    seen = (
        f"{number} streams on one instance: a second was asked for after {asked_s:.0f} s, there after "
        f"{json.dumps([round(s) for s in starts_s])} s{gap}; not scaled meanwhile: {codes(activities) or 'nothing'}"
    )
    two = {"ProductionVariants": [{"DesiredInstanceCount": 2}]}
    replay = (
        *policy_calls(POLICY),
        {"wait_s": 60},
        {"streams": number},
        {
            "until": {"call": "sagemaker.DescribeEndpoint", "with": {"EndpointName": "e"}, "answers": two},
            "within_s": [max(0, round(asked_s) - _REPLAY_WITHIN_S), round(asked_s) + _REPLAY_WITHIN_S],
        },
    )
    return Observed(values=values, seen=seen, replay=replay)

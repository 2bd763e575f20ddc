"""Whether an alarm on a PromQL query, as on what Deepgram's engine says of itself, may trigger a scaling policy."""

from __future__ import annotations

from dgsm_helpers.aws.scaling import query_alarm, registration
from dgsm_helpers.aws.watch.engine_metrics import ACTIVE, selector
from dgsm_helpers.errors import AwsCallFailed
from dgsm_helpers.recording.ground import MOST_INSTANCES, Ground, Observed

_ACTS_S = 180.0
"""How long a policy may take to act on its alarm."""


def promql(ground: Ground) -> Observed:
    """An alarm on a PromQL query with a step-scaling policy among its actions, set to ALARM by hand under a stream."""
    wb = ground.wb
    ground.at(1)
    registration.remove(wb)  # with its policy: nothing but the alarm is to act
    registration.register(wb, 1, MOST_INSTANCES)
    try:
        query_alarm.put(wb, f"{selector(wb, ACTIVE)} > 0")
        with ground.streams(1):
            wb.sleep(60)
            query_alarm.set_off(wb)
            acts = ground.until(lambda: ground.desired > 1, at_most_s=_ACTS_S)
        ground.settled()
    except AwsCallFailed as error:
        if type(error) is not AwsCallFailed or error.operation != "PutMetricAlarm":
            raise  # not refused for what it is
        return Observed(values={"promql_alarms": "refused"}, seen=f"such an alarm: {error.message}")
    finally:
        query_alarm.remove(wb)
        registration.remove(wb)
    return Observed(
        values={"promql_alarms": "scale" if acts else "accepted"},
        seen=f"such an alarm was taken; in ALARM it {'added an instance' if acts else 'added no instance'}",
    )

"""Whether an alarm on a PromQL query, as on what Deepgram's engine says of itself, may trigger a scaling policy."""

from __future__ import annotations

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.scaling.scalable_target import triple
from dgsm_helpers.aws.watch.engine_metrics import ACTIVE, selector
from dgsm_helpers.errors import AwsCallFailed
from dgsm_helpers.recording.ground import MOST_INSTANCES, Ground, Observed

_NAME = "dgsm-record-promql"
_ACTS_S = 180.0
"""How long a policy may take to act on its alarm."""


def promql(ground: Ground) -> Observed:
    """An alarm on a PromQL query with a step-scaling policy among its actions, set to ALARM by hand under a stream."""
    wb = ground.wb
    ground.at(1)
    registration.remove(wb)  # with its policy: nothing but the alarm is to act
    registration.register(wb, 1, MOST_INSTANCES)
    # On either side, for a query has no threshold from which AWS could count.
    steps = [{f"MetricInterval{side}Bound": 0.0, "ScalingAdjustment": 1} for side in ("Upper", "Lower")]
    adds_one = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps, "Cooldown": 60}
    policy = {"PolicyName": _NAME, "PolicyType": "StepScaling", "StepScalingPolicyConfiguration": adds_one}
    arn = call(wb, "application-autoscaling", "PutScalingPolicy", **triple(wb), **policy)["PolicyARN"]
    criterion = {"Query": f"{selector(wb, ACTIVE)} > 0", "PendingPeriod": 60, "RecoveryPeriod": 60}
    alarm = {
        "AlarmName": _NAME,
        "EvaluationCriteria": {"PromQLCriteria": criterion},
        "EvaluationInterval": 60,
        "AlarmActions": [arn],
    }
    try:
        call(wb, "cloudwatch", "PutMetricAlarm", **alarm)
    except AwsCallFailed as error:
        registration.remove(wb)
        if type(error) is not AwsCallFailed:  # refused for what the identity may do, or how often
            raise
        return Observed(values={"promql_alarms": "refused"}, seen=f"such an alarm: {error.message}")
    try:
        with ground.streams(1):
            wb.sleep(60)
            said = {"StateValue": "ALARM", "StateReason": "dgsm record asks whether its policy acts"}
            call(wb, "cloudwatch", "SetAlarmState", AlarmName=_NAME, **said)
            acts = ground.until(lambda: ground.desired > 1, at_most_s=_ACTS_S)
        ground.settled()
    finally:
        call(wb, "cloudwatch", "DeleteAlarms", AlarmNames=[_NAME])
        registration.remove(wb)
    return Observed(
        values={"promql_alarms": "scale" if acts else "accepted"},
        seen=f"such an alarm was taken; in ALARM it {'added an instance' if acts else 'added no instance'}",
    )

"""What an alarm does when its state changes: the message that its SNS topics get, and what its history says of it.

Scaling policies among the actions are carried out by Application Auto Scaling's beat, which notes them itself. Nothing
else that an alarm may name (Lambda, EC2, Systems Manager) is carried out here, and the history says so.

Source of the message: alarm notifications that were made public; of the history's words: CloudWatch user guide.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from dgsm_helpers.rules.alarms import COMPARISONS, AlarmStateName
from dgsm_helpers.rules.request_checks import model_loader
from embedded_aws.cloudwatch.metric_alarm import AlarmStatus, MetricAlarm, stamp
from embedded_aws.cloudwatch.queries import MetricStat
from embedded_aws.cloudwatch.statistics import is_extended
from embedded_aws.gateway import moto_inside
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.listings import ACCOUNT_ID, make_arn

_SHOUTED = {"SampleCount": "SAMPLE_COUNT"}
LONGEST_SUBJECT = 100
"""Characters that SNS takes as a subject."""


def require_action(action: str, region: str) -> None:
    """Raise AwsRefusal, in AWS's words, unless it is the ARN of something that an alarm of the region may name."""
    if not action.startswith("arn:"):
        raise AwsRefusal(f"Invalid arn syntax: {action}")
    of_region = action.split(":")[3:4]
    if of_region and of_region[0] not in ("", region):
        raise AwsRefusal(f"Invalid region {of_region[0]} specified. Only {region} is supported.")


def carry_out(region: str, before: AlarmStatus, after: AlarmStatus) -> Iterator[tuple[str, dict[str, Any]]]:
    """Publish a change of state; for each action the summary and the data of its line in the history."""
    if not after.actions_enabled:
        return
    for action in actions_for(after.alarm, after.state):
        if ":autoscaling:" in action:
            continue
        text, failure = "", f"the embedded AWS carries out no actions of {_service(action)}"
        if ":sns:" in action:
            text = json.dumps(_message(region, before, after))
            where = f" in {_region_name(region)}"
            name = after.alarm.name[: LONGEST_SUBJECT - len(after.state) - len(where) - 5]
            failure = moto_inside.publish(action, f'{after.state}: "{name}"{where}', text)
        yield action_line(action, at_s=after.transitioned_s, message=text, failure=failure)


def actions_for(alarm: MetricAlarm, state: AlarmStateName) -> tuple[str, ...]:
    """The actions that an alarm has for a state."""
    match state:
        case "ALARM":
            return alarm.alarm_actions
        case "OK":
            return alarm.ok_actions
    return alarm.insufficient_data_actions


def action_line(action: str, *, at_s: float, message: str = "", failure: str = "") -> tuple[str, dict[str, Any]]:
    """Summary and data of a line of the history; ``failure`` is why the action could not be carried out."""
    data: dict[str, Any] = {
        "actionState": "Failed" if failure else "Succeeded",
        "stateUpdateTimestamp": round(at_s * 1000),
        "notificationResource": action,
    }
    if message:
        data["publishedMessage"] = message
    if failure:
        return f"Failed to execute action {action}. Received error: {failure}", data | {"error": failure}
    return f"Successfully executed action {action}", data


def _message(region: str, before: AlarmStatus, after: AlarmStatus) -> dict[str, Any]:
    alarm = after.alarm
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description or None,
        "AWSAccountId": ACCOUNT_ID,
        "AlarmConfigurationUpdatedTimestamp": stamp(after.configured_s),
        "NewStateValue": after.state,
        "NewStateReason": after.reason,
        "StateChangeTime": stamp(after.transitioned_s),
        "Region": _region_name(region),
        "AlarmArn": make_arn("cloudwatch", region, f"alarm:{alarm.name}"),
        "OldStateValue": before.state,
        "OKActions": list(alarm.ok_actions),
        "AlarmActions": list(alarm.alarm_actions),
        "InsufficientDataActions": list(alarm.insufficient_data_actions),
        "Trigger": _trigger(alarm),
    }


def _trigger(alarm: MetricAlarm) -> dict[str, Any]:
    spec, trigger = alarm.spec, {}
    if alarm.metric:
        kind = "ExtendedStatistic" if is_extended(alarm.metric.stat) else "Statistic"
        trigger = _metric(alarm.metric) | {
            "StatisticType": kind,
            kind: alarm.metric.stat
            if kind == "ExtendedStatistic"
            else _SHOUTED.get(alarm.metric.stat, alarm.metric.stat.upper()),
            "Unit": alarm.metric.unit,
        }
    else:
        trigger["Metrics"] = [
            query.to_api()
            if query.metric is None
            else query.to_api() | {"MetricStat": query.metric.to_api() | {"Metric": _metric(query.metric)}}
            for query in alarm.metrics
        ]
    trigger |= {"Period": spec.period_s, "EvaluationPeriods": spec.evaluation_periods}
    if alarm.m_of_n:
        trigger["DatapointsToAlarm"] = spec.datapoints_to_alarm
    return trigger | {
        "ComparisonOperator": next(name for name, sign in COMPARISONS.items() if sign == spec.comparison),
        "Threshold": spec.threshold,
        "TreatMissingData": spec.treat_missing,
        "EvaluateLowSampleCountPercentile": "",
    }


def _metric(stat: MetricStat) -> dict[str, Any]:
    pairs = [{"value": value, "name": name} for name, value in stat.dimensions]
    return {"MetricName": stat.name, "Namespace": stat.namespace, "Dimensions": pairs}


def _service(action: str) -> str:
    return action.split(":")[2] if action.count(":") >= 2 else action


@cache
def _region_name(region: str) -> str:
    """AWS's name of a region, such as US East (N. Virginia)."""
    partitions: list[Mapping[str, Any]] = model_loader().load_data("endpoints")["partitions"]
    known = {name: about["description"] for one in partitions for name, about in one["regions"].items()}
    return str(known.get(region, region))

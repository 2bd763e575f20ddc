"""PutMetricAlarm's request, checked as CloudWatch checks it, and alarms as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dgsm_helpers.errors import InvalidInput
from embedded_aws.cloudwatch.alarm import COMPARISONS, Alarm, AlarmStatus, HistoryItem
from embedded_aws.cloudwatch.queries import (
    MetricStat,
    Query,
    dimensions_from_api,
    dimensions_to_api,
    period_of,
    queries_from_api,
)
from embedded_aws.cloudwatch.refusals import bad_combination, invalid
from embedded_aws.cloudwatch.statistics import is_extended, statistic
from embedded_aws.listings import ACCOUNT_ID

_TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
_OF_METRIC = ("MetricName", "Namespace", "Dimensions", "Statistic", "ExtendedStatistic", "Period", "Unit")
_UNSUPPORTED = (
    "ThresholdMetricId",
    "EvaluationWindow",
    "WarmUpConfiguration",
    "EvaluationCriteria",
    "EvaluationInterval",
    "ActionConfiguration",
)
_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")
_MOST_METRICS = 10
_DAY_S = 86400


def arn(region: str, name: str) -> str:
    """The ARN of an alarm."""
    return f"arn:aws:cloudwatch:{region}:{ACCOUNT_ID}:alarm:{name}"


def alarm_from_api(p: Mapping[str, Any]) -> Alarm:
    """The alarm of a PutMetricAlarm request.

    Raises:
        ServiceException: ValidationError, InvalidParameterCombination: CloudWatch refuses it, or it is not supported.
    """
    if unsupported := [member for member in _UNSUPPORTED if member in p]:
        raise invalid(f"The parameter {unsupported[0]} is not supported.")
    if p.get("EvaluateLowSampleCountPercentile", "evaluate") != "evaluate":
        raise invalid("EvaluateLowSampleCountPercentile other than evaluate is not supported.")
    if p["ComparisonOperator"] not in COMPARISONS:
        raise invalid(f"Anomaly detection ({p['ComparisonOperator']}) is not supported.")
    if "Threshold" not in p:
        raise invalid("The parameter Threshold is required.")
    if "EvaluationPeriods" not in p:
        raise invalid("The parameter EvaluationPeriods is required.")
    treatment = p.get("TreatMissingData", "missing")
    if treatment not in _TREATMENTS:
        raise invalid(f"Option {treatment} is not a valid TreatMissingData: use one of {', '.join(_TREATMENTS)}.")
    for action in (action for member in _ACTIONS for action in p.get(member, ())):
        if not action.startswith("arn:"):
            raise invalid(f"Invalid arn syntax: {action}")
    try:
        alarm = Alarm(
            name=p["AlarmName"],
            **_watched(p),
            threshold=p["Threshold"],
            comparison=COMPARISONS[p["ComparisonOperator"]],
            evaluation_periods=p["EvaluationPeriods"],
            datapoints_to_alarm=p.get("DatapointsToAlarm"),
            treat_missing=treatment,
            description=p.get("AlarmDescription", ""),
            actions_enabled=p.get("ActionsEnabled", True),
            alarm_actions=tuple(p.get("AlarmActions", ())),
            ok_actions=tuple(p.get("OKActions", ())),
            insufficient_data_actions=tuple(p.get("InsufficientDataActions", ())),
            tags={tag["Key"]: tag["Value"] for tag in p.get("Tags", ())},
        )
        _check_reach(alarm)
    except InvalidInput as refused:
        raise invalid(str(refused)) from None
    return alarm


def _watched(p: Mapping[str, Any]) -> dict[str, Any]:
    if "Metrics" in p:
        if beside := [member for member in _OF_METRIC if member in p]:
            raise bad_combination(f"The parameters Metrics and {beside[0]} cannot be used together.")
        return {"metrics": _metrics(p["Metrics"])}
    for member in ("MetricName", "Namespace", "Period"):
        if member not in p:
            raise invalid(f"The parameter {member} is required for an alarm on a metric.")
    if ("Statistic" in p) == ("ExtendedStatistic" in p):
        raise bad_combination("Exactly one of the parameters Statistic and ExtendedStatistic must be specified.")
    if "ExtendedStatistic" in p and not is_extended(p["ExtendedStatistic"]):
        raise invalid(f"The value {p['ExtendedStatistic']} for parameter ExtendedStatistic is not supported.")
    stat = p.get("Statistic") or p["ExtendedStatistic"]
    statistic(stat)
    pairs = dimensions_from_api(p.get("Dimensions", ()))
    return {"metric": MetricStat(p["Namespace"], p["MetricName"], pairs, stat, p["Period"], p.get("Unit"))}


def _metrics(given: Sequence[Mapping[str, Any]]) -> tuple[Query, ...]:
    queries = queries_from_api(given, where="Metrics")
    if sum(query.return_data for query in queries) != 1:
        raise invalid("Exactly one element of the metrics list should return data.")
    if sum(query.metric is not None for query in queries) > _MOST_METRICS:
        raise invalid(f"An alarm can watch at most {_MOST_METRICS} metrics.")
    return queries


def _check_reach(alarm: Alarm) -> None:
    period_s = period_of(alarm.queries)
    if period_s not in (10, 20, 30) and period_s % 60:
        raise invalid(f"The period of an alarm must be 10, 20, 30 or a multiple of 60 seconds, not {period_s}.")
    spec = alarm.spec
    most_s = 7 * _DAY_S if period_s >= 3600 else _DAY_S
    if spec.evaluation_periods * period_s > most_s:
        raise invalid(
            f"Metrics cannot be checked across more than {'seven days' if most_s > _DAY_S else 'a day'} "
            f"(EvaluationPeriods * Period must be <= {most_s})."
        )


def alarm_to_api(status: AlarmStatus, *, region: str) -> dict[str, Any]:
    """An alarm as DescribeAlarms shows it."""
    alarm = status.alarm
    shown: dict[str, Any] = {
        "AlarmName": alarm.name,
        "AlarmArn": arn(region, alarm.name),
        "AlarmConfigurationUpdatedTimestamp": time(status.configured_s),
        "ActionsEnabled": status.actions_enabled,
        "OKActions": list(alarm.ok_actions),
        "AlarmActions": list(alarm.alarm_actions),
        "InsufficientDataActions": list(alarm.insufficient_data_actions),
        "StateValue": status.state,
        "StateReason": status.reason,
        "StateUpdatedTimestamp": time(status.updated_s),
        "StateTransitionedTimestamp": time(status.transitioned_s),
        "EvaluationPeriods": alarm.evaluation_periods,
        "Threshold": alarm.threshold,
        "ComparisonOperator": next(name for name, sign in COMPARISONS.items() if sign == alarm.comparison),
        "TreatMissingData": alarm.treat_missing,
    }
    if alarm.datapoints_to_alarm:
        shown["DatapointsToAlarm"] = alarm.datapoints_to_alarm
    if alarm.description:
        shown["AlarmDescription"] = alarm.description
    if status.reason_data:
        shown["StateReasonData"] = status.reason_data
    return shown | _watched_to_api(alarm)


def _watched_to_api(alarm: Alarm) -> dict[str, Any]:
    watched = alarm.metric
    if watched is None:
        return {"Dimensions": [], "Metrics": [query.to_api() for query in alarm.metrics]}
    return {
        "Namespace": watched.namespace,
        "MetricName": watched.name,
        "Dimensions": dimensions_to_api(watched.dimensions),
        "Period": watched.period_s,
        "ExtendedStatistic" if is_extended(watched.stat) else "Statistic": watched.stat,
    } | ({"Unit": watched.unit} if watched.unit else {})


def history_to_api(item: HistoryItem) -> dict[str, Any]:
    """A line of history as DescribeAlarmHistory shows it."""
    return {
        "AlarmName": item.alarm_name,
        "AlarmType": "MetricAlarm",
        "Timestamp": time(item.at_s),
        "HistoryItemType": item.kind,
        "HistorySummary": item.summary,
        "HistoryData": item.data,
    }


def time(at_s: float) -> datetime:
    """Unix seconds as an aware time."""
    return datetime.fromtimestamp(at_s, UTC)

"""CloudWatch's operations on alarms: requests checked as CloudWatch checks them, and alarms as the API shows them."""

import json
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.alarms import COMPARISONS, AlarmSpec
from embedded_aws.clock import moment
from embedded_aws.cloudwatch.alarm_actions import require_action
from embedded_aws.cloudwatch.metric_alarm import AlarmStatus, HistoryItem, MetricAlarm
from embedded_aws.cloudwatch.queries import (
    MetricQuery,
    MetricStat,
    dimensions_from_api,
    period_of,
    queries_from_api,
)
from embedded_aws.cloudwatch.refusals import bad_combination, bad_token
from embedded_aws.cloudwatch.region_watch import RegionWatch
from embedded_aws.cloudwatch.statistics import is_extended, statistic
from embedded_aws.gateway.paging import one_page
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Operations, Params
from embedded_aws.gateway.resource_tags import merged
from embedded_aws.listings import make_arn

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
_NUMBER = attrgetter("number")
_MOST_METRICS = 10
_DAY_S = 86400
_PAGE = 50
_NAMED_PAGE = 100
"""How many alarms, or lines of history, an answer holds when AlarmNames, or nothing, is said."""


class AlarmOperations(Operations[RegionWatch]):
    """Operations on alarms."""

    def put_metric_alarm(self, p: Params) -> dict[str, Any]:
        """Make or replace an alarm."""
        try:
            self.state.alarms.put(_alarm_from_api(p, self.state.region))
        except InvalidInput as refused:
            raise AwsRefusal(str(refused)) from None
        return {}

    def describe_alarms(self, p: Params) -> dict[str, Any]:
        """Alarms by name, beginning of the name, state or action."""
        names = p.get("AlarmNames") or None
        if names and "AlarmNamePrefix" in p:
            raise bad_combination("The parameters AlarmNames and AlarmNamePrefix cannot be used together.")
        if family := [member for member in ("ChildrenOfAlarmName", "ParentsOfAlarmName") if member in p]:
            raise AwsRefusal(f"Composite alarms are not supported, so neither is {family[0]}.")
        rows = [
            self._row(status)
            for status in self.state.alarms.describe(names, prefix=p.get("AlarmNamePrefix", ""))
            if p.get("StateValue") in (None, status.state) and _acts(status, p.get("ActionPrefix", ""))
        ]
        page = one_page(
            rows if _of_metric_alarms(p) else [],
            p,
            "MetricAlarms",
            size=p.get("MaxRecords", _NAMED_PAGE if names else _PAGE),
            refusal=bad_token(),
            key=lambda row: row["AlarmName"],
        )
        return page | {"CompositeAlarms": []}

    def describe_alarms_for_metric(self, p: Params) -> dict[str, Any]:
        """Alarms that watch a metric itself, not as a part of metric math."""
        pairs = set(dimensions_from_api(p.get("Dimensions", ())))
        stat = p.get("Statistic") or p.get("ExtendedStatistic")
        rows = [
            self._row(status)
            for status in self.state.alarms.describe()
            if (watched := status.alarm.metric)
            and (watched.namespace, watched.name) == (p["Namespace"], p["MetricName"])
            and set(watched.dimensions) == pairs
            and stat in (None, watched.stat)
            and p.get("Period") in (None, watched.period_s)
            and p.get("Unit") in (None, watched.unit)
        ]
        return {"MetricAlarms": rows}

    def delete_alarms(self, p: Params) -> dict[str, Any]:
        """Delete alarms by name."""
        self.state.alarms.delete(p["AlarmNames"])
        return {}

    def set_alarm_state(self, p: Params) -> dict[str, Any]:
        """Set a state by hand."""
        data = p.get("StateReasonData", "")
        try:
            json.loads(data or "{}")
        except ValueError:
            raise AwsRefusal("StateReasonData is not valid JSON.", "InvalidFormat") from None
        self.state.alarms.set_state(p["AlarmName"], p["StateValue"], p["StateReason"], data)
        return {}

    def enable_alarm_actions(self, p: Params) -> dict[str, Any]:
        """Let changes of state trigger the alarms' actions."""
        self.state.alarms.enable_actions(p["AlarmNames"], True)
        return {}

    def disable_alarm_actions(self, p: Params) -> dict[str, Any]:
        """Let changes of state trigger nothing."""
        self.state.alarms.enable_actions(p["AlarmNames"], False)
        return {}

    def describe_alarm_history(self, p: Params) -> dict[str, Any]:
        """What happened to alarms, the newest first unless asked otherwise."""
        start_s = p["StartDate"].timestamp() if "StartDate" in p else float("-inf")
        end_s = p["EndDate"].timestamp() if "EndDate" in p else float("inf")
        items = self.state.alarms.history(p.get("AlarmName")) if _of_metric_alarms(p) else []
        kind, size = p.get("HistoryItemType"), p.get("MaxRecords", _NAMED_PAGE)
        items = [item for item in items if start_s <= item.at_s <= end_s and kind in (None, item.kind)]
        newest_first = p.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        items.sort(key=_NUMBER, reverse=newest_first)
        result, refusal = "AlarmHistoryItems", bad_token()
        page = one_page(items, p, result, size=size, refusal=refusal, key=_NUMBER, descending=newest_first)
        return page | {result: list(map(_history_row, page[result]))}

    def list_tags_for_resource(self, p: Params) -> dict[str, Any]:
        """An alarm's tags; none of one that is deleted, as recorded on AWS."""
        arn, prefix = p["ResourceARN"], self._arn("")
        known = self.state.alarms.get(arn.removeprefix(prefix)) or not arn.startswith(prefix)
        tags = self._by_arn(arn).tags if known else {}
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def tag_resource(self, p: Params) -> dict[str, Any]:
        """Tag an alarm."""
        status = self._by_arn(p["ResourceARN"])
        self.state.alarms.set_tags(status.alarm.name, _tagged(status.tags, p))
        return {}

    def untag_resource(self, p: Params) -> dict[str, Any]:
        """Take tags off an alarm."""
        status = self._by_arn(p["ResourceARN"])
        tags = {key: value for key, value in status.tags.items() if key not in p["TagKeys"]}
        self.state.alarms.set_tags(status.alarm.name, tags)
        return {}

    def _by_arn(self, arn: str) -> AlarmStatus:
        prefix = self._arn("")
        status = self.state.alarms.get(arn.removeprefix(prefix)) if arn.startswith(prefix) else None
        if status is None:
            raise AwsRefusal(f"There is no alarm {arn} in {self.state.region}.", "ResourceNotFoundException")
        return status

    def _arn(self, name: str) -> str:
        return make_arn("cloudwatch", self.state.region, f"alarm:{name}")

    def _row(self, status: AlarmStatus) -> dict[str, Any]:
        """An alarm as DescribeAlarms shows it."""
        alarm, spec = status.alarm, status.alarm.spec
        row: dict[str, Any] = {
            "AlarmName": alarm.name,
            "AlarmArn": self._arn(alarm.name),
            "AlarmConfigurationUpdatedTimestamp": moment(status.configured_s),
            "ActionsEnabled": status.actions_enabled,
            "OKActions": list(alarm.ok_actions),
            "AlarmActions": list(alarm.alarm_actions),
            "InsufficientDataActions": list(alarm.insufficient_data_actions),
            "StateValue": status.state,
            "StateReason": status.reason,
            "StateUpdatedTimestamp": moment(status.updated_s),
            "StateTransitionedTimestamp": moment(status.transitioned_s),
            "EvaluationPeriods": spec.evaluation_periods,
            "Threshold": spec.threshold,
            "ComparisonOperator": next(name for name, sign in COMPARISONS.items() if sign == spec.comparison),
        }
        if alarm.treatment_named:
            row["TreatMissingData"] = spec.treat_missing
        if alarm.m_of_n:
            row["DatapointsToAlarm"] = spec.datapoints_to_alarm
        if alarm.description:
            row["AlarmDescription"] = alarm.description
        if status.reason_data:
            row["StateReasonData"] = status.reason_data
        return row | alarm.watched_to_api()


def _acts(status: AlarmStatus, prefix: str) -> bool:
    alarm = status.alarm
    actions = (*alarm.alarm_actions, *alarm.ok_actions, *alarm.insufficient_data_actions)
    return not prefix or any(action.startswith(prefix) for action in actions)


def _of_metric_alarms(p: Params) -> bool:
    """CloudWatch shows metric alarms only unless other types are asked for; there are no others here."""
    return "MetricAlarm" in p.get("AlarmTypes", ("MetricAlarm",))


def _tagged(tags: Mapping[str, str], p: Params) -> dict[str, str]:
    codes = {"too_many": "InvalidParameterValue", "reserved": "InvalidParameterValue"}
    return merged(tags, {tag["Key"]: tag["Value"] for tag in p.get("Tags", ())}, **codes)


def _alarm_from_api(p: Params, region: str) -> MetricAlarm:
    if unsupported := [member for member in _UNSUPPORTED if member in p]:
        raise AwsRefusal(f"The parameter {unsupported[0]} is not supported.")
    if p.get("EvaluateLowSampleCountPercentile", "evaluate") != "evaluate":
        raise AwsRefusal("EvaluateLowSampleCountPercentile other than evaluate is not supported.")
    for member in ("ComparisonOperator", "EvaluationPeriods", "Threshold"):
        if member not in p:
            raise AwsRefusal(f"The parameter {member} is required.")
    if not abs(p["Threshold"]) < float("inf"):
        raise AwsRefusal(f"The parameter Threshold must be a finite number, not {p['Threshold']}.")
    if p["ComparisonOperator"] not in COMPARISONS:
        raise AwsRefusal(f"Anomaly detection ({p['ComparisonOperator']}) is not supported.")
    treatment = p.get("TreatMissingData", "missing")
    if treatment not in _TREATMENTS:
        raise AwsRefusal(f"Option {treatment} is not a valid TreatMissingData: use one of {', '.join(_TREATMENTS)}.")
    for action in (action for member in _ACTIONS for action in p.get(member, ())):
        require_action(action, region)
    metric, metrics = _watched(p)
    period_s = metric.period_s if metric else period_of(metrics)
    if period_s not in (10, 20, 30) and period_s % 60:
        raise AwsRefusal(f"The period of an alarm must be 10, 20, 30 or a multiple of 60 seconds, not {period_s}.")
    spec = AlarmSpec(
        threshold=p["Threshold"],
        comparison=COMPARISONS[p["ComparisonOperator"]],
        period_s=period_s,
        evaluation_periods=p["EvaluationPeriods"],
        datapoints_to_alarm=p.get("DatapointsToAlarm", p["EvaluationPeriods"]),
        statistic=metric.stat if metric else "",
        treat_missing=treatment,
    )
    most_s = 7 * _DAY_S if period_s >= 3600 else _DAY_S
    if spec.evaluation_periods * period_s > most_s:
        raise AwsRefusal(
            f"Metrics cannot be checked across more than {'seven days' if most_s > _DAY_S else 'a day'} "
            f"(EvaluationPeriods * Period must be <= {most_s})."
        )
    return MetricAlarm(
        name=p["AlarmName"],
        spec=spec,
        metric=metric,
        metrics=metrics,
        m_of_n="DatapointsToAlarm" in p,
        treatment_named="TreatMissingData" in p,
        description=p.get("AlarmDescription", ""),
        actions_enabled=p.get("ActionsEnabled", True),
        alarm_actions=tuple(p.get("AlarmActions", ())),
        ok_actions=tuple(p.get("OKActions", ())),
        insufficient_data_actions=tuple(p.get("InsufficientDataActions", ())),
        tags=_tagged({}, p),
    )


def _watched(p: Params) -> tuple[MetricStat | None, tuple[MetricQuery, ...]]:
    """The metric, or else the metrics, that the request names."""
    if "Metrics" in p:
        if metric_members := [member for member in _OF_METRIC if member in p]:
            raise bad_combination(f"The parameters Metrics and {metric_members[0]} cannot be used together.")
        return None, _metrics(p["Metrics"])
    for member in ("MetricName", "Namespace", "Period"):
        if member not in p:
            raise AwsRefusal(f"The parameter {member} is required for an alarm on a metric.")
    if ("Statistic" in p) == ("ExtendedStatistic" in p):
        raise bad_combination("Exactly one of the parameters Statistic and ExtendedStatistic must be specified.")
    if "ExtendedStatistic" in p and not is_extended(p["ExtendedStatistic"]):
        raise AwsRefusal(f"The value {p['ExtendedStatistic']} for parameter ExtendedStatistic is not supported.")
    stat = p.get("Statistic") or p["ExtendedStatistic"]
    statistic(stat)
    pairs = dimensions_from_api(p.get("Dimensions", ()))
    return MetricStat(p["Namespace"], p["MetricName"], pairs, stat, p["Period"], p.get("Unit")), ()


def _metrics(members: Sequence[Params]) -> tuple[MetricQuery, ...]:
    queries = queries_from_api(members, where="Metrics")
    if sum(query.return_data for query in queries) != 1:
        raise AwsRefusal("Exactly one element of the metrics list should return data.")
    if sum(query.metric is not None for query in queries) > _MOST_METRICS:
        raise AwsRefusal(f"An alarm can watch at most {_MOST_METRICS} metrics.")
    return queries


def _history_row(item: HistoryItem) -> dict[str, Any]:
    return {
        "AlarmName": item.alarm_name,
        "AlarmType": "MetricAlarm",
        "Timestamp": moment(item.at_s),
        "HistoryItemType": item.kind,
        "HistorySummary": item.summary,
        "HistoryData": item.data,
    }

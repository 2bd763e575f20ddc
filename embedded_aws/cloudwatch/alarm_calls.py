"""CloudWatch's operations on alarms. Parameters are as boto3 takes them and have passed botocore's service model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from moto.core.exceptions import ServiceException

from dgsm_helpers.errors import InvalidInput
from embedded_aws.cloudwatch import pages
from embedded_aws.cloudwatch.alarm import AlarmStatus
from embedded_aws.cloudwatch.alarm_requests import alarm_from_api, alarm_to_api, arn, history_to_api
from embedded_aws.cloudwatch.alarm_store import Alarms
from embedded_aws.cloudwatch.queries import dimensions_from_api
from embedded_aws.cloudwatch.refusals import bad_combination, bad_token, invalid

_PAGE = 50
_HISTORY_PAGE = 100


class AlarmCalls:
    """Answers the operations on one region's alarms."""

    def __init__(self, region: str, alarms: Alarms) -> None:
        self._region = region
        self._alarms = alarms

    def put_metric_alarm(self, p: Mapping[str, Any]) -> dict[str, Any]:
        try:
            self._alarms.put(alarm_from_api(p))
        except InvalidInput as refused:
            raise invalid(str(refused)) from None
        return {}

    def describe_alarms(self, p: Mapping[str, Any]) -> dict[str, Any]:
        names = p.get("AlarmNames") or None
        if names and "AlarmNamePrefix" in p:
            raise bad_combination("The parameters AlarmNames and AlarmNamePrefix cannot be used together.")
        if beside := [member for member in ("ChildrenOfAlarmName", "ParentsOfAlarmName") if member in p]:
            raise invalid(f"Composite alarms are not supported, so neither is {beside[0]}.")
        found = [
            status
            for status in self._alarms.describe(names, prefix=p.get("AlarmNamePrefix", ""))
            if p.get("StateValue") in (None, status.state) and _acts(status, p.get("ActionPrefix", ""))
        ]
        # CloudWatch shows metric alarms only unless other types are asked for; there are no others here.
        if "MetricAlarm" not in p.get("AlarmTypes", ("MetricAlarm",)):
            found = []
        size = p.get("MaxRecords", 100 if names else _PAGE)
        shown, more = pages.page(found, p.get("NextToken"), size=size, key=lambda status: status.alarm.name)
        listed = [alarm_to_api(status, region=self._region) for status in shown]
        return {"MetricAlarms": listed, "CompositeAlarms": []} | more

    def describe_alarms_for_metric(self, p: Mapping[str, Any]) -> dict[str, Any]:
        pairs = set(dimensions_from_api(p.get("Dimensions", ())))
        stat = p.get("Statistic") or p.get("ExtendedStatistic")
        found = [
            status
            for status in self._alarms.describe()
            if (watched := status.alarm.metric)
            and (watched.namespace, watched.name) == (p["Namespace"], p["MetricName"])
            and set(watched.dimensions) == pairs
            and stat in (None, watched.stat)
            and p.get("Period") in (None, watched.period_s)
            and p.get("Unit") in (None, watched.unit)
        ]
        return {"MetricAlarms": [alarm_to_api(status, region=self._region) for status in found]}

    def delete_alarms(self, p: Mapping[str, Any]) -> dict[str, Any]:
        self._alarms.delete(p["AlarmNames"])
        return {}

    def set_alarm_state(self, p: Mapping[str, Any]) -> dict[str, Any]:
        data = p.get("StateReasonData", "")
        try:
            json.loads(data or "{}")
        except ValueError:
            raise ServiceException("InvalidFormat", "StateReasonData is not valid JSON.") from None
        self._alarms.set_state(p["AlarmName"], p["StateValue"], p["StateReason"], data)
        return {}

    def enable_alarm_actions(self, p: Mapping[str, Any]) -> dict[str, Any]:
        self._alarms.enable_actions(p["AlarmNames"], True)
        return {}

    def disable_alarm_actions(self, p: Mapping[str, Any]) -> dict[str, Any]:
        self._alarms.enable_actions(p["AlarmNames"], False)
        return {}

    def describe_alarm_history(self, p: Mapping[str, Any]) -> dict[str, Any]:
        start_s = p["StartDate"].timestamp() if "StartDate" in p else float("-inf")
        end_s = p["EndDate"].timestamp() if "EndDate" in p else float("inf")
        found = [
            item
            for item in self._alarms.history(p.get("AlarmName"))
            if start_s <= item.at_s <= end_s and p.get("HistoryItemType") in (None, item.kind)
        ]
        if "MetricAlarm" not in p.get("AlarmTypes", ("MetricAlarm",)):
            found = []
        if p.get("ScanBy", "TimestampDescending") == "TimestampDescending":
            found.reverse()
        first = pages.position(p.get("NextToken")) or 0
        if not isinstance(first, int) or not 0 <= first <= len(found):
            raise bad_token()
        size = p.get("MaxRecords", _HISTORY_PAGE)
        more = {"NextToken": pages.token(first + size)} if first + size < len(found) else {}
        return {"AlarmHistoryItems": [history_to_api(item) for item in found[first : first + size]]} | more

    def list_tags_for_resource(self, p: Mapping[str, Any]) -> dict[str, Any]:
        tags = self._by_arn(p["ResourceARN"]).tags
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def tag_resource(self, p: Mapping[str, Any]) -> dict[str, Any]:
        status = self._by_arn(p["ResourceARN"])
        self._alarms.set_tags(status.alarm.name, {**status.tags, **{tag["Key"]: tag["Value"] for tag in p["Tags"]}})
        return {}

    def untag_resource(self, p: Mapping[str, Any]) -> dict[str, Any]:
        status = self._by_arn(p["ResourceARN"])
        kept = {key: value for key, value in status.tags.items() if key not in p["TagKeys"]}
        self._alarms.set_tags(status.alarm.name, kept)
        return {}

    def _by_arn(self, given: str) -> AlarmStatus:
        prefix = arn(self._region, "")
        status = self._alarms.get(given.removeprefix(prefix)) if given.startswith(prefix) else None
        if status is None:
            raise ServiceException("ResourceNotFoundException", f"There is no alarm {given} in {self._region}.")
        return status


def _acts(status: AlarmStatus, prefix: str) -> bool:
    alarm = status.alarm
    actions = (*alarm.alarm_actions, *alarm.ok_actions, *alarm.insufficient_data_actions)
    return not prefix or any(action.startswith(prefix) for action in actions)

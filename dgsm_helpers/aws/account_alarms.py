"""The manual's recommended alarms and a dashboard in the account: made, changed and removed, never the policy's own.

Source: Deepgram, observability-sagemaker. Thresholds follow from measured capacity. Names begin with the prefixes that
clean-up searches for, and alarms carry the workbook's tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import evidence
from ..errors import AwsCallFailed, InvalidInput, NotFound, NotReady
from . import endpoint, scaling, tables
from .account_dashboard import dashboard_body
from .calls import call, pages
from .inventory import alarm_prefix, dashboard_prefix
from .metrics import CONCURRENCY, INVOCATION_NAMESPACE, UTILISATION_NAMESPACE
from .observe import alarm_states

if TYPE_CHECKING:
    from ..session import Workbook

CAPACITY_SHARE = 0.85
"""The manual says 80–90 % of measured capacity."""

GPU_SHARE_PERCENT = 80
EXAMPLE_FIRST_CHUNK_MS = 5000.0
"""The manual's example, used when no baseline is known."""

_BASELINE_FACTOR = 3.0
_LEAST_FIRST_CHUNK_MS = 1000.0
"""Whatever the baseline: Deepgram expects 200–500 ms for a healthy stream, and half a second more wakes nobody."""

_GPUS = {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}
"""GPUs by size, of the g5, g6 and g6e types; the smaller sizes and 16xlarge have one."""


@dataclass(frozen=True)
class AccountAlarm:
    """One alarm: PutMetricAlarm's parameters without tags, and how its threshold came about."""

    request: Mapping[str, Any]
    why: str

    @property
    def name(self) -> str:
        """Its name in the account."""
        return self.request["AlarmName"]


@dataclass(frozen=True)
class Put:
    """What :func:`put` did: names created, changed, and found as they should be; ``alarms`` say why so."""

    endpoint_name: str
    created: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: tuple[str, ...]
    alarms: tuple[AccountAlarm, ...]

    def __str__(self) -> str:
        return tables.text_table(self._caption(), _COLUMNS, self._rows(), notes=self._notes())

    def _repr_html_(self) -> str:
        return tables.html_table(self._caption(), _COLUMNS, self._rows(), notes=self._notes())

    def _caption(self) -> str:
        counts = f"{len(self.created)} created, {len(self.updated)} changed, {len(self.unchanged)} as they were"
        return f"Alarms and dashboard of {self.endpoint_name}: {counts}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [(alarm.name, _rule(alarm.request), alarm.why) for alarm in self.alarms]

    def _notes(self) -> list[str]:
        ours = {alarm.name for alarm in self.alarms}
        others = sorted({*self.created, *self.updated, *self.unchanged} - ours)
        return [f"Dashboard {name}." for name in others]


_COLUMNS = ("alarm", "when", "threshold from")


def recommended(
    wb: Workbook,
    *,
    knee: int,
    knee_from: str,
    gpus: int,
    first_chunk_ms: float | None = None,
    sns_topic_arn: str | None = None,
) -> tuple[AccountAlarm, ...]:
    """The four alarms as values; nothing is called.

    Args:
        knee: streams that one instance sustains; ``knee_from`` says who says so.
        gpus: GPUs of one instance, as GPUUtilization counts 100 for each.
        first_chunk_ms: p95 or so of the first chunk in normal operation; None: the manual's example of 5 s.
        sns_topic_arn: topic told when an alarm begins and ends; None: the alarms are only seen.
    """
    where = [{"Name": "EndpointName", "Value": wb.endpoint_name}, {"Name": "VariantName", "Value": wb.variant_name}]
    actions = [sns_topic_arn] if sns_topic_arn else []

    def alarm(short: str, description: str, why: str, **numbers: Any) -> AccountAlarm:
        request = {
            "AlarmName": f"{alarm_prefix(wb)}{short}",
            "AlarmDescription": description,
            "Dimensions": where,
            "AlarmActions": actions,
            "OKActions": actions,
            **numbers,
        }
        return AccountAlarm(request, why)

    limit_ms, limit_from = _first_chunk_limit(first_chunk_ms)
    return (
        alarm(
            "concurrency-near-capacity",
            f"An instance holds {CAPACITY_SHARE:.0%} or more of the {knee} streams that it sustains.",
            f"{CAPACITY_SHARE:.0%} of {knee} streams ({knee_from})",
            Namespace=INVOCATION_NAMESPACE,
            MetricName=CONCURRENCY,
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=3,
            DatapointsToAlarm=3,
            Threshold=CAPACITY_SHARE * knee,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            # The metric is always there while an instance serves: its absence is a state of its own.
            TreatMissingData="missing",
        ),
        alarm(
            "errors-5xx",
            "Five or more requests failed on the server's side in five minutes, twice.",
            "the manual",
            Namespace=INVOCATION_NAMESPACE,
            MetricName="Invocation5XXErrors",
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=2,
            DatapointsToAlarm=2,
            Threshold=5.0,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
        ),
        alarm(
            "first-chunk-p99",
            f"The slowest new streams wait longer than {limit_ms:.0f} ms for their first result.",
            limit_from,
            Namespace=INVOCATION_NAMESPACE,
            MetricName="FirstChunkLatency",
            ExtendedStatistic="p99",
            Period=60,
            EvaluationPeriods=3,
            DatapointsToAlarm=3,
            # The metric is in microseconds, one sample per stream: minutes without new streams are normal.
            Threshold=limit_ms * 1000,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        ),
        alarm(
            "gpu-utilisation",
            f"The GPUs are {GPU_SHARE_PERCENT} % busy or more for a quarter of an hour.",
            f"{GPU_SHARE_PERCENT} % of {gpus} GPU{'s' * (gpus > 1)}",
            Namespace=UTILISATION_NAMESPACE,
            MetricName="GPUUtilization",
            Statistic="Average",
            Period=300,
            EvaluationPeriods=3,
            DatapointsToAlarm=3,
            Threshold=float(GPU_SHARE_PERCENT * gpus),
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="missing",
        ),
    )


def put(
    wb: Workbook,
    *,
    knee: int | None = None,
    first_chunk_ms: float | None = None,
    sns_topic_arn: str | None = None,
) -> Put:
    """Make the alarms and the dashboard, or bring them up to date; nothing is written that is as it should be.

    They cost cents a month each (a dashboard $3 beyond the first three); clean-up finds and deletes them.

    Args:
        knee: streams that one instance sustains; default: the newest measurement's.
        first_chunk_ms: normal first-chunk latency; default: that of the measurement at the knee.
        sns_topic_arn: topic of the alarms' actions; None removes the actions.

    Raises:
        NotFound: no such endpoint.
        NotReady: no capacity was measured and no ``knee`` given.
        InvalidInput: the knee is below one.
        InvalidRequest: AWS's model refuses a value, such as a topic's ARN; nothing was made.
    """
    state = endpoint.status(wb)
    state.variant(wb.variant_name)
    types = endpoint.instance_types(wb, state)
    measured = evidence.newest(wb)
    knee, knee_from = _knee(wb, knee, measured)
    if first_chunk_ms is None and measured is not None:
        first_chunk_ms = _first_chunk_ms(measured)
    alarms = recommended(
        wb,
        knee=knee,
        knee_from=knee_from,
        gpus=min(map(_gpus, types), default=1),
        first_chunk_ms=first_chunk_ms,
        sns_topic_arn=sns_topic_arn,
    )
    done: dict[str, list[str]] = {"created": [], "updated": [], "unchanged": []}
    held = _held(wb)
    for alarm in alarms:
        before = held.get(alarm.name)
        what = "created" if before is None else "unchanged" if _same(alarm.request, before) else "updated"
        if what != "unchanged":
            # Tags are taken when an alarm is made; CloudWatch ignores them in a later put.
            tags = {"Tags": wb.tags} if before is None else {}
            call(wb, "cloudwatch", "PutMetricAlarm", **alarm.request, **tags)
        done[what].append(alarm.name)
    what, name = _put_dashboard(wb, knee)
    done[what].append(name)
    return Put(wb.endpoint_name, *(tuple(done[what]) for what in ("created", "updated", "unchanged")), alarms)


def remove(wb: Workbook) -> tuple[str, ...]:
    """Delete the workbook's alarms and dashboard of this endpoint; () the second time. The policy's own stay."""
    names = sorted(_held(wb))
    if names:
        call(wb, "cloudwatch", "DeleteAlarms", AlarmNames=names)
    name = _dashboard_name(wb)
    try:
        call(wb, "cloudwatch", "DeleteDashboards", DashboardNames=[name])
    except NotFound:
        return tuple(names)
    return (*names, name)


def _held(wb: Workbook) -> dict[str, dict[str, Any]]:
    found = pages(wb, "cloudwatch", "DescribeAlarms", "MetricAlarms", AlarmNamePrefix=alarm_prefix(wb))
    return {alarm["AlarmName"]: alarm for alarm in found}


def _same(wanted: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    def plain(value: Any) -> Any:
        return sorted(map(str, value)) if isinstance(value, list) else value

    return held.get("ActionsEnabled", True) and all(plain(held.get(key)) == plain(v) for key, v in wanted.items())


def _knee(wb: Workbook, given: int | None, measured: Mapping[str, Any] | None) -> tuple[int, str]:
    if given is not None:
        if given < 1:
            raise InvalidInput(f"knee is {given}.", hint="Give the streams that one instance sustains, 1 or more.")
        return given, "given"
    if measured is None:
        raise NotReady(
            f"No capacity has been measured for {wb.endpoint_name}, and the alarms follow from it.",
            hint="Run 03_tune or `dgsm tune` first, or pass knee=.",
        )
    return measured["feasible_max"], f"measured {measured['measured_at'][:10]}"


def _first_chunk_ms(measured: Mapping[str, Any]) -> float | None:
    """p95 of the first chunk with as many streams as one instance sustains: the slowest that is still normal."""
    at_knee = (r for r in measured.get("rungs", ()) if r["n"] == measured["feasible_max"])
    return next((r["first_chunk_p95_ms"] for r in at_knee if r["first_chunk_p95_ms"]), None)


def _first_chunk_limit(baseline_ms: float | None) -> tuple[float, str]:
    if baseline_ms is None:
        return EXAMPLE_FIRST_CHUNK_MS, "the manual's example"
    limit_ms = max(_BASELINE_FACTOR * baseline_ms, _LEAST_FIRST_CHUNK_MS)
    least = f", at least {_LEAST_FIRST_CHUNK_MS:.0f} ms" if limit_ms == _LEAST_FIRST_CHUNK_MS else ""
    return limit_ms, f"{_BASELINE_FACTOR:g} × {baseline_ms:.0f} ms{least}"


def _gpus(instance_type: str) -> int:
    return _GPUS.get(instance_type.rpartition(".")[2], 1)


def _dashboard_name(wb: Workbook) -> str:
    return f"{dashboard_prefix(wb)}overview"


def _put_dashboard(wb: Workbook, knee: int) -> tuple[str, str]:
    name = _dashboard_name(wb)
    targets = [float(p.configuration["TargetValue"]) for p in scaling.policies(wb) if p.configuration]
    own = [alarm["AlarmArn"] for alarm in _held(wb).values()]
    # An alarm's ARN differs from another's in its name only.
    policys = [f"{own[0].partition(':alarm:')[0]}:alarm:{alarm.name}" for alarm in alarm_states(wb)]
    body = dashboard_body(
        endpoint_name=wb.endpoint_name,
        variant_name=wb.variant_name,
        region=wb.region,
        target_value=min(targets, default=None),
        knee=knee,
        alarm_arns=sorted(own) + policys,
    )
    try:
        if call(wb, "cloudwatch", "GetDashboard", DashboardName=name)["DashboardBody"] == body:
            return "unchanged", name
        what = "updated"
    except NotFound:
        what = "created"
    answer = call(wb, "cloudwatch", "PutDashboard", DashboardName=name, DashboardBody=body)
    problems = [message.get("Message", "") for message in answer.get("DashboardValidationMessages") or ()]
    if problems:
        raise AwsCallFailed(f"CloudWatch took dashboard {name} with complaints: {'; '.join(problems)}.")
    return what, name


def _rule(request: Mapping[str, Any]) -> str:
    sign = ">=" if request["ComparisonOperator"].startswith("GreaterThanOrEqual") else ">"
    stat = request.get("Statistic") or request["ExtendedStatistic"]
    return (
        f"{request['MetricName']} {stat} {sign} {request['Threshold']:g}, "
        f"{request['EvaluationPeriods']} × {request['Period']} s"
    )

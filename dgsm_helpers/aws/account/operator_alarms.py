"""The manual's recommended alarms and a dashboard in the account: made, changed and removed, never the policy's own.

Thresholds follow from measured capacity. Names begin with the prefixes that clean-up searches for, and alarms carry the
workbook's tags.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dgsm_helpers import state as evidence
from dgsm_helpers.aws.account.inventory import dashboard_prefix
from dgsm_helpers.aws.account.recommended import AccountAlarm, dashboard_body, gpus_of, recommended
from dgsm_helpers.aws.core.calls import call, call_or_none, call_tagged
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import scalable_target
from dgsm_helpers.aws.watch.observe import alarm_states, described_alarms
from dgsm_helpers.errors import AwsCallFailed, InvalidInput, NotReady
from dgsm_helpers.rules.names import alarm_prefix
from dgsm_helpers.rules.step_in import STEP_IN
from dgsm_helpers.session import Workbook


@dataclass(frozen=True)
class AlarmChanges(Table):
    """What :func:`put` did: names created, changed, and found as they should be; ``alarms`` say why so."""

    endpoint_name: str
    created: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: tuple[str, ...]
    alarms: tuple[AccountAlarm, ...]
    warnings: tuple[str, ...] = ()

    _columns = ("alarm", "when", "threshold from")

    def _caption(self) -> str:
        counts = f"{len(self.created)} created, {len(self.updated)} changed, {len(self.unchanged)} as they were"
        return f"Alarms and dashboard of {self.endpoint_name}: {counts}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [(alarm.name, alarm.rule, alarm.why) for alarm in self.alarms]

    def _notes(self) -> list[str]:
        ours = {alarm.name for alarm in self.alarms}
        others = sorted({*self.created, *self.updated, *self.unchanged} - ours)
        return [*(f"Dashboard {name}: CloudWatch console, Dashboards." for name in others), *self.warnings]


def put(
    wb: Workbook,
    *,
    knee: int | None = None,
    first_chunk_ms: float | None = None,
    sns_topic_arn: str | None = None,
) -> AlarmChanges:
    """Make the alarms and the dashboard, or bring them up to date; nothing is written that is as it should be.

    They cost cents a month each (a dashboard $3 beyond the first three); clean-up finds and deletes them.

    Args:
        knee: streams that one instance sustains; default: the newest measurement's.
        first_chunk_ms: normal first-chunk latency; default: that of the measurement at the knee.
        sns_topic_arn: topic of the alarms' actions; None removes the actions.

    Raises:
        NotReady: no capacity was measured and no ``knee`` given.
        InvalidRequest: AWS's model refuses a value, such as a topic's ARN; nothing was made.
    """
    endpoint = EndpointReading(wb)
    endpoint.state.variant(wb.variant_name)
    wb.require_spend(
        "Each alarm", price="about $0.10 a month, and a dashboard $3 beyond the first three (AWS list price)"
    )
    types = endpoint.instance_types
    measured = evidence.newest(wb)
    knee, knee_from = _knee(wb, knee, measured)
    if first_chunk_ms is None and measured is not None:
        first_chunk_ms = _first_chunk_ms(measured)
    alarms = recommended(
        wb,
        knee=knee,
        knee_from=knee_from,
        gpus=min(map(gpus_of, types), default=1),
        first_chunk_ms=first_chunk_ms,
        sns_topic_arn=sns_topic_arn,
    )
    names_by_outcome: dict[str, list[str]] = {"created": [], "updated": [], "unchanged": []}
    held = _held(wb)
    warnings: set[str] = set()
    for alarm in alarms:
        before = held.get(alarm.name)
        outcome = "created" if before is None else "unchanged" if _same(alarm.request, before) else "updated"
        if outcome != "unchanged":
            # Tags are taken when an alarm is made; CloudWatch ignores them in a later put.
            warnings.update(_put_alarm(wb, alarm, wb.tags if before is None else ()))
        names_by_outcome[outcome].append(alarm.name)
    outcome, name = _put_dashboard(wb, knee)
    names_by_outcome[outcome].append(name)
    created, updated, unchanged = (tuple(names) for names in names_by_outcome.values())
    return AlarmChanges(wb.endpoint_name, created, updated, unchanged, alarms, tuple(warnings))


def remove(wb: Workbook) -> tuple[str, ...]:
    """Delete the workbook's alarms and dashboard of this endpoint; () the second time. The policy's own stay.

    Raises:
        DeletionNotConfirmed: the workbook was opened without ``confirm_delete=True`` on the user's account.
    """
    names = sorted(_held(wb))
    wb.require_delete(f"{len(names)} alarms and the dashboard of endpoint {wb.endpoint_name}")
    if names:
        call(wb, "cloudwatch", "DeleteAlarms", AlarmNames=names)
    name = _dashboard_name(wb)
    deleted = call_or_none(wb, "cloudwatch", "DeleteDashboards", DashboardNames=[name])
    return tuple(names) if deleted is None else (*names, name)


def _put_alarm(wb: Workbook, alarm: AccountAlarm, tags: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """PutMetricAlarm; a warning where the identity may not set tags."""
    if call_tagged(wb, "cloudwatch", "PutMetricAlarm", tags, **alarm.request):
        return ()
    return ("The alarms carry no tags: cloudwatch:TagResource is not allowed. Clean-up finds them by name.",)


def _held(wb: Workbook) -> dict[str, dict[str, Any]]:
    """All but the alarm that scales in, which is a policy's."""
    found = described_alarms(wb, alarm_prefix(wb.endpoint_name))
    return {alarm["AlarmName"]: alarm for alarm in found if not alarm["AlarmName"].endswith(STEP_IN)}


def _same(request: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    def plain(value: Any) -> Any:
        return sorted(map(str, value)) if isinstance(value, list) else value

    return held.get("ActionsEnabled", True) and all(plain(held.get(key)) == plain(v) for key, v in request.items())


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


def _dashboard_name(wb: Workbook) -> str:
    return f"{dashboard_prefix(wb)}overview"


def _put_dashboard(wb: Workbook, knee: int) -> tuple[str, str]:
    name = _dashboard_name(wb)
    targets = [float(p.configuration["TargetValue"]) for p in scalable_target.policies(wb) if p.tracks]
    own = [alarm["AlarmArn"] for alarm in _held(wb).values()]
    # An alarm's ARN differs from another's in its name only.
    policy_alarms = [f"{own[0].partition(':alarm:')[0]}:alarm:{alarm.name}" for alarm in alarm_states(wb)]
    body = dashboard_body(
        wb,
        target_value=min(targets, default=None),
        knee=knee,
        alarm_arns=sorted(own) + policy_alarms,
    )
    held = call_or_none(wb, "cloudwatch", "GetDashboard", DashboardName=name)
    if held is not None and held["DashboardBody"] == body:
        return "unchanged", name
    outcome = "created" if held is None else "updated"
    answer = call(wb, "cloudwatch", "PutDashboard", DashboardName=name, DashboardBody=body)
    problems = [message.get("Message", "") for message in answer.get("DashboardValidationMessages") or ()]
    if problems:
        raise AwsCallFailed(f"CloudWatch took dashboard {name} with complaints: {'; '.join(problems)}.")
    return outcome, name

"""Everything in the account that belongs to the workbook's endpoint, listed and not touched."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dgsm_helpers.aws.core.calls import call, call_or_none, pages
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.deployment_plan import name_stem
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState
from dgsm_helpers.aws.scaling import scalable_target
from dgsm_helpers.aws.watch import logs, observe
from dgsm_helpers.errors import AccessDenied, DgsmError
from dgsm_helpers.rules.names import alarm_prefix
from dgsm_helpers.session import Workbook

SCALING_KINDS = frozenset({"scalable target", "scaling policy", "scheduled action"})
_KINDS = {"EndpointConfig": "endpoint config", "Model": "model"}
_DELETING = {
    "endpoint": "sagemaker delete-endpoint --endpoint-name",
    "alarm": "cloudwatch delete-alarms --alarm-names",
}
"""How that which others made, and which bills by itself, is deleted by hand."""


@dataclass(frozen=True)
class Item:
    """One resource. ``ours``: made by the workbook or named by the caller, to be deleted; ``bills``: it costs."""

    kind: str
    name: str
    arn: str
    found_by: str
    ours: bool
    bills: bool
    detail: str = ""


@dataclass(frozen=True)
class Inventory(Table):
    """What was found, in the order in which it is deleted; ``notes`` say how it was searched.

    ``others`` are the region's other endpoints, whoever made them, that bill. ``unread`` says what of the endpoint the
    identity may not list, so that more of it may be there.
    """

    endpoint_name: str
    region: str
    items: tuple[Item, ...]
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = field(default=(), repr=False)

    _columns = ("kind", "name", "clean-up", "bills", "found by", "detail")

    @property
    def billing(self) -> tuple[Item, ...]:
        """What of the endpoint bills, whoever made it."""
        return tuple(item for item in self.items if item.bills)

    def bill(self) -> str:
        """In words: what bills, what to do about what others made, and what was not looked at."""
        lines = []
        for item in self.billing:
            text = f"Still bills in {self.region}: {item.kind} {item.name}"
            text += f", {item.detail}" if item.detail else ""
            if not item.ours and item.kind in _DELETING:
                by_hand = f"aws {_DELETING[item.kind]} {item.name} --region {self.region}"
                text += f"; this workbook did not make it: delete it where it was made, or by {by_hand}"
            lines.append(f"{text}.")
        lines += self.unread
        if not lines:
            lines.append(f"Nothing of {self.endpoint_name} bills in {self.region}.")
        if self.others:
            lines.append(f"Other endpoints bill there: {', '.join(self.others)}.")
        lines.append("Not looked at: other regions, notebook instances and Studio apps, logs and storage.")
        return "\n".join(lines)

    def _caption(self) -> str:
        ours = sum(item.ours for item in self.items)
        return f"Found for endpoint {self.endpoint_name}: {ours} to delete, {len(self.items) - ours} to leave alone"

    def _notes(self) -> tuple[str, ...]:
        return (*self.notes, *self.unread)

    def _rows(self) -> list[tuple[object, ...]]:
        return [(i.kind, i.name, "delete" if i.ours else "leave", i.bills, i.found_by, i.detail) for i in self.items]


def dashboard_prefix(wb: Workbook) -> str:
    """How the names of the workbook's dashboards begin (dashboards take no slash, endpoints no underscore)."""
    return f"dgsm_{wb.endpoint_name}_"


def is_ours(wb: Workbook, arn: str) -> bool:
    """Whether a SageMaker resource carries the workbook's tag for this endpoint."""
    tags = pages(wb, "sagemaker", "ListTags", "Tags", ResourceArn=arn)
    return {(tag["Key"], tag["Value"]) for tag in wb.tags} <= {(tag["Key"], tag["Value"]) for tag in tags}


def find(wb: Workbook, *, also: Sequence[str] = ()) -> Inventory:
    """List what belongs to the workbook's endpoint, by tag and by name. Nothing is changed.

    Args:
        also: names of resources without the workbook's tags that clean-up may delete all the same.
    """
    look = _Listing(wb, also)
    notes = look.notes
    state = endpoint_state.find(wb)
    endpoint_ours = state is not None and (look.is_ours(state.arn) or state.name in also)
    items = look.scaling(ours=state is None or endpoint_ours)
    if state is not None:
        found_by = _found_by(state.name, also, endpoint_ours)
        detail, bills = _what_runs(state)
        items.append(Item("endpoint", state.name, state.arn, found_by, endpoint_ours, bills, detail))
    items += look.listed("Endpoint configs", look.named("EndpointConfig"))
    items += look.listed("Models", look.named("Model"))
    items += look.listed("Alarms", _own_alarms(wb), "bill")
    items += look.listed("Dashboards", _dashboards(wb), "bill")
    items += look.listed("Alarms", _alarms_by_action(wb, also, {item.name for item in items}), "bill")
    notes += _log_group_note(wb)
    try:
        listed = pages(wb, "sagemaker", "ListEndpoints", "Endpoints")
        alive = [e["EndpointName"] for e in listed if e["EndpointStatus"] not in ("Failed", "Deleting")]
    except AccessDenied as error:
        alive = []
        notes.append(f"The region's other endpoints could not be listed, and may bill ({error.message}).")
    others = tuple(sorted({*alive} - {wb.endpoint_name}))
    return Inventory(wb.endpoint_name, wb.region, tuple(items), others, tuple(notes), tuple(look.unread.values()))


@dataclass
class _Listing:
    """One look at the account, which goes on where the identity may not read something."""

    wb: Workbook
    also: Sequence[str]
    unread: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tagged, self.notes = _tagged_arns(self.wb)

    def listed[T](self, what: str, found: Iterable[T], may: str = "remain") -> Iterator[T]:
        """What is found; where the identity may not list it, what was until then."""
        try:
            yield from found
        except AccessDenied as error:
            self.unread[what] = f"{what} could not be listed, and may {may} ({error.message})."

    def is_ours(self, arn: str) -> bool:
        """Whether a resource carries the workbook's tag, by its own tags, or else by the search."""
        try:
            return is_ours(self.wb, arn)
        except AccessDenied as error:
            self.unread["tags"] = f"Tags could not be read, and what they alone say is ours may remain: {error.message}"
            return arn in self.tagged

    def scaling(self, *, ours: bool) -> list[Item]:
        """The variant's scaling, in the order in which it is deleted."""
        on = "" if ours else "on an endpoint that this workbook did not make"
        wb = self.wb
        return [
            *self.listed("Scheduled actions", _scheduled_actions(wb, ours, on)),
            *self.listed("Scaling policies", _policies(wb, ours, on)),
            *self.listed("The scalable target", _target(wb, ours, on)),
            *self.listed("Alarms", _policy_alarms(wb, ours, on), "bill"),
        ]

    def named(self, kind_name: str) -> Iterator[Item]:
        """Endpoint configs or models by name, and those of other names by tag."""
        wb, also, tagged = self.wb, self.also, self.tagged
        kind = _KINDS[kind_name]
        stem = name_stem(wb.endpoint_name)
        mine_by_name = re.compile(re.escape(stem) + r"-[0-9a-f]{8}")
        seen: set[str] = set()
        summaries = pages(wb, "sagemaker", f"List{kind_name}s", f"{kind_name}s", NameContains=stem)
        # What carries the tag is found without this list, too.
        for summary in self.listed(f"{kind.capitalize()}s", summaries):
            name, arn = summary[f"{kind_name}Name"], summary[f"{kind_name}Arn"]
            ours = arn in tagged or name in also or self.is_ours(arn)
            if ours or mine_by_name.fullmatch(name):
                seen.add(arn)
                yield Item(kind, name, arn, _found_by(name, also, ours), ours, False, "" if ours else "without our tag")
        part = f":{kind.replace(' ', '-')}/"
        for arn in sorted(tagged - seen):
            name = arn.partition(part)[2]
            # The search by tag goes on finding what was deleted, for a while.
            if name and call_or_none(wb, "sagemaker", f"Describe{kind_name}", **{f"{kind_name}Name": name}) is not None:
                yield Item(kind, name, arn, "tag", True, False)


def _what_runs(state: EndpointState) -> tuple[str, bool]:
    """What the endpoint runs, in words, and whether it bills while nobody calls it."""
    serverless = [v.serverless for v in state.variants if v.serverless]
    if serverless and len(serverless) == len(state.variants):
        held = sum(config.get("ProvisionedConcurrency", 0) for config in serverless)
        text = f"{held} held ready" if held else "billed by request alone"
        return f"{state.status}, serverless, {text}", held > 0 and state.status != "Failed"
    shadows = f" and {len(state.shadows)} shadow variant" + "s" * (len(state.shadows) > 1) if state.shadows else ""
    return f"{state.status}, {state.running} of {state.desired} instances{shadows}", state.status != "Failed"


def _tagged_arns(wb: Workbook) -> tuple[frozenset[str], list[str]]:
    """ARNs carrying the workbook's tag whatever their name; the search needs a permission that is often missing."""
    filters = [{"Key": tag["Key"], "Values": [tag["Value"]]} for tag in wb.tags]
    try:
        tagged = pages(wb, "resourcegroupstaggingapi", "GetResources", "ResourceTagMappingList", TagFilters=filters)
        return frozenset(mapping["ResourceARN"] for mapping in tagged), []
    except DgsmError as error:
        return frozenset(), [
            f"Searched by name only, then by tag: the account-wide search by tag failed ({error.message})."
        ]


_BY = "the endpoint's name"


def _scheduled_actions(wb: Workbook, ours: bool, on: str) -> Iterator[Item]:
    service, of_variant = scalable_target.SERVICE, scalable_target.triple(wb)
    for action in pages(wb, service, "DescribeScheduledActions", "ScheduledActions", **of_variant):
        yield Item(
            "scheduled action", action["ScheduledActionName"], action["ScheduledActionARN"], _BY, ours, False, on
        )


def _policies(wb: Workbook, ours: bool, on: str) -> Iterator[Item]:
    for policy in scalable_target.policies(wb):
        yield Item("scaling policy", policy.name, policy.arn, _BY, ours, False, on)


def _target(wb: Workbook, ours: bool, on: str) -> Iterator[Item]:
    target = scalable_target.target(wb)
    if target is not None:
        bounds = f"{target.min_capacity} to {target.max_capacity} instances"
        yield Item("scalable target", wb.resource_id, target.arn, _BY, ours, False, on or bounds)


def _policy_alarms(wb: Workbook, ours: bool, on: str) -> Iterator[Item]:
    for alarm in observe.alarm_states(wb):
        yield Item("policy alarm", alarm.name, "", _BY, ours, True, on or "goes with its policy")


def _own_alarms(wb: Workbook) -> Iterator[Item]:
    for alarm in observe.described_alarms(wb, alarm_prefix(wb.endpoint_name)):
        yield Item("alarm", alarm["AlarmName"], alarm["AlarmArn"], "name", True, True)


def _dashboards(wb: Workbook) -> Iterator[Item]:
    listed = pages(wb, "cloudwatch", "ListDashboards", "DashboardEntries", DashboardNamePrefix=dashboard_prefix(wb))
    for entry in listed:
        yield Item("dashboard", entry["DashboardName"], entry.get("DashboardArn", ""), "name", True, True)


def _alarms_by_action(wb: Workbook, also: Sequence[str], known: set[str]) -> Iterator[Item]:
    """Alarms that somebody made to trigger a step-scaling policy of the endpoint; they outlive policy and endpoint."""
    here = f"arn:{wb.client('cloudwatch').meta.partition}:autoscaling:{wb.region}:"
    part = f":resource/sagemaker/endpoint/{wb.endpoint_name}/variant/"
    for alarm in pages(wb, "cloudwatch", "DescribeAlarms", "MetricAlarms", ActionPrefix=here):
        actions = (*alarm["AlarmActions"], *alarm["OKActions"], *alarm["InsufficientDataActions"])
        policies = [action.rpartition("/")[2] for action in actions if part in action]
        name = alarm["AlarmName"]
        if policies and name not in known:
            detail = f"triggers policy {', '.join(policies)}"
            yield Item("alarm", name, alarm["AlarmArn"], "its action", name in also, True, detail)


def _log_group_note(wb: Workbook) -> list[str]:
    group = logs.group_name(wb.endpoint_name)
    try:
        groups = call(wb, "logs", "DescribeLogGroups", logGroupNamePrefix=group)["logGroups"]
    except DgsmError:
        return []
    if not any(entry["logGroupName"] == group for entry in groups):
        return []
    return [f"SageMaker's log group {group} is kept, as a record; its storage costs cents per GB and month."]


def _found_by(name: str, also: Sequence[str], ours: bool) -> str:
    if name in also:
        return "named"
    return "tag" if ours else "name"

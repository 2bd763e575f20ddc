"""Finding what the workbook made, deleting it in the right order, and proving that nothing bills any more."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dgsm_helpers.aws.account.inventory import SCALING_KINDS, Inventory, Item, find
from dgsm_helpers.aws.core.calls import call_or_none
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.endpoint_state import OnProgress
from dgsm_helpers.aws.scaling import journal
from dgsm_helpers.aws.scaling.setup_calls import named_removed
from dgsm_helpers.aws.watch.observe import alarm_states
from dgsm_helpers.errors import AccessDenied, NotReady
from dgsm_helpers.session import Workbook
from dgsm_helpers.settings.parameters import require_type

_DELETE_TIMEOUT_S = 3600.0
_DELETE_ATTEMPTS = 3


@dataclass(frozen=True)
class Deleted(Table):
    """What was removed, in order, and what was found but left alone. ``took_s`` is workbook time."""

    removed: tuple[str, ...]
    kept: tuple[Item, ...]
    took_s: float

    _columns = ("removed",)

    def _caption(self) -> str:
        return f"Removed {len(self.removed)} things in {self.took_s:.0f} s" if self.removed else "Nothing was removed"

    def _rows(self) -> list[tuple[str]]:
        return [(text,) for text in self.removed]

    def _notes(self) -> list[str]:
        return [f"Left alone: {item.kind} {item.name} ({item.detail})." for item in self.kept]


def delete(
    wb: Workbook,
    found: Inventory | None = None,
    *,
    confirmed: bool = True,
    on_progress: OnProgress | None = None,
) -> Deleted:
    """Delete what :func:`find` listed as the workbook's, in the order AWS needs; nothing happens the second time.

    Policies and scalable target first, then the endpoint (which ends the billing), then, once it is gone, its configs
    and models, alarms and dashboards. What carries no tag of the workbook is left alone unless ``find`` was given it.

    Args:
        found: what to delete; default: what ``find(wb)`` lists now.
        confirmed: False to delete nothing and leave all of it alone; whatever is not a bool is refused.
        on_progress: called while the endpoint is being deleted.

    Raises:
        DeletionNotConfirmed: the workbook was opened without ``confirm_delete=True`` on the user's account.
    """
    require_type(bool, confirmed=confirmed)
    started = wb.now()
    found = found or find(wb)
    if not confirmed:
        return Deleted((), found.items, 0.0)
    mine = [item for item in found.items if item.ours]
    if mine:
        wb.require_delete(f"{len(mine)} things of endpoint {wb.endpoint_name}")
    removed: list[str] = []
    try:
        for text in _delete(wb, mine, on_progress):
            removed.append(text)
    except BaseException as error:
        error.add_note(f"Removed before that: {', '.join(removed) or 'nothing'}. Run the cell again for the rest.")
        raise
    kept = tuple(item for item in found.items if not item.ours)
    return Deleted(tuple(removed), kept, (wb.now() - started).total_seconds())


def prove_empty(wb: Workbook, *, also: Sequence[str] = ()) -> tuple[Item, ...]:
    """Read everything back: what of the endpoint still bills, whoever made it. Nothing, when it is empty.

    Raises:
        DgsmError: something could not be read, which proves nothing.
    """
    found = find(wb, also=also)
    if found.unread:
        raise AccessDenied(" ".join(found.unread), hint="Allow that, and ask again.")
    return found.billing


def _delete(wb: Workbook, mine: Sequence[Item], on_progress: OnProgress | None) -> Iterator[str]:
    """Delete one after the other, yielding each in words as it goes."""
    if any(item.kind in SCALING_KINDS for item in mine):
        # By name: the identity may delete what it may not list.
        actions, policies = _names(mine, "scheduled action"), _names(mine, "scaling policy")
        yield from named_removed(wb, actions, policies, registered=True)
        journal.strike_out(wb, of=endpoint_state.find(wb))
    if any(item.kind == "endpoint" for item in mine):
        yield from _delete_endpoint(wb, on_progress)
    for kind, operation, key in _DELETIONS:
        for name in _names(mine, kind):
            if call_or_none(wb, "sagemaker", operation, **{key: name}) is not None:
                yield f"{kind} {name}"
    # A policy's alarms go with it; those that are still there belong to no policy any more.
    policy_alarms = {*_names(mine, "policy alarm")}
    left_alarms = policy_alarms and {alarm.name for alarm in alarm_states(wb)} & policy_alarms
    for name in (*sorted(left_alarms), *_names(mine, "alarm")):
        if call_or_none(wb, "cloudwatch", "DeleteAlarms", AlarmNames=[name]) is not None:
            yield f"alarm {name}"
    for name in _names(mine, "dashboard"):
        if call_or_none(wb, "cloudwatch", "DeleteDashboards", DashboardNames=[name]) is not None:
            yield f"dashboard {name}"


_DELETIONS = (
    ("endpoint config", "DeleteEndpointConfig", "EndpointConfigName"),
    ("model", "DeleteModel", "ModelName"),
)


def _names(items: Iterable[Item], kind: str) -> list[str]:
    return [item.name for item in items if item.kind == kind]


def _delete_endpoint(wb: Workbook, on_progress: OnProgress | None) -> list[str]:
    """Ask for the deletion and wait until it is done; an endpoint in motion is waited for first, as AWS demands."""
    for attempt in range(1, _DELETE_ATTEMPTS + 1):
        try:
            if call_or_none(wb, "sagemaker", "DeleteEndpoint", EndpointName=wb.endpoint_name) is None:
                return []
        except NotReady:
            pass
        state = endpoint_state.settle(wb, timeout_s=_DELETE_TIMEOUT_S, on_progress=on_progress)
        if state is None:
            break
        if attempt == _DELETE_ATTEMPTS:
            message = f"Endpoint {wb.endpoint_name!r} was to be deleted and is {state.status}. {state.failure_reason}"
            raise NotReady(message.rstrip(), hint="Run the cell again; it may still bill.")
    return [f"endpoint {wb.endpoint_name}"]

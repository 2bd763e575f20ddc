"""SageMaker's quotas for endpoints by instance type, the requests to raise them that are open, and asking for more."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.errors import DgsmError, InvalidInput, QuotaExceeded
from dgsm_helpers.rules.names import quota_name
from dgsm_helpers.session import Workbook

KEPT = timedelta(hours=1)
"""How long a reading may be used again, in the workbook's time."""


def endpoint_quotas(
    wb: Workbook, instance_types: Sequence[str], *, at_least: int | None = None
) -> dict[str, int | None]:
    """How many instances of each type the account may run behind endpoints; None where Service Quotas lists none.

    Quota codes differ between types and are looked up by name. Reading stops at the page where the last type is found,
    since the whole list has thousands of rows.

    Args:
        at_least: what the caller needs. What the workbook read in the last hour is used again where it is that
            much; a lower quota, on which a refusal would rest, is read anew, since it may have been raised. None: all
            are read anew.

    Raises:
        AccessDenied: ``servicequotas:ListServiceQuotas`` is not allowed (``AmazonSageMakerFullAccess`` lacks it).
    """
    readings: dict[str, tuple[datetime, int | None]] = wb.readings.setdefault(f"endpoint quotas in {wb.region}", {})
    oldest = wb.now() - KEPT
    recent = {
        name: value for name, (read_at, value) in readings.items() if read_at >= oldest and name in instance_types
    }
    is_enough = at_least is not None and all(value is None or value >= at_least for value in recent.values())
    if not is_enough or set(instance_types) - set(recent):
        found = find_quotas(wb, instance_types)
        recent = {name: int(found[name]["Value"]) if name in found else None for name in instance_types}
        readings.update((name, (wb.now(), value)) for name, value in recent.items())
    return {name: recent[name] for name in instance_types}


def find_quotas(wb: Workbook, instance_types: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Service Quotas' own row of each type that it lists; read to the page where the last one is found.

    Raises: as `endpoint_quotas`.
    """
    missing = {quota_name(instance_type): instance_type for instance_type in instance_types}
    found: dict[str, Mapping[str, Any]] = {}
    for quota in pages(wb, "service-quotas", "ListServiceQuotas", "Quotas", ServiceCode="sagemaker"):
        instance_type = missing.pop(quota.get("QuotaName", ""), None)
        if instance_type is not None:
            found[instance_type] = quota
        if not missing:
            break
    return found


@dataclass(frozen=True)
class PoolChoice:
    """A pool without the types that the account may not run; ``note`` says in one sentence what was dropped.

    Types that Service Quotas does not list are kept.
    """

    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    note: str

    def __str__(self) -> str:
        return self.note


def without_zero_quota(wb: Workbook, instance_types: Sequence[str] | None = None) -> PoolChoice:
    """The pool without its zero-quota types, in the same order; default: the family's recommended pool.

    One such type fails the whole CreateEndpoint: capacity falls back to the next type, quota does not.

    Raises:
        QuotaExceeded: every type has a quota of zero.
    """
    types = tuple(instance_types or wb.family.default_pool)
    quotas = endpoint_quotas(wb, types, at_least=1)
    dropped = tuple(t for t in types if quotas[t] == 0)
    kept = tuple(t for t in types if t not in dropped)
    if not kept:
        raise QuotaExceeded(
            f"Every type of the pool has a quota of 0 in {wb.region}: {', '.join(types)}.",
            hint=f'Request "{quota_name(types[0])}" (`dgsm quota {types[0]} --request N`), or choose other types.',
        )
    note = "Every type of the pool has quota."
    if dropped:
        note = f"Dropped {', '.join(dropped)}: quota 0 in {wb.region}, which would fail the whole deployment."
    return PoolChoice(kept, dropped, note)


_OPEN = frozenset({"PENDING", "CASE_OPENED"})
"""States in which AWS has not decided yet (Service Quotas' API reference, RequestedServiceQuotaChange)."""


@dataclass(frozen=True)
class EndpointQuota:
    """How many instances of a type may run behind endpoints in a region.

    ``instances`` and ``code`` are None and empty where Service Quotas lists no such quota. ``requested`` is the number
    that an open request asks for, None without one; ``request_status`` is AWS's word for where it stands.
    """

    instance_type: str
    instances: int | None
    code: str = ""
    requested: int | None = None
    request_status: str = ""


@dataclass(frozen=True)
class EndpointQuotas(Table):
    """The quotas of some types in one region."""

    region: str
    rows: tuple[EndpointQuota, ...]

    _columns = ("instance type", "instances", "requested", "status")

    @property
    def ok(self) -> bool:
        """True when at least one instance of every type may run: one type without quota fails a whole deployment."""
        return all(row.instances for row in self.rows)

    def below(self, wanted: int) -> tuple[EndpointQuota, ...]:
        """The types whose quota is lower than ``wanted`` and for which no request is open.

        Raises:
            InvalidInput: Service Quotas lists no quota for a type.
        """
        unlisted = [row.instance_type for row in self.rows if row.instances is None]
        if unlisted:
            raise InvalidInput(
                f"Service Quotas lists no quota for {', '.join(unlisted)} in {self.region}.", hint="Check the names."
            )
        return tuple(row for row in self.rows if (row.instances or 0) < wanted and row.requested is None)

    def _caption(self) -> str:
        return f"Instances behind endpoints in {self.region}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (
                row.instance_type,
                "not listed" if row.instances is None else row.instances,
                "" if row.requested is None else row.requested,
                row.request_status,
            )
            for row in self.rows
        ]


def read_quotas(wb: Workbook, instance_types: Sequence[str]) -> EndpointQuotas:
    """The quotas of the types, read anew, with the open requests to raise them.

    Raises:
        AccessDenied: one of the two lists of Service Quotas may not be read.
    """
    found = find_quotas(wb, instance_types)
    history = pages(
        wb,
        "service-quotas",
        "ListRequestedServiceQuotaChangeHistory",
        "RequestedQuotas",
        ServiceCode="sagemaker",
    )
    requests = {r["QuotaCode"]: r for r in history if r["Status"] in _OPEN}
    rows = []
    for instance_type in dict.fromkeys(instance_types):
        quota = found.get(instance_type)
        if quota is None:
            rows.append(EndpointQuota(instance_type, None))
            continue
        row = EndpointQuota(instance_type, int(quota["Value"]), quota["QuotaCode"])
        if request := requests.get(row.code):
            row = replace(row, requested=int(request["DesiredValue"]), request_status=request["Status"])
        rows.append(row)
    return EndpointQuotas(wb.region, tuple(rows))


def request_increase(wb: Workbook, quotas: EndpointQuotas, wanted: int) -> EndpointQuotas:
    """Ask AWS for ``wanted`` instances of every type that has fewer and no open request; the quotas as they are then.

    AWS decides within minutes to days.

    Raises:
        InvalidInput: Service Quotas lists no quota for a type.
        DgsmError: AWS's refusal; a note names the types that were asked for before it.
    """
    done: list[str] = []
    for row in quotas.below(wanted):
        try:
            call(
                wb,
                "service-quotas",
                "RequestServiceQuotaIncrease",
                ServiceCode="sagemaker",
                QuotaCode=row.code,
                DesiredValue=float(wanted),
            )
        except DgsmError as error:
            error.add_note(f"Requested before that: {', '.join(done) or 'nothing'}.")
            raise
        done.append(row.instance_type)
    return read_quotas(wb, [row.instance_type for row in quotas.rows])

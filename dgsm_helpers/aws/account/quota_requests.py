"""Quotas of instance types beside the requests to raise them that are still open, and asking for more."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dgsm_helpers.aws.account.quotas import find_quotas
from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.errors import DgsmError, InvalidInput
from dgsm_helpers.session import Workbook

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

"""What an endpoint was before it is held still for a measurement, on disk until it is put back.

AWS cannot be asked for it once it has been changed, and a killed process cannot put it back: the next one does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState
from dgsm_helpers.aws.scaling.scaling_answers import Suspension, Target
from dgsm_helpers.errors import NotReady
from dgsm_helpers.session import Workbook
from dgsm_helpers.state import Record

ALL = Suspension(scale_in=True, scale_out=True, scheduled=True)
"""What is suspended while a variant is measured."""


@dataclass(frozen=True, kw_only=True)
class Former:
    """The variant before it is held still.

    ``endpoint_created`` tells this endpoint from a later one of the same name. ``min_capacity``, ``max_capacity`` and
    ``suspension`` are the scalable target's, None when the variant is not registered.
    """

    endpoint_created: str
    desired_instances: int
    min_capacity: int | None = None
    max_capacity: int | None = None
    suspension: Suspension | None = None

    @classmethod
    def of(cls, wb: Workbook, state: EndpointState, target: Target | None) -> Former:
        """The workbook's variant as AWS has it now.

        Raises:
            NotFound: the endpoint has no such variant.
        """
        of_target: dict[str, Any] = {}
        if target is not None:
            bounds = {"min_capacity": target.min_capacity, "max_capacity": target.max_capacity}
            of_target = {**bounds, "suspension": target.suspension}
        desired = state.variant(wb.variant_name).desired
        return cls(endpoint_created=str(state.created), desired_instances=desired, **of_target)

    @property
    def registered(self) -> bool:
        """Whether the variant was registered as a scalable target."""
        return self.suspension is not None

    def __str__(self) -> str:
        count = f"{self.desired_instances} instance{'s' * (self.desired_instances != 1)}"
        if self.suspension is None:
            return f"{count}, not registered for scaling"
        kinds = [kind for kind, is_suspended in vars(self.suspension).items() if is_suspended]
        state = f"suspended: {', '.join(kinds)}" if kinds else "scaling on"
        return f"{count}, {self.min_capacity} to {self.max_capacity}, {state}"


@contextmanager
def journal(wb: Workbook) -> Iterator[Record]:
    """The record of the workbook's variant as a `Former`, to this process alone.

    Raises:
        NotReady: another process of this state folder is measuring the variant.
    """
    record = Record(
        wb.state_path(f"measuring/{wb.key}-{wb.variant_name}.json"),
        kind="a record of a measurement",
        hint="Check scaling and instance count of the endpoint yourself, then remove that file.",
    )
    with record.locked(
        NotReady(f"{wb.resource_id} is being measured by another process.", hint="Wait for it, or end it.")
    ):
        yield record


def left_over(record: Record, now: Former) -> Former | None:
    """What a measurement that was cut off has to put back.

    Args:
        record: as `journal` gives it.
        now: the variant as it is now.

    Returns:
        None when there was none, it was of another endpoint, or somebody has put it back since.

    Raises:
        InvalidInput: the record is damaged, or of a later version.
    """
    former = record.read(_former)
    if former is None or former.endpoint_created != now.endpoint_created or former.registered != now.registered:
        return None
    if former.registered:
        untouched = now.suspension == ALL and now.max_capacity == former.max_capacity
    else:
        untouched = now.desired_instances == 1
    return former if untouched else None


def _former(content: dict[str, Any]) -> Former:
    suspension = content.pop("suspension")
    return Former(**content, suspension=suspension and Suspension(**suspension))

"""What an endpoint was before it is held still for a measurement, on disk until it is put back.

AWS cannot be asked for it once it has been changed, and a killed process cannot put it back: the next one does.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING

from dgsm_helpers.aws.scaling import scalable_target
from dgsm_helpers.aws.scaling.scalable_target import Suspension
from dgsm_helpers.errors import InvalidInput, NotReady

if TYPE_CHECKING:
    from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState
    from dgsm_helpers.aws.scaling.scaling_state import Target
    from dgsm_helpers.session import Workbook

SCHEMA = 1
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


def suspension_of(target: Target) -> Suspension:
    """What of the target's scaling is suspended."""
    return Suspension(
        scale_in=target.scale_in_suspended, scale_out=target.scale_out_suspended, scheduled=target.scheduled_suspended
    )


def read_former(wb: Workbook, state: EndpointState) -> Former:
    """The workbook's variant as AWS has it now.

    Raises:
        NotFound: the endpoint has no such variant.
    """
    target = scalable_target.target(wb)
    return Former(
        endpoint_created=str(state.created),
        desired_instances=state.variant(wb.variant_name).desired,
        min_capacity=target and target.min_capacity,
        max_capacity=target and target.max_capacity,
        suspension=target and suspension_of(target),
    )


class Journal:
    """The one record of a variant; made by `journal`."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def read(self, state: EndpointState) -> Former | None:
        """What a measurement that was cut off left behind; None when there was none, or it was of another endpoint.

        Raises:
            InvalidInput: the record is damaged, or of a later version.
        """
        self._file.seek(0)
        text = self._file.read()
        if not text:
            return None
        try:
            content = json.loads(text)
            if content.pop("schema") != SCHEMA:
                raise ValueError("another schema")
            if content["suspension"] is not None:
                content["suspension"] = Suspension(**content["suspension"])
            former = Former(**content)
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput(
                f"{self._file.name} is not a record of a measurement: {error}.",
                hint="Check scaling and instance count of the endpoint yourself, then remove that file.",
            ) from error
        return former if former.endpoint_created == str(state.created) else None

    def write(self, former: Former) -> None:
        """Keep ``former`` until `clear`."""
        self.clear()
        self._file.write(json.dumps({"schema": SCHEMA, **asdict(former)}, indent=1))
        self._file.flush()

    def clear(self) -> None:
        """Everything is as it was: nothing is left to put back."""
        self._file.seek(0)
        self._file.truncate()
        self._file.flush()


@contextmanager
def journal(wb: Workbook) -> Iterator[Journal]:
    """The record of the workbook's variant, to this process alone.

    Raises:
        NotReady: another process of this state folder is measuring the variant.
    """
    path = wb.state_path(f"measuring/{wb.key}-{wb.variant_name}.json")
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NotReady(
                f"{wb.resource_id} is being measured by another process.", hint="Wait for it, or end it."
            ) from error
        yield Journal(file)


def left_over(wb: Workbook, record: Journal, state: EndpointState) -> Former | None:
    """What a measurement that was cut off has to put back; None when there was none or somebody did it since."""
    former, now = record.read(state), read_former(wb, state)
    if former is None or former.registered != now.registered:
        return None
    if former.registered:
        untouched = now.suspension == ALL and now.max_capacity == former.max_capacity
    else:
        untouched = now.desired_instances == 1
    return former if untouched else None

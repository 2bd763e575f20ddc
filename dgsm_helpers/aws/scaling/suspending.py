"""Scaling suspended for a while, and let go on."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from dgsm_helpers.aws.core.money import require_spend
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import journal
from dgsm_helpers.aws.scaling.scalable_target import Suspension, change, require_target
from dgsm_helpers.session import Workbook
from dgsm_helpers.settings.parameters import require_type


def resume_scaling(wb: Workbook, to: Suspension | None = None) -> None:
    """Let scaling go on; ``to`` is what stays suspended, by default nothing.

    Raises:
        NotFound: the variant is not registered.
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``; the policy may add instances.
    """
    journal.finish(wb)
    _require_spend(wb, "Letting scaling go on")
    change(wb, SuspendedState=(to or Suspension()).to_request())


@contextmanager
def suspended(
    wb: Workbook, *, scale_in: bool = True, scale_out: bool = True, scheduled: bool = True
) -> Iterator[Suspension]:
    """Within it the kinds of scaling named are suspended; afterwards all is as before, whatever happens.

    What is not named goes on as it is. Yields what was suspended before. After a killed process the next command on
    the endpoint lets scaling go on (`journal`).

    Raises:
        NotFound: the variant is not registered.
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``: without scale-in, instances stay.
        NotReady: on leaving, scaling could not be let go on; says what to do.
    """
    require_type(bool, scale_in=scale_in, scale_out=scale_out, scheduled=scheduled)
    journal.finish(wb)
    target = require_target(wb)
    before = target.suspension
    _require_spend(wb, "Suspending scaling")
    within = Suspension(
        scale_in=before.scale_in or scale_in,
        scale_out=before.scale_out or scale_out,
        scheduled=before.scheduled or scheduled,
    )
    former = {"before": before.to_request(), "within": within.to_request(), "bounds": target.bounds}
    with journal.written(wb, "suspension", EndpointReading(wb).state, former) as page:
        change(wb, SuspendedState=within.to_request())
        yield before
        for meanwhile in page.put_back().meanwhile:
            warnings.warn(f"Meanwhile {meanwhile}: that was left as it is.", stacklevel=3)


def _require_spend(wb: Workbook, what: str) -> None:
    most = require_target(wb).max_capacity
    if wb.bills and not wb.confirm_spend:
        require_spend(
            wb, f"{what} of {wb.resource_id}, up to {most} instances,", EndpointReading(wb).instance_types, most
        )

"""A forecast in the account: its minimums as scheduled actions, put anew each time.

Each step is an action that fires once (``at``). The last, `LAST`, puts the ordinary minimum back where the forecast
ends, so that a forecast that nobody makes anew leaves nothing raised; it also says which minimum that is while another
one holds. Removing instances is left to the policy: no action has a maximum.
"""

from datetime import UTC, datetime

from dgsm_helpers.aws.core.money import require_spend
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import scalable_target, scheduled_actions
from dgsm_helpers.aws.scaling.scheduled_actions import ScheduledAction
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.forecasting import Forecast
from dgsm_helpers.planning.scheduled_bounds import FORECAST_PREFIX
from dgsm_helpers.rules.schedules import may_fire
from dgsm_helpers.session import Workbook

LAST = f"{FORECAST_PREFIX}end"


def actions_of(forecast: Forecast) -> tuple[ScheduledAction, ...]:
    """The scheduled actions that the forecast amounts to, the one that ends it last."""
    steps = [
        ScheduledAction(name=f"{FORECAST_PREFIX}{at:%Y%m%dT%H%MZ}", schedule=_at(at), min_capacity=minimum)
        for at, minimum in ((step.at, step.minimum) for step in forecast.steps)
    ]
    end = ScheduledAction(name=LAST, schedule=_at(forecast.end), min_capacity=forecast.plan.bounds.min_capacity)
    return (*steps, end)


def put_forecast(wb: Workbook, forecast: Forecast) -> tuple[ScheduledAction, ...]:
    """Schedule the forecast's minimums in place of those of the forecast before; what stays the same is not put again.

    Returns:
        The actions that are scheduled now.

    Raises:
        InvalidInput: the forecast begins in the past, or other scheduled actions set the minimum, too.
        SpendNotConfirmed: it raises the minimum, and the workbook was opened without ``confirm_spend=True``.
        NotFound, NotReady: the endpoint or its scalable target is not there.
    """
    registered = scalable_target.require_target(wb)
    if forecast.start <= wb.now():
        raise InvalidInput(
            f"The forecast begins at {forecast.start:%Y-%m-%d %H:%M} UTC, and it is {wb.now():%Y-%m-%d %H:%M}.",
            hint="Forecast from the endpoint's own metric, or from traffic recorded until today.",
        )
    there = {action.name: action for action in scheduled_actions.listed(wb)}
    others = [action for action in there.values() if not action.name.startswith(FORECAST_PREFIX)]
    if rivals := [action.name for action in others if _sets_minimum(action, wb.now())]:
        raise InvalidInput(
            f"Scheduled action {', '.join(rivals)} sets the minimum of {wb.endpoint_name!r}, too: of two, the last to "
            "fire holds.",
            hint="Remove it (aws application-autoscaling delete-scheduled-action), or do without the forecast.",
        )
    if forecast.highest > registered.min_capacity:
        types = EndpointReading(wb).instance_types
        require_spend(wb, f"Raising the minimum to {forecast.highest} instances", types, forecast.highest)
    wanted = actions_of(forecast)
    # The one that ends it first: whatever interrupts this leaves no minimum raised for good.
    for action in (wanted[-1], *wanted[:-1]):
        before = there.get(action.name)
        if before is None or (before.schedule, before.min_capacity) != (action.schedule, action.min_capacity):
            scheduled_actions.put(wb, action.name, action.schedule, min_capacity=action.min_capacity)
    for name in there.keys() - {action.name for action in wanted}:
        if name.startswith(FORECAST_PREFIX):
            scheduled_actions.remove(wb, name)
    return wanted


def _at(time: datetime) -> str:
    return f"at({time.astimezone(UTC):%Y-%m-%dT%H:%M:%S})"


def _sets_minimum(action: ScheduledAction, now: datetime) -> bool:
    """Whether an action changes the minimum some time from now on; one that cannot be read here may."""
    members = {"Schedule": action.schedule, "Timezone": action.timezone}
    limits = {"StartTime": action.start, "EndTime": action.end}
    return action.min_capacity is not None and may_fire({**members, **limits}, now)

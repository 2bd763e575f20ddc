"""What scheduled actions make of a scalable target's bounds: over the traffic, when it begins, and in the long run.

The bounds that AWS shows are those of the moment: at noon they are the busy hours'. Pure.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial

from dgsm_helpers.aws.scaling.scalable_target import Target
from dgsm_helpers.aws.scaling.scheduled_actions import ScheduledAction
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.policies import Bounds, ScheduledChange
from dgsm_helpers.rules.schedules import NextFiring, next_firing
from dgsm_helpers.simulate.traffic import DAY_S

FORECAST_PREFIX = "forecast-"
"""What the names of a forecast's scheduled actions begin with."""
_LOOK_BACK_DAYS = (1, 7, 31, 366)
"""How far back the last firing is looked for, the shorter time first: some fire every few minutes, some once a year."""


def ordinary_bounds(target: Target, actions: Iterable[ScheduledAction], now: datetime) -> tuple[int, int]:
    """The bounds outside of the hours for which scheduled actions widen or raise them: minimum and maximum.

    They are the lowest minimum and the highest maximum that recurring actions set. Where none recurs, they are what the
    last of those that fire once sets, as a forecast's `forecast-end`; else what is registered.
    """
    recurring, once = [], []
    for action in () if target.suspension.scheduled else actions:
        # One that cannot be read here tells nothing.
        with suppress(ValueError):
            moment_s = _firings(action)(now.timestamp())
            if moment_s is not None and action.schedule.startswith("at"):
                once.append((moment_s, action))
            elif moment_s is not None:
                recurring.append(action)
    last = [action for _, action in sorted(once, key=lambda item: item[0])]
    lows = [a.min_capacity for a in recurring if a.min_capacity is not None]
    highs = [a.max_capacity for a in recurring if a.max_capacity is not None]
    lows = lows or [a.min_capacity for a in last if a.min_capacity is not None][-1:] or [target.min_capacity]
    highs = highs or [a.max_capacity for a in last if a.max_capacity is not None][-1:] or [target.max_capacity]
    return min(*lows, max(highs)), max(highs)


def bounds_at(begin: datetime, target: Target, actions: Iterable[ScheduledAction], now: datetime) -> Bounds:
    """The bounds that hold at ``begin``, before what fires at that moment.

    From now on they are those registered and what fires until then. AWS keeps no history of them: for a ``begin`` since
    which something fired they are the ordinary ones and each action's last firing before it.
    """
    actions, begin_s, now_s = tuple(actions), begin.timestamp(), now.timestamp()
    suspension = target.suspension
    low, high = target.min_capacity, target.max_capacity
    fired: list[ScheduledChange] = []
    if begin_s > now_s:
        fired = list(scheduled_changes(actions, now, begin_s - now_s))
    elif scheduled_changes(actions, begin, now_s - begin_s):
        low, high = ordinary_bounds(target, actions, now)
        last = ((_last_before(_firings(action), begin_s), action) for action in actions)
        fired = [_change(action, moment_s - begin_s) for moment_s, action in last if moment_s is not None]
    bounds = Bounds(
        min_capacity=low,
        max_capacity=high,
        scaling_in_suspended=suspension.scale_in,
        scaling_out_suspended=suspension.scale_out,
        scheduled_suspended=suspension.scheduled,
    )
    for change in sorted(fired, key=lambda change: change.at_s):
        # An action that would put the minimum above the maximum fails and changes nothing.
        with suppress(InvalidInput):
            bounds = bounds.after(change)
    return bounds


def scheduled_changes(
    actions: Iterable[ScheduledAction], begin: datetime, horizon_s: float
) -> tuple[ScheduledChange, ...]:
    """All that scheduled actions do to traffic from ``begin`` on, for ``horizon_s``, in order of time."""
    begin_s, changes = begin.timestamp(), []
    for action in actions:
        after = _firings(action)
        moment_s = after(begin_s - 1)
        while moment_s is not None and moment_s < begin_s + horizon_s:
            changes.append(_change(action, moment_s - begin_s))
            moment_s = after(moment_s)
    return tuple(sorted(changes, key=lambda change: change.at_s))


def _firings(action: ScheduledAction) -> NextFiring:
    start_s, end_s = (limit.timestamp() if limit else None for limit in (action.start, action.end))
    return partial(next_firing, action.schedule, action.timezone, start_s=start_s, end_s=end_s)


def _last_before(firings: NextFiring, before_s: float) -> float | None:
    for days in _LOOK_BACK_DAYS:
        last_s, moment_s = None, firings(before_s - days * DAY_S)
        while moment_s is not None and moment_s < before_s:
            last_s, moment_s = moment_s, firings(moment_s)
        if last_s is not None:
            return last_s
    return None


def _change(action: ScheduledAction, at_s: float) -> ScheduledChange:
    low, high = action.min_capacity, action.max_capacity
    return ScheduledChange(at_s=at_s, min_capacity=low, max_capacity=high, name=action.name)

"""A real endpoint's scheduled actions as the simulator plays them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from dgsm_helpers.aws.scaling.scheduled_actions import ScheduledAction
from dgsm_helpers.rules.policies import ScheduledChange
from dgsm_helpers.rules.schedules import parse_schedule
from dgsm_helpers.simulate.presets import scheduled_changes


def planned(actions: Iterable[ScheduledAction], begin: datetime, horizon_s: float) -> tuple[ScheduledChange, ...]:
    """All that the actions do to traffic from ``begin`` on, for ``horizon_s``: the ``schedule`` of a ``Plan``."""
    changes = (change for action in actions for change in _firings(action, begin, horizon_s))
    return tuple(sorted(changes, key=lambda change: change.at_s))


def _firings(action: ScheduledAction, begin: datetime, horizon_s: float) -> tuple[ScheduledChange, ...]:
    changes = scheduled_changes(
        parse_schedule(action.schedule, action.timezone),
        begin_s=begin.timestamp(),
        horizon_s=horizon_s,
        min_capacity=action.min_capacity,
        max_capacity=action.max_capacity,
        name=action.name,
    )
    first = -1.0 if action.start is None else (action.start - begin).total_seconds()
    last = horizon_s if action.end is None else (action.end - begin).total_seconds()
    return tuple(change for change in changes if first <= change.at_s <= last)

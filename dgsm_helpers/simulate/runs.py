"""What a simulated run says: its series, its activities, its sums."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic


class ScalingEvent(NamedTuple):
    """An activity of the run.

    ``alarm_s`` is when the alarm went into ALARM, ``completed_s`` when the new capacity was there (None: not, or
    never). A reason for not scaling that repeats is one event with ``repeats``.
    """

    at_s: float
    kind: str
    before: int
    after: int
    policy: str = ""
    alarm: str = ""
    cause: str = ""
    code: str = ""
    alarm_s: float | None = None
    completed_s: float | None = None
    repeats: int = 1


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Sums over a run.

    ``over_capacity_s`` are the stream-seconds in excess of the knees, ``affected_s`` those of every stream on an
    instance beyond its knee. ``cut`` are streams that a scale-in ended before their calls, ``handed_over`` those that
    went on on another instance.
    """

    over_capacity_s: float
    affected_s: float
    opened: int
    opened_above_knee: int
    cut: int
    handed_over: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What happened. Series have one value a beat, at ``times_s``.

    ``peaks`` are the most streams of every instance in every interval, shape (beats, slots); -1 where a slot was not
    serving. ``over`` are the streams in excess of the knees at the end of each beat.
    """

    plan: ScalingPlan
    model: ScalingModel
    traffic: Traffic
    capacities: Mapping[str, Capacity]
    times_s: np.ndarray
    serving: np.ndarray
    desired: np.ndarray
    streams: np.ndarray
    over: np.ndarray
    average: np.ndarray
    maximum: np.ndarray
    events: tuple[ScalingEvent, ...]
    tally: Tally
    instance_s: Mapping[str, float]
    peaks: np.ndarray = field(repr=False)

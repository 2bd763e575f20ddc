"""What a simulated run leaves behind: series, scaling events, sums. Frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic
from dgsm_helpers.simulate.virtual_fleet import Tally


@dataclass(frozen=True, kw_only=True)
class ScalingEvent:
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What happened. Arrays have one value a beat, at ``times_s``; `instances` unpacks ``peaks``."""

    plan: ScalingPlan
    model: ScalingModel
    traffic: Traffic
    capacities: Mapping[str, Capacity]
    seed: int
    times_s: np.ndarray
    serving: np.ndarray
    desired: np.ndarray
    streams: np.ndarray
    average: np.ndarray
    maximum: np.ndarray
    events: tuple[ScalingEvent, ...]
    tally: Tally
    instance_s: Mapping[str, float]
    peaks: tuple[list[int], ...] = field(repr=False)

    def instances(self) -> np.ndarray:
        """Peak streams of every instance in every interval, shape (beats, slots); -1 where a slot was not serving."""
        table = np.full((len(self.peaks), max(map(len, self.peaks), default=0)), -1)
        for row, values in zip(table, self.peaks, strict=True):
            row[: len(values)] = values
        return table

"""A recorded period played again: does the simulator have the instances that the endpoint had, minute by minute?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidInput
from .run import Run


@dataclass(frozen=True, kw_only=True, eq=False)
class Backtest:
    """Instances per minute as recorded and as simulated; shape (minutes,).

    ``equal_share`` is the share of minutes with the same count, ``mean_error`` the mean absolute difference, ``bias``
    the mean of simulated minus recorded.
    """

    recorded: np.ndarray
    simulated: np.ndarray
    equal_share: float
    mean_error: float
    bias: float


def backtest(run: Run, recorded: Sequence[tuple[float, float]]) -> Backtest:
    """Compare a run with recorded instance counts.

    Args:
        run: of the traffic that was recorded, under the plan that was active.
        recorded: (seconds since the begin of the traffic, instances), ascending; a count holds until the next point.

    Raises:
        InvalidInput: no points, unordered ones, or a first one after the first minute.
    """
    if not recorded:
        raise InvalidInput("There is nothing recorded to compare with.")
    times, counts = np.asarray(recorded, float).T
    if (np.diff(times) <= 0).any() or times[0] > 60:
        raise InvalidInput("Recorded counts must ascend in time and begin within the first minute.")
    minutes = np.arange(1, int(run.times_s[-1] // 60) + 1) * 60.0
    actual = counts[np.searchsorted(times, minutes, "right") - 1]
    ours = run.serving[np.searchsorted(run.times_s, minutes, "right") - 1]
    difference = ours - actual
    return Backtest(
        recorded=actual.astype(int),
        simulated=ours,
        equal_share=float((difference == 0).mean()),
        mean_error=float(np.abs(difference).mean()),
        bias=float(difference.mean()),
    )

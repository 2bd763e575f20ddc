"""The records that the planner's loop works on, one a slot, a feed, an alarm, an instance type or a beat."""

import numpy as np

from dgsm_helpers.rules.alarms import AlarmStateName

STATES: tuple[AlarmStateName, ...] = ("INSUFFICIENT_DATA", "OK", "ALARM")
COMPARISONS = (">", ">=", "<", "<=")
TREAT_MISSING = ("missing", "notBreaching", "breaching", "ignore")
STATISTICS = ("Average", "Maximum", "Sum")
OVER_POOL = len(STATISTICS)
"""The statistic of a feed whose datapoints are metric math over the pool, which `rules.weighted_metrics` computes."""

SLOT = np.dtype([(name, np.int64) for name in ("count", "peak", "knee", "rank")])
"""An instance: streams on it, the most since the last beat, those it sustains, its type's place in the plan."""

TOTALS = np.dtype(
    [
        (name, np.int64)
        for name in ("streams", "opened", "opened_above", "over", "affected", "least", "serving", "slots")
    ]
    + [(name, np.float64) for name in ("over_s", "affected_s", "settled_s")]
)
"""Of the fleet: streams in progress, opened, opened beyond a knee; in excess of the knees, on instances beyond theirs;
a count that no serving slot is below; how many slots serve, and how many there are; seconds of excess, seconds of
streams on instances beyond their knee, and when those two were summed up last."""

FEED = np.dtype([(name, np.int64) for name in ("statistic", "ticks", "total", "publishing", "top", "length")])
"""A statistic over periods of ``ticks`` beats: the samples of the present period, and how many datapoints there are."""

ALARM = np.dtype(
    [(name, np.int64) for name in ("feed", "comparison", "needed", "periods", "range", "treat_missing")]
    + [(name, np.int64) for name in ("state", "breaching", "missing")]
    + [("threshold", np.float64), ("since_s", np.float64)]
)
"""``needed`` of ``periods`` datapoints, ``range`` looked at if some are missing; of the newest ``periods`` so many are
breaching, of the ``range`` so many missing. Words are their places in `STATES`, `COMPARISONS` and `TREAT_MISSING`."""

POOL = np.dtype([("total", np.int64), ("publishing", np.int64)])
"""Of one instance type in the present period: sum of the samples, and how many."""

BEAT = np.dtype([(name, np.int64) for name in ("total", "top", "publishing", "streams", "serving", "slots", "over")])
"""What one beat published, and the fleet behind it; ``over``: streams in excess of the knees at its end."""

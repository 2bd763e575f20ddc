"""How long a search will take, before it is started: what it has to prove, in instance-minutes."""

import math

from dgsm_helpers.load.ladder.distance import FEWEST
from dgsm_helpers.load.ladder.ramp import openings_s
from dgsm_helpers.load.ladder.rung import Effort
from dgsm_helpers.load.ladder.search import tolerance
from dgsm_helpers.load.ladder.verdict import streams_needed


def minutes_after_ramp(effort: Effort, knee: int) -> float:
    """Instance-minutes that a ramp and `search.Search` need for a knee of ``knee`` streams, within a factor of two.

    That is where streams can be judged by their distance from the bounds. Where they have to be counted, few streams
    make it long: each hold of a knee of 4 yields 4 of them. Void holds, hiccups and streams close to the criteria come
    on top.
    """
    # A stream that is alone in its hold differs from none.
    needed = FEWEST if knee > 1 else streams_needed(effort.pass_share, effort.passing_confidence(0))
    holds = max(math.ceil(needed / knee), effort.replicates)
    # What fails is seen soon after it has settled.
    failing_s = effort.replicates * (effort.settle_s + 0.3 * min(effort.hold_s, 20.0))
    return (openings_s(knee + 1)[-1] + 3.0 + holds * (effort.settle_s + effort.hold_s) + failing_s) / 60


def minutes_from(begin_at: int, effort: Effort, knee: int) -> float:
    """As `minutes_after_ramp`, of a search without a ramp whose first rung is ``begin_at``: it walks to the knee."""
    needed = streams_needed(effort.pass_share, effort.passing_confidence(0))
    holds = max(math.ceil(needed / max(knee, 1)), effort.replicates)
    again = (holds - 1) + (effort.replicates - 1)
    walk_s = _rungs_walked(begin_at, knee) * (effort.settle_s + effort.probe_s)
    return (walk_s + again * (effort.settle_s + effort.hold_s)) / 60


def _rungs_walked(begin_at: int, knee: int) -> int:
    """Rungs until the knee is enclosed as tightly as is asked for: steps that double, then halves of what is left."""
    low, high, rungs = 0, begin_at, 1
    while high <= knee:
        low, high, rungs = high, 2 * high, rungs + 1
    while high - low > tolerance(low):
        middle = (low + high) // 2
        low, high, rungs = (middle, high, rungs + 1) if middle <= knee else (low, middle, rungs + 1)
    return rungs

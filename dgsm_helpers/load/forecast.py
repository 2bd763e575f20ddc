"""How long a search will take, before it is started: what it has to prove, in instance-minutes."""

from __future__ import annotations

import math

from dgsm_helpers.load.rung import Effort
from dgsm_helpers.load.search import FIRST_RUNG
from dgsm_helpers.load.verdict import streams_needed


def expected_minutes(effort: Effort, knee: int) -> float:
    """Instance-minutes that `search.Search` needs for a knee of ``knee`` streams, within about a factor of two.

    Few streams make it long, because a verdict rests on streams: where the knee is 4, each hold yields 4 of them. Void
    holds, hiccups and streams close to the criteria come on top.
    """
    needed = streams_needed(effort.pass_share, effort.confidence)
    holds = max(math.ceil(needed / knee), effort.replicates) + 1
    doublings = max(math.ceil(math.log2((knee + 1) / FIRST_RUNG)), 0) + 1
    width = max(1, knee // 20)
    halvings = math.ceil(math.log2(max(knee / 2 / width, 1)))
    probe_s, hold_s = effort.settle_s + effort.probe_s, effort.settle_s + effort.hold_s
    return (holds * hold_s + (doublings + halvings) * probe_s) / 60
